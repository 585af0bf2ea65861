/** When the description of the API is fetched, and when it is not, from a node that serves it. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { createApiDoc } from '../../../../src/pve/schema/load.ts';
import { give, type Heard, refuse } from '../https-server.ts';
import { endWorlds, failing, world } from '../world.ts';
import { fileOf, methodOf } from './file.ts';

const minuteMs = 60_000;
const { signal } = new AbortController();

afterEach(endWorlds);

/** A node whose version and file may be changed, and a clock. */
async function stage() {
  const state = {
    version: '9.2.11',
    file: fileOf({ path: '/version', info: { GET: methodOf() } }),
    now: 0,
    answering: Promise.resolve(),
  };
  const { node, pve } = await world(async (heard, response) => {
    if (heard.path === '/version')
      return give(response, { version: state.version, repoid: 'abc', release: '9' });
    if (heard.path !== '/pve-docs/api-viewer/apidoc.js') return refuse(response, 501, 'not there');
    await state.answering;
    return response.writeHead(200, { 'content-type': 'application/javascript' }).end(state.file);
  });
  const asked = () => node.heard.map(({ path }: Heard) => path.replace(/^.*\//, ''));
  return { state, asked, doc: createApiDoc({ pve, now: () => state.now }) };
}

test('it is fetched once, and after minutes only the version is asked for', async () => {
  const { state, asked, doc } = await stage();
  const first = await doc.get(signal);
  assert.equal(first.version, '9.2.11');
  assert.equal(first.match('GET', '/version')?.endpoint.template, '/version');
  state.now += 4 * minuteMs;
  assert.equal(await doc.get(signal), first);
  assert.deepEqual(asked(), ['version', 'apidoc.js']);
  state.now += 2 * minuteMs;
  assert.equal(await doc.get(signal), first);
  assert.deepEqual(asked(), ['version', 'apidoc.js', 'version']);
});

test('a new version brings a new description', async () => {
  const { state, doc } = await stage();
  await doc.get(signal);
  state.version = '9.3.0';
  state.file = fileOf({ path: '/new', info: { GET: methodOf() } });
  state.now += 6 * minuteMs;
  const later = await doc.get(signal);
  assert.equal(later.version, '9.3.0');
  assert.equal(later.match('GET', '/version'), undefined);
  assert.ok(later.match('GET', '/new'));
});

test('those who ask at the same time share one answer', async () => {
  const { asked, doc } = await stage();
  const all = await Promise.all([doc.get(signal), doc.get(signal), doc.get(signal)]);
  assert.equal(new Set(all).size, 1);
  assert.deepEqual(asked(), ['version', 'apidoc.js']);
});

test('one who leaves does not take it from the others', async () => {
  const { state, doc } = await stage();
  const { promise, resolve } = Promise.withResolvers<void>();
  state.answering = promise;
  const leaver = new AbortController();
  const left = doc.get(leaver.signal);
  const stayed = doc.get(signal);
  leaver.abort();
  await failing('CANCELLED_EARLY', left);
  resolve();
  assert.equal((await stayed).version, '9.2.11');
  await failing(
    'CANCELLED_EARLY',
    doc.get(AbortSignal.abort()).then(async () => {
      state.now += 6 * minuteMs;
      return await doc.get(AbortSignal.abort());
    }),
  );
});

test('a file that cannot be understood is an error once, not for ever', async () => {
  const { state, doc } = await stage();
  const { file } = state;
  state.file = '<html>';
  await failing('UNEXPECTED_ANSWER', doc.get(signal));
  state.file = file;
  assert.equal((await doc.get(signal)).version, '9.2.11');
});

test('the file is asked for without the token', async () => {
  const { node, pve } = await world((heard, response) =>
    heard.path === '/version'
      ? give(response, { version: '9' })
      : response.end(fileOf({ path: '/version', info: { GET: methodOf() } })),
  );
  await createApiDoc({ pve }).get(signal);
  assert.deepEqual(
    node.heard.map(({ headers }) => headers.authorization !== undefined),
    [true, false],
  );
});
