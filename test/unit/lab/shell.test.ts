import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Lab, startLab } from '../../../lab/lab.ts';
import { eventually } from '../../gateway/harness.ts';
import { connect, type LabClient } from './client.ts';
import { quote, talk } from './talk.ts';

/** What dash says on Debian 13, in the C locale. */
const cases: readonly (readonly [about: string, script: string, stdout: string, stderr?: string])[] = [
  [
    'noclobber makes a file once',
    'set -C; : >n; : >n || echo no; echo x >|n; cat n',
    '',
    'sh: 1: cannot create n: File exists\n',
  ],
  [
    'noclobber in a subshell',
    '(set -C; : >k) && echo made; (set -C; : >k) 2>/dev/null || echo there; echo y >k',
    'made\nthere\n',
  ],
  [
    'noclobber stops at a dangling link',
    'ln -s nowhere dangling; (set -C; : >dangling) 2>&1; [ -e nowhere ] || echo none',
    'sh: 1: cannot create dangling: File exists\nnone\n',
  ],
  [
    'command keeps a failed exec from ending the shell',
    'command exec 3<none || echo failed; exec 3<none; echo never',
    'failed\n',
    'sh: 1: cannot open none: No such file\nsh: 1: cannot open none: No such file\n',
  ],
  [
    'a descriptor opened again begins anew',
    'echo abc >f; exec 3<f; head -c 1 <&3; cat /proc/self/fd/3; cat <&3',
    'aabc\nbc\n',
  ],
  [
    'descriptors can be tested',
    'exec 3</etc/hostname 4</; for t in -e -f -d -p; do [ $t /proc/self/fd/3 ] && echo 3 $t; [ $t /proc/self/fd/4 ] && echo 4 $t; done; [ -e /proc/self/fd/7 ] || echo none',
    '3 -e\n4 -e\n3 -f\n4 -d\nnone\n',
  ],
  [
    'a descriptor is the same file as its path',
    'echo x >g; ln g h; exec 3<g; [ h -ef /proc/self/fd/3 ] && echo same; mv m g; [ g -ef /proc/self/fd/3 ] || echo other',
    'same\nother\n',
  ],
  [
    'the link of a descriptor is its real path',
    'mkdir -p d/e; echo x >d/e/f; ln -s d/e to; exec 3<to/f; readlink /proc/self/fd/3; readlink /proc/self/fd/0 <&3; rm d/e/f; readlink /proc/self/fd/3',
    '/tmp/w/d/e/f\n/tmp/w/d/e/f\n/tmp/w/d/e/f (deleted)\n',
  ],
  [
    'ls and stat follow a descriptor',
    "printf 12345 >s; chown 1:33 s; exec 3<s; stat -L -c '%s %u' /proc/self/fd/0 <&3; ls -dnL /proc/self/fd/0 <&3 | { read -r _ _ u g s _; echo $u $g $s; }",
    '5 1\n1 33 5\n',
  ],
  ['fields end with NUL', "printf '%s\\0' a '' 'b c' | od -An -c", '   a  \\0  \\0   b       c  \\0\n'],
  [
    'read takes its line and nothing more',
    "printf 'one two\\nrest\\0of it' | { IFS=' ' read -r a b; echo $b; cat; }",
    'two\nrest\0of it',
  ],
  [
    'head takes exactly its bytes',
    "printf 'abcdef' | { head -c 2; echo; head -c 3; echo; cat; }",
    'ab\ncde\nf',
  ],
  [
    'dd takes full blocks',
    '(printf abc; sleep 0.1; printf defgh) | { dd bs=4 count=1 iflag=fullblock 2>/dev/null; echo; cat; }',
    'abcd\nefgh',
  ],
  [
    'dd takes what one read gives',
    '(printf abc; sleep 0.1; printf defgh) | { dd bs=4 count=1 2>/dev/null; echo; cat; }',
    'abc\ndefgh',
  ],
  [
    'dd counts bytes instead of blocks',
    '(printf abc; sleep 0.1; printf defgh) | { dd bs=4 count=6 iflag=count_bytes 2>/dev/null; echo; cat; }',
    'abcdef\ngh',
  ],
  [
    'dd tells of its blocks',
    'head -c 10 /dev/zero | dd bs=4 2>&1 >/dev/null | head -n 2',
    '2+1 records in\n2+1 records out\n',
  ],
  [
    'tail begins anywhere',
    'printf 0123456789 >t; tail -c +4 t; echo; tail -c 3 t; echo; tail -c +20 t; tail -c +1 t | tail -c +10',
    '3456789\n789\n9',
  ],
  ['an EXIT trap runs at the end, at exit, and once', "trap 'echo bye' EXIT; (exit 3); echo $?", '3\nbye\n'],
  [
    'a trap on a signal runs before what follows',
    "trap 'echo gone' EXIT; trap 'exit 1' TERM; kill -TERM $$; echo never",
    'gone\n',
  ],
  [
    'a subshell has no traps',
    "trap 'echo outer' EXIT; (echo in; exit 0); x=$(echo sub); echo $x",
    'in\nsub\nouter\n',
  ],
  [
    'umask in a substitution stays there',
    'umask 077; x=$(umask 022; mkdir -p p/q; umask); : >u; echo $x; umask; stat -c %a p/q u',
    '0022\n0077\n755\n600\n',
  ],
  [
    'ln makes no second entry',
    'echo x >l1; ln -T l1 l2; ln -T l1 l2',
    '',
    "ln: failed to create hard link 'l2': File exists\n",
  ],
  [
    'mv replaces a file, not a directory',
    'echo 1 >v1; echo 2 >v2; mkdir vd; mv -fT v1 v2; cat v2; mv -fT v2 vd',
    '1\n',
    "mv: cannot overwrite directory 'vd' with non-directory\n",
  ],
  [
    'cd and pwd find the real directory',
    "mkdir -p -- '-x/ y'; ln -s -- '-x/ y' lk; cd -P -- ./lk; pwd -P; cd -P -- '/tmp/w/-x'; pwd",
    '/tmp/w/-x/ y\n/tmp/w/-x\n',
  ],
  [
    'modes by letters',
    "echo x >mo; chmod u=rw,go= mo; chmod a+x,o-x mo; stat -c %a mo; chmod 4755 mo; stat -c '%a %A' mo; chmod q mo",
    '710\n4755 -rwsr-xr-x\n',
    "chmod: invalid mode: 'q'\nTry 'chmod --help' for more information.\n",
  ],
  [
    'a change of any kind shows in ctime',
    'echo x >ct; a=$(stat -c %z ct); chmod 600 ct; b=$(stat -c %z ct); printf y >ct; c=$(stat -c \'%z\' ct); [ "$a" != "$b" ] && [ "$b" != "$c" ] && echo differ',
    'differ\n',
  ],
];

