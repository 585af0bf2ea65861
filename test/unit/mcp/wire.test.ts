import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { toolsIn } from '../../../src/mcp/prompts.ts';
import { wireTool } from '../../../src/mcp/wire.ts';
import { catalog } from '../../../src/tools/catalog.ts';
import { defineTool } from '../../../src/tools/define.ts';

const tool = defineTool({
  name: 'proxmox_test',
  title: 'Test',
  about: 'Tests.',
  toolset: 'cluster',
  effect: 'read',
  target: 'cluster',
  needs: 'api',
  input: z.strictObject({
    any: z.int(),
    bounded: z.int().min(1).max(9),
    name: z.string().max(9).regex(/^a$/).optional(),
    nested: z.strictObject({ deep: z.int().optional() }).optional(),
  }),
  output: z.object({
    count: z.int(),
    done: z.literal(true),
    note: z.string().optional(),
    rows: z.array(z.object({ id: z.int().min(100), tags: z.array(z.string()).optional() })),
    more: z.looseObject({}),
    map: z.record(z.string(), z.number()),
  }),
  run: async () => ({ count: 0, done: true as const, rows: [], more: {}, map: {} }),
  show: () => '',
});

test('inputs stay strict, outputs say what is always there, and nothing is said in vain', () => {
  const { inputSchema, outputSchema, annotations, title } = wireTool(tool);
  assert.deepEqual(inputSchema, {
    type: 'object',
    properties: {
      any: { type: 'integer' },
      bounded: { type: 'integer', minimum: 1, maximum: 9 },
      name: { type: 'string' },
      nested: { type: 'object', properties: { deep: { type: 'integer' } }, additionalProperties: false },
    },
    required: ['any', 'bounded'],
    additionalProperties: false,
  });
  assert.deepEqual(outputSchema, {
    type: 'object',
    properties: {
      count: { type: 'integer' },
      done: { type: 'boolean' },
      rows: {
        type: 'array',
        items: { type: 'object', properties: { id: { type: 'integer', minimum: 100 } }, required: ['id'] },
      },
      more: { type: 'object', properties: {} },
      map: { type: 'object' },
    },
    required: ['count', 'done', 'rows', 'more', 'map'],
  });
  assert.equal(title, 'Test');
  assert.deepEqual(annotations, {
    readOnlyHint: true,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: false,
  });
});

test('what an everyday tool says of itself names no tool that is not offered beside it', () => {
  const everyday = new Set(catalog.flatMap((each) => (each.everyday === true ? [each.name] : [])));
  for (const each of catalog)
    for (const named of toolsIn(JSON.stringify(wireTool(each)))) {
      assert.ok(
        catalog.some(({ name }) => name === named),
        `${each.name}: ${named}`,
      );
      if (everyday.has(each.name)) assert.ok(everyday.has(named), `${each.name}: ${named}`);
    }
});
