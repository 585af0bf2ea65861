/** find: walks directories, tests what is there, and does something with what passes. */
import { remove } from '../files/bash-fs.ts';
import { FsError } from '../files/fs-error.ts';
import { entriesOf, type Inode, mayAccess } from '../files/inode.ts';
import { absolute, getNode, kindOf, sizeOf } from '../files/tree.ts';
import { findUser } from '../machine/users.ts';
import type { Process, Program } from '../process/process.ts';
import { matches } from '../shell/pattern.ts';
import { complain, run } from './launch.ts';
import { parseSize } from './options.ts';

interface Found {
  readonly path: string;
  readonly node: Inode;
  readonly depth: number;
}

type Expression = (found: Found) => Promise<boolean>;

interface Search {
  readonly self: Process;
  readonly args: readonly string[];
  at: number;
  maxDepth: number;
  minDepth: number;
  /** Whether something else than printing is done with what is found. */
  acts: boolean;
  status: number;
  /** What `-exec … +` runs at the end. */
  readonly batches: { readonly command: readonly string[]; readonly paths: string[] }[];
}

class UsageError extends Error {}

const kindLetters: Readonly<Record<string, string>> = {
  ...{ f: 'file', d: 'directory', l: 'symlink', p: 'fifo', s: 'socket', c: 'character', b: 'block' },
};

/** `+N`, `-N` or `N` of whole units. */
function compares(text: string, value: number): boolean {
  const number = parseSize(text);
  if (text.startsWith('+')) return value > number;
  return text.startsWith('-') ? value < number : value === number;
}

function next(search: Search, what: string): string {
  const value = search.args[search.at];
  if (value === undefined) throw new UsageError(`missing argument to '${what}'`);
  search.at += 1;
  return value;
}

function baseName(path: string): string {
  return (
    path
      .replace(/(.)\/+$/s, '$1')
      .split('/')
      .at(-1) || '/'
  );
}

function tests(search: Search, word: string): ((found: Found) => boolean) | undefined {
  const { files } = search.self.machine;
  const value = () => next(search, word);
  const fits = (pattern: string, text: string) => matches([{ text: pattern, quoted: false }], text);
  const agedMinutes = (node: Inode) => Math.floor((Date.now() - node.modifiedMs) / 60_000);
  switch (word) {
    case '-name':
    case '-iname': {
      const pattern = word === '-name' ? value() : value().toLowerCase();
      const fold = (text: string) => (word === '-name' ? text : text.toLowerCase());
      return ({ path }) => fits(pattern, fold(baseName(path)));
    }
    case '-path': {
      const pattern = value();
      return ({ path }) => fits(pattern, path);
    }
    case '-type': {
      const kinds = new Set(
        value()
          .split(',')
          .map((letter) => kindLetters[letter]),
      );
      return ({ node }) => kinds.has(kindOf(node));
    }
    case '-user': {
      const name = value();
      const uid = findUser(files, name)?.uid ?? Number(name);
      if (Number.isNaN(uid)) throw new UsageError(`'${name}' is not the name of a known user`);
      return ({ node }) => node.uid === uid;
    }
    case '-mmin': {
      const minutes = value();
      return ({ node }) => compares(minutes, agedMinutes(node));
    }
    case '-mtime': {
      const days = value();
      return ({ node }) => compares(days, Math.floor(agedMinutes(node) / (24 * 60)));
    }
    case '-newer': {
      const than = getNode(files, absolute(search.self.cwd, value()), search.self.who).modifiedMs;
      return ({ node }) => node.modifiedMs > than;
    }
    case '-size': {
      const text = value();
      const unit = text.endsWith('c') ? 1 : /[kMG]$/.test(text) ? parseSize(`1${text.slice(-1)}`) : 512;
      const count = text.replace(/[ckMG]$/, '');
      return ({ node }) => compares(count, Math.ceil(sizeOf(node) / unit));
    }
    case '-empty':
      return ({ node }) =>
        node.kind === 'directory' ? entriesOf(node).size === 0 : node.kind === 'file' && sizeOf(node) === 0;
    case '-true':
      return () => true;
    case '-false':
      return () => false;
    default:
      return undefined;
  }
}

function execution(search: Search, word: string): Expression {
  const command: string[] = [];
  for (;;) {
    const arg = next(search, word);
    if (arg === ';') break;
    if (arg === '+' && command.at(-1) === '{}') {
      const batch = { command: command.slice(0, -1), paths: [] as string[] };
      search.batches.push(batch);
      return async ({ path }) => {
        batch.paths.push(path);
        return true;
      };
    }
    command.push(arg);
  }
  return async ({ path }) =>
    (await run(
      search.self,
      command.map((arg) => arg.replaceAll('{}', path)),
    )) === 0;
}

