import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { GatewayError } from '../../../src/base/errors.ts';
import { createTransferFolder } from '../../../src/ops/files/transfer-folder.ts';

const base = mkdtempSync(join(tmpdir(), 'local-path-test-'));
after(() => rmSync(base, { recursive: true }));
const [inside, outside] = [join(base, 'transfer'), join(base, 'other')];
for (const directory of [inside, outside]) mkdirSync(directory);
writeFileSync(join(outside, 'secret'), 'OUTSIDE');
symlinkSync(outside, join(inside, 'way-out'));
const folder = createTransferFolder({ directory: inside });

/** What both ends say; fails where one of them takes the path, or says it in other words. */
async function refusal(localPath: string): Promise<string> {
  const toRead = await folder.openSource(localPath).catch((error: unknown) => error);
  assert.ok(toRead instanceof GatewayError, JSON.stringify(localPath));
  assert.equal(toRead.code, 'INVALID_ARGUMENT', localPath);
  assert.throws(() => folder.createSink(localPath, { overwrite: true }), { message: toRead.message });
  return toRead.message;
}

const refused: Record<string, readonly string[]> = {
  'a .. segment': [
    ...[
      '..',
      '../other/secret',
      '../transfer/file',
      'sub/../../other/secret',
      'sub/..',
      './..//other/secret',
    ],
    ...['way-out/../secret', `${inside}/../other/secret`, `${inside}/..`, '/../etc/passwd', 'file/../file'],
  ],
  'relative to the transfer folder': [
    ...[
      '/etc/passwd',
      '/',
      '/proc/self/environ',
      '//etc/passwd',
      join(outside, 'secret'),
      base,
      `${inside}x`,
    ],
    ...[`${inside}-other/file`, '/dev/fd/0', `/./etc${inside}/file`, inside.toUpperCase()],
  ],
  'must name a file': [
    ...['', '.', './', './/.', inside, `${inside}/`, `/${inside}/.`, 'sub/', 'sub/.', 'file/', './file/./'],
  ],
  'a NUL': ['\0', 'file\0', 'file\0.sql', `${inside}/\0/../../other`],
  'not valid Unicode': ['\ud800', 'sub/\udfff.sql', 'file\udc80'],
  'longer than 4096 bytes': ['x/'.repeat(2048).concat('x'), 'é'.repeat(2049)],
  'longer than 255 bytes': ['x'.repeat(256), `sub/${'é'.repeat(128)}`, `${'x'.repeat(256)}/file`],
  'unfinished files': ['sub/.proxmox-mcp-01234567-89ab-cdef-0123-456789abcdef.part'],
};
for (const [why, paths] of Object.entries(refused))
  test(`refused, with the reason «${why}»`, async () => {
    for (const path of paths) {
      const said = await refusal(path);
      assert.ok(said.includes('local_path: ') && said.includes(why), `${JSON.stringify(path)}: ${said}`);
    }
    assert.deepEqual(readdirSync(inside), ['way-out']);
    assert.deepEqual(readdirSync(outside), ['secret']);
  });

test('the limits themselves are allowed', async () => {
  const deep = `${'x/'.repeat(2047)}xx`;
  assert.equal(Buffer.byteLength(deep), 4096);
  for (const path of ['x'.repeat(255), 'é'.repeat(127), deep])
    await assert.rejects(folder.openSource(path), { code: 'FILE_NOT_FOUND' });
});

test('what is said does not depend on what is there, and names no place of the gateway', async () => {
  const pairs = [
    [join(outside, 'secret'), join(outside, 'absent')],
    ['../other/secret', '../absent/secret'],
    ['/etc/passwd', '/no/such/thing'],
  ] as const;
  for (const [there, absent] of pairs) {
    const said = await refusal(there);
    assert.equal(said, await refusal(absent));
    for (const name of [base, 'secret', 'passwd']) assert.ok(!said.includes(name), said);
  }
});

test('through a link that leads out everything is told in the same words', async () => {
  const said = async (path: string) => {
    const error = await folder.openSource(path).catch((reason: unknown) => reason);
    assert.ok(error instanceof GatewayError);
    return error.message;
  };
  symlinkSync(join(outside, 'secret'), join(inside, 'to-secret'));
  symlinkSync(join(outside, 'absent'), join(inside, 'to-nothing'));
  symlinkSync(join(outside, 'absent'), join(inside, 'to-nowhere'));
  assert.equal(await said('way-out/secret'), await said('way-out/absent'));
  assert.equal(await said('way-out/secret'), await said('to-nowhere/secret'));
  assert.equal(await said('to-secret'), await said('to-nothing'));
});
