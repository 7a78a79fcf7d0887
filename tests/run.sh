#!/bin/bash
# run.sh [--no-install] [PART...]: builds gantry and runs all its tests; the last line is "N passed, N failed[, N skipped]".
#
#   unit         a plain build, then make check of a developer build (warnings are errors, fail points built in)
#   sanitizers   the same unit tests and cases with AddressSanitizer and UndefinedBehaviorSanitizer
#   fuzz         each fuzzer for a few seconds
#   integration  tests/integration/*.bats: the program on the real kernel, as root
#   runtime      the cases of ../shared/data/runtime that the project does by now, where that folder is there
#   goldens      recorded answers of docker compose config in ../shared/data/goldens, where that folder is there
#   builds       recorded builds of BuildKit in ../shared/data/build, where that folder is there
#   vm           the main cases in a guest with pure cgroup v2
#
# No PART: all of them. Everything is made below build-*/ and temporary folders and removed again.
set -uo pipefail
cd "$(dirname "$0")/.."
top=$PWD
shared=$top/../shared
install=()
[ "${1:-}" = --no-install ] && { install=(--no-install); shift; }
[ $# -gt 0 ] || set -- unit sanitizers fuzz integration runtime goldens builds vm
passed=0 failed=0 skipped=0
log=$(mktemp -d /tmp/gantry-tests.XXXXXX)
trap 'rm -rf "$log"' EXIT

note() { printf '\n== %s\n' "$*"; }
count() { # PASSED FAILED SKIPPED
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}
skip() { echo "skipped: $*"; count 0 0 1; }

configure_in() { # DIR ARGS...
	local dir=$1
	shift
	[ -x configure ] && [ configure -nt configure.ac ] || ./autogen.sh >"$log/autogen" 2>&1 || { cat "$log/autogen"; return 1; }
	mkdir -p "$dir"
	[ -f "$dir/Makefile" ] || (cd "$dir" && ../configure -q "$@") || return 1
}

build_in() { # DIR ARGS...
	configure_in "$@" && make -s -C "$1" -j"$(nproc)" >"$log/make" 2>&1 && return
	tail -n 60 "$log/make" 2>/dev/null
	echo "build in $1 failed"
	count 0 1 0
	return 1
}

# make check: one line per test program from automake's .trs files
check_in() { # DIR
	local trs result name
	make -s -C "$1" -j"$(nproc)" check >"$log/check" 2>&1
	local rc=$?
	while read -r trs; do
		result=$(sed -n 's/^:test-result: *//p' "$trs" | head -n 1)
		name=${trs#"$1"/}
		case $result in
		PASS*)
			count 1 0 0
			while read -r line; do # a part of it that had nothing to run on
				skip "${name%.trs}: ${line#skipped: }"
			done < <(grep -ahs '^skipped: ' "${trs%.trs}.log") ;;
		SKIP*) echo "skipped: ${name%.trs}: $(tail -n 1 "${trs%.trs}.log")"; count 0 0 1 ;;
		*) echo "not ok ${name%.trs}"; tail -n 40 "${trs%.trs}.log"; count 0 1 0 ;;
		esac
	done < <(find "$1" -name '*.trs' | sort)
	[ $rc -eq 0 ] || grep -q 'FAIL' "$log/check" || { tail -n 40 "$log/check"; count 0 1 0; }
}

part_unit() {
	build_plain
	build_in build-test --enable-developer && check_in build-test
}

# The build that users make: without the headers that a developer build includes everywhere, and without a warning.
build_plain() {
	build_in build-plain CFLAGS='-O0 -Wall -Werror' && count 1 0 0
}

part_sanitizers() {
	export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1
	configure_in build-asan --enable-developer --enable-sanitizers CFLAGS='-O1 -g' && check_in build-asan
	unset ASAN_OPTIONS UBSAN_OPTIONS
}

part_fuzz() {
	local f corpus
	CC=clang configure_in build-fuzz CC=clang --enable-fuzzing --enable-developer CFLAGS='-O1 -g' || { count 0 1 0; return; }
	make -s -C build-fuzz -j"$(nproc)" fuzzers >"$log/fuzz" 2>&1 || { tail -n 40 "$log/fuzz"; count 0 1 0; return; }
	for f in build-fuzz/tests/fuzz/fuzz_*; do
		[ -x "$f" ] && [ -f "$f" ] || continue
		case $f in *.*) continue ;; esac
		corpus=$log/corpus.${f##*/}
		mkdir -p "$corpus"
		if "$f" -max_total_time="${FUZZ_SECONDS:-5}" -rss_limit_mb=2048 -artifact_prefix="$log/" "$corpus" \
			"tests/fuzz/corpus/${f##*/fuzz_}" >"$log/fuzz.out" 2>&1; then
			count 1 0 0
		else
			echo "not ok ${f##*/}"; tail -n 40 "$log/fuzz.out"; count 0 1 0
		fi
	done
}

