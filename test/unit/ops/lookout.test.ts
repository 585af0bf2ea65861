import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../../src/base/errors.ts';
import { createLookout } from '../../../src/ops/lookout.ts';
import type { Survey } from '../../../src/ops/survey.ts';

const { signal } = new AbortController();

/** Answers when it is told to, and counts how often it was asked. */
function source() {
  const waiting: PromiseWithResolvers<Survey>[] = [];
  const lookout = createLookout(() => {
    const answer = Promise.withResolvers<Survey>();
    waiting.push(answer);
    return answer.promise;
  });
  return {
    lookout,
    waiting,
    answer(node: string) {
      waiting.at(-1)?.resolve({ guests: new Map(), nodes: new Set([node]) });
    },
  };
}

const nodesOf = async (survey: Promise<Survey>) => [...(await survey).nodes];

test('all who ask at the same time share one survey, and the next ones what is known', async () => {
  const { lookout, waiting, answer } = source();
  const asked = [lookout.recent(signal), lookout.recent(signal), lookout.shared(signal)];
  answer('a');
  for (const survey of asked) assert.deepEqual(await nodesOf(survey), ['a']);
  assert.deepEqual(await nodesOf(lookout.recent(signal)), ['a']);
  assert.equal(waiting.length, 1);
});

test('a fresh one begins anew, and is what is known from then on', async () => {
  const { lookout, waiting, answer } = source();
  const first = lookout.fresh(signal);
  answer('a');
  await first;
  const second = lookout.fresh(signal);
  answer('b');
  await second;
  assert.equal(waiting.length, 2);
  assert.deepEqual([...(lookout.known()?.nodes ?? [])], ['b']);
});

test('who gives up does not take the survey away from the others', async () => {
  const { lookout, answer } = source();
  const gone = new AbortController();
  const [one, other] = [lookout.shared(gone.signal), lookout.shared(signal)];
  gone.abort();
  await assert.rejects(one, (error) => error instanceof GatewayError && error.code === 'CANCELLED_EARLY');
  await assert.rejects(lookout.shared(gone.signal), GatewayError);
  answer('a');
  assert.deepEqual(await nodesOf(other), ['a']);
});

test('one that failed is not kept', async () => {
  const { lookout, waiting, answer } = source();
  const failed = lookout.shared(signal);
  waiting[0]?.reject(new Error('no'));
  await assert.rejects(failed, /no/);
  assert.equal(lookout.known(), undefined);
  const next = lookout.shared(signal);
  answer('b');
  assert.deepEqual(await nodesOf(next), ['b']);
});

test('one that began earlier and took longer does not take the place of a newer one', async () => {
  const { lookout, waiting } = source();
  const survey = (node: string) => ({ guests: new Map(), nodes: new Set([node]) });
  const [older, newer] = [lookout.fresh(signal), lookout.fresh(signal)];
  waiting[1]?.resolve(survey('new'));
  await newer;
  waiting[0]?.resolve(survey('old'));
  await older;
  assert.deepEqual([...(lookout.known()?.nodes ?? [])], ['new']);
});
