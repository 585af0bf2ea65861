/** A row of figures as a small picture. */

const steps = '▁▂▃▄▅▆▇█';

/** One character a value, from 0 to the largest; gaps are blank. */
export function sparkline(values: readonly (number | null)[]): string {
  const largest = Math.max(0, ...values.filter((value) => value !== null));
  return values
    .map((value) => {
      if (value === null) return ' ';
      const share = largest === 0 ? 0 : Math.max(0, value) / largest;
      return steps[Math.min(steps.length - 1, Math.floor(share * steps.length))] ?? '';
    })
    .join('');
}
