/** Which backups of a guest are kept when only so many of each hour, day, week, month and year are to stay. */

export type Keep = 'last' | 'hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly';

const rules: readonly Keep[] = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'];

/** Undefined where everything stays. */
export type KeepRules = ReadonlyMap<Keep, number> | undefined;

interface Prunable {
  readonly volid: string;
  readonly ctimeS: number;
  readonly isProtected: boolean;
}

export type Mark = 'keep' | 'remove' | 'protected';

/** Reads `keep-last=3,keep-daily=7`. Throws where it is something else. */
export function readKeepRules(text: string): KeepRules {
  const entries = text.split(',').map((part) => /^keep-(\w+)=(\d+)$/.exec(part.trim()));
  const read = new Map<Keep, number>();
  let keepsAll = false;
  for (const entry of entries) {
    const rule = rules.find((name) => name === entry?.[1]);
    if (entry?.[1] === 'all') keepsAll = entry[2] !== '0';
    else if (rule === undefined) throw new Error(`invalid format - format error\n`);
    else read.set(rule, Number(entry?.[2]));
  }
  const total = [...read.values()].reduce((sum, count) => sum + count, 0);
  return keepsAll || total === 0 ? undefined : read;
}

/** The stretch of time that a backup stands for under a rule. */
function periodOf(rule: Keep, { volid, ctimeS }: Prunable): string {
  const iso = new Date(ctimeS * 1000).toISOString();
  if (rule === 'last') return volid;
  if (rule === 'hourly') return iso.slice(0, 13);
  if (rule === 'daily') return iso.slice(0, 10);
  // Day 0 of 1970 was a Thursday; weeks begin on Mondays.
  if (rule === 'weekly') return String(Math.floor((Math.floor(ctimeS / 86_400) + 3) / 7));
  return iso.slice(0, rule === 'monthly' ? 7 : 4);
}

/** Of one guest's backups, in any order. Each rule goes on from where the one before it has kept enough. */
export function markForPruning(backups: readonly Prunable[], keep: KeepRules): Map<string, Mark> {
  const marks = new Map<string, Mark>();
  const newestFirst = [...backups].sort((a, b) => b.ctimeS - a.ctimeS);
  for (const { volid, isProtected } of newestFirst) {
    if (isProtected) marks.set(volid, 'protected');
    else if (keep === undefined) marks.set(volid, 'keep');
  }
  for (const rule of rules) {
    const already = new Set(
      newestFirst.filter(({ volid }) => marks.get(volid) === 'keep').map((backup) => periodOf(rule, backup)),
    );
    const kept = new Set<string>();
    for (const backup of newestFirst) {
      const period = periodOf(rule, backup);
      if (marks.has(backup.volid) || already.has(period)) continue;
      if (!kept.has(period) && kept.size >= (keep?.get(rule) ?? 0)) break;
      if (!kept.has(period)) marks.set(backup.volid, 'keep');
      else marks.set(backup.volid, 'remove');
      kept.add(period);
    }
  }
  for (const { volid } of newestFirst) if (!marks.has(volid)) marks.set(volid, 'remove');
  return marks;
}
