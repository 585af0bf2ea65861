import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { type Lab, startLab } from '../../../lab/lab.ts';
import {
  ask,
  assertAsGolden,
  assertSameShape,
  auditor,
  carryOut,
  get,
  golden,
  type Login,
  loginWith,
  withoutTranscripts,
} from './rest-client.ts';

const local = '/nodes/pve1/storage/local';

interface Volume {
  readonly volid: string;
  readonly content: string;
  readonly vmid?: number;
  readonly size: number;
  readonly [key: string]: unknown;
}

let lab: Lab;
let viewer: Login;
let bare: Login;

before(async () => {
  lab = await startLab();
  lab.api.control.taskMs = 1;
  viewer = loginWith(lab, 'viewer', auditor);
  bare = loginWith(lab, 'bare', []);
});

after(() => lab.close());

async function content(storage = 'local', params = {}, login?: Login): Promise<Volume[]> {
  return await get(lab, `/nodes/pve1/storage/${storage}/content`, params, login);
}

describe('storages against the transcripts', { skip: withoutTranscripts }, () => {
  test('have the keys and types of a real node', async () => {
    const shapes = [
      ['/storage', 'storage-cfg'],
      ['/nodes/pve1/storage', 'storage-list'],
      [`${local}/status`, 'storage-status'],
    ] as const;
    for (const [path, id] of shapes) assertSameShape(await get(lab, path), golden(id).body.data, path);
  });

  test('refuse in its words', async () => {
    assertAsGolden(await ask(lab, 'GET', '/storage', {}, bare), 'storage-cfg-bare');
    assertAsGolden(await ask(lab, 'GET', '/nodes/pve1/storage', {}, bare), 'storage-list-bare');
    assertAsGolden(await ask(lab, 'GET', `${local}/status`, {}, bare), 'storage-status-bare');
    assertAsGolden(await ask(lab, 'GET', '/nodes/pve1/storage/nosuch/status'), 'storage-unknown');
    assertAsGolden(await ask(lab, 'GET', '/nodes/pve1/storage/nosuch/content'), 'storage-content-unknown');
    assertAsGolden(await ask(lab, 'GET', `${local}/content`, { content: 'nosuch' }), 'storage-content-bad');
  });

  test('list volumes with its keys and types', async () => {
    const real = golden('storage-content').body.data as Volume[];
    const own = [...(await content()), ...(await content('local-lvm'))];
    const pick = (volumes: Volume[], kind: string) => volumes.find((volume) => volume.content === kind);
    for (const kind of ['rootdir', 'vztmpl']) assertSameShape(pick(own, kind), pick(real, kind), kind);
  });

  test('tell of a volume, and of one that is not there', async () => {
    const disk = `${local}-lvm/content/${encodeURIComponent('local-lvm:vm-100-disk-0')}`;
    assertSameShape(await get(lab, disk), golden('storage-volume').body.data);
    const missing = await ask(lab, 'GET', `${local}/content/local%3A112%2Fvm-112-disk-9.raw`);
    assertAsGolden(missing, 'storage-volume-missing');
  });

  test('remove what is not there without failing, and nothing for a viewer', async () => {
    const path = `${local}/content/local%3Avztmpl%2Fnosuch.tar.zst`;
    const { type, id, exitStatus } = await carryOut(lab, 'DELETE', path);
    assert.deepEqual({ type, id, exitStatus }, { type: 'imgdel', id: 'local', exitStatus: 'OK' });
    assertAsGolden(await ask(lab, 'DELETE', path, {}, viewer), 'storage-delete-viewer');
  });
});

