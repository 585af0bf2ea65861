/** Processes of the whole machine, those in namespaces included, to prove that none was left behind. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

export interface Process {
  readonly pid: number;
  readonly cmdline: string;
}

export interface NamespaceProcess {
  readonly pid: number;
  readonly parentPid: number;
  readonly name: string;
}

/** Processes whose command line, joined by blanks, or environment holds the marker; this one is never among them. */
export async function findProcesses(marker: string): Promise<Process[]> {
  const found: Process[] = [];
  for (const pid of await listPids()) {
    if (pid === process.pid) continue;
    const [argv, environ] = await Promise.all([readText(pid, 'cmdline'), readText(pid, 'environ')]);
    const cmdline = argv.replaceAll('\0', ' ').trim();
    if (cmdline.includes(marker) || environ.includes(marker)) found.push({ pid, cmdline });
  }
  return found;
}

/** Throws with what is still there after `timeoutMs`. */
export async function waitUntilGone(marker: string, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const left = await findProcesses(marker);
    if (left.length === 0) return;
    if (performance.now() >= deadline)
      throw new Error(`still there: ${left.map(({ pid, cmdline }) => `${pid} ${cmdline}`).join('; ')}`);
    await pause(20);
  }
}

/** The processes of one process namespace, without those of namespaces below it. */
export async function processesOf(namespace: string): Promise<NamespaceProcess[]> {
  const found: NamespaceProcess[] = [];
  for (const pid of await listPids()) {
    if ((await pidNamespaceOf(pid)) !== namespace) continue;
    const stat = await readText(pid, 'stat');
    // The name is in parentheses and may hold anything, so the last one counts.
    const end = stat.lastIndexOf(')');
    const parentPid = Number(stat.slice(end + 2).split(' ')[1]);
    if (end > 0) found.push({ pid, parentPid, name: stat.slice(stat.indexOf('(') + 1, end) });
  }
  return found;
}

export async function pidNamespaceOf(pid: number): Promise<string | undefined> {
  return await readlink(`/proc/${pid}/ns/pid`).catch(() => undefined);
}

async function listPids(): Promise<number[]> {
  const names = await readdir('/proc');
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

/** Empty for a process that is gone by now. */
async function readText(pid: number, file: string): Promise<string> {
  return await readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '');
}
