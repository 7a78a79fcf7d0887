#!/bin/bash
# goldens.sh GANTRY FOLDER: runs the recorded answers of docker compose config; "N passed, N failed". Cases named in tests/goldens.differ
# (one a line, with the reason) differ by now and are not counted; one of them that passes is told, so that the list shrinks.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp)
trap 'rm -f "$out"' EXIT
python3 "$2/compare.py" "$1" --list-fail >"$out" 2>&1
total=$(sed -nE 's/^([0-9]+) passed.*/\1/p' "$out" | tail -n 1)
[ -n "$total" ] || { tail -n 5 "$out"; echo "0 passed, 1 failed"; exit 1; }
sed -nE 's/^FAIL ([^:]+):.*/\1/p' "$out" | sort -u >"$out.failed"
grep -v '^#' "$here/goldens.differ" 2>/dev/null | awk 'NF{print $1}' | sort -u >"$out.known"
new=$(comm -23 "$out.failed" "$out.known")
gone=$(comm -13 "$out.failed" "$out.known")
[ -n "$new" ] && sed 's/^/not ok /' <<<"$new"
[ -n "$gone" ] && sed 's/^/passes now, take it off tests\/goldens.differ: /' <<<"$gone"
echo "known to differ by now: $(comm -12 "$out.failed" "$out.known" | wc -l)"
n=$([ -n "$new" ] && wc -l <<<"$new" || echo 0)
rm -f "$out.failed" "$out.known"
echo "$total passed, $n failed"
[ "$n" = 0 ]
