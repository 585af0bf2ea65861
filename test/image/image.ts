/** The image by itself: what it holds, what it does not, and how it asks to be run. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { docker, inspect, must, run } from './docker.ts';
import type { Check } from './report.ts';

interface ImageFacts {
  readonly Id: string;
  readonly Size: number;
  readonly RootFS: { readonly Layers: readonly string[] };
  readonly Config: {
    readonly User: string;
    readonly StopSignal?: string;
    readonly Healthcheck?: { readonly Test: readonly string[] };
    readonly Labels?: Readonly<Record<string, string>>;
  };
}

interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const maxProductBytes = 60 * 1024 * 1024;

/** Builds `image` from a clean copy of the project in `folder`. */
export async function proveImage(check: Check, folder: string, image: string): Promise<void> {
  await check('the last target is the product', async () => {
    await must(['docker', 'build', '--quiet', '--target', 'gateway', '--tag', image, folder]);
    const last = (await must(['docker', 'build', '--quiet', folder])).trim();
    assert.equal(last, (await inspect<ImageFacts>('image', image)).Id);
  });
  const { Config: config, ...facts } = await inspect<ImageFacts>('image', image);
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;

  await check('product layers are under 60 MiB over the base', async () => {
    const base = await inspect<ImageFacts>('image', await baseImage(folder));
    assert.deepEqual(facts.RootFS.Layers.slice(0, base.RootFS.Layers.length), base.RootFS.Layers);
    const bytes = facts.Size - base.Size;
    assert.ok(bytes < maxProductBytes, `${bytes} bytes`);
    return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  });
  await check('says how it is to be run, stopped and looked at', async () => {
    assert.match(config.User, /^[1-9]\d*$/);
    assert.equal(config.StopSignal, 'SIGTERM');
    assert.match(config.Healthcheck?.Test.join(' ') ?? '', /^CMD node .*\/livez/);
    const labels = config.Labels ?? {};
    assert.equal(labels['org.opencontainers.image.title'], 'proxmox-mcp-gateway');
    assert.equal(labels['org.opencontainers.image.licenses'], manifest.license);
    assert.notEqual(labels['org.opencontainers.image.description'] ?? '', '');
  });
  await check('holds no package manager, compiler, cache, source or development package', () =>
    holdsNothingElse(image, manifest),
  );
  await check('its user can change nothing of the program', async () => {
    const writable = await shell(image, 'find /app /usr /etc /bin -writable -not -type l');
    assert.equal(writable, '');
  });
  await check('without settings it says all that is missing, and ends with 78', async () => {
    assert.equal(await docker('run', '--rm', image, '--version'), `${manifest.version}\n`);
    const { code, stderr } = await run(['docker', 'run', '--rm', image]);
    assert.equal(code, 78);
    for (const name of ['I_ACCEPT_RISKS', 'HOST', 'SSH_KEY', 'MCP_AUTH_TOKEN'])
      assert.match(stderr, new RegExp(`^  ${name} is not`, 'm'));
  });
  await check('nothing of secrets and local settings is in the build context', () => leavesOut(folder));
}

/** The base of the Dockerfile's own default. */
async function baseImage(folder: string): Promise<string> {
  const [, name] = /^ARG NODE_IMAGE=(\S+)$/m.exec(await readFile(join(folder, 'Dockerfile'), 'utf8')) ?? [];
  return name ?? assert.fail('the Dockerfile names no base');
}

async function shell(image: string, line: string, user: readonly string[] = []): Promise<string> {
  return (await docker('run', '--rm', ...user, '--entrypoint', 'sh', image, '-c', line)).trim();
}

const programs = [
  ...['npm', 'npx', 'corepack', 'yarn', 'pnpm', 'node-gyp', 'tsc', 'biome', 'git', 'curl', 'wget'],
  ...['gcc', 'cc', 'g++', 'c++', 'clang', 'cpp', 'make', 'cmake', 'python3', 'ssh', 'sudo'],
];

async function holdsNothingElse(image: string, { devDependencies }: Manifest): Promise<void> {
  const asRoot = ['--user', '0'];
  const there = `for p in ${programs.join(' ')}; do command -v $p; done; true`;
  assert.equal(await shell(image, there, asRoot), '');
  const caches =
    '/root/.npm /root/.cache /home/node/.npm /home/node/.cache /usr/local/lib/node_modules /tmp/*';
  assert.equal(await shell(image, `for f in ${caches}; do [ ! -e $f ] || echo $f; done`, asRoot), '');
  assert.deepEqual((await shell(image, 'ls -A /app')).split('\n'), [
    'LICENSE',
    'dist',
    'node_modules',
    'package.json',
  ]);
  const odd = "find /app \\( -name '*.ts' -o -name '*.map' -o -name '.git*' -o -name '.env*' \\) -type f";
  assert.equal(await shell(image, odd, asRoot), '');
  const development = Object.keys(devDependencies).map((name) => `/app/node_modules/${name}`);
  assert.equal(await shell(image, `ls -d ${development.join(' ')} 2>/dev/null; true`, asRoot), '');
}

/** Builds an image that holds the whole context, and looks at it. */
async function leavesOut(folder: string): Promise<void> {
  const canaries = [
    'secrets/id_rsa',
    'secrets/mcp_auth_token.txt',
    'stack.local.env',
    '.env',
    'state/session.key',
  ];
  for (const name of canaries) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), 'canary');
  }
  const dockerfile = `FROM ${await baseImage(folder)}\nCOPY . /context\nRUN ls -A /context && ! grep -r canary /context\n`;
  const built = await run(
    [
      'docker',
      'build',
      '--no-cache',
      '--progress',
      'plain',
      '--output',
      'type=cacheonly',
      '--file',
      '-',
      folder,
    ],
    {
      stdin: dockerfile,
    },
  );
  await must(['rm', ...canaries.map((name) => join(folder, name))]);
  assert.equal(built.code, 0, built.stderr);
  for (const name of ['package.json', 'src', 'lab', 'LICENSE'])
    assert.match(built.stderr, new RegExp(` ${name.replace('.', '\\.')}$`, 'm'));
  for (const name of ['secrets', 'stack.local.env', '.env', 'state', 'test', 'node_modules', '.git'])
    assert.doesNotMatch(built.stderr, new RegExp(` ${name.replace('.', '\\.')}$`, 'm'));
}
