/** Builtins about variables, positional parameters and options. */
import { evaluateText } from './arithmetic.ts';
import type { Builtin } from './builtin.ts';
import { complaint, type Shell, type ShellOption, setVariable } from './shell.ts';

const optionLetters: Record<string, ShellOption> = {
  e: 'errexit',
  u: 'nounset',
  x: 'xtrace',
  f: 'noglob',
  C: 'noclobber',
};

const namedOptions = new Set<ShellOption>([
  'errexit',
  'nounset',
  'xtrace',
  'pipefail',
  'noglob',
  'noclobber',
]);

function isOption(name: string): name is ShellOption {
  return namedOptions.has(name as ShellOption);
}

export function setOption(shell: Shell, name: string, on: boolean): void {
  if (!isOption(name)) return;
  if (on) shell.options.add(name);
  else shell.options.delete(name);
}

/** Applies `-eu`, `+x` and the like. */
export function setFlags(shell: Shell, flags: string): void {
  for (const letter of flags.slice(1)) {
    const option = optionLetters[letter];
    if (option !== undefined) setOption(shell, option, flags.startsWith('-'));
  }
}

function quoted(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}

const set: Builtin = async (shell, args) => {
  if (args.length === 0) {
    for (const [name, { value }] of [...shell.variables].sort(([a], [b]) => (a < b ? -1 : 1)))
      await shell.self.out(`${name}=${quoted(typeof value === 'string' ? value : (value[0] ?? ''))}\n`);
    return 0;
  }
  let at = 0;
  for (; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    if (arg === '--' || arg === '-') {
      shell.positional = args.slice(at + 1);
      return 0;
    }
    if (arg === '-o' || arg === '+o') {
      at += 1;
      setOption(shell, args[at] ?? '', arg === '-o');
    } else if (/^[-+]\w+$/.test(arg)) {
      setFlags(shell, arg);
      if (arg.endsWith('o')) {
        at += 1;
        setOption(shell, args[at] ?? '', arg.startsWith('-'));
      }
    } else break;
  }
  if (at < args.length) shell.positional = args.slice(at);
  return 0;
};

/** What export, readonly, local and declare have in common: names with or without a value. */
async function declare(
  shell: Shell,
  args: readonly string[],
  name: string,
  flags: { exported?: boolean; readonly?: boolean },
): Promise<number> {
  let status = 0;
  for (const arg of args) {
    const [, variable = '', value] = /^([A-Za-z_]\w*)(?:=(.*))?$/s.exec(arg) ?? [];
    if (variable === '') {
      const said =
        shell.dialect === 'bash'
          ? `${name}: \`${arg}': not a valid identifier`
          : `${name}: ${arg}: bad variable name`;
      await shell.self.err(complaint(shell, said));
      status = 1;
    } else setVariable(shell, variable, value ?? shell.variables.get(variable)?.value ?? '', flags);
  }
  return status;
}

const exportVariables: Builtin = async (shell, args) => {
  const names = args.filter((arg) => !/^-[pnf]+$/.test(arg));
  if (args.includes('-n')) return await declare(shell, names, 'export', { exported: false });
  if (names.length > 0) return await declare(shell, names, 'export', { exported: true });
  const prefix = shell.dialect === 'bash' ? 'declare -x' : 'export';
  for (const [name, { value, exported }] of [...shell.variables].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (exported) await shell.self.out(`${prefix} ${name}="${typeof value === 'string' ? value : ''}"\n`);
  return 0;
};

const local: Builtin = async (shell, args) => {
  const scope = shell.scopes.at(-1);
  const names = args.filter((arg) => !/^[-+]\w+$/.test(arg));
  for (const arg of names) {
    const [name = ''] = arg.split('=');
    if (scope !== undefined && !scope.has(name)) {
      scope.set(name, shell.variables.get(name));
      shell.variables.delete(name);
    }
  }
  const array = args.some((arg) => /^-\w*[aA]/.test(arg));
  for (const name of array ? names : []) setVariable(shell, name, []);
  return array
    ? 0
    : await declare(shell, names, 'local', { exported: args.some((arg) => /^-\w*x/.test(arg)) });
};

const unset: Builtin = async (shell, args) => {
  const functions = args.includes('-f');
  for (const name of args.filter((arg) => !/^-[vf]$/.test(arg)))
    if (functions || (!shell.variables.has(name) && shell.functions.has(name))) shell.functions.delete(name);
    else if (shell.variables.get(name)?.readonly !== true) shell.variables.delete(name);
  return 0;
};

const shift: Builtin = async (shell, [count = '1']) => {
  const by = Number(count);
  if (!(by >= 0) || by > shell.positional.length) {
    if (shell.dialect === 'dash') await shell.self.err(complaint(shell, "shift: can't shift that many"));
    return shell.dialect === 'dash' ? 2 : 1;
  }
  shell.positional = shell.positional.slice(by);
  return 0;
};

const getopts: Builtin = async (shell, [spec = '', name = '', ...given]) => {
  const args = given.length > 0 ? given : shell.positional;
  const index = Number(shell.variables.get('OPTIND')?.value ?? 1);
  const arg = args[index - 1];
  if (arg === undefined || arg === '--' || !/^-./.test(arg)) return 1;
  const letter = arg[1] ?? '';
  const takesValue = spec.includes(`${letter}:`);
  const inline = arg.slice(2);
  const value = takesValue && inline === '' ? (args[index] ?? '') : inline;
  setVariable(shell, name, spec.includes(letter) ? letter : '?');
  setVariable(shell, 'OPTARG', takesValue ? value : '');
  setVariable(shell, 'OPTIND', String(index + (takesValue && inline === '' ? 2 : 1)));
  return 0;
};

export const variableBuiltins: Readonly<Record<string, Builtin>> = {
  set,
  unset,
  shift,
  getopts,
  local,
  export: exportVariables,
  readonly: (shell, args) => declare(shell, args, 'readonly', { readonly: true }),
  declare: local,
  typeset: local,
  shopt: async () => 0,
  let: async (shell, args) => {
    let last = 0n;
    for (const arg of args) last = evaluateText(shell, arg);
    return last === 0n ? 1 : 0;
  },
};
