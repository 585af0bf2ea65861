/** The two ways into a container: lxc-attach, which is fast, and pct, which is a Perl program of 0.6 s. */

export interface ContainerDriver {
  readonly name: 'lxc-attach' | 'pct';
  /** Runs argv in the container as root with PATH, TERM and container in its environment and nothing else. */
  attach(vmid: number, argv: readonly string[]): readonly [string, ...string[]];
  /** Shell text that prints what runs on this node. */
  readonly states: string;
  /** Reads the ids of running containers from what that printed. */
  running(states: string): ReadonlySet<number>;
}

export const lxcAttachDriver: ContainerDriver = {
  name: 'lxc-attach',
  attach: (vmid, argv) => ['lxc-attach', '-n', String(vmid), '--clear-env', '--', ...argv],
  // A running container's monitor listens on this abstract socket: PVE's own way to find it.
  states: `grep -ao '@/var/lib/lxc/[0-9]*/command' /proc/net/unix || [ $? = 1 ] || exit 9`,
  running(states) {
    const ids = states.matchAll(/@\/var\/lib\/lxc\/(\d+)\/command/g);
    return new Set(Array.from(ids, ([, id]) => Number(id)));
  },
};

export const pctDriver: ContainerDriver = {
  name: 'pct',
  // pct decodes its arguments by the locale and, until told otherwise, hands the host's environment on.
  attach: (vmid, argv) => [
    'env',
    'LC_ALL=C.UTF-8',
    'pct',
    'exec',
    String(vmid),
    '--keep-env',
    '0',
    '--',
    ...argv,
  ],
  states: 'pct list || exit 9',
  running(states) {
    const rows = states.matchAll(/^(\d+)\s+running\b/gm);
    return new Set(Array.from(rows, ([, id]) => Number(id)));
  },
};
