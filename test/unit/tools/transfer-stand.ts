/** Calls of the tools that move files, on a host that is one file and a transfer folder. */
import assert from 'node:assert/strict';
import { GatewayError } from '../../../src/base/errors.ts';
import type { Source, Transfer } from '../../../src/ops/files/ends.ts';
import type { Files } from '../../../src/ops/files.ts';
import type { Ops } from '../../../src/ops/ops.ts';
import type { Touched } from '../../../src/policy/paths.ts';
import type { ToolContext, ToolLimits } from '../../../src/tools/define.ts';
import { fileTools } from '../../../src/tools/files.ts';

type UploadRequest = Parameters<Files['upload']>[0];
type DownloadRequest = Parameters<Files['download']>[0];

const limits: ToolLimits = {
  maxChars: 1000,
  maxTimeoutS: 300,
  maxFileBytes: 1000,
  maxInlineBytes: 100,
  downloadSources: [],
};

export interface Room {
  readonly uploads: UploadRequest[];
  readonly downloads: DownloadRequest[];
  readonly judged: Touched[];
  readonly states: string[];
  readonly issued: { method: string; maxBytes: number }[];
  readonly folder: string[];
  readonly context: ToolContext;
}

async function readAll({ chunks }: Source): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** A host whose one file holds `content`, and a transfer folder whose every file holds «local». */
export function roomWith({
  content = '',
  transfer,
  own = {},
}: {
  content?: string | Buffer;
  transfer?: Transfer;
  own?: Partial<ToolLimits>;
} = {}): Room {
  const room = { uploads: [], downloads: [], judged: [], states: [], issued: [], folder: [] } as Omit<
    Room,
    'context'
  >;
  const bytes = Buffer.from(content);
  const files: Files = {
    async upload(request, { onProgress }) {
      room.uploads.push(request);
      request.judge('/real/path');
      const sent = await readAll(request.source);
      onProgress(sent.length, request.source.size);
      return { bytes: sent.length, sha256: 'sum', route: 'stream' };
    },
    async download(request, { onProgress }) {
      room.downloads.push(request);
      request.judge('/real/path');
      const { offset, length } = request.range ?? { offset: 0, length: bytes.length };
      const part = bytes.subarray(offset, Math.min(bytes.length, offset + length));
      if (part.length > request.maxBytes) throw request.tooLarge(part.length);
      await request.sink.begin({ size: part.length, sha256: undefined });
      await request.sink.write(Buffer.from(part));
      onProgress(part.length, part.length);
      await request.sink.end(AbortSignal.any([]));
      return { bytes: part.length, sha256: 'sum', size: bytes.length, route: 'staging' };
    },
    sweep: async () => {},
    folder: {
      async openSource(path) {
        room.folder.push(`open ${path}`);
        const chunks = (async function* () {
          yield Buffer.from('local');
        })();
        return { size: 5, chunks, close: async () => void room.folder.push(`close ${path}`) };
      },
      createSink(path, { overwrite }) {
        room.folder.push(`create ${path} ${overwrite}`);
        const step = (what: string) => async () => void room.folder.push(`${what} ${path}`);
        return { begin: step('begin'), write: step('write'), end: step('end'), abort: step('abort') };
      },
      sweep: async () => 0,
    },
  };
  const context: ToolContext = {
    ops: { files } as Ops,
    signal: new AbortController().signal,
    limits: { ...limits, ...own },
    mayReach: () => true,
    onOutput: undefined,
    onState: (text) => void room.states.push(text),
    judge: (touched) => void room.judged.push(touched),
    transfer,
    issueUrl(use) {
      room.issued.push(use);
      return { url: 'https://mcp.lan/transfers/t', expiresAt: new Date(0) };
    },
  };
  return { ...room, context };
}

export const ways = [
  { place: 'container', base: { vmid: 100, container_path: '/srv//a' }, suffix: 'container' },
  { place: 'host', base: { host_path: '/srv//a' }, suffix: 'host' },
] as const;

/** Parses, runs, holds the result to its schema and shows it, as the gate does. */
export async function callTool(
  { base, suffix }: (typeof ways)[number],
  verb: 'upload' | 'download',
  args: object,
  { context }: Room,
) {
  const tool =
    fileTools.find(({ name }) => name.startsWith(`proxmox_${verb}`) && name.endsWith(suffix)) ??
    assert.fail(verb);
  const parsed = tool.input.parse({ ...base, ...args });
  const data = await tool.run(parsed, context);
  assert.deepEqual(tool.output.parse(data), data);
  return { data, text: tool.show(data, parsed), tool, parsed };
}

export async function refusalOf(...call: Parameters<typeof callTool>): Promise<GatewayError> {
  const error: unknown = await callTool(...call).then(
    ({ text }) => assert.fail(`not refused: ${text}`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof GatewayError)) throw error;
  return error;
}
