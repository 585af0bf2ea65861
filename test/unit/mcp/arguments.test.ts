import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { GatewayError } from '../../../src/base/errors.ts';
import { parseArguments } from '../../../src/mcp/arguments.ts';
import { Vmid } from '../../../src/tools/params.ts';

const schema = z.strictObject({
  vmid: Vmid,
  mode: z.enum(['a', 'b']).default('a'),
  env: z.record(z.string().regex(/^[A-Z]+$/), z.string()).optional(),
});

function problemOf(args: unknown, against: z.ZodObject = schema): string {
  try {
    parseArguments(against, args);
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    assert.equal(error.code, 'INVALID_ARGUMENT');
    return error.message;
  }
  return assert.fail('the arguments were accepted');
}

test('what fits is parsed, defaults filled in', () => {
  assert.deepEqual(parseArguments(schema, { vmid: 100 }), { vmid: 100, mode: 'a' });
  assert.deepEqual(parseArguments(schema, { vmid: '100', mode: 'b' }), { vmid: 100, mode: 'b' });
});

test('no arguments at all are as good as empty ones', () => {
  const free = z.strictObject({ mode: z.string().default('x') });
  for (const args of [undefined, null, {}]) assert.deepEqual(parseArguments(free, args), { mode: 'x' });
});

test('every bad argument is named at once', () => {
  const message = problemOf({ vmid: 7, mode: 'c', env: { lower: 'x' } });
  for (const name of ['vmid: ', 'mode: ', 'env.lower: ']) assert.ok(message.includes(name), message);
});

test('an unknown argument is named, with those that there are', () => {
  assert.match(
    problemOf({ vmid: 100, vmdi: 1 }),
    /vmdi: there is no such argument \(there are vmid, mode, env\)/,
  );
  assert.match(problemOf({ x: 1 }, z.strictObject({})), /x: .*\(there are none\)/);
});

test('arguments that are no object are refused', () => {
  for (const args of ['vmid=100', 7, true, [100], [[]]]) assert.match(problemOf(args), /arguments: /);
});

test('names from outside can neither forge lines nor fill pages', () => {
  const hostile = { vmid: 100, [`x\n${'y'.repeat(10_000)}`]: 1, 'z\u202e': 1 };
  const message = problemOf(hostile);
  assert.doesNotMatch(message, /[\n\u202e]/);
  assert.ok(message.length < 1000);
});

test('ten problems are told, not ten thousand', () => {
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, 1]));
  assert.equal(problemOf({ vmid: 100, ...many }).split('; ').length, 10);
});

test('values are not repeated', () => {
  assert.doesNotMatch(problemOf({ vmid: 'c4n4ry', mode: 'c4n4ry', env: 'c4n4ry' }), /c4n4ry/);
});

test('a name of the prototype is an argument like any other', () => {
  assert.match(
    problemOf(JSON.parse('{"vmid": 100, "__proto__": {"mode": "b"}}')),
    /__proto__: there is no such/,
  );
  assert.match(problemOf({ vmid: 100, constructor: 1 }), /constructor: there is no such/);
});

test('problems are told in words that fit every schema, and its own words stay', () => {
  const many = z.strictObject({
    template: z.string().max(3),
    limit: z.int().min(1).max(500).default(1),
    sort: z.enum(['id', 'name']).default('id'),
    ids: z.array(z.string()).max(1).default([]),
    start: z.boolean().default(false),
    name: z.string().regex(/^a$/, 'must be a').default('a'),
  });
  assert.match(problemOf({ vmid: 100 }, many), /template: is needed/);
  const message = problemOf(
    { template: 'long', limit: 501, sort: 'x', ids: ['a', 'b'], start: 'yes', name: 'b' },
    many,
  );
  for (const words of [
    'template: must be at most 3 characters',
    'limit: must be at most 500',
    'sort: must be one of id, name',
    'ids: must be at most 1 item',
    'start: must be true or false',
    'name: must be a',
  ])
    assert.ok(message.includes(words), message);
  assert.match(
    problemOf({ template: 7, limit: 0 }, many),
    /template: must be text; limit: must be at least 1/,
  );
});
