/** Signals by name and number, as on Linux. */

const numbers = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XFSZ: 25,
  WINCH: 28,
} as const;

export type SignalName = keyof typeof numbers;

/** Those that end nothing when nobody handles them; stopped processes are beyond the lab. */
export const harmless: ReadonlySet<SignalName> = new Set([
  'CHLD',
  'CONT',
  'STOP',
  'TSTP',
  'TTIN',
  'TTOU',
  'URG',
  'WINCH',
]);

export const signalNames = Object.keys(numbers).filter((name): name is SignalName => name in numbers);

/** From `TERM`, `SIGTERM`, `term` or `15`. */
export function findSignal(text: string): SignalName | undefined {
  const name = text.toUpperCase().replace(/^SIG/, '');
  return signalNames.find((known) => known === name || String(numbers[known]) === text);
}

export function signalNumber(name: SignalName): number {
  return numbers[name];
}

const words: Partial<Record<SignalName, string>> = {
  HUP: 'Hangup',
  QUIT: 'Quit',
  ABRT: 'Aborted',
  KILL: 'Killed',
  USR1: 'User defined signal 1',
  USR2: 'User defined signal 2',
  SEGV: 'Segmentation fault',
  ALRM: 'Alarm clock',
  TERM: 'Terminated',
  XFSZ: 'File size limit exceeded',
};

/** What a shell says of a child that died so; nothing for INT and PIPE. */
export function deathNotice(name: SignalName): string | undefined {
  return words[name];
}
