import assert from 'node:assert/strict';
import { test } from 'node:test';
import { condense } from '../../../src/ops/history.ts';

const rows = (values: readonly (number | undefined)[]) =>
  values.map((cpu, index) => ({ time: 600 + index * 60, cpu }));

test('what fits stays as it is, in the order of time, with gaps as null', () => {
  const [first, second, third] = rows([0.5, undefined, 0.25]);
  assert.ok(first && second && third);
  assert.deepEqual(condense([third, first, { time: second.time, mem: 7 }], { of: 'average', maxPoints: 3 }), {
    from: new Date(600_000),
    stepS: 60,
    points: [
      { cpu: 0.5, mem: null },
      { cpu: null, mem: 7 },
      { cpu: 0.25, mem: null },
    ],
  });
});

test('more becomes fewer and longer points: their mean or their largest, gaps left out', () => {
  const many = rows([1, 3, undefined, 5, undefined, undefined, 7]);
  assert.deepEqual(condense(many, { of: 'average', maxPoints: 4 }), {
    from: new Date(600_000),
    stepS: 120,
    points: [{ cpu: 2 }, { cpu: 5 }, { cpu: null }, { cpu: 7 }],
  });
  assert.deepEqual(condense(many, { of: 'maximum', maxPoints: 2 }).points, [{ cpu: 5 }, { cpu: 7 }]);
  assert.equal(
    condense(rows(Array<number>(1440).fill(1)), { of: 'average', maxPoints: 60 }).points.length,
    60,
  );
});

test('nothing, and a single row', () => {
  assert.deepEqual(condense([], { of: 'average', maxPoints: 5 }), { from: undefined, stepS: 0, points: [] });
  assert.equal(condense(rows([1]), { of: 'average', maxPoints: 5 }).stepS, 0);
});

test('names that objects have of their own are data', () => {
  const [row] = JSON.parse('[{"time": 60, "__proto__": 3}]') as { time: number }[];
  assert.ok(row);
  const { points } = condense([row], { of: 'average', maxPoints: 1 });
  assert.deepEqual(Object.entries(points[0] ?? {}), [['__proto__', 3]]);
});
