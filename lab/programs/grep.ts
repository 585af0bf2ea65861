/** grep, line by line as its input comes. */
import { FsError } from '../files/fs-error.ts';
import { absolute, getNode, listDirectory } from '../files/tree.ts';
import { forReading, openPath } from '../process/open.ts';
import type { OpenFile } from '../process/open-file.ts';
import type { Process, Program } from '../process/process.ts';
import { complain } from './launch.ts';
import { type Options, readOptions } from './options.ts';
import { posixRegExp } from './regexp.ts';
import { linesOf } from './streams.ts';

const valued = ['e', 'f', 'm', 'A', 'B', 'C', 'regexp', 'file', 'max-count', 'include', 'exclude', 'color'];

interface Search {
  readonly options: Options;
  readonly expression: RegExp;
  readonly showsName: boolean;
  readonly before: number;
  readonly after: number;
}

/** Whether anything was found. */
async function searchFile(self: Process, file: OpenFile, name: string, search: Search): Promise<boolean> {
  const { options, expression, showsName } = search;
  const most = Number(options.get('m', 'max-count') ?? Number.POSITIVE_INFINITY);
  const quiet = options.has('q', 'quiet', 'silent');
  const listing = options.has('l', 'L', 'files-with-matches');
  const counting = options.has('c', 'count');
  const prefix = (number: number, mark: string) =>
    `${showsName ? `${name}${mark}` : ''}${options.has('n', 'line-number') ? `${number}${mark}` : ''}`;
  let [found, number, owed, shownUpTo] = [0, 0, 0, 0];
  const recent: string[] = [];
  for await (const line of linesOf(self, file)) {
    number += 1;
    const matches = expression.test(line) !== options.has('v', 'invert-match');
    if (matches) {
      found += 1;
      if (quiet || listing) break;
      if (!counting) {
        if (search.before + search.after > 0 && shownUpTo > 0 && number - recent.length > shownUpTo + 1)
          await self.out('--\n');
        for (const [index, earlier] of recent.entries())
          await self.out(`${prefix(number - recent.length + index, '-')}${earlier}\n`);
        recent.length = 0;
        if (options.has('o', 'only-matching')) {
          for (const [piece] of line.matchAll(new RegExp(expression, `${expression.flags}g`)))
            if (piece !== '') await self.out(`${prefix(number, ':')}${piece}\n`);
        } else await self.out(`${prefix(number, ':')}${line}\n`);
        shownUpTo = number;
      }
      owed = search.after;
      if (found >= most) break;
    } else if (owed > 0 && !counting) {
      owed -= 1;
      shownUpTo = number;
      await self.out(`${prefix(number, '-')}${line}\n`);
    } else if (search.before > 0) {
      recent.push(line);
      if (recent.length > search.before) recent.shift();
    }
  }
  if (counting) await self.out(`${showsName ? `${name}:` : ''}${found}\n`);
  if (options.has('L') ? found === 0 : options.has('l', 'files-with-matches') && found > 0)
    await self.out(`${name}\n`);
  return found > 0;
}

/** The files below a directory, in order. */
function filesBelow(self: Process, path: string, options: Options): string[] {
  const { files } = self.machine;
  const node = getNode(files, absolute(self.cwd, path), self.who);
  if (node.kind !== 'directory') return [path];
  const include = options.get('include')?.replaceAll('.', '\\.').replaceAll('*', '.*');
  const entries = [...listDirectory(files, absolute(self.cwd, path), self.who)].sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  return entries.flatMap(([name, child]) => {
    const below = `${path.replace(/\/$/, '')}/${name}`;
    if (child.kind === 'directory') return filesBelow(self, below, options);
    const wanted = include === undefined || new RegExp(`^${include}$`).test(name);
    return child.kind === 'file' && wanted ? [below] : [];
  });
}

function patternsOf(self: Process, options: Options): { patterns: string[]; paths: readonly string[] } {
  const given = options.get('e', 'regexp');
  const listed = options.get('f', 'file');
  if (given === undefined && listed === undefined) {
    const [first = '', ...paths] = options.operands;
    return { patterns: first.split('\n'), paths };
  }
  const more = self.argv.flatMap((arg, index) => (arg === '-e' ? [self.argv[index + 1] ?? ''] : []));
  return { patterns: more.length > 0 ? more : [given ?? ''], paths: options.operands };
}

const grep: Program = async (self) => {
  const options = readOptions(self.argv.slice(1), { valued });
  const { patterns, paths } = patternsOf(self, options);
  const called = self.argv[0]?.split('/').at(-1);
  const fixed = options.has('F', 'fixed-strings') || called === 'fgrep';
  const extended = options.has('E', 'P', 'extended-regexp') || called === 'egrep';
  const syntax = fixed ? 'fixed' : extended ? 'extended' : 'basic';
  let expression: RegExp;
  try {
    expression = posixRegExp(patterns, syntax, {
      ignoreCase: options.has('i', 'ignore-case', 'y'),
      wholeLine: options.has('x', 'line-regexp'),
      wholeWord: options.has('w', 'word-regexp'),
    });
  } catch {
    return await complain(self, 'Invalid regular expression', 2);
  }
  const recursive = options.has('r', 'R', 'recursive');
  const context = Number(options.get('C') ?? 0);
  const search: Search = {
    ...{ options, expression, before: Number(options.get('B') ?? context) },
    after: Number(options.get('A') ?? context),
    showsName:
      options.has('H', 'with-filename') ||
      (!options.has('h', 'no-filename') && (paths.length > 1 || recursive)),
  };
  const roots = paths.length > 0 ? paths : [recursive ? '.' : '-'];
  let [found, failed] = [false, false];
  const failure = async (path: string, error: unknown) => {
    if (!(error instanceof FsError)) throw error;
    failed = true;
    if (!options.has('s', 'no-messages')) await complain(self, `${path}: ${error.reason}`);
  };
  for (const root of roots) {
    let names = [root];
    try {
      if (recursive && root !== '-') names = filesBelow(self, root, options);
    } catch (error) {
      await failure(root, error);
      continue;
    }
    for (const name of names) {
      try {
        const file = name === '-' ? self.fds.get(0) : openPath(self, name, forReading);
        if (file === undefined) throw new FsError('EBADF', name);
        if (await searchFile(self, file, name === '-' ? '(standard input)' : name, search)) found = true;
        if (name !== '-') file.release();
      } catch (error) {
        await failure(name, error);
      }
    }
  }
  if (found && options.has('q', 'quiet')) return 0;
  return failed ? 2 : found ? 0 : 1;
};

export const searching: Readonly<Record<string, Program>> = { grep, egrep: grep, fgrep: grep };
