/** A file into a container and out of it: through the gateway by either route, and as one does it by hand. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StandNode } from '../test/real/stand/node.ts';
import { getFile, putFile } from './by-url.ts';
import { openClient, type ToolClient, toolCall } from './client.ts';
import { startGateway } from './gateway.ts';
import { type Latency, measureLatency, type Way } from './measure.ts';
import { container, type Effort, type Latencies } from './stages.ts';
import { type ControlMaster, openControlMaster } from './ways.ts';

const largeBytes = 64 * 2 ** 20;
const smallBytes = 4 * 2 ** 10;
const uploadTool = 'proxmox_upload_file_to_container';
const downloadTool = 'proxmox_download_file_from_container';

export interface Transfers {
  readonly largeBytes: number;
  readonly large: { readonly up: Latencies; readonly down: Latencies };
  readonly small: { readonly up: Latencies; readonly down: Latencies };
}

/** By hand is the first of each group, with which the others are compared. */
export async function transfers(node: StandNode, effort: Effort): Promise<Transfers> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-transfers-'));
  const master = openControlMaster(node.sshd);
  const env = { MAX_FILE_SIZE: String(2 * largeBytes) };
  const gateways = await Promise.all(
    ['staging', 'stream'].map((route) => startGateway(node, { ...env, TRANSFER_ROUTE: route })),
  );
  const [staging, stream] = await Promise.all(gateways.map(({ url }) => openClient(url, '2026-07-28')));
  if (staging === undefined || stream === undefined) throw new RangeError('no clients');
  const clients = { staging, stream };
  try {
    const large = await prepare(node, folder, largeBytes);
    const slow = { rounds: effort.transfers, warmUp: 0 };
    const up = await measureProven(large, uploads(large, clients, master), slow);
    const down = await measureProven(large, downloads(large, clients, master), slow);
    const small = await prepare(node, folder, smallBytes);
    const quick = { rounds: effort.slowRounds, warmUp: 2 };
    return {
      largeBytes,
      large: { up, down },
      small: {
        up: await measureProven(
          small,
          { ...uploads(small, clients, master), ...inline(small, clients) },
          quick,
        ),
        down: await measureProven(
          small,
          { ...downloads(small, clients, master), ...inlineBack(small, clients) },
          quick,
        ),
      },
    };
  } finally {
    await Promise.all([staging.close(), stream.close()]);
    await Promise.all(gateways.map((gateway) => gateway.close()));
    master.close();
    await rm(folder, { recursive: true });
  }
}

/** One way of moving the file, with a look at what has arrived. */
interface Transfer {
  readonly run: Way;
  /** SHA-256 of what there is now, which it takes away. */
  readonly arrived: () => Promise<string>;
}

/** A file that lies at all places from which it is fetched, and the places where it is put. */
interface Prepared {
  readonly sha256: string;
  readonly content: Buffer;
  readonly local: string;
  readonly localCopy: string;
  readonly inContainer: () => Promise<string>;
  readonly onHost: () => Promise<string>;
  readonly here: () => Promise<string>;
}

const source = '/root/bench-source';
const copy = '/root/bench-copy';
/** On its way by hand. */
const between = '/var/tmp/bench-between';

async function prepare(node: StandNode, folder: string, bytes: number): Promise<Prepared> {
  const content = randomBytes(bytes);
  const [local, localCopy] = [join(folder, 'file'), join(folder, 'copy')];
  await writeFile(local, content);
  node.world.write(source, content);
  const sha256 = digest(content);
  const onNode = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await node.world.run(line);
    if (code !== 0) throw new Error(`${line} ended with ${code}: ${stderr}`);
    return stdout.slice(0, 64);
  };
  const attach = `lxc-attach -n ${container} -- /bin/sh -c`;
  await onNode(`pct push ${container} ${source} ${source}`);
  const look = `sha256sum ${copy} && rm ${copy}`;
  return {
    ...{ sha256, content, local, localCopy },
    inContainer: () => onNode(`${attach} '${look}'`),
    onHost: () => onNode(look),
    async here() {
      const found = digest(await readFile(localCopy));
      await rm(localCopy);
      return found;
    },
  };
}

