/** What ends a process group on the host. */

/**
 * TERM, half a second to obey, then KILL for what is left. It exits 0 only when nothing of the group is
 * there any more. A process that called setsid has left the group and is not reached.
 * No `--` before the group: dash and busybox take it for a process, and fail.
 */
export function stopScript(pgid: number): string {
  return [
    // A group that may not be signalled is a group that is there.
    `alive() { said=$(LC_ALL=C kill -0 -${pgid} 2>&1) && return 0; case $said in *ermi*) return 0;; esac; return 1; }`,
    'gone() { for i in 1 2 3 4 5; do alive || exit 0; sleep 0.1; done; }',
    `kill -TERM -${pgid} 2>/dev/null`,
    'gone',
    `kill -KILL -${pgid} 2>/dev/null`,
    'gone',
    // What is dead and only waits to be collected by its parent still answers to a signal.
    'command -v ps >/dev/null || exit 1',
    `ps -eo pgid=,stat= | grep -q '^ *${pgid}  *[^Z ]' && exit 1`,
    'exit 0',
  ].join('; ');
}
