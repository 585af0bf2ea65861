/** A pretend Proxmox VE node, or a cluster of them, for the demo and for tests: SSH, SFTP, containers and the REST API, all in memory. */
import { randomBytes } from 'node:crypto';

import type { Certificate } from './api/certificate.ts';
import { type LabApi, startRest } from './api/rest.ts';
import type { ApiServer } from './api/server.ts';
import type { LabMount } from './files/mount.ts';
import { containerPrograms } from './programs/catalog.ts';
import { createCluster, type LabCluster } from './proxmox/cluster.ts';
import { defaultGuests, type LabGuestSpec } from './proxmox/guests.ts';
import type { LabNode } from './proxmox/node.ts';
import { nodePrograms } from './proxmox/programs.ts';
import { newPrivateKey, publicKeyOf } from './ssh/keys.ts';
import { type LabControl, type SshServer, startSshServer } from './ssh/server.ts';

export type { LabMount } from './files/mount.ts';
export type { LabGuestSpec } from './proxmox/guests.ts';

/** One node of the lab, and the ways to it. */
export interface LabMember {
  readonly sshPort: number;
  /** As OpenSSH shows it: `SHA256:…` without padding. */
  readonly hostKeyFingerprint: string;
  readonly apiPort: number;
  /** SHA-256 of the API's certificate, in upper-case hexadecimal with colons. */
  readonly apiFingerprint: string;
  /** In PEM. */
  readonly apiCertificate: string;
  /** Serves another certificate from the next connection on. */
  renewCertificate(): Certificate;
  /** What the node is at the moment, for tests to look at and change. */
  readonly node: LabNode;
  readonly control: LabControl;
}

/** Beside what all nodes share, what the first node has. */
export interface Lab extends LabMember {
  readonly host: '127.0.0.1';
  readonly username: 'root';
  readonly password: string;
  /** A private key in OpenSSH's format that the nodes accept. */
  readonly clientKey: string;
  /** `root@pam!lab`, which may do everything. */
  readonly apiTokenId: string;
  readonly apiTokenSecret: string;
  readonly api: LabApi;
  readonly cluster: LabCluster;
  readonly nodes: ReadonlyMap<string, LabMember>;
  /** Puts a guest on another node, as between two calls. */
  move(vmid: number, node: string): void;
  close(): Promise<void>;
}

export interface LabOptions {
  /** Of the first node; 0, or nothing, for any free port. */
  readonly sshPort?: number;
  readonly apiPort?: number;
  /** Their names; one node, `pve1`, where nothing is said. */
  readonly nodes?: readonly string[];
  readonly guests?: readonly LabGuestSpec[];
  /** A private key in OpenSSH's format for the first node; a new one where nothing is given. */
  readonly hostKey?: string;
  /** The first node's own small or read-only disks. */
  readonly mounts?: readonly LabMount[];
}

/** Starts nodes that listen on 127.0.0.1. Rejects where a port is taken. */
export async function startLab({
  sshPort = 0,
  apiPort = 0,
  nodes: names = ['pve1'],
  guests = defaultGuests,
  hostKey,
  mounts = [],
}: LabOptions = {}): Promise<Lab> {
  const hostKeys = new Map(
    names.map((name, at) => [name, (at === 0 ? hostKey : undefined) ?? newPrivateKey()]),
  );
  const nodes = [...hostKeys].map(([name, key]) => ({ name, sshHostKey: publicKeyOf(key) }));
  const programs = { container: containerPrograms, node: nodePrograms };
  const cluster = createCluster({ nodes, guests, programs, mounts });
  const password = randomBytes(12).toString('base64url');
  const login = { username: 'root' as const, password, clientKey: newPrivateKey() };
  const rest = await startRest({ cluster, port: apiPort });
  const members = new Map<string, LabMember>();
  const sshServers: SshServer[] = [];
  for (const [name, key] of hostKeys) {
    const [node, api] = [cluster.nodes.get(name), rest.servers.get(name)];
    if (node === undefined || api === undefined) throw new TypeError(`the lab has no node ${name}`);
    const port = members.size === 0 ? sshPort : 0;
    const ssh = await startSshServer({ ...login, node, port, hostKey: key });
    sshServers.push(ssh);
    members.set(name, memberOf(node, ssh, api));
  }
  const [first] = members.values();
  if (first === undefined) throw new TypeError('a lab has one node at least');
  return {
    ...first,
    ...login,
    ...{ host: '127.0.0.1', apiTokenId: rest.tokenId, apiTokenSecret: rest.tokenSecret, api: rest.api },
    ...{ cluster, nodes: members, move: cluster.move },
    async close() {
      for (const { processes } of cluster.nodes.values()) processes.killAll();
      await Promise.all([rest.close(), ...sshServers.map((server) => server.close())]);
    },
  };
}

function memberOf(node: LabNode, ssh: SshServer, api: ApiServer): LabMember {
  return {
    ...{ sshPort: ssh.port, hostKeyFingerprint: ssh.hostKeyFingerprint, control: ssh.control, node },
    ...{ apiPort: api.port, renewCertificate: api.renewCertificate },
    apiFingerprint: api.certificate.fingerprint,
    apiCertificate: api.certificate.certificatePem,
  };
}
