/** A shell on the host that waits for one command and then becomes it: the line that opens it, and the line it waits for. */
import { randomUUID } from 'node:crypto';
import { commandLine, quote } from '../base/shell.ts';
import type { Command } from './executor.ts';

/**
 * Longest order, in bytes after quoting. Above 128 KiB the kernel refuses an argument, and above 256 KiB
 * sshd resets the whole connection.
 */
export const maxOrderBytes = 100_000;

/** With its newlines written out; a shell reads it byte by byte. */
const maxLineBytes = 200_000;

/** How long after the gateway's own deadline the host ends a command whose gateway is gone. */
const backstopMs = 5_000;

export interface Opening {
  readonly line: string;
  /** What the shell says its lines with: nobody can know it who does not already see the shell. */
  readonly nonce: string;
}

/**
 * The login shell says «nonce pgid» when it stands: whatever its start-up files printed before that is not the
 * command's. It reads one line, says «nonce go» and runs it; at the end of its input it ends. `read` takes
 * not a byte more than the line, so what follows is the command's own standard input. The process group is
 * asked of the kernel, for sudo may have put the shell into one that it does not lead.
 */
const wait = (nonce: string, texts: readonly string[]) =>
  [
    // bash lets its read give up after that many seconds. Where the variable is read-only, trying to take it
    // away may end the shell, and what a trap prints would be taken for the command's output.
    `[ -z "\${TMOUT+x}" ] || { (unset TMOUT) 2>/dev/null && unset TMOUT; } || :`,
    `[ -z "\${BASH_VERSION-}" ] || trap - DEBUG 2>/dev/null`,
    `set -- ${commandLine(texts)}`,
    `_n='\n'`,
    'gateway_group=$$',
    '[ -r /proc/$$/stat ] && read -r _ _ _ _ gateway_group _ </proc/$$/stat',
    `printf '%s %s\n' ${nonce} "$gateway_group"`,
    'IFS= read -r gateway_order || exit 0',
    `printf '%s go\n' ${nonce}`,
    'eval "$gateway_order"',
  ].join('; ');

/** `texts` are kept by the shell, so that orders need not carry them. With sudo it is a shell of root. */
export function opening({ texts, sudo }: { texts: readonly string[]; sudo: boolean }): Opening {
  const nonce = randomUUID();
  const script = wait(nonce, texts);
  return { line: sudo ? `exec sudo -n -- /bin/sh -c ${quote(script)}` : script, nonce };
}

/** Seconds after which the host ends a command by itself. */
export function backstopS({ timeoutMs }: Command): number {
  return Math.ceil((timeoutMs + backstopMs) / 1000);
}

/**
 * The line that makes a waiting shell the command, its end included. Where no guard watches over the group,
 * `timeout` is the backstop for a gateway that died: with KILL it ends the whole group, itself included.
 * Throws RangeError where the line would be too long, and for text that no argument can carry.
 */
export function order(
  command: Command,
  { texts, guarded }: { texts: readonly string[]; guarded: boolean },
): string {
  const backstop = guarded ? [] : ['timeout', '-s', 'KILL', String(backstopS(command))];
  const words = [...backstop, ...command.argv].map((word) =>
    texts.includes(word) ? `"$${texts.indexOf(word) + 1}"` : quote(word),
  );
  return oneLine(`exec ${words.join(' ')}`);
}

/** Shell text as an order. Its newlines must stand in single quotes, as `quote` puts them. */
export function oneLine(script: string): string {
  checkLength(script, maxOrderBytes, 'long after quoting');
  const line = `${script.replaceAll('\n', `'"$_n"'`)}\n`;
  checkLength(line, maxLineBytes, 'long with its newlines written out');
  return line;
}

function checkLength(text: string, maxBytes: number, how: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) throw new RangeError(`it is ${bytes} bytes ${how}, and ${maxBytes} is the most`);
}
