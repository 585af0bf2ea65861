/** Reaches into virtual machines through the guest agent: commands, files, facts. */
import { createAgentExec, type GuestCommand, type GuestResult } from './agent/exec.ts';
import { type AgentFiles, createAgentFiles } from './agent/files.ts';
import { createAgentInfo, type GuestFacts } from './agent/info.ts';
import type { ApiRoom } from './api-room.ts';

/** All throw what `askAgent` does and GUEST_NOT_FOUND, besides what is named; what changes something NOT_A_VM, too. */
export interface Agent {
  /**
   * As root, or whoever the agent runs as. A non-zero exit is a result. Throws COMMAND_TIMEOUT and CANCELLED after the
   * command was stopped as far as that goes, AGENT_COMMAND_UNSEEN where its end cannot be known.
   */
  exec(command: GuestCommand, options: { signal: AbortSignal }): Promise<GuestResult>;
  /** What the agent does not tell is missing; throws where it tells nothing. */
  info(vmid: number, signal: AbortSignal): Promise<GuestFacts>;
  readonly files: AgentFiles;
}

export function createAgent(room: ApiRoom): Agent {
  return { exec: createAgentExec(room), info: createAgentInfo(room), files: createAgentFiles(room) };
}
