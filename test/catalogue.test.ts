/** What clients see of the tools: rules for all of them, and one snapshot of each. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client, InMemoryTransport as ClientTransport } from '@modelcontextprotocol/client';
import type { Tool as WireTool } from '@modelcontextprotocol/server';
import { failure } from '../src/base/errors.ts';
import { toolsets } from '../src/base/toolsets.ts';
import type { Executor } from '../src/exec/executor.ts';
import { createConfirmations } from '../src/mcp/confirmations.ts';
import { createGate } from '../src/mcp/gate.ts';
import { createServerBuilder } from '../src/mcp/server.ts';
import { createAudit } from '../src/observe/audit.ts';
import { createLog } from '../src/observe/log.ts';
import { createMetrics } from '../src/observe/metrics.ts';
import { createTransferFolder } from '../src/ops/files/transfer-folder.ts';
import type { Residue } from '../src/ops/files/unfinished.ts';
import { createOps } from '../src/ops/ops.ts';
import { effects, type Rules } from '../src/policy/rules.ts';
import { noPve } from '../src/pve/none.ts';
import { createPlaces } from '../src/state/places.ts';
import { createUnfinished } from '../src/state/unfinished.ts';
import { createUsedTickets } from '../src/state/used-tickets.ts';
import { catalog } from '../src/tools/catalog.ts';

/** A host that nobody reaches: what tools look like must not need one. */
const unreachable = () =>
  Promise.reject(failure('HOST_UNREACHABLE', { host: 'nowhere', problem: 'there is none' }));
const nowhere: Executor = {
  run: unreachable,
  stage: unreachable,
  status: () => ({ connected: false, connections: 0, channels: 0, queued: 0 }),
  close: async () => {},
};

const metrics = createMetrics({
  version: '0.0.0',
  gauges: { ssh: () => nowhere.status(), sessions: () => 0 },
});

const unfinished = createUnfinished<Residue>({ directory: '/nowhere/unfinished' });

function buildServer(allowed: Partial<Rules> = {}) {
  const gate = createGate({
    tools: catalog,
    rules: {
      toolsets: ['all'],
      readOnly: false,
      hostExec: true,
      destructive: true,
      requireConfirmation: false,
      allowedVmids: [],
      deniedVmids: [],
      dangerousCommands: false,
      setuid: false,
      allowedPaths: [],
      deniedPaths: [],
      ...allowed,
    },
    limits: {
      maxChars: 25_000,
      maxTimeoutS: 300,
      maxFileBytes: 10_485_760,
      maxInlineBytes: 1_048_576,
      downloadSources: [],
    },
    ops: createOps({
      first: nowhere,
      openNode: undefined,
      addresses: new Map(),
      pve: noPve,
      driverName: 'pct',
      files: {
        route: 'staging',
        stagingDirectory: '/var/tmp',
        timeoutMs: 900_000,
        unfinished,
        folder: createTransferFolder({ directory: '/nowhere/transfers' }),
      },
    }),
    audit: createAudit({ file: '/nowhere/audit.jsonl' }),
    metrics,
    log: createLog({ level: 'error', write: () => {} }),
    transports: { ssh: true, api: true },
    confirmations: createConfirmations({
      key: Buffer.alloc(32),
      used: createUsedTickets({ max: 1, since: 0 }),
    }),
    transferPlaces: createPlaces({ each: 8, total: 64 }),
    issueUrl: undefined,
  });
  return createServerBuilder({ gate, version: '0.0.0', maxChars: 25_000 })({ principal: { name: 'alice' } });
}

async function listTools(allowed?: Partial<Rules>): Promise<readonly WireTool[]> {
  const [clientSide, serverSide] = ClientTransport.createLinkedPair();
  const server = buildServer(allowed);
  await server.connect(serverSide);
  const client = new Client({ name: 'test', version: '0.0.0' });
  await client.connect(clientSide);
  const { tools } = await client.listTools();
  await client.close();
  return tools;
}

