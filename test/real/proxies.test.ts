/** MCP behind real reverse proxies, for clients of both eras. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../gateway/harness.ts';
import { newMarker } from './harness.ts';
import { onSite, type Site, startSite, ways } from './site.ts';
import { findProcesses, waitUntilGone } from './stand/processes.ts';
import { remoteAddress } from './stand/remote.ts';

const execTool = 'proxmox_container_exec_command';

for (const way of ways) {
  describe(`MCP through ${way.name}`, onSite, () => {
    let site: Site;
    before(async () => {
      site = await startSite(way);
    });
    after(() => site?.close());

    for (const era of ['legacy', 'modern'] as const) {
      test(`a ${era} client runs a command, and its address is known where the proxy tells it`, async () => {
        const remote = await site.connect(era, { headers: { 'x-forwarded-for': '203.0.113.9' } });
        const marker = newMarker();
        const { structuredContent } = await remote.call(execTool, { vmid: 100, command: `echo ${marker}` });
        assert.equal((structuredContent as { stdout: string }).stdout, `${marker}\n`);
        const line = (await site.audit()).find((each) => JSON.stringify(each).includes(marker));
        assert.equal(line?.client, way.tells ? remoteAddress : '127.0.0.1');
      });

      test(`a ${era} client hears of a command while it runs`, async () => {
        const remote = await site.connect(era);
        const go = `/tmp/${newMarker()}`;
        const heard: string[] = [];
        const command = `echo early; until [ -e ${go} ]; do sleep 0.05; done; echo late`;
        const running = remote.call(
          execTool,
          { vmid: 100, command, timeout: 60 },
          { onprogress: ({ message }) => void heard.push(message ?? '') },
        );
        running.catch(() => {});
        // The command cannot end before that.
        await eventually(() => heard.find((message) => message.includes('early')));
        await site.gateway.exec(`touch ${go}`);
        const { structuredContent } = await running;
        assert.equal((structuredContent as { stdout: string }).stdout, 'early\nlate\n');
      });

      test(`what a ${era} client cancels is gone from the host within 2 s`, async () => {
        const remote = await site.connect(era);
        const marker = newMarker();
        const stop = new AbortController();
        const call = remote.call(
          execTool,
          { vmid: 100, command: `exec -a ${marker} sleep 300`, timeout: 60 },
          { signal: stop.signal },
        );
        const refused = assert.rejects(call);
        await eventually(async () =>
          (await findProcesses(marker)).find(({ cmdline }) => cmdline.startsWith(marker)),
        );
        stop.abort();
        await refused;
        await waitUntilGone(marker, 2_000);
      });
    }
  });
}