part_integration() {
	[ "$(id -u)" = 0 ] || { skip "integration: needs root"; return; }
	build_in build-test --enable-developer || return
	PATH=$top/build-test:$PATH bats --tap tests/integration >"$log/bats" 2>&1
	grep -E '^(not ok|# )|# skip' "$log/bats"
	count "$(grep -E '^ok ' "$log/bats" | grep -vc '# skip')" "$(grep -c '^not ok ' "$log/bats")" "$(grep -c '# skip' "$log/bats")"
	grep -q '^1\.\.' "$log/bats" || { cat "$log/bats"; count 0 1 0; }
}

# Cases whose commands come with a later issue are named in tests/runtime.later.
part_runtime() {
	[ -d "$shared/data/runtime" ] || { skip "runtime: no ../shared/data/runtime"; return; }
	[ "$(id -u)" = 0 ] || { skip "runtime: needs root"; return; }
	build_in build-test --enable-developer || return
	local cases=$log/cases f name
	mkdir -p "$cases"
	for f in "$shared"/data/runtime/cases/*.sh; do
		name=$(basename "$f" .sh)
		grep -q "^$name\b" tests/runtime.later && continue
		ln -s "$(realpath "$f")" "$cases/"
	done
	export GANTRY_ROOT=$log/root GANTRY_RUN=$log/run
	PATH=$top/build-test:$PATH LOAD_CMD="gantry image load -i" COMPOSE_CMD=gantry \
		"$shared/data/runtime/run.sh" -j 2 "$cases" >"$log/runtime" 2>&1
	grep -E '^not ok' "$log/runtime"
	echo "later (tests/runtime.later): $(grep -cE '^[0-9]' tests/runtime.later) cases"
	count "$(grep -c '^ok' "$log/runtime")" "$(grep -c '^not ok' "$log/runtime")" "$(grep -c '^skip' "$log/runtime")"
	grep -qE '^[0-9]+ passed' "$log/runtime" || { tail -n 20 "$log/runtime"; count 0 1 0; }
	unset GANTRY_ROOT GANTRY_RUN
}

recorded() { # LIST CMD…
	local p f
	tests/recorded.sh "$@" >"$log/recorded" 2>&1
	grep -v '^[0-9]* passed' "$log/recorded" | head -n 20
	read -r p f < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$log/recorded" | tail -n 1)
	count "${p:-0}" "${f:-1}" 0
}

# Which recorded answers must be equal is held by tests/goldens.differ: cases that differ by now, one a line.
part_goldens() {
	[ -d "$shared/data/goldens" ] || { skip "goldens: no ../shared/data/goldens"; return; }
	build_in build-test --enable-developer || return
	recorded tests/goldens.differ python3 "$shared/data/goldens/compare.py" "$top/build-test/gantry" --list-fail
}

part_builds() {
	[ -d "$shared/data/build" ] || { skip "builds: no ../shared/data/build"; return; }
	[ "$(id -u)" = 0 ] || { skip "builds: needs root"; return; }
	build_in build-test --enable-developer || return
	GANTRY_ROOT=$log/build-root GANTRY_RUN=$log/build-run \
		recorded tests/builds.differ python3 "$shared/data/build/compare.py" --gantry "$top/build-test/gantry"
}

part_vm() {
	[ "$(id -u)" = 0 ] || { skip "vm: needs root"; return; }
	[ "${GANTRY_NO_VM:-}" ] && { skip "vm: GANTRY_NO_VM is set"; return; }
	.ci/need ${install[@]+"${install[@]}"} vm || { skip "vm: qemu is not there"; return; }
	build_in build-test --enable-developer || return
	# /var/lib is a disk; the guest's root is an overlay, on which no other overlay goes
	tests/vm --cgroup v2 --timeout 900 -- env TMPDIR=/var/lib PATH="$top/build-test:$PATH" SOON=60 \
		bats --tap tests/integration/v2 >"$log/vm" 2>&1
	grep -E '^(not ok|# )|# skip' "$log/vm"
	count "$(grep -E '^ok ' "$log/vm" | grep -vc '# skip')" "$(grep -c '^not ok ' "$log/vm")" "$(grep -c '# skip' "$log/vm")"
	grep -q '^1\.\.' "$log/vm" || { tail -n 30 "$log/vm"; count 0 1 0; }
}

.ci/need ${install[@]+"${install[@]}"} build test fuzz || exit 1
for part; do
	note "$part"
	start=$SECONDS
	"part_$part"
	echo "($part: $((SECONDS - start)) s, so far $passed passed, $failed failed)"
done
echo
[ $skipped -gt 0 ] && echo "$passed passed, $failed failed, $skipped skipped" || echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
