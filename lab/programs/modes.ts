/** File modes as chmod reads them: octal numbers, and clauses such as `u+x,go-w`. */

const bitsOf: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111 };
const whoseBits: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };

/** Undefined where the text is no mode. */
export function changedMode(
  text: string,
  mode: number,
  umask: number,
  directory = false,
): number | undefined {
  if (/^[0-7]{1,5}$/.test(text)) return Number.parseInt(text, 8) & 0o7777;
  let result = mode;
  for (const clause of text.split(',')) {
    const [, who, operator, letters] = /^([ugoa]*)([-+=])([rwxXst]*)$/.exec(clause) ?? [];
    if (who === undefined || letters === undefined) return undefined;
    const mask = [...(who || 'a')].reduce((all, letter) => all | (whoseBits[letter] ?? 0), 0);
    const reach = who === '' ? mask & ~umask : mask;
    let bits = [...letters].reduce((all, letter) => all | (bitsOf[letter] ?? 0), 0) & reach;
    if (letters.includes('X') && (directory || (result & 0o111) !== 0)) bits |= 0o111 & reach;
    if (letters.includes('s')) bits |= 0o6000 & mask;
    if (letters.includes('t')) bits |= 0o1000;
    if (operator === '+') result |= bits;
    else if (operator === '-') result &= ~bits;
    else result = (result & ~(mask & 0o777)) | bits;
  }
  return result;
}
