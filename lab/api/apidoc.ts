/** The schema that a node serves of its own API, made from the endpoints themselves. */

import { type Endpoint, type Parameter, type Permission, placeholdersOf } from './endpoint.ts';
import { segmentsOf } from './request.ts';

export interface SchemaNode {
  readonly path: string;
  /** The last part of the path. */
  readonly text: string;
  leaf: 0 | 1;
  /** By method; absent where the path alone answers to none. */
  info?: Record<string, unknown>;
  children?: SchemaNode[];
}

/** Formats that a node knows by name; the others describe themselves. */
const namedFormat =
  /^(?:dns-name|pve-(?:configid|node|poolid|storage-(?:content|id)|tag-list|vmid(?:-list)?))$/;

/** A pattern of the schema means the whole value. */
function patternOf({ source }: RegExp): string {
  return /^\^.*\$$/.test(source) ? source.slice(1, -1) : source;
}

function typetextOf({ type, enum: words, minimum, maximum }: Parameter): string {
  if (words !== undefined) return words.join(' | ');
  const range =
    minimum === undefined && maximum === undefined ? '' : ` (${minimum ?? 'N'} - ${maximum ?? 'N'})`;
  return type === 'boolean' ? '<boolean>' : `<${type}>${range}`;
}

function propertyOf(parameter: Parameter) {
  const { type, about, pattern, format, optional, enum: words, default: usual } = parameter;
  const { minimum, maximum, minLength, maxLength } = parameter;
  const bounds = Object.entries({ minimum, maximum, minLength, maxLength });
  return {
    type,
    ...(about !== undefined && { description: about }),
    ...(optional === true && { optional: 1 }),
    ...(usual !== undefined && { default: usual }),
    ...(words !== undefined && { enum: words }),
    ...(pattern !== undefined && { pattern: patternOf(pattern) }),
    ...(format !== undefined && type !== 'array' && namedFormat.test(format) && { format }),
    ...Object.fromEntries(bounds.filter(([, bound]) => bound !== undefined)),
    ...(type === 'array' ? { items: { type: 'string' } } : { typetext: typetextOf(parameter) }),
  };
}

function permissionsOf(permission: Permission) {
  if (permission === 'all') return { user: 'all' };
  const { path, privileges, any } = permission;
  return { check: ['perm', path, privileges, ...(any === true ? ['any', 1] : [])] };
}

function nameOf({ method, path }: Endpoint): string {
  const words = path.split('/').filter((part) => part !== '' && !part.startsWith('{'));
  return [method.toLowerCase(), ...words.slice(-2)].join('_').replaceAll('-', '_');
}

function infoOf(endpoint: Endpoint) {
  const { method, about, parameters, permission, returns = 'null', path } = endpoint;
  const properties = Object.entries(parameters).map(([name, one]) => [name, propertyOf(one)] as const);
  return {
    ...{ allowtoken: 1, description: about, method, name: nameOf(endpoint) },
    parameters: {
      additionalProperties: 0,
      ...(properties.length > 0 && { properties: Object.fromEntries(properties), type: 'object' }),
    },
    permissions: permissionsOf(permission),
    ...(method !== 'GET' && { protected: 1 }),
    ...(placeholdersOf(path).includes('node') && { proxyto: 'node' }),
    returns: { type: returns, ...(returns === 'array' && { items: { type: 'object' } }) },
  };
}

/** The paths as a tree; the root, above them all, is none of them. */
export function schemaOf(endpoints: readonly Endpoint[]): SchemaNode[] {
  const top: SchemaNode[] = [];
  for (const endpoint of endpoints) {
    let siblings = top;
    let node: SchemaNode | undefined;
    let path = '';
    for (const text of segmentsOf(endpoint.path)) {
      path += `/${text}`;
      if (node !== undefined) {
        node.leaf = 0;
        node.children ??= [];
        siblings = node.children;
      }
      node = siblings.find((sibling) => sibling.text === text);
      if (node === undefined) {
        node = { path, text, leaf: 1 };
        siblings.push(node);
      }
    }
    if (node !== undefined) node.info = { ...node.info, [endpoint.method]: infoOf(endpoint) };
  }
  return top;
}

/** What makes a page of it in a browser; there is no such page in the lab. */
const viewer = `
const countMethods = (nodes) =>
  nodes.reduce((sum, { info = {}, children = [] }) => sum + Object.keys(info).length + countMethods(children), 0);

document.addEventListener('DOMContentLoaded', () => {
  const methods = [
    countMethods(apiSchema),
  ];
  document.body.textContent = \`\${methods[0]} methods\`;
});
`;

/** The file /pve-docs/api-viewer/apidoc.js. The first line that is a bracket alone ends the schema. */
export function renderApidoc(endpoints: readonly Endpoint[]): string {
  return `const apiSchema = ${JSON.stringify(schemaOf(endpoints), undefined, 3)}\n;\n${viewer}`;
}
