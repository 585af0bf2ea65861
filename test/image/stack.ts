/** A clean copy of the project in a folder of its own, and docker compose in it. */

import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContainerFacts, docker, inspect, must, type Ran, type RunOptions, run } from './docker.ts';

export interface Workspace {
  /** What a clone would hold, changes that are not committed yet included. */
  readonly folder: string;
  close(): Promise<void>;
}

/** Rejects outside of a git checkout. */
export async function createWorkspace(): Promise<Workspace> {
  const listed = await must(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  const folder = await mkdtemp(join(tmpdir(), 'image-test-'));
  for (const name of listed.split('\0'))
    if (name !== '' && existsSync(name)) await cp(name, join(folder, name));
  return { folder, close: () => rm(folder, { recursive: true, force: true }) };
}

export interface Stack {
  readonly project: string;
  /** Throws where the exit code is not 0; gives back stdout. */
  compose(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Whatever the exit code. */
  tryCompose(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Runs a shell line in a running service. */
  inside(service: string, line: string, options?: { readonly asRoot?: boolean }): Promise<Ran>;
  container(service: string): Promise<ContainerFacts>;
  /** Where this machine reaches a port of a service. */
  published(service: string, port: number): Promise<URL>;
  log(service: string): Promise<string>;
  /** Containers, networks and volumes go. */
  close(): Promise<void>;
}

export function createStack(input: {
  readonly project: string;
  readonly folder: string;
  /** Compose files and further options in front of the command. */
  readonly options?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}): Stack {
  const { project, folder, options = [], env = {} } = input;
  const argv = (args: readonly string[]) => ['docker', 'compose', '-p', project, ...options, ...args];
  const settled = (given: RunOptions = {}): RunOptions => ({
    cwd: folder,
    ...given,
    env: { ...env, ...given.env },
  });
  const compose: Stack['compose'] = (args, given) => must(argv(args), settled(given));
  return {
    project,
    compose,
    tryCompose: (args, given) => run(argv(args), settled(given)),
    inside: (service, line, { asRoot = false } = {}) =>
      run(argv(['exec', '-T', ...(asRoot ? ['-u', '0'] : []), service, 'sh', '-c', line]), settled()),
    container: (service) => inspect<ContainerFacts>('container', `${project}-${service}-1`),
    async published(service, port) {
      const address = (await compose(['port', service, String(port)])).trim();
      if (!URL.canParse(`http://${address}/`)) throw new Error(`port ${port} is published at «${address}»`);
      return new URL(`http://${address}/`);
    },
    log: async (service) => {
      const { stdout, stderr } = await run(['docker', 'logs', `${project}-${service}-1`]);
      return stdout + stderr;
    },
    async close() {
      await compose(['--profile', '*', 'down', '--volumes', '--remove-orphans', '--timeout', '2']);
      const left = await docker('ps', '-aq', '--filter', `label=com.docker.compose.project=${project}`);
      if (left.trim() !== '') throw new Error(`containers are left of ${project}`);
    },
  };
}
