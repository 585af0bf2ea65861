import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, shapeAt, shapes } from '../../../src/mcp/shapes.ts';
import { catalog } from '../../../src/tools/catalog.ts';
import { hostileStrings } from '../hostile-strings.ts';

const upid = 'UPID:pve1:00004DC4:000A73EB:6B00EF18:qmstart:300:root@pam!lab:';
const valueFor = { node: 'pve1', vmid: '300', upid } as const;

for (const shape of shapes) {
  const tools = typeof shape.tool === 'string' ? [shape.tool] : Object.values(shape.tool);

  test(`${shape.address} is read by tools that only read, with an argument that they know`, () => {
    for (const name of tools) {
      const tool = catalog.find((each) => each.name === name) ?? assert.fail(name);
      assert.equal(tool.effect, 'read');
      const args = shape.argument === undefined ? {} : { [shape.argument]: valueFor[shape.argument] };
      assert.ok(tool.input.safeParse(args).success, name);
    }
  });

  test(`${shape.address} leads from a value to its address and back`, () => {
    if (shape.argument === undefined) return assert.deepEqual(shapeAt(shape.address), { shape, value: '' });
    const value = valueFor[shape.argument];
    const address = addressOf(shape, value);
    assert.match(address, /^proxmox:\/\/[a-z]+\/[A-Za-z0-9%._!-]+(\/config)?$/);
    assert.deepEqual(shapeAt(address), { shape, value });
    assert.deepEqual(shapeAt(shape.address.replace(/\{\w+\}/, value)), { shape, value });
  });
}

test('everything else is no address', () => {
  for (const uri of [
    '',
    'proxmox://',
    'proxmox://nodes/',
    'proxmox://nodes/a/b',
    'proxmox://nodes/pve1?x',
    'proxmox://nodes/pve1#x',
    'proxmox://nodes/%E0%A4%A',
    'PROXMOX://nodes',
    'http://nodes',
    ' proxmox://nodes',
    'proxmox://guests',
    'proxmox://guests/',
    'proxmox://guests//config',
    'proxmox://guests/-web',
    'proxmox://guests/web%2Fconfig',
    'proxmox://guests/web one',
    'proxmox://guests/99',
    'proxmox://guests/0100',
    'proxmox://guests/1e3',
    'proxmox://guests/100/config/',
    'proxmox://guests/100/status',
    `proxmox://nodes/${'a'.repeat(2_000)}`,
  ])
    assert.equal(shapeAt(uri), undefined, uri);
});

test('hostile text in an address is at most a value', () => {
  for (const hostile of hostileStrings(300)) {
    const found = shapeAt(`proxmox://nodes/${encodeURIComponent(hostile)}`);
    if (found !== undefined) assert.equal(found.value, hostile);
    const guest = shapeAt(`proxmox://guests/${encodeURIComponent(hostile)}/config`);
    if (guest !== undefined) assert.match(guest.value, /^[A-Za-z0-9.-]+$/);
  }
});
