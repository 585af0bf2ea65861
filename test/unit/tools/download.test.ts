import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failure } from '../../../src/base/errors.ts';
import type { Sink } from '../../../src/ops/files/ends.ts';
import { callTool, type Room, refusalOf, roomWith, ways } from './transfer-stand.ts';

for (const way of ways) {
  const { place } = way;
  const call = (args: object, room: Room) => callTool(way, 'download', args, room);
  const refusedWith = (args: object, room: Room) => refusalOf(way, 'download', args, room);

  describe(`download from the ${place}`, () => {
    test('text comes as text, fenced for the reader', async () => {
      const room = roomWith({ content: 'é\r\n```' });
      const { data, text, tool, parsed } = await call({}, room);
      assert.deepEqual([data.content, data.encoding, data.offset, data.size], ['é\r\n```', 'utf-8', 0, 7]);
      assert.match(text, /content \(untrusted output\):\n````\n/);
      assert.deepEqual(tool.attach?.(data, parsed), []);
      assert.deepEqual(room.judged, [{ place, path: '/real/path' }]);
    });

    test('what is no text comes as base64 and as a resource, under a URI that every path fits into', async () => {
      for (const content of [
        Buffer.from([0xff, 0xfe]),
        Buffer.from('a\0b'),
        Buffer.from('é').subarray(0, 1),
      ]) {
        const { data, text, tool, parsed } = await call({}, roomWith({ content }));
        assert.deepEqual([data.content, data.encoding], [content.toString('base64'), 'base64']);
        assert.match(text, /It is no text: see the resource\.$/);
        const authority = place === 'host' ? 'host' : 'containers/100';
        assert.deepEqual(tool.attach?.(data, parsed), [
          { kind: 'blob', uri: `proxmox://${authority}/srv/a`, base64: content.toString('base64') },
        ]);
        const odd = tool.attach?.(data, {
          ...parsed,
          container_path: '/a b/%2e?#é',
          host_path: '/a b/%2e?#é',
        });
        assert.equal(odd?.[0]?.uri, `proxmox://${authority}/a%20b/%252e%3F%23%C3%A9`);
      }
    });

    test('a part is asked for as such, and a part alone is bounded', async () => {
      const content = 'x'.repeat(5000);
      const room = roomWith({ content, own: { maxFileBytes: 10_000 } });
      const { data, text } = await call({ offset: 4990, length: 100 }, room);
      assert.deepEqual([data.bytes_transferred, data.offset, data.size], [10, 4990, 5000]);
      assert.match(text, /^10 of 5000 bytes .*, from byte 4990 on\./);
      await call({ length: 100 }, room);
      await call({ offset: 4950 }, room);
      assert.deepEqual(
        room.downloads.map(({ range }) => range),
        [
          { offset: 4990, length: 100 },
          { offset: 0, length: 100 },
          { offset: 4950, length: Number.MAX_SAFE_INTEGER },
        ],
      );
      for (const args of [{}, { offset: 1 }, { length: 101 }]) {
        const { code, advice } = await refusedWith(args, room);
        assert.equal(code, 'TOO_LARGE_INLINE', JSON.stringify(args));
        assert.match(advice, /transfer: "url".*offset and length/);
      }
    });

    test('the limit of files holds for content in a result too', async () => {
      const room = roomWith({ content: 'x'.repeat(60), own: { maxFileBytes: 50 } });
      assert.match((await refusedWith({}, room)).code, /^TOO_LARGE/);
    });

    test('into the folder it goes whole or not at all', async () => {
      const room = roomWith({ content: 'x'.repeat(1000) });
      const { data } = await call({ local_path: 'out/a', overwrite: true }, room);
      assert.deepEqual([data.local_path, data.bytes_transferred, data.content], ['out/a', 1000, undefined]);
      const steps = ['begin out/a', 'write out/a', 'end out/a', 'abort out/a'];
      assert.deepEqual(room.folder, ['create out/a true', ...steps]);
      const large = roomWith({ content: 'x'.repeat(1001) });
      assert.equal((await refusedWith({ local_path: 'a' }, large)).code, 'TOO_LARGE');
      assert.deepEqual(large.folder, ['create a false', 'abort a']);
    });

    test('two ends are one too many', async () => {
      const room = roomWith({ content: 'x' });
      for (const args of [
        { local_path: 'a', transfer: 'url' },
        { local_path: 'a', offset: 0 },
        { local_path: 'a', length: 1 },
        { transfer: 'url', offset: 0 },
        { transfer: 'url', length: 1 },
      ])
        assert.equal((await refusedWith(args, room)).code, 'INVALID_ARGUMENT', JSON.stringify(args));
      assert.deepEqual([room.downloads, room.issued, room.folder], [[], [], []]);
    });

    test('a URL is a link too, and moves nothing', async () => {
      const room = roomWith({ content: 'x' });
      const { data, text, tool, parsed } = await call({ transfer: 'url' }, room);
      assert.deepEqual([data.method, data.max_bytes], ['GET', 1000]);
      assert.match(text, /curl -fO 'https/);
      assert.deepEqual(tool.attach?.(data, parsed), [{ kind: 'link', uri: data.url, name: 'a' }]);
      assert.deepEqual(room.downloads, []);
    });

    test('to the URL it goes with its sum ahead, up to the limit of files', async () => {
      const taken: string[] = [];
      const sink: Sink = {
        begin: async ({ size }) => void taken.push(`begin ${size}`),
        write: async (chunk) => void taken.push(`write ${chunk.length}`),
        end: async () => void taken.push('end'),
      };
      const room = roomWith({ content: 'x'.repeat(1000), transfer: { kind: 'sink', sink } });
      const { data } = await call({ transfer: 'url' }, room);
      assert.deepEqual(taken, ['begin 1000', 'write 1000', 'end']);
      assert.equal(room.downloads[0]?.sumFirst, true);
      assert.deepEqual([data.bytes_transferred, data.content], [1000, undefined]);
    });

    test('what policy says of the real path ends it', async () => {
      const room = roomWith({ content: 'x' });
      const judge = () => {
        throw failure('PERMISSION_DENIED', { reason: 'not there' });
      };
      const strict = { ...room, context: { ...room.context, judge } };
      assert.equal((await refusedWith({}, strict)).code, 'PERMISSION_DENIED');
    });
  });
}
