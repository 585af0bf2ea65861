/** Endpoints that remove guests for good. */
import type { LabGuest } from '../proxmox/guest.ts';
import { ApiError } from './api-error.ts';
import { type Call, defineEndpoint, type Endpoint, type Parameters } from './endpoint.ts';
import { type GuestKind, getGuest, refuseLocked } from './guest-kinds.ts';
import { leavePool } from './pools-members.ts';

/** Throws ApiError 500. */
function requireRemovable({ values }: Call, { word }: GuestKind, guest: LabGuest): void {
  const { vmid, kind, config, pid } = guest;
  if (config.get('protection') === '1')
    throw new ApiError(500, `can't remove ${word} ${vmid} - protection mode enabled`);
  refuseLocked(guest);
  if (pid === undefined || (kind === 'container' && values.flag('force'))) return;
  throw new ApiError(
    500,
    kind === 'vm'
      ? `VM ${vmid} is running - destroy failed`
      : `unable to destroy CT ${vmid} - container is running`,
  );
}

function remove(call: Call, kind: GuestKind): string {
  const { cluster, values } = call;
  const guest = getGuest(call, kind);
  requireRemovable(call, kind, guest);
  const { vmid } = guest;
  return call.start(`${kind.task}destroy`, String(vmid), async (task) => {
    await task.take();
    requireRemovable(call, kind, guest);
    cluster.remove(vmid);
    leavePool(cluster, vmid);
    if (values.flag('purge')) task.log(`purging ${kind.word} ${vmid} from related configurations..`);
  });
}

export function removeEndpoint(kind: GuestKind): Endpoint {
  const what = kind.kind === 'vm' ? 'virtual machine' : 'container';
  const own: Parameters =
    kind.kind === 'vm'
      ? { skiplock: { type: 'boolean', optional: true, about: 'Pass over a lock; for root alone.' } }
      : { force: { type: 'boolean', optional: true, default: 0, about: 'Remove it even while it runs.' } };
  return defineEndpoint({
    ...{ method: 'DELETE', path: `/nodes/{node}/${kind.path}/{vmid}`, returns: 'string' },
    about: `Removes a ${what} with its disks.`,
    permission: { path: '/vms/{vmid}', privileges: ['VM.Allocate'] },
    parameters: {
      ...own,
      purge: { type: 'boolean', optional: true, about: 'Take it out of backup jobs and the like, too.' },
      'destroy-unreferenced-disks': {
        ...{ type: 'boolean', optional: true, default: 0 },
        about: 'Remove disks of its id that its configuration does not name, too.',
      },
    },
    run: (call) => remove(call, kind),
  });
}
