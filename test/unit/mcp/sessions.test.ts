import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mock, test } from 'node:test';
import { Server } from '@modelcontextprotocol/server';
import { createSessionSealer } from '../../../src/mcp/session-id.ts';
import { createSessions, type Sessions } from '../../../src/mcp/sessions.ts';
import { createClosedSessions } from '../../../src/state/closed-sessions.ts';

const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
const headers = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
};

function start(maxSessions: number): Sessions {
  return createSessions({
    buildServer: () => new Server({ name: 't', version: '1' }, { capabilities: {} }),
    sealer: createSessionSealer({ key: randomBytes(32) }),
    closedSessions: createClosedSessions({ max: 10 }),
    maxSessions,
    log: silent,
  });
}

/** Posts as alice and reads the answer to its end; `busy` keeps the request under way. */
async function post(sessions: Sessions, body: object, id?: string, busy = false) {
  const request = new Request('http://localhost/mcp', {
    method: 'POST',
    headers: { ...headers, ...(id !== undefined && { 'mcp-session-id': id }) },
    body: JSON.stringify(body),
  });
  const finished = busy ? new Promise<void>(() => {}) : Promise.resolve();
  const caller = { principal: { name: 'alice' } };
  const authInfo = { token: '', clientId: 'alice', scopes: [] };
  const response = await sessions.handle({ request, body, caller, authInfo, finished });
  await response.text();
  return response;
}

async function open(sessions: Sessions, busy = false): Promise<string> {
  const params = {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 't', version: '1' },
  };
  const response = await post(
    sessions,
    { jsonrpc: '2.0', id: 1, method: 'initialize', params },
    undefined,
    busy,
  );
  assert.equal(response.status, 200);
  return response.headers.get('mcp-session-id') ?? assert.fail('no session id');
}

const ping = { jsonrpc: '2.0', id: 2, method: 'ping' };

test('no more sessions are open than allowed, and the one that had to go is reopened by its id', async () => {
  const sessions = start(2);
  const first = await open(sessions);
  await open(sessions);
  await open(sessions);
  assert.equal(sessions.count, 2);
  assert.equal((await post(sessions, ping, first)).status, 200);
  assert.equal(sessions.count, 2);
  await sessions.close();
  assert.equal(sessions.count, 0);
});

test('sessions in use are not put out for new ones', async () => {
  const sessions = start(1);
  await open(sessions, true);
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } };
  const refused = await post(sessions, { jsonrpc: '2.0', id: 1, method: 'initialize', params });
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '5');
  await sessions.close();
});

test('an idle session is let go of after half an hour', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  const now = mock.method(performance, 'now', () => clockMs);
  let clockMs = 0;
  try {
    const sessions = start(10);
    const id = await open(sessions);
    clockMs = 29 * 60_000;
    mock.timers.tick(60_000);
    assert.equal(sessions.count, 1);
    clockMs = 31 * 60_000;
    mock.timers.tick(60_000);
    await Promise.resolve();
    assert.equal(sessions.count, 0);
    assert.equal((await post(sessions, ping, id)).status, 200);
    await sessions.close();
  } finally {
    now.mock.restore();
    mock.timers.reset();
  }
});

test('two requests that reopen one session at once share it', async () => {
  const sessions = start(10);
  const id = await open(sessions);
  await sessions.close();
  const answers = await Promise.all([post(sessions, ping, id), post(sessions, { ...ping, id: 3 }, id)]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200],
  );
  assert.equal(sessions.count, 1);
  await sessions.close();
});
