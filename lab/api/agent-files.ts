/** Endpoints by which the guest agent reads and writes files of its machine. */
import { toByteString } from '../byte-string.ts';
import { FsError } from '../files/fs-error.ts';
import { contentOf, fileNode, root } from '../files/inode.ts';
import {
  absolute,
  addNode,
  getNode,
  locate,
  requireWritable,
  type Tree,
  truncate,
  writeFitting,
} from '../files/tree.ts';
import { narrowBytes } from './agent.ts';
import { agentPath, agentPrivilege, reachAgent, requireWhole } from './agent-call.ts';
import { ApiError } from './api-error.ts';
import { type Call, defineEndpoint, type Endpoint } from './endpoint.ts';

const maxReadBytes = 16 * 1024 * 1024;
/** The agent hands out so much at a time, each piece encoded by itself. */
const pieceBytes = 1024 * 1024;

function agentError(text: string): ApiError {
  return new ApiError(500, `Agent error: ${text}`);
}

/** Runs the action; a failure is told as the agent does. */
function opening<T>(file: string, mode: 'r' | 'wb', action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    throw agentError(`failed to open file '${file}' (mode: '${mode}'): ${error.reason}`);
  }
}

function readBytes(files: Tree, file: string): Buffer {
  const node = opening(file, 'r', () => getNode(files, absolute('/', toByteString(file))));
  if (node.kind === 'directory') throw agentError(`failed to read file '${file}': Is a directory`);
  if (node.kind === 'file') return contentOf(node);
  return node.kind === 'device' && node.device === 'zero' ? Buffer.alloc(maxReadBytes) : Buffer.alloc(0);
}

async function read(call: Call) {
  const reached = await reachAgent(call);
  const { values } = call;
  const file = values.text('file');
  await requireWhole(call, reached, 'guest-file-open', [file]);
  const whole = readBytes(reached.inside.machine.files, file);
  const offset = values.findNumber('offset') ?? 0;
  const bytes = whole.subarray(offset, offset + (values.findNumber('count') ?? maxReadBytes));
  const decodes = (values.find('decode') ?? '1') === '1';
  return {
    content: decodes ? bytes.toString('latin1') : piecewise(bytes),
    'bytes-read': bytes.length,
    ...(offset + bytes.length < whole.length && { truncated: 1 }),
  };
}

function piecewise(bytes: Buffer): string {
  let encoded = '';
  for (let at = 0; at < bytes.length; at += pieceBytes)
    encoded += bytes.subarray(at, at + pieceBytes).toString('base64');
  return encoded;
}

function decoded(content: string): Buffer {
  if (content.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(content))
    throw agentError(`Base64 data '${content}' is not valid`);
  return Buffer.from(content, 'base64');
}

function writeBytes(files: Tree, file: string, bytes: Buffer): void {
  const place = opening(file, 'wb', () => {
    const found = locate(files, absolute('/', toByteString(file)));
    if (found.node?.kind === 'directory') throw new FsError('EISDIR', file);
    requireWritable(found);
    return found;
  });
  if (place.node?.kind === 'device') return;
  const node = place.node?.kind === 'file' ? place.node : fileNode('', 0o666);
  opening(file, 'wb', () => {
    if (place.node === undefined) addNode(place, node, root);
    truncate(files, node, 0);
  });
  if (writeFitting(files, node, 0, bytes) < bytes.length)
    throw agentError(`failed to write to file '${file}': No space left on device`);
}

async function write(call: Call): Promise<null> {
  const reached = await reachAgent(call);
  const { values } = call;
  const file = values.text('file');
  const content = values.text('content');
  const encodes = (values.find('encode') ?? '1') === '1';
  const bytes = encodes ? narrowBytes(content) : decoded(content);
  await requireWhole(call, reached, 'guest-file-open', [file]);
  writeBytes(reached.inside.machine.files, file, bytes);
  return null;
}

export const agentFileEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{
      method: 'GET',
      path: `${agentPath}/file-read`,
      about: 'Reads a file of the guest.',
      returns: 'object',
    },
    parameters: {
      file: { type: 'string', about: 'Path of the file.' },
      count: {
        type: 'integer',
        optional: true,
        default: maxReadBytes,
        minimum: 1,
        maximum: maxReadBytes,
        about: 'Bytes to read at most.',
      },
      decode: {
        type: 'boolean',
        optional: true,
        default: 1,
        about: 'Give the bytes as characters, not in base64.',
      },
      offset: { type: 'integer', optional: true, default: 0, minimum: 0, about: 'Bytes to pass over first.' },
    },
    ...{ permission: agentPrivilege('FileRead'), run: read },
  }),
  defineEndpoint({
    ...{ method: 'POST', path: `${agentPath}/file-write`, about: 'Writes a file of the guest anew.' },
    parameters: {
      content: { type: 'string', maxLength: 61_440, about: 'What is to be in it.' },
      encode: { type: 'boolean', optional: true, default: 1, about: 'Whether the content is no base64 yet.' },
      file: { type: 'string', about: 'Path of the file.' },
    },
    ...{ permission: agentPrivilege('FileWrite'), run: write },
  }),
];
