/** Runs commands in containers and, where that is allowed, on the host. */
import { randomUUID } from 'node:crypto';
import { failure } from '../base/errors.ts';
import { type Captured, wholeText } from '../exec/capture.ts';
import type { Command, ExecResult, Executor, RunOptions } from '../exec/executor.ts';
import type { HostRoom } from './host-room.ts';

export interface CommandRequest {
  /** Shell text: bash where there is one, else sh. */
  readonly command: string;
  readonly timeoutMs: number;
  /** Bytes kept of each output stream. */
  readonly maxBytes: number;
  readonly stdin?: string | undefined;
}

export interface ContainerCommandRequest extends CommandRequest {
  readonly vmid: number;
  /** An absolute directory in the container; the user's home without it. */
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** A user of the container; root without it. */
  readonly user?: string | undefined;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: Captured;
  readonly stderr: Captured;
  readonly background: boolean;
}

export interface Run {
  /**
   * Throws CONTAINER_NOT_FOUND, CONTAINER_NOT_RUNNING and the like where the command never began, and
   * INVALID_ARGUMENT for a user or directory that the container lacks.
   */
  inContainer(request: ContainerCommandRequest, options: RunOptions): Promise<CommandResult>;
  onHost(request: CommandRequest, options: RunOptions): Promise<CommandResult>;
}

/**
 * Runs first in the container. It announces itself once directory and user are proven, so that a failure
 * to get there is never taken for the command's own exit code. Without --norc bash would read .bashrc
 * whenever its input is a socket, as sshd's is. setpriv is preferred to su, whose `-c`
 * starts a new session, out of reach of the process group by which a command is stopped.
 * SECURITY: the caller's variables go to env alone; as shell variables here they could replace the command.
 * They come over standard input, before the command's own, for arguments of a process are everyone's to see.
 */
export const entry = `
mark=$1 user=$2 dir=$3 command=$4 variables=$5; shift 5
fail() { printf '%s %s\\n' "$mark" "$1" >&2; exit 2; }
uid= gid= home=
while IFS=: read -r name _ u g _ h _; do
  [ "$name" = "$user" ] && uid=$u gid=$g home=$h && break
done </etc/passwd
[ -z "$uid" ] && [ "$user" = root ] && uid=0 gid=0 home=/root
[ -n "$uid" ] || fail user
export HOME="\${home:-/}" USER="$user" LOGNAME="$user"
if [ -n "$dir" ]; then cd -- "$dir" 2>/dev/null || fail cwd; else cd -- "$HOME" 2>/dev/null || cd /; fi
unset OLDPWD
[ "$variables" -eq 0 ] || set -- env
while [ $# -le "$variables" ] && [ "$variables" -gt 0 ]; do
  IFS= read -r line || fail variables
  value=$(printf '%b.' "\${line#*=}")
  set -- "$@" "\${line%%=*}=\${value%.}"
done
if shell=$(command -v bash); then set -- "$@" "$shell" --norc -c "$command"
else shell=/bin/sh; set -- "$@" "$shell" -c "$command"; fi
if [ "$uid" = 0 ]; then printf '%s\\n' "$mark"; exec "$@"; fi
if setpriv --reuid "$uid" --regid "$gid" --init-groups true 2>/dev/null; then
  printf '%s\\n' "$mark"; exec setpriv --reuid "$uid" --regid "$gid" --init-groups -- "$@"
fi
quoted=
for word do quoted="$quoted '$(printf %s "$word" | sed "s/'/'\\\\\\\\''/g")'"; done
printf '%s\\n' "$mark"
if su --help 2>&1 | grep -q session-command; then exec su -s "$shell" --session-command "exec $quoted" "$user"; fi
exec su -s "$shell" -c "exec $quoted" "$user"
`.trim();

export function createRun({ hosts, inventory, reach }: HostRoom): Run {
  /** Why a command never began, from what the node knows now and what the attempt said. */
  const explain = async (
    node: string,
    vmid: number,
    mark: string,
    result: ExecResult,
    signal: AbortSignal,
  ) => {
    const stderr = wholeText(result.stderr);
    if (stderr.includes(`${mark} user`))
      return failure('INVALID_ARGUMENT', { problem: 'user: the container has no such user' });
    if (stderr.includes(`${mark} cwd`))
      return failure('INVALID_ARGUMENT', { problem: 'cwd: the container has no such directory' });
    const guest = await inventory.getOn(node, vmid, signal);
    if (guest.template) return failure('CONTAINER_IS_TEMPLATE', { vmid });
    if (guest.status !== 'running') return failure('CONTAINER_NOT_RUNNING', { vmid });
    return failure('COMMAND_NOT_STARTED', { where: `in container ${vmid}` }, { evidence: { stderr } });
  };

  return {
    async inContainer(request, options) {
      const { vmid, env = {} } = request;
      const driver = await inventory.driver(options.signal);
      const mark = randomUUID();
      const variables = Object.entries(env).map(([name, value]) => `${name}=${escaped(value)}\n`);
      const script = ['/bin/sh', '-c', entry, 'sh', mark, request.user ?? 'root', request.cwd ?? ''];
      const argv = driver.attach(vmid, [...script, request.command, String(variables.length)]);
      const stdin = variables.length === 0 ? request.stdin : variables.join('') + (request.stdin ?? '');
      const command = { ...limitsOf({ ...request, stdin }), argv, announces: mark };
      return await reach(vmid, options.signal, async ({ node, executor }) => {
        const result = await carryOut(executor, command, options);
        if (!result.begun) throw await explain(node, vmid, mark, result, options.signal);
        return result;
      });
    },
    async onHost(request, options) {
      return await carryOut(
        hosts.first,
        { ...limitsOf(request), argv: ['/bin/bash', '--norc', '-c', request.command] },
        options,
      );
    },
  };
}

/** One line for `read -r` and `printf %b`. */
function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function limitsOf({ timeoutMs, maxBytes, stdin }: CommandRequest) {
  return { timeoutMs, maxBytes, ...(stdin === undefined ? {} : { stdin }) };
}

async function carryOut(executor: Executor, command: Command, options: RunOptions): Promise<ExecResult> {
  try {
    return await executor.run(command, options);
  } catch (error) {
    // What cannot be quoted or is too long once quoted is the caller's to change.
    if (error instanceof RangeError)
      throw failure('INVALID_ARGUMENT', { problem: `command: ${error.message}` }, { cause: error });
    throw error;
  }
}
