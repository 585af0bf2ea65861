/** The files by which Proxmox VE tells what guests there are, made anew from the state at each reading. */
import { directoryNode, fileNode, generatedNode, type Inode, linkNode } from '../files/inode.ts';
import { plant } from '../files/tree.ts';
import type { LabCluster } from './cluster.ts';
import type { LabGuest } from './guest.ts';
import { confFile } from './guests.ts';
import type { LabNode } from './node.ts';

const wwwData = 33;

function generated(make: () => string): Inode {
  return { ...generatedNode(() => Buffer.from(make(), 'latin1'), 0o640), gid: wwwData };
}

/** As pmxcfs writes it: of the cluster only where there is one. */
function members(node: LabNode, cluster: LabCluster): string {
  const names = [...cluster.nodes.keys()];
  const head = `{\n"nodename": "${node.name}",\n"version": ${names.length > 1 ? 4 : 0}`;
  if (cluster.name === undefined) return `${head}\n}\n`;
  const list = names.map((name, at) => `  "${name}": { "id": ${at + 1}, "online": 1, "ip": "127.0.0.1"}`);
  const about = `{ "name": "${cluster.name}", "version": ${names.length}, "nodes": ${names.length}, "quorate": 1 }`;
  return `${head},\n"cluster": ${about},\n"nodelist": {\n${list.join(',\n')}\n  }\n}\n`;
}

function vmlist(node: LabNode): string {
  const entries = [...node.guests.values()].map(
    ({ vmid, kind, node: owner }) =>
      `"${vmid}": { "node": "${owner}", "type": "${kind === 'vm' ? 'qemu' : 'lxc'}", "version": ${vmid} }`,
  );
  const ids = entries.length === 0 ? '' : `,\n"ids": {\n${entries.join(',\n')}}\n`;
  return `{\n"version": 20${ids}\n}\n`;
}

/** A configuration is the same file at each look. */
const confFiles = new WeakMap<LabGuest, Inode>();

function confNode(guest: LabGuest): Inode {
  const node = confFiles.get(guest) ?? generated(() => confFile(guest));
  confFiles.set(guest, node);
  return node;
}

function confDirectory(node: LabNode, owner: string, kind: LabGuest['kind']): Inode {
  return directoryNode(0o755, undefined, () => {
    const guests = [...node.guests.values()].filter((guest) => guest.node === owner && guest.kind === kind);
    return new Map(guests.map((guest) => [`${guest.vmid}.conf`, confNode(guest)]));
  });
}

function nodesDirectory(node: LabNode, { nodes }: LabCluster): Inode {
  const knownHosts = (owner: string): string => {
    const key = nodes.get(owner)?.sshHostKey;
    return key === undefined ? '' : `${owner} ${key}\n`;
  };
  return directoryNode(0o755, undefined, () => {
    const owners = new Set([...nodes.keys(), ...[...node.guests.values()].map((guest) => guest.node)]);
    return new Map(
      [...owners].sort().map((owner) => [
        owner,
        directoryNode(0o755, undefined, () => {
          const entries: [string, Inode][] = [
            ['lxc', confDirectory(node, owner, 'container')],
            ['openvz', directoryNode()],
            ['priv', directoryNode(0o700)],
            ['pve-ssl.key', fileNode('', 0o640)],
            ['pve-ssl.pem', fileNode('', 0o640)],
            ['qemu-server', confDirectory(node, owner, 'vm')],
            ['ssh_known_hosts', fileNode(knownHosts(owner), 0o640)],
          ];
          return new Map(entries);
        }),
      ]),
    );
  });
}

/** One line of /proc/net/unix: %pK: %08X %08X %08X %04X %02X %5lu %s. */
function socketLine(number: number, flags: string, state: string, path: string): string {
  const inode = String(20_000 + number).padStart(5);
  return `0000000000000000: 0000000${state === '01' ? 2 : 3} 00000000 ${flags} 0001 ${state} ${inode}${path === '' ? '' : ` ${path}`}\n`;
}

/** A running container's monitor listens on its command socket, and holds connections to it. */
function unixSockets(node: LabNode): string {
  const running = [...node.guests.values()].filter(
    (guest) => guest.kind === 'container' && guest.node === node.name && guest.pid !== undefined,
  );
  const listening = (path: string) => ['00010000', '01', path] as const;
  const connected = (path: string) => ['00000000', '03', path] as const;
  const sockets = [
    listening('/run/systemd/private'),
    connected('/run/systemd/journal/stdout'),
    listening('/run/pve-cluster/pmxcfs'),
    connected(''),
    ...running.flatMap(({ vmid }) => [
      listening(`@/var/lib/lxc/${vmid}/command`),
      connected(`@/var/lib/lxc/${vmid}/command`),
      connected(''),
    ]),
    listening('@/tmp/.X11-unix/X0'),
    connected('/var/run/pve/query.sock'),
  ];
  const lines = sockets.map(([flags, state, path], index) => socketLine(index, flags, state, path));
  return `Num       RefCount Protocol Flags    Type St Inode Path\n${lines.join('')}`;
}

export function plantClusterFiles(node: LabNode, cluster: LabCluster): void {
  const { files } = node;
  const put = (name: string, inode: Inode) => plant(files, `/etc/pve/${name}`, inode);
  put(
    '.vmlist',
    generated(() => vmlist(node)),
  );
  put(
    '.members',
    generated(() => members(node, cluster)),
  );
  put(
    '.version',
    generated(() => '{\n"starttime": 1795221674,\n"clinfo": 0,\n"vmlist": 20\n}\n'),
  );
  put('nodes', nodesDirectory(node, cluster));
  put('local', linkNode(`nodes/${node.name}`));
  for (const name of ['lxc', 'openvz', 'qemu-server']) put(name, linkNode(`nodes/${node.name}/${name}`));
  for (const name of ['firewall', 'ha', 'mapping', 'sdn', 'virtual-guest']) put(name, directoryNode());
  put('priv', directoryNode(0o700));
  for (const name of ['authkey.pub', 'pve-root-ca.pem', 'pve-www.key', 'replication.cfg', 'vzdump.cron'])
    put(name, fileNode('', 0o640));
  put('storage.cfg', fileNode('dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n\n', 0o640));
  put('user.cfg', fileNode('user:root@pam:1:0::::::\n', 0o640));
  plant(
    files,
    '/proc/net/unix',
    generatedNode(() => Buffer.from(unixSockets(node), 'latin1')),
  );
}
