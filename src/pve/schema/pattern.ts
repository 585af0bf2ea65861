/** Regular expressions that a node gives, in Perl's spelling: run only where that cannot take long. */

/** What is tested is no longer, so that three loops in a row, or as many ways by choices, cost milliseconds. */
const maxTestedChars = 256;
const maxWays = maxTestedChars ** 3;

/** Whether the whole value fits. Undefined where that is left to the node: it checks everything itself. */
export function fits(pattern: string, value: string): boolean | undefined {
  if (value.length > maxTestedChars) return undefined;
  const source = translated(pattern);
  if (!isTame(source)) return undefined;
  try {
    return new RegExp(`^(?:${source})$`, 's').test(value);
  } catch {
    return undefined;
  }
}

/** Perl prints a compiled pattern as (?^i:…). */
function translated(pattern: string): string {
  return pattern.replace(/\(\?\^([a-z]*):/g, (_, flags: string) => (flags.includes('i') ? '(?i:' : '(?:'));
}

interface Group {
  /** Whether what is inside can match the same text in several ways. */
  ambiguous: boolean;
}

/**
 * SECURITY: backtracking explodes where a loop holds a choice or another loop, and where many of them stand in a
 * row, so such patterns are not run. Many harmless ones are among them.
 */
function isTame(source: string): boolean {
  if (/\\[1-9k]|\(\?<?[=!]|\(\?<|\(\?[>(|&R0-9]/.test(source)) return false;
  const bare = source.replace(/\\./g, 'x').replace(/\[\^?\]?[^\]]*\]/g, 'x');
  const open: Group[] = [{ ambiguous: false }];
  let ways = 1;
  let closed: Group | undefined;
  for (const [token] of bare.matchAll(/\(\?[a-z]*:|\(|\)|\||[*+?]|\{\d+(?:,\d*)?\}|./gs)) {
    const current = open.at(-1) ?? { ambiguous: false };
    const repeats = /^[*+{]/.test(token);
    const varies = token === '?' || (repeats && !/^\{(\d+)(,\1)?\}$/.test(token));
    if (token.startsWith('(')) open.push({ ambiguous: false });
    else if (token === '|' || varies) current.ambiguous = true;
    if (repeats && closed?.ambiguous === true) return false;
    if (token === '|' || varies) ways *= repeats ? maxTestedChars : 2;
    if (ways > maxWays) return false;
    closed = undefined;
    if (token !== ')') continue;
    closed = open.length > 1 ? open.pop() : undefined;
    if (closed?.ambiguous === true) (open.at(-1) ?? current).ambiguous = true;
  }
  return true;
}
