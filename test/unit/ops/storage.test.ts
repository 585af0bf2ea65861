import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createStorage } from '../../../src/ops/storage.ts';
import { failsWith, type GuestNode, startGuestNode, wait } from './guest-node.ts';
import { backup, serveStorages } from './storage-node.ts';

const { signal } = new AbortController();
const all = () => true;
const everything = { node: undefined, content: undefined };
let node: GuestNode;
let storage: ReturnType<typeof createStorage>;
before(async () => {
  node = await startGuestNode();
  storage = createStorage(node.room);
});
after(() => node.close());
beforeEach(() => {
  serveStorages(node, {});
  node.writes.length = node.reads.length = 0;
});

test('the storages of all nodes come from one look, shared ones once', async () => {
  const list = await storage.list(everything, signal);
  assert.deepEqual(
    list.map(({ storage: name, nodes, active }) => `${name} ${nodes.join()} ${active}`),
    ['local pve1 true', 'nas pve1,pve2 true', 'pool pve1 true', 'local pve2 true'],
  );
  assert.deepEqual(list[0], {
    ...{ storage: 'local', nodes: ['pve1'], type: 'dir', content: ['backup', 'iso', 'vztmpl'] },
    ...{ shared: false, active: true, totalBytes: 100 * 1024 ** 3, usedBytes: 40 * 1024 ** 3 },
    availableBytes: undefined,
  });
  assert.equal(node.reads.length, 1);
  const forImages = await storage.list({ ...everything, content: 'images' }, signal);
  assert.deepEqual(
    forImages.map(({ storage: name }) => name),
    ['pool'],
  );
});

test('the storages of one node have what is available there', async () => {
  const entry = { storage: 'local', type: 'dir', content: 'iso,backup', shared: 0, active: 1 };
  const size = { total: 1000, used: '300', avail: 500 };
  const off = {
    storage: 'gone',
    type: 'nfs',
    content: 'iso',
    shared: 1,
    active: 0,
    total: 0,
    used: 0,
    avail: 0,
  };
  serveStorages(node, {}, { '/nodes/pve2/storage': [{ ...entry, ...size }, off] });
  const list = await storage.list({ node: 'pve2', content: undefined }, signal);
  assert.deepEqual(
    list.map((one) => [one.storage, one.active, one.nodes.join(), one.usedBytes, one.availableBytes]),
    [
      ['gone', false, 'pve2', 0, 0],
      ['local', true, 'pve2', 300, 500],
    ],
  );
});

test('what a storage holds is listed for those who may see it', async () => {
  serveStorages(node, {
    'pve1/local': [
      { volid: 'local:iso/b.iso', content: 'iso', size: 7 },
      { volid: 'local:101/vm-101-disk-0.raw', content: 'images', vmid: '101' },
      { volid: 'local:100/vm-100-disk-0.raw', content: 'images', vmid: 100 },
      backup('local:backup/vzdump-lxc-101-x.tar', 100),
    ],
  });
  const request = { storage: 'local', node: 'pve1', content: undefined, vmid: undefined };
  const may = (vmid: number) => vmid !== 101;
  const volids = async (more: object) =>
    (await storage.content({ ...request, mayReach: may, ...more }, signal)).map(({ volid }) => volid);
  assert.deepEqual(await volids({}), ['local:100/vm-100-disk-0.raw', 'local:iso/b.iso']);
  assert.deepEqual(await volids({ content: 'iso' }), ['local:iso/b.iso']);
  assert.deepEqual(await volids({ vmid: 100 }), ['local:100/vm-100-disk-0.raw']);
  assert.deepEqual(await volids({ vmid: 101 }), []);
  const both = storage.content({ ...request, node: undefined, mayReach: all }, signal);
  await assert.rejects(both, failsWith('INVALID_ARGUMENT', /each node has its own storage local/));
});

const iso = {
  ...{ storage: 'local', node: 'pve2', content: 'iso', fileName: 'a.iso' },
  url: 'https://mirror.lan/a.iso?x=1&y=2',
};

test('a download names what is checked', async () => {
  const plain = await storage.download({ ...iso, checksum: undefined }, wait());
  assert.deepEqual([plain.node, plain.end?.state], ['pve2', 'ok']);
  await storage.download({ ...iso, checksum: { algorithm: 'sha256', hex: 'ab' } }, wait());
  const asked =
    'POST /nodes/pve2/storage/local/download-url content=iso&url=https://mirror.lan/a.iso?x=1&y=2';
  assert.deepEqual(node.writes, [
    `${asked}&filename=a.iso`,
    `${asked}&filename=a.iso&checksum=ab&checksum-algorithm=sha256`,
  ]);
});

test('nothing is downloaded into a storage that is not for it, or not known', async () => {
  const unfit = storage.download({ ...iso, storage: 'pool', node: undefined, checksum: undefined }, wait());
  await assert.rejects(unfit, failsWith('INVALID_ARGUMENT', /pool is not for iso/));
  const away = storage.download({ ...iso, storage: 'pool', checksum: undefined }, wait());
  await assert.rejects(away, failsWith('INVALID_ARGUMENT', /pool is only on pve1/));
  assert.deepEqual(node.writes, []);
});

test('images and templates are gathered from every storage for them', async () => {
  serveStorages(node, {
    'pve1/local': [
      { volid: 'local:iso/b.iso', content: 'iso' },
      { volid: 'local:vztmpl/a.tar.zst', content: 'vztmpl' },
      backup('local:backup/vzdump-lxc-100-x.tar', 100),
    ],
    'pve2/local': [{ volid: 'local:iso/c.iso', content: 'iso' }],
  });
  const { volumes } = await storage.templates(undefined, signal);
  assert.deepEqual(
    volumes.map(({ volid, place }) => `${place.node} ${volid}`),
    ['pve1 local:iso/b.iso', 'pve1 local:vztmpl/a.tar.zst', 'pve2 local:iso/c.iso'],
  );
  assert.equal((await storage.templates('pve2', signal)).volumes.length, 1);
});

test('the catalogue of templates is that of the node that is named, or of one that answers', async () => {
  const offer = {
    template: 'b.tar.zst',
    section: 'system',
    headline: 'B',
    location: 'http://x/b',
    sha512sum: 'f',
  };
  serveStorages(
    node,
    {},
    {
      '/nodes/pve1/aplinfo': [offer, { template: 'a.tar.zst', version: 12 }],
      '/nodes/pve2/aplinfo': [],
    },
  );
  assert.deepEqual(await storage.offers(undefined, signal), [
    { template: 'a.tar.zst', section: '', headline: '', url: '', sha512: '' },
    { template: 'b.tar.zst', section: 'system', headline: 'B', url: 'http://x/b', sha512: 'f' },
  ]);
  assert.deepEqual(await storage.offers('pve2', signal), []);
});
