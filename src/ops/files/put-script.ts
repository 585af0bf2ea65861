/** The shell script that takes a file in, beside its destination, and puts it there in one step. */

/**
 * Runs as root in the container, or on the host. Arguments: mark, directory, name, temporary name. It tells
 * NUL-terminated fields and takes lines: `go`, `data N` and N bytes as often as wanted, `commit`. At the end of its
 * input, and when it is told to end, it takes its temporary file away.
 *
 * It works in the directory as it has entered it, one made at a time, so nothing on the way can be exchanged.
 * SECURITY: whoever owns the directory, who need not be root, can exchange the temporary file for a link. It is made
 * and opened in one step, and from then on reached by its descriptor alone, for pct too; the name counts again
 * only in the last step, behind which is looked whether the right file has it. The old file goes by
 * rename, or with `keep` the new one comes by link, which fails where something is: no look before could decide
 * that. `dd` reads blocks of 64 KiB where it can be told to fill them, and `head` takes the rest: busybox reads
 * ahead in `head`, so nothing is sent behind the data before it has said `taken`.
 */
export const putScript = `
mark=$1 dir=$2 base=$3 temp=$4
export LC_ALL=C
umask 077
newline='
'
tell() { printf '%s\\0' "$@"; }
fail() { tell failed "$1" "\${2-}"; exit 1; }
ids() { ls -dnL -- "$1" | { read -r _ _ user group _; printf '%s:%s' "$user" "$group"; }; }
taken() { [ -e "./$base" ] || [ -L "./$base" ]; }
printf '%s\\n' "$mark"
at=$dir rest=
until [ -e "$at" ] || [ -L "$at" ]; do
  rest=/\${at##*/}$rest
  at=\${at%/*}
  [ -n "$at" ] || at=/
done
cd -P -- "$at" 2>/dev/null || fail directory-missing
real=$(pwd -P; echo x)
real=\${real%"\${newline}x"}
kind=missing
if [ -z "$rest" ]; then
  if [ -L "./$base" ]; then kind=link
  elif [ -d "./$base" ]; then kind=directory
  elif [ -f "./$base" ]; then kind=file
  elif taken; then kind=other; fi
fi
tell at "$real" "$rest" "$kind" "$$"
IFS= read -r word && [ "$word" = go ] || exit 0
made=\${real%/}
while [ -n "$rest" ]; do
  rest=\${rest#/}
  part=\${rest%%/*}
  rest=\${rest#"$part"}
  made=$made/$part
  said=$(umask 022; mkdir -- "./$part" 2>&1) || [ -d "./$part" ] || fail create "$said"
  cd -P -- "./$part" || fail moved
  [ "$(pwd -P; echo x)" = "$made\${newline}x" ] || fail moved
done
set -C
command exec 4>"./$temp" || fail create "$( (: >"./$temp") 2>&1 && rm -f -- "./$temp")"
set +C
trap 'rm -f -- "./$temp"' EXIT
trap 'exit 1' HUP INT PIPE TERM
file=/proc/$$/fd/4
whole=
printf x | dd bs=1 count=1 iflag=fullblock >/dev/null 2>&1 && whole=yes
receive() {
  if [ -n "$whole" ]; then
    dd bs=65536 count="$(($1 / 65536))" iflag=fullblock && head -c "$(($1 % 65536))"
  else
    head -c "$1"
  fi
}
tell ready
while IFS=' ' read -r word size sum mode place user group; do
  case $word in
    data)
      said=$(receive "$size" 2>&1 >&4) || fail write "$said"
      tell taken ;;
    commit)
      now=$(wc -c <"$file")
      [ "$((now))" -eq "$size" ] || fail size "$(head -c 65536 </dev/zero 2>&1 >>"$file")"
      if command -v sha256sum >/dev/null; then
        now=$(sha256sum <"$file")
        [ "\${now%% *}" = "$sum" ] || fail sum
      fi
      own=$(ids "$file") kept=
      [ -f "./$base" ] && [ ! -L "./$base" ] && kept=$(ids "./$base")
      kept=\${kept:-$own}
      [ "$user" != - ] || user=\${kept%:*}
      [ "$group" != - ] || group=\${kept#*:}
      [ "$user:$group" = "$own" ] || said=$(chown -- "$user:$group" "$file" 2>&1) || fail owner "$said"
      said=$(chmod -- "$mode" "$file" 2>&1) || fail mode "$said"
      [ -d "./$base" ] && [ ! -L "./$base" ] && fail directory
      [ "./$temp" -ef "$file" ] && [ ! -L "./$temp" ] || fail moved
      if [ "$place" = replace ]; then
        said=$(mv -fT -- "./$temp" "./$base" 2>&1) || {
          [ ! -d "./$base" ] || fail directory
          said=$(mv -f -- "./$temp" "./$base" 2>&1) || fail rename "$said"
        }
      else
        taken && fail exists
        said=$(ln -T -- "./$temp" "./$base" 2>&1) || {
          taken && fail exists
          said=$(ln -- "./$temp" "./$base" 2>&1) || { taken && fail exists; fail link "$said"; }
        }
      fi
      [ "./$base" -ef "$file" ] && [ ! -L "./$base" ] || fail exchanged
      rm -f -- "./$temp"
      tell done
      exit 0 ;;
  esac
done
exit 1
`.trim();
