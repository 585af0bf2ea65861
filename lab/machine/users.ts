/** Users and groups as a machine's own /etc/passwd and /etc/group have them. */
import { contentOf } from '../files/inode.ts';
import { findNode, type Tree } from '../files/tree.ts';

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

export interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

function rows(files: Tree, path: string): string[][] {
  const node = findNode(files, path);
  if (node?.kind !== 'file') return [];
  return contentOf(node)
    .toString('latin1')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((row) => row.length > 2);
}

export function listUsers(files: Tree): User[] {
  return rows(files, '/etc/passwd').map(([name = '', , uid, gid, , home = '/', shell = '/bin/sh']) => ({
    name,
    uid: Number(uid),
    gid: Number(gid),
    home,
    shell,
  }));
}

export function listGroups(files: Tree): Group[] {
  return rows(files, '/etc/group').map(([name = '', , gid, members = '']) => ({
    name,
    gid: Number(gid),
    members: members.split(',').filter((member) => member !== ''),
  }));
}

/** By name, or by number where `user` is one. */
export function findUser(files: Tree, user: string | number): User | undefined {
  return listUsers(files).find(({ name, uid }) => (typeof user === 'number' ? uid === user : name === user));
}

export function findGroup(files: Tree, group: string | number): Group | undefined {
  return listGroups(files).find(({ name, gid }) =>
    typeof group === 'number' ? gid === group : name === group,
  );
}

/** The groups that initgroups(3) gives a user. */
export function groupsOf(files: Tree, user: Pick<User, 'name' | 'gid'>): number[] {
  const more = listGroups(files).filter(({ members }) => members.includes(user.name));
  return [...new Set([user.gid, ...more.map(({ gid }) => gid)])];
}
