/**
 * Commands that are almost always an accident. Advisory: a shell can spell each of them in endless ways, so
 * this protects a hurried caller from a slip and nobody from an attacker. The work grows with the length of
 * the command and no faster, since every caller may send a long one.
 */

interface Danger {
  readonly programs: readonly string[];
  readonly what: string;
  readonly matches: (args: readonly string[]) => boolean;
}

const root = /^\/\*?$/;
const disk = /^\/dev\/((sd|hd|vd|xvd)[a-z]|nvme\d|mmcblk\d|dm-\d|mapper\/|md\d|disk\/|zvol\/)/;
const recursive = /^(-[a-zA-Z]*[rR][a-zA-Z]*|--recursive)$/;

const dangers: readonly Danger[] = [
  {
    programs: ['rm'],
    what: 'the removal of the whole root file system',
    matches: (args) => args.some((arg) => root.test(arg) || arg === '--no-preserve-root'),
  },
  {
    programs: ['mkfs'],
    what: 'the formatting of a disk',
    matches: (args) => args.some((arg) => arg.startsWith('/dev/')),
  },
  {
    programs: ['dd'],
    what: 'a raw write to a device',
    matches: (args) => args.some((arg) => arg.startsWith('of=') && disk.test(arg.slice(3))),
  },
  {
    programs: ['wipefs', 'blkdiscard'],
    what: 'the erasure of a disk',
    matches: (args) => args.some((arg) => disk.test(arg)),
  },
  {
    programs: ['chmod', 'chown'],
    what: 'a change of mode or owner of every file',
    matches: (args) => args.some((arg) => recursive.test(arg)) && args.some((arg) => root.test(arg)),
  },
];

/** Words and programs before the command that is really run; their options and numbers are passed over too. */
const prefixes = new Set(
  '! then do else if elif while until sudo doas exec command time timeout nice ionice nohup setsid env'.split(
    ' ',
  ),
);

/** What the command looks like, in words, or undefined. */
export function dangerIn(command: string): string | undefined {
  if (/:\s{0,8}\(\s{0,8}\)\s{0,8}\{\s{0,8}:\s{0,8}\|\s{0,8}:/.test(command)) return 'a fork bomb';
  for (const simple of command.split(/[;&|\n(){}]/)) {
    const words = wordsOf(simple);
    const program = words.findIndex((word) => !prefixes.has(word) && !/^-|^\d+[smhd]?$|^\w+=/.test(word));
    const name = words[program]?.replace(/^.*\//, '').replace(/\..*$/, '');
    const args = words.slice(program + 1);
    const danger = dangers.find(({ programs, matches }) => programs.includes(name ?? '') && matches(args));
    if (danger !== undefined) return danger.what;
    if (writesToDisk(simple)) return 'a raw write to a device';
  }
  return undefined;
}

/** Words between blanks, a pair of quotes around a word taken off. */
function wordsOf(simple: string): string[] {
  return simple
    .split(/\s/)
    .filter((word) => word !== '')
    .map((word) => (/^(["']).*\1$/.test(word) ? word.slice(1, -1) : word));
}

function writesToDisk(simple: string): boolean {
  return simple
    .split('>')
    .slice(1)
    .some((target) => disk.test(target.slice(0, 64).trimStart()));
}
