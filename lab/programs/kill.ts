/** Sends signals to processes and groups; the program and the shells' builtin share it. */
import type { Process } from '../process/process.ts';
import { findSignal, type SignalName, signalNames, signalNumber } from '../process/signals.ts';

export async function runKill(
  self: Process,
  args: readonly string[],
  complain: (message: string) => Promise<void>,
): Promise<number> {
  const rest = [...args];
  let signal: SignalName | 'probe' | undefined = 'TERM';
  const [first = ''] = rest;
  if (first === '-l' || first === '-L') {
    await self.out(`${signalNames.map((name) => `${signalNumber(name)}) SIG${name}`).join(' ')}\n`);
    return 0;
  }
  if (first === '-s' || first === '-n') {
    signal = named(rest[1] ?? '');
    rest.splice(0, 2);
  } else if (/^-[A-Za-z0-9]+$/.test(first)) {
    signal = named(first.slice(1));
    rest.shift();
  }
  if (signal === undefined) {
    await complain(`${first.replace(/^-/, '')}: invalid signal specification`);
    return 1;
  }
  if (rest[0] === '--') rest.shift();
  if (rest.length === 0) {
    await complain('usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]');
    return 2;
  }
  let status = 0;
  for (const target of rest) {
    const problem = send(self, target, signal);
    if (problem === undefined) continue;
    await complain(problem);
    status = 1;
  }
  return status;
}

function named(text: string): SignalName | 'probe' | undefined {
  return text === '0' ? 'probe' : findSignal(text);
}

/** What went wrong, in the words of a shell. */
function send(self: Process, target: string, signal: SignalName | 'probe'): string | undefined {
  if (!/^-?\d+$/.test(target)) return `${target}: arguments must be process or job IDs`;
  const number = Number(target);
  const visible = self.table.visibleFrom(self.machine);
  const group = number === 0 ? self.pgid : -number;
  const found =
    number > 0 ? visible.filter(({ pid }) => pid === number) : visible.filter(({ pgid }) => pgid === group);
  // Init is no process of the lab, and takes no signal that it does not wait for.
  if (number === 1 && self.who.uid === 0) return undefined;
  if (found.length === 0) return `(${target}) - No such process`;
  const allowed = found.filter(({ who }) => self.who.uid === 0 || who.uid === self.who.uid);
  if (allowed.length === 0) return `(${target}) - Operation not permitted`;
  if (signal !== 'probe') for (const process of allowed) process.kill(signal);
  return undefined;
}
