/** What there is to choose from, for lists and completions: nodes, guests, tasks. */
import { z } from 'zod';
import { GatewayError } from '../base/errors.ts';
import type { Data, Look, Reading } from './reading.ts';

export interface GuestChoice {
  readonly vmid: number;
  readonly kind: 'container' | 'vm';
  readonly name: string;
  readonly node: string;
}

/** What no tool of the caller's tells is empty. Throws GatewayError. */
export interface Choices {
  nodes(look: Look): Promise<readonly string[]>;
  /** By id; those of one kind where the others cannot be asked for. */
  guests(look: Look): Promise<readonly GuestChoice[]>;
  /** The latest ones, by their UPIDs. */
  tasks(look: Look): Promise<readonly string[]>;
}

/** People complete letter by letter. */
const freshMs = 5_000;
const maxKept = 100;
const vmsAtOnce = 500;
const maxVms = 10_000;

const NodeRows = z.array(z.object({ name: z.string() }));
const GuestRows = z.array(
  z.object({ vmid: z.number(), name: z.string().default(''), node: z.string().default('') }),
);
const TaskRows = z.array(z.object({ upid: z.string() }));

export function createChoices({ reading }: { reading: Reading }): Choices {
  const kept = new Map<string, { readonly data: Data; readonly at: number }>();

  const ask = async (tool: string, look: Look, args: Data = {}): Promise<Data> => {
    if (!look.viewer.tools.has(tool)) return {};
    const key = JSON.stringify([tool, args, look.viewer.principal.name]);
    const known = kept.get(key);
    if (known !== undefined && performance.now() - known.at < freshMs) return known.data;
    const data = await reading(tool, args, look);
    if (kept.size >= maxKept) kept.clear();
    kept.set(key, { data, at: performance.now() });
    return data;
  };

  const containers = async (look: Look): Promise<GuestChoice[]> =>
    rowsOf(GuestRows, await ask('proxmox_list_containers', look)).map((row) => ({
      ...row,
      kind: 'container',
    }));

  const vms = async (look: Look): Promise<GuestChoice[]> => {
    const found: GuestChoice[] = [];
    for (let offset = 0; offset < maxVms; offset += vmsAtOnce) {
      const rows = rowsOf(GuestRows, await ask('proxmox_list_vms', look, { limit: vmsAtOnce, offset }));
      found.push(...rows.map((row) => ({ ...row, kind: 'vm' as const })));
      if (rows.length < vmsAtOnce) break;
    }
    return found;
  };

  return {
    nodes: async (look) => rowsOf(NodeRows, await ask('proxmox_list_nodes', look)).map(({ name }) => name),
    async guests(look) {
      const { tools } = look.viewer;
      const found = await whatIsTold([
        ...(tools.has('proxmox_list_containers') ? [containers(look)] : []),
        ...(tools.has('proxmox_list_vms') ? [vms(look)] : []),
      ]);
      return found.flat().sort((one, other) => one.vmid - other.vmid);
    },
    tasks: async (look) =>
      rowsOf(TaskRows, await ask('proxmox_list_tasks', look, { limit: 100 })).map(({ upid }) => upid),
  };
}

/** What comes of several questions, as long as one of them is answered. Throws what the first one threw. */
export async function whatIsTold<T>(asked: readonly Promise<T>[]): Promise<readonly T[]> {
  const settled = await Promise.allSettled(asked);
  const failed = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  const told = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const unforeseen = failed.find((reason) => !(reason instanceof GatewayError));
  if (unforeseen !== undefined) throw unforeseen;
  if (told.length === 0 && failed.length > 0) throw failed[0];
  return told;
}

/** Such a tool answers one list, whatever its name is. */
function rowsOf<R>(schema: z.ZodType<readonly R[]>, data: Data): readonly R[] {
  return schema.safeParse(Object.values(data).find(Array.isArray)).data ?? [];
}
