/** POSIX regular expressions in JavaScript's notation. */

export type RegExpSyntax = 'basic' | 'extended' | 'fixed';

const classes: Readonly<Record<string, string>> = {
  ...{ alpha: 'A-Za-z', digit: '0-9', alnum: 'A-Za-z0-9', upper: 'A-Z', lower: 'a-z', xdigit: '0-9A-Fa-f' },
  ...{ space: '\\s', blank: ' \\t', punct: '!-\\/:-@\\[-`{-~', cntrl: '\\0-\\x1f', print: ' -~' },
};

function bracket(text: string): string {
  const [, negated = '', inside = ''] = /^\[(\^?)(.*)\]$/s.exec(text) ?? [];
  const body = inside.replaceAll(/\[:(\w+):\]|[\\[\]^]/g, (part, name: string | undefined) =>
    name === undefined ? `\\${part}` : (classes[name] ?? ''),
  );
  return `[${negated}${body}]`;
}

function translate(pattern: string, syntax: 'basic' | 'extended'): string {
  const token = /\[\^?\]?(?:\[:\w+:\]|[^\]])*\]|\\.|./gs;
  let source = '';
  for (const [part] of pattern.matchAll(token)) {
    if (part.length > 1 && part.startsWith('[')) source += bracket(part);
    else if (part === '\\<' || part === '\\>') source += '\\b';
    else if (syntax === 'extended') source += part;
    else if (/^\\[(){}|+?]$/.test(part)) source += part.slice(1);
    else if (/^[(){}|+?]$/.test(part)) source += `\\${part}`;
    else if (part === '*' && source === '') source += '\\*';
    else source += part;
  }
  return source;
}

/** Matches any of the patterns. Throws SyntaxError. */
export function posixRegExp(
  patterns: readonly string[],
  syntax: RegExpSyntax,
  { ignoreCase, wholeLine, wholeWord }: { ignoreCase: boolean; wholeLine: boolean; wholeWord: boolean },
): RegExp {
  const sources = patterns.map((pattern) =>
    syntax === 'fixed' ? pattern.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&') : translate(pattern, syntax),
  );
  const any = `(?:${sources.join('|')})`;
  const bounded = wholeLine ? `^${any}$` : wholeWord ? `\\b${any}\\b` : any;
  return new RegExp(bounded, ignoreCase ? 'i' : '');
}
