/** The figures of a run as one table, each with its ratio to the first of its group. */
import type { Latency, Throughput } from './measure.ts';
import type { Report } from './suite.ts';
import type { Transfers } from './transfers.ts';

interface Row {
  readonly what: string;
  readonly figure: string;
  readonly spread: string;
  readonly ratio: string;
}

export function renderReport(report: Report): string {
  const { latency, drivers, drivers100, startUp, memory } = report;
  const rows: Row[] = [
    ...latencyRows('command in a container', latency.inContainer),
    ...latencyRows('command on the host', latency.onHost),
    ...latencyRows('command in a container', drivers.command),
    ...latencyRows('list', drivers.list),
    ...latencyRows('command, 100 containers', drivers100.command),
    ...latencyRows('list, 100 containers', drivers100.list),
    ...Object.entries(report.throughput).flatMap(([callers, found]) =>
      throughputRows(`${callers} callers`, found),
    ),
    ...transferRows(report.transfers),
    ...Object.entries(report.rest).flatMap(([what, found]) => latencyRows(`REST, ${what}`, found)),
    plain('start: listening', `${startUp.listeningMs.toFixed(0)} ms`),
    plain('start: first call answered', `${startUp.firstCallMs.toFixed(0)} ms`),
    plain('memory, idle', mebibytes(memory.idle)),
    plain(`memory, ${memory.sessions} sessions of 2025 open`, mebibytes(memory.withSessions)),
    plain('memory, and 64 callers', mebibytes(memory.loaded)),
    plain('memory, after them', mebibytes(memory.after)),
    plain('tools/list', `${report.surfaceBytes} bytes`),
  ];
  const { cpus, split, node } = report.machine;
  const shared =
    split === undefined
      ? 'which all share'
      : `the host on ${split.host}, gateway and clients on ${split.gateway}`;
  return `${table(rows)}\n\n${cpus} CPUs, ${shared}; Node ${node}. «ratio» is to the first line of a group.\n`;
}

function latencyRows(what: string, found: Readonly<Record<string, Latency>> | undefined): Row[] {
  const entries = Object.entries(found ?? {});
  const first = entries[0]?.[1].medianMs ?? Number.NaN;
  return entries.map(([way, { medianMs, p95Ms }]) => ({
    what: `${what}: ${way}`,
    figure: `${medianMs.toFixed(1)} ms`,
    spread: `p95 ${p95Ms.toFixed(1)}`,
    ratio: `${(medianMs / first).toFixed(2)} (${signed(medianMs - first)} ms)`,
  }));
}

function throughputRows(what: string, found: Readonly<Record<string, Throughput | undefined>>): Row[] {
  const entries = Object.entries(found);
  const first = entries[0]?.[1]?.perSecond ?? Number.NaN;
  return entries.flatMap(([way, one]) =>
    one === undefined
      ? []
      : [
          {
            what: `${what}: ${way}`,
            figure: `${one.perSecond.toFixed(1)} /s`,
            spread: `p95 ${one.p95Ms.toFixed(0)} ms`,
            ratio: (one.perSecond / first).toFixed(2),
          },
        ],
  );
}

function transferRows({ large, small, largeBytes }: Transfers): Row[] {
  const size = mebibytes(largeBytes);
  return [
    ...speedRows(`${size} into a container`, large.up, largeBytes),
    ...speedRows(`${size} out of a container`, large.down, largeBytes),
    ...latencyRows('4 KiB into a container', small.up),
    ...latencyRows('4 KiB out of a container', small.down),
  ];
}

function speedRows(what: string, found: Readonly<Record<string, Latency>>, bytes: number): Row[] {
  const entries = Object.entries(found);
  const first = entries[0]?.[1].medianMs ?? Number.NaN;
  return entries.map(([way, { medianMs }]) => ({
    what: `${what}: ${way}`,
    figure: `${(bytes / 1_000 / medianMs).toFixed(0)} MB/s`,
    spread: `${(medianMs / 1_000).toFixed(2)} s`,
    ratio: (first / medianMs).toFixed(2),
  }));
}

function plain(what: string, figure: string): Row {
  return { what, figure, spread: '', ratio: '' };
}

function signed(ms: number): string {
  return `${ms < 0 ? '−' : '+'}${Math.abs(ms).toFixed(1)}`;
}

/** As ps and docker stats count. */
function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

function table(rows: readonly Row[]): string {
  const line = ({ what, figure, spread, ratio }: Row) => `| ${what} | ${figure} | ${spread} | ${ratio} |`;
  const head = { what: '', figure: 'median', spread: '', ratio: 'ratio' };
  return [line(head), '|---|---|---|---|', ...rows.map(line)].join('\n');
}
