/** Short and long options of small programs, told apart from their operands. */

export interface Options {
  has(...names: string[]): boolean;
  /** The value of the last of these options that was given. */
  get(...names: string[]): string | undefined;
  readonly operands: readonly string[];
}

export interface OptionRules {
  /** Options that take a value, such as `n` or `lines`. */
  readonly valued?: readonly string[];
  /** Operands end the options, as for programs that start others. */
  readonly strict?: boolean;
}

export function readOptions(
  args: readonly string[],
  { valued = [], strict = false }: OptionRules = {},
): Options {
  const found = new Map<string, string>();
  const operands: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    if (arg === '--') {
      operands.push(...args.slice(at + 1));
      break;
    }
    if (arg.startsWith('--')) {
      const [name = '', ...value] = arg.slice(2).split('=');
      const takesNext = value.length === 0 && valued.includes(name);
      if (takesNext) at += 1;
      found.set(name, takesNext ? (args[at] ?? '') : value.join('='));
    } else if (/^-[^\d]/.test(arg)) {
      for (let index = 1; index < arg.length; index += 1) {
        const letter = arg[index] ?? '';
        if (!valued.includes(letter)) {
          found.set(letter, '');
          continue;
        }
        const inline = arg.slice(index + 1);
        if (inline === '') at += 1;
        found.set(letter, inline === '' ? (args[at] ?? '') : inline);
        break;
      }
    } else {
      if (strict) {
        operands.push(...args.slice(at));
        break;
      }
      operands.push(arg);
    }
  }
  return {
    operands,
    has: (...names) => names.some((name) => found.has(name)),
    get: (...names) => names.map((name) => found.get(name)).findLast((value) => value !== undefined),
  };
}

/** Bytes of `10`, `4k`, `1M`. */
export function parseSize(text: string): number {
  const [, digits = '0', unit = ''] = /^[+-]?(\d+)([kKMG]?)/.exec(text) ?? [];
  const factors: Record<string, number> = { k: 1024, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };
  return Number(digits) * (factors[unit] ?? 1);
}

/** Milliseconds of `1`, `0.5`, `2m`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d*)?|\.\d+|inf(?:inity)?)([smhd]?)$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  const factors: Record<string, number> = { '': 1000, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  return (number.startsWith('inf') ? 2 ** 31 : Number(number)) * (factors[unit] ?? 1000);
}
