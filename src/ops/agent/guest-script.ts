/** How a command runs inside a guest: in a session of its own, with as much output as is wanted and no more. */
import { type Captured, createCapture } from '../../exec/capture.ts';

/**
 * The agent starts commands in its own process group. In one of their own they can be stopped without stopping the
 * agent; where there is no setsid, they cannot.
 */
const launcher =
  'kill -0 -$$ 2>/dev/null || ! command -v setsid >/dev/null || exec setsid /bin/sh -c "$0" sh "$@"; exec /bin/sh -c "$0" sh "$@"';

/**
 * Too much output would never arrive: the agent answers within five seconds or not at all. So of each stream the
 * first bytes pass, of the rest only the last, and its characters are counted. What carries the output outlives a
 * TERM, to bring what there was by then.
 */
const script = `
mark=$1 half=$2 command=$4
[ "$3" = plain ] || command=$(printf %s "$4" | base64 -d) || exit 126
export HOME="\${HOME:-/root}"; cd -- "$HOME" 2>/dev/null || cd /
if shell=$(command -v bash); then set -- "$shell" --norc -c "$command"; else set -- /bin/sh -c "$command"; fi
for tool in dd tail tee tr wc; do command -v "$tool" >/dev/null || exec "$@"; done
part() {
  trap '' TERM
  dd bs=4096 count="$half" iflag=count_bytes 2>/dev/null
  exec 8>&1
  rest=$({ tee /dev/fd/9 2>/dev/null | tail -c "$half" >&8; } 9>&1 | LC_ALL=C tr -d '\\200-\\277' | wc -c)
  printf '%s %s\\n' "$1" "$rest" >&5
}
exec 3>&1 4>&2
trap : TERM
report=$(
  trap : TERM
  exec 5>&1
  { trap : TERM
    { trap : TERM
      "$@" </dev/null 2>&7 3>&- 4>&- 5>&- 6>&- 7>&-
      printf 'status %s\\n' $? >&5
    } 7>&1 2>/dev/null >&6 | part err >&4
  } 6>&1 | part out >&3
)
printf '\\n%s\\n%s\\n' "$mark" "$report"
`.trim();

const ascii = /^\p{ASCII}*$/u;
/** Linux takes no longer argument. */
const maxArgumentBytes = 131_000;

/**
 * What the agent is to start. Its protocol takes ASCII alone: other text goes in base64. `halfBytes` bounds the
 * beginning and the end of each stream. Throws RangeError for a command that is too long.
 */
export function guestCommand(input: { command: string; mark: string; halfBytes: number }): string[] {
  const { command, mark, halfBytes } = input;
  const isPlain = ascii.test(command);
  const text = isPlain ? command : Buffer.from(command).toString('base64');
  if (text.length > maxArgumentBytes)
    throw new RangeError('is too long for the guest agent; write it to a file first and run that');
  return ['/bin/sh', '-c', launcher, script, mark, String(halfBytes), isPlain ? 'plain' : 'base64', text];
}

export interface GuestOutput {
  /** Undefined where the script was ended before it could tell. */
  readonly exitCode: number | undefined;
  readonly stdout: Captured;
  readonly stderr: Captured;
}

/** Takes what the agent brought apart into what the command wrote and what the script says of it. */
export function readGuestOutput(
  { out, err }: { out: Buffer; err: Buffer },
  { mark, halfBytes }: { mark: string; halfBytes: number },
): GuestOutput {
  const at = out.lastIndexOf(`\n${mark}\n`);
  if (at === -1) return { exitCode: undefined, stdout: whole(out), stderr: whole(err) };
  const report = out.toString('latin1', at + mark.length + 2);
  const figure = (name: string) => {
    const found = new RegExp(`^${name} +(\\d{1,15})$`, 'm').exec(report)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  return {
    exitCode: figure('status'),
    stdout: joined(out.subarray(0, at), figure('out') ?? 0, halfBytes),
    stderr: joined(err, figure('err') ?? 0, halfBytes),
  };
}

function whole(bytes: Buffer): Captured {
  const capture = createCapture({ maxBytes: bytes.length });
  capture.push(bytes);
  return capture.result();
}

/** Of `restChars` characters the tail was kept; there is one where the head is full, or where dd let none through. */
function joined(bytes: Buffer, restChars: number, halfBytes: number): Captured {
  const full = bytes.length === 2 * halfBytes ? halfBytes : 0;
  const tail = whole(bytes.subarray(full));
  const head = whole(bytes.subarray(0, full));
  const left = restChars - tail.totalChars;
  if (left <= 0 || tail.totalBytes !== halfBytes) return whole(bytes);
  return {
    head: head.head,
    tail: tail.head,
    totalBytes: bytes.length + left,
    totalChars: head.totalChars + restChars,
  };
}
