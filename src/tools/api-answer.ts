/** The part of an API's answer that a caller asked for and that has room in a result. */
import { clean } from '../base/text.ts';

export interface PartWanted {
  /** Keys to keep of an object, or of each item of a list; all where nothing is said. */
  readonly fields: readonly string[] | undefined;
  readonly offset: number;
  /** Items of a list. */
  readonly limit: number;
  /** Of the whole part as JSON. */
  readonly maxChars: number;
}

export interface AnswerPart {
  /** Of what is too long the beginning, as text. */
  readonly data: unknown;
  /** Items of the list before anything was left out. */
  readonly total?: number | undefined;
  /** What is missing, and how to ask for it or for less. */
  readonly note?: string | undefined;
}

const maxNamed = 20;

export function partOf(data: unknown, wanted: PartWanted): AnswerPart {
  return Array.isArray(data) ? partOfList(data, wanted) : partOfOne(data, wanted);
}

function partOfList(items: readonly unknown[], { fields, offset, limit, maxChars }: PartWanted): AnswerPart {
  const total = items.length;
  const page = items.slice(offset, offset + limit).map((item) => picked(item, fields));
  let chars = 2;
  const fitting = page.findIndex((item) => {
    chars += sizeOf(item) + 1;
    return chars > maxChars;
  });
  const data = fitting < 0 ? page : page.slice(0, fitting);
  const first = page[0];
  if (data.length === 0 && first !== undefined)
    return { total, ...cut(first, maxChars, 'Item 0 of this part') };
  const end = offset + data.length;
  const notes = [
    fieldsNote(items.slice(offset, offset + limit), data, fields),
    data.length === 0 && total > 0 && `There is nothing from offset ${offset} on.`,
    data.length > 0 && data.length < total && `Items ${offset + 1} to ${end} of ${total}.`,
    fitting >= 0 && `More have no room in one result: use fields, or offset ${end}.`,
    fitting < 0 && end < total && data.length > 0 && `offset ${end} shows more.`,
  ].filter((note) => typeof note === 'string');
  return { data, total, ...(notes.length > 0 && { note: notes.join(' ') }) };
}

function partOfOne(whole: unknown, { fields, maxChars }: PartWanted): AnswerPart {
  const data = picked(whole, fields);
  if (sizeOf(data) > maxChars) return cut(data, maxChars, 'The answer');
  const note = fieldsNote([whole], [data], fields);
  return { data: data ?? null, ...(note !== undefined && { note }) };
}

function cut(data: unknown, maxChars: number, what: string): AnswerPart {
  const text = typeof data === 'string' ? data : (JSON.stringify(data) ?? '');
  const keys = keysOf([data]);
  const advice = keys.length > 0 ? `, or ask for some of its fields: ${keys.join(', ')}` : '';
  return {
    data: text.slice(0, maxChars).toWellFormed(),
    note: `${what} has ${text.length} characters, of which ${maxChars} are shown; use a parameter of the endpoint that makes it shorter${advice}.`,
  };
}

function sizeOf(data: unknown): number {
  return JSON.stringify(data)?.length ?? 0;
}

function picked(item: unknown, fields: readonly string[] | undefined): unknown {
  if (fields === undefined || typeof item !== 'object' || item === null || Array.isArray(item)) return item;
  return Object.fromEntries(Object.entries(item).filter(([key]) => fields.includes(key)));
}

/** Which fields there are, where none of those asked for is. */
function fieldsNote(
  from: readonly unknown[],
  shown: readonly unknown[],
  fields: readonly string[] | undefined,
): string | undefined {
  if (fields === undefined || from.length === 0 || keysOf(shown).length > 0) return undefined;
  const keys = keysOf(from);
  return keys.length === 0 ? undefined : `There are no such fields; there are ${keys.join(', ')}.`;
}

function keysOf(items: readonly unknown[]): readonly string[] {
  const objects = items.filter((item) => typeof item === 'object' && item !== null && !Array.isArray(item));
  const keys = new Set(objects.slice(0, 100).flatMap((item) => Object.keys(item as object)));
  return [...keys].slice(0, maxNamed).map((key) => clean(key, 64));
}

/** A line an item or a key. */
export function linesOf(data: unknown): readonly string[] {
  if (Array.isArray(data)) return data.map((item) => oneLine(asText(item)));
  if (typeof data === 'object' && data !== null)
    return Object.entries(data).map(([key, value]) => oneLine(`${key}: ${asText(value)}`));
  return data === null || data === undefined
    ? []
    : asText(data)
        .split('\n')
        .map((line) => oneLine(line));
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function oneLine(text: string): string {
  return clean(text, text.length);
}
