/** The parameters of a request, read by type once they have been verified. */

export type Value = string | readonly string[];

export interface Values {
  readonly names: readonly string[];
  has(name: string): boolean;
  /** Throws TypeError where nothing is given. */
  text(name: string): string;
  find(name: string): string | undefined;
  number(name: string): number;
  findNumber(name: string): number | undefined;
  /** Whether a boolean is given and true. */
  flag(name: string): boolean;
  /** Items of an array, or of a list with commas, semicolons or blanks between them. */
  list(name: string): readonly string[];
}

export function createValues(given: ReadonlyMap<string, Value>): Values {
  const find = (name: string): string | undefined => {
    const value = given.get(name);
    return typeof value === 'object' ? value.at(-1) : value;
  };
  const text = (name: string): string => {
    const value = find(name);
    if (value === undefined) throw new TypeError(`the endpoint asks for no ${name}`);
    return value;
  };
  const findNumber = (name: string): number | undefined => {
    const value = find(name);
    return value === undefined ? undefined : Number(value);
  };
  return {
    names: [...given.keys()],
    has: (name) => given.has(name),
    text,
    find,
    number: (name) => Number(text(name)),
    findNumber,
    flag: (name) => find(name) === '1',
    list(name) {
      const value = given.get(name);
      if (typeof value === 'object') return value;
      return (value ?? '').split(/[,;\s]+/).filter((item) => item !== '');
    },
  };
}
