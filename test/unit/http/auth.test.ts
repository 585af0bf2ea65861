import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { anyone, bearerTokens } from '../../../src/http/auth.ts';

const folder = mkdtempSync(join(tmpdir(), 'auth-test-'));
after(() => rmSync(folder, { recursive: true }));

const alice = 'alice-token-0123456789';
const bob = 'bob-token-0123456789';
const both = `alice:${alice}\nbob:${bob}`;

function fixed(t: TestContext, text = both) {
  const authenticator = bearerTokens({ text, onInvalid: () => assert.fail('nothing is reloaded') });
  t.after(() => authenticator.close());
  return (header: string | undefined) => authenticator.authenticate(header)?.principal.name;
}

let files = 0;
/** An authenticator on a file of its own, and what it complained about. */
function watched(t: TestContext, text = both) {
  const file = join(folder, `tokens-${++files}`);
  writeFileSync(file, text);
  const complaints: unknown[] = [];
  const authenticator = bearerTokens({
    text,
    reread: () => readFileSync(file, 'utf8'),
    onInvalid: (error) => complaints.push(error),
  });
  t.after(() => authenticator.close());
  /** As tools replace a file: at once. */
  const swap = (next: string) => {
    writeFileSync(`${file}.new`, next);
    renameSync(`${file}.new`, file);
  };
  const knows = (token: string) => authenticator.authenticate(`Bearer ${token}`)?.principal.name;
  return { authenticator, complaints, file, swap, knows };
}

/** The file is looked at every two seconds; five are promised. */
async function within5s(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + 5_000; !condition(); await pause(50))
    if (performance.now() > end) return assert.fail('it did not happen within 5 s');
}

test('a token is known by its principal, whatever the case of the scheme and the blanks after it', (t) => {
  const who = fixed(t);
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR'])
    assert.equal(who(`${scheme} ${alice}`), 'alice');
  assert.equal(who(`Bearer  ${bob}`), 'bob');
  assert.equal(who(`Bearer     ${bob}`), 'bob');
});

