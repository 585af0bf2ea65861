/** ls and stat, with the owners, kinds and times that the machine's files have. */
import { FsError } from '../files/fs-error.ts';
import type { Inode } from '../files/inode.ts';
import { absolute, getNode, kindOf, listDirectory, sizeOf, statMode } from '../files/tree.ts';
import { findGroup, findUser } from '../machine/users.ts';
import { nodeAt } from '../process/open.ts';
import type { Process, Program } from '../process/process.ts';
import { complain } from './launch.ts';
import { type Options, readOptions } from './options.ts';

const kinds = {
  file: { letter: '-', words: 'regular file' },
  directory: { letter: 'd', words: 'directory' },
  symlink: { letter: 'l', words: 'symbolic link' },
  character: { letter: 'c', words: 'character special file' },
  block: { letter: 'b', words: 'block special file' },
  fifo: { letter: 'p', words: 'fifo' },
  socket: { letter: 's', words: 'socket' },
} as const;

export function modeText(node: Inode): string {
  const bits = [...'rwxrwxrwx'].map((letter, index) => ((node.mode >> (8 - index)) & 1 ? letter : '-'));
  if (node.mode & 0o1000) bits[8] = bits[8] === 'x' ? 't' : 'T';
  if (node.mode & 0o4000) bits[2] = bits[2] === 'x' ? 's' : 'S';
  return kinds[kindOf(node)].letter + bits.join('');
}

function kindText(node: Inode): string {
  return node.kind === 'file' && sizeOf(node) === 0 ? 'regular empty file' : kinds[kindOf(node)].words;
}

function ownerName(self: Process, node: Inode): string {
  return findUser(self.machine.files, node.uid)?.name ?? 'UNKNOWN';
}

function groupName(self: Process, node: Inode): string {
  return findGroup(self.machine.files, node.gid)?.name ?? 'UNKNOWN';
}

function lsTime(ms: number): string {
  const date = new Date(ms);
  const month = date.toLocaleString('en-US', { month: 'short', timeZone: 'UTC' });
  return `${month} ${String(date.getUTCDate()).padStart(2)} ${date.toISOString().slice(11, 16)}`;
}

interface Row {
  readonly name: string;
  readonly node: Inode;
}

async function print(self: Process, rows: readonly Row[], options: Options): Promise<void> {
  const byTime = options.has('t');
  const sorted = [...rows].sort((a, b) =>
    byTime ? b.node.modifiedMs - a.node.modifiedMs : a.name < b.name ? -1 : 1,
  );
  if (options.has('r')) sorted.reverse();
  const number = options.has('n');
  const lines = sorted.map(({ name, node }) => {
    const inode = options.has('i') ? `${node.ino} ` : '';
    const slash = options.has('F', 'p') && node.kind === 'directory' ? '/' : '';
    if (!options.has('l', 'n')) return `${inode}${name}${slash}\n`;
    const owner = number ? node.uid : ownerName(self, node);
    const group = number ? node.gid : groupName(self, node);
    const arrow = node.kind === 'symlink' ? ` -> ${node.target}` : '';
    const size = String(sizeOf(node)).padStart(8);
    return `${inode}${modeText(node)} ${node.links} ${owner} ${group} ${size} ${lsTime(node.modifiedMs)} ${name}${slash}${arrow}\n`;
  });
  await self.out(lines.join(''));
}

async function listTree(self: Process, path: string, options: Options, heading: boolean): Promise<void> {
  const { files } = self.machine;
  const entries = listDirectory(files, absolute(self.cwd, path), self.who);
  const rows: Row[] = [...entries].map(([name, node]) => ({ name, node }));
  const hidden = options.has('a', 'A', 'all', 'almost-all');
  const shown = rows.filter(({ name }) => hidden || !name.startsWith('.'));
  if (options.has('a', 'all'))
    for (const name of ['.', '..'])
      shown.push({ name, node: getNode(files, absolute(self.cwd, `${path}/${name}`), self.who) });
  if (heading) await self.out(`${path}:\n`);
  if (options.has('l', 'n')) await self.out(`total ${shown.length * 4}\n`);
  await print(self, shown, options);
  if (!options.has('R')) return;
  for (const { name, node } of rows) {
    if (node.kind !== 'directory') continue;
    await self.out('\n');
    await listTree(self, `${path}/${name}`, options, true);
  }
}

