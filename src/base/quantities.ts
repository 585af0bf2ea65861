/** Quantities as people read them: 1.5 GiB, 3 d 4 h, 12.3 %. */

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

/** Of a number of bytes, in the largest binary unit that it fills, to three digits. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What would round to 1024 belongs to the next unit.
  while (Math.abs(value) >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${threeDigits(value, unit)} ${units[unit]}`;
}

function threeDigits(value: number, unit: number): string {
  if (unit === 0 || Math.abs(value) >= 100) return value.toFixed(0);
  const text = value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
  return text.replace(/\.?0+$/, '');
}

const spans = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const;

/** Of a number of seconds, in its two largest units. */
export function durationText(seconds: number): string {
  let rest = Math.max(0, Math.round(seconds));
  const first = spans.findIndex(([, size]) => rest >= size);
  if (first === -1) return '0 s';
  const parts: string[] = [];
  for (const [name, size] of spans.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count} ${name}`);
    rest -= count * size;
  }
  return parts.join(' ');
}

/** One digit after the point, and none where it says nothing. */
export function percentText(percent: number): string {
  return `${percent.toFixed(1).replace(/\.0$/, '')} %`;
}
