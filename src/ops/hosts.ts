/** The nodes of a cluster as places where commands run, each over a connection of its own. */
import { failure } from '../base/errors.ts';
import { untilAborted } from '../base/interruption.ts';
import { wholeText } from '../exec/capture.ts';
import type { Executor, ExecutorStatus } from '../exec/executor.ts';
import { type Members, parseMembers } from './survey.ts';

/** A node, and how commands get there. */
export interface Site {
  readonly node: string;
  readonly executor: Executor;
}

export interface Hosts {
  /** The node that the gateway was pointed at, or runs on. */
  readonly first: Executor;
  /**
   * One node of the cluster. Throws NODE_UNKNOWN for what is none, NODE_OUT_OF_REACH where nothing leads there;
   * whether it can be reached shows when it is used.
   */
  on(node: string, signal: AbortSignal): Promise<Site>;
  /** What has just been read of the cluster's nodes need not be asked for. */
  know(members: Members): void;
  /** The first node, by name. */
  here(signal: AbortSignal): Promise<Site>;
  /** Of the executors of other nodes. */
  status(): readonly ExecutorStatus[];
  /** Of the connections to other nodes. */
  close(): Promise<void>;
}

export interface NodeAddress {
  readonly host: string;
  /** Undefined for that of the first node. */
  readonly port: number | undefined;
}

/**
 * Makes an executor for another node. `knownHosts` are lines of known_hosts in which the node's name stands, as
 * the cluster itself keeps them.
 */
export type OpenNode = (target: { address: NodeAddress; node: string; knownHosts: string }) => Executor;

const lookTimeoutMs = 15_000;
const maxBytes = 1024 * 1024;
/** The keys of each node since 2024, and those of all nodes in one file before. */
const keysScript = `cat "/etc/pve/nodes/$1/ssh_known_hosts" /etc/pve/priv/known_hosts 2>/dev/null || true`;

const sharedSignal = () => AbortSignal.timeout(2 * lookTimeoutMs);

interface Opened extends Site {
  readonly address: string;
}

/** Without `openNode` nothing but the first node can be reached. `addresses` win over those of the cluster. */
export function createHosts(input: {
  first: Executor;
  openNode: OpenNode | undefined;
  addresses: ReadonlyMap<string, NodeAddress>;
}): Hosts {
  const { first, openNode, addresses } = input;
  const opened = new Map<string, Opened>();
  /** Shared by all who wait for it, so that none closes what another has just opened. */
  const opening = new Map<string, Promise<Opened>>();
  let members: Members | undefined;
  let looking: Promise<Members> | undefined;
  let closed = false;

  const ask = async (argv: [string, ...string[]], signal: AbortSignal): Promise<string> => {
    const result = await first.run({ argv, timeoutMs: lookTimeoutMs, maxBytes }, { signal });
    if (result.exitCode === 0) return wholeText(result.stdout);
    const evidence = { stderr: wholeText(result.stderr) };
    throw failure('LOOK_FAILED', { what: 'the nodes of its cluster' }, { evidence });
  };

  const lookAtMembers = async (): Promise<Members> => {
    looking ??= ask(['cat', '/etc/pve/.members'], sharedSignal())
      .then((text) => {
        members = parseMembers(text);
        return members;
      })
      .finally(() => {
        looking = undefined;
      });
    return await looking;
  };

  const here = async (signal: AbortSignal): Promise<Site> => {
    const { here: node } = members ?? (await untilAborted(lookAtMembers(), signal));
    return { node, executor: first };
  };

  const addressOf = async (node: string, asked: Members): Promise<NodeAddress> => {
    const own = addresses.get(node);
    if (own !== undefined) return own;
    const host = asked.nodes.get(node)?.address ?? (await lookAtMembers()).nodes.get(node)?.address;
    if (host === undefined) throw failure('NODE_UNKNOWN', { node });
    return { host, port: undefined };
  };

  /** A node in trouble may have got another address or key meanwhile, and only then is it opened anew. */
  const open = async (node: string, before: Opened | undefined): Promise<Opened> => {
    if (openNode === undefined)
      throw failure('NODE_OUT_OF_REACH', { node, here: (await here(sharedSignal())).node });
    const signal = sharedSignal();
    const asked = before === undefined && members !== undefined ? members : await lookAtMembers();
    const address = await addressOf(node, asked);
    const written = `${address.host} ${address.port ?? ''}`;
    if (before?.address === written && before.executor.status().problem !== 'HOST_KEY_REFUSED') return before;
    const knownHosts = await ask(['/bin/sh', '-c', keysScript, 'sh', node], signal);
    if (closed) throw failure('SHUTTING_DOWN', {});
    const site = { node, address: written, executor: openNode({ address, node, knownHosts }) };
    await before?.executor.close();
    return site;
  };

  return {
    first,
    here,
    know(read) {
      members = read;
    },
    async on(node, signal) {
      if (closed) throw failure('SHUTTING_DOWN', {});
      const own = await here(signal);
      if (node === own.node) return own;
      const before = opened.get(node);
      if (before !== undefined && before.executor.status().problem === undefined) return before;
      const pending =
        opening.get(node) ??
        open(node, before)
          .then((site) => {
            opened.set(node, site);
            return site;
          })
          .finally(() => opening.delete(node));
      opening.set(node, pending);
      return await untilAborted(pending, signal);
    },
    status: () => [...opened.values()].map(({ executor }) => executor.status()),
    async close() {
      closed = true;
      await Promise.allSettled(opening.values());
      await Promise.all([...opened.values()].map(({ executor }) => executor.close()));
    },
  };
}
