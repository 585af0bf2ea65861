/** Finds guests: what there is, where it lives, whether it runs; from the host's files, the REST API, or both. */
import { failure, GatewayError } from '../base/errors.ts';
import type { ApiSource } from './api-source.ts';
import type { ContainerDriver } from './driver.ts';
import type { ContainerConfig } from './guest-conf.ts';
import { createLookout, type Lookout } from './lookout.ts';
import { isOutOfReach } from './out-of-reach.ts';
import type { SshSource } from './ssh-source.ts';
import type { Guest, Survey } from './survey.ts';

export interface Inventory {
  /** Containers of the whole cluster, by id. */
  list(signal: AbortSignal): Promise<readonly Guest[]>;
  /** The guest, from a survey at most 5 s old; undefined where a new one does not show it. */
  find(vmid: number, signal: AbortSignal): Promise<Guest | undefined>;
  /** Every guest of that name, letter by letter, as it is now. */
  findNamed(name: string, signal: AbortSignal): Promise<readonly Guest[]>;
  /** The guest as the cluster has it now, asked anew: for whatever changes something. Throws GUEST_NOT_FOUND. */
  now(vmid: number, signal: AbortSignal): Promise<Guest>;
  /**
   * Reads something on the node that has the guest; where that turns out to have moved (`read` throws
   * GUEST_NOT_FOUND), once more on the other node. Throws GUEST_NOT_FOUND and what `read` throws.
   */
  onOwner<T>(vmid: number, signal: AbortSignal, read: (guest: Guest) => Promise<T>): Promise<T>;
  /** Names of the cluster's nodes, at most 5 s old. */
  nodes(signal: AbortSignal): Promise<readonly string[]>;
  /** The container as it is now. Throws CONTAINER_NOT_FOUND, NOT_A_CONTAINER. */
  get(vmid: number, signal: AbortSignal): Promise<Guest>;
  /** The container as it is now, on that very node. Throws CONTAINER_ELSEWHERE, too. */
  getOn(node: string, vmid: number, signal: AbortSignal): Promise<Guest>;
  /** The container's configuration, snapshots left out. */
  config(vmid: number, signal: AbortSignal): Promise<ContainerConfig>;
  /** The way into containers. Throws SSH_NOT_CONFIGURED where there is none. */
  driver(signal: AbortSignal): Promise<ContainerDriver>;
}

type Ssh = SshSource & { readonly lookout: Lookout };
type Api = ApiSource & { readonly lookout: Lookout };

function containersIn(guests: Survey['guests']): readonly Guest[] {
  return [...guests.values()].filter(({ kind }) => kind === 'container');
}

/** Of a name, each looked at by a request of its own. */
const maxCandidates = 50;

