/** A tool as clients see it: every character of it is read by every model that is offered the tool. */
import type { Tool as WireTool } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Tool } from '../tools/define.ts';

export function wireTool(tool: Tool): WireTool {
  return {
    name: tool.name,
    title: tool.title,
    description: tool.about,
    inputSchema: jsonSchema(tool.input, 'input'),
    outputSchema: jsonSchema(tool.output, 'output'),
    annotations: {
      readOnlyHint: tool.effect === 'read',
      destructiveHint: tool.effect === 'disrupt' || tool.effect === 'destroy',
      idempotentHint: tool.effect === 'read' || tool.idempotent === true,
      openWorldHint: tool.openWorld === true,
    },
  };
}

type ObjectSchema = WireTool['inputSchema'];

function jsonSchema(schema: z.ZodObject, io: 'input' | 'output'): ObjectSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    override: ({ jsonSchema: part }) => (io === 'input' ? shortenInput(part) : shortenOutput(part)),
  });
  for (const part of Object.values(rest.properties ?? {})) apart(part);
  return rest as ObjectSchema;
}

/** Some clients and model providers know one type a schema, and alternatives of those. */
function apart(part: unknown): void {
  if (typeof part !== 'object' || part === null || !('type' in part) || !Array.isArray(part.type)) return;
  const anyOf = part.type.map((type: unknown) => ({ type }));
  Reflect.deleteProperty(part, 'type');
  Object.assign(part, { anyOf });
}

type Part = z.core.JSONSchema.BaseSchema;

/** What remains refuses no less: the gate checks all of it, and says in words what it misses. */
function shortenInput(part: Part): void {
  dropEmptyBounds(part);
  delete part.pattern;
  delete part.minLength;
  delete part.maxLength;
  delete part.propertyNames;
  for (const choice of part.anyOf ?? []) {
    delete choice.minimum;
    delete choice.maximum;
  }
}

/** What is always there. There may be more, with names that explain themselves. */
function shortenOutput(part: Part): void {
  dropEmptyBounds(part);
  delete part.propertyNames;
  delete part.additionalProperties;
  delete part.const;
  const { properties = {}, required = [] } = part;
  for (const name of Object.keys(properties)) if (!required.includes(name)) delete properties[name];
}

/** Those of every whole number. */
function dropEmptyBounds(part: Part): void {
  if (part.minimum === Number.MIN_SAFE_INTEGER) delete part.minimum;
  if (part.maximum === Number.MAX_SAFE_INTEGER) delete part.maximum;
}
