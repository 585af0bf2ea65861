/** Programs that start other programs under changed circumstances. */
import { findUser, groupsOf, type User } from '../machine/users.ts';
import { pause } from '../process/notice.ts';
import { type Process, type Program, statusOf } from '../process/process.ts';
import { findSignal, type SignalName } from '../process/signals.ts';
import { become, complain, run, start } from './launch.ts';
import { parseDuration, readOptions } from './options.ts';
import { NotRunnable } from './resolve.ts';

const env: Program = async (self) => {
  const args = self.argv.slice(1);
  const changed = new Map(self.env);
  let at = 0;
  for (; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    if (arg === '-i' || arg === '-' || arg === '--ignore-environment') changed.clear();
    else if (arg === '-u') {
      at += 1;
      changed.delete(args[at] ?? '');
    } else if (arg === '--') {
      at += 1;
      break;
    } else if (/^-./.test(arg)) return await complain(self, `invalid option -- '${arg.slice(1)}'`, 125);
    else break;
  }
  for (; /^[^=]+=/.test(args[at] ?? ''); at += 1) {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(args[at] ?? '') ?? [];
    changed.set(name, value);
  }
  if (at < args.length) return await become(self, args.slice(at), { env: changed });
  for (const [name, value] of changed) await self.out(`${name}=${value}\n`);
  return 0;
};

/** Sends a signal to the child and to the rest of this process's group. */
function signalGroup(self: Process, child: Process, signal: SignalName): void {
  child.kill(signal);
  const { table, machine, pgid } = self;
  for (const other of table.visibleFrom(machine))
    if (other.pgid === pgid && other !== self && other !== child) other.kill(signal);
  if (signal === 'KILL') self.kill('KILL');
}

const timeout: Program = async (self) => {
  const valued = ['s', 'k', 'signal', 'kill-after'];
  const options = readOptions(self.argv.slice(1), { valued, strict: true });
  const [limit = '', ...argv] = options.operands;
  const limitMs = parseDuration(limit);
  const signal = findSignal(options.get('s', 'signal') ?? 'TERM');
  if (limitMs === undefined) return await complain(self, `invalid time interval '${limit}'`, 125);
  if (signal === undefined) return await complain(self, 'invalid signal', 125);
  if (argv.length === 0) return await complain(self, 'missing operand', 125);
  // GNU timeout leads a group of its own, so that what it ends includes its children's children.
  if (!options.has('foreground')) self.pgid = self.pid;
  let child: Process;
  try {
    child = start(self, argv);
  } catch (error) {
    if (!(error instanceof NotRunnable)) throw error;
    return await complain(self, `failed to run command '${argv[0]}': ${error.reason}`, error.status);
  }
  let timedOut = false;
  for (const forwarded of ['TERM', 'HUP', 'INT'] as const)
    self.handlers.set(forwarded, () => signalGroup(self, child, forwarded));
  const watch = new AbortController();
  const expire = async () => {
    if (limitMs === 0) return;
    await pause(limitMs, watch.signal);
    timedOut = true;
    signalGroup(self, child, signal);
    const killAfterMs = parseDuration(options.get('k', 'kill-after') ?? '');
    if (killAfterMs === undefined) return;
    await pause(killAfterMs, watch.signal);
    signalGroup(self, child, 'KILL');
  };
  expire().catch(() => {});
  const stopWatching = () => watch.abort();
  self.signal.addEventListener('abort', stopWatching, { once: true });
  const exit = await child.exited;
  stopWatching();
  if (timedOut) return options.has('preserve-status') ? statusOf(exit) : 124;
  if ('signal' in exit) {
    self.handlers.clear();
    self.kill(exit.signal);
  }
  return statusOf(exit);
};

const nohup: Program = async (self) => {
  self.ignored.add('HUP');
  return await become(self, self.argv.slice(1));
};

const setsid: Program = async (self) => {
  const { operands, has } = readOptions(self.argv.slice(1), { strict: true });
  if (self.pgid !== self.pid) {
    self.pgid = self.pid;
    return await become(self, operands);
  }
  // A group leader cannot start a session: setsid leaves a child to do it.
  const child = start(self, operands);
  child.pgid = child.pid;
  return has('w', 'wait') ? statusOf(await child.exited) : 0;
};

const nice: Program = async (self) => {
  const { operands } = readOptions(self.argv.slice(1), { valued: ['n', 'c', 'p', 'o', 'e'], strict: true });
  return await become(self, operands);
};

function credentials(self: Process, user: User) {
  return { uid: user.uid, gid: user.gid, groups: groupsOf(self.machine.files, user) };
}

function asUser(self: Process, user: User): Map<string, string> {
  return new Map([
    ...self.env,
    ['HOME', user.home],
    ['SHELL', user.shell],
    ['USER', user.name],
    ['LOGNAME', user.name],
  ]);
}

