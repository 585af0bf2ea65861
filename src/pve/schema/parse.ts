/** Reads the description of its REST API that a node serves, without running it. */
import { setImmediate as breathe } from 'node:timers/promises';
import { z } from 'zod';
import { failure } from '../../base/errors.ts';
import { clean } from '../../base/text.ts';
import type { Method } from '../pve.ts';

export type ParameterType = 'string' | 'integer' | 'number' | 'boolean' | 'array';

export interface ApiParameter {
  /** As declared: `net[n]` stands for net0, net1, … */
  readonly name: string;
  readonly type: ParameterType;
  /** Of the items, where it is an array. */
  readonly itemType: ParameterType;
  readonly required: boolean;
  readonly default: string | undefined;
  readonly choices: readonly string[] | undefined;
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  /** In characters, as maxLength. */
  readonly minLength: number | undefined;
  readonly maxLength: number | undefined;
  /** A regular expression in Perl's spelling, for the whole value. */
  readonly pattern: string | undefined;
  /** What Proxmox VE calls the form of the value, such as pve-vmid. */
  readonly format: string | undefined;
  /** How a value of several parts is written, for people. */
  readonly form: string | undefined;
  readonly about: string;
}

export interface ApiEndpoint {
  readonly method: Method;
  /** /nodes/{node}/qemu/{vmid}/config */
  readonly template: string;
  readonly name: string;
  readonly about: string;
  /** Who may call it, in words. */
  readonly privileges: string;
  readonly parameters: ReadonlyMap<string, ApiParameter>;
  /** Whether it takes parameters that it does not describe. */
  readonly open: boolean;
}

/** SECURITY: bounds on what a broken or hostile file can cost. */
const maxDepth = 32;
const maxNodes = 20_000;
const maxEndpoints = 5_000;
const maxParameters = 500;
const maxChoices = 1_000;
const maxAboutChars = 200;
const maxFormChars = 300;
const maxNameChars = 80;

const methods: readonly Method[] = ['GET', 'POST', 'PUT', 'DELETE'];
const types: readonly ParameterType[] = ['string', 'integer', 'number', 'boolean', 'array'];
/** SECURITY: no part is a dot segment. */
const template = /^(\/(\{[A-Za-z0-9_-]+\}|[A-Za-z0-9][A-Za-z0-9_.-]*))+$/;
const parameterName = /^[A-Za-z][A-Za-z0-9_.-]*(\[n\])?$/;

const Text = z.string().optional().catch(undefined);
const Numeral = z
  .union([z.number(), z.string().transform(Number)])
  .refine((value) => Number.isFinite(value))
  .optional()
  .catch(undefined);
/** 1, "1" and true: as Perl writes it. */
const Flag = z
  .unknown()
  .optional()
  .transform((value) => value !== undefined && value !== null && Number(value) !== 0);
const Choices = z.array(z.coerce.string()).max(maxChoices).min(1).optional().catch(undefined);
const Format = z
  .union([z.string(), z.record(z.string(), z.unknown()).transform((parts) => Object.keys(parts))])
  .optional()
  .catch(undefined);

const ParameterEntry = z.object({
  type: Text,
  items: z.object({ type: Text }).optional().catch(undefined),
  optional: Flag,
  default: z.union([z.string(), z.number()]).optional().catch(undefined),
  enum: Choices,
  minimum: Numeral,
  maximum: Numeral,
  minLength: Numeral,
  maxLength: Numeral,
  pattern: Text,
  format: Format,
  typetext: Text,
  description: Text,
});

const MethodEntry = z.object({
  name: Text,
  description: Text,
  allowtoken: z.unknown().optional(),
  parameters: z
    .object({ properties: z.record(z.string(), z.unknown()).optional(), additionalProperties: Flag })
    .optional()
    .catch(undefined),
  permissions: z
    .object({ user: Text, check: z.unknown().optional(), description: Text })
    .optional()
    .catch(undefined),
});

const NodeEntry = z.object({
  path: z.string().max(1000),
  info: z.record(z.string(), z.unknown()).optional().catch(undefined),
  children: z.array(z.unknown()).optional().catch(undefined),
});

/** Nodes that are read in one go: other calls must not wait for the whole file. */
const nodesAtOnce = 50;

/** The endpoints that the file describes; what of it cannot be read is left out. Throws UNEXPECTED_ANSWER. */
export async function parseApiSchema(file: string): Promise<readonly ApiEndpoint[]> {
  const endpoints: ApiEndpoint[] = [];
  const waiting: { entry: unknown; depth: number }[] = roots(file).map((entry) => ({ entry, depth: 0 }));
  for (let seen = 0; ; seen++) {
    const next = waiting.pop();
    if (next === undefined) break;
    if (seen > maxNodes || next.depth > maxDepth || endpoints.length > maxEndpoints) throw strange();
    const node = NodeEntry.safeParse(next.entry);
    if (!node.success) continue;
    const { path, info = {}, children = [] } = node.data;
    if (template.test(path)) endpoints.push(...methods.flatMap((method) => endpoint(path, method, info)));
    for (const entry of children) waiting.push({ entry, depth: next.depth + 1 });
    if (seen % nodesAtOnce === nodesAtOnce - 1) await breathe();
  }
  if (endpoints.length === 0) throw strange();
  return endpoints.sort(byPlace);
}

