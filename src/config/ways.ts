/** By which ways Proxmox VE is reached: SSH, the REST API or both, from what is set. */
import type { HostAndPort } from './address-kinds.ts';
import type { Fault } from './kinds.ts';
import type { Values } from './schema.ts';

export interface ApiSettings {
  readonly endpoints: readonly [Endpoint, ...Endpoint[]];
  /** `user@realm!name` */
  readonly tokenId: string;
  readonly secret: string;
  /** Where the secret came from, to be read again; undefined where it came from the environment. */
  readonly secretFile: string | undefined;
  /** Likewise for the certificates' fingerprints. */
  readonly fingerprintFile: string | undefined;
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Ways {
  readonly ssh: boolean;
  readonly api: ApiSettings | undefined;
  readonly faults: readonly Fault[];
}

/** `files` has the paths that secrets were read from, by the name of their setting with _FILE. */
export function waysOf(values: Values, files: Readonly<Record<string, string | undefined>>): Ways {
  const credentials = values.SSH_KEY !== undefined || values.SSH_PASSWORD !== undefined;
  const ssh = values.ENABLE_LOCAL_EXECUTION || (values.ENABLE_SSH && credentials);
  const given = values.PROXMOX_TOKEN_ID ?? values.PROXMOX_TOKEN_NAME ?? values.PROXMOX_TOKEN_SECRET;
  if (!values.ENABLE_PROXMOX_API || given === undefined) return { ssh, api: undefined, faults: [] };
  const faults = tokenFaults(values);
  const endpoints = endpointsOf(values);
  const [first, ...rest] = endpoints;
  const tokenId = tokenIdOf(values);
  const secret = values.PROXMOX_TOKEN_SECRET;
  if (faults.length > 0 || first === undefined || tokenId === undefined || secret === undefined)
    return { ssh, api: undefined, faults };
  const secretFile = files.PROXMOX_TOKEN_SECRET_FILE;
  const fingerprintFile = files.PROXMOX_TLS_FINGERPRINT_FILE;
  return { ssh, api: { endpoints: [first, ...rest], tokenId, secret, secretFile, fingerprintFile }, faults };
}

/** The SSH host, which may also be named as the API's. */
export function hostOf(values: Pick<Values, 'HOST' | 'PROXMOX_HOST'>): string | undefined {
  return values.HOST ?? values.PROXMOX_HOST[0]?.host;
}

/** What works and should still be known. */
export function warningsOn(values: Values & { readonly api: ApiSettings | undefined }): string[] {
  const unchecked =
    values.api !== undefined && !values.PROXMOX_VERIFY_SSL && values.PROXMOX_TLS_FINGERPRINT.length === 0;
  return unchecked
    ? [
        'PROXMOX_VERIFY_SSL is false: whoever is on the way to the API can take its token. Set PROXMOX_TLS_FINGERPRINT or PROXMOX_CA_FILE instead.',
      ]
    : [];
}

function endpointsOf({
  PROXMOX_HOST: named,
  HOST,
  PROXMOX_PORT,
  ENABLE_LOCAL_EXECUTION,
}: Values): Endpoint[] {
  const fallback = HOST ?? (ENABLE_LOCAL_EXECUTION ? 'localhost' : undefined);
  const hosts: readonly HostAndPort[] =
    named.length > 0 || fallback === undefined ? named : [{ host: fallback, port: undefined }];
  return hosts.map(({ host, port }) => ({ host, port: port ?? PROXMOX_PORT }));
}

/** As Proxmox VE names tokens: user, realm and name of the token. */
const tokenIdForm = /^[^\s:/@!]{1,64}@[A-Za-z][A-Za-z0-9._-]{1,31}![A-Za-z][A-Za-z0-9._-]{1,127}$/;

function tokenIdOf({ PROXMOX_TOKEN_ID, PROXMOX_USER, PROXMOX_TOKEN_NAME }: Values): string | undefined {
  // Some write the whole id there.
  if (PROXMOX_TOKEN_ID === undefined && PROXMOX_TOKEN_NAME?.includes('!')) return PROXMOX_TOKEN_NAME;
  return PROXMOX_TOKEN_ID ?? (PROXMOX_TOKEN_NAME && `${PROXMOX_USER ?? 'root@pam'}!${PROXMOX_TOKEN_NAME}`);
}

function tokenFaults(values: Values): Fault[] {
  const faults: Fault[] = [];
  const add = (setting: string, problem: string) => faults.push({ setting, problem });
  const { PROXMOX_TOKEN_ID: id, PROXMOX_TOKEN_NAME: name, PROXMOX_TOKEN_SECRET: secret } = values;
  const tokenId = tokenIdOf(values);
  if (tokenId === undefined)
    add('PROXMOX_TOKEN_ID', 'is not set, and PROXMOX_TOKEN_SECRET is: set it to user@realm!name');
  else if (!tokenIdForm.test(tokenId))
    add(
      id === undefined ? 'PROXMOX_TOKEN_NAME' : 'PROXMOX_TOKEN_ID',
      id === undefined
        ? 'makes no token together with PROXMOX_USER: set PROXMOX_USER=root@pam and PROXMOX_TOKEN_NAME=name'
        : 'is not of the form user@realm!name, for example root@pam!mcp',
    );
  if (id !== undefined && name !== undefined && !id.endsWith(`!${name}`))
    add('PROXMOX_TOKEN_NAME', 'names another token than PROXMOX_TOKEN_ID: keep one of them');
  if (secret === undefined)
    add(
      'PROXMOX_TOKEN_SECRET',
      'is not set, and the name of the token is: set PROXMOX_TOKEN_SECRET_FILE to the path of a file with the secret',
    );
  // SECURITY: what does not look like a secret may still be one, and is not shown.
  else if (!/^[A-Za-z0-9-]{8,128}$/.test(secret))
    add(
      'PROXMOX_TOKEN_SECRET',
      'is not the secret of a token, which Proxmox VE shows once, as a UUID, when it is made',
    );
  if (endpointsOf(values).length === 0)
    add('PROXMOX_HOST', 'is not set: set it to the name or address of a node');
  return faults;
}