describe('the lab’s shell', () => {
  let lab: Lab;
  let client: LabClient;
  before(async () => {
    lab = await startLab();
    client = await connect(lab);
  });
  after(async () => {
    client.close();
    await lab.close();
  });

  for (const [about, script, stdout, stderr = ''] of cases)
    test(about, async () => {
      const fresh = 'rm -rf /tmp/w; mkdir /tmp/w; cd /tmp/w';
      const ran = await client.run(
        `export LC_ALL=C; ${fresh}; echo kept >m0; cp m0 m; exec sh -c ${quote(script)}`,
      );
      assert.deepEqual({ stdout: ran.stdout.toString(), stderr: ran.stderr.toString() }, { stdout, stderr });
    });

  test('a signal that is handled ends a read that waits', async () => {
    const script = "trap 'echo bye' EXIT; trap 'exit 7' TERM; echo $1; read -r line; echo never";
    const talking = await talk(client, script, []);
    const shell = lab.node.processes
      .visibleFrom(lab.node.machine)
      .find(({ argv, machine }) => argv[2] === script && machine.kind === 'container');
    assert.ok(shell);
    shell.kill('TERM');
    assert.equal((await talking.bytes(4)).toString(), 'bye\n');
    assert.equal(await talking.end(), 7);
  });

  for (const [what, through, signals, left] of [
    ['a shell on the host dies of PIPE without its EXIT trap', [], 'TERM', 'mark\n'],
    ['a shell on the host that handles PIPE ends as it wants', [], 'TERM PIPE', ''],
    [
      'a command in a container lives on',
      ['lxc-attach', '-n', '100', '--clear-env', '--'],
      'TERM',
      'after\n',
    ],
  ] as const)
    test(`writing to a client that is gone: ${what}`, async () => {
      const script = `rm -rf /tmp/p; mkdir /tmp/p; cd /tmp/p; trap 'rm -f mark' EXIT; trap 'exit 1' ${signals}; : >mark; echo $1; read -r x; echo $x; sleep 0; [ ! -e mark ] || : >after`;
      await talk(client, script, [], through);
      lab.control.dropConnections();
      client = await connect(lab);
      const { machine } = through.length === 0 ? lab.node : { machine: lab.node.guest(100)?.machine };
      assert.ok(machine);
      const running = () => lab.node.processes.visibleFrom(machine).some(({ argv }) => argv[2] === script);
      await eventually(() => !running() || undefined);
      const look = [...through, 'ls', '/tmp/p'].join(' ');
      assert.equal((await client.run(look)).stdout.toString(), left);
    });

  test('opening a FIFO waits, and ends with its process', async () => {
    const ran = await client.run(
      "mkfifo /tmp/fifo; timeout -s KILL 0.2 sh -c 'command exec 3</tmp/fifo; echo opened' 2>/dev/null; stat -c %F /tmp/fifo",
    );
    assert.equal(ran.stdout.toString(), 'fifo\n');
  });
});