function digest(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

interface Clients {
  readonly staging: ToolClient;
  readonly stream: ToolClient;
}

function uploads(file: Prepared, clients: Clients, master: ControlMaster): Record<string, Transfer> {
  const arrived = file.inContainer;
  const args = { vmid: container, container_path: copy, overwrite: true, transfer: 'url' };
  const byUrl = (client: ToolClient): Transfer => ({
    run: async () => await putFile(urlOf(await client.data(uploadTool, args)), file.local),
    arrived,
  });
  const copyOver = master.scp(file.local, `host:${between}`);
  const push = master.run(`pct push ${container} ${between} ${copy} && rm ${between}`);
  return {
    'scp + pct push': { run: () => copyOver().then(push), arrived },
    'gateway, staging': byUrl(clients.staging),
    'gateway, stream': byUrl(clients.stream),
    'scp, to the host only': { run: master.scp(file.local, `host:${copy}`), arrived: file.onHost },
    'sftp, to the host only': { run: master.sftp(`put ${file.local} ${copy}`), arrived: file.onHost },
  };
}

function downloads(file: Prepared, clients: Clients, master: ControlMaster): Record<string, Transfer> {
  const arrived = file.here;
  const args = { vmid: container, container_path: source, transfer: 'url' };
  const byUrl = (client: ToolClient): Transfer => ({
    run: async () => await getFile(urlOf(await client.data(downloadTool, args)), file.localCopy),
    arrived,
  });
  const pull = master.run(`pct pull ${container} ${source} ${between}`);
  const copyOver = master.scp(`host:${between}`, file.localCopy);
  const remove = master.run(`rm ${between}`);
  return {
    'pct pull + scp': { run: () => pull().then(copyOver).then(remove), arrived },
    'gateway, staging': byUrl(clients.staging),
    'gateway, stream': byUrl(clients.stream),
    'scp, from the host only': { run: master.scp(`host:${source}`, file.localCopy), arrived },
    'sftp, from the host only': { run: master.sftp(`get ${source} ${file.localCopy}`), arrived },
  };
}

function inline({ content, inContainer }: Prepared, clients: Clients): Record<string, Transfer> {
  const args = {
    ...{ vmid: container, container_path: copy, overwrite: true },
    ...{ content: content.toString('base64'), encoding: 'base64' },
  };
  const within = (client: ToolClient) => ({ run: toolCall(client, uploadTool, args), arrived: inContainer });
  return {
    'gateway, staging, inline': within(clients.staging),
    'gateway, stream, inline': within(clients.stream),
  };
}

function inlineBack({ localCopy, here }: Prepared, clients: Clients): Record<string, Transfer> {
  const args = { vmid: container, container_path: source };
  const within = (client: ToolClient): Transfer => {
    let content = '';
    return {
      async run() {
        ({ content = '' } = (await client.data(downloadTool, args)) as { content?: string });
      },
      async arrived() {
        await writeFile(localCopy, Buffer.from(content, 'base64'));
        return await here();
      },
    };
  };
  return {
    'gateway, staging, inline': within(clients.staging),
    'gateway, stream, inline': within(clients.stream),
  };
}

function urlOf(data: Readonly<Record<string, unknown>>): URL {
  return new URL(String(data.url));
}

/** Each way is tried first and must bring the file as it is: what is fast and wrong counts for nothing. */
async function measureProven(
  { sha256 }: Prepared,
  all: Readonly<Record<string, Transfer>>,
  effort: { rounds: number; warmUp: number },
): Promise<Record<string, Latency>> {
  for (const [name, { run, arrived }] of Object.entries(all)) {
    await run();
    if ((await arrived()) !== sha256) throw new Error(`${name}: another file has arrived`);
  }
  const ways = Object.entries(all).map(([name, { run }]) => [name, run] as const);
  return await measureLatency(Object.fromEntries(ways), effort);
}
