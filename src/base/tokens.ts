/** Bearer tokens as an operator writes them down: one a line, `name:token` or bare. */
import { createHash } from 'node:crypto';

export interface NamedToken {
  /** Who presents it; a bare token is named after its digest, so that the name survives a reordering. */
  readonly name: string;
  readonly digest: Buffer;
}

/** What is wrong completes «MCP_AUTH_TOKEN …». */
export class TokenError extends Error {}

const maxTokens = 1000;
const minTokenChars = 8;
const maxTokenChars = 512;

/** Empty lines and lines that begin with # are passed over. Throws TokenError; never shows a token. */
export function parseTokens(text: string): readonly NamedToken[] {
  const tokens: NamedToken[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const entry = line.trim();
    if (entry === '' || entry.startsWith('#')) continue;
    const named = /^([A-Za-z0-9._-]{1,64}):(.*)$/.exec(entry);
    const token = named?.[2] ?? entry;
    const problem = tokenProblem(token);
    if (problem !== undefined) throw new TokenError(`has a token on line ${index + 1} that ${problem}`);
    const digest = digestOf(token);
    tokens.push({ name: named?.[1] ?? `token-${digest.toString('hex').slice(0, 8)}`, digest });
  }
  if (tokens.length === 0) throw new TokenError('holds no token: make one with `openssl rand -hex 32`');
  if (tokens.length > maxTokens) throw new TokenError(`holds more than ${maxTokens} tokens`);
  const digests = new Set(tokens.map(({ digest }) => digest.toString('hex')));
  if (digests.size < tokens.length) throw new TokenError('holds the same token twice');
  return tokens;
}

export function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function tokenProblem(token: string): string | undefined {
  if (token.length < minTokenChars)
    return `is shorter than ${minTokenChars} characters: make one with \`openssl rand -hex 32\``;
  if (token.length > maxTokenChars) return `is longer than ${maxTokenChars} characters`;
  return /^[\x21-\x7e]+$/.test(token) ? undefined : 'holds spaces or characters outside ASCII';
}
