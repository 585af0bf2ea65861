/** From the gate's answer to a tool result of the protocol. */
import type { CallToolResult } from '@modelcontextprotocol/server';
import { effectOf, type GatewayError } from '../base/errors.ts';
import { bound, fence } from '../base/text.ts';
import type { Attachment } from '../tools/define.ts';
import type { Answer } from './call.ts';
import { toolsIn } from './prompts.ts';

export interface ResultOptions {
  readonly maxChars: number;
  /** Names of the tools that the caller may use. */
  readonly offered: ReadonlySet<string>;
  /** The revision of the protocol that the client speaks, where that is known. */
  readonly version?: string | undefined;
}

export function toolResult(answer: Answer, { maxChars, offered, version }: ResultOptions): CallToolResult {
  if (answer.kind === 'ok')
    return {
      content: [{ type: 'text', text: answer.text }, ...blocks(answer.attachments, version)],
      structuredContent: answer.data,
    };
  // No structuredContent: clients of 2025 hold it against the output schema even when it is an error.
  return {
    content: [{ type: 'text', text: JSON.stringify(errorFacts(answer.error, maxChars, offered), null, 2) }],
    isError: true,
  };
}

/** The keys that clients know (error, success, stderr, suggestion), then what a program can act on. */
export function errorFacts(
  error: GatewayError,
  maxChars: number,
  offered?: ReadonlySet<string>,
): Readonly<Record<string, unknown>> {
  const { code, outcome, retryable, advice, evidence } = error;
  const untrusted = (label: 'stdout' | 'stderr') => {
    const text = evidence[label];
    return text ? { [label]: fence(label, bound(text, maxChars).text) } : {};
  };
  return {
    error: `${error.message} ${effectOf(outcome)}`,
    success: false,
    code,
    outcome,
    retryable,
    suggestion: offered === undefined ? advice : adviceFor(advice, offered),
    ...untrusted('stdout'),
    ...untrusted('stderr'),
  };
}

/** The advice of an error is the same for all; what it names may not be offered to this caller. */
function adviceFor(advice: string, offered: ReadonlySet<string>): string {
  const missing = new Set(toolsIn(advice).filter((tool) => !offered.has(tool)));
  return missing.size === 0 ? advice : `${advice} (Not offered here: ${[...missing].join(', ')}.)`;
}

/** A kind of content that a client does not know makes it refuse the whole result. */
const linksSince = '2025-06-18';

function blocks(attachments: readonly Attachment[], version = linksSince): CallToolResult['content'] {
  return attachments.filter(({ kind }) => kind !== 'link' || version >= linksSince).map(block);
}

function block(attachment: Attachment): CallToolResult['content'][number] {
  const { uri } = attachment;
  if (attachment.kind === 'blob')
    return { type: 'resource', resource: { uri, mimeType: binary, blob: attachment.base64 } };
  return { type: 'resource_link', uri, name: attachment.name, mimeType: binary };
}

const binary = 'application/octet-stream';
