import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createUsedTickets, type UsedTickets } from '../../../src/state/used-tickets.ts';

const start = 1_700_000_000_000;

/** Each of a principal of its own, unless one is named. */
function take(used: UsedTickets, id: string, issuedAt: number, expiresAt: number, principal = id): boolean {
  return used.take({ id, principal, issuedAt, expiresAt });
}

function at(t: TestContext, now = start) {
  t.mock.timers.enable({ apis: ['Date'], now });
  return (time: number) => t.mock.timers.setTime(time);
}

test('a ticket is taken once', (t) => {
  at(t);
  const used = createUsedTickets({ max: 10, since: start });
  assert.equal(take(used, 'a', start, start + 1000), true);
  assert.equal(take(used, 'a', start, start + 1000), false);
  assert.equal(take(used, 'b', start, start + 1000), true);
  assert.equal(take(used, 'a', start, start + 1000), false);
});

test('of tickets from before, none is taken', (t) => {
  at(t);
  const used = createUsedTickets({ max: 10, since: start });
  assert.equal(take(used, 'a', start - 1, start + 1000), false);
  assert.equal(take(used, 'b', start, start + 1000), true);
});

test('a ticket that has expired is not taken, used or not', (t) => {
  const setTime = at(t);
  const used = createUsedTickets({ max: 10, since: start });
  assert.equal(take(used, 'a', start, start + 1000), true);
  setTime(start + 1000);
  assert.equal(take(used, 'a', start, start + 1000), false);
  assert.equal(take(used, 'b', start, start + 1000), false);
  assert.equal(take(used, 'c', start, start + 1001), true);
});

test('while it is full of tickets that live, it takes no other; those that expire make room', (t) => {
  const setTime = at(t);
  const used = createUsedTickets({ max: 3, since: start });
  for (const [id, lifeMs] of [
    ['a', 3000],
    ['b', 1000],
    ['c', 2000],
  ] as const)
    assert.equal(take(used, id, start, start + lifeMs), true);
  assert.equal(take(used, 'd', start, start + 5000), false);
  setTime(start + 999);
  assert.equal(take(used, 'd', start, start + 5000), false);
  setTime(start + 1000);
  assert.equal(take(used, 'd', start, start + 5000), true);
  assert.equal(take(used, 'e', start, start + 5000), false);
  for (const id of ['a', 'c', 'd']) assert.equal(take(used, id, start, start + 5000), false, id);
});

test('a refusal for lack of room does not use the ticket up', (t) => {
  const setTime = at(t);
  const used = createUsedTickets({ max: 1, since: start });
  assert.equal(take(used, 'a', start, start + 1000), true);
  assert.equal(take(used, 'b', start, start + 5000), false);
  setTime(start + 1000);
  assert.equal(take(used, 'b', start, start + 5000), true);
});

test('a clock that is set back brings no used ticket back to life', (t) => {
  const setTime = at(t);
  const used = createUsedTickets({ max: 10, since: start });
  assert.equal(take(used, 'a', start, start + 1000), true);
  setTime(start + 2000);
  assert.equal(take(used, 'b', start + 1500, start + 9000), true);
  setTime(start + 500);
  assert.equal(take(used, 'a', start, start + 1000), false);
  assert.equal(take(used, 'b', start + 1500, start + 9000), false);
  assert.equal(take(used, 'c', start + 500, start + 1500), true, 'new ones work all the same');
});

test('one principal keeps nobody else from using what is theirs', (t) => {
  const setTime = at(t);
  const used = createUsedTickets({ max: 16, since: start });
  const of = (principal: string, id: string) => take(used, id, start, start + 1000, principal);
  assert.deepEqual([of('alice', 'a'), of('alice', 'b'), of('alice', 'c')], [true, true, false]);
  assert.equal(of('bob', 'd'), true);
  setTime(start + 1000);
  assert.equal(take(used, 'c', start, start + 5000, 'alice'), true, 'expired ones give their places back');
});
