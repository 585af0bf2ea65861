/** How nodes and guests fared over time, from the figures that Proxmox VE keeps. */
import { z } from 'zod';
import { type ApiPath, apiPath, guestPath } from '../pve/api-path.ts';
import { Num } from './answers.ts';
import type { ApiRoom } from './api-room.ts';
import { ListOf } from './list-of.ts';
import type { Guest } from './survey.ts';

export const timeframes = ['hour', 'day', 'week', 'month', 'year'] as const;

export interface Span {
  readonly timeframe: (typeof timeframes)[number];
  /** What stands for several moments: their mean, or the largest of them. */
  readonly of: 'average' | 'maximum';
  /** The most points that come back, at least 1. */
  readonly maxPoints: number;
}

/** By Proxmox VE's own names, in its own units. A gap is null. */
export type Point = Readonly<Record<string, number | null>>;

export interface Figures {
  /** When the first point begins; undefined where there are none. */
  readonly from: Date | undefined;
  /** From one point to the next; 0 where there are less than two. */
  readonly stepS: number;
  readonly points: readonly Point[];
}

export interface History {
  ofNode(node: string, span: Span, signal: AbortSignal): Promise<Figures>;
  ofGuest(vmid: number, span: Span, signal: AbortSignal): Promise<Figures & { readonly guest: Guest }>;
}

/** Numbers, by whatever names. */
const Row = z.object({ time: Num.pipe(z.number()) }).catchall(Num);
const Rows = ListOf(Row);
type Row = z.output<typeof Row>;

export function createHistory({ pve, inventory }: ApiRoom): History {
  const read = async (path: ApiPath, span: Span, action: string, signal: AbortSignal): Promise<Figures> => {
    const cf = span.of === 'maximum' ? 'MAX' : 'AVERAGE';
    const rows = await pve.request(
      { method: 'GET', path, params: { timeframe: span.timeframe, cf }, signal, action },
      Rows,
    );
    return condense(rows, span);
  };

  return {
    ofNode: (node, span, signal) =>
      read(apiPath`/nodes/${node}/rrddata`, span, `tell the figures of ${node}`, signal),
    ofGuest: (vmid, span, signal) =>
      inventory.onOwner(vmid, signal, async (guest) => ({
        guest,
        ...(await read(guestPath(guest, 'rrddata'), span, `tell the figures of guest ${vmid}`, signal)),
      })),
  };
}

/** At most maxPoints points of equal length, each of as many rows as that takes. */
export function condense(rows: readonly Row[], { of, maxPoints }: Pick<Span, 'of' | 'maxPoints'>): Figures {
  const ordered = [...rows].sort((one, other) => one.time - other.time);
  const [first, second] = ordered;
  if (first === undefined) return { from: undefined, stepS: 0, points: [] };
  const each = Math.ceil(ordered.length / maxPoints);
  const names = new Set(ordered.flatMap((row) => Object.keys(row)));
  names.delete('time');
  const points: Point[] = [];
  for (let start = 0; start < ordered.length; start += each)
    points.push(pointOf(ordered.slice(start, start + each), names, of));
  const stepS = second === undefined ? 0 : (second.time - first.time) * each;
  return { from: new Date(first.time * 1000), stepS, points };
}

function pointOf(rows: readonly Row[], names: ReadonlySet<string>, of: Span['of']): Point {
  const point = Array.from(names, (name): [string, number | null] => {
    const values = rows.map((row) => row[name]).filter((value) => value !== undefined);
    if (values.length === 0) return [name, null];
    const sum = values.reduce((total, value) => total + value, 0);
    return [name, of === 'maximum' ? Math.max(...values) : sum / values.length];
  });
  return Object.fromEntries(point);
}
