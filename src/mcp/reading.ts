/** Reads for what is no tool call: through the gate all the same, as the tool that tells the same. */
import { ProtocolError } from '@modelcontextprotocol/server';
import { effectOf, type GatewayError } from '../base/errors.ts';
import type { Caller } from './call.ts';
import type { Gate } from './gate.ts';

/** A caller, and the names of the tools that it may see. */
export interface Viewer extends Caller {
  readonly tools: ReadonlySet<string>;
}

export interface Look {
  readonly viewer: Viewer;
  readonly signal: AbortSignal;
}

export type Data = Readonly<Record<string, unknown>>;

/** What the tool answers. Throws GatewayError. */
export type Reading = (tool: string, args: Data, look: Look) => Promise<Data>;

export function createReading({ gate }: { gate: Gate }): Reading {
  return async (tool, args, { viewer: { principal, client }, signal }) => {
    const answer = await gate.call({ tool, args, principal, client, signal });
    if (answer.kind === 'error') throw answer.error;
    return answer.data;
  };
}

/** SECURITY: text of the host, which the error may carry as evidence, stays behind. */
export function protocolError({ message, outcome, code, retryable, advice }: GatewayError): ProtocolError {
  const data = { code, retryable, suggestion: advice };
  return new ProtocolError(-32603, `${message} ${effectOf(outcome)}`, data);
}
