import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPlaces } from '../../../src/state/places.ts';

test('each name has so many places and no more, whatever the others have', () => {
  const places = createPlaces({ each: 2, total: 100 });
  const [first, second] = [places.enter('alice'), places.enter('alice')];
  assert.ok(first && second);
  assert.equal(places.enter('alice'), undefined);
  assert.ok(places.enter('bob'));
  first();
  assert.ok(places.enter('alice'));
  assert.equal(places.enter('alice'), undefined);
});

test('a place is given back once, however often it is left', () => {
  const places = createPlaces({ each: 2, total: 100 });
  const leave = places.enter('alice');
  assert.ok(places.enter('alice'));
  for (let round = 0; round < 3; round++) leave?.();
  assert.ok(places.enter('alice'));
  assert.equal(places.enter('alice'), undefined);
});

test('all names together have so many places and no more', () => {
  const places = createPlaces({ each: 2, total: 3 });
  const leaves = ['a', 'b', 'c'].map((name) => places.enter(name));
  assert.equal(places.enter('d'), undefined);
  assert.equal(places.enter('a'), undefined);
  leaves[1]?.();
  leaves[1]?.();
  assert.ok(places.enter('d'));
  assert.equal(places.enter('b'), undefined);
});

test('who was refused has taken nothing', () => {
  const places = createPlaces({ each: 1, total: 2 });
  const leave = places.enter('alice');
  for (let round = 0; round < 10; round++) assert.equal(places.enter('alice'), undefined);
  assert.ok(places.enter('bob'));
  leave?.();
  assert.ok(places.enter('alice'));
});

test('names of any kind are told apart', () => {
  const places = createPlaces({ each: 1, total: 100 });
  for (const name of ['', 'a', 'A', '__proto__', 'constructor', 'é', 'e\u0301'])
    assert.ok(places.enter(name), name);
});
