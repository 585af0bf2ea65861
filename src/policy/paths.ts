/** Which files a call may read or write, on the host and in containers. */
import { type FilePlace, isWithin, type PathRule } from '../base/paths.ts';

export interface PathRules {
  /** Empty means all. */
  readonly allowedPaths: readonly PathRule[];
  readonly deniedPaths: readonly PathRule[];
}

export interface Touched {
  readonly place: FilePlace;
  /** Absolute and normalised. */
  readonly path: string;
}

/** SECURITY: what the kernel shows there are no files; reading or writing them acts on the machine. */
const kernel = ['/proc', '/sys', '/dev'];

/** Keys, passwords and the whole cluster's configuration, and the database that they come from. */
const clusterFiles = ['/etc/pve', '/var/lib/pve-cluster'];

/** What keeps the path from being touched, in words that name the setting, or undefined. */
export function pathProblem({ place, path }: Touched, rules: PathRules): string | undefined {
  const matches = (rule: PathRule) =>
    (rule.place === undefined || rule.place === place) && isWithin(path, rule.path);
  const tree = kernel.find((directory) => isWithin(path, directory));
  if (tree !== undefined) return `files below ${tree} are not read or written`;
  if (rules.deniedPaths.some(matches)) return 'the path is denied (DENIED_PATHS)';
  const allowed = rules.allowedPaths.filter(matches);
  if (rules.allowedPaths.length > 0 && allowed.length === 0) return 'the path is not among ALLOWED_PATHS';
  const own = place === 'host' ? clusterFiles.find((directory) => isWithin(path, directory)) : undefined;
  if (own !== undefined && !allowed.some(({ path: named }) => isWithin(named, own)))
    return `${own} on the host is denied unless ALLOWED_PATHS names it, for example host:/etc/pve/lxc`;
  return undefined;
}
