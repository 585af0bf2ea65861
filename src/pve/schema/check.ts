/** Checks the arguments of a call against what the node says of the endpoint, before anything is sent. */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { Params } from '../pve.ts';
import type { ApiEndpoint, ApiParameter, ParameterType } from './parse.ts';
import { fits } from './pattern.ts';

export type Given = Readonly<Record<string, unknown>>;

export interface Checked {
  /** As they are sent; the variables of the path are not among them. */
  readonly params: Params;
  /** What is wrong, each with the name of the parameter; empty where nothing is. */
  readonly problems: readonly string[];
}

const maxItems = 1_000;
const maxNamed = 12;

/** `variables` stand in the path, `given` beside it; problems are told of both. */
export function checkCall(
  { template, method, parameters, open }: ApiEndpoint,
  variables: Readonly<Record<string, string>>,
  given: Given,
): Checked {
  const params: [string, string | number | boolean | readonly string[]][] = [];
  const problems: string[] = [];
  for (const [name, value] of Object.entries(variables)) {
    const parameter = parameters.get(name);
    const { problem } = parameter === undefined ? {} : check(parameter, value);
    if (problem !== undefined) problems.push(`path: ${name} ${problem}`);
  }
  for (const [name, value] of Object.entries(given)) {
    const parameter = declared(parameters, name);
    if (Object.hasOwn(variables, name)) problems.push(`params.${name}: stands in the path already`);
    else if (parameter === undefined && !open)
      problems.push(`params.${name}: ${unknown(parameters, variables)}`);
    else {
      const { problem, sent } = check(parameter ?? undescribed(name), value);
      if (problem !== undefined) problems.push(`params.${name}: ${problem}`);
      else if (sent !== undefined) params.push([name, sent]);
    }
  }
  const missing = [...parameters.values()].filter(
    ({ name, required }) => required && !Object.hasOwn(variables, name) && !Object.hasOwn(given, name),
  );
  for (const { name, type, choices } of missing)
    problems.push(
      `params.${name}: is missing, ${method} ${template} needs it (${choices?.slice(0, maxNamed).join(', ') ?? type})`,
    );
  return { params: Object.fromEntries(params), problems };
}

/** `net0` is an instance of `net[n]`. */
export function declared(parameters: ApiEndpoint['parameters'], name: string): ApiParameter | undefined {
  return parameters.get(name) ?? parameters.get(name.replace(/\d{1,4}$/, '[n]'));
}

function unknown(parameters: ApiEndpoint['parameters'], variables: Readonly<Record<string, string>>): string {
  const names = [...parameters.keys()].filter((name) => !Object.hasOwn(variables, name));
  const shown = names.slice(0, maxNamed).join(', ') + (names.length > maxNamed ? ', …' : '');
  return `there is no such parameter (there are ${shown || 'none'})`;
}

function undescribed(name: string): ApiParameter {
  return {
    ...{ name, type: 'string', itemType: 'string', required: false, about: '', default: undefined },
    ...{ choices: undefined, minimum: undefined, maximum: undefined, minLength: undefined },
    ...{ maxLength: undefined, pattern: undefined, format: undefined, form: undefined },
  };
}

type Sent = string | number | boolean | readonly string[];

function check(parameter: ApiParameter, value: unknown): { problem?: string; sent?: Sent } {
  const { type, itemType, format = '' } = parameter;
  if (type === 'array') {
    const items: unknown[] = Array.isArray(value) ? value : [value];
    if (items.length > maxItems) return { problem: `must be a list of at most ${maxItems} items` };
    const problem = items.map((item) => scalarProblem({ ...parameter, type: itemType }, item)).find(Boolean);
    return problem === undefined ? { sent: items.map(String) } : { problem: `each item ${problem}` };
  }
  if (Array.isArray(value) && !format.endsWith('-list'))
    return { problem: `must be ${article[type]}, not a list` };
  // Such lists are one text to Proxmox VE.
  const whole: unknown = Array.isArray(value) ? value.join(',') : value;
  const problem = scalarProblem(parameter, whole);
  if (problem !== undefined) return { problem };
  return { sent: type === 'boolean' ? yes.test(String(whole)) : (whole as string | number) };
}

