import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { renderApidoc, type SchemaNode, schemaOf } from '../../../lab/api/apidoc.ts';
import { defineEndpoint } from '../../../lab/api/endpoint.ts';
import { endpoints } from '../../../lab/api/endpoints.ts';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { underCi } from '../../ci.ts';

interface Property {
  readonly type?: string;
  readonly optional?: number;
  readonly enum?: readonly string[];
}

interface Info {
  readonly description: string;
  readonly parameters: { readonly properties?: Readonly<Record<string, Property>> };
  readonly permissions?: { readonly check?: readonly unknown[]; readonly user?: string };
}

/** The schema in the file, read as anybody would who must not run it. */
function readSchema(file: string): SchemaNode[] {
  const [, json = ''] = /^const apiSchema = (\[.*?\n\])\n/s.exec(file) ?? [];
  return JSON.parse(json) as SchemaNode[];
}

function methodsOf(nodes: readonly SchemaNode[]): Map<string, Info> {
  return new Map(
    nodes.flatMap((node) => [
      ...Object.entries(node.info ?? {}).map(
        ([method, info]) => [`${method} ${node.path}`, info as Info] as const,
      ),
      ...methodsOf(node.children ?? []),
    ]),
  );
}

function everyNode(nodes: readonly SchemaNode[]): SchemaNode[] {
  return nodes.flatMap((node) => [node, ...everyNode(node.children ?? [])]);
}

async function fetchFile(lab: Lab): Promise<{ type: string | undefined; file: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ type: string | undefined; file: string }>();
  request({
    ...{ host: lab.host, port: lab.apiPort, path: '/pve-docs/api-viewer/apidoc.js' },
    ...{ ca: lab.apiCertificate, agent: false },
  })
    .on('error', reject)
    .on('response', (response) => {
      const type = response.headers['content-type'];
      text(response).then((file) => resolve({ type, file }), reject);
    })
    .end();
  return await promise;
}

describe('the schema that a node serves', () => {
  test('has every endpoint and nothing else', () => {
    const served = endpoints
      .filter(({ path }) => path !== '/')
      .map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual([...methodsOf(readSchema(renderApidoc(endpoints))).keys()].sort(), [...served].sort());
    assert.ok(served.length > 100, `${served.length} endpoints`);
    assert.equal(new Set(served).size, served.length);
  });

  test('is there for everyone', async () => {
    const lab = await startLab({ guests: [] });
    try {
      const { type, file } = await fetchFile(lab);
      assert.match(type ?? '', /javascript/);
      assert.equal(file, renderApidoc(endpoints));
    } finally {
      await lab.close();
    }
  });

  test('is a tree of paths', () => {
    for (const { path, text: last, leaf, children, info } of everyNode(schemaOf(endpoints))) {
      assert.ok(path.endsWith(`/${last}`));
      assert.equal(leaf, children === undefined ? 1 : 0, path);
      assert.ok(info !== undefined || children !== undefined, path);
    }
  });

  test('tells parameters as they are verified', () => {
    const endpoint = defineEndpoint({
      ...{ method: 'POST', path: '/nodes/{node}/thing', about: 'Makes a thing.', returns: 'string' },
      permission: { path: '/nodes/{node}', privileges: ['A', 'B'], any: true },
      parameters: {
        size: { type: 'integer', minimum: 1, maximum: 9, default: 3, optional: true, about: 'How large.' },
        word: { type: 'string', pattern: /^\d+[MG]?$/, enum: ['1M', '2G'] },
        list: { type: 'array', format: 'pve-vmid' },
      },
      run: () => null,
    });
    const info = methodsOf(schemaOf([endpoint])).get('POST /nodes/{node}/thing');
    assert.deepEqual(info?.parameters, {
      additionalProperties: 0,
      type: 'object',
      properties: {
        node: {
          ...{ type: 'string', description: 'Name of a node of the cluster.', format: 'pve-node' },
          typetext: '<string>',
        },
        size: {
          ...{ type: 'integer', description: 'How large.', optional: 1, default: 3, minimum: 1, maximum: 9 },
          typetext: '<integer> (1 - 9)',
        },
        word: { type: 'string', enum: ['1M', '2G'], pattern: '\\d+[MG]?', typetext: '1M | 2G' },
        list: { type: 'array', items: { type: 'string' } },
      },
    });
    assert.deepEqual(info?.permissions, { check: ['perm', '/nodes/{node}', ['A', 'B'], 'any', 1] });
  });
});

const realSchema = new URL('../../../../shared/pve/apidoc.json', import.meta.url);
const skip = existsSync(realSchema) || underCi ? false : 'the schema of a real node is not here';

describe('the schema against a real one', { skip }, () => {
  const real =
    skip === false ? methodsOf(JSON.parse(readFileSync(realSchema, 'utf8')) as SchemaNode[]) : new Map();
  const own = methodsOf(schemaOf(endpoints));

  test('has only what a real node has, and asks for the same', () => {
    const differences = [...own].flatMap(([name, info]) => {
      const other = real.get(name) as Info | undefined;
      return other === undefined ? [`${name} is not there`] : differencesOf(name, info, other);
    });
    assert.deepEqual(differences, []);
  });

  test('borrows no sentence', () => {
    const sentences = new Set([...real.values()].map((info) => (info as Info).description));
    const borrowed = [...own].filter(([, { description }]) => sentences.has(description));
    assert.deepEqual(
      borrowed.map(([name]) => name),
      [],
    );
  });
});

/** Types and obligations of the parameters that the lab knows; a real node may know more that may be left out. */
function differencesOf(name: string, own: Info, real: Info): string[] {
  const mine = own.parameters.properties ?? {};
  const theirs = real.parameters.properties ?? {};
  const wrong = Object.entries(mine).flatMap(([key, { type, optional, enum: words }]) => {
    const other = theirs[key];
    if (other === undefined) return [`${name} has no ${key}`];
    if (type !== other.type) return [`${name}: ${key} is ${other.type}, not ${type}`];
    // A path without its placeholder would be another path.
    const isPlace = name.includes(`{${key}}`);
    if (!isPlace && (optional ?? 0) !== Number(other.optional ?? 0))
      return [`${name}: ${key} optional ${other.optional}`];
    return (words ?? [])
      .filter((word) => other.enum?.includes(word) !== true)
      .map((word) => `${name}: ${key} ${word}`);
  });
  const missing = Object.entries(theirs)
    .filter(([key, { optional }]) => Number(optional ?? 0) === 0 && mine[key] === undefined)
    .map(([key]) => `${name} needs ${key}`);
  return [...wrong, ...missing, ...permissionDifference(name, own, real)];
}

/** Where a real node asks for more than one thing at once, the lab asks for the rest when it runs the call. */
function permissionDifference(name: string, own: Info, real: Info): string[] {
  const [mine, theirs] = [own, real].map(({ permissions: { check, user } = {} }) => ({ check, user }));
  if (theirs?.check !== undefined && theirs.check[0] !== 'perm') return [];
  // With one privilege, any of them is all of them.
  const plain = (check: readonly unknown[] = []) =>
    [check[2]].flat().length === 1 ? check.slice(0, 3) : check;
  const same = isDeepStrictEqual([mine?.user, plain(mine?.check)], [theirs?.user, plain(theirs?.check)]);
  return same ? [] : [`${name}: ${JSON.stringify(theirs)}, not ${JSON.stringify(mine)}`];
}
