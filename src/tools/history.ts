/** Figures over time, with a small picture of them. */
import { z } from 'zod';
import { bytesText, durationText, percentText } from '../base/quantities.ts';
import { clean } from '../base/text.ts';
import { type Figures, type Point, type Span, timeframes } from '../ops/history.ts';
import { defineTool } from './define.ts';
import { momentText } from './moments.ts';
import { NodeName, Vmid } from './params.ts';
import { Open } from './rows.ts';
import { sparkline } from './sparkline.ts';

type Values = readonly (number | null)[];

interface Measure {
  /** Proxmox VE's own name. */
  readonly from: string;
  /** In results, with the unit. */
  readonly name: string;
  readonly label: string;
  readonly unit: 'percent' | 'bytes' | 'rate' | 'number';
}

const network: readonly Measure[] = [
  { from: 'netin', name: 'network_in_bytes_per_second', label: 'Network in', unit: 'rate' },
  { from: 'netout', name: 'network_out_bytes_per_second', label: 'Network out', unit: 'rate' },
];
const cpu: Measure = { from: 'cpu', name: 'cpu_percent', label: 'CPU', unit: 'percent' };

const ofNodes: readonly Measure[] = [
  cpu,
  { from: 'iowait', name: 'io_wait_percent', label: 'I/O wait', unit: 'percent' },
  { from: 'loadavg', name: 'load', label: 'Load', unit: 'number' },
  { from: 'memused', name: 'memory_bytes', label: 'Memory', unit: 'bytes' },
  { from: 'swapused', name: 'swap_bytes', label: 'Swap', unit: 'bytes' },
  { from: 'rootused', name: 'root_bytes', label: 'Root disk', unit: 'bytes' },
  ...network,
];

const ofGuests: readonly Measure[] = [
  cpu,
  { from: 'mem', name: 'memory_bytes', label: 'Memory', unit: 'bytes' },
  { from: 'disk', name: 'disk_bytes', label: 'Disk', unit: 'bytes' },
  { from: 'diskread', name: 'disk_read_bytes_per_second', label: 'Disk read', unit: 'rate' },
  { from: 'diskwrite', name: 'disk_write_bytes_per_second', label: 'Disk write', unit: 'rate' },
  ...network,
];

const SpanFields = {
  timeframe: z.enum(timeframes).default('hour'),
  consolidate: z
    .enum(['average', 'maximum'])
    .default('average')
    .meta({ description: 'What stands for the moments of a point' }),
  points: z.int().min(1).max(200).default(60).meta({ description: 'The most points to return' }),
};

const OutputFields = {
  from: z.string().optional(),
  step_seconds: z.number(),
  series: Open<Record<string, (number | null)[]>>(),
};

const family = { toolset: 'cluster', effect: 'read', needs: 'api' } as const;

export const historyTools = [
  defineTool({
    ...family,
    name: 'proxmox_node_metrics',
    title: 'Node metrics over time',
    about: 'Shows CPU, load, memory, disk and network of one node over an hour, day, week, month or year.',
    target: 'cluster',
    input: z.strictObject({ node: NodeName, ...SpanFields }),
    output: z.object({ node: z.string(), ...OutputFields }),
    async run({ node, ...span }, { ops, signal }) {
      const figures = await ops.history.ofNode(node, spanOf(span), signal);
      return { node, ...data(figures, ofNodes) };
    },
    show: (result, { timeframe }) => picture(`Node ${result.node}, the last ${timeframe}`, result, ofNodes),
  }),
  defineTool({
    ...family,
    name: 'proxmox_guest_metrics',
    title: 'Guest metrics over time',
    about:
      'Shows CPU, memory, disk and network of one VM or container over an hour, day, week, month or year.',
    target: 'guest',
    input: z.strictObject({ vmid: Vmid, ...SpanFields }),
    output: z.object({ vmid: z.number(), name: z.string(), node: z.string(), ...OutputFields }),
    async run({ vmid, ...span }, { ops, signal }) {
      const figures = await ops.history.ofGuest(vmid, spanOf(span), signal);
      const { kind, name = '', node } = figures.guest;
      // What lies on the disks of virtual machines Proxmox VE does not know, and says 0.
      const known = kind === 'vm' ? ofGuests.filter(({ from }) => from !== 'disk') : ofGuests;
      return { vmid, name, node, ...data(figures, known) };
    },
    show: (result, { timeframe }) =>
      picture(`${guest(result)} on ${result.node}, the last ${timeframe}`, result, ofGuests),
  }),
];

function spanOf({ timeframe, consolidate, points }: z.output<z.ZodObject<typeof SpanFields>>): Span {
  return { timeframe, of: consolidate, maxPoints: points };
}

function guest({ vmid, name }: { vmid: number; name: string }): string {
  return name === '' ? `Guest ${vmid}` : `${clean(name, 100)} (guest ${vmid})`;
}

/** What was never measured is left out. */
function data({ from, stepS, points }: Figures, measures: readonly Measure[]) {
  const series = measures
    .map((measure): [string, (number | null)[]] => [measure.name, valuesOf(points, measure)])
    .filter(([, values]) => values.some((value) => value !== null));
  return {
    ...(from !== undefined && { from: from.toISOString() }),
    step_seconds: stepS,
    series: Object.fromEntries(series),
  };
}

function valuesOf(points: readonly Point[], { from, unit }: Measure): (number | null)[] {
  return points.map((point) => {
    const value = point[from] ?? null;
    if (value === null) return null;
    if (unit === 'percent') return Math.round(value * 10_000) / 100;
    return unit === 'number' ? Math.round(value * 100) / 100 : Math.round(value);
  });
}

function picture(
  title: string,
  {
    from,
    step_seconds,
    series,
  }: { from?: string | undefined; step_seconds: number; series: Record<string, Values> },
  measures: readonly Measure[],
): string {
  const shown = measures.flatMap((measure) => {
    const values = series[measure.name];
    return values === undefined ? [] : [{ ...measure, values }];
  });
  const count = shown[0]?.values.length ?? 0;
  if (from === undefined || count === 0) return `${title}: no figures.`;
  const widest = Math.max(...shown.map(({ label }) => label.length));
  return [
    `${title}: ${count} points of ${durationText(step_seconds)}, from ${momentText(from)}.`,
    ...shown.map(({ label, unit, values }) => {
      const { last, mean, largest } = summary(values);
      const text = (value: number) => quantity(value, unit);
      return `${label.padEnd(widest)} ${sparkline(values)} last ${text(last)}, mean ${text(mean)}, largest ${text(largest)}`;
    }),
  ].join('\n');
}

function summary(values: Values) {
  const known = values.filter((value) => value !== null);
  const sum = known.reduce((total, value) => total + value, 0);
  return { last: known.at(-1) ?? 0, mean: sum / Math.max(1, known.length), largest: Math.max(...known) };
}

function quantity(value: number, unit: Measure['unit']): string {
  if (unit === 'percent') return percentText(value);
  if (unit === 'number') return String(Math.round(value * 100) / 100);
  return unit === 'rate' ? `${bytesText(value)}/s` : bytesText(value);
}
