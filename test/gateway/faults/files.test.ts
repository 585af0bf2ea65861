/** Files that change or fill up under a gateway that runs: its tokens and its audit log. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { eventually, failureOf, otherToken, startTestGateway, token } from '../harness.ts';
import { doesNotStart } from '../hostile-values.ts';
import { execTool, initialize } from '../raw-http.ts';

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'faults-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** A gateway whose token file is a link, as Kubernetes and Docker mount secrets. */
async function withTokenFile(t: TestContext) {
  const folder = await folderFor(t);
  const file = join(folder, 'tokens');
  let version = 0;
  const swap = async (text: string) => {
    const target = join(folder, `version-${++version}`);
    await writeFile(target, text);
    await symlink(target, `${file}.new`);
    await rename(`${file}.new`, file);
  };
  await swap(`alice:${token}\nbob:${otherToken}\n`);
  const gateway = await startTestGateway({ env: { MCP_AUTH_TOKEN: '', MCP_AUTH_TOKEN_FILE: file } });
  t.after(() => gateway.close());
  const statusFor = async (bearer: string) => {
    const answer = await fetch(gateway.url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${bearer}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: initialize,
    });
    await answer.text();
    return answer.status;
  };
  const failures = async () => {
    const text = await (await fetch(gateway.metricsUrl)).text();
    return Number(/^proxmox_mcp_token_reload_failures_total (\d+)/m.exec(text)?.[1]);
  };
  return { gateway, file, folder, swap, statusFor, failures };
}

describe('the file of tokens', { concurrency: true }, () => {
  test('behind a link that is turned: the new set counts within 5 s', async (t) => {
    const { swap, statusFor, failures } = await withTokenFile(t);
    await swap(`alice:${token}\n`);
    await eventually(async () => ((await statusFor(otherToken)) === 401 ? true : undefined));
    assert.equal(await statusFor(token), 200);
    assert.equal(await failures(), 0);
  });

  for (const [what, text] of [
    ['empty', ''],
    ['blank', ' \n\n'],
    ['cut off within a token', 'alice:ali'],
    ['of bytes that are no text', '\0\x01\x02'],
    ['the same token twice', `alice:${token}\nbob:${token}\n`],
  ] as const)
    test(`${what}: the tokens known so far stay in force, and the metric and the log tell`, async (t) => {
      const { gateway, swap, statusFor, failures } = await withTokenFile(t);
      await swap(text);
      await eventually(async () => ((await failures()) === 1 ? true : undefined));
      assert.equal(await statusFor(token), 200);
      assert.equal(await statusFor(otherToken), 200);
      assert.equal(await statusFor(''), 401);
      assert.match(gateway.log.join(''), /"level":"error".*token file/);
      for (const secret of [token, otherToken]) assert.ok(!gateway.log.join('').includes(secret));
      await swap(`bob:${otherToken}\n`);
      await eventually(async () => ((await statusFor(token)) === 401 ? true : undefined));
      assert.equal(await statusFor(otherToken), 200);
    });

  test('a link that leads nowhere keeps them in force too', async (t) => {
    const { folder, statusFor, failures } = await withTokenFile(t);
    await rm(join(folder, 'version-1'));
    await eventually(async () => ((await failures()) === 1 ? true : undefined));
    assert.equal(await statusFor(token), 200);
  });

  test('being written in place, half of it there for a moment: nobody is cut off', async (t) => {
    const { gateway, folder, statusFor } = await withTokenFile(t);
    const client = await gateway.legacy(otherToken);
    const call = client.callTool({
      name: execTool,
      arguments: { vmid: 100, command: 'sleep 14; echo kept' },
    });
    const target = join(folder, 'version-1');
    const whole = await readFile(target, 'utf8');
    // Every 1.62 s: looks that are a second apart then hit some such moment, and never two in a row.
    for (let round = 0; round < 8; round++) {
      await writeFile(target, `alice:${token}\n`);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await writeFile(target, whole);
      assert.equal(await statusFor(otherToken), 200, `round ${round}`);
      await new Promise((resolve) => setTimeout(resolve, 1_320));
    }
    assert.equal(((await call).structuredContent as { stdout: string }).stdout, 'kept\n');
  });

  test('at the start empty or gone: the gateway does not start', async (t) => {
    const folder = await folderFor(t);
    const file = join(folder, 'tokens');
    await doesNotStart(file);
    await writeFile(file, '');
    await doesNotStart(file);
  });
});

const full = '/dev/full';

test('on a full disk no call is carried out, and with room again all is as before', {
  skip: !existsSync(full) && `${full} is not there`,
}, async (t) => {
  const folder = await folderFor(t);
  const file = join(folder, 'audit.jsonl');
  const room = join(folder, 'room.jsonl');
  const lead = async (target: string) => {
    await symlink(target, `${file}.new`);
    await rename(`${file}.new`, file);
  };
  await writeFile(room, '');
  await lead(room);
  const gateway = await startTestGateway({ env: { AUDIT_FILE: file } });
  t.after(() => gateway.close());
  const client = await gateway.modern();
  const call = (command: string) => client.callTool({ name: execTool, arguments: { vmid: 100, command } });
  const ready = async () => (await fetch(new URL('/readyz', gateway.url))).status;
  assert.notEqual((await call('echo before')).isError, true);

  // A call whose end can no longer be recorded: it has been carried out, and no other one is.
  const running = call('sleep 2; echo under-way');
  await eventually(() =>
    gateway.lab.control.heard.some((line) => line.includes('under-way')) ? true : undefined,
  );
  await lead(full);
  assert.notEqual((await running).isError, true);
  await eventually(async () => ((await ready()) === 503 ? true : undefined));
  const refused = failureOf(await call('echo never-run'));
  assert.equal(refused.code, 'AUDIT_UNAVAILABLE');
  assert.equal(refused.outcome, 'not_started');
  assert.ok(!gateway.lab.control.heard.some((line) => line.includes('never-run')));
  assert.equal((await fetch(new URL('/livez', gateway.url))).status, 200);

  await lead(room);
  await eventually(async () => ((await ready()) === 200 ? true : undefined));
  assert.notEqual((await call('echo after')).isError, true);
  const records = await readFile(room, 'utf8');
  assert.match(records, /echo after/);
  assert.doesNotMatch(records, /"event":"begin"[^\n]*never-run/);
});
