/** The way to the nodes: over SSH, or on the host itself. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, ConfigError } from '../config/load.ts';
import { type Credential, keyProblem, type SshTarget, scanHostKeys } from '../exec/connect.ts';
import type { Executor, ExecutorEvents } from '../exec/executor.ts';
import { firstUse, type HostKeyPolicy, knownHosts, pinnedKeys } from '../exec/host-keys.ts';
import { createLocalExecutor } from '../exec/local.ts';
import { createSshExecutor } from '../exec/ssh.ts';
import type { OpenNode } from '../ops/hosts.ts';
import { entry } from '../ops/run.ts';
import { createRememberedKeys } from '../state/remembered-keys.ts';

/** To the first node; undefined where there is only the API. Throws ConfigError. */
export async function createExecutor(config: Config, events: ExecutorEvents): Promise<Executor | undefined> {
  if (!config.ssh) return undefined;
  if (config.ENABLE_LOCAL_EXECUTION) return createLocalExecutor({ sudo: config.SSH_SUDO });
  const host = config.HOST ?? '';
  const credential = credentialOf(config);
  checkCredential(credential());
  const hostKeys = await hostKeyPolicy(config, host);
  const target: SshTarget = {
    host,
    port: config.SSH_PORT,
    username: config.SSH_USERNAME,
    credential,
    hostKeys,
  };
  const executor = createSshExecutor({
    target,
    sudo: config.SSH_SUDO,
    texts: [entry],
    events,
    keepsUp: true,
  });
  executor.start();
  return executor;
}

/** To the other nodes of a cluster; undefined where there are no credentials. */
export function nodeOpener(config: Config, eventsOf: (node: string) => ExecutorEvents): OpenNode | undefined {
  const { SSH_KEY, SSH_PASSWORD, SSH_PORT, SSH_USERNAME: username, SSH_SUDO: sudo } = config;
  if (!config.ssh || (SSH_KEY === undefined && SSH_PASSWORD === undefined)) return undefined;
  return ({ address, node, knownHosts: text }) => {
    // The cluster keeps its keys under the names of its nodes, whatever their addresses and ports.
    const hostKeys = knownHosts({ text: () => text, host: node, port: 22 });
    const { host, port = SSH_PORT } = address;
    const target: SshTarget = { host, port, username, credential: credentialOf(config), hostKeys };
    const events = eventsOf(node);
    return createSshExecutor({ target, sudo, texts: [entry], events, keepsUp: false });
  };
}

function credentialOf(config: Config): () => Credential {
  const { SSH_KEY: path, SSH_KEY_PASSPHRASE: passphrase, SSH_PASSWORD: password = '' } = config;
  if (path === undefined) return () => ({ kind: 'password', password });
  return () => ({ kind: 'key', key: readFileSync(path, 'utf8'), passphrase });
}

function checkCredential(credential: Credential): void {
  if (credential.kind !== 'key') return;
  const problem = keyProblem(credential.key, credential.passphrase);
  if (problem !== undefined) throw new ConfigError([{ setting: 'SSH_KEY', problem }]);
}

/** SECURITY: there is no way to accept just any key; without a pin the fingerprint seen is shown, and that is all. */
async function hostKeyPolicy(config: Config, host: string): Promise<HostKeyPolicy> {
  const { SSH_HOST_KEY: pins, SSH_KNOWN_HOSTS: file, SSH_PORT: port } = config;
  const policies: HostKeyPolicy[] = [];
  if (pins.length > 0) policies.push(pinnedKeys(pins));
  if (file !== undefined) policies.push(knownHosts({ text: () => readFileSync(file, 'utf8'), host, port }));
  if (policies.length === 0 && config.SSH_TRUST_ON_FIRST_USE) policies.push(trustOnFirstUse(config, host));
  if (policies.length > 0) return { accepts: (key) => policies.some((policy) => policy.accepts(key)) };
  const seen = await scanHostKeys({ host, port });
  const shown =
    seen.length === 0
      ? `. The host could not be asked for its keys now; on the host, run: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, and set SSH_HOST_KEY=SHA256:…`
      : `. ${host} shows the key below; compare it on the host (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then set:\nSSH_HOST_KEY=${seen[0]}\n`;
  throw new ConfigError([
    {
      setting: 'SSH_HOST_KEY',
      problem: `is not set, nor SSH_KNOWN_HOSTS, so the host cannot be told from an impostor${shown}`,
    },
  ]);
}

function trustOnFirstUse(config: Config, host: string): HostKeyPolicy {
  const remembered = createRememberedKeys({ file: join(config.STATE_DIR, 'known_hosts') });
  const name = `${host}:${config.SSH_PORT}`;
  return firstUse({
    remembered: () => remembered.find(name),
    remember: (fingerprint) => remembered.add(name, fingerprint),
  });
}