function action(search: Search, word: string): Expression | undefined {
  const { self } = search;
  if (word === '-exec') return execution(search, word);
  if (word === '-print' || word === '-print0')
    return async ({ path }) => {
      await self.out(`${path}${word === '-print' ? '\n' : '\0'}`);
      return true;
    };
  if (word !== '-delete') return undefined;
  return async ({ path }) => {
    remove(self.machine.files, absolute(self.cwd, path), false, self.who);
    return true;
  };
}

function primary(search: Search): Expression {
  const word = next(search, 'expression');
  if (word === '!' || word === '-not') {
    const negated = primary(search);
    return async (found) => !(await negated(found));
  }
  if (word === '(') {
    const inside = either(search);
    if (next(search, '(') !== ')') throw new UsageError("invalid expression; expected to find a ')'");
    return inside;
  }
  if (word === '-maxdepth' || word === '-mindepth') {
    const depth = Number(next(search, word));
    if (word === '-maxdepth') search.maxDepth = depth;
    else search.minDepth = depth;
    return async () => true;
  }
  if (word === '-xdev' || word === '-mount' || word === '-depth') return async () => true;
  const test = tests(search, word);
  if (test !== undefined) return async (found) => test(found);
  const done = action(search, word);
  if (done === undefined) throw new UsageError(`unknown predicate '${word}'`);
  search.acts = true;
  return done;
}

function every(search: Search): Expression {
  const parts = [primary(search)];
  for (let word = search.args[search.at]; word !== undefined; word = search.args[search.at]) {
    if (word === '-o' || word === '-or' || word === ')') break;
    if (word === '-a' || word === '-and') search.at += 1;
    parts.push(primary(search));
  }
  return async (found) => {
    for (const part of parts) if (!(await part(found))) return false;
    return true;
  };
}

function either(search: Search): Expression {
  const parts = [every(search)];
  while (['-o', '-or'].includes(search.args[search.at] ?? '')) {
    search.at += 1;
    parts.push(every(search));
  }
  return async (found) => {
    for (const part of parts) if (await part(found)) return true;
    return false;
  };
}

async function walk(search: Search, found: Found, expression: Expression): Promise<void> {
  const { self, maxDepth, minDepth } = search;
  const { node, path, depth } = found;
  await self.breathe();
  const own = async () => {
    if (depth >= minDepth) await expression(found);
  };
  const below = async () => {
    if (node.kind !== 'directory' || depth >= maxDepth) return;
    if (!mayAccess(node, self.who, 4)) throw new FsError('EACCES', path);
    for (const [name, child] of [...entriesOf(node)].sort(([a], [b]) => (a < b ? -1 : 1)))
      await walk(
        search,
        { path: `${path.replace(/\/$/, '')}/${name}`, node: child, depth: depth + 1 },
        expression,
      );
  };
  // What removes things begins at the leaves.
  const fromLeaves = search.args.includes('-delete') || search.args.includes('-depth');
  try {
    for (const step of fromLeaves ? [below, own] : [own, below]) await step();
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    search.status = await complain(self, `'${path}': ${error.reason}`);
  }
}

export const find: Program = async (self) => {
  const args = self.argv.slice(1);
  const first = args.findIndex((arg) => /^[-!(]/.test(arg));
  const paths = first < 0 ? args : args.slice(0, first);
  const search: Search = {
    ...{ self, args: first < 0 ? [] : args.slice(first), at: 0, acts: false, status: 0, batches: [] },
    ...{ maxDepth: Number.POSITIVE_INFINITY, minDepth: 0 },
  };
  let expression: Expression = async () => true;
  try {
    if (search.args.length > 0) expression = either(search);
    if (search.at < search.args.length) throw new UsageError(`unexpected '${search.args[search.at]}'`);
  } catch (error) {
    if (error instanceof UsageError) return await complain(self, error.message);
    throw error;
  }
  const wanted = search.acts
    ? expression
    : async (found: Found) => {
        if (await expression(found)) await self.out(`${found.path}\n`);
        return true;
      };
  for (const path of paths.length === 0 ? ['.'] : paths) {
    try {
      const node = getNode(self.machine.files, absolute(self.cwd, path), self.who, { follow: false });
      await walk(search, { path, node, depth: 0 }, wanted);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      search.status = await complain(self, `'${path}': ${error.reason}`);
    }
  }
  for (const { command, paths: batch } of search.batches)
    if (batch.length > 0 && (await run(self, [...command, ...batch])) !== 0) search.status = 1;
  return search.status;
};
