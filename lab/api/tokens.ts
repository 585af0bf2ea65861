/** API tokens, and what each may do where. */
import { randomUUID, timingSafeEqual } from 'node:crypto';

/** Every privilege that there is. */
export const privileges: readonly string[] = [
  ...['Allocate', 'AllocateSpace', 'AllocateTemplate', 'Audit'].map((name) => `Datastore.${name}`),
  ...['Group.Allocate', 'Mapping.Audit', 'Mapping.Modify', 'Mapping.Use', 'Permissions.Modify'],
  ...['Pool.Allocate', 'Pool.Audit', 'Realm.Allocate', 'Realm.AllocateUser'],
  ...['SDN.Allocate', 'SDN.Audit', 'SDN.Use', 'User.Modify'],
  ...['AccessNetwork', 'Audit', 'Console', 'Incoming', 'Modify', 'PowerMgmt', 'Syslog'].map(
    (name) => `Sys.${name}`,
  ),
  ...['Allocate', 'Audit', 'Backup', 'Clone', 'Console', 'Migrate', 'PowerMgmt', 'Replicate', 'Snapshot'].map(
    (name) => `VM.${name}`,
  ),
  ...['CDROM', 'CPU', 'Cloudinit', 'Disk', 'HWType', 'Memory', 'Network', 'Options'].map(
    (name) => `VM.Config.${name}`,
  ),
  ...['Audit', 'FileRead', 'FileSystemMgmt', 'FileWrite', 'Unrestricted'].map(
    (name) => `VM.GuestAgent.${name}`,
  ),
  'VM.Snapshot.Rollback',
];

export interface LabToken {
  /** `user@realm!name`. */
  readonly id: string;
  /** Privileges by path; they hold for everything below, until a path further down has an entry of its own. */
  readonly privileges: Readonly<Record<string, readonly string[]>>;
}

/** Who asks. */
export interface ApiUser {
  /** `root@pam!lab`. */
  readonly id: string;
  /** `root@pam`. */
  readonly userId: string;
  /** `lab`. */
  readonly tokenName: string;
  /** The privileges at a path. */
  at(path: string): readonly string[];
  /** The paths with entries of their own. */
  readonly paths: readonly string[];
}

export interface Tokens {
  /** Returns the secret. The same id again replaces the token. */
  add(token: LabToken): string;
  remove(id: string): void;
  /** Nobody where the id is unknown or the secret wrong. */
  find(id: string, secret: string): ApiUser | undefined;
}

export function createTokens(): Tokens {
  const known = new Map<string, { readonly user: ApiUser; readonly secret: string }>();
  return {
    add(token) {
      const secret = randomUUID();
      known.set(token.id, { user: userOf(token), secret });
      return secret;
    },
    remove: (id) => void known.delete(id),
    find(id, secret) {
      const token = known.get(id);
      if (token === undefined || token.secret.length !== secret.length) return undefined;
      return timingSafeEqual(Buffer.from(token.secret), Buffer.from(secret)) ? token.user : undefined;
    },
  };
}

function userOf({ id, privileges: entries }: LabToken): ApiUser {
  const [userId = '', tokenName = ''] = id.split('!');
  return {
    ...{ id, userId, tokenName, paths: Object.keys(entries) },
    at(path) {
      for (let place = path; ; place = place.replace(/\/[^/]*$/, '')) {
        const found = entries[place === '' ? '/' : place];
        if (found !== undefined) return found;
        if (place === '' || place === '/') return [];
      }
    },
  };
}

/** A path as access lists have it; undefined where it holds what no such path may. */
export function normalPath(path: string): string | undefined {
  const short = `/${path}`.replaceAll(/\/+/g, '/').replace(/(.)\/$/, '$1');
  return /^[A-Za-z0-9.\-_/]+$/.test(short) ? short : undefined;
}
