#!/bin/bash
# powercut.sh [ROUNDS]: gantry's root on a disk, guests over it whose power is cut (qemu is killed) at random moments. By hand: some minutes.
#
#   during image import   then: images and database are whole, up works
#   during up             then: the same; host boot, up
#   with a database       a container that fsyncs lines and says so: what it said must be on the disk. host boot starts what restart: says
#   clean                 host shutdown, next boot, down: nothing is left
#
# BUILD: folder of the programs (build-test). Guests are tests/vm, their part is integration/v2/cut.sh. The disk goes through the host's page cache, so
# that a cut loses what the guest has not flushed, not what the host has not written.
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILD=${BUILD:-$PWD/build-test}
rounds=${1:-3}
T=$(mktemp -d /var/tmp/gantry-cut.XXXXXX)
export TMPDIR=$T/tmp
mkdir "$TMPDIR"
vm=
trap '[ -z "$vm" ] || kill_vm; rm -rf "$T"' EXIT
guest() { # STEP [ARG]
	tests/vm --disk "$T/disk" --timeout 280 -- env BUILD="$BUILD" tests/integration/v2/cut.sh "$@"
}
# tests/vm runs in a session of its own, all of which ends at once
kill_vm() {
	# shellcheck disable=SC2046
	kill -KILL $(ps -o pid= -s "$vm") 2>/dev/null || true
	wait "$vm" 2>/dev/null || true
	vm=
	rm -rf "$TMPDIR"/vm*
}
cut() { # STEP PATTERN SECONDS: so long after the guest has printed PATTERN
	local end=$((SECONDS + 240))
	: >"$T/out"
	setsid tests/vm --disk "$T/disk" --timeout 280 -- env BUILD="$BUILD" tests/integration/v2/cut.sh "$1" >"$T/out" 2>&1 &
	vm=$!
	until grep -q "$2" "$T/out"; do
		[ $SECONDS -lt $end ] && kill -0 "$vm" 2>/dev/null || { cat "$T/out"; echo "no '$2' from the guest"; exit 1; }
		sleep 0.2
	done
	sleep "$3"
	kill_vm
	echo "-- cut in $1, $3 s after '$2'; its last words: $(tail -n 1 "$T/out")"
}
check() {
	guest check "$@" >"$T/check" 2>&1 || { cat "$T/check"; echo "not ok $n"; exit 1; }
	grep -q 'CUT checked' "$T/check" || { cat "$T/check"; exit 1; }
	grep '^CUT' "$T/check"
	echo "ok $n"
}
export VM_CACHE=writeback
for round in $(seq "$rounds"); do
	rm -f "$T/disk"
	n="$round database"
	cut up "ack [0-9]*" "$((3 + RANDOM % 6))"
	cp "$T/out" "$T/acked"
	check "$T/acked"
	n="$round import"
	rm -f "$T/disk"
	cut import "CUT imported" "$((RANDOM % 8)).$((RANDOM % 10))"
	check
	n="$round up"
	cut up "CUT begins" "$((RANDOM % 6)).$((RANDOM % 10))"
	check
	n="$round clean"
	rm -f "$T/disk"
	for step in shutdown booted; do
		guest $step >"$T/check" 2>&1 || { cat "$T/check"; echo "not ok $n $step"; exit 1; }
	done
	grep '^CUT' "$T/check"
	echo "ok $n"
done
