/** An endpoint in few words: what a caller must know to call it. */
import type { Endpoint, EndpointParameter } from '../ops/api.ts';
import { apiEffect, closedEndpoint } from '../policy/api-rules.ts';
import type { Effect } from '../policy/rules.ts';

export interface DescribedEndpoint {
  readonly method: string;
  readonly path: string;
  readonly about: string;
  readonly effect: Effect;
  readonly privileges: string;
  /** Why this gateway does not call it. */
  readonly refused?: string;
  /** One a line, those that are required marked by *. */
  readonly parameters: readonly string[];
  /** Names of those that are not described here. */
  readonly more?: string;
}

const maxNames = 15;
const maxChoices = 12;

/** Without `full`, optional parameters are only named, and those in the path left out. */
export function describeEndpoint(endpoint: Endpoint, { full }: { full: boolean }): DescribedEndpoint {
  const { method, template: path, about, privileges } = endpoint;
  const parameters = [...endpoint.parameters.values()].filter(({ name }) => !path.includes(`{${name}}`));
  const sorted = [...parameters].sort((one, other) => Number(other.required) - Number(one.required));
  const described = full ? sorted : sorted.filter(({ required }) => required);
  const named = full ? [] : sorted.filter(({ required }) => !required).map(({ name }) => name);
  const rest = named.length > maxNames ? `, … ${named.length - maxNames} more` : '';
  const refused = closedEndpoint({ method, path });
  return {
    ...{ method, path, about, effect: apiEffect({ method, path, params: {} }), privileges },
    ...(refused !== undefined && { refused }),
    parameters: described.map((parameter) => lineOf(parameter, { full })),
    ...(named.length > 0 && { more: named.slice(0, maxNames).join(', ') + rest }),
  };
}

function lineOf(parameter: EndpointParameter, { full }: { full: boolean }): string {
  const { name, required, type, itemType, choices, minimum, maximum, form, format, about } = parameter;
  const kind = type === 'array' ? `list of ${itemType}` : (format ?? type);
  const more = (choices?.length ?? 0) > maxChoices ? '|…' : '';
  const details = [
    choices === undefined
      ? `${kind}${rangeOf(minimum, maximum)}`
      : choices.slice(0, maxChoices).join('|') + more,
    parameter.default === undefined ? '' : `= ${parameter.default}`,
    form === undefined || choices !== undefined || !full ? '' : `(${form})`,
    about === '' || !full ? '' : `— ${about}`,
  ];
  return `${name}${required ? '*' : ''}: ${details.filter((detail) => detail !== '').join(' ')}`;
}

function rangeOf(minimum: number | undefined, maximum: number | undefined): string {
  if (minimum === undefined) return maximum === undefined ? '' : ` up to ${maximum}`;
  return maximum === undefined ? ` from ${minimum}` : ` ${minimum}–${maximum}`;
}

export function endpointLines(endpoint: DescribedEndpoint): readonly string[] {
  const { method, path, about, effect, privileges, refused, parameters, more } = endpoint;
  return [
    `${method} ${path}${about === '' ? '' : ` — ${about}`}`,
    refused === undefined ? `  ${effect}; needs: ${privileges}` : `  not offered by this gateway: ${refused}`,
    ...parameters.map((line) => `  ${line}`),
    ...(more === undefined ? [] : [`  optional: ${more}`]),
  ];
}
