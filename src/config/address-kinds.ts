/** Settings that say where something is, and by which certificate it is known. */
import { isIP } from 'node:net';
import { type Details, type Setting, SettingError, setting, splitList } from './kinds.ts';

export interface HostAndPort {
  readonly host: string;
  /** Undefined where none was given. */
  readonly port: number | undefined;
}

/** `host`, `host:port`, `[v6]:port` or a bare IPv6 address; undefined for anything else. */
function parseHostAndPort(item: string): HostAndPort | undefined {
  if (isIP(item) === 6) return { host: item, port: undefined };
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?))(?::(\d{1,5}))?$/i.exec(item);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? undefined : Number(match[3]);
  const fits = port === undefined || (port >= 1 && port <= 65535);
  return host === undefined || !fits || (match?.[1] !== undefined && isIP(host) !== 6)
    ? undefined
    : { host, port };
}

export function hostsAndPorts(details: Details): Setting<readonly HostAndPort[]> {
  const parse = (value: string): readonly HostAndPort[] =>
    splitList(value).map((item) => {
      const parsed = parseHostAndPort(item);
      if (parsed === undefined)
        throw new SettingError(`holds ${JSON.stringify(item)}, which is not of the form host or host:port`);
      return parsed;
    });
  return setting<readonly HostAndPort[]>(parse, [], '', details);
}

/** Where each of several nodes is, by name. */
export function nodeAddresses(details: Details): Setting<ReadonlyMap<string, HostAndPort>> {
  const parse = (value: string): ReadonlyMap<string, HostAndPort> =>
    new Map(
      splitList(value).map((item) => {
        const at = item.indexOf('=');
        const name = item.slice(0, Math.max(0, at));
        const address = parseHostAndPort(item.slice(at + 1));
        if (!/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(name) || address === undefined)
          throw new SettingError(
            `holds ${JSON.stringify(item)}, which is not of the form name=host or name=host:port`,
          );
        return [name, address] as const;
      }),
    );
  return setting<ReadonlyMap<string, HostAndPort>>(parse, new Map(), '', details);
}

/** The address by which clients reach the gateway; without a slash at its end. */
export function httpUrl(details: Details): Setting<string | undefined> {
  const parse = (value: string): string => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    const plain = url?.search === '' && url.hash === '' && url.username === '' && url.password === '';
    if (url === undefined || !plain || !/^https?:$/.test(url.protocol))
      throw new SettingError('must be an address such as https://mcp.lan, without user, query and fragment');
    return url.href.replace(/\/+$/, '');
  };
  return setting<string | undefined>(parse, undefined, '', details);
}

/** SHA-256 of certificates in hexadecimal, with colons or without, a name such as `SHA256 Fingerprint=` in front. */
export function fingerprints(details: Details): Setting<readonly string[]> {
  const parse = (value: string): readonly string[] => {
    const found = value.replace(/sha256 fingerprint=/gi, '');
    return splitList(found).map((item) => {
      if (/^([0-9a-f]{2}:){31}[0-9a-f]{2}$|^[0-9a-f]{64}$/i.test(item)) return item;
      const shown = JSON.stringify(item);
      throw new SettingError(
        `holds ${shown}, which is not a SHA-256 fingerprint of 32 pairs of hexadecimal digits`,
      );
    });
  };
  return setting<readonly string[]>(parse, [], '', details);
}