const article: Readonly<Record<ParameterType, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
};
const yes = /^(1|on|yes|true)$/i;
const no = /^(0|off|no|false)$/i;

/** Completes the name of the parameter. */
function scalarProblem(parameter: ApiParameter, value: unknown): string | undefined {
  const text = String(value);
  if (typeof value === 'object' || value === undefined || !isOf(parameter.type, value))
    return `must be ${article[parameter.type]}`;
  const { choices, minimum, maximum, minLength, maxLength, pattern, format } = parameter;
  const isNumber = parameter.type === 'integer' || parameter.type === 'number';
  if (isNumber && minimum !== undefined && Number(value) < minimum) return `must be at least ${minimum}`;
  if (isNumber && maximum !== undefined && Number(value) > maximum) return `must be at most ${maximum}`;
  if (choices !== undefined && !choices.includes(text))
    return `must be one of ${choices.slice(0, maxNamed).join(', ')}${choices.length > maxNamed ? ', …' : ''}`;
  if (parameter.type !== 'string') return undefined;
  if (minLength !== undefined && text.length < minLength) return `must have at least ${minLength} characters`;
  if (maxLength !== undefined && text.length > maxLength) return `must have at most ${maxLength} characters`;
  if (pattern !== undefined && fits(pattern, text) === false) return 'does not have the form that it needs';
  const form = format === undefined ? undefined : forms.get(format);
  return form === undefined || form.has(text) ? undefined : `must be ${form.words}`;
}

function isOf(type: ParameterType, value: unknown): boolean {
  const text = String(value);
  if (type === 'boolean') return yes.test(text) || no.test(text);
  if (typeof value === 'boolean') return false;
  if (type === 'integer') return /^(0|-?[1-9]\d{0,14})$/.test(text);
  if (type === 'number') return /^-?\d{1,15}(\.\d{1,15})?$/.test(text);
  return text.isWellFormed() && !text.includes('\0');
}

interface Form {
  readonly words: string;
  readonly has: (text: string) => boolean;
}

function isRange(text: string, isAddress: (text: string) => boolean): boolean {
  const [address = '', bits = '', more] = text.split('/');
  return more === undefined && isAddress(address) && /^\d{1,3}$/.test(bits);
}

const node = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const vmid = /^[1-9]\d{2,8}$/;
const list = /[,;\s]+/;

/** The forms that everybody gets wrong at times; the node checks the others. */
const forms: ReadonlyMap<string, Form> = new Map([
  ['pve-vmid', { words: 'the id of a guest', has: (text) => vmid.test(text) }],
  [
    'pve-vmid-list',
    {
      words: 'ids of guests with commas between',
      has: (text) => text.split(list).every((id) => vmid.test(id)),
    },
  ],
  ['pve-node', { words: 'the name of a node', has: (text) => node.test(text) }],
  [
    'pve-storage-id',
    { words: 'the name of a storage', has: (text) => /^[a-z][a-z0-9_.-]*[a-z0-9]$/i.test(text) },
  ],
  [
    'pve-configid',
    { words: 'a name of letters, digits, - and _', has: (text) => /^[a-z][a-z0-9_-]+$/i.test(text) },
  ],
  ['ip', { words: 'an IP address', has: (text) => isIP(text) !== 0 }],
  ['ipv4', { words: 'an IPv4 address', has: isIPv4 }],
  ['ipv6', { words: 'an IPv6 address', has: isIPv6 }],
  ['CIDR', { words: 'an address with /bits', has: (text) => isRange(text, (part) => isIP(part) !== 0) }],
  ['CIDRv4', { words: 'an IPv4 address with /bits', has: (text) => isRange(text, isIPv4) }],
  ['CIDRv6', { words: 'an IPv6 address with /bits', has: (text) => isRange(text, isIPv6) }],
]);
