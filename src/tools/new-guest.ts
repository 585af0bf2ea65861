/** The id of a guest that is still to be made. */
import { failure } from '../base/errors.ts';
import type { ToolContext } from './define.ts';

/**
 * The id that the caller names with `argument`, or the lowest free one. Throws INVALID_ARGUMENT where a guest
 * has it, and PERMISSION_DENIED where the caller may not reach the free one, which policy could not know before.
 */
export async function idForNew(
  argument: 'vmid' | 'new_vmid',
  named: number | undefined,
  { ops, signal, mayReach }: ToolContext,
): Promise<number> {
  if (named !== undefined) {
    if ((await ops.inventory.find(named, signal)) === undefined) return named;
    throw failure('INVALID_ARGUMENT', {
      problem: `${argument}: there is a guest ${named} already; without ${argument}, the next free id is taken`,
    });
  }
  const vmid = await ops.provisioning.freeVmid(signal);
  if (mayReach(vmid)) return vmid;
  throw failure('PERMISSION_DENIED', {
    reason: `the next free id, ${vmid}, is outside what it may reach (ALLOWED_VMIDS, DENIED_VMIDS); ${argument} can name another`,
  });
}
