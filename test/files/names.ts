/** Names that shells, terminals and programs take for something else: they arrive byte for byte. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileStrings } from '../unit/hostile-strings.ts';
import { contentOf, type Hands, movedBy } from './hands.ts';

const controls = Array.from({ length: 31 }, (_, index) => String.fromCharCode(index + 1)).join('');

const names = [
  ...[
    'a b',
    ' first',
    'last ',
    '  ',
    'new\nline',
    '\nfirst',
    'last\n',
    '\n',
    '\t',
    'last\r',
    '\\',
    'a\\nb',
    'a\\',
  ],
  ...[
    "it's",
    "'",
    '"',
    'say "hi"',
    '`id`',
    '$(id)',
    '$HOME',
    '$'.concat('{IFS}'),
    '$$',
    '!',
    '!!',
    '#',
    '%s',
    '%00',
  ],
  ...[
    '*',
    '?',
    '[a]',
    '{a,b}',
    '~',
    '~root',
    '-',
    '--',
    '-n',
    '-rf',
    '--help',
    '-e x',
    '=',
    'a=b',
    ':',
    'C:\\x',
  ],
  ...[';', 'a;id', '&', '|', '<', '>', '(', ')', '@', '+', ',', '^', '.hidden', '...', '..a', 'a..', '.a.'],
  ...[
    '😀',
    'é',
    'e\u0301',
    '日本語',
    '\u202etxt.exe',
    '\u00a0',
    '\ufeff',
    '\u2028',
    '\u0085',
    '\u{10ffff}',
    '\ufffd',
  ],
  ...[
    'x'.repeat(255),
    'é'.repeat(127),
    '😀'.repeat(63),
    '.proxmox-mcp-',
    'proxmox-mcp-x',
    'commit 1 2 3',
    'go\n',
  ],
  controls,
  `a${controls}\u007fb`,
  ...hostileStrings(40)
    .slice(16)
    .map((text) => text.replaceAll('/', '_'))
    .filter((text) => text !== '' && text !== '.' && text !== '..'),
];

/** At once, and fewer than one token may have under way. */
const together = 6;

export function hostileNames(hands: () => Hands): void {
  test('names of files and directories arrive byte for byte, up and down', async () => {
    const directory = await hands().fresh();
    // Each in a directory of its own, once as a file and once as a directory.
    const files = names.map((name, index) => ({ name, content: `file ${index}`, path: `${index}/${name}` }));
    const inner = names.map((name, index) => ({
      name,
      content: `inner ${index}`,
      path: `d${index}/${name}/f`,
    }));
    const all = [...files, ...inner.filter((_, index) => index % 8 === 0)];
    await each(all, async ({ path, content }) => {
      const whole = `${directory}/${path}`;
      const sent = movedBy(await hands().up(whole, { content, create_directories: true }));
      assert.equal(sent.container_path ?? sent.host_path, whole);
      const got = movedBy(await hands().down(whole));
      assert.equal(contentOf(got).toString(), content, JSON.stringify(path));
    });
    // Each call returns at most 25,000 characters.
    for (let at = 0; at < all.length; at += 40) {
      const part = all.slice(at, at + 40);
      const listed = await hands().sh(
        `cd ${directory} && for n in ${part.map(({ path }) => path.slice(0, path.indexOf('/'))).join(' ')}; do
           ls -A $n | od -An -v -tx1 | tr -d ' \\n'; echo; done`,
      );
      const expected = part.map(({ name }) => Buffer.from(`${name}\n`).toString('hex'));
      assert.deepEqual(listed.trimEnd().split('\n'), expected);
    }
  });
}

async function each<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const work = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await action(item);
  };
  await Promise.all(Array.from({ length: together }, work));
}
