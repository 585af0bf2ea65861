/** The product's service beside a pretend Proxmox VE node with a real sshd, configured as the README says. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../gateway/harness.ts';
import { freePort } from '../real/stand/ports.ts';
import { type Caller, connect, type Era } from './client.ts';
import { Interrupted } from './docker.ts';
import { createStack, type Stack } from './stack.ts';

export interface Product {
  readonly stack: Stack;
  readonly folder: string;
  readonly image: string;
  readonly token: string;
  /** Texts that nothing may show: the token, and each line of the key. */
  readonly secrets: readonly string[];
  readonly privateKey: string;
  readonly fingerprint: string;
  /** Starts or renews the gateway and waits until it is ready. */
  up(env?: Readonly<Record<string, string>>, ...args: string[]): Promise<URL>;
  address(): Promise<URL>;
  connect(era: Era): Promise<Caller>;
  /** Status and body of one of the gateway's probes. */
  probe(path: string): Promise<{ status: number; text: string }>;
  /** Waits until /readyz answers with the status. */
  ready(status?: number): Promise<void>;
  /** Whether a process on the node, or in a container of it, has the marker as its name. */
  runsOnNode(marker: string): Promise<boolean>;
  /** Ends the node's sshd with its connections, or brings it back. */
  turnSshd(state: 'off' | 'on'): Promise<void>;
  close(): Promise<void>;
}

/** As compose.yml has it. */
export const nodeImage = 'proxmox-mcp-pve:image-test';
export const nodePassword = 'the password of the node';
const compose = ['-f', 'docker-compose.yml', '-f', 'test/image/compose.yml'];

/** Writes secrets and stack.local.env into `folder`, brings up the node, and not yet the gateway. */
export async function createProduct(input: {
  readonly folder: string;
  readonly project: string;
  readonly image: string;
}): Promise<Product> {
  const { folder, project, image } = input;
  const env = { IMAGE: image, SERVER_PORT: String(await freePort()) };
  const stack = createStack({ project, folder, options: compose, env });
  try {
    await stack.compose(['up', '--build', '--detach', '--wait', 'pve']);
    const read = async (file: string) => (await stack.inside('pve', `cat ${file}`)).stdout;
    const [privateKey, fingerprint] = await Promise.all([read('/node/key'), read('/node/fingerprint')]);
    const token = randomBytes(24).toString('hex');
    const lines = privateKey.split('\n').filter((line) => line.length > 30 && !line.startsWith('-----'));
    assert.ok(lines.length > 2);
    await writeSecret(join(folder, 'secrets/mcp_auth_token.txt'), `alice:${token}\n`);
    await writeSecret(join(folder, 'secrets/id_rsa'), privateKey);
    await writeFile(join(folder, 'stack.local.env'), localSettings(fingerprint));
    return assemble({ ...input, stack, token, privateKey, fingerprint, secrets: [token, ...lines] });
  } catch (error) {
    await stack.close();
    throw error;
  }
}

/** A word that only one check's processes have as their name. */
export function newMarker(): string {
  return `marker${randomBytes(8).toString('hex')}`;
}

/** The last four would break the container, if compose did not win over them. */
function localSettings(fingerprint: string): string {
  const wanted = ['I_ACCEPT_RISKS=true', 'HOST=pve', `SSH_HOST_KEY=${fingerprint}`, 'ENABLE_HOST_EXEC=true'];
  const overruled = [
    'SERVER_PORT=9999',
    'SERVER_HOST=127.0.0.1',
    'METRICS_HOST=127.0.0.1',
    'STATE_DIR=/nowhere',
  ];
  return `${[...wanted, ...overruled].join('\n')}\n`;
}

/** Readable for the gateway's user alone, or for all where this process may not give files away. */
export async function writeSecret(path: string, content: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  if (process.getuid?.() === 0) {
    await chown(path, 1000, 1000);
    await chmod(path, 0o400);
  } else await chmod(path, 0o444);
}

/** A gateway that is not there yet gives no answer, and is asked again. */
function orInterrupted(error: unknown): undefined {
  if (error instanceof Interrupted) throw error;
}

type Parts = Pick<Product, 'stack' | 'folder' | 'image' | 'token' | 'secrets' | 'privateKey' | 'fingerprint'>;

function assemble(parts: Parts): Product {
  const { stack, token } = parts;
  const address = () => stack.published('gateway', 8000);
  const probe: Product['probe'] = async (path) => {
    const answer = await fetch(new URL(path, await address()), { signal: AbortSignal.timeout(5_000) });
    return { status: answer.status, text: await answer.text() };
  };
  const ready: Product['ready'] = async (status = 200) => {
    const look = async () =>
      (await probe('/readyz').catch(orInterrupted))?.status === status ? true : undefined;
    await eventually(look, 30_000).catch(async () => {
      throw new Error(`/readyz did not become ${status}:\n${(await stack.log('gateway')).slice(-2_000)}`);
    });
  };
  return {
    ...parts,
    address,
    probe,
    ready,
    async up(env = {}, ...args) {
      await stack.compose(['up', '--detach', ...args, 'gateway'], { env });
      await ready();
      return await address();
    },
    connect: async (era) => await connect(era, await address(), token),
    runsOnNode: async (marker) => (await stack.inside('pve', `pgrep -f '^${marker}'`)).code === 0,
    async turnSshd(state) {
      await stack.compose(['kill', '--signal', state === 'off' ? 'SIGHUP' : 'SIGUSR2', 'pve']);
    },
    close: () => stack.close(),
  };
}
