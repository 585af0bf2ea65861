/** Finding endpoints by path and by words. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseApiSchema } from '../../../../src/pve/schema/parse.ts';
import { type ApiDirectory, createApiDirectory } from '../../../../src/pve/schema/search.ts';
import { fileOf, methodOf } from './file.ts';

const directory = await directoryOf({
  'GET /nodes': 'Cluster node index.',
  'GET /nodes/{node}/qemu': 'Virtual machine index.',
  'POST /nodes/{node}/qemu': 'Create or restore a virtual machine.',
  'GET /nodes/{node}/qemu/{vmid}/snapshot': 'List all snapshots.',
  'POST /nodes/{node}/qemu/{vmid}/snapshot': 'Snapshot a VM.',
  'DELETE /nodes/{node}/qemu/{vmid}/snapshot/{snapname}': 'Delete a VM snapshot.',
  'POST /nodes/{node}/lxc/{vmid}/snapshot': 'Snapshot a container.',
  'GET /nodes/{node}/storage/{storage}/content': 'List storage content.',
  'GET /nodes/{node}/storage/{storage}/content/{volume}': 'Get volume attributes',
  'GET /nodes/{node}/tasks/{upid}': '',
  'GET /nodes/{node}/tasks/log': 'Literal beside a variable.',
  'POST /nodes/{node}/vzdump': 'Create backup.',
});

async function directoryOf(endpoints: Readonly<Record<string, string>>): Promise<ApiDirectory> {
  const roots = Object.entries(endpoints).map(([name, description]) => {
    const [method = '', path = ''] = name.split(' ');
    return { path, info: { [method]: methodOf({ description }) } };
  });
  return createApiDirectory(await parseApiSchema(fileOf(...roots)));
}

function found(query: string): string[] {
  return directory.search(query).endpoints.map(({ method, template }) => `${method} ${template}`);
}

describe('a concrete path', () => {
  test('is matched, and its variables encoded', () => {
    const matched = directory.match('GET', '/nodes/pve1/tasks/UPID:pve1:root@pam!t:');
    assert.deepEqual(
      { ...matched?.variables, path: matched?.path },
      {
        node: 'pve1',
        upid: 'UPID:pve1:root@pam!t:',
        path: '/nodes/pve1/tasks/UPID%3Apve1%3Aroot%40pam!t%3A',
      },
    );
  });

  test('may end with the id of a volume, which holds a slash', () => {
    const matched = directory.match('GET', '/nodes/pve1/storage/local/content/local:iso/debian.iso');
    assert.equal(matched?.variables.volume, 'local:iso/debian.iso');
    assert.equal(matched?.path, '/nodes/pve1/storage/local/content/local%3Aiso%2Fdebian.iso');
    assert.equal(directory.match('GET', '/nodes/pve1/tasks/a/b'), undefined);
  });

  test('prefers the literal part to the variable', () => {
    assert.equal(
      directory.match('GET', '/nodes/pve1/tasks/log')?.endpoint.template,
      '/nodes/{node}/tasks/log',
    );
  });

  test('of another method or none is no match', () => {
    assert.equal(directory.match('PUT', '/nodes/pve1/qemu'), undefined);
    assert.deepEqual(directory.methodsOf('/nodes/pve1/qemu'), ['GET', 'POST']);
    assert.deepEqual(directory.methodsOf('/nodes/pve1/nothing/x'), []);
  });
});

describe('a query', () => {
  const named: readonly [string, string[]][] = [
    ['POST /nodes/{node}/qemu', ['POST /nodes/{node}/qemu']],
    ['POST /nodes/pve1/qemu', ['POST /nodes/{node}/qemu']],
    ['/nodes/{n}/qemu', ['GET /nodes/{node}/qemu', 'POST /nodes/{node}/qemu']],
    ['nodes/<node>/qemu/', ['GET /nodes/{node}/qemu', 'POST /nodes/{node}/qemu']],
    ['/api2/json/nodes/pve1/qemu', ['GET /nodes/{node}/qemu', 'POST /nodes/{node}/qemu']],
    ['https://pve1:8006/api2/json/nodes', ['GET /nodes']],
    ['/nodes', ['GET /nodes']],
  ];
  for (const [query, endpoints] of named)
    test(`${query} names endpoints`, () => {
      assert.equal(directory.search(query).exact, true);
      assert.deepEqual(found(query), endpoints);
    });

  test('with the beginning of a path gives what is below', () => {
    assert.equal(directory.search('/nodes/pve1/storage/local').exact, false);
    assert.deepEqual(found('/nodes/pve1/storage/local').slice(0, 2), [
      'GET /nodes/{node}/storage/{storage}/content',
      'GET /nodes/{node}/storage/{storage}/content/{volume}',
    ]);
  });

  const best: readonly [string, string][] = [
    ['create snapshot vm', 'POST /nodes/{node}/qemu/{vmid}/snapshot'],
    ['snapshot of a container', 'POST /nodes/{node}/lxc/{vmid}/snapshot'],
    ['delete snapshots', 'DELETE /nodes/{node}/qemu/{vmid}/snapshot/{snapname}'],
    ['make a backup', 'POST /nodes/{node}/vzdump'],
    ['volumes attribute', 'GET /nodes/{node}/storage/{storage}/content/{volume}'],
  ];
  for (const [query, first] of best)
    test(`${query} finds ${first}`, () => {
      assert.equal(found(query)[0], first);
    });

  test('gives the same again', () => {
    assert.deepEqual(found('snapshot vm node'), found('snapshot vm node'));
    assert.ok(found('snapshot vm node').length > 2);
  });

  for (const query of ['zzz', '..', '/../..', '%', '[', 'constructor', '__proto__', '\0', ' '.repeat(5000)])
    test(`${JSON.stringify(query.slice(0, 20))} finds nothing and breaks nothing`, () => {
      assert.deepEqual(found(query), []);
    });
});
