/** Completes what people type into the arguments of prompts and the addresses of resources. */
import type { CompleteRequestParams, CompleteResult } from '@modelcontextprotocol/server';
import { GatewayError } from '../base/errors.ts';
import { Vmid } from '../tools/params.ts';
import type { Choices, GuestChoice } from './choices.ts';
import { promptsFor } from './prompt-book.ts';
import { type Look, protocolError, type Viewer } from './reading.ts';
import { templatesFor } from './resources.ts';

/** Nothing fits where the reference or its argument is unknown. Throws ProtocolError. */
export type Completion = (params: CompleteRequestParams, look: Look) => Promise<CompleteResult>;

/** What the protocol allows. */
const maxValues = 100;

export function createCompletion({ choices }: { choices: Choices }): Completion {
  const fitting = async (name: string, typed: string, look: Look): Promise<readonly string[]> => {
    switch (name) {
      case 'node':
        return (await choices.nodes(look)).filter((node) => node.startsWith(typed));
      case 'vmid':
        return guestsLike(typed, await choices.guests(look));
      case 'upid':
        return (await choices.tasks(look)).filter((upid) => upid.includes(typed));
      default:
        return [];
    }
  };

  return async (params, look) => {
    const { name, value } = params.argument;
    if (!isKnown(params, look.viewer)) return { completion: { values: [], total: 0, hasMore: false } };
    const all = await fitting(name, value, look).catch((error: unknown) => {
      throw error instanceof GatewayError ? protocolError(error) : error;
    });
    const values = all.slice(0, maxValues);
    return { completion: { values, total: all.length, hasMore: all.length > values.length } };
  };
}

/** Ids where an id is typed, names where a name is: clients show only what begins as people began. */
function guestsLike(typed: string, guests: readonly GuestChoice[]): readonly string[] {
  const ids = guests.map(({ vmid }) => String(vmid)).filter((id) => id.startsWith(typed));
  if (/^\d*$/.test(typed)) return ids;
  const names = guests.map(({ name }) => name).filter((name) => name.startsWith(typed));
  return [...new Set(names)].filter((name) => Vmid.safeParse(name).success);
}

function isKnown({ ref, argument: { name } }: CompleteRequestParams, viewer: Viewer): boolean {
  if (ref.type === 'ref/resource')
    return templatesFor(viewer).some(
      ({ uriTemplate }) => uriTemplate === ref.uri && uriTemplate.includes(`{${name}}`),
    );
  return promptsFor(viewer).some(
    (prompt) => prompt.name === ref.name && prompt.arguments.some((argument) => argument.name === name),
  );
}
