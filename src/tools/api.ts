/** Whatever else the REST API has: finding an endpoint, and calling it. */
import { z } from 'zod';
import { fence } from '../base/text.ts';
import { apiReach, withinReach } from '../policy/api-reach.ts';
import { apiEffect, apiRefusal } from '../policy/api-rules.ts';
import { linesOf, partOf } from './api-answer.ts';
import { type DescribedEndpoint, describeEndpoint, endpointLines } from './api-endpoint.ts';
import { defineTool } from './define.ts';
import { Offset } from './page.ts';
import { Rows } from './rows.ts';
import { TaskResult, taskResult, taskWait, WaitSeconds } from './task-result.ts';

/** SECURITY: plain characters only, so that what policy judges is what Proxmox VE reads. */
const Path = z
  .string()
  .max(1024)
  .regex(/^(\/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+$/, 'must be a path such as /nodes/pve1/status, without query')
  .refine((path) => !/\/\.{1,2}(\/|$)/.test(path), 'must not hold a dot segment')
  .meta({ description: 'Below /api2/json, variables filled in: /nodes/pve1/qemu/300/config' });

const maxParameters = 200;
const maxItems = 1_000;

/** What the endpoint itself says of each is checked later; its schema would cost every client a lot. */
const Parameters = z
  .preprocess((value, context) => {
    // The one name that an object takes in silently.
    if (typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__'))
      context.addIssue('must not hold __proto__');
    return value;
  }, z.looseObject({}))
  .superRefine((params, context) => {
    const names = Object.keys(params);
    if (names.length > maxParameters) context.addIssue(`must be at most ${maxParameters} parameters`);
    for (const name of names.filter((each) => !/^[A-Za-z][A-Za-z0-9_.-]{0,79}$/.test(each)))
      context.addIssue({ code: 'custom', path: [name], message: 'there can be no such parameter' });
    for (const [name, value] of Object.entries(params))
      if (!isValue(value) && !(Array.isArray(value) && value.length <= maxItems && value.every(isValue)))
        context.addIssue({
          code: 'custom',
          path: [name],
          message: 'must be text, a number, a flag or a list',
        });
  });

function isValue(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

/** Of parameters: more of them in one result would bury the reader. */
const maxDescribed = 120;

const CallResult = z.object({
  ...TaskResult.omit({ success: true }).shape,
  data: z.unknown().optional(),
  total: z.number().optional(),
  note: z.string().optional(),
});

export const apiTools = [
  defineTool({
    name: 'proxmox_api_search',
    title: 'Search the API',
    about: 'Finds endpoints of the Proxmox VE API, with parameters and privileges, for proxmox_api_call.',
    toolset: 'api',
    effect: 'read',
    target: 'cluster',
    needs: 'api',
    input: z.strictObject({
      query: z
        .string()
        .trim()
        .min(1)
        .max(1_000)
        .meta({ description: 'Words, or a path with or without method; these show every parameter' }),
      limit: z.int().min(1).max(25).default(10),
    }),
    output: z.object({ version: z.string(), total: z.number(), endpoints: Rows<DescribedEndpoint>() }),
    async run({ query, limit }, { ops, signal }) {
      const { version, exact, endpoints } = await ops.api.search(query, signal);
      const shown = endpoints.slice(0, limit);
      const described = shown.reduce((sum, { parameters }) => sum + parameters.size, 0);
      const full = exact && described <= maxDescribed;
      return {
        ...{ version, total: endpoints.length },
        endpoints: shown.map((endpoint) => describeEndpoint(endpoint, { full: full || shown.length === 1 })),
      };
    },
    show({ version, total, endpoints }) {
      if (total === 0) return `The API of Proxmox VE ${version} has nothing that fits; try other words.`;
      const rest = total > endpoints.length ? `, the best ${endpoints.length} of ${total}` : '';
      return [`Proxmox VE ${version}${rest}; * is required:`, ...endpoints.flatMap(endpointLines)].join('\n');
    },
  }),
  defineTool({
    name: 'proxmox_api_call',
    title: 'Call the API',
    about:
      'Calls any endpoint of the Proxmox VE API; proxmox_api_search shows them. Prefer a tool of its own.',
    toolset: 'api',
    effect: 'destroy',
    target: 'cluster',
    needs: 'api',
    openWorld: true,
    input: z.strictObject({
      method: z.enum(['GET', 'POST', 'PUT', 'DELETE']),
      path: Path,
      params: Parameters.default({}),
      fields: z
        .array(z.string())
        .min(1)
        .max(40)
        .optional()
        .meta({ description: 'Keys to keep of the answer or of each item' }),
      limit: z.int().min(1).max(1_000).default(100).meta({ description: 'Items of a list' }),
      offset: Offset,
      wait_seconds: WaitSeconds,
    }),
    output: CallResult,
    refuses: apiRefusal,
    effectOf: apiEffect,
    reaches: apiReach,
    nodeOf: ({ path }) => /^\/nodes\/([^/]+)/.exec(path)?.[1],
    async run({ method, path, params, fields, limit, offset, wait_seconds }, context) {
      const { ops, limits, mayReach } = context;
      const { data, task } = await ops.api.call({ method, path, params }, taskWait(wait_seconds, context));
      const done = method === 'GET' ? 'was answered' : 'was carried out';
      const words = { done: `${method} ${path} ${done}.`, begun: `${method} ${path} has begun.` };
      const { success: _, ...ending } = taskResult(task, words);
      if (task !== undefined) return ending;
      const part = partOf(withinReach(data, mayReach), { fields, offset, limit, maxChars: limits.maxChars });
      return { ...ending, ...part };
    },
    show({ message, note, log = [], data, total }) {
      const lines = linesOf(data);
      return [
        message,
        ...(total === 0 ? ['The list is empty.'] : []),
        ...(note === undefined ? [] : [note]),
        ...(log.length === 0 ? [] : [fence('task log', log.join('\n'))]),
        ...(lines.length === 0 ? [] : [fence('answer', lines.join('\n'))]),
      ].join('\n');
    },
  }),
];
