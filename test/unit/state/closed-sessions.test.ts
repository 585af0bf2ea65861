import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClosedSessions } from '../../../src/state/closed-sessions.ts';

test('a closed session stays closed', () => {
  const closed = createClosedSessions({ max: 3 });
  assert.equal(closed.has('a'), false);
  closed.add('a');
  assert.equal(closed.has('a'), true);
  assert.equal(closed.has('b'), false);
});

test('beyond the bound the one closed longest ago is forgotten, one for one', () => {
  const closed = createClosedSessions({ max: 3 });
  for (const id of ['a', 'b', 'c', 'd', 'e']) closed.add(id);
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].filter((id) => closed.has(id)),
    ['c', 'd', 'e'],
  );
});

test('closing again makes a session the latest and takes no further place', () => {
  const closed = createClosedSessions({ max: 2 });
  for (const id of ['a', 'b', 'a', 'a', 'c']) closed.add(id);
  assert.deepEqual(
    ['a', 'b', 'c'].filter((id) => closed.has(id)),
    ['a', 'c'],
  );
});
