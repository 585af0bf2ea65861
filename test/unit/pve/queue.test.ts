import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, test } from 'node:test';
import { give, type Handler } from './https-server.ts';
import { endWorlds, failing, get, post, world } from './world.ts';

const silent: Handler = () => {};
const fine: Handler = (_, response) => give(response, 'fine');

afterEach(endWorlds);

describe('more calls than places', () => {
  const until = async (condition: () => boolean) => {
    const end = performance.now() + 20_000;
    while (!condition()) {
      assert.ok(performance.now() < end, 'it has not come about');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };

  test('some are under way, some wait, and the rest is told to come back', async () => {
    const held: ServerResponse[] = [];
    const { node, pve } = await world((_, response) => void held.push(response));
    const calls = Array.from({ length: 16 + 256 }, () => get(pve));
    await until(() => held.length === 16);
    await failing('BUSY', get(pve));
    node.handler = fine;
    for (const response of held) give(response, 'fine');
    assert.deepEqual(new Set(await Promise.all(calls)), new Set(['fine']));
    assert.ok(node.connections <= 16, `${node.connections} connections`);
  });

  test('who waits too long, or is cancelled meanwhile, was not sent', async () => {
    const { node, pve } = await world(silent);
    const held = new AbortController();
    const { signal } = held;
    const calls = Array.from({ length: 16 }, () => get(pve, { signal }).catch(() => {}));
    await until(() => node.heard.length === 16);
    await failing('BUSY', post(pve, { timeoutMs: 30 }));
    const controller = new AbortController();
    const waiting = failing('CANCELLED_EARLY', post(pve, { signal: controller.signal }));
    controller.abort();
    await waiting;
    held.abort();
    await Promise.all(calls);
    assert.equal(node.heard.length, 16);
    node.handler = fine;
    assert.equal(await get(pve), 'fine', 'every place was given back');
  });

  test('the end of the gateway ends them all', async () => {
    const { node, pve } = await world(silent);
    const reads = Array.from({ length: 15 }, () => failing('SHUTTING_DOWN', get(pve)));
    const change = failing('API_OUTCOME_UNKNOWN', post(pve));
    await until(() => node.heard.length === 16);
    const waiting = failing('SHUTTING_DOWN', post(pve));
    await pve.close();
    await Promise.all([...reads, change, waiting]);
    await failing('SHUTTING_DOWN', get(pve));
    assert.equal(node.heard.length, 16);
  });
});
