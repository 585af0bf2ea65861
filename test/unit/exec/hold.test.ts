import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../../src/base/errors.ts';
import { holdAfter } from '../../../src/exec/hold.ts';

const unreachable = failure('HOST_UNREACHABLE', { host: 'pve', problem: 'it is off' });
const refusedLogin = failure('SSH_AUTH_FAILED', { host: 'pve', username: 'root' });
const refusedKey = failure('HOST_KEY_REFUSED', { host: 'pve', seen: 'SHA256:x' });

/** Seconds from now, rounded. */
function after(...args: Parameters<typeof holdAfter>): { until: number; retryAt: number } {
  const now = performance.now();
  const { until, retryAt } = holdAfter(...args);
  return { until: (until - now) / 1000, retryAt: (retryAt - now) / 1000 };
}

test('a host that is down is asked again ever more slowly, within ten seconds, and by itself', () => {
  for (let failures = 1; failures <= 30; failures++) {
    const { until, retryAt } = after(unreachable, failures, 0);
    assert.equal(until, retryAt);
    assert.ok(
      until <= 10.1 && until >= Math.min(10, 0.5 * 2 ** failures) / 2 - 0.01,
      `${failures}: ${until}`,
    );
  }
});

test('one that sheds load is given a minute at the most, once it has done so often', () => {
  assert.ok(after(unreachable, 20, 8).until <= 10.1);
  const { until } = after(unreachable, 20, 9);
  assert.ok(until >= 29.9 && until <= 60.1, String(until));
});

test('a refused login holds calls for a minute, and is tried unasked more and more rarely', () => {
  const retries = [1, 2, 3, 4, 5, 6, 50].map((failures) => {
    const { until, retryAt } = after(refusedLogin, failures, 0);
    assert.equal(Math.round(until), 60);
    return Math.round(retryAt);
  });
  assert.deepEqual(retries, [60, 120, 240, 480, 900, 900, 900]);
});

test('a host key is looked at every minute: that is no login', () => {
  for (const failures of [1, 5, 50]) {
    const { until, retryAt } = after(refusedKey, failures, 0);
    assert.deepEqual([Math.round(until), Math.round(retryAt)], [60, 60]);
  }
});
