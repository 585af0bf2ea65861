import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindingOf, type Deed, misfit } from '../../../src/policy/confirm.ts';

const deed: Deed = {
  principal: { name: 'alice' },
  tool: 'proxmox_delete_snapshot',
  args: { vmid: 101, name: 'before', more: { a: 1, b: [1, 2], c: null } },
  guest: { vmid: 101, node: 'pve1', kind: 'container', name: 'web', tags: [] },
  others: [],
};
const guest = deed.guest ?? assert.fail();
const problem = (change: Partial<Deed>) => misfit(bindingOf(deed), bindingOf({ ...deed, ...change }));

test('an approval fits the same deed, however its arguments are ordered', () => {
  assert.equal(problem({}), undefined);
  assert.equal(
    problem({ args: { more: { c: null, b: [1, 2], a: 1 }, name: 'before', vmid: 101, force: undefined } }),
    undefined,
  );
  assert.equal(problem({ guest: { ...guest, tags: ['prod'] } }), undefined);
});

test('an approval fits no other arguments', () => {
  const { args } = deed;
  const others: Record<string, unknown>[] = [
    {},
    { ...args, name: 'before ' },
    { ...args, vmid: 102 },
    { ...args, vmid: '101' },
    { ...args, force: false },
    { ...args, more: { a: 1, b: [2, 1], c: null } },
    { ...args, more: { a: 1, b: [1, 2] } },
    { ...args, more: JSON.stringify(args.more) },
    { ...args, extra: 1 },
    JSON.parse('{"vmid":101,"name":"before","more":{"a":1,"b":[1,2],"c":null},"__proto__":{"force":true}}'),
  ];
  for (const other of others)
    assert.equal(problem({ args: other }), 'it was given for other arguments', JSON.stringify(other));
});

test('an approval fits no other caller, tool or guest', () => {
  assert.match(problem({ principal: { name: 'bob' } }) ?? '', /another caller/);
  assert.match(problem({ tool: 'proxmox_rollback_snapshot' }) ?? '', /another tool/);
  for (const change of [
    { vmid: 102 },
    { node: 'pve2' },
    { name: 'web2' },
    { name: undefined },
    { kind: 'vm' as const },
  ])
    assert.match(problem({ guest: { ...guest, ...change } }) ?? '', /moved, renamed or replaced/);
  assert.match(problem({ guest: undefined }) ?? '', /moved, renamed or replaced/);
  assert.match(problem({ others: [guest] }) ?? '', /moved, renamed or replaced/);
  assert.match(problem({ guest: undefined, others: [guest] }) ?? '', /moved, renamed or replaced/);
});

test('what an approval is bound to stays short', () => {
  const args = { text: 'x'.repeat(1_000_000) };
  const others = Array.from({ length: 1_000 }, () => guest);
  assert.ok(JSON.stringify(bindingOf({ ...deed, args, others })).length < 400);
});
