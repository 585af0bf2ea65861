/** Figures over time that nothing measured: plausible, and the same at each look. */
import { fractionOf } from './storage-volumes.ts';

export type Timeframe = 'hour' | 'day' | 'week' | 'month' | 'year' | 'decade';

/** How many rows there are, and how many seconds each stands for. */
export const resolutions: Readonly<Record<Timeframe, { readonly stepS: number; readonly rows: number }>> = {
  hour: { stepS: 60, rows: 60 },
  day: { stepS: 60, rows: 1440 },
  week: { stepS: 1800, rows: 336 },
  month: { stepS: 1800, rows: 1440 },
  year: { stepS: 21_600, rows: 1440 },
  decade: { stepS: 604_800, rows: 570 },
};

/** A value that swings around `level` by `swing`, with the time of day and by chance. */
interface Figure {
  readonly level: number;
  readonly swing: number;
  readonly isWhole?: boolean;
}

/** A figure, or a number that stays. */
export type Series = Readonly<Record<string, Figure | number>>;

export type Row = { time: number } & Record<string, number | null>;

export interface Asked {
  /** Whose figures these are: `lxc/100`. */
  readonly subject: string;
  readonly series: Series;
  readonly timeframe: Timeframe;
  readonly cf: 'AVERAGE' | 'MAX';
  /** Seconds since 1970. */
  readonly nowS: number;
}

const dayS = 86_400;

function valueAt({ level, swing, isWhole = false }: Figure, timeS: number, chance: number, isMax: boolean) {
  const daily = Math.sin((2 * Math.PI * (timeS % dayS)) / dayS - Math.PI / 2);
  const value = Math.max(0, level + swing * (0.6 * daily + 0.4 * (2 * chance - 1)) + (isMax ? swing / 4 : 0));
  return isWhole ? Math.round(value) : value;
}

/** The last row that is complete comes last. */
export function figuresOver({ subject, series, timeframe, cf, nowS }: Asked): Row[] {
  const { stepS, rows } = resolutions[timeframe];
  const lastS = Math.floor(nowS / stepS) * stepS;
  return Array.from({ length: rows }, (_none, index) => {
    const timeS = lastS - (rows - 1 - index) * stepS;
    const place = Math.floor(timeS / stepS) % 60;
    // The node was off for a while, and its collector said nothing of some values now and then.
    if (place >= 20 && place < 23) return { time: timeS };
    const row: Row = { time: timeS };
    for (const [name, figure] of Object.entries(series)) {
      const chance = fractionOf(`${subject} ${name} ${timeS}`);
      if (typeof figure === 'number') row[name] = figure;
      else row[name] = place === 40 ? null : valueAt(figure, timeS, chance, cf === 'MAX');
    }
    return row;
  });
}