function byPlace(one: ApiEndpoint, other: ApiEndpoint): number {
  if (one.template !== other.template) return one.template < other.template ? -1 : 1;
  return methods.indexOf(one.method) - methods.indexOf(other.method);
}

function strange(cause?: unknown): Error {
  return failure('UNEXPECTED_ANSWER', { from: "The node's description of its own API" }, { cause });
}

/** The list between its declaration and the line that closes it: JSON, followed by the code of the viewer. */
function roots(file: string): readonly unknown[] {
  const begin = /^const apiSchema = (?=\[)/m.exec(file);
  if (begin === null) throw strange();
  const list = file.slice(begin.index + begin[0].length);
  const end = /\n\];?[ \t\r]*(\n|$)/.exec(list);
  if (end === null) throw strange();
  try {
    const parsed: unknown = JSON.parse(list.slice(0, end.index + 2));
    return Array.isArray(parsed) ? parsed : [];
  } catch (error) {
    throw strange(error);
  }
}

function endpoint(path: string, method: Method, info: Readonly<Record<string, unknown>>): ApiEndpoint[] {
  const entry = MethodEntry.safeParse(Object.hasOwn(info, method) ? info[method] : undefined);
  if (!entry.success) return [];
  const { name = '', description = '', parameters, permissions, allowtoken } = entry.data;
  const declared = Object.entries(parameters?.properties ?? {}).slice(0, maxParameters);
  const read = declared.flatMap(([key, value]) => parameter(key, value));
  const rights = privileges(permissions);
  return [
    {
      method,
      template: path,
      name: clean(name, maxNameChars),
      about: sentence(description),
      privileges: Number(allowtoken ?? 1) === 0 ? `${rights}; not with an API token` : rights,
      parameters: new Map(read.map((each) => [each.name, each])),
      open: parameters?.additionalProperties ?? false,
    },
  ];
}

function parameter(name: string, value: unknown): ApiParameter[] {
  const entry = ParameterEntry.safeParse(value);
  if (!entry.success || name.length > maxNameChars || !parameterName.test(name)) return [];
  const { type, items, optional, default: usual, format, typetext = '', description = '' } = entry.data;
  const { minimum, maximum, minLength, maxLength, pattern } = entry.data;
  const parts = Array.isArray(format) ? `parts: ${format.join(', ')}` : undefined;
  const form = /[[=|,]/.test(typetext.replace(/^<[^>]*>/, '')) ? typetext : parts;
  return [
    {
      ...{ name, minimum, maximum, minLength, maxLength },
      type: typeNamed(type),
      itemType: typeNamed(items?.type),
      required: !optional,
      default: usual === undefined ? undefined : clean(String(usual), maxNameChars),
      choices: entry.data.enum?.map((choice) => clean(choice, maxNameChars)),
      pattern: pattern === undefined || pattern.length > 1_000 ? undefined : pattern,
      format: typeof format === 'string' ? clean(format, maxNameChars) : undefined,
      form: form === undefined ? undefined : clean(form, maxFormChars),
      about: sentence(description),
    },
  ];
}

function typeNamed(name: string | undefined): ParameterType {
  return types.find((type) => type === name) ?? 'string';
}

/** The first sentence, bounded. */
function sentence(text: string): string {
  const line = text.slice(0, 2_000).replace(/\s+/g, ' ').trim();
  return clean(/^.*?[.!?](?= |$)/.exec(line)?.[0] ?? line, maxAboutChars);
}

type Permissions = z.output<typeof MethodEntry>['permissions'];

function privileges(permissions: Permissions): string {
  if (permissions === undefined) return 'root@pam';
  const { user, check, description = '' } = permissions;
  if (check !== undefined && check !== null) return clean(checkText(check, 0), maxFormChars);
  if (user === 'world') return 'none';
  return description === '' ? 'any user' : sentence(description);
}

/** ["and", ["perm", "/vms/{vmid}", ["VM.Clone"]], …] in words. */
function checkText(check: unknown, depth: number): string {
  if (!Array.isArray(check) || depth > 5) return '…';
  const [kind, subject, names, mode] = check.slice(0, 20) as unknown[];
  if (kind === 'and' || kind === 'or') {
    const parts = check.slice(1, 20).map((part) => checkText(part, depth + 1));
    return depth === 0 ? parts.join(` ${kind} `) : `(${parts.join(` ${kind} `)})`;
  }
  const list = (value: unknown) => (Array.isArray(value) ? value.slice(0, 20).map(String) : []);
  if (kind === 'perm') return `${list(names).join(mode === 'any' ? ' or ' : ' and ')} on ${String(subject)}`;
  if (kind === 'userid-group') return `${list(subject).join(' or ')} on a group of the user`;
  if (kind === 'userid-param') return subject === 'self' ? 'the user themselves' : String(subject);
  return kind === 'perm-modify' ? `Permissions.Modify on ${String(subject)}` : '…';
}
