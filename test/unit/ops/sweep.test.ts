/** The sweep on this machine's own files, told of residues as a crash leaves them. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { failure } from '../../../src/base/errors.ts';
import type { Command, Executor } from '../../../src/exec/executor.ts';
import { createLocalExecutor } from '../../../src/exec/local.ts';
import type { ContainerDriver } from '../../../src/ops/driver.ts';
import { createSweep } from '../../../src/ops/files/sweep.ts';
import type { Residue, UnfinishedEntry } from '../../../src/ops/files/unfinished.ts';
import type { Hosts } from '../../../src/ops/hosts.ts';
import type { Inventory } from '../../../src/ops/inventory.ts';
import type { Guest } from '../../../src/ops/survey.ts';

const { signal } = new AbortController();
const local = createLocalExecutor({ sudo: false });
const day = 24 * 3600_000;

/** In a «container» a command runs here, on the same files. */
const driver: ContainerDriver = {
  ...{ name: 'pct', states: '' },
  attach: (vmid, argv) => ['env', `VMID=${vmid}`, ...argv],
  running: () => new Set(),
};

interface Setting {
  readonly status?: Guest['status'];
  readonly addedAt?: number;
  readonly fails?: (command: Command) => boolean;
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sweep-test-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function stand(directory: string, residues: readonly Residue[], setting: Setting = {}) {
  const { status = 'running', addedAt = Date.now() } = setting;
  const left = new Set(residues);
  const asked: string[][] = [];
  const executor: Executor = {
    ...local,
    async run(command, options) {
      asked.push([...command.argv]);
      if (setting.fails?.(command)) throw failure('COMMAND_TIMEOUT', { timeoutS: 20, stopped: true });
      return await local.run(command, options);
    },
  };
  const entryOf = (residue: Residue): UnfinishedEntry => ({
    ...{ residue, addedAt, release() {} },
    remove: async () => void left.delete(residue),
  });
  const guest: Guest = {
    ...{ vmid: 100, kind: 'container', node: 'pve1', name: 'web', status },
    ...{ lock: undefined, template: false, tags: [] },
  };
  const inventory = {
    find: async (vmid: number) => (vmid === 100 ? guest : undefined),
    get: async () => guest,
    driver: async () => driver,
  } as unknown as Inventory;
  const site = { node: 'pve1', executor };
  const hosts: Hosts = {
    first: executor,
    here: async () => site,
    on: async () => site,
    status: () => [],
    know() {},
    close: async () => {},
  };
  const unfinished = {
    add: () => assert.fail('a sweep begins nothing'),
    listStale: async () => [...left].map(entryOf),
  };
  return { sweep: createSweep({ hosts, inventory, directory, unfinished }), left, asked };
}

function staged(folder: string, name = `proxmox-mcp-${randomUUID()}`): Residue {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, 'file'), 'staged');
  return { kind: 'staged', path };
}

function part(directory: string, vmid?: number, name = `.proxmox-mcp-${randomUUID()}.part`): Residue {
  writeFileSync(join(directory, name), 'part');
  return { kind: 'part', vmid, directory, name };
}

test('staging directories and temporary files are taken away, in directories of any name', async () => {
  await withFolder(async (folder) => {
    const odd = join(folder, "-a\n'$(id) é");
    mkdirSync(odd);
    writeFileSync(join(odd, 'kept'), '');
    const { sweep, left } = stand(folder, [staged(folder), staged(odd), part(odd), part(odd, 100)]);
    await sweep(signal);
    assert.equal(left.size, 0);
    assert.deepEqual(readdirSync(odd), ['kept']);
    assert.equal(readdirSync(folder).length, 1);
  });
});

test('what is gone already, and its directory too, is done with', async () => {
  await withFolder(async (folder) => {
    const gone: Residue[] = [
      { kind: 'staged', path: join(folder, `proxmox-mcp-${randomUUID()}`) },
      { kind: 'part', vmid: 100, directory: folder, name: `.proxmox-mcp-${randomUUID()}.part` },
      {
        kind: 'part',
        vmid: undefined,
        directory: join(folder, 'no'),
        name: `.proxmox-mcp-${randomUUID()}.part`,
      },
      { kind: 'part', vmid: 999, directory: folder, name: `.proxmox-mcp-${randomUUID()}.part` },
    ];
    const { sweep, left } = stand(folder, gone);
    await sweep(signal);
    assert.equal(left.size, 0);
  });
});

