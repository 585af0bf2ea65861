/** A pretend Proxmox VE node for the demo and for tests: SSH, SFTP, containers and their shells, all in memory. */
import { randomBytes } from 'node:crypto';

import type { LabMount } from './files/mount.ts';
import { containerPrograms } from './programs/catalog.ts';
import { plantClusterFiles } from './proxmox/cluster-files.ts';
import { defaultGuests, type LabGuestSpec } from './proxmox/guests.ts';
import { createNode, type LabNode } from './proxmox/node.ts';
import { nodePrograms } from './proxmox/programs.ts';
import { newPrivateKey } from './ssh/keys.ts';
import { type LabControl, startSshServer } from './ssh/server.ts';

export type { LabMount } from './files/mount.ts';
export type { LabGuestSpec } from './proxmox/guests.ts';

export interface Lab {
  readonly host: '127.0.0.1';
  readonly sshPort: number;
  /** As OpenSSH shows it: `SHA256:…` without padding. */
  readonly hostKeyFingerprint: string;
  readonly username: 'root';
  readonly password: string;
  /** A private key in OpenSSH's format that the node accepts. */
  readonly clientKey: string;
  /** What the node is at the moment, for tests to look at and change. */
  readonly node: LabNode;
  readonly control: LabControl;
  close(): Promise<void>;
}

export interface LabOptions {
  /** 0, or nothing, for any free port. */
  readonly sshPort?: number;
  readonly guests?: readonly LabGuestSpec[];
  /** A private key in OpenSSH's format; a new one where nothing is given. */
  readonly hostKey?: string;
  /** The node's own small or read-only disks. */
  readonly mounts?: readonly LabMount[];
}

/** Starts a node that listens on 127.0.0.1. Rejects where the port is taken. */
export async function startLab({
  sshPort = 0,
  guests = defaultGuests,
  hostKey,
  mounts = [],
}: LabOptions = {}): Promise<Lab> {
  const programs = { container: containerPrograms, node: nodePrograms };
  const node = createNode({ guests, programs, mounts });
  plantClusterFiles(node);
  const password = randomBytes(12).toString('base64url');
  const clientKey = newPrivateKey();
  const username = 'root';
  const server = await startSshServer({
    ...{ node, port: sshPort, username, password, clientKey },
    hostKey: hostKey ?? newPrivateKey(),
  });
  return {
    ...{ host: '127.0.0.1', sshPort: server.port, hostKeyFingerprint: server.hostKeyFingerprint },
    ...{ username, password, clientKey, node, control: server.control },
    async close() {
      node.processes.killAll();
      await server.close();
    },
  };
}
