/** Proves the image and the compose file with a real Docker engine: `npm run image`. */
import assert from 'node:assert/strict';
import { proveCalls } from './calls.ts';
import { sweep } from './clean.ts';
import { proveDemo } from './demo.ts';
import { docker, run, stopAll } from './docker.ts';
import { proveFiles } from './files.ts';
import { proveHealth } from './health.ts';
import { proveImage } from './image.ts';
import { proveInside } from './inside.ts';
import { proveMetrics } from './metrics.ts';
import { provePortainer } from './portainer.ts';
import { createProduct, nodeImage } from './product.ts';
import { createReport, type Report } from './report.ts';
import { proveRestart } from './restart.ts';
import { proveSecrets } from './secrets.ts';
import { createWorkspace } from './stack.ts';
import { proveStopping } from './stopping.ts';

const project = `gateway-image-test-${process.pid}`;
const image = `proxmox-mcp-gateway:image-test-${process.pid}`;

async function proveProduct(report: Report, folder: string): Promise<void> {
  await report.section('product', async (check) => {
    const product = await createProduct({ folder, project, image });
    try {
      await check('comes up beside a real sshd', () => product.up());
      await report.section('calls', (each) => proveCalls(each, product));
      await report.section('files', (each) => proveFiles(each, product));
      await report.section('metrics', (each) => proveMetrics(each, product));
      await report.section('inside', (each) => proveInside(each, product));
      await report.section('restart', (each) => proveRestart(each, product));
      await report.section('stopping', (each) => proveStopping(each, product));
      await report.section('health', (each) => proveHealth(each, product));
      await report.section('secrets', (each) => proveSecrets(each, product));
      await report.section('portainer', (each) => provePortainer(each, product));
    } finally {
      await product.close();
    }
  });
}

const demoImage = 'proxmox-mcp-gateway:demo';
const images = [image, `${image}-next`, nodeImage];

async function prove(report: Report, folder: string): Promise<void> {
  await report.section('image', (check) => proveImage(check, folder, image));
  await report.section('demo', (check) => proveDemo(check, folder, `${project}-demo`));
  await proveProduct(report, folder);
}

async function main(): Promise<boolean> {
  const engine = await run(['docker', 'info', '--format', '{{.ServerVersion}}'], { timeoutMs: 20_000 });
  if (engine.code !== 0) {
    process.stderr.write(`The image cannot be proven: no Docker engine answers here.\n${engine.stderr}`);
    return false;
  }
  const compose = await docker('compose', 'version');
  process.stdout.write(`Docker ${engine.stdout.trim()}, ${compose.trim()}\n`);
  if ((await run(['docker', 'image', 'inspect', demoImage])).code !== 0) images.push(demoImage);
  const workspace = await createWorkspace();
  // All that is left to do then fails at once, and what was made is taken away as ever.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stopAll);
  const report = createReport((line) => void process.stdout.write(line));
  await prove(report, workspace.folder);
  await workspace.close();
  await report.section('in the end', (check) =>
    check('nothing of it is left with Docker', async () =>
      assert.deepEqual(await sweep(project, images), []),
    ),
  );
  return report.close();
}

process.exit((await main()) ? 0 : 1);
