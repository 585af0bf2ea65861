/** What becomes of a call when the link under it breaks, whatever the manner and the moment. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { eventually, failureOf } from '../../gateway/harness.ts';
import { newMarker, onStand, type RealGateway, startRealGateway } from '../harness.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../stand/fault-proxy.ts';
import { findProcesses, waitUntilGone } from '../stand/processes.ts';

interface Output {
  readonly stdout: string;
  readonly stdout_original_length?: number;
}

const lines = 40_000;
const numbers = Array.from({ length: lines }, (_, index) => `${index + 1}\n`).join('');
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('a link that breaks', onStand, () => {
  let link: FaultProxy;
  let gateway: RealGateway;
  before(async () => {
    link = await startFaultProxy();
    gateway = await startRealGateway({ env: { SSH_PORT: String(link.port), CHARACTER_LIMIT: '500000' } });
    link.leadTo(gateway.node.sshd);
    await works();
  });
  after(async () => {
    await gateway.close();
    await link.close();
  });

  const stdoutOf = async (command: string) =>
    ((await gateway.exec(command)).structuredContent as unknown as Output | undefined)?.stdout;
  /** The connection may just be coming back. */
  const works = () => eventually(async () => (await stdoutOf('echo works')) === 'works\n' || undefined);
  const ready = () => eventually(async () => (await fetch(new URL('/readyz', gateway.url))).ok || undefined);
  const runs = (marker: string) =>
    eventually(async () => {
      const found = await findProcesses(marker);
      return found.some(({ cmdline }) => cmdline.startsWith(marker)) || undefined;
    });

  const breaks: readonly (readonly [what: string, breakNow: () => void])[] = [
    ['FIN', () => link.cut()],
    ['RST', () => link.reset()],
    ['garbage among its packets', () => link.inject(Buffer.alloc(4096, 0xa5))],
  ];
  for (const [what, breakNow] of breaks) {
    test(`${what}: the call is lost within 1 s, its outcome unknown, its command run once`, async () => {
      const marker = newMarker();
      const call = gateway.exec(`echo x >>/tmp/${marker}; exec -a ${marker} sleep 0.5`);
      await runs(marker);
      const brokenAt = performance.now();
      breakNow();
      const failure = failureOf(await call);
      assert.ok(performance.now() - brokenAt < 1_000);
      const { code, outcome, retryable } = failure;
      assert.deepEqual(
        { code, outcome, retryable },
        { code: 'CONNECTION_LOST', outcome: 'unknown', retryable: false },
      );
      await works();
      await waitUntilGone(marker, 3_000);
      assert.equal(await stdoutOf(`cat /tmp/${marker}`), 'x\n');
    });
  }

  test('one bit that flips ends the connection before any of it counts', async () => {
    await works();
    const marker = newMarker();
    const call = gateway.exec(`(exec -a ${marker} sleep 0.5); echo never`);
    // Not before it runs: the flipped bit may be one of a spare shell that is just being made ready.
    await runs(marker);
    link.corrupt();
    const failure = failureOf(await call);
    assert.deepEqual([failure.code, failure.stdout], ['CONNECTION_LOST', undefined]);
    await works();
  });

  for (const fault of ['cut', 'reset', 'corrupt'] satisfies Fault[]) {
    test(`${fault} in the midst of output: an error, never a short success`, async () => {
      let lost = 0;
      const places = Array.from({ length: 8 }, (_, index) => 4_000 + index * 28_000);
      link.failAt(places[0], fault);
      link.cut();
      for (const [index] of places.entries()) {
        await ready();
        // For the connection after this one, which stands already.
        link.failAt(places[index + 1], fault);
        const result = await gateway.exec(`seq ${lines}`);
        if (result.isError === true) {
          const failure = failureOf(result);
          assert.deepEqual([failure.code, failure.outcome], ['CONNECTION_LOST', 'unknown']);
          lost++;
        } else {
          const { stdout } = result.structuredContent as unknown as Output;
          assert.equal(sha256(stdout), sha256(numbers));
          link.cut();
        }
      }
      assert.ok(lost >= 6, `only ${lost} of ${places.length} were in the midst of it`);
      await works();
      assert.equal(sha256((await stdoutOf(`seq ${lines}`)) ?? ''), sha256(numbers));
    });
  }
});
