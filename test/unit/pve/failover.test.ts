/** Several API hosts of one cluster. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { makeCertificate } from './certificates.ts';
import { give, type Handler, refuse } from './https-server.ts';
import { client, endWorlds, failing, get, post, standIn } from './world.ts';

const named =
  (name: string): Handler =>
  (_, response) =>
    give(response, name);

afterEach(endWorlds);

async function pair() {
  const [first, second] = [await standIn(named('first')), await standIn(named('second'))];
  return { first, second, pve: client({ endpoints: [first, second] }) };
}

test('the first is asked as long as it answers', async () => {
  const { second, pve } = await pair();
  for (let count = 0; count < 3; count++) assert.equal(await get(pve), 'first');
  assert.equal(second.connections, 0);
});

test('when it is away the next one is asked, also for what changes, and stays the one', async () => {
  const { first, pve } = await pair();
  await first.stop();
  assert.equal(await post(pve), 'second');
  assert.deepEqual(pve.status(), { reachable: true });
  const again = await standIn(named('first again'), { port: first.port });
  // Until it would not have to rest any more.
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.equal(await get(pve), 'second');
  assert.equal(again.connections, 0);
});

test('one whose certificate is not accepted is passed over, and sent nothing', async () => {
  const [bad, good] = [makeCertificate(), makeCertificate()];
  const first = await standIn(named('first'), { certificate: bad });
  const second = await standIn(named('second'), { certificate: good });
  const trust = { kind: 'pins', fingerprints: () => [good.fingerprint] } as const;
  const pve = client({ endpoints: [first, second], trust });
  assert.equal(await post(pve), 'second');
  assert.equal(first.heard.length, 0);
  await second.stop();
  const error = await failing('API_TLS_REFUSED', post(client({ endpoints: [first, second], trust })));
  assert.ok(error.message.includes(bad.fingerprint), 'what an operator can mend is what is told');
});

test('595 for reading: another host may reach that node', async () => {
  const { first, pve } = await pair();
  first.handler = (_, response) => refuse(response, 595, 'no route to host');
  assert.equal(await get(pve), 'second');
  await failing('API_UNREACHABLE', post(client({ endpoints: [first] })));
});

test('a change that was sent is sent to no other host', async () => {
  const { first, second, pve } = await pair();
  first.handler = (_, response) => void response.socket?.destroy();
  await failing('API_OUTCOME_UNKNOWN', post(pve));
  first.handler = (_, response) => refuse(response, 595, 'no route to host');
  await failing('API_UNREACHABLE', post(pve));
  assert.equal(second.heard.length, 0);
});

test('a host that dies while it is read from is replaced', async () => {
  const { first, pve } = await pair();
  first.handler = () => void first.stop();
  assert.equal(await get(pve), 'second');
});

test('a host that is back is used at once where it is the only one', async () => {
  const first = await standIn(named('first'));
  const pve = client({ endpoints: [first] });
  await first.stop();
  for (let count = 0; count < 5; count++)
    assert.match((await failing('API_UNREACHABLE', post(pve))).message, /the connection was refused/);
  assert.deepEqual(pve.status(), { reachable: false, problem: 'API_UNREACHABLE' });
  await standIn(named('back'), { port: first.port });
  assert.equal(await post(pve), 'back');
});

test('an address that cannot be resolved is said to be one', async () => {
  const pve = client({ endpoints: [{ host: 'no-such-host.invalid', port: 8006 }] });
  const error = await failing('API_UNREACHABLE', get(pve));
  assert.match(error.message, /through no-such-host\.invalid: its name cannot be resolved/);
});
