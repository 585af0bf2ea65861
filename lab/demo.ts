/** `npm run demo`: the gateway as a process of its own, in front of a pretend Proxmox VE cluster. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Lab, startLab } from './lab.ts';
import { demoGuests } from './proxmox/demo-guests.ts';

type Environment = Record<string, string | undefined>;

const gatewayMain = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const startWithinMs = 20_000;
/** Long enough for a task to be seen while it runs. */
const taskMs = 1_500;
/** As on a real node. */
const authDelayMs = 3_000;

const otherWays: readonly string[] = [
  ...[
    'SSH_HOST',
    'SSH_USER',
    'SSH_KEY',
    'SSH_KEY_FILE',
    'SSH_KEY_PATH',
    'SSH_PASSWORD_FILE',
    'SSH_KNOWN_HOSTS',
  ],
  ...['SSH_TRUST_ON_FIRST_USE', 'SSH_SUDO', 'ENABLE_LOCAL_EXECUTION', 'ENABLE_SSH', 'ENABLE_PROXMOX_API'],
  ...['PROXMOX_USER', 'PROXMOX_TOKEN_NAME', 'PROXMOX_TOKEN_VALUE', 'PROXMOX_CA_FILE', 'PROXMOX_VERIFY_SSL'],
  ...['PROXMOX_USER_FILE', 'PROXMOX_TOKEN_NAME_FILE', 'PROXMOX_TOKEN_VALUE_FILE', 'PROXMOX_TOKEN_ID_FILE'],
  ...['PROXMOX_TOKEN_SECRET_FILE', 'PROXMOX_TLS_FINGERPRINT_FILE'],
];

/** The way to the lab, and nothing left of another way: an empty setting counts as unset. */
function connectionTo(lab: Lab): Environment {
  return {
    ...Object.fromEntries(otherWays.map((name) => [name, ''])),
    HOST: lab.host,
    SSH_PORT: String(lab.sshPort),
    SSH_USERNAME: lab.username,
    SSH_PASSWORD: lab.password,
    SSH_HOST_KEY: lab.hostKeyFingerprint,
    SSH_NODES: [...lab.nodes].map(([name, { sshPort }]) => `${name}=${lab.host}:${sshPort}`).join(','),
    PROXMOX_HOST: lab.host,
    PROXMOX_PORT: String(lab.apiPort),
    PROXMOX_TOKEN_ID: lab.apiTokenId,
    PROXMOX_TOKEN_SECRET: lab.apiTokenSecret,
    PROXMOX_TLS_FINGERPRINT: lab.apiFingerprint,
  };
}

/** What the demo decides where the environment does not. */
async function defaults(env: Environment, stateDir: string): Promise<Environment> {
  const given = (name: string) => (env[name] ?? '') !== '';
  const authenticated =
    given('MCP_AUTH_TOKEN') || given('MCP_AUTH_TOKEN_FILE') || given('ALLOW_UNAUTHENTICATED');
  return {
    ...(!given('I_ACCEPT_RISKS') && { I_ACCEPT_RISKS: 'true' }),
    ...(!authenticated && { MCP_AUTH_TOKEN: randomBytes(24).toString('hex') }),
    ...(!given('STATE_DIR') && { STATE_DIR: stateDir }),
    ...(!given('LOG_LEVEL') && { LOG_LEVEL: 'warn' }),
    ...(!given('TOOLSETS') && { TOOLSETS: 'all' }),
    ...(!given('ENABLE_DESTRUCTIVE') && !given('PROXMOX_ALLOW_ELEVATED') && { ENABLE_DESTRUCTIVE: 'true' }),
    ...(!given('SERVER_PORT') && { SERVER_PORT: '8000' }),
    ...(env.SERVER_PORT === '0' && { SERVER_PORT: String(await freePort()) }),
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== 'object' || address === null) throw new Error('no port was free');
  return address.port;
}

/** Where the gateway listens, as this process sees it. */
function addressOf(env: Environment): string {
  const host = env.SERVER_HOST || '127.0.0.1';
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${env.SERVER_PORT}`;
}

/** Whether the gateway answered before it ended or the time was up. */
async function answers(address: string, gateway: ChildProcess): Promise<boolean> {
  const until = performance.now() + startWithinMs;
  while (gateway.exitCode === null && performance.now() < until) {
    const answered = await fetch(`${address}/livez`).then(
      (response) => response.ok,
      () => false,
    );
    if (answered) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

function isLoopback(address: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(address).hostname);
}

function welcome(address: string, env: Environment): string {
  const [first = ''] = (env.MCP_AUTH_TOKEN ?? '').split(/\r?\n/);
  const token = first.replace(/^[A-Za-z0-9._-]{1,64}:/, '');
  const header = token === '' ? '' : ` --header "Authorization: Bearer ${token}"`;
  return [
    '',
    `A gateway and a pretend Proxmox VE cluster of two nodes are running${isLoopback(address) ? ', on this machine only' : ''}.`,
    '',
    `  MCP URL  ${address}/mcp`,
    `  Token    ${token || (env.MCP_AUTH_TOKEN_FILE ? `one of those in ${env.MCP_AUTH_TOKEN_FILE}` : 'none is needed')}`,
    '',
    '  Connect Claude Code:',
    `  claude mcp add --transport http proxmox-demo ${address}/mcp${header}`,
    '',
    'Ctrl-C ends it.',
    '',
  ].join('\n');
}

async function demo(): Promise<number> {
  const lab = await startLab({ nodes: ['pve1', 'pve2'], guests: demoGuests });
  lab.api.control.taskMs = taskMs;
  lab.api.control.authDelayMs = authDelayMs;
  const stateDir = await mkdtemp(join(tmpdir(), 'proxmox-mcp-demo-'));
  const env = { ...process.env, ...connectionTo(lab), ...(await defaults(process.env, stateDir)) };
  // A process group of its own, so that Ctrl-C reaches the gateway once, from here.
  const gateway = spawn(process.execPath, [gatewayMain, 'serve'], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  const ended = once(gateway, 'exit');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => gateway.exitCode === null && !gateway.killed && gateway.kill('SIGTERM'));
  process.on('exit', () => gateway.kill('SIGKILL'));
  const address = addressOf(env);
  if (await answers(address, gateway)) process.stdout.write(welcome(env.PUBLIC_URL || address, env));
  else gateway.kill('SIGTERM');
  const [code] = (await ended) as [number | null];
  await lab.close();
  await rm(stateDir, { recursive: true, force: true });
  return code ?? 1;
}

process.exit(await demo());
