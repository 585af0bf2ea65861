/** Endpoints by which the guest agent runs commands. */
import { toByteString } from '../byte-string.ts';
import { signalNumber } from '../process/signals.ts';
import {
  agentPath,
  agentPrivilege,
  failByTimeout,
  failWithoutWord,
  reachAgent,
  requireWhole,
  unrestricted,
} from './agent-call.ts';
import { factEndpoints, factNames } from './agent-facts.ts';
import { type Run, startInside } from './agent-inside.ts';
import { ApiError } from './api-error.ts';
import { type Call, defineEndpoint, type Endpoint } from './endpoint.ts';

/** An answer of more output does not come through in time. */
const maxAnswerBytes = 6 * 1024 * 1024;

/** Throws ApiError 500 where a character needs more than a byte, as the node's encoder does. */
export function narrowBytes(text: string): Buffer {
  if ([...text].some((char) => char.charCodeAt(0) > 0xff))
    throw new ApiError(500, 'Wide character in subroutine entry');
  return Buffer.from(text, 'latin1');
}

async function exec(call: Call): Promise<{ pid: number }> {
  const reached = await reachAgent(call);
  const { values, node } = call;
  const command = values.list('command');
  const input = narrowBytes(values.find('input-data') ?? '');
  await requireWhole(call, reached, 'guest-exec', command);
  const run = await startInside(node, reached.inside, { argv: command.map(toByteString), input });
  return run === undefined ? await failWithoutWord(call) : { pid: run.pid };
}

/** Bytes are shown as the characters of Latin-1. */
function outputOf({ out, err }: Run) {
  const shown = (name: 'out' | 'err', bytes: Buffer, isTruncated: boolean) =>
    bytes.length > 0 && {
      [`${name}-data`]: bytes.toString('latin1'),
      [`${name}-truncated`]: isTruncated ? 1 : 0,
    };
  return { ...shown('out', out.bytes(), out.isTruncated()), ...shown('err', err.bytes(), err.isTruncated()) };
}

async function execStatus(call: Call) {
  const { guest, inside } = await reachAgent(call);
  const pid = call.values.number('pid');
  const run = inside.runs.get(pid);
  // The agent's message lacks its number for everyone.
  if (run === undefined) throw new ApiError(500, 'Agent error: PID ld does not exist');
  const { exit } = run;
  if (exit === undefined) return { exited: 0 };
  // Who has been told of the end is not told again, even where the answer never arrives.
  inside.runs.delete(pid);
  if (run.out.bytes().length + run.err.bytes().length > maxAnswerBytes)
    return await failByTimeout(call, guest, 'guest-exec-status');
  const how = 'code' in exit ? { exitcode: exit.code } : { signal: signalNumber(exit.signal) };
  return { exited: 1, ...how, ...outputOf(run) };
}

const names = [...factNames, 'exec', 'exec-status', 'file-read', 'file-write', 'ping'].sort();

export const agentEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{ method: 'GET', path: agentPath, about: 'Lists what a guest agent can be asked.', returns: 'array' },
    ...{ permission: 'all', run: () => names.map((name) => ({ name })) },
  }),
  ...factEndpoints,
  defineEndpoint({
    ...{
      method: 'POST',
      path: `${agentPath}/ping`,
      about: 'Asks whether the agent is there.',
      returns: 'object',
    },
    permission: agentPrivilege('Audit'),
    async run(call) {
      await reachAgent(call);
      return { result: {} };
    },
  }),
  defineEndpoint({
    ...{
      method: 'POST',
      path: `${agentPath}/exec`,
      about: 'Starts a command in the guest.',
      returns: 'object',
    },
    parameters: {
      command: { type: 'array', about: 'Program and arguments; no shell reads them.' },
      'input-data': { type: 'string', optional: true, maxLength: 65_536, about: 'Its standard input.' },
    },
    ...{ permission: unrestricted, run: exec },
  }),
  defineEndpoint({
    ...{ method: 'GET', path: `${agentPath}/exec-status`, returns: 'object' },
    about: 'Tells once how a command that was started has ended, and what it wrote.',
    parameters: { pid: { type: 'integer', about: 'Process id, from exec.' } },
    ...{ permission: unrestricted, run: execStatus },
  }),
];
