/** Texts of all that shells, `read`, `printf` and `eval` may take for something else. */

const pieces = [
  ...`'"\\$\`!~%*?[]{}()<>|&;#=:^,.-+@/ \t\n\r`,
  ...[
    '$(id)',
    '`id`',
    '$HOME',
    '$'.concat('{HOME}'),
    '$$',
    "'\\''",
    '\\n',
    '\\\\',
    '--',
    '-n',
    '~root',
    '/*',
    '%s',
    '%%',
    '!!',
  ],
  ...['a', 'Z', '0', 'é', 'ß', '日本', '🙂', '\u202e', '\u00a0', '\ufeff', '\u0301'],
  ...Array.from({ length: 31 }, (_, index) => String.fromCharCode(index + 1)),
  ...['\u007f', '\u0080', '\u009b'],
];

/** Mulberry32. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** The same in every run. */
export function hostileStrings(count: number): string[] {
  const random = createRandom(20_260_728);
  const strings = [
    '',
    ' ',
    '\n',
    '\n\n',
    '-',
    '--',
    '-n',
    '-e',
    '\\',
    "'",
    '"',
    '!',
    '~',
    '*',
    'x\n',
    '\ttab',
  ];
  while (strings.length < count) {
    const length = 1 + random(12);
    strings.push(Array.from({ length }, () => pieces[random(pieces.length)] ?? '').join(''));
  }
  return strings;
}
