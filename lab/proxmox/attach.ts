/** lxc-attach: a command in a running container, in the caller's process group. */
import { FsError } from '../files/fs-error.ts';
import { root } from '../files/inode.ts';
import { locate } from '../files/tree.ts';
import { cloneFds } from '../process/open-file.ts';
import { type Process, type Program, statusOf } from '../process/process.ts';
import { NotRunnable, resolveProgram } from '../programs/resolve.ts';
import { findContainer, type LabNode } from './node.ts';

const clearPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

interface Request {
  readonly name: string;
  readonly keepEnv: boolean;
  readonly extra: readonly string[];
  readonly argv: readonly string[];
}

function readArguments(args: readonly string[]): Request {
  let name = '';
  let keepEnv = true;
  const extra: string[] = [];
  let at = 0;
  for (; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    if (arg === '--') {
      at += 1;
      break;
    }
    const [option = '', inline] = arg.split(/=(.*)/s);
    if (option === '--clear-env') keepEnv = false;
    else if (option === '--keep-env') keepEnv = true;
    else if (option === '-n' || option === '--name') {
      if (inline === undefined) at += 1;
      name = inline ?? args[at] ?? '';
    } else if (option === '-v' || option === '--set-var') {
      at += 1;
      extra.push(args[at] ?? '');
    } else if (arg.startsWith('-n')) name = arg.slice(2);
    else if (!arg.startsWith('-')) break;
  }
  const argv = args.slice(at);
  return { name, keepEnv, extra, argv: argv.length === 0 ? ['/bin/sh'] : argv };
}

export function lxcAttach(node: LabNode): Program {
  return async (self) => {
    const request = readArguments(self.argv.slice(1));
    return await attach(self, node, request, self.env);
  };
}

/** Runs the command to its end. `env` is what the caller's environment is, should it be kept. */
export async function attach(
  self: Process,
  node: LabNode,
  { name, keepEnv, extra, argv }: Request,
  env: ReadonlyMap<string, string>,
): Promise<number> {
  const guest = findContainer(node, Number(name));
  const machine = guest?.machine;
  if (machine === undefined || guest?.pid === undefined) {
    const refused = 'Connection refused - Failed to get';
    await self.err(`lxc-attach: ${name}: ../src/lxc/attach.c: get_attach_context: 406 ${refused} init pid\n`);
    await self.err(`lxc-attach: ${name}: ../src/lxc/attach.c: lxc_attach: 1470 ${refused} attach context\n`);
    return 1;
  }
  const inside = new Map<string, string>(keepEnv ? env : [['PATH', clearPath]]);
  inside.set('container', 'lxc');
  if (!inside.has('TERM')) inside.set('TERM', 'linux');
  for (const setting of extra)
    inside.set(setting.split('=')[0] ?? '', setting.slice(setting.indexOf('=') + 1));
  self.ignored.add('INT');
  const child = self.spawn({
    ...{ argv, machine, env: inside, who: root, cwd: directoryFor(self, machine), fds: cloneFds(self.fds) },
    program: (process) => execute(process, name),
  });
  child.ignored.delete('INT');
  return statusOf(await child.exited);
}

/** The caller's directory where the container has it too, else the root. */
function directoryFor(self: Process, machine: Process['machine']): string {
  try {
    return locate(machine.files, self.cwd).node?.kind === 'directory' ? self.cwd : '/';
  } catch (error) {
    if (error instanceof FsError) return '/';
    throw error;
  }
}

async function execute(self: Process, name: string): Promise<number> {
  try {
    const { program, argv } = resolveProgram(self, self.argv, self.env.get('PATH') ?? '');
    self.argv = argv;
    return await program(self);
  } catch (error) {
    if (!(error instanceof NotRunnable)) throw error;
    const reason = error.status === 126 ? 'Permission denied' : error.reason;
    await self.err(
      `lxc-attach: ${name}: ../src/lxc/attach.c: lxc_attach_run_command: 1841 ${reason} - Failed to exec "${self.argv[0]}"\n`,
    );
    return error.status;
  }
}
