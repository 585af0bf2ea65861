/** A disk that is really full under the audit log of a real process. */
import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type AuditLine, connectModern, eventually, failureOf, token } from '../../gateway/harness.ts';
import { spawnGateway } from '../../gateway/process.ts';
import { newMarker, onStand } from '../harness.ts';
import { settingsOver } from '../stand/fault-proxy.ts';
import { startNode } from '../stand/node.ts';

test(
  'with its disk full nothing is begun that is not recorded, and all is well once there is room',
  onStand,
  async (t) => {
    const node = await startNode();
    t.after(() => node.close());
    const mounted = await node.world.run('mkdir /audit && mount -t tmpfs -o size=32k tmpfs /audit');
    assert.equal(mounted.code, 0, mounted.stderr);
    const file = node.world.path('/audit/audit.jsonl');
    const filler = node.world.path('/audit/filler');
    const stateDir = await mkdtemp(join(tmpdir(), 'audit-full-'));
    t.after(() => rm(stateDir, { recursive: true }));
    const gateway = spawnGateway('serve', {
      ...settingsOver(node.sshd, node.sshd, stateDir),
      AUDIT_FILE: file,
    });
    t.after(() => gateway.stop('SIGKILL'));
    const url = await gateway.url();
    const client = await connectModern(url, token);
    const exec = (command: string) =>
      client.callTool({ name: 'proxmox_container_exec_command', arguments: { vmid: 100, command } });
    const readiness = async () => {
      const answer = await fetch(new URL('/readyz', url));
      return { status: answer.status, text: await answer.text() };
    };
    await eventually(async () => (await readiness()).status === 200 || undefined);

    const marker = newMarker();
    const underWay = exec(`touch /tmp/${marker}-under-way; sleep 1; echo ended`);
    await eventually(async () => (await readFile(file, 'utf8')).includes(`${marker}-under-way`) || undefined);
    await assert.rejects(
      async () => {
        for (;;) await appendFile(filler, Buffer.alloc(4096));
      },
      { code: 'ENOSPC' },
    );

    const accepted = ['under-way'];
    // The last page of the log has room still.
    const refused = await eventually(async () => {
      const name = `${accepted.length}`;
      const result = await exec(`touch /tmp/${marker}-${name}`);
      if (result.isError === true) return failureOf(result);
      accepted.push(name);
      return undefined;
    });
    assert.deepEqual([refused.code, refused.outcome], ['AUDIT_UNAVAILABLE', 'not_started']);
    for (let i = 0; i < 3; i++)
      assert.equal(failureOf(await exec(`touch /tmp/${marker}-never`)).code, 'AUDIT_UNAVAILABLE');
    const unready = await readiness();
    assert.equal(unready.status, 503);
    assert.match(unready.text, /the audit log cannot be written \((ENOSPC|short write)\)/);
    assert.equal(((await underWay).structuredContent as { stdout: string }).stdout, 'ended\n');

    await rm(filler);
    await eventually(async () => (await readiness()).status === 200 || undefined);
    const listed = (await exec(`ls /tmp | grep ${marker}`)).structuredContent as { stdout: string };
    assert.deepEqual(
      listed.stdout.trim().split('\n').toSorted(),
      accepted.map((name) => `${marker}-${name}`).toSorted(),
    );
    const begun = (await readFile(file, 'utf8'))
      .split('\n')
      .map(parsed)
      .filter((line) => line?.event === 'begin')
      .map((line) => /touch \/tmp\/\w+-([\w-]+)/.exec(JSON.stringify(line))?.[1]);
    assert.deepEqual(
      begun.filter((name) => name !== undefined),
      accepted,
    );
    assert.equal(await gateway.stop('SIGTERM'), 0);
  },
);

/** Undefined for what a full disk cut short. */
function parsed(line: string): AuditLine | undefined {
  try {
    return JSON.parse(line) as AuditLine;
  } catch {
    return undefined;
  }
}
