/** The person at the client, reached by elicitation: the later revision in results, those of 2025 by a request. */
import {
  type ClientCapabilities,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Person, Question } from './call.ts';

const answerName = 'confirm';

/** Undefined where the client cannot ask one. */
export function personAt(
  capabilities: ClientCapabilities | undefined,
  { mcpReq }: ServerContext,
): Person | undefined {
  const state = mcpReq.requestState<unknown>();
  const given = inputResponse(mcpReq.inputResponses, answerName);
  if (typeof state === 'string' && given.kind === 'elicit')
    return { reply: { state, agrees: given.action === 'accept' && given.content?.[answerName] === true } };
  return canShowForms(capabilities) ? {} : undefined;
}

/** Without modes, forms are meant: that is how clients said it before there were others. */
function canShowForms(capabilities: ClientCapabilities | undefined): boolean {
  const { elicitation } = capabilities ?? {};
  return elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined);
}

export function askingFor({ message, state }: Question): InputRequiredResult {
  const form = inputRequired.elicit({
    message,
    requestedSchema: {
      type: 'object',
      properties: { [answerName]: { type: 'boolean', title: 'Yes, do it' } },
      required: [answerName],
    },
  });
  return inputRequired({ inputRequests: { [answerName]: form }, requestState: state });
}
