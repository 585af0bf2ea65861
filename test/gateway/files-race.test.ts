/** A container that exchanges the file under a download, a thousand times: what comes is a file of its own, or an error. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviceNode, fileNode, generatedNode, type Inode, linkNode } from '../../lab/files/inode.ts';
import { plant } from '../../lab/files/tree.ts';
import { failureOf, startTestGateway } from './harness.ts';
import { call } from './hostile-values.ts';

const path = '/var/lib/x';
const [own, other, secret] = ['own '.repeat(50), 'other'.repeat(40), 'SECRET'];
const rounds = 500;

for (const route of ['staging', 'stream'])
  test(`by ${route}, nothing but the container’s own files comes out`, async () => {
    const gateway = await startTestGateway({ env: { TRANSFER_ROUTE: route } });
    const files = gateway.lab.node.guest(100)?.machine?.files;
    assert.ok(files);
    plant(gateway.lab.node.files, '/srv/host-secret', fileNode(secret));
    plant(gateway.lab.node.files, path, fileNode(secret));
    plant(files, '/srv/other', fileNode(other));
    plant(
      files,
      '/proc/secret',
      generatedNode(() => Buffer.from(secret)),
    );
    plant(files, path, fileNode(own));
    const directory = files.top.entries.get('var');
    const lib = directory?.kind === 'directory' ? directory.entries.get('lib') : undefined;
    assert.ok(lib?.kind === 'directory');
    const faces: Inode[] = [
      ...[fileNode(own), linkNode('/srv/other'), fileNode(own), linkNode('/dev/zero'), deviceNode('block')],
      ...[linkNode('/proc/secret'), linkNode('/srv/host-secret'), linkNode('../../../../srv/host-secret')],
    ];
    let turn = 0;
    let racing = true;
    const exchange = () => {
      if (!racing) return;
      turn += 1;
      // Mostly the file, so that many downloads get as far as to be deceived in the middle.
      lib.entries.set('x', faces[turn % 3 === 0 ? (turn / 3) % faces.length : 0] as Inode);
      setTimeout(exchange, 1);
    };
    const outcomes = new Map<string, number>();
    const download = async () => {
      const { result } = await call(gateway, 'proxmox_download_file_from_container', {
        ...{ vmid: 100, container_path: path },
      });
      assert.ok(result);
      assert.ok(!JSON.stringify(result).includes(secret), JSON.stringify(result));
      const { content } = (result.structuredContent ?? {}) as { content?: string };
      if (result.isError !== true) assert.ok(content === own || content === other, content);
      const outcome = result.isError === true ? failureOf(result).code : content === own ? 'own' : 'other';
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    };
    try {
      exchange();
      for (let round = 0; round < rounds; round += 5) await Promise.all(Array.from({ length: 5 }, download));
      racing = false;
      for (const outcome of outcomes.keys())
        assert.match(outcome, /^(own|other|FILE_CHANGED|FILE_NOT_FOUND|PERMISSION_DENIED|NOT_READABLE)$/);
      // Both happened, or nothing was proved.
      assert.ok((outcomes.get('own') ?? 0) > 10, JSON.stringify([...outcomes]));
      assert.ok((outcomes.get('PERMISSION_DENIED') ?? 0) > 10, JSON.stringify([...outcomes]));
      assert.doesNotMatch(gateway.log.join(''), /"level":"error"/);
    } finally {
      racing = false;
      await gateway.close();
    }
  });