const ls: Program = async (self) => {
  const options = readOptions(self.argv.slice(1));
  const operands = options.operands.length === 0 ? ['.'] : options.operands;
  const loose: Row[] = [];
  const directories: string[] = [];
  let status = 0;
  for (const name of [...operands].sort()) {
    try {
      const own = nodeAt(self, name, { follow: false });
      const follows = own.kind === 'symlink' && (!options.has('l', 'n', 'd') || options.has('L'));
      const node = follows ? nodeAt(self, name) : own;
      if (node.kind === 'directory' && !options.has('d')) directories.push(name);
      else loose.push({ name, node });
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      status = await complain(self, `cannot access '${name}': ${error.reason}`, 2);
    }
  }
  await print(self, loose, options);
  for (const [index, directory] of directories.entries()) {
    if (index > 0 || loose.length > 0) await self.out('\n');
    try {
      await listTree(self, directory, options, operands.length > 1 || options.has('R'));
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      status = await complain(self, `cannot open directory '${directory}': ${error.reason}`, 2);
    }
  }
  return status;
};

function statTime(ms: number): string {
  const seconds = new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
  const nanoseconds = Math.floor((ms % 1000) * 1000) * 1000;
  return `${seconds}.${String(nanoseconds).padStart(9, '0')} +0000`;
}

/** What one `%` directive of `stat -c` shows. */
function directive(self: Process, name: string, node: Inode, letter: string): string {
  const arrow = node.kind === 'symlink' ? ` -> '${node.target}'` : '';
  const seconds = Math.floor(node.modifiedMs / 1000);
  const values: Record<string, () => string | number> = {
    n: () => name,
    N: () => `'${name}'${arrow}`,
    F: () => kindText(node),
    a: () => node.mode.toString(8),
    A: () => modeText(node),
    f: () => statMode(node).toString(16),
    u: () => node.uid,
    g: () => node.gid,
    U: () => ownerName(self, node),
    G: () => groupName(self, node),
    s: () => sizeOf(node),
    b: () => Math.ceil(sizeOf(node) / 4096) * 8,
    B: () => 512,
    o: () => 4096,
    i: () => node.ino,
    d: () => 64769,
    h: () => node.links,
    ...{
      X: () => seconds,
      Y: () => seconds,
      Z: () => Math.floor(node.changedMs / 1000),
      W: () => 0,
      t: () => 0,
      T: () => 0,
      m: () => '/',
    },
    ...{
      x: () => statTime(node.modifiedMs),
      y: () => statTime(node.modifiedMs),
      z: () => statTime(node.changedMs),
    },
    w: () => '-',
    '%': () => '%',
  };
  return String(values[letter]?.() ?? '?');
}

const longForm = `  File: %N
  Size: %s\t\tBlocks: %b          IO Block: %o   %F
Device: 253,1\tInode: %i      Links: %h
Access: (%a/%A)  Uid: (%u/%U)   Gid: (%g/%G)
Access: %x
Modify: %y
Change: %z
 Birth: %w
`;

const stat: Program = async (self) => {
  const options = readOptions(self.argv.slice(1), { valued: ['c', 'format', 'printf'] });
  const printed = options.get('printf')?.replaceAll('\\n', '\n').replaceAll('\\t', '\t');
  const given = options.get('c', 'format');
  const format = printed ?? (given === undefined ? longForm : `${given}\n`);
  let status = 0;
  for (const name of options.operands) {
    try {
      const follow = options.has('L', 'dereference');
      const node = nodeAt(self, name, { follow });
      await self.out(
        format.replaceAll(/%([a-zA-Z%])/g, (_all, letter: string) => directive(self, name, node, letter)),
      );
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      status = await complain(self, `cannot statx '${name}': ${error.reason}`);
    }
  }
  return status;
};

export const listing: Readonly<Record<string, Program>> = { ls, stat, dir: ls };
