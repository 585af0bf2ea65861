import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Transfer } from '../../../src/ops/files/ends.ts';
import { callTool, type Room, refusalOf, roomWith, ways } from './transfer-stand.ts';

for (const way of ways) {
  const { place, base } = way;
  const call = (args: object, room: Room) => callTool(way, 'upload', args, room);
  const refusedWith = (args: object, room: Room) => refusalOf(way, 'upload', args, room);

  describe(`upload to the ${place}`, () => {
    test('content goes with its length, and what it is to become', async () => {
      const room = roomWith();
      const args = {
        content: 'aGVsbG8=',
        encoding: 'base64',
        permissions: '0640',
        overwrite: true,
        owner: 'www-data',
      };
      const { data, text } = await call({ ...args, sha256: 'AB'.repeat(32), create_directories: true }, room);
      const [asked] = room.uploads;
      assert.equal(asked?.place.kind, place);
      assert.equal(asked?.file.path, '/srv/a');
      assert.deepEqual([asked?.mode, asked?.overwrite, asked?.createDirectories], [0o640, true, true]);
      assert.deepEqual([asked?.owner, asked?.group, asked?.sha256], ['www-data', undefined, 'ab'.repeat(32)]);
      assert.deepEqual([asked?.source.size, asked?.maxBytes], [5, 1000]);
      assert.deepEqual(data, {
        ...{
          success: true,
          ...base,
          permissions: '0640',
          bytes_transferred: 5,
          sha256: 'sum',
          route: 'stream',
        },
        message: `5 bytes were uploaded to /srv//a ${place === 'host' ? 'on the host' : 'in container 100'}.`,
      });
      assert.match(text, /\nSHA-256: sum$/);
      assert.deepEqual(room.judged, [{ place, path: '/real/path' }]);
      assert.match(room.states.join(), /^0\.0 of 0\.0 MiB sent$/);
    });

    test('a file of the folder is sent and closed, also when it is refused', async () => {
      const room = roomWith();
      const { data } = await call({ local_path: 'in/a' }, room);
      assert.deepEqual([data.local_path, data.bytes_transferred], ['in/a', 5]);
      assert.equal((await refusedWith({ local_path: 'in/a', size: 4 }, room)).code, 'SIZE_MISMATCH');
      assert.deepEqual(room.folder, ['open in/a', 'close in/a', 'open in/a', 'close in/a']);
    });

    test('without any end, or with two, nothing is asked for', async () => {
      const room = roomWith();
      for (const args of [
        {},
        { content: 'a', local_path: 'a' },
        { content: '', transfer: 'url' },
        { local_path: 'a', transfer: 'url' },
        { encoding: 'base64', local_path: 'a' },
        { encoding: 'utf-8', transfer: 'url' },
        { content: 'no base64!', encoding: 'base64' },
      ])
        assert.equal((await refusedWith(args, room)).code, 'INVALID_ARGUMENT', JSON.stringify(args));
      assert.deepEqual([room.uploads, room.issued, room.folder], [[], [], []]);
    });

    test('inline is bounded in bytes of the file, and the error names the way out', async () => {
      const room = roomWith();
      assert.equal((await call({ content: 'é'.repeat(50) }, room)).data.bytes_transferred, 100);
      const most = Buffer.alloc(100).toString('base64');
      assert.equal((await call({ content: most, encoding: 'base64' }, room)).data.bytes_transferred, 100);
      const more = Buffer.alloc(101).toString('base64');
      for (const args of [
        { content: 'x'.repeat(101) },
        { content: more, encoding: 'base64' },
        { content: 'x'.repeat(500) },
      ]) {
        const { code, advice } = await refusedWith(args, room);
        assert.equal(code, 'TOO_LARGE_INLINE');
        assert.match(advice, /transfer: "url"/);
      }
    });

    test('a size that is announced is what must come, and no more than is allowed', async () => {
      const room = roomWith();
      for (const size of [4, 6])
        assert.equal((await refusedWith({ content: 'hello', size }, room)).code, 'SIZE_MISMATCH');
      assert.equal((await call({ content: 'hello', size: 5 }, room)).data.bytes_transferred, 5);
      for (const args of [{ content: 'a' }, { transfer: 'url' }, { local_path: 'a' }])
        assert.equal((await refusedWith({ ...args, size: 1001 }, room)).code, 'TOO_LARGE');
      assert.deepEqual([room.uploads.length, room.issued.length], [1, 0]);
    });

    test('a URL is bound to the least of the limits, and moves nothing', async () => {
      const room = roomWith();
      const { data, text } = await call({ transfer: 'url' }, room);
      assert.deepEqual([data.url, data.method, data.max_bytes], ['https://mcp.lan/transfers/t', 'PUT', 1000]);
      assert.equal(data.expires_at, '1970-01-01T00:00:00.000Z');
      assert.match(text, /curl -T FILE 'https:\/\/mcp\.lan\/transfers\/t'/);
      await call({ transfer: 'url', size: 7 }, room);
      assert.deepEqual(room.issued, [
        { method: 'PUT', maxBytes: 1000 },
        { method: 'PUT', maxBytes: 7 },
      ]);
      assert.deepEqual(room.uploads, []);
    });

    test('what comes by the URL is what is uploaded, and its announced size still counts', async () => {
      const source = (text: string, size?: number): Transfer => ({
        ...{ kind: 'source' },
        source: {
          size,
          chunks: (async function* () {
            yield Buffer.from(text);
          })(),
        },
      });
      const room = roomWith({ transfer: source('sent') });
      assert.equal((await call({ transfer: 'url' }, room)).data.bytes_transferred, 4);
      const chunked = roomWith({ transfer: source('sent') });
      await call({ transfer: 'url', size: 9 }, chunked);
      assert.equal(chunked.uploads[0]?.source.size, 9);
      const wrong = roomWith({ transfer: source('sent', 4) });
      assert.equal((await refusedWith({ transfer: 'url', size: 9 }, wrong)).code, 'SIZE_MISMATCH');
    });
  });
}
