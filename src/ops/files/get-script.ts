/** The shell script that opens a file and gives it out. */

/**
 * Runs as root in the container, or on the host. Arguments: mark, path. It tells NUL-terminated fields and takes
 * lines: `sum` and `send OFFSET LENGTH`, behind whose bytes it says whether the file is still what it was, and ends.
 *
 * SECURITY: the file is opened once, with the rights of the container, and looked at only when it is open: the
 * kernel says which one it is, so exchanging a link in between changes nothing. pct gets to it by the same
 * descriptor. `command` keeps a failed redirection from ending the shell, and `<&3` hands on what some shells
 * close for their children.
 */
export const getScript = `
mark=$1 path=$2
export LC_ALL=C
newline='
'
tell() { printf '%s\\0' "$@"; }
fail() { tell failed "$1" "\${2-}"; exit 1; }
facts() {
  stat -L -c '%s %y %z' /proc/self/fd/0 <&3 2>/dev/null ||
    ls -dnL /proc/self/fd/0 <&3 | { read -r _ _ _ _ size date; printf '%s %s\\n' "$size" "$date"; }
}
printf '%s\\n' "$mark"
if [ ! -e "$path" ]; then
  [ -L "$path" ] && fail dangling
  fail missing
fi
[ -d "$path" ] && fail directory
[ -f "$path" ] || fail irregular
command exec 3<"$path" || fail open
[ -f /proc/self/fd/3 ] || fail irregular
real=$(readlink /proc/self/fd/0 <&3; echo x)
real=\${real%"\${newline}x"}
[ "$real" -ef /proc/self/fd/3 ] || fail moved
before=$(facts)
sums=
command -v sha256sum >/dev/null && sums=yes
tell at "$real" "\${before%% *}" "$sums" "$$"
while IFS=' ' read -r word offset length; do
  case $word in
    sum)
      now=$(sha256sum </proc/self/fd/3)
      tell sum "\${now%% *}" ;;
    send)
      if [ "$offset" = 0 ] && [ "$length" = "\${before%% *}" ]; then cat </proc/self/fd/3
      else tail -c "+$((offset + 1))" </proc/self/fd/3 | head -c "$length"; fi
      if [ "$(facts)" = "$before" ]; then tell same; else tell changed; fi
      exit 0 ;;
  esac
done
`.trim();
