/** Holds the sources to the rules of the house: who may import whom, and what a file may look like. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Which rooms a room may import; main and cli may import all. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  base: [],
  config: ['base'],
  observe: ['base'],
  policy: ['base'],
  state: ['base'],
  exec: ['base'],
  pve: ['base'],
  ops: ['base', 'exec', 'pve'],
  tools: ['base', 'policy', 'ops'],
  mcp: ['base', 'policy', 'observe', 'state', 'ops', 'tools'],
  http: ['base', 'policy', 'observe', 'state', 'mcp'],
};
const free = ['main.ts', 'cli'];

/** Where a package from outside may be imported in src; those not named here are free. */
const packages: readonly (readonly [name: RegExp, where: RegExp])[] = [
  [/^ssh2/, /^src\/exec\//],
  [/^(express|helmet)$/, /^src\/http\//],
  [/^@modelcontextprotocol\/client/, /^src\/cli\/connect/],
  [/^@modelcontextprotocol\/(?!client)/, /^src\/(mcp|http)\//],
  [/^prom-client$/, /^src\/observe\//],
  [/^(node:)?child_process$/, /^src\/exec\/local\.ts$/],
  [/^(@clack|@inquirer|prompts|enquirer)/, /^src\/cli\/setup/],
  // Of the SDK's first generation and the lab's shell the product must not know.
  [/^@modelcontextprotocol\/sdk/, /^$/],
  [/^just-bash/, /^$/],
];

interface Source {
  /** Relative to the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  /** Without comments and the contents of template literals. */
  readonly code: string;
  readonly imports: readonly string[];
}

function sourcesUnder(folder: string): Source[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => read(`${folder}/${name}`));
}

function read(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8');
  const code = text
    .replace(/`(?:\\.|[^`\\])*`/g, '``')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '');
  return { path, text, code, imports: importsOf(path, code) };
}

/** Static, type-only, bare, dynamic and re-exporting imports; fails on one that it could not read. */
function importsOf(path: string, code: string): string[] {
  const named = [...code.matchAll(/^(?:import|export)\b[^'"=;()]*?\bfrom\s*['"]([^'"]+)['"]/gm)];
  const bare = [...code.matchAll(/^import\s*['"]([^'"]+)['"]/gm)];
  const dynamic = [...code.matchAll(/\b(?:import|require|createRequire)\s*\(\s*['"]([^'"]+)['"]/g)];
  const begun = [...code.matchAll(/^import\b(?!\s*[.(])/gm)].length;
  const reexports = named.filter(([whole]) => whole.startsWith('export')).length;
  assert.equal(named.length - reexports + bare.length, begun, `${path}: an import that cannot be read`);
  return [...named, ...bare, ...dynamic].map(([, specifier = '']) => specifier);
}

const src = sourcesUnder('src');
const lab = sourcesUnder('lab');

/** The imported file, relative to the repository, or undefined for a package. */
function target(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? normalize(join(dirname(from), specifier)) : undefined;
}

function roomOf(path: string): string {
  return path.split('/')[1] ?? '';
}

/** Everything that stands in the way of a rule, told at once. */
function none(violations: readonly string[]): void {
  assert.deepEqual(violations, []);
}

test('there is something to look at', () => {
  assert.ok(src.length > 40, `${src.length} files in src`);
  assert.ok(src.some(({ imports }) => imports.length > 10));
});

test('rooms import downwards only', () => {
  none(
    src.flatMap(({ path, imports }) => {
      const room = roomOf(path);
      if (free.includes(room)) return [];
      const allowed = rooms[room];
      if (allowed === undefined) return [`${path}: there is no room ${room} in the house`];
      return imports.flatMap((specifier) => {
        const to = target(path, specifier);
        if (to === undefined || roomOf(to) === room || allowed.includes(roomOf(to))) return [];
        return [`${path} imports ${to}`];
      });
    }),
  );
});

test('imports lead to files that exist, by their true names', () => {
  none(
    [...src, ...lab].flatMap(({ path, imports }) =>
      imports
        .map((specifier) => target(path, specifier))
        .filter((to) => to !== undefined && !(to.endsWith('.ts') && existsSync(join(root, to))))
        .map((to) => `${path} imports ${to}`),
    ),
  );
});

test('no file imports itself, however far around', () => {
  const edges = new Map(
    src.map(({ path, imports }) => [
      path,
      imports.map((each) => target(path, each)).filter((to) => to !== undefined),
    ]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
    if (done.has(path) || trail.includes(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  none(circles);
});

test('packages from outside stay in their rooms', () => {
  none(
    src.flatMap(({ path, imports }) =>
      packages.flatMap(([name, where]) =>
        imports
          .filter((each) => name.test(each) && !where.test(path))
          .map((each) => `${path} imports ${each}`),
      ),
    ),
  );
});

test('what src imports is installed with it', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const installed = Object.keys(manifest.dependencies);
  none(
    src.flatMap(({ path, imports }) =>
      imports
        .filter((each) => !each.startsWith('.') && !each.startsWith('node:'))
        .filter((each) => !installed.some((name) => each === name || each.startsWith(`${name}/`)))
        .map((each) => `${path} imports ${each}`),
    ),
  );
});

test('src knows neither lab nor tests, and the lab knows of src only the base', () => {
  const leaves = (path: string, imports: readonly string[], folder: string, but: RegExp) =>
    imports
      .map((each) => target(path, each))
      .filter((to) => to !== undefined && !to.startsWith(`${folder}/`) && !but.test(to))
      .map((to) => `${path} imports ${to}`);
  none([
    ...src.flatMap(({ path, imports }) => leaves(path, imports, 'src', /^$/)),
    ...lab.flatMap(({ path, imports }) => leaves(path, imports, 'lab', /^src\/base\//)),
  ]);
});

test('only main reads the environment and ends the process', () => {
  const touches = /\bprocess\s*(?:\.\s*|\[\s*['"])(env|exit|exitCode|abort|kill|argv)\b/g;
  none(
    src
      .filter(({ path }) => path !== 'src/main.ts')
      .flatMap(({ path, code }) => [...code.matchAll(touches)].map(([touch]) => `${path} uses ${touch}`)),
  );
  none(
    src.flatMap(({ path, code }) =>
      /import[^;]*\b(env|exit)\b[^;]*['"](node:)?process['"]/.test(code) ? [`${path} imports it`] : [],
    ),
  );
});

test('nothing but the command line writes to stdout', () => {
  none(
    src
      .filter(({ path, code }) => path !== 'src/main.ts' && /\bstdout\.write\b|\bconsole\./.test(code))
      .map(({ path }) => path),
  );
});

test('files are short', () => {
  none(
    [...src, ...lab].flatMap(({ path, text }) => {
      const lines = text.split('\n').length - 1;
      return lines > 300 ? [`${path} has ${lines} lines`] : [];
    }),
  );
});

test('files and folders have kebab-case names that say what is in them', () => {
  const vague = /(^|[/-])(utils?|helpers?|common|managers?|service|misc|index)(\.ts|\/|$)/;
  none(
    [...src, ...lab]
      .filter(
        ({ path }) =>
          !/^[a-z0-9]+(-[a-z0-9]+)*(\/[a-z0-9]+(-[a-z0-9]+)*)*\.ts$/.test(path) || vague.test(path),
      )
      .map(({ path }) => path),
  );
});

test('there is neither a default export nor a barrel', () => {
  const reexport = /^export\s*(?:type\s*)?(?:\*[^'";]*|\{[^}]*\}\s*)from\s*['"][^'"]*['"];?/gm;
  const isBarrel = ({ path, code }: Source) =>
    path.startsWith('src/') ? code.search(reexport) >= 0 : code.replace(reexport, '').trim() === '';
  const all = [...src, ...lab];
  none(all.filter(({ code }) => /^export\s+default\b/m.test(code)).map(({ path }) => path));
  none(all.filter(isBarrel).map(({ path }) => path));
});

test('nothing is left to be done', () => {
  none(
    [...src, ...lab].flatMap(({ path, text }) =>
      [...text.matchAll(/\b(TODO|FIXME|XXX|HACK)\b.*/g)].map(([left]) => `${path}: ${left}`),
    ),
  );
});

test('no check is waved through', () => {
  const waved = /@ts-(ignore|expect-error|nocheck)|biome-ignore/;
  none([...src, ...lab].filter(({ text }) => waved.test(text)).map(({ path }) => path));
});

test('importing a file does nothing', () => {
  const acts = /^(?:await\b|void\b|[\w.]+\((?!.*=>)|new\b|(?:set|clear)(?:Timeout|Interval)\b|process\.)/m;
  none(src.filter(({ path, code }) => path !== 'src/main.ts' && acts.test(code)).map(({ path }) => path));
});