test('everything else is nobody', (t) => {
  const who = fixed(t);
  const headers = [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Basic ${alice}`,
    alice,
    `Bearer${alice}`,
    ` Bearer ${alice}`,
  ];
  const tokens = [
    `${alice}x`,
    alice.slice(0, -1),
    alice.toUpperCase(),
    `alice:${alice}`,
    both,
    'null',
    'undefined',
  ];
  const odd = [
    `Bearer ${alice} `,
    `Bearer ${alice} ${bob}`,
    `Bearer ${alice},`,
    `Bearer\t${alice}`,
    `Bearer ${alice}\n`,
  ];
  for (const header of [...headers, ...tokens.map((token) => `Bearer ${token}`), ...odd])
    assert.equal(who(header), undefined, JSON.stringify(header));
});

test('a token of any length gets the same answer', (t) => {
  const who = fixed(t);
  for (const length of [1, 31, 32, 33, 10_000]) assert.equal(who(`Bearer ${'x'.repeat(length)}`), undefined);
});

test('what is stored of a token is of no use in its place', (t) => {
  const who = fixed(t);
  const digest = createHash('sha256').update(alice).digest();
  for (const form of ['hex', 'base64', 'base64url'] as const)
    assert.equal(who(`Bearer ${digest.toString(form)}`), undefined);
});

test('tokens that are not valid are not taken at all', () => {
  for (const text of ['', 'short', `${alice}\n${alice}`])
    assert.throws(() => bearerTokens({ text, onInvalid: () => {} }));
});

test('where the operator asked for it everyone is the same somebody', () => {
  assert.equal(anyone('anyone').authenticate(undefined)?.principal.name, 'anyone');
  assert.equal(anyone('anyone').authenticate('Bearer x')?.principal.name, 'anyone');
});

describe('a file of tokens', { concurrency: true }, () => {
  test('is taken up within 5 s: the new token counts, the old one does not', async (t) => {
    const { swap, knows, complaints } = watched(t);
    swap(`alice:${alice}\nbob:new-${bob}`);
    await within5s(() => knows(`new-${bob}`) === 'bob');
    assert.equal(knows(bob), undefined);
    assert.equal(knows(alice), 'alice');
    assert.deepEqual(complaints, []);
  });

  test('cuts what is under way with a revoked token, and nothing else', async (t) => {
    const { authenticator, swap } = watched(t);
    const cut: string[] = [];
    authenticator.authenticate(`Bearer ${bob}`)?.whileValid(() => cut.push('bob'));
    authenticator.authenticate(`Bearer ${bob}`)?.whileValid(() => cut.push('bob again'));
    authenticator.authenticate(`Bearer ${alice}`)?.whileValid(() => cut.push('alice'));
    authenticator.authenticate(`Bearer ${bob}`)?.whileValid(() => cut.push('bob, ended'))();
    swap(`alice:${alice}`);
    await within5s(() => cut.length > 0);
    assert.deepEqual(cut, ['bob', 'bob again']);
  });

  test('may cut a caller who ends the watch meanwhile', async (t) => {
    const { authenticator, swap } = watched(t);
    let cuts = 0;
    const watches: (() => void)[] = [];
    for (let index = 0; index < 3; index++) {
      const end = authenticator.authenticate(`Bearer ${bob}`)?.whileValid(() => {
        cuts++;
        for (const each of watches) each();
      });
      if (end !== undefined) watches.push(end);
    }
    swap(`alice:${alice}`);
    await within5s(() => cuts > 0);
    assert.ok(cuts >= 1 && cuts <= 3);
  });

  test('that holds no valid tokens keeps the old ones in force, and is complained of once', async (t) => {
    const { swap, knows, complaints } = watched(t);
    swap('# all gone\n');
    await within5s(() => complaints.length > 0);
    await pause(2_500);
    assert.equal(complaints.length, 1);
    assert.equal(knows(alice), 'alice');
    swap(`carol:${'c'.repeat(20)}`);
    await within5s(() => knows('c'.repeat(20)) === 'carol');
    assert.equal(knows(alice), undefined);
  });

  test('that is gone keeps the old tokens in force until it is back', async (t) => {
    const { file, swap, knows, complaints } = watched(t);
    rmSync(file);
    await within5s(() => complaints.length > 0);
    assert.equal(knows(alice), 'alice');
    swap(`alice:${alice}`);
    await within5s(() => knows(bob) === undefined);
    assert.equal(knows(alice), 'alice');
  });

  test('is not looked at any more after the end', async (t) => {
    const { authenticator, swap, knows } = watched(t);
    authenticator.close();
    swap(`alice:${alice}`);
    await pause(2_500);
    assert.equal(knows(bob), 'bob');
  });
});

test('a principal can be found by name for as long as it holds a token', async (t) => {
  const { authenticator, swap } = watched(t, `${both}\nalice:another-token-0123456789`);
  const found = authenticator.find('alice');
  assert.deepEqual(found?.principal, { name: 'alice' });
  for (const name of ['', 'carol', 'Alice', alice, 'alice:'])
    assert.equal(authenticator.find(name), undefined);
  let cuts = 0;
  let bobs = 0;
  const ended = authenticator.find('alice')?.whileValid(() => assert.fail('its watch was ended'));
  ended?.();
  found?.whileValid(() => void cuts++);
  authenticator.find('bob')?.whileValid(() => void bobs++);
  swap(`bob:${bob}\nalice:another-token-0123456789`);
  await within5s(() => authenticator.authenticate(`Bearer ${alice}`) === undefined);
  assert.equal(cuts, 0, 'one token is left');
  assert.ok(authenticator.find('alice'));
  swap(`bob:${bob}`);
  await within5s(() => authenticator.find('alice') === undefined);
  assert.deepEqual([cuts, bobs], [1, 0]);
});

test('where everyone is the same nobody, nobody else is found', () => {
  const open = anyone('anyone');
  assert.deepEqual(open.find('anyone')?.principal, { name: 'anyone' });
  assert.equal(open.find('alice'), undefined);
});
