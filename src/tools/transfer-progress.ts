/** How far a transfer is, in words. */
import type { OnProgress } from '../ops/files/measure.ts';
import type { ToolContext } from './define.ts';

const mebibyte = 1024 * 1024;
/** Bytes come by thousands of chunks a second; nobody reads as fast. */
const betweenMs = 250;

export function progressOf({ onState }: ToolContext, done: 'sent' | 'received'): OnProgress {
  let saidAt = Number.NEGATIVE_INFINITY;
  return (bytes, total) => {
    const now = performance.now();
    if (onState === undefined || now - saidAt < betweenMs) return;
    saidAt = now;
    const all = total === undefined ? '' : ` of ${inMebibytes(total)}`;
    onState(`${inMebibytes(bytes)}${all} MiB ${done}`);
  };
}

function inMebibytes(bytes: number): string {
  return (bytes / mebibyte).toFixed(1);
}
