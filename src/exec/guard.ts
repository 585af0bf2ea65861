/** One process a connection on the host that ends commands whose gateway is gone. */
import { randomUUID } from 'node:crypto';
import { commandLine } from '../base/shell.ts';
import type { Guard, SshConnection } from './connection.ts';

const maxNoiseBytes = 64 * 1024;

/**
 * Reads «+ pgid seconds» and «- pgid». At the end of its input nobody is left to forget a group: it stays
 * until the last of them is gone or its time is over. A group is watched for as long as its leader lives,
 * which is the command itself; a number that is used again belongs to one that has started later. All of it
 * is built into bash, so that a call starts no process for it, and goes by the time since the host started.
 */
const script = `
declare -A until born
now() { read -r now _ </proc/uptime; now=\${now%%.*}; }
started() { local stat=; { read -r stat </proc/$1/stat; } 2>/dev/null; set -- \${stat##*) }; found=\${20-}; }
printf '%s\\n' "$0"
open=1
while [ -n "$open" ] || [ \${#until[@]} -gt 0 ]; do
  if [ -z "$open" ]; then sleep 1
  elif read -r -t 5 verb group seconds; then
    case $verb in
      +) started "$group"; now; [ -z "$found" ] || born[$group]=$found until[$group]=$((now + seconds)) ;;
      -) unset "until[$group]" "born[$group]" ;;
    esac
  elif [ $? -le 128 ]; then open=; fi
  now
  for group in "\${!until[@]}"; do
    started "$group"
    if [ "$found" = "\${born[$group]}" ]; then
      [ "$now" -ge "\${until[$group]}" ] || continue
      kill -KILL -- -$group 2>/dev/null
    fi
    unset "until[$group]" "born[$group]"
  done
done
`.trim();

/** Resolves when it was asked for; it stands a moment later, or never, where the host has no bash. */
export async function openGuard(
  connection: SshConnection,
  { host, sudo }: { host: string; sudo: boolean },
): Promise<Guard> {
  const nonce = randomUUID();
  const shell = commandLine(['bash', '--norc', '-c', script, nonce]);
  const { stream, exit } = await connection.exec(`exec ${sudo ? 'sudo -n -- ' : ''}${shell}`, host);
  let standing = false;
  let said = '';
  const hear = (chunk: Buffer) => {
    said = (said + chunk.toString('latin1')).slice(-maxNoiseBytes);
    if (!said.includes(`${nonce}\n`)) return;
    standing = true;
    stream.off('data', hear).resume();
  };
  stream.on('data', hear);
  stream.stderr.resume();
  void exit.then(() => {
    standing = false;
  });
  const tell = (line: string) => {
    if (standing) stream.write(line);
  };
  return {
    get standing() {
      return standing;
    },
    watch: (pgid, seconds) => tell(`+ ${pgid} ${seconds}\n`),
    forget: (pgid) => tell(`- ${pgid}\n`),
    close() {
      standing = false;
      stream.end();
    },
  };
}
