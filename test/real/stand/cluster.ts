/** Two pretend nodes of one cluster, each in namespaces and at an address of its own. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type Container, confOf, confPath, type Guest, members, vmlist } from './guests.ts';
import { type StandNode, startNode } from './node.ts';
import { startWorld, type World } from './world.ts';

type Name = 'pve1' | 'pve2';
const names: readonly Name[] = ['pve1', 'pve2'];

export interface Cluster {
  readonly nodes: Readonly<Record<Name, StandNode>>;
  /** Stops a container, gives it to the other node and starts it there, its disk left behind. */
  move(vmid: number, to: Name): Promise<void>;
  /** What the cluster keeps as a node's host keys from now on; its own key without one. */
  rememberKey(node: Name, key?: string): void;
  close(): Promise<void>;
}

const guests: readonly Guest[] = [
  { kind: 'container', vmid: 100, name: 'web1', node: 'pve1', running: true },
  { kind: 'container', vmid: 200, name: 'far1', node: 'pve2', running: true },
  { kind: 'container', vmid: 201, name: 'far2', node: 'pve2' },
];

/** Throws where the namespaces or their links cannot be made. */
export async function startCluster(): Promise<Cluster> {
  const net = 16 + ((randomBytes(1)[0] ?? 0) % 200);
  const addresses = { pve1: `10.213.${net}.2`, pve2: `10.213.${net}.6` };
  const open: { close(): Promise<void> }[] = [];
  const close = async () => {
    await Promise.all(open.reverse().map((each) => each.close()));
  };
  try {
    const first = await start('pve1', addresses, open);
    const second = await start('pve2', addresses, open, first.sshd.privateKey);
    const nodes = { pve1: first, pve2: second };
    let current = guests;
    const rememberKey = (node: Name, key = nodes[node].sshd.hostKey()) => {
      for (const { world } of Object.values(nodes))
        world.write(`/etc/pve/nodes/${node}/ssh_known_hosts`, `${node} ${key}\n`, 0o640);
    };
    for (const name of names) {
      rememberKey(name);
      nodes[name].world.write('/etc/pve/.members', members(name, addresses), 0o640);
    }
    return {
      nodes,
      rememberKey,
      async move(vmid, to) {
        const guest = current.find(
          (each): each is Container => each.vmid === vmid && each.kind === 'container',
        );
        if (guest?.node === undefined || guest.node === to) throw new Error(`${vmid} cannot go to ${to}`);
        const moved = { ...guest, node: to };
        current = current.map((each) => (each === guest ? moved : each));
        await nodes[guest.node as Name].world.run(`pct stop ${vmid}`);
        for (const { world } of Object.values(nodes)) {
          rmSync(world.path(confPath(guest)));
          world.write(confPath(moved), confOf(moved), 0o640);
          world.write('/etc/pve/.vmlist', vmlist(current), 0o640);
        }
        const { code, stderr } = await nodes[to].world.run(`lxc-start -n ${vmid}`);
        if (code !== 0) throw new Error(`${vmid} does not start on ${to}: ${stderr}`);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(
  hostname: Name,
  addresses: Readonly<Record<Name, string>>,
  open: { close(): Promise<void> }[],
  clientKey?: string,
): Promise<StandNode> {
  const world = await startWorld({ hostname });
  open.push(world);
  link(world, addresses[hostname]);
  const options = { world, hostname, guests, address: addresses[hostname] };
  const node = await startNode({ ...options, ...(clientKey !== undefined && { clientKey }) });
  open.push(node.sshd);
  return node;
}

/** A cable between the machine and the world; it goes when the world's network does. */
function link(world: World, address: string): void {
  const name = `pve${randomBytes(4).toString('hex')}`;
  const here = address.replace(/\d+$/, (last) => String(Number(last) - 1));
  const inside = ['nsenter', '--target', String(world.pid), '--net', 'ip'];
  for (const argv of [
    ['ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(world.pid)],
    ['ip', 'address', 'add', `${here}/30`, 'dev', name],
    ['ip', 'link', 'set', name, 'up'],
    [...inside, 'address', 'add', `${address}/30`, 'dev', 'eth0'],
    [...inside, 'link', 'set', 'eth0', 'up'],
  ]) {
    const [program = '', ...args] = argv;
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000 });
    if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  }
}