/** At least one of both sources must be there. The API is quicker, the host's files know every guest. */
export function createInventory(sources: {
  ssh: SshSource | undefined;
  api: ApiSource | undefined;
}): Inventory {
  const ssh: Ssh | undefined = sources.ssh && { ...sources.ssh, lookout: createLookout(sources.ssh.survey) };
  const api: Api | undefined = sources.api && { ...sources.api, lookout: createLookout(sources.api.survey) };
  const lookouts = [api, ssh].flatMap((source) => source?.lookout ?? []);

  /** What the first source says that has anything to say; throws what kept the others from it. */
  const ask = async <T>(said: (lookout: Lookout) => Promise<T | undefined>): Promise<T | undefined> => {
    let failed: unknown;
    for (const lookout of lookouts) {
      try {
        const found = await said(lookout);
        if (found !== undefined) return found;
      } catch (error) {
        failed ??= error;
      }
    }
    if (failed !== undefined) throw failed;
    return undefined;
  };

  const find = async (vmid: number, signal: AbortSignal): Promise<Guest | undefined> => {
    const known = lookouts.map((lookout) => lookout.known()?.guests.get(vmid));
    return (
      known.find((guest) => guest !== undefined) ??
      (await ask(async (lookout) => (await lookout.shared(signal)).guests.get(vmid)))
    );
  };

  const now = async (vmid: number, signal: AbortSignal): Promise<Guest> => {
    const guest = await ask(async (lookout) => (await lookout.fresh(signal)).guests.get(vmid));
    if (guest === undefined) throw failure('GUEST_NOT_FOUND', { vmid });
    return guest;
  };

  const asContainer = (vmid: number, guest: Guest | undefined): Guest => {
    if (guest === undefined) throw failure('CONTAINER_NOT_FOUND', { vmid });
    if (guest.kind !== 'container') throw failure('NOT_A_CONTAINER', { vmid });
    return guest;
  };

  /** The host's own files, or what the API says where there are none or they cannot be read. */
  const either = async <T>(overSsh: (source: Ssh) => Promise<T>, overApi: (source: Api) => Promise<T>) => {
    if (ssh !== undefined) {
      try {
        return await overSsh(ssh);
      } catch (error) {
        if (api === undefined || !isOutOfReach(error)) throw error;
      }
    }
    if (api === undefined) throw failure('API_NOT_CONFIGURED', {});
    return await overApi(api);
  };

  /** SECURITY: its lists are up to ten seconds old. A name counts only where the guest has it at this moment. */
  const namedByApi = async (source: Api, name: string, signal: AbortSignal): Promise<readonly Guest[]> => {
    const { guests } = await source.lookout.shared(signal);
    const candidates = [...guests.values()]
      // One that is new has none there.
      .filter((guest) => guest.name === name || guest.name === undefined)
      .slice(0, maxCandidates);
    const told = await Promise.all(candidates.map((guest) => source.now(guest, signal)));
    return told.filter((guest) => guest !== undefined).filter((guest) => guest.name === name);
  };

  const getOverSsh = async (source: Ssh, vmid: number, signal: AbortSignal): Promise<Guest> => {
    const { guests, here } = await source.lookout.fresh(signal);
    const guest = asContainer(vmid, guests.get(vmid));
    if (guest.node === here) return guest;
    const [asked = guest] = await source.withStates([guest], signal);
    if (api === undefined || asked.status !== 'unknown') return asked;
    return (await api.now(asked, signal).catch(() => undefined)) ?? asked;
  };

  const getOverApi = async (source: Api, vmid: number, signal: AbortSignal): Promise<Guest> => {
    const known = asContainer(vmid, await find(vmid, signal));
    const current = await source.now(known, signal);
    if (current !== undefined) return current;
    const moved = asContainer(vmid, (await source.lookout.fresh(signal)).guests.get(vmid));
    return asContainer(vmid, await source.now(moved, signal));
  };

  const get = async (vmid: number, signal: AbortSignal): Promise<Guest> =>
    await either(
      (source) => getOverSsh(source, vmid, signal),
      (source) => getOverApi(source, vmid, signal),
    );

  const listOverSsh = async (source: Ssh, signal: AbortSignal): Promise<readonly Guest[]> => {
    const { guests, here } = await source.lookout.fresh(signal);
    const containers = containersIn(guests);
    const elsewhere = containers.filter(({ node }) => node !== here);
    if (elsewhere.length === 0) return containers;
    const asked = await source.withStates(elsewhere, signal);
    const isSilent = asked.some(({ status }) => status === 'unknown');
    const survey = isSilent ? await api?.lookout.fresh(signal).catch(() => undefined) : undefined;
    const told = asked.map((guest) =>
      guest.status === 'unknown' ? (survey?.guests.get(guest.vmid) ?? guest) : guest,
    );
    return [...containers.filter(({ node }) => node === here), ...told];
  };

  return {
    async list(signal) {
      const found = await either(
        (source) => listOverSsh(source, signal),
        async (source) => containersIn((await source.lookout.fresh(signal)).guests),
      );
      return [...found].sort((one, other) => one.vmid - other.vmid);
    },
    find,
    findNamed: async (name, signal) =>
      await either(
        async ({ lookout }) => {
          const { guests } = await lookout.shared(signal);
          return [...guests.values()].filter((guest) => guest.name === name);
        },
        (source) => namedByApi(source, name, signal),
      ),
    now,
    async onOwner(vmid, signal, read) {
      const known = (await find(vmid, signal)) ?? (await now(vmid, signal));
      try {
        return await read(known);
      } catch (error) {
        if (!(error instanceof GatewayError && error.code === 'GUEST_NOT_FOUND')) throw error;
        const moved = await now(vmid, signal);
        if (moved.node === known.node) throw error;
        return await read(moved);
      }
    },
    nodes: async (signal) => {
      const names = await ask(async (lookout) => {
        const { nodes } = await lookout.recent(signal);
        return nodes.size > 0 ? nodes : undefined;
      });
      return [...(names ?? [])].sort();
    },
    get,
    async getOn(node, vmid, signal) {
      const guest = await get(vmid, signal);
      if (guest.node !== node) throw failure('CONTAINER_ELSEWHERE', { vmid, node: guest.node, here: node });
      return guest;
    },
    async config(vmid, signal) {
      const guest = await get(vmid, signal);
      return await either(
        (source) => source.config(guest, signal),
        (source) => source.config(guest, signal),
      );
    },
    driver: async (signal) => {
      if (ssh === undefined) throw failure('SSH_NOT_CONFIGURED', {});
      return await ssh.driver(signal);
    },
  };
}
