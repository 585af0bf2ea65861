/** Whole talks with the script that takes files in. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Peer } from '../../../src/exec/dialogue.ts';
import { putScript } from '../../../src/ops/files/put-script.ts';
import type { InShell } from './script-shells.ts';

let count = 0;
/** As with the gateway, no two talks share it: a script removes its own a moment after its last word. */
export let temp = '';
export function newTemp(): string {
  temp = `.proxmox-mcp-${++count}.part`;
  return temp;
}

export interface Put {
  readonly content?: Buffer | string;
  /** Lengths of the frames; one for all without them. */
  readonly frames?: readonly number[];
  readonly size?: number;
  readonly sum?: string;
  readonly mode?: string;
  readonly place?: 'replace' | 'keep';
  readonly user?: string;
  readonly group?: string;
  /** Done before the last word. */
  readonly before?: () => void;
}

export function sumOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

export async function fields(peer: Peer, count: number): Promise<string[]> {
  const heard: string[] = [];
  while (heard.length < count) heard.push(await peer.field());
  return heard;
}

/** The whole talk; resolves with what the script said last. */
export async function put(
  run: InShell,
  directory: string,
  name: string,
  options: Put = {},
): Promise<string[]> {
  const { mode = '644', place = 'replace', user = '-', group = '-' } = options;
  const content = Buffer.from(options.content ?? '');
  return await run(putScript, [directory, name, newTemp()], async (peer) => {
    const [first = ''] = await fields(peer, 1);
    if (first !== 'at') return [first, ...(await fields(peer, 2))];
    await fields(peer, 4);
    await peer.send('go\n');
    const ready = await peer.field();
    if (ready !== 'ready') return [ready, ...(await fields(peer, 2))];
    let at = 0;
    for (const length of options.frames ?? [content.length]) {
      await peer.send(`data ${length}\n`);
      if (length > 0) await peer.send(content.subarray(at, at + length));
      assert.equal(await peer.field(), 'taken');
      at += length;
    }
    options.before?.();
    const sum = options.sum ?? sumOf(content);
    await peer.send(`commit ${options.size ?? content.length} ${sum} ${mode} ${place} ${user} ${group}\n`);
    const last = await peer.field();
    return last === 'failed' ? [last, ...(await fields(peer, 2))] : [last];
  });
}
