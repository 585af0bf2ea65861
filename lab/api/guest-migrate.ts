/** Endpoints that move guests to another node. */
import type { LabGuest } from '../proxmox/guest.ts';
import { ApiError, badParameters } from './api-error.ts';
import { type Call, type Check, defineEndpoint, type Endpoint, type Parameters } from './endpoint.ts';
import { bandwidthLimit, type GuestKind, getGuest, refuseLocked } from './guest-kinds.ts';
import { disksOf } from './storage-volumes.ts';
import { storagesOf } from './storages.ts';
import type { TaskRun } from './tasks.ts';

function localDisks({ cluster }: Call, { config }: LabGuest): string[] {
  const storages = storagesOf(cluster);
  return disksOf(config)
    .map(({ volid }) => volid)
    .filter((volid) => storages.find(volid.split(':')[0] ?? '')?.shared !== true);
}

/** What is in the way, and where it could go. */
function preconditions(call: Call, kind: GuestKind): object {
  const { cluster, node } = call;
  const guest = getGuest(call, kind);
  const others = [...cluster.nodes.keys()].filter((name) => name !== node.name);
  const running = guest.pid === undefined ? 0 : 1;
  if (kind.kind === 'container') return { running, 'allowed-nodes': others, 'not-allowed-nodes': {} };
  return {
    ...{ running, local_resources: [], 'mapped-resources': [], 'mapped-resource-info': {} },
    local_disks: localDisks(call, guest).map((volid) => ({ volid, size: 0, cdrom: 0 })),
    ...(running === 0 && { allowed_nodes: others, not_allowed_nodes: {} }),
  };
}

/** Throws ApiError where the guest cannot go there as it is asked. */
function requireMovable(call: Call, guest: LabGuest): void {
  const { cluster, node, values } = call;
  const target = values.text('target');
  if (target === node.name) throw badParameters({ target: 'target is local node.' });
  if (!cluster.nodes.has(target)) throw new ApiError(500, `no such cluster node '${target}'`);
  refuseLocked(guest);
  if (guest.pid === undefined) return;
  if (guest.kind === 'vm') {
    if (!values.flag('online')) throw new ApiError(500, "can't migrate running VM without --online");
    return;
  }
  if (values.flag('online')) throw new ApiError(500, 'lxc live migration is currently not implemented');
  if (!values.flag('restart'))
    throw new ApiError(500, "can't migrate running container without --online or --restart");
}

async function move(call: Call, task: TaskRun, guest: LabGuest): Promise<void> {
  const { cluster, node, values } = call;
  const { vmid } = guest;
  const target = values.text('target');
  const startedMs = Date.now();
  const [local] = localDisks(call, guest);
  const runs = guest.pid !== undefined;
  if (guest.kind === 'vm' && runs && local !== undefined && !values.flag('with-local-disks')) {
    task.log(
      `ERROR: Problem found while scanning volumes - can't migrate local disk '${local}': can't live migrate attached local disks without with-local-disks option`,
    );
    throw new ApiError(500, "Problem found while scanning volumes - can't migrate VM - check log");
  }
  task.log(
    `starting migration of ${guest.kind === 'vm' ? 'VM' : 'CT'} ${vmid} to node '${target}' (127.0.0.1)`,
  );
  guest.config.set('lock', 'migrate');
  try {
    if (runs && guest.kind === 'container') {
      task.log('shutdown CT');
      node.halt(guest);
    }
    for (const volid of localDisks(call, guest))
      task.log(`found local volume '${volid}' (in current VM config)`);
    await task.take();
  } finally {
    guest.config.delete('lock');
  }
  cluster.move(vmid, target);
  if (runs) cluster.nodes.get(target)?.boot(guest);
  if (runs && guest.kind === 'container') task.log('start container on target node');
  const took = new Date(Date.now() - startedMs).toISOString().slice(11, 19);
  task.log(`migration finished successfully (duration ${took})`);
}

function migrate(call: Call, kind: GuestKind): string {
  const guest = getGuest(call, kind);
  requireMovable(call, guest);
  return call.start(`${kind.task}migrate`, String(guest.vmid), (task) => move(call, task, guest));
}

function migrateParameters(kind: GuestKind): Parameters {
  const flag = (about: string) => ({ type: 'boolean', optional: true, about }) as const;
  return {
    target: { type: 'string', format: 'pve-node', about: 'Node that the guest goes to.' },
    bwlimit: bandwidthLimit(kind),
    online: flag('Move it while it runs.'),
    ...(kind.kind === 'vm'
      ? {
          force: flag('Move it in spite of local devices; for root alone.'),
          targetstorage: {
            type: 'string',
            optional: true,
            about: 'Storage there, or pairs of storages.',
          } as const,
          'with-local-disks': flag('Copy disks on local storages.'),
        }
      : {
          restart: flag('Shut it down before, and start it afterwards.'),
          'target-storage': {
            type: 'string',
            optional: true,
            about: 'Storage there, or pairs of storages.',
          } as const,
          timeout: {
            type: 'integer',
            optional: true,
            default: 180,
            about: 'Seconds it has to shut down.',
          } as const,
        }),
  };
}

export function migrateEndpoints(kind: GuestKind): readonly Endpoint[] {
  const what = kind.kind === 'vm' ? 'virtual machine' : 'container';
  const path = `/nodes/{node}/${kind.path}/{vmid}/migrate`;
  const permission: Check = { path: '/vms/{vmid}', privileges: ['VM.Migrate'] };
  return [
    defineEndpoint({
      method: 'GET',
      path,
      about: `Tells where a ${what} could go, and what is in the way.`,
      permission,
      parameters: {
        target: { type: 'string', optional: true, format: 'pve-node', about: 'Look at this node.' },
      },
      returns: 'object',
      run: (call) => preconditions(call, kind),
    }),
    defineEndpoint({
      ...{ method: 'POST', path, about: `Moves a ${what} to another node.`, permission, returns: 'string' },
      parameters: migrateParameters(kind),
      run: (call) => migrate(call, kind),
    }),
  ];
}
