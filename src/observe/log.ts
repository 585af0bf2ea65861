/** The log: one JSON object a line, on stderr, so that stdout stays free for a protocol. */
import { clean } from '../base/text.ts';

export const levels = ['error', 'warn', 'info', 'debug'] as const;
export type Level = (typeof levels)[number];

/** Values are cleaned and bounded here; secrets must not be handed in at all. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

export type Log = { readonly [L in Level]: (message: string, fields?: Fields) => void };

export function createLog({ level, write }: { level: Level; write: (line: string) => void }): Log {
  const most = levels.indexOf(level);
  const at =
    (entry: Level) =>
    (message: string, fields: Fields = {}) => {
      if (levels.indexOf(entry) > most) return;
      const record: Record<string, unknown> = {
        time: new Date().toISOString(),
        level: entry,
        message: clean(message, 1000),
      };
      for (const [name, value] of Object.entries(fields))
        record[name] = typeof value === 'string' ? clean(value, 1000) : value;
      write(`${JSON.stringify(record)}\n`);
    };
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
}

/** What went wrong, with its causes, for the log alone. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let current = error; current !== undefined && parts.length < 4; ) {
    parts.push(current instanceof Error ? (current.stack ?? current.message) : String(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(' caused by ');
}
