/** How programs start other programs: beside themselves, or in their own place. */
import { cloneFds } from '../process/open-file.ts';
import { type Child, type Process, statusOf } from '../process/process.ts';
import { NotRunnable, resolveProgram } from './resolve.ts';

const defaultPath = '/usr/local/bin:/usr/bin:/bin';

type Changes = Partial<Pick<Child, 'env' | 'who' | 'cwd' | 'machine' | 'fds'>>;

/** Throws NotRunnable. */
export function start(self: Process, argv: readonly string[], changes: Changes = {}): Process {
  const { program, argv: resolved } = resolveProgram(self, argv, pathOf(changes.env ?? self.env));
  return self.spawn({ ...changes, argv: resolved, program, fds: changes.fds ?? cloneFds(self.fds) });
}

/** Waits for the end; what cannot run is said on stderr. */
export async function run(self: Process, argv: readonly string[], changes: Changes = {}): Promise<number> {
  return await explained(self, argv, async () => statusOf(await start(self, argv, changes).exited));
}

/** Goes on as another program. */
export async function become(
  self: Process,
  argv: readonly string[],
  changes: Pick<Changes, 'env' | 'who'> = {},
): Promise<number> {
  return await explained(self, argv, async () => {
    const { program, argv: resolved } = resolveProgram(self, argv, pathOf(changes.env ?? self.env));
    self.argv = resolved;
    self.env = changes.env ?? self.env;
    self.who = changes.who ?? self.who;
    self.handlers.clear();
    return await program(self);
  });
}

async function explained(
  self: Process,
  argv: readonly string[],
  action: () => Promise<number>,
): Promise<number> {
  const name = self.argv[0] ?? '';
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof NotRunnable)) throw error;
    const quoted =
      name === 'timeout' || name === 'nohup' || name === 'xargs'
        ? `failed to run command ‘${argv[0]}’`
        : `‘${argv[0]}’`;
    await self.err(Buffer.from(`${name}: ${quoted}: ${error.reason}\n`));
    return error.status;
  }
}

function pathOf(env: ReadonlyMap<string, string>): string {
  return env.get('PATH') ?? defaultPath;
}

/** In the quotation marks of the process's locale, as a byte string. */
export function quote(self: Process, text: string): string {
  const locale = self.env.get('LC_ALL') || self.env.get('LC_CTYPE') || self.env.get('LANG') || 'C';
  return /utf-?8/i.test(locale) ? `\xe2\x80\x98${text}\xe2\x80\x99` : `'${text}'`;
}

/** «name: message» on stderr, as most programs complain; gives back the status to exit with. */
export async function complain(self: Process, message: string, status = 1): Promise<number> {
  const name = (self.argv[0] ?? '').split('/').at(-1);
  await self.err(`${name}: ${message}\n`);
  return status;
}