let listed: readonly WireTool[] = [];
before(async () => {
  listed = await listTools();
});
after(() => {
  metrics.close();
  unfinished.close();
});

function wireOf(name: string): WireTool {
  return listed.find((tool) => tool.name === name) ?? assert.fail(`${name} is not listed`);
}

interface PropertySchema {
  readonly default?: unknown;
  readonly type?: string;
  readonly anyOf?: unknown;
  readonly description?: string;
}

function propertiesOf(name: string): Record<string, PropertySchema> {
  return (wireOf(name).inputSchema.properties ?? {}) as Record<string, PropertySchema>;
}

test('tools are listed in the order of the catalogue, every time', async () => {
  const names = catalog.map(({ name }) => name);
  assert.deepEqual(
    listed.map(({ name }) => name),
    names,
  );
  assert.deepEqual(await listTools(), listed);
});

test('names are unique, short and plain', () => {
  const names = catalog.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  // Some clients put their own prefix in front and take 64 characters in all.
  for (const name of names) assert.match(name, /^proxmox_[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
  for (const name of names) assert.ok(name.length <= 48, name);
});

/** A storage fetches from the network, and an endpoint may do anything. */
const reachFar = new Set(['proxmox_download_to_storage', 'proxmox_api_call']);

for (const tool of catalog) {
  const { name } = tool;

  test(`${name} has one effect, one toolset, and words of bounded length`, () => {
    assert.ok(effects.includes(tool.effect));
    assert.ok(toolsets.includes(tool.toolset));
    assert.ok(tool.title.length >= 4 && tool.title.length <= 60);
    assert.ok(tool.about.length >= 20 && tool.about.length <= 300, `${tool.about.length} characters`);
    assert.match(tool.about, /^[A-Z].*\.$/);
    assert.notEqual(tool.about, tool.title);
  });

  test(`${name} annotates exactly its effect`, () => {
    assert.deepEqual(wireOf(name).annotations, {
      readOnlyHint: tool.effect === 'read',
      destructiveHint: ['disrupt', 'destroy'].includes(tool.effect),
      idempotentHint: tool.effect === 'read' || tool.idempotent === true,
      openWorldHint: tool.openWorld === true,
    });
  });

  test(`${name} runs shell text only where it is said to reach far`, () => {
    if (tool.runs === undefined) return assert.equal(tool.openWorld ?? false, reachFar.has(name));
    assert.ok(['disrupt', 'destroy'].includes(tool.effect));
    assert.equal(tool.openWorld, true);
    assert.equal(tool.idempotent ?? false, false);
    assert.ok(tool.exitCode ?? tool.effectOf, 'the audit log wants the exit code');
  });

  test(`${name} refuses arguments that it does not know`, () => {
    assert.equal(wireOf(name).inputSchema.additionalProperties, false);
    const parsed = tool.input.safeParse({ vmid: 100, command: 'id', no_such_argument: 1 });
    assert.ok(parsed.error?.issues.some(({ code }) => code === 'unrecognized_keys'));
  });

  test(`${name} locates the guest that it names`, () => {
    const isAboutOne = ['container', 'vm', 'guest'].includes(tool.target);
    const { required = [] } = wireOf(name).inputSchema;
    // What only filters by a guest, or makes one, has nothing to locate.
    if (required.includes('vmid')) assert.ok(isAboutOne);
    if (isAboutOne) assert.ok('vmid' in tool.input.shape);
  });

  test(`${name} has schemas that every client can read`, () => {
    const { inputSchema, outputSchema } = wireOf(name);
    for (const schema of [inputSchema, outputSchema]) {
      assert.equal(schema?.type, 'object');
      assert.doesNotMatch(JSON.stringify(schema), /"\$(ref|defs|schema|dynamicRef)"/);
      assert.doesNotMatch(JSON.stringify(schema), /"(oneOf|allOf|not)":/);
    }
    for (const [argument, { type, anyOf }] of Object.entries(propertiesOf(name))) {
      assert.match(argument, /^[a-z][a-z0-9_]*$/);
      // Only a guest may be given in two ways.
      if (argument === 'vmid' && anyOf !== undefined)
        assert.deepEqual([type, anyOf], [undefined, [{ type: 'integer' }, { type: 'string' }]]);
      else assert.equal(typeof type, 'string', `${argument} has no plain type`);
    }
  });

  test(`the surface of ${name}`, (t) => {
    t.assert.snapshot(wireOf(name));
  });
}

test('a tool that only reads is never said to change anything, and the other way round', () => {
  const words = 'status|config|metrics|content|info|search';
  const reading = new RegExp(`^proxmox_((list|download_file|wait_for)_.*|.*_(${words}|read_file))$`);
  const changing = /_(update_.*|create_.*)$/;
  for (const { name, effect } of catalog)
    assert.equal(effect === 'read', reading.test(name) && !changing.test(name), name);
});

const bytesOf = (tools: readonly WireTool[]) => Buffer.byteLength(JSON.stringify({ tools }));

test('all tools together stay within what a model can be asked to read', () => {
  assert.ok(bytesOf(listed) <= 70_000, `${bytesOf(listed)} bytes`);
});

test('what is offered without further settings is short, and never irreversible', async () => {
  const usual = await listTools({ toolsets: [], hostExec: false, destructive: false });
  assert.ok(usual.length <= 32, `${usual.length} tools`);
  assert.ok(bytesOf(usual) <= 24_000, `${bytesOf(usual)} bytes`);
  const names = usual.map(({ name }) => name);
  assert.deepEqual(
    catalog.filter(({ name, effect }) => names.includes(name) && effect === 'destroy'),
    [],
  );
  assert.deepEqual(
    names,
    catalog
      .filter(
        ({ everyday, toolset, effect }) => everyday === true && toolset !== 'host' && effect !== 'destroy',
      )
      .map(({ name }) => name),
  );
});

test('with the host as well the usual set stays within what clients take', async () => {
  const usual = await listTools({ toolsets: [], hostExec: true, destructive: false });
  assert.ok(usual.length <= 40, `${usual.length} tools`);
});

/** What callers of the earlier server send. */
const kept: Readonly<
  Record<
    string,
    {
      required: readonly string[];
      /** Required there, and no more. */
      optional?: readonly string[];
      defaults: Readonly<Record<string, unknown>>;
    }
  >
> = {
  proxmox_container_exec_command: {
    required: ['vmid', 'command'],
    defaults: { timeout: 30, response_format: 'text' },
  },
  proxmox_list_containers: { required: [], defaults: { response_format: 'json' } },
  proxmox_container_status: { required: ['vmid'], defaults: { response_format: 'json' } },
  proxmox_start_container: { required: ['vmid'], defaults: {} },
  proxmox_stop_container: { required: ['vmid'], defaults: {} },
  proxmox_host_exec_command: { required: ['command'], defaults: { timeout: 30, response_format: 'text' } },
  proxmox_download_file_from_container: {
    required: ['vmid', 'container_path'],
    optional: ['local_path'],
    defaults: { overwrite: false },
  },
  proxmox_upload_file_to_container: {
    required: ['vmid', 'container_path'],
    optional: ['local_path'],
    defaults: { permissions: '644', overwrite: false },
  },
  proxmox_download_file_from_host: {
    required: ['host_path'],
    optional: ['local_path'],
    defaults: { overwrite: false },
  },
  proxmox_upload_file_to_host: {
    required: ['host_path'],
    optional: ['local_path'],
    defaults: { permissions: '644', overwrite: false },
  },
};
for (const [name, { required, optional = [], defaults }] of Object.entries(kept)) {
  test(`${name} still takes what it always took, and asks for nothing more`, () => {
    const { inputSchema } = wireOf(name);
    assert.deepEqual([...(inputSchema.required ?? [])].sort(), [...required].sort());
    for (const argument of [...required, ...optional]) assert.ok(argument in propertiesOf(name));
    for (const [argument, value] of Object.entries(defaults))
      assert.equal(propertiesOf(name)[argument]?.default, value, argument);
  });
}