test('what no transfer can have left is not touched, whatever was written down', async () => {
  await withFolder(async (folder) => {
    const kept = join(folder, 'kept');
    mkdirSync(kept);
    const foreign: Residue[] = [
      staged(folder, 'important'),
      { kind: 'staged', path: kept },
      { kind: 'staged', path: `${kept}/../important` },
      { kind: 'staged', path: '/' },
      part(folder, undefined, 'file'),
      part(folder, 100, '.proxmox-mcp-x.part'),
      { kind: 'part', vmid: undefined, directory: folder, name: '../kept' },
      { kind: 'part', vmid: undefined, directory: folder, name: '-rf' },
    ];
    const before = readdirSync(folder).sort();
    const { sweep, asked } = stand(folder, foreign);
    await sweep(signal);
    assert.deepEqual(readdirSync(folder).sort(), before);
    assert.ok(!asked.some((argv) => argv.join(' ').includes('important')));
  });
});

test('in a container that does not run it stays, until nobody waits for it any more', async () => {
  await withFolder(async (folder) => {
    const residue = part(folder, 100);
    for (const status of ['stopped', 'unknown'] as const) {
      const { sweep, left } = stand(folder, [residue], { status });
      await sweep(signal);
      assert.equal(left.size, 1, status);
    }
    const old = stand(folder, [residue], { status: 'stopped', addedAt: Date.now() - 31 * day });
    await old.sweep(signal);
    assert.equal(old.left.size, 0);
    assert.equal(readdirSync(folder).length, 1);
    const running = stand(folder, [residue]);
    await running.sweep(signal);
    assert.equal(running.left.size, 0);
    assert.deepEqual(readdirSync(folder), []);
  });
});

test('one that cannot be taken away keeps no other from being', async () => {
  await withFolder(async (folder) => {
    const [stuck, second, third] = [part(folder, 100), staged(folder), part(folder)];
    const fails = ({ argv }: Command) => stuck.kind === 'part' && argv.includes(stuck.name);
    const { sweep, left } = stand(folder, [stuck, second, third], { fails });
    await sweep(signal).catch(() => {});
    assert.deepEqual([...left], [stuck]);
    assert.equal(readdirSync(folder).length, 1);
  });
});

test('what is older than any transfer goes too, though nobody wrote it down; links and others’ stay', async () => {
  await withFolder(async (folder) => {
    const [old, young, foreign] = [`proxmox-mcp-${randomUUID()}`, `proxmox-mcp-${randomUUID()}`, 'proxmox'];
    for (const name of [old, young, foreign]) staged(folder, name);
    mkdirSync(join(folder, foreign, old));
    writeFileSync(join(folder, 'proxmox-mcp-file'), '');
    const elsewhere = mkdtempSync(join(tmpdir(), 'sweep-kept-'));
    writeFileSync(join(elsewhere, 'kept'), '');
    symlinkSync(elsewhere, join(folder, 'proxmox-mcp-link'));
    const longAgo = new Date(Date.now() - 2 * day);
    for (const name of [old, foreign, 'proxmox-mcp-file', join(foreign, old)])
      utimesSync(join(folder, name), longAgo, longAgo);
    utimesSync(elsewhere, longAgo, longAgo);
    const { sweep, asked } = stand(folder, []);
    await sweep(signal);
    assert.deepEqual(
      readdirSync(folder).sort(),
      [young, foreign, 'proxmox-mcp-file', 'proxmox-mcp-link'].sort(),
    );
    assert.ok(existsSync(join(elsewhere, 'kept')) && existsSync(join(folder, foreign, old)));
    rmSync(elsewhere, { recursive: true });
    // That look is a rare one.
    await sweep(signal);
    assert.equal(asked.length, 1);
  });
});
