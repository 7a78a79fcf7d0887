#!/bin/bash
# recorded.sh LIST CMD…: runs CMD, which holds gantry against recorded answers and prints "FAIL NAME: …" or "not ok NAME" for each that differs, and
# "N passed, …" at the end. Those named in LIST (one a line, with the reason) differ by now and are not counted; one of them that passes is told, so that
# the list shrinks. Prints "N passed, N failed".
set -u
list=$1
shift
out=$(mktemp)
trap 'rm -f "$out" "$out".*' EXIT
"$@" >"$out" 2>&1
total=$(sed -nE 's/^([0-9]+) passed.*/\1/p' "$out" | tail -n 1)
[ -n "$total" ] || { tail -n 5 "$out"; echo "0 passed, 1 failed"; exit 1; }
sed -nE 's/^FAIL ([^:]+):.*/\1/p; s/^not ok ([^ ]+).*/\1/p' "$out" | sort -u >"$out.failed"
grep -v '^#' "$list" 2>/dev/null | awk 'NF{print $1}' | sort -u >"$out.known"
new=$(comm -23 "$out.failed" "$out.known")
gone=$(comm -13 "$out.failed" "$out.known")
[ -n "$new" ] && sed 's/^/not ok /' <<<"$new"
[ -n "$gone" ] && sed "s|^|passes now, take it off $list: |" <<<"$gone"
echo "known to differ by now: $(comm -12 "$out.failed" "$out.known" | wc -l)"
n=$([ -n "$new" ] && wc -l <<<"$new" || echo 0)
echo "$total passed, $n failed"
[ "$n" = 0 ]