const setpriv: Program = async (self) => {
  const valued = ['reuid', 'regid', 'groups', 'inh-caps', 'bounding-set'];
  const { operands, get, has } = readOptions(self.argv.slice(1), { valued, strict: true });
  if (self.who.uid !== 0) return await complain(self, 'setresuid failed: Operation not permitted', 127);
  const named = get('reuid') ?? '0';
  const user = findUser(self.machine.files, /^\d+$/.test(named) ? Number(named) : named);
  const uid = user?.uid ?? Number(named);
  const gid = Number(get('regid') ?? user?.gid ?? 0);
  if (Number.isNaN(uid)) return await complain(self, `failed to parse reuid: '${named}'`, 127);
  const groups = has('init-groups') && user !== undefined ? groupsOf(self.machine.files, user) : [gid];
  return await become(self, operands, { who: { uid, gid, groups } });
};

const suHelp = ` su [options] [-] [<user> [<argument>...]]

 -m, -p, --preserve-environment   do not reset environment variables
 -, -l, --login                   make the shell a login shell
 -c, --command <command>          pass a single command to the shell with -c
 --session-command <command>      pass a single command to the shell with -c
                                   and do not create a new session
 -s, --shell <shell>              run <shell> if /etc/shells allows it
`;

const su: Program = async (self) => {
  const args = self.argv.slice(1);
  const valued = ['s', 'c', 'shell', 'command', 'session-command'];
  const { operands, get, has } = readOptions(args, { valued });
  if (has('help')) {
    await self.out(suHelp);
    return 0;
  }
  const login = has('l', 'login') || operands[0] === '-';
  const [name = 'root', ...rest] = operands.filter((operand) => operand !== '-');
  const user = findUser(self.machine.files, name);
  if (user === undefined)
    return await complain(
      self,
      `user ${name} does not exist or the user entry does not contain all the required fields`,
    );
  if (self.who.uid !== 0) return await complain(self, 'Authentication failure');
  const command = get('c', 'command') ?? get('session-command');
  const shell = get('s', 'shell') ?? user.shell;
  if (get('c', 'command') !== undefined) self.pgid = self.pid;
  if (login) self.cwd = user.home;
  const script = command === undefined ? [] : ['-c', command];
  return await become(self, [shell, ...script, ...rest], {
    who: credentials(self, user),
    env: asUser(self, user),
  });
};

/** The lab's sudo trusts root alone: there is nobody to ask for a password. */
const sudo: Program = async (self) => {
  const { operands, get } = readOptions(self.argv.slice(1), { valued: ['u', 'g', 'user'], strict: true });
  if (self.who.uid !== 0) return await complain(self, 'a password is required');
  const user = findUser(self.machine.files, get('u', 'user') ?? 'root');
  if (user === undefined) return await complain(self, `unknown user ${get('u', 'user')}`);
  const extra = [
    ['SUDO_USER', 'root'],
    ['SUDO_UID', '0'],
    ['SUDO_GID', '0'],
  ] as const;
  const changed = new Map([...asUser(self, user), ...extra, ['SUDO_COMMAND', operands.join(' ')] as const]);
  return await become(self, operands, { who: credentials(self, user), env: changed });
};

const runuser: Program = async (self) => {
  const { operands, get } = readOptions(self.argv.slice(1), { valued: ['u'], strict: true });
  const user = findUser(self.machine.files, get('u') ?? '');
  if (user === undefined) return await complain(self, `user ${get('u')} does not exist`);
  return await become(self, operands, { who: credentials(self, user) });
};

const maxInputBytes = 1024 * 1024;

const xargs: Program = async (self) => {
  const valued = ['n', 'I', 'd', 'P', 'L', 'max-args'];
  const { operands, get, has } = readOptions(self.argv.slice(1), { valued, strict: true });
  let text = '';
  for (;;) {
    const chunk = await self.read(0, 64 * 1024);
    if (chunk.length === 0) break;
    text += chunk.toString('latin1');
    if (text.length > maxInputBytes) return await complain(self, 'argument list too long');
  }
  const placeholder = get('I');
  const separator = has('0') ? '\0' : placeholder === undefined ? /\s+/ : '\n';
  const items = text.split(separator).filter((item) => item !== '');
  const command = operands.length > 0 ? operands : ['echo'];
  if (items.length === 0 && has('r')) return 0;
  const size = placeholder === undefined ? Number(get('n', 'max-args') ?? (items.length || 1)) : 1;
  let status = 0;
  for (let at = 0; at < Math.max(1, items.length); at += size) {
    const batch = items.slice(at, at + size);
    const argv =
      placeholder === undefined
        ? [...command, ...batch]
        : command.map((word) => word.replaceAll(placeholder, batch[0] ?? ''));
    const code = await run(self, argv);
    if (code === 126 || code === 127) return code;
    if (code !== 0) status = 123;
  }
  return status;
};

/** stdbuf, ionice and their like change nothing that the lab knows of. */
export const wrappers: Readonly<Record<string, Program>> = {
  ...{ env, timeout, nohup, setsid, nice, ionice: nice, stdbuf: nice },
  ...{ setpriv, su, sudo, runuser, xargs },
};
