/** From which addresses storages may be filled: prefixes of URLs that the operator has named. */

/** SECURITY: a server may decode these before it looks for dot segments, and so leave the prefix. */
const hidden = /%(2e|2f|5c|25|00)/i;

/**
 * What keeps the URL from being fetched, in words that complete «policy does not allow the call: …», or undefined.
 * The scheme, host and port of a source are compared as a whole, its path up to a border of segments.
 */
export function sourceProblem(url: URL, sources: readonly string[]): string | undefined {
  if (sources.length === 0)
    return 'downloads into storages are switched off; an operator can name where they may come from in DOWNLOAD_URLS';
  if (url.username !== '' || url.password !== '') return 'the URL holds a user or a password';
  if (hidden.test(url.pathname)) return 'the path of the URL holds an encoded dot, slash or percent sign';
  return sources.some((source) => URL.canParse(source) && isBelow(url, new URL(source)))
    ? undefined
    : 'the URL is not below one of DOWNLOAD_URLS';
}

function isBelow(url: URL, source: URL): boolean {
  if (url.protocol !== source.protocol || url.host !== source.host) return false;
  const prefix = source.pathname.replace(/\/$/, '');
  return url.pathname === source.pathname || url.pathname.startsWith(`${prefix}/`);
}
