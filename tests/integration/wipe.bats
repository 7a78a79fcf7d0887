#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Somebody wipes /run/gantry while containers run: one monitor and one keeper each all the same, no line lost, nothing waits without a word.

load lib

setup() {
	project "wipe$BATS_TEST_NUMBER-$RANDOM" <<-'E'
		services:
		  say: {image: tiny:1, command: [sh, -c, 'i=0; while :; do i=$$((i+1)); echo line $$i; usleep 20000; done'], stop_signal: SIGKILL}
		  web: {image: tiny:1, command: [httpd, -f, -h, /etc], stop_signal: SIGKILL, ports: ["127.0.0.1:0:80"]}
	E
	gantry up -d 2>/dev/null
	SAY=$(pid say)
}

monitor() { cat "$GANTRY_RUN/p/$P/lock"; }
ours() { pgrep -f "^gantry-$1 $P " || true; }
# One monitor that can be reached, one keeper a container, the process that was there before, each line once and more to come.
whole() {
	[ "$(ours monitor)" = "$(monitor)" ] && [ "$(ours keep | wc -l)" = 2 ] && [ "$(pid say)" = "$SAY" ] &&
		[ "$(ls "$GANTRY_RUN"/c/*/keep.sock | wc -l)" = 2 ]
}
lines() { gantry logs --no-log-prefix say | awk '$2 != NR {print "line", $2, "is at", NR; exit 1} END {print NR}'; }
more_lines() { local before; before=$(lines) && soon eval "[ \$(lines) -gt $before ]"; }
works() {
	soon whole && more_lines
	[ "$(gantry exec -T say echo hi)" = hi ]
	[ "$(curl -s "http://127.0.0.1:$(gantry port web 80 | sed 's/.*://')/passwd" | head -n 1 | cut -d: -f1)" = root ]
	gantry restart -t 0 web 2>/dev/null
	soon whole && more_lines
}

@test "all of it, at rest; then the monitor is killed" {
	rm -rf "${GANTRY_RUN:?}"/* 2>/dev/null || true
	works
	kill -9 "$(monitor)"
	works
}

@test "all of it, and the monitor killed before it can do anything" {
	kill -STOP "$(monitor)"
	local m; m=$(monitor)
	rm -rf "${GANTRY_RUN:?}"/*
	kill -9 "$m"
	gantry up -d 2>/dev/null
	works
}

@test "a second monitor while the first one sleeps: the first one goes" {
	local m; m=$(monitor)
	kill -STOP "$m"
	rm -rf "${GANTRY_RUN:?}"/*
	gantry restart -t 0 web 2>/dev/null
	kill -CONT "$m"
	works
	! kill -0 "$m" 2>/dev/null || [ "$(sed 's/.*) //' "/proc/$m/stat" | cut -c1)" = Z ]
}

@test "in parts: the socket, the lock, the keepers' folders" {
	rm "$GANTRY_RUN/p/$P/ctl.sock"
	works
	rm "$GANTRY_RUN/p/$P/lock"
	works
	rm -rf "$GANTRY_RUN/c"
	kill -9 "$(monitor)"
	works
}

@test "under logs -f, and while an up is at work" {
	gantry logs -f --no-log-prefix say >"$T/followed" 2>/dev/null &
	local follower=$!
	soon grep -q 'line 5' "$T/followed"
	gantry up -d --force-recreate web >/dev/null 2>&1 &
	local up=$!
	rm -rf "${GANTRY_RUN:?}"/* 2>/dev/null || true
	wait "$up" || gantry up -d 2>/dev/null # it may have lost its monitor in the middle, and say so
	works
	soon eval "[ \$(wc -l <'$T/followed') -gt 100 ]"
	kill "$follower"
	awk '$2 != NR {print "line", $2, "is at", NR; exit 1}' "$T/followed"
}
