/** Every endpoint that the lab serves. */
import { agentEndpoints } from './agent.ts';
import { agentFileEndpoints } from './agent-files.ts';
import { backupEndpoints } from './backups.ts';
import { backupJobEndpoints } from './backups-jobs.ts';
import { clusterEndpoints } from './cluster.ts';
import { defineEndpoint, type Endpoint } from './endpoint.ts';
import { cloneEndpoints } from './guest-clone.ts';
import { configEndpoints } from './guest-config.ts';
import { createEndpoint } from './guest-create.ts';
import { containerKind, type GuestKind, vmKind } from './guest-kinds.ts';
import { migrateEndpoints } from './guest-migrate.ts';
import { powerEndpoints } from './guest-power.ts';
import { removeEndpoint } from './guest-remove.ts';
import { snapshotEndpoints } from './guest-snapshots.ts';
import { statusEndpoints } from './guest-status.ts';
import { historyEndpoints } from './history.ts';
import { logEndpoints } from './history-logs.ts';
import { interfaceEndpoints } from './interfaces.ts';
import { nodeEndpoints } from './nodes.ts';
import { poolEndpoints } from './pools.ts';
import { segmentsOf } from './request.ts';
import { resourceEndpoints } from './resources.ts';
import { storageEndpoints } from './storage.ts';
import { storageContentEndpoints } from './storage-content.ts';
import { storageDownloadEndpoints } from './storage-download.ts';
import { taskEndpoints } from './task-list.ts';

function guestEndpoints(kind: GuestKind): readonly Endpoint[] {
  return [
    ...statusEndpoints(kind),
    createEndpoint(kind),
    removeEndpoint(kind),
    ...configEndpoints(kind),
    ...snapshotEndpoints(kind),
    ...cloneEndpoints(kind),
    ...migrateEndpoints(kind),
  ];
}

const served: readonly Endpoint[] = [
  ...clusterEndpoints,
  ...resourceEndpoints,
  ...nodeEndpoints,
  ...taskEndpoints,
  ...guestEndpoints(containerKind),
  ...guestEndpoints(vmKind),
  ...powerEndpoints,
  ...agentEndpoints,
  ...agentFileEndpoints,
  ...interfaceEndpoints,
  ...storageEndpoints,
  ...storageContentEndpoints,
  ...storageDownloadEndpoints,
  ...backupEndpoints,
  ...backupJobEndpoints,
  ...poolEndpoints,
  ...historyEndpoints,
  ...logEndpoints,
];

/** Lists what is served below a path, as a node does at some of its inner paths. */
function indexOf(path: string, key: 'name' | 'subdir'): Endpoint {
  const depth = segmentsOf(path).length;
  const below = served
    .map((endpoint) => segmentsOf(endpoint.path))
    .filter((parts) => `/${parts.slice(0, depth).join('/')}` === path)
    .flatMap((parts) => parts[depth] ?? [])
    .filter((part) => !part.startsWith('{'));
  const entries = [...new Set(below)].map((part) => ({ [key]: part }));
  return defineEndpoint({
    method: 'GET',
    path,
    about: 'Lists what there is below this path.',
    permission: 'all',
    returns: 'array',
    run: () => entries,
  });
}

export const endpoints: readonly Endpoint[] = [
  ...served,
  ...['/', '/nodes/{node}/lxc/{vmid}', '/nodes/{node}/lxc/{vmid}/status'].map((path) =>
    indexOf(path, 'subdir'),
  ),
  ...['/nodes/{node}/qemu/{vmid}', '/nodes/{node}/qemu/{vmid}/status'].map((path) => indexOf(path, 'subdir')),
  ...['/cluster', '/nodes/{node}'].map((path) => indexOf(path, 'name')),
];
