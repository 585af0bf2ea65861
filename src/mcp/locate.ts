/** Finds what a call names, before policy decides on it: the guest by id or name, and the nodes. */
import { failure, GatewayError } from '../base/errors.ts';
import type { Inventory } from '../ops/inventory.ts';
import type { Effect, Intent, LocatedGuest } from '../policy/rules.ts';
import type { Tool } from '../tools/define.ts';

export type Arguments = Readonly<Record<string, unknown>>;

export interface Located {
  readonly guest: LocatedGuest | undefined;
  /** With the id of the guest where its name was. */
  readonly args: Arguments;
}

/** Arguments that name a node of the cluster, wherever they appear. */
const nodeArguments = ['node', 'target_node'] as const;

/**
 * Throws CONTAINER_NOT_FOUND, GUEST_NOT_FOUND, GUEST_NAME_UNKNOWN, GUEST_NAME_AMBIGUOUS, NOT_A_CONTAINER,
 * NOT_A_VM, INVALID_ARGUMENT. `mayReach` keeps guests out of sight that policy does not let the caller see.
 */
export async function locate(input: {
  tool: Tool;
  effect: Effect;
  args: Arguments;
  inventory: Inventory;
  mayReach: (vmid: number) => boolean;
  signal: AbortSignal;
}): Promise<Located> {
  const { tool, args, inventory, signal } = input;
  await checkNodes(args, inventory, signal);
  // An id alone may be that of a guest which is no more, or not yet.
  const isNamed = typeof args.vmid === 'string';
  if (args.vmid === undefined || !(isGuest(tool.target) || isNamed)) return { guest: undefined, args };
  const guest =
    typeof args.vmid === 'string' ? await byName(args.vmid, input) : await byId(Number(args.vmid), input);
  if (tool.target === 'container' && guest.kind !== 'container')
    throw failure('NOT_A_CONTAINER', { vmid: guest.vmid });
  if (tool.target === 'vm' && guest.kind !== 'vm') throw failure('NOT_A_VM', { vmid: guest.vmid });
  return { guest, args: { ...args, vmid: guest.vmid } };
}

const maxReached = 40;

/**
 * Those that there are of the guests that a call names beside its own, as they are now. Throws INVALID_ARGUMENT
 * where they are too many to be asked about.
 */
export async function reached(
  reaches: Intent['reaches'],
  inventory: Inventory,
  signal: AbortSignal,
): Promise<readonly LocatedGuest[]> {
  if (reaches === undefined || reaches === 'every') return [];
  if (reaches.length > maxReached)
    throw failure('INVALID_ARGUMENT', {
      problem: `arguments: a person cannot be asked about ${reaches.length} guests at once; at most ${maxReached}`,
    });
  const found: LocatedGuest[] = [];
  for (const vmid of reaches) {
    const guest = await inventory.now(vmid, signal).catch(absent);
    if (guest !== undefined) found.push(guest);
  }
  return found;
}

function absent(error: unknown): undefined {
  if (!(error instanceof GatewayError && error.code === 'GUEST_NOT_FOUND')) throw error;
}

function isGuest(target: Tool['target']): boolean {
  return target === 'container' || target === 'vm' || target === 'guest';
}

/** SECURITY: within the seconds for which it is known an id may go to another guest, which nobody agreed to destroy. */
async function byId(vmid: number, { tool, effect, inventory, signal }: Parameters<typeof locate>[0]) {
  const guest = await inventory.find(vmid, signal);
  if (guest === undefined)
    throw failure(tool.target === 'container' ? 'CONTAINER_NOT_FOUND' : 'GUEST_NOT_FOUND', { vmid });
  return effect === 'destroy' ? await inventory.now(vmid, signal) : guest;
}

/** SECURITY: guests that may not be reached do not count, so that no answer tells whether they exist. */
async function byName(name: string, input: Parameters<typeof locate>[0]) {
  const found = await input.inventory.findNamed(name, input.signal);
  const { target } = input.tool;
  const kind = target === 'container' || target === 'vm' ? target : undefined;
  const reached = found.filter(({ vmid }) => input.mayReach(vmid));
  const fitting = reached.filter((guest) => kind === undefined || guest.kind === kind);
  const meant = fitting.length > 0 ? fitting : reached;
  const [first, second] = meant;
  if (first === undefined) throw failure('GUEST_NAME_UNKNOWN', { name });
  if (second !== undefined)
    throw failure('GUEST_NAME_AMBIGUOUS', { name, vmids: meant.map(({ vmid }) => vmid) });
  return first;
}

/** SECURITY: what is sent to a node goes to no other address than the cluster's own. */
async function checkNodes(args: Arguments, inventory: Inventory, signal: AbortSignal): Promise<void> {
  const named = nodeArguments.filter((name) => typeof args[name] === 'string');
  if (named.length === 0) return;
  const known = await inventory.nodes(signal);
  for (const name of named.filter((each) => !known.includes(String(args[each])))) {
    const seen =
      known.length > 0
        ? `there is no such node (${known.join(', ')})`
        : 'no node can be seen; the API token may lack the right';
    throw failure('INVALID_ARGUMENT', { problem: `${name}: ${seen}` });
  }
}
