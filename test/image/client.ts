/** The clients of both eras of the protocol, seen as one. */
import { connectLegacy, connectModern } from '../gateway/harness.ts';

export type Result = Readonly<Record<string, unknown>>;

export interface Caller {
  call(tool: string, args?: Record<string, unknown>): Promise<Result>;
  /** Runs a command in container 100. */
  exec(command: string, args?: Record<string, unknown>): Promise<Result>;
  toolNames(): Promise<string[]>;
  close(): Promise<void>;
}

export const eras = ['2025-11-25', '2026-07-28'] as const;
export type Era = (typeof eras)[number];

const waitMs = 60_000;

/** `address` is that of the gateway, without a path. */
export async function connect(era: Era, address: URL, bearer: string): Promise<Caller> {
  const url = new URL('/mcp', address);
  return era === '2026-07-28' ? await modern(url, bearer) : await legacy(url, bearer);
}

type Bare = Omit<Caller, 'exec'>;

function withExec(bare: Bare): Caller {
  return {
    ...bare,
    exec: (command, args = {}) =>
      bare.call('proxmox_container_exec_command', { vmid: 100, command, ...args }),
  };
}

async function modern(url: URL, bearer: string): Promise<Caller> {
  const client = await connectModern(url, bearer);
  return withExec({
    call: (name, args = {}) => client.callTool({ name, arguments: args }, { timeout: waitMs }),
    toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
    close: () => client.close(),
  });
}

async function legacy(url: URL, bearer: string): Promise<Caller> {
  const client = await connectLegacy(url, bearer);
  return withExec({
    call: (name, args = {}) => client.callTool({ name, arguments: args }, undefined, { timeout: waitMs }),
    toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
    close: () => client.close(),
  });
}
