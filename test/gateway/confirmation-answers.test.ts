/** Answers to questions that do not belong to them: made up, altered, used, late, or another caller's. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Stand, startStand } from './confirmation-stand.ts';
import { failureOf, otherToken, textOf, token } from './harness.ts';

interface Round {
  readonly resultType?: string;
  readonly requestState?: string;
  readonly inputRequests?: { confirm: { params: { requestedSchema: unknown } } };
  readonly isError?: boolean;
  readonly content?: { text: string }[];
  readonly [key: string]: unknown;
}

/** One round by hand, as a client could that does not play by the rules. */
async function round(
  url: URL,
  params: Record<string, unknown>,
  bearer = token,
  capabilities: object = { elicitation: {} },
): Promise<Round> {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': capabilities,
  };
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${bearer}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': String(params.name),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { ...params, _meta: meta } }),
  });
  const { result, error } = (await response.json()) as { result?: Round; error?: unknown };
  return result ?? assert.fail(JSON.stringify(error));
}

const accepted = { confirm: { action: 'accept', content: { confirm: true } } };
const erase = { vmid: 101, name: 'before-upgrade' };
const call = { name: 'proxmox_erase', arguments: erase };

describe('an answer that does not belong to the call', () => {
  const key = randomBytes(32);
  let stand: Stand;
  before(async () => {
    stand = await startStand({ key });
  });
  after(() => stand.close());

  const stateOf = async (params: Record<string, unknown> = call, bearer = token) => {
    const { resultType, requestState } = await round(stand.url, params, bearer);
    assert.equal(resultType, 'input_required');
    return requestState ?? assert.fail('no state');
  };
  const refused = async (requestState: string, params: Record<string, unknown> = {}, bearer = token) => {
    const answer = { ...call, inputResponses: accepted, requestState, ...params };
    const { code, error, outcome } = failureOf(await round(stand.url, answer, bearer));
    assert.deepEqual([code, outcome, stand.done.splice(0)], ['CONFIRMATION_INVALID', 'not_started', []]);
    const last = (await stand.audit()).at(-1);
    assert.deepEqual([last?.event, last?.code], ['refuse', 'CONFIRMATION_INVALID']);
    return error;
  };

  test('is refused where its state was altered or made up', async () => {
    const state = await stateOf();
    for (let at = 0; at < state.length; at += 23)
      assert.match(
        await refused(`${state.slice(0, at)}${state[at] === 'A' ? 'B' : 'A'}${state.slice(at + 1)}`),
        /does not come from this gateway/,
      );
    for (const made of ['', 'v1.x.y', `${state}=`, state.slice(0, -1), 'A'.repeat(5_000)])
      assert.match(await refused(made), /does not come from this gateway/);
  });

  test('is refused where the arguments, the tool or the caller are others', async () => {
    const otherArguments = { arguments: { ...erase, purge: true } };
    assert.match(await refused(await stateOf(), otherArguments), /for other arguments/);
    const any = { name: 'proxmox_any', arguments: { method: 'DELETE' } };
    assert.match(await refused(await stateOf(), any), /for another tool/);
    assert.match(await refused(await stateOf(), {}, otherToken), /to another caller/);
  });

  test('is refused the second time, whatever the first answer was', async () => {
    const used = await stateOf();
    const first = await round(stand.url, { ...call, inputResponses: accepted, requestState: used });
    assert.equal(textOf(first), stand.done.splice(0)[0]);
    assert.match(await refused(used), /used already/);
    const declined = await stateOf();
    const inputResponses = { confirm: { action: 'decline' } };
    const no = failureOf(await round(stand.url, { ...call, inputResponses, requestState: declined }));
    assert.equal(no.code, 'CONFIRMATION_DECLINED');
    assert.match(await refused(declined), /used already/);
  });

  test('holds once where it comes twice at the same time', async () => {
    const requestState = await stateOf();
    const answer = { ...call, inputResponses: accepted, requestState };
    const results = await Promise.all(Array.from({ length: 8 }, () => round(stand.url, answer)));
    assert.equal(results.filter(({ isError }) => isError !== true).length, 1);
    assert.equal(stand.done.splice(0).length, 1);
  });

  test('holds for the same arguments in another order, and by the id as by the name', async () => {
    const requestState = await stateOf({ ...call, arguments: { vmid: 'web', name: 'x', purge: true } });
    const again = { purge: true, name: 'x', vmid: '101' };
    const result = await round(stand.url, {
      ...call,
      arguments: again,
      inputResponses: accepted,
      requestState,
    });
    assert.notEqual(result.isError, true);
    assert.deepEqual(stand.done.splice(0), ['erased x of 101']);
  });

  test('is no answer without the question: the person is asked', async () => {
    const { resultType, inputRequests } = await round(stand.url, { ...call, inputResponses: accepted });
    assert.equal(resultType, 'input_required');
    assert.deepEqual(inputRequests?.confirm.params.requestedSchema, {
      type: 'object',
      properties: { confirm: { type: 'boolean', title: 'Yes, do it' } },
      required: ['confirm'],
    });
    const unanswered = await round(stand.url, { ...call, requestState: await stateOf() });
    assert.equal(unanswered.resultType, 'input_required');
    assert.deepEqual(stand.done.splice(0), []);
  });

  test('is taken by another replica that has the key, and by none that has not', async () => {
    const replica = await startStand({ key });
    const stranger = await startStand({ key: randomBytes(32) });
    try {
      const requestState = await stateOf();
      const answer = { ...call, inputResponses: accepted, requestState };
      assert.match(failureOf(await round(stranger.url, answer)).error, /does not come from this gateway/);
      assert.notEqual((await round(replica.url, answer)).isError, true);
      assert.match(failureOf(await round(replica.url, answer)).error, /used already/);
      assert.deepEqual([stranger.done, replica.done, stand.done], [[], ['erased before-upgrade of 101'], []]);
    } finally {
      await replica.close();
      await stranger.close();
    }
  });

  test('is refused by a gateway that started after the question', async () => {
    const requestState = await stateOf();
    await pause(5);
    const restarted = await startStand({ key });
    try {
      const answer = { ...call, inputResponses: accepted, requestState };
      assert.match(failureOf(await round(restarted.url, answer)).error, /restarted since/);
      assert.deepEqual(restarted.done, []);
    } finally {
      await restarted.close();
    }
  });

  test('is refused when it comes too late', async () => {
    const brief = await startStand({ key, ttlMs: 40 });
    try {
      const { requestState } = await round(brief.url, call);
      await pause(60);
      const answer = { ...call, inputResponses: accepted, requestState };
      assert.match(failureOf(await round(brief.url, answer)).error, /has expired/);
      assert.deepEqual(brief.done, []);
    } finally {
      await brief.close();
    }
  });
});

test('only a client that can show a form is asked', async () => {
  const stand = await startStand({ rules: { requireConfirmation: true } });
  try {
    for (const elicitation of [{}, { form: {} }, { form: {}, url: {} }])
      assert.equal((await round(stand.url, call, token, { elicitation })).resultType, 'input_required');
    for (const capabilities of [{}, { elicitation: { url: {} } }, { sampling: {}, roots: {} }])
      assert.equal(
        failureOf(await round(stand.url, call, token, capabilities)).code,
        'CONFIRMATION_IMPOSSIBLE',
      );
    assert.deepEqual(stand.done, []);
  } finally {
    await stand.close();
  }
});
