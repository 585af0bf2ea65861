/** A thousand calls, and more sessions than there is room for, at once: bounded, refused with a hint, and alive. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { settingsFor, token } from '../harness.ts';
import { type GatewayProcess, imageFlags, imageMemory, spawnGateway } from '../process.ts';
import { execTool, initialize, modernCall } from '../raw-http.ts';
import type { Probed } from './livez-probe.ts';

const maxRssMib = 256;
/**
 * What is let pass of refused bodies, so that their senders hear the answer, goes through memory as well; and a
 * gateway that runs from its sources takes 20 MiB more than one that is compiled.
 */
const maxRssWithBodiesMib = 400;
const maxLivezMs = 100;

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly text: string;
}

describe('load', { skip: !existsSync('/proc/self/status') && 'memory is read from /proc' }, () => {
  let lab: Lab;
  let stateDir: string;
  let gateway: GatewayProcess;
  let url: URL;
  const agent = new Agent({ keepAlive: true, maxSockets: 1000 });
  before(async () => {
    lab = await startLab();
    stateDir = await mkdtemp(join(tmpdir(), 'load-'));
    const env = { ...settingsFor(lab, stateDir), METRICS_PORT: '0', ...imageMemory() };
    gateway = spawnGateway('serve', env, imageFlags());
    url = await gateway.url();
  });
  after(async () => {
    agent.destroy();
    await gateway.stop('SIGKILL');
    await lab.close();
    await rm(stateDir, { recursive: true, force: true });
  });

  const post = (body: string, headers: Record<string, string> = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const usual = {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      };
      const asked = request(url, { agent, method: 'POST', headers: { ...usual, ...headers } }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        answer
          .on('error', reject)
          .once('end', () =>
            resolve({ status: answer.statusCode ?? 0, retryAfter: answer.headers['retry-after'], text }),
          );
      });
      asked.once('error', reject).end(body);
    });
  const peakMib = () => {
    const status = readFileSync(`/proc/${gateway.child.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1024;
  };
  /** How /livez answered while the work was under way. */
  const probing = async (work: () => Promise<void>): Promise<Probed> => {
    const probe = new Worker(new URL('./livez-probe.ts', import.meta.url), { workerData: url.href });
    await once(probe, 'online');
    await work();
    const probed = once(probe, 'message');
    probe.postMessage('stop');
    const [result] = (await probed) as [Probed];
    return result;
  };
  const assertAlive = ({ latenciesMs, failures }: Probed) => {
    const sorted = [...latenciesMs].sort((a, b) => a - b);
    assert.equal(failures, 0);
    assert.ok(sorted.length > 10, `${sorted.length} answers`);
    const p95 = sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN;
    assert.ok(p95 < maxLivezMs, `${p95} ms at the 95th percentile, ${sorted.at(-1)} ms at most`);
  };

  test('of 1000 calls at once each is carried out or refused as BUSY with a hint, and /livez answers', async () => {
    let answers: readonly Answer[] = [];
    const probed = await probing(async () => {
      answers = await Promise.all(
        Array.from({ length: 1000 }, (_, id) => {
          const { body, headers } = modernCall(execTool, { vmid: 100, command: `echo answer-${id}-` }, id);
          return post(body, headers);
        }),
      );
    });
    let done = 0;
    for (const [id, { status, retryAfter, text }] of answers.entries()) {
      if (status === 429) assert.match(retryAfter ?? '', /^\d+$/);
      else if (text.includes('BUSY')) assert.match(text, /Try again in \d+ s/);
      else {
        assert.equal(status, 200);
        assert.match(text, new RegExp(`answer-${id}-`));
        done++;
      }
    }
    assert.ok(done >= 256, `${done} were carried out`);
    assert.ok(done < 1000, 'none was refused, so no bound was met');
    assertAlive(probed);
  });

  test('of 2200 sessions opened 20 at a time all are served, the least used making room', async () => {
    const probed = await probing(async () => {
      for (let round = 0; round < 110; round++) {
        const opened = await Promise.all(Array.from({ length: 20 }, () => post(initialize)));
        assert.ok(opened.every(({ status }) => status === 200));
      }
    });
    assertAlive(probed);
  });

  test(`neither took more than ${maxRssMib} MiB`, () => {
    const mib = peakMib();
    assert.ok(mib < maxRssMib, `${mib} MiB`);
  });

  test('of 100 bodies of 4 MB at once those without room are refused with a hint', async () => {
    const { body, headers } = modernCall(execTool, {
      vmid: 100,
      command: 'true',
      env: { V: 'x'.repeat(4_000_000) },
    });
    const answers = await Promise.all(Array.from({ length: 100 }, () => post(body, headers)));
    for (const { status, retryAfter } of answers) {
      assert.ok(status === 200 || status === 429, `${status}`);
      if (status === 429) assert.match(retryAfter ?? '', /^\d+$/);
    }
    assert.ok(answers.some(({ status }) => status === 200));
    assert.ok(answers.some(({ status }) => status === 429));
    const mib = peakMib();
    assert.ok(mib < maxRssWithBodiesMib, `${mib} MiB`);
  });
});
