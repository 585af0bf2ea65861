/** Which resources a caller wants, and in which order. */
import type { Resource } from '../ops/cluster.ts';

export const sortKeys = ['id', 'name', 'status', 'node', 'cpu', 'memory', 'disk', 'uptime'] as const;

export interface Choice {
  readonly type?: string | undefined;
  readonly status?: string | undefined;
  readonly node?: string | undefined;
  readonly pool?: string | undefined;
  readonly tag?: string | undefined;
  /** A part of it, in any case. */
  readonly name?: string | undefined;
  readonly sort: (typeof sortKeys)[number];
}

/** What is equal stays in the order in which it came. */
export function choose(resources: readonly Resource[], choice: Choice): Resource[] {
  const { type, status, node, pool, tag, sort } = choice;
  const name = choice.name?.toLowerCase();
  const fitting = resources.filter(
    (resource) =>
      (type === undefined || resource.kind === type) &&
      (status === undefined || resource.status === status) &&
      (node === undefined || resource.node === node) &&
      (pool === undefined || resource.pool === pool) &&
      (tag === undefined || resource.tags.includes(tag)) &&
      (name === undefined || (resource.name ?? '').toLowerCase().includes(name)),
  );
  return sort === 'id' ? fitting : fitting.sort(by[sort]);
}

type Order = (one: Resource, other: Resource) => number;

function byText(of: (resource: Resource) => string | undefined): Order {
  return (one, other) => {
    const [first, second] = [of(one) ?? '', of(other) ?? ''];
    return first < second ? -1 : first > second ? 1 : 0;
  };
}

/** The largest first, and what has no figure last. */
function byFigure(of: (resource: Resource) => number | undefined): Order {
  return (one, other) => (of(other) ?? -1) - (of(one) ?? -1);
}

const by: Readonly<Record<Exclude<Choice['sort'], 'id'>, Order>> = {
  name: byText(({ name }) => name?.toLowerCase()),
  status: byText(({ status }) => status),
  node: byText(({ node }) => node),
  cpu: byFigure(({ cpuShare }) => cpuShare),
  memory: byFigure(({ memoryBytes }) => memoryBytes),
  disk: byFigure(({ diskBytes }) => diskBytes),
  uptime: byFigure(({ uptimeS }) => uptimeS),
};
