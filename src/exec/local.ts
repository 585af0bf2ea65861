/** Runs commands on this machine, for a gateway on the Proxmox VE host itself. Everything spawns here. */
import { type ChildProcess, spawn } from 'node:child_process';
import { userInfo } from 'node:os';
import { failure } from '../base/errors.ts';
import { quote } from '../base/shell.ts';
import type { Command, ExecResult, Executor, RunOptions } from './executor.ts';
import { opening, order } from './launch.ts';
import { stageLocally } from './local-files.ts';
import { stopScript } from './stop-script.ts';
import { type Exit, type Started, supervise } from './supervise.ts';

const host = 'this host';
const maxRunning = 48;

/** SECURITY: commands get this and nothing of the gateway's own environment, where its secrets may be. */
const environment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
};

export function createLocalExecutor({ sudo }: { sudo: boolean }): Executor {
  const running = new Set<ChildProcess>();

  const shell = (line: string): ChildProcess => {
    const home = userInfo().homedir;
    const child = spawn('/bin/sh', ['-c', line], {
      cwd: '/',
      env: { ...environment, HOME: home },
      stdio: 'pipe',
      // A process group of its own, as sshd gives one.
      detached: true,
    });
    child.once('error', () => running.delete(child));
    child.once('close', () => running.delete(child));
    running.add(child);
    return child;
  };

  const asRoot = (script: string) => (sudo ? `exec sudo -n -- /bin/sh -c ${quote(script)}` : script);
  const stop = async (pgid: number): Promise<boolean> => {
    const started = adapt(shell(asRoot(stopScript(pgid))));
    started.stdout.resume();
    started.stderr.resume();
    started.stdin.end();
    return (await started.exit)?.code === 0;
  };

  return {
    async run(command: Command, options: RunOptions): Promise<ExecResult> {
      if (options.signal.aborted) throw failure('CANCELLED_EARLY', {});
      if (running.size >= maxRunning) throw failure('BUSY', { what: 'commands on this host', retryInS: 5 });
      const line = order(command, { texts: [], guarded: false });
      const { line: opened, nonce } = opening({ texts: [], sudo });
      const started = adapt(shell(opened));
      // There is no connection that could be given up; its timeout ends it.
      const onDeaf = () => {};
      return await supervise({ started, command, order: () => line, nonce, stop, onDeaf, host }, options);
    },
    stage: (path) => stageLocally(path),
    status: () => ({ connected: true, connections: 0, channels: running.size, queued: 0 }),
    async close() {},
  };
}

/** Throws BUSY where this machine could not start a process: then its pipes are missing. */
function adapt(child: ChildProcess): Started {
  const { stdin, stdout, stderr } = child;
  if (!stdin || !stdout || !stderr) throw failure('BUSY', { what: 'processes on this host', retryInS: 5 });
  const exit = new Promise<Exit | undefined>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve(undefined));
  });
  const outputEnded = new Promise<boolean>((resolve) => {
    child.once('close', () => resolve(true));
  });
  return {
    stdin,
    stdout,
    stderr,
    exit,
    outputEnded,
    release() {
      stdout.destroy();
      stderr.destroy();
      stdin.destroy();
    },
  };
}
