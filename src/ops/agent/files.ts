/** Reads and writes files of virtual machines through the guest agent. */
import { z } from 'zod';
import { failure, GatewayError } from '../../base/errors.ts';
import { Anything, Num } from '../answers.ts';
import type { ApiRoom } from '../api-room.ts';
import { guestNow } from '../guest-task.ts';
import type { Guest } from '../survey.ts';
import { askAgent, saidIn } from './call.ts';

export interface ReadPart {
  readonly vmid: number;
  readonly path: string;
  readonly offset: number;
  /** At most maxReadBytes. */
  readonly maxBytes: number;
}

export interface ReadBytes {
  readonly bytes: Buffer;
  /** Whether the file goes on behind them. */
  readonly more: boolean;
}

export interface AgentFiles {
  /** Throws FILE_NOT_FOUND, IS_DIRECTORY, NOT_READABLE; API_ANSWER_TOO_LARGE where a node reads only whole files. */
  read(part: ReadPart, signal: AbortSignal): Promise<ReadBytes>;
  /** At most maxWriteBytes. Throws FILE_EXISTS, DIRECTORY_NOT_FOUND, IS_DIRECTORY, NOT_WRITABLE. */
  write(
    file: { vmid: number; path: string; bytes: Buffer; overwrite: boolean },
    signal: AbortSignal,
  ): Promise<void>;
}

/** The agent reads a megabyte at a time; one byte more tells whether the file goes on. */
export const maxReadBytes = 1024 * 1024 - 1;
/** Proxmox VE takes 61,440 characters of base64. */
export const maxWriteBytes = 46_080;

const Content = z.object({ content: z.string(), 'bytes-read': Num });

/** Of a whole file, where the node knows no parts. */
const maxAnswerBytes = 16 * 1024 * 1024;

export function createAgentFiles({ pve, inventory }: Pick<ApiRoom, 'pve' | 'inventory'>): AgentFiles {
  const fetch = async (
    guest: Guest,
    params: Readonly<Record<string, string | number>>,
    signal: AbortSignal,
  ) => {
    const action = `read a file of virtual machine ${guest.vmid}`;
    const request = { method: 'GET', verb: 'file-read', params, action, signal } as const;
    const { content } = await askAgent(pve, guest, { ...request, maxBytes: maxAnswerBytes }, Content);
    // Raw bytes of the guest, shown by Proxmox VE as Latin-1.
    return Buffer.from(content, 'latin1');
  };

  const read = async (
    { path, offset, maxBytes, vmid }: ReadPart,
    signal: AbortSignal,
  ): Promise<ReadBytes> => {
    const where = `in virtual machine ${vmid}`;
    return await inventory.onOwner(vmid, signal, async (guest) => {
      try {
        const bytes = await fetch(guest, { file: path, offset, count: maxBytes + 1 }, signal);
        return { bytes: bytes.subarray(0, maxBytes), more: bytes.length > maxBytes };
      } catch (error) {
        if (!knowsNoParts(error)) throw notRead(error, where);
      }
      const bytes = await fetch(guest, { file: path }, signal).catch((error: unknown) => {
        throw notRead(error, where);
      });
      const end = offset + maxBytes;
      return { bytes: bytes.subarray(offset, end), more: bytes.length > end };
    });
  };

  const exists = async (vmid: number, path: string, signal: AbortSignal): Promise<boolean> => {
    try {
      await read({ vmid, path, offset: 0, maxBytes: 1 }, signal);
      return true;
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'FILE_NOT_FOUND') return false;
      if (error instanceof GatewayError && ['NOT_READABLE', 'API_ANSWER_TOO_LARGE'].includes(error.code))
        return true;
      throw error;
    }
  };

  return {
    read,
    async write({ vmid, path, bytes, overwrite }, signal) {
      const where = `in virtual machine ${vmid}`;
      const guest = await guestNow(inventory, { vmid, kind: 'vm' }, signal);
      if (!overwrite && (await exists(vmid, path, signal))) throw failure('FILE_EXISTS', { where });
      const params = { file: path, content: bytes.toString('base64'), encode: false };
      const action = `write a file of virtual machine ${vmid}`;
      try {
        await askAgent(pve, guest, { method: 'POST', verb: 'file-write', params, action, signal }, Anything);
      } catch (error) {
        throw notWritten(error, where);
      }
    },
  };
}

/** Before qemu-server 9.1.5 a file was read as a whole. */
function knowsNoParts(error: unknown): boolean {
  return /\b(offset|count): property is not defined in schema/.test(saidIn(error));
}

function notRead(error: unknown, where: string): unknown {
  const said = saidIn(error);
  const options = { cause: error, evidence: { stderr: said } };
  if (/Is a directory/.test(said)) return failure('IS_DIRECTORY', { where: `the path ${where}` }, options);
  if (!/failed to (open|read) file/.test(said)) return error;
  if (/No such file|cannot find/i.test(said)) return failure('FILE_NOT_FOUND', { where }, options);
  return failure('NOT_READABLE', { where, problem: 'the guest refuses it' }, options);
}

/** Only of a file that could not even be opened it is certain that it is as it was. */
function notWritten(error: unknown, where: string): unknown {
  const said = saidIn(error);
  const options = { cause: error, evidence: { stderr: said } };
  if (!/failed to open file/.test(said)) return error;
  if (/No such file|Not a directory|cannot find/i.test(said))
    return failure('DIRECTORY_NOT_FOUND', { where }, options);
  if (/Is a directory/.test(said)) return failure('IS_DIRECTORY', { where: `the path ${where}` }, options);
  return failure('NOT_WRITABLE', { where, problem: 'the guest refuses it' }, options);
}
