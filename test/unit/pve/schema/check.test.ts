/** Arguments of a call against what is declared: what is sent, and what is refused with its name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkCall } from '../../../../src/pve/schema/check.ts';
import { parseApiSchema } from '../../../../src/pve/schema/parse.ts';
import { fileOf, methodOf } from './file.ts';

const optional = { optional: 1 };
const [endpoint, open] = await parseApiSchema(
  fileOf(
    {
      path: '/nodes/{node}/qemu/{vmid}/things',
      info: {
        POST: methodOf({
          parameters: {
            additionalProperties: 0,
            properties: {
              node: { type: 'string', format: 'pve-node' },
              vmid: { type: 'integer', format: 'pve-vmid', minimum: 100, maximum: 999_999_999 },
              name: { type: 'string', minLength: 2, maxLength: 5, pattern: '[a-z]+' },
              cores: { type: 'integer', minimum: 1, maximum: 8, ...optional },
              limit: { type: 'number', minimum: 0.5, ...optional },
              start: { type: 'boolean', ...optional },
              mode: { type: 'string', enum: ['stop', 'snapshot'], ...optional },
              'net[n]': { type: 'string', ...optional },
              vms: { type: 'string', format: 'pve-vmid-list', ...optional },
              ids: { type: 'array', items: { type: 'integer' }, ...optional },
              storage: { type: 'string', format: 'pve-storage-id', ...optional },
              ip: { type: 'string', format: 'ip', ...optional },
              cidr: { type: 'string', format: 'CIDRv4', ...optional },
              memory: { type: 'string', format: { current: {} }, ...optional },
              text: { type: 'string', ...optional },
            },
          },
        }),
      },
    },
    { path: '/open', info: { GET: methodOf({ parameters: { additionalProperties: 1 } }) } },
  ),
);

function check(given: Readonly<Record<string, unknown>>, variables: Record<string, string> = {}) {
  assert.ok(endpoint !== undefined);
  return checkCall(endpoint, { node: 'pve1', vmid: '300', ...variables }, { name: 'abc', ...given });
}

const sent: readonly [name: string, given: unknown, sent: unknown][] = [
  ['cores', 8, 8],
  ['cores', '4', '4'],
  ['limit', '0.75', '0.75'],
  ['start', true, true],
  ['start', 0, false],
  ['start', 'yes', true],
  ['start', 'off', false],
  ['mode', 'stop', 'stop'],
  ['net0', 'virtio,bridge=vmbr0', 'virtio,bridge=vmbr0'],
  ['net31', 'x', 'x'],
  ['vms', [100, 101], '100,101'],
  ['vms', '100;101', '100;101'],
  ['ids', [1, '2'], ['1', '2']],
  ['ids', 3, ['3']],
  ['memory', 2048, 2048],
  ['ip', '::1', '::1'],
  ['cidr', '10.0.0.0/8', '10.0.0.0/8'],
  ['text', 'ü\n'.repeat(9), 'ü\n'.repeat(9)],
];
for (const [name, given, expected] of sent)
  test(`${name} ${JSON.stringify(given)} is sent`, () => {
    assert.deepEqual(check({ [name]: given }), { params: { name: 'abc', [name]: expected }, problems: [] });
  });

const refused: readonly [name: string, given: unknown, words: string][] = [
  ['cores', 9, 'must be at most 8'],
  ['cores', 0, 'must be at least 1'],
  ['cores', '4.5', 'must be a whole number'],
  ['cores', '08', 'must be a whole number'],
  ['cores', true, 'must be a whole number'],
  ['cores', 'abc', 'must be a whole number'],
  ['cores', [1], 'must be a whole number, not a list'],
  ['cores', null, 'must be a whole number'],
  ['limit', '1e3', 'must be a number'],
  ['limit', 0.1, 'must be at least 0.5'],
  ['start', 'maybe', 'must be true or false'],
  ['start', 2, 'must be true or false'],
  ['mode', 'Stop', 'must be one of stop, snapshot'],
  ['name', 'a', 'must have at least 2 characters'],
  ['name', 'abcdef', 'must have at most 5 characters'],
  ['name', 'AB', 'does not have the form that it needs'],
  ['name', true, 'must be text'],
  ['name', ['ab'], 'must be text, not a list'],
  ['text', { a: 1 }, 'must be text'],
  ['text', 'a\0b', 'must be text'],
  ['text', '\ud800', 'must be text'],
  ['vms', '100,x', 'must be ids of guests with commas between'],
  ['vms', [99], 'must be ids of guests with commas between'],
  ['ids', [1, 'x'], 'each item must be a whole number'],
  ['ids', Array.from({ length: 1001 }, () => 1), 'must be a list of at most 1000 items'],
  ['storage', '/dev', 'must be the name of a storage'],
  ['ip', '10.0.0.256', 'must be an IP address'],
  ['cidr', '::/0', 'must be an IPv4 address with /bits'],
  ['vmid', 300, 'stands in the path already'],
];
for (const [name, given, words] of refused)
  test(`${name} ${JSON.stringify(given).slice(0, 30)} ${words}`, () => {
    assert.deepEqual(check({ [name]: given }).problems, [`params.${name}: ${words}`]);
  });

for (const name of ['nosuch', 'net', 'netx', 'Cores', 'constructor', 'hasOwnProperty'])
  test(`there is no ${name}, and what there is is named`, () => {
    const [problem = ''] = check({ [name]: 'x' }).problems;
    assert.match(
      problem,
      new RegExp(`^params\\.${name}: there is no such parameter \\(there are name, cores`),
    );
  });

test('what is required and missing is named with what it takes', () => {
  assert.ok(endpoint !== undefined);
  assert.deepEqual(checkCall(endpoint, { node: 'pve1', vmid: '300' }, {}).problems, [
    'params.name: is missing, POST /nodes/{node}/qemu/{vmid}/things needs it (string)',
  ]);
});

const variables: readonly [Record<string, string>, string][] = [
  [{ vmid: '99' }, 'path: vmid must be at least 100'],
  [{ vmid: 'abc' }, 'path: vmid must be a whole number'],
  [{ vmid: '0300' }, 'path: vmid must be a whole number'],
  [{ node: 'p_1' }, 'path: node must be the name of a node'],
];
for (const [values, problem] of variables)
  test(problem, () => {
    assert.deepEqual(check({}, values).problems, [problem]);
  });

test('every problem is told, not only the first', () => {
  assert.equal(check({ cores: 0, mode: 'x', nosuch: 1 }).problems.length, 3);
});

test('what takes anything takes anything that can be sent', () => {
  assert.ok(open !== undefined);
  assert.deepEqual(checkCall(open, {}, { any: 'x' }), { params: { any: 'x' }, problems: [] });
  assert.deepEqual(checkCall(open, {}, { any: {} }).problems, ['params.any: must be text']);
});
