/** From argument vectors to one line for a POSIX shell, the only way by which text reaches one. */

/**
 * Quotes one argument so that any POSIX shell reads it back byte for byte.
 * Throws RangeError on NUL and on lone surrogates, which no argument can carry.
 */
export function quote(argument: string): string {
  if (argument.includes('\0')) throw new RangeError('a NUL byte cannot be part of an argument');
  if (!argument.isWellFormed()) throw new RangeError('the text is not valid Unicode');
  return `'${argument.replaceAll("'", "'\\''")}'`;
}

/** Quotes and joins an argument vector. */
export function commandLine(argv: readonly string[]): string {
  return argv.map(quote).join(' ');
}
