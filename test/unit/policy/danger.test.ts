import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { dangerIn } from '../../../src/policy/danger.ts';

const dangerous: readonly (readonly [command: string, what: RegExp])[] = [
  ['rm -rf /', /root file system/],
  ['rm -rf /;echo done', /root file system/],
  ['cd /tmp && rm -fr / && ls', /root file system/],
  ['rm -r -f /', /root file system/],
  ['rm --recursive --force /', /root file system/],
  ['rm -rf -- /', /root file system/],
  ['rm -rf /*', /root file system/],
  ['rm -rf "/"', /root file system/],
  ["rm -rf '/'", /root file system/],
  ['sudo rm -rf /', /root file system/],
  ['rm -rf --no-preserve-root /', /root file system/],
  ['rm -rf / --no-preserve-root', /root file system/],
  ['/bin/rm -rf /', /root file system/],
  ['LANG=C rm -rf /', /root file system/],
  ['rm -rf /  # all of it', /root file system/],
  ['sudo -n rm -rf /', /root file system/],
  ['nice -n 10 rm -rf /*', /root file system/],
  ['timeout 5 rm -rf /', /root file system/],
  ['! rm -rf /', /root file system/],
  ['if true; then rm -rf /; fi', /root file system/],
  ['for i in 1 2; do rm -rf /; done', /root file system/],
  ['x=$(rm -rf /)', /root file system/],
  ['echo a\nrm -rf /', /root file system/],
  ['mkfs.ext4 /dev/sda1', /formatting/],
  ['mkfs -t xfs /dev/nvme0n1', /formatting/],
  ['dd if=/dev/zero of=/dev/sda bs=1M', /raw write/],
  ['dd of=/dev/nvme0n1 if=x.img', /raw write/],
  ['cat x.img > /dev/sda', /raw write/],
  ['echo x >/dev/mapper/pve-root', /raw write/],
  ['wipefs -a /dev/sdb', /erasure/],
  ['blkdiscard /dev/sdb', /erasure/],
  [':(){ :|:& };:', /fork bomb/],
  [':() { : | : & } ; :', /fork bomb/],
  ['chmod -R 777 /', /mode or owner/],
  ['chown -R www-data:www-data / ', /mode or owner/],
  ['chmod --recursive 777 /', /mode or owner/],
];
for (const [command, what] of dangerous) {
  test(`${command} is taken for a danger`, () => {
    assert.match(dangerIn(command) ?? 'nothing', what);
  });
}

const harmless = [
  'rm -rf /tmp/x',
  'rm -rf /var/log/*.gz',
  'rm -rf ./build /srv/cache',
  'rm -rf "/srv/a b"',
  'ls /',
  'ls -R /',
  'rm file; ls /',
  'find / -name core',
  'du -sh /*',
  'farm -rf /',
  'dd if=/dev/sda of=/dev/null bs=1M',
  'dd if=/dev/zero of=/tmp/x bs=1M count=1',
  'dd if=/dev/zero of=/dev/stdout count=1',
  'dd if=/dev/zero of=/dev/shm/x bs=1M count=1',
  'echo x > /dev/null',
  'echo x 2>/dev/stderr',
  'mkfs.ext4 /srv/disk.img',
  'mkfs --help',
  'wipefs --help',
  'chmod -R 755 /srv/www',
  'chmod 755 /',
  'chown -R git:git /srv/git/',
  'echo "rm -rf /"',
  'echo of=/dev/sda',
  'git rm -r --cached /srv/x',
  'docker rm web',
  'man rm',
  'f() { f; }; f',
];
for (const command of harmless) {
  test(`${command} passes`, () => {
    assert.equal(dangerIn(command), undefined);
  });
}

/** Any caller may send 100 kB of it, and everybody waits meanwhile. */
for (const [unit, prefix] of [
  ['rm ', ''],
  ['dd ', ''],
  ['mkfs ', ''],
  ['R', 'chmod -'],
] as const) {
  test(`ten looks at 100 kB of «${prefix}${unit}» come to an end`, () => {
    const module = new URL('../../../src/policy/danger.ts', import.meta.url).href;
    const text = `'${prefix}' + '${unit}'.repeat(${Math.ceil(100_000 / unit.length)})`;
    const program = `import { dangerIn } from '${module}'; for (let i = 0; i < 10; i++) dangerIn(${text});`;
    const { status, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      timeout: 5_000,
      killSignal: 'SIGKILL',
    });
    assert.deepEqual({ status, signal }, { status: 0, signal: null });
  });
}
