#!/bin/bash
# powercut.sh [ROUNDS [pull|build|database|import|clean]...]: gantry's root on a disk, guests over it whose power is cut (qemu is killed) at random moments. By hand: some minutes.
#
#   during image import   then: images and database are whole, up works
#   during up             then: the same; host boot, up
#   during image pull     then: fsck says that the store is whole, the next pull goes on where the parts end, gc leaves nothing
#   during image build    then: the same; the next build works
#   with a database       a container that fsyncs lines and says so: what it said must be on the disk. host boot starts what restart: says
#   clean                 host shutdown, next boot, down: nothing is left
#
# BUILD: folder of the programs (build-test). Guests are tests/vm, their part is integration/v2/cut.sh. The disk goes through the host's page cache, so
# that a cut loses what the guest has not flushed, not what the host has not written.
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILD=${BUILD:-$PWD/build-test}
rounds=${1:-3}
steps=("${@:2}")
[ ${#steps[@]} -gt 0 ] || steps=(pull build database import clean)
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
	setsid tests/vm --disk "$T/disk" --timeout 280 -- env BUILD="$BUILD" tests/integration/v2/cut.sh "$1" "$T/registry.yml" >"$T/out" 2>&1 &
	vm=$!
	until grep -q "$2" "$T/out"; do
		[ $SECONDS -lt $end ] && kill -0 "$vm" 2>/dev/null || { cat "$T/out"; echo "no '$2' from the guest"; exit 1; }
		sleep 0.2
	done
	sleep "$3"
	kill_vm
	echo "-- cut in $1, $3 s after '$2'; its last words: $(tail -n 1 "$T/out")"
}
# A registry's files with an image of three layers, which the guest serves and cannot change.
registry() {
	local port=$((20000 + RANDOM % 20000)) id
	mkdir -p "$T/context"
	for i in 1 2 3; do head -c 12M /dev/urandom >"$T/context/$i"; done
	printf 'FROM scratch\nCOPY 1 /\nCOPY 2 /\nCOPY 3 /\n' >"$T/context/Dockerfile"
	printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$T/registry" $port >"$T/registry.yml"
	docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 &
	id=$!
	until curl -sf --noproxy '*' "http://127.0.0.1:$port/v2/" >/dev/null; do sleep 0.1; done
	GANTRY_ROOT=$T/host GANTRY_RUN=$T/host-run "$BUILD/gantry" image build -q -t "127.0.0.1:$port/cut/big:1" "$T/context" >/dev/null
	GANTRY_ROOT=$T/host GANTRY_RUN=$T/host-run "$BUILD/gantry" image push -q "127.0.0.1:$port/cut/big:1"
	kill $id
	wait $id || true
	sed -i "s/127.0.0.1:$port/127.0.0.1:5990/" "$T/registry.yml"
	rm -r "$T/context" "$T/host" "$T/host-run"
}
check() {
	guest "${CHECK:-check}" "$@" >"$T/check" 2>&1 || { cat "$T/check"; echo "not ok $n"; exit 1; }
	grep -q 'CUT checked' "$T/check" || { cat "$T/check"; exit 1; }
	grep '^CUT' "$T/check"
	echo "ok $n"
}
export VM_CACHE=writeback
cuts_pull() {
	cut pull "CUT part" "$((RANDOM % 6)).$((RANDOM % 10))"
	CHECK=check-pull check "$T/registry.yml"
}
cuts_build() {
	cut build "CUT begins" "$((RANDOM % 4)).$((RANDOM % 10))"
	CHECK=check-build check
}
cuts_database() {
	cut up "ack [0-9]*" "$((3 + RANDOM % 6))"
	cp "$T/out" "$T/acked"
	check "$T/acked"
}
cuts_import() {
	cut import "CUT imported" "$((RANDOM % 8)).$((RANDOM % 10))"
	check
	n="$round up"
	cut up "CUT begins" "$((RANDOM % 6)).$((RANDOM % 10))"
	check
}
cuts_clean() {
	for step in shutdown booted; do
		guest $step >"$T/check" 2>&1 || { cat "$T/check"; echo "not ok $n $step"; exit 1; }
	done
	grep '^CUT' "$T/check"
	echo "ok $n"
}
[[ " ${steps[*]} " != *" pull "* ]] || registry
for round in $(seq "$rounds"); do
	for what in "${steps[@]}"; do
		n="$round $what"
		rm -f "$T/disk"
		"cuts_$what"
	done
done