describe('storages', () => {
  test('are narrowed to a kind of content', async () => {
    const names = async (params: Record<string, string>) =>
      (await get<{ storage: string }[]>(lab, '/nodes/pve1/storage', params)).map(({ storage }) => storage);
    assert.deepEqual(await names({}), ['local', 'local-lvm', 'nas']);
    assert.deepEqual(await names({ content: 'rootdir' }), ['local-lvm', 'nas']);
    assert.deepEqual(await names({ storage: 'nas' }), ['nas']);
  });

  test('show guests their disks, by whoever may see them', async () => {
    const disks = await content('local-lvm');
    assert.deepEqual(
      disks.map(({ volid, content: kind, size, vmid }) => ({ volid, kind, size, vmid })).slice(0, 1),
      [{ volid: 'local-lvm:vm-100-disk-0', kind: 'rootdir', size: 8 * 1024 ** 3, vmid: 100 }],
    );
    assert.deepEqual(await content('local-lvm', {}, viewer), []);
    const kinds = new Set((await content('local', {}, viewer)).map((volume) => volume.content));
    assert.deepEqual([...kinds], ['iso', 'vztmpl']);
  });

  test('filter volumes by content and guest', async () => {
    const isos = await content('local', { content: 'iso' });
    assert.deepEqual(
      isos.map(({ volid }) => volid),
      ['local:iso/debian-13.1.0-amd64-netinst.iso'],
    );
    const owners = (await content('local-lvm', { vmid: 101 })).map(({ vmid }) => vmid);
    assert.deepEqual(owners, [101]);
  });

  test('keep a disk that a guest has', async () => {
    const path = `${local}-lvm/content/local-lvm%3Avm-100-disk-0`;
    const { exitStatus } = await carryOut(lab, 'DELETE', path);
    assert.match(exitStatus, /in use by guest 100/);
    assert.equal((await content('local-lvm', { vmid: 100 })).length, 1);
  });

  test('take new disks of a guest, under its own name only', async () => {
    const make = (filename: string) =>
      ask(lab, 'POST', `${local}-lvm/content`, { filename, vmid: 102, size: '2G' });
    const made = await make('vm-102-disk-7');
    assert.equal(made.data, 'local-lvm:vm-102-disk-7');
    assert.equal((await content('local-lvm', { vmid: 102 })).at(-1)?.size, 2 * 1024 ** 3);
    assert.match((await make('vm-102-disk-7')).reason, /already exists/);
    assert.equal((await make('vm-100-disk-7')).reason, "illegal name 'vm-100-disk-7' - should be 'vm-102-*'");
    const { id } = await carryOut(lab, 'DELETE', `${local}-lvm/content/vm-102-disk-7`);
    assert.equal(id, '102@local-lvm');
    assert.equal((await content('local-lvm', { vmid: 102 })).length, 1);
  });
});

describe('downloads', () => {
  const url = 'https://images.example.org/alpine.iso';
  const fetched = { url, content: 'iso', filename: 'alpine.iso' };
  const post = `${local}/download-url`;

  test('bring a volume, once', async () => {
    const { type, id, exitStatus } = await carryOut(lab, 'POST', post, fetched);
    assert.deepEqual({ type, id, exitStatus }, { type: 'download', id: 'alpine.iso', exitStatus: 'OK' });
    assert.ok(
      (await content('local', { content: 'iso' })).some(({ volid }) => volid === 'local:iso/alpine.iso'),
    );
    assert.match((await carryOut(lab, 'POST', post, fetched)).exitStatus, /existing file/);
  });

  test('fail where the server is not to be found, and where the checksum is another', async () => {
    const lost = { ...fetched, url: 'https://nowhere.invalid/x.iso', filename: 'x.iso' };
    assert.match((await carryOut(lab, 'POST', post, lost)).exitStatus, /unable to resolve/);
    const sum = { 'checksum-algorithm': 'sha256', checksum: 'ab'.repeat(32) };
    const wrong = await carryOut(lab, 'POST', post, { ...fetched, ...sum, filename: 'y.iso' });
    assert.match(wrong.exitStatus, /checksum mismatch/);
    const checksum = createHash('sha256').update(url).digest('hex');
    const right = await carryOut(lab, 'POST', post, { ...fetched, ...sum, checksum, filename: 'y.iso' });
    assert.equal(right.exitStatus, 'OK');
  });

  test('are refused before they begin where they cannot be', async () => {
    const refused = async (params: object, where = post) =>
      await ask(lab, 'POST', where, { ...fetched, ...params });
    assert.deepEqual((await refused({ filename: 'a.exe' })).errors, { filename: 'wrong file extension' });
    assert.match((await refused({ content: 'iso' }, `${local}-lvm/download-url`)).reason, /not a file based/);
    assert.match((await refused({ url: 'ftp://x/y.iso' })).errors?.url ?? '', /regex pattern/);
    assert.deepEqual(Object.keys((await refused({ checksum: 'ab' })).errors ?? {}), ['checksum-algorithm']);
    const operator = loginWith(lab, 'operator', ['Datastore.AllocateTemplate']);
    const denied = await ask(lab, 'POST', post, fetched, operator);
    assert.equal(denied.reason, 'Permission check failed (/nodes/pve1, Sys.AccessNetwork)');
  });

  test('can be looked into first', async () => {
    const about = await get<{ filename: string }>(lab, '/nodes/pve1/query-url-metadata', { url });
    assert.equal(about.filename, 'alpine.iso');
    const lost = await ask(lab, 'GET', '/nodes/pve1/query-url-metadata', { url: 'http://a.invalid/b' });
    assert.equal(lost.status, 500);
  });

  test('bring templates that are on offer', async () => {
    const [first] = await get<{ template: string }[]>(lab, '/nodes/pve1/aplinfo');
    assert.ok(first);
    const { template } = first;
    const ended = await carryOut(lab, 'POST', '/nodes/pve1/aplinfo', { storage: 'local', template });
    assert.equal(ended.exitStatus, 'OK');
    const templates = (await content('local', { content: 'vztmpl' })).map(({ volid }) => volid);
    assert.ok(templates.includes(`local:vztmpl/${template}`));
  });
});
