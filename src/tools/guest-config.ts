/** The configuration of a guest, of either kind, as clients read it. */
import { z } from 'zod';
import { clean, cleanLines, fence } from '../base/text.ts';

export const GuestConfig = z.object({
  vmid: z.number(),
  node: z.string(),
  description: z.string(),
  config: z.record(z.string(), z.string()),
});

/** A line a key; the description, which anybody may have written, fenced below. */
export function configText({ config, description }: z.output<typeof GuestConfig>): string {
  const lines = Object.entries(config).map(([key, value]) => `${clean(key, 64)}: ${clean(value, 2000)}`);
  const said = description === '' ? [] : [fence('description', cleanLines(description))];
  return [...lines, ...said].join('\n');
}
