#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# The monitor and its keepers by themselves: no compose file, no image, no network; a root of busybox, and tests/helper/monitor-ctl.

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -x /bin/busybox ] || skip "needs busybox-static"
	local top
	top=$(command -v gantry-monitor) && top=$(dirname "$top") || top=$BATS_TEST_DIRNAME/../../build
	top=$(realpath "$top") CTL=$top/tests/helper/monitor-ctl
	[ -x "$CTL" ] || make -s -C "$top" tests/helper/monitor-ctl >/dev/null 2>&1
	[ -x "$CTL" ] || skip "needs tests/helper/monitor-ctl (make check builds it)"
	T=$(mktemp -d "${TMPDIR:-/tmp}/gantry-mon.XXXXXX")
	export CTL T GANTRY_ROOT=$T/root GANTRY_RUN=$T/run GANTRY_LIBEXEC=$top
	local l=$GANTRY_ROOT/images/layers/b0b0 a
	mkdir -p "$l"/{bin,proc,sys,dev,tmp,etc}
	chmod 711 "$GANTRY_ROOT"
	cp /bin/busybox "$l/bin/"
	for a in $(/bin/busybox --list); do [ "$a" = busybox ] || ln -s busybox "$l/bin/$a"; done
	echo 'app:x:1000:1000::/:/bin/sh' >"$l/etc/passwd"
}
teardown_file() {
	[ -n "${T:-}" ] || return 0
	local left
	left=$(pgrep -af '^gantry-(monitor|keep) ' | grep -F "$GANTRY_LIBEXEC/" || true)
	[ -z "$left" ] || echo "# left: $left" >&3
	[ ! -e "/sys/fs/cgroup/gantry-$(cat "$GANTRY_ROOT/id")" ]
	rm -rf "$T"
}
setup() { P=p$BATS_TEST_NUMBER; }
teardown() {
	local c
	for c in "$GANTRY_RUN"/c/*/; do "$CTL" call "$P" kill "$(basename "$c")" >/dev/null 2>&1 || true; done
	"$CTL" call "$P" shutdown >/dev/null || true
}

# create NAME MORE ARGV…   MORE: further members of the spec, '"tty":true,'
create() {
	local name=$P-$1 more=$2
	shift 2
	ID=$("$CTL" create "$P" "$name" "{$more\"layers\":[\"sha256:b0b0\"],\"layers_driver\":\"overlay\",\"env\":[\"PATH=/bin\"]}" "$@")
}
ctl() { "$CTL" call "$P" "$@"; }
start() { create "$@" && ctl start "$ID" >/dev/null; }
row() { "$CTL" row "$P-$1"; }
state() { row "$1" | cut -d' ' -f1-3; }
field() { row "$1" | cut -d' ' -f"$2"; }
soon() { # until CMD succeeds, 15 s
	local end=$((SECONDS + 15))
	until "$@" >"$T/soon" 2>&1; do
		[ $SECONDS -lt $end ] || { echo "not within 15 s: $*"; cat "$T/soon"; return 1; }
		sleep 0.02
	done
}
is() { local want=$1 got; shift; got=$("$@" 2>&1); echo "got '$got', want '$want'"; [ "$got" = "$want" ]; }
monitor() { cat "$GANTRY_RUN/p/$P/lock"; }
other_monitor() { local m; m=$(monitor) && [ -n "$m" ] && [ "$m" != "$1" ] && kill -0 "$m"; }
kill_monitor() { local m; m=$(monitor); kill -9 "$m"; soon other_monitor "$m"; }
gone() { ! kill -0 "$1" 2>/dev/null || [ "$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -c1)" = Z ]; }

@test "starts, logs, ends; the monitor ends with its last container" {
	start a "" sh -c 'echo out; echo err >&2; printf rest; exit 3'
	soon is "exited 3 1" state a
	[ "$("$CTL" logs "$ID" | tr -d '\n' | grep -oE 'out|err|rest' | sort | xargs)" = "err out rest" ]
	soon gone "$(monitor)"
	[ "$("$CTL" events "$P" | cut -d' ' -f1 | xargs)" = "start die" ]
	[ ! -e "$GANTRY_RUN/c/$ID" ]
}

@test "100 MB under way, the monitor killed again and again: each line once" {
	start a '"log":{"driver":"json-file","options":["max-size=-1"]},' sh -c 'seq 1 12000000; exit 7'
	local i
	for i in 1 2 3 4 5 6 7 8; do
		sleep "0.$((i * 7 % 20 + 10))"
		[ "$(state a | cut -d' ' -f1)" = running ] || break
		kill_monitor
	done
	[ "$i" -gt 2 ]
	soon is "exited 7 1" state a
	is "$(seq 1 12000000 | md5sum)" eval '"$CTL" logs "$ID" | md5sum'
}

@test "unfinished lines, both streams, over kills of the monitor" {
	start a "" sh -c 'trap g=1 USR1; for i in 1 2 3 4 5 6 7 8 9; do printf "a$i"; printf "b$i" >&2; sleep 0.1; done; while [ -z "$g" ]; do sleep 0.05; done; echo; echo >&2'
	local i
	for i in 1 2 3; do sleep 0.2; kill_monitor; done
	kill -USR1 "$(field a 4)"
	soon is "exited 0 1" state a
	# both lines, whole; pieces of the two may alternate
	local log
	log=$("$CTL" logs "$ID" | tr -d '\n')
	[ "$(tr -cd 'a1-9' <<<"$(grep -o 'a[1-9]' <<<"$log" | tr -d '\n')")" = a1a2a3a4a5a6a7a8a9 ]
	[ "$(grep -o 'b[1-9]' <<<"$log" | tr -d '\n')" = b1b2b3b4b5b6b7b8b9 ]
}

@test "a container that ends while there is no monitor: its code and last words are known" {
	start a "" sh -c 'trap "echo bye; exit 9" USR1; echo up; while :; do sleep 0.05; done'
	soon eval '"$CTL" logs "$ID" | grep -q up'
	local m
	m=$(monitor)
	kill -9 "$m"
	kill -USR1 "$(field a 4)"
	soon is "exited 9 1" state a
	[ "$("$CTL" logs "$ID" | xargs)" = "up bye" ]
}

@test "keeper killed, twice: another holds the container, its code is known" {
	start a "" sh -c 'trap "exit 11" USR1; while :; do echo .; sleep 0.05; done'
	local pid k1 k2
	pid=$(field a 4) k1=$(field a 5)
	kill -9 "$k1"
	soon eval '[ "$(field a 5)" != '"$k1"' ] && kill -0 "$(field a 5)"'
	k2=$(field a 5)
	kill -9 "$k2"
	soon eval '[ "$(field a 5)" != '"$k2"' ] && kill -0 "$(field a 5)"'
	kill -0 "$pid"
	kill_monitor
	kill -USR1 "$pid"
	soon is "exited 11 1" state a
}

@test "a stopped keeper: a stop goes on without it, and the code is known" {
	start a '"stop_grace_ns":300000000,' sh -c 'trap "exit 7" TERM; while :; do sleep 0.05; done'
	local k; k=$(field a 5)
	kill -STOP "$k"
	ctl stop "$ID" >/dev/null
	is "exited 7 1" state a
	soon gone "$k"
}

@test "monitor and keeper killed at once: quiet containers run on, the next command knows the end" {
	start a "" sh -c 'trap "exit 12" USR1; while :; do sleep 0.05; done'
	local pid
	pid=$(field a 4)
	kill -9 "$(monitor)" "$(field a 5)"
	sleep 0.1
	kill -0 "$pid"
	ctl ping >/dev/null
	[ "$(state a)" = "running 0 1" ] || [ "$(state a)" = "running 0 0" ]
	kill -USR1 "$pid"
	soon eval 'state a | grep -q "^exited"'
	state a | grep -qE '^exited (12 1|0 0|255 0)$'
}

@test "restart: backoff, attempts, over a kill of the monitor" {
	start a '"restart":{"policy":"on-failure","max_retries":3,"delay_ns":-1,"window_ns":-1},' sh -c 'echo try; exit 5'
	soon eval '[ "$(field a 6)" -ge 2 ]'
	soon is restarting field a 1
	kill_monitor
	soon is "exited 5 1" state a
	[ "$("$CTL" logs "$ID" | xargs)" = "try try try try" ]
	[ "$(field a 6)" = 3 ]
}

@test "restart: always, until it is stopped; kill means it too" {
	start a '"restart":{"policy":"always","delay_ns":-1,"window_ns":-1},' sh -c 'echo try; exit 0'
	soon eval '[ "$(field a 6)" -ge 2 ]'
	ctl stop "$ID"
	is exited field a 1
	start b '"restart":{"policy":"always","delay_ns":-1,"window_ns":-1},' sleep 1000
	kill -9 "$(field b 4)"
	soon is 1 field b 6
	soon is running field b 1
	ctl kill "$ID"
	is "exited 137 1" state b
	sleep 0.3
	is exited field b 1
}

@test "stop: signal, grace, kill; a second stop is more impatient" {
	start a "" sh -c 'trap "exit 4" TERM; echo up; while :; do sleep 0.05; done'
	soon eval '"$CTL" logs "$ID" | grep -q up'
	is '{"code":4,"known":true,"ok":true}' ctl stop "$ID"
	is '{"code":4,"known":true,"ok":true}' ctl stop "$ID"
	start b "" sleep 1000
	is '{"code":137,"known":true,"ok":true}' ctl stop "$ID" '{"timeout_ns":100000000}'
	start c "" sleep 1000
	ctl stop "$ID" '{"timeout_ns":60000000000}' >"$T/first" &
	sleep 0.2
	ctl stop "$ID" '{"timeout_ns":0}'
	wait $!
	grep -q 137 "$T/first"
	start d '"stop_signal":"USR2",' sh -c 'trap "exit 5" USR2; echo up; while :; do sleep 0.05; done'
	soon eval '"$CTL" logs "$ID" | grep -q up'
	is '{"code":5,"known":true,"ok":true}' ctl stop "$ID"
}

@test "restart operation: the same container, started again" {
	start a "" sh -c 'echo run; exec sleep 1000'
	local pid
	pid=$(field a 4)
	ctl restart "$ID" '{"timeout_ns":0}'
	[ "$(field a 4)" != "$pid" ]
	is running field a 1
	soon is "run run" eval '"$CTL" logs "$ID" | xargs'
}

@test "pause: frozen, stop thaws it" {
	start a "" sh -c 'trap "exit 6" TERM; echo up; while :; do sleep 0.05; done'
	soon eval '"$CTL" logs "$ID" | grep -q up'
	ctl pause "$ID"
	is paused field a 1
	run ctl pause "$ID"
	[ "$status" -ne 0 ] && [[ $output == *"paused already"* ]]
	run ctl exec "$ID" '{"argv":["true"]}'
	[ "$status" -ne 0 ] && [[ $output == *paused* ]]
	kill_monitor
	is paused field a 1
	ctl unpause "$ID"
	is running field a 1
	ctl pause "$ID"
	is '{"code":6,"known":true,"ok":true}' ctl stop "$ID"
	start b "" sleep 1000
	ctl pause "$ID"
	is '{"code":137,"known":true,"ok":true}' ctl kill "$ID"
}

@test "a program that cannot be started: the step, the exit code, nothing left" {
	create a "" /nosuch
	run -127 ctl start "$ID"
	[[ $output == *nosuch* ]]
	is exited field a 1
	[[ $(row a) == *nosuch* ]]
	create b "" /etc/passwd
	run -126 ctl start "$ID"
	soon test ! -e "$GANTRY_RUN/c/$ID"
}

@test "K killed in the middle, at each of its steps: an error, then it starts" {
	local fp
	for fp in launch.begin launch.start ctr.clone ctr.started launch.exec; do
		create "${fp/./-}" "" sleep 1000
		GANTRY_FP="$fp=kill9" run ctl start "$ID"
			[ "$status" -ne 0 ] || skip "built without fail points"
		is exited field "${fp/./-}" 1
		soon gone "$(monitor)"
		ctl start "$ID"
		is running field "${fp/./-}" 1
		ctl stop "$ID" '{"timeout_ns":0}'
		soon gone "$(monitor)"
	done
}

@test "the monitor killed at each of its own steps: the client's next try works" {
	local fp
	for fp in monitor.fork monitor.rows monitor.commit monitor.ready monitor.ended monitor.clean; do
		create "${fp/./-}" "" sleep 1000
		GANTRY_FP="$fp=1*kill9" ctl start "$ID" || true
		ctl start "$ID"
		is running field "${fp/./-}" 1
		ctl stop "$ID" '{"timeout_ns":0}' || ctl stop "$ID" '{"timeout_ns":0}'
		soon is exited field "${fp/./-}" 1
		soon gone "$(monitor)"
	done
}

@test "attach: stdin to its end, output to its last byte, exit code" {
	create a '"stdin_open":true,"stdin_once":true,' sh -c 'md5sum; echo err >&2; exit 8'
	head -c 20000000 /dev/urandom >"$T/in"
	"$CTL" attach "$P" "$ID" stdin <"$T/in" >"$T/out" 2>"$T/err" &
	soon test -s "$T/err" # "attached"
	ctl start "$ID"
	wait $!
	is "$(md5sum - <"$T/in")" cat "$T/out"
	is "attached err code 8" eval 'xargs <"$T/err"'
}

@test "attach: a slow reader gets all of it" {
	create a "" seq 1 300000
	"$CTL" attach "$P" "$ID" > >(sleep 1; md5sum >"$T/sum") 2>"$T/err" &
	local c=$!
	soon test -s "$T/err"
	ctl start "$ID"
	wait $c
	soon grep -q "$(seq 1 300000 | md5sum | cut -d' ' -f1)" "$T/sum"
	is "$(seq 1 300000 | md5sum)" eval '"$CTL" logs "$ID" | md5sum'
}

@test "a terminal: size, input and output over a kill of the monitor" {
	start a '"tty":true,"stdin_open":true,' sh -c 'stty -echo; echo up; while read l; do echo "got $l"; stty size; [ "$l" = end ] && exit 5; done'
	soon eval '"$CTL" logs "$ID" | grep -q up'
	ctl resize "$ID" '{"rows":33,"cols":99}'
	kill_monitor
	(sleep 0.3; echo one; echo end; sleep 0.5) | "$CTL" attach "$P" "$ID" stdin tty >"$T/out" 2>"$T/err"
	is "got one 33 99 got end 33 99" eval 'tr -d "\r" <"$T/out" | xargs'
	is "exited 5 1" state a
}

@test "health: starting, unhealthy, healthy; timeouts kill the probe with its children" {
	start a '"health":{"test":["CMD-SHELL","echo probing; test -e /ok"],"interval_ns":100000000,"retries":2,"timeout_ns":1000000000},' \
		sh -c 'sleep 1; >/ok; exec sleep 1000'
	is starting field a 7
	soon is unhealthy field a 7
	soon is healthy field a 7
	ctl health "$ID" | grep -q probing
	start b '"health":{"test":["CMD-SHELL","sleep 87654 | sleep 87655"],"interval_ns":100000000,"retries":1,"timeout_ns":200000000},' sleep 1000
	soon is unhealthy field b 7
	ctl health "$ID" | grep -q 'took longer than 200ms'
	ctl stop "$ID" '{"timeout_ns":0}'
	! pgrep -f 'sleep 8765[45]'
}

@test "exec -d: started or told why not, reaped" {
	start a "" sleep 1000
	ctl exec "$ID" '{"argv":["sh","-c","echo x >/made"]}'
	soon test -e "$GANTRY_ROOT/containers/$ID/upper/made"
	run -127 ctl exec "$ID" '{"argv":["/nosuch"]}'
	local i m
	for i in 1 2 3 4 5; do ctl exec "$ID" '{"argv":["true"]}' >/dev/null; done
	m=$(monitor)
	soon eval '! ps -o stat= --ppid '"$m"' | grep -q Z'
}

@test "a non-root user can reopen its stdout and stderr" {
	start a '"user":"app",' sh -c 'echo one >/dev/stdout; echo two >/dev/stderr; id -u'
	soon is "exited 0 1" state a
	is "1000 one two" eval '"$CTL" logs "$ID" | sort | xargs'
}

@test "an idle project does nothing and is small" {
	start a "" sleep 1000
	local m i pss
	m=$(monitor)
	sleep 3
	local before after
	before=$(awk '/ctxt_switches/{s += $2} END{print s}' "/proc/$m/status" "/proc/$(field a 5)/status")
	sleep 2
	after=$(awk '/ctxt_switches/{s += $2} END{print s}' "/proc/$m/status" "/proc/$(cut -d' ' -f5 <<<"$(row a)")/status")
	[ $((after - before)) -le 1 ]
	pss=$(awk '/^Pss:/{print $2}' "/proc/$m/smaps_rollup")
	echo "monitor $pss kB, keeper $(awk '/^Pss:/{print $2}' "/proc/$(field a 5)/smaps_rollup") kB"
	[ "$pss" -le 900 ]
	[ "$(awk '/^Pss:/{print $2}' "/proc/$(field a 5)/smaps_rollup")" -le 100 ]
}

@test "a stopped monitor: commands say so instead of hanging, and it goes on" {
	start a "" sleep 1000
	local m
	m=$(monitor)
	kill -STOP "$m"
	run timeout 20 "$CTL" call "$P" ping
	[ "$status" = 1 ] && [[ $output == *"(process $m) is stopped"*"kill -CONT $m"* ]]
	row a >/dev/null # the database is nobody's hostage
	kill -CONT "$m"
	ctl ping
}

@test "monitor and keeper are in a cgroup of their own, which goes with them" {
	start a "" sleep 1000
	local id
	id=$(cat "$GANTRY_ROOT/id")
	grep -q "/gantry-$id/monitor-$P" "/proc/$(monitor)/cgroup"
	grep -q "/gantry-$id/monitor-$P" "/proc/$(field a 5)/cgroup"
	kill_monitor
	grep -q "/gantry-$id/monitor-$P" "/proc/$(monitor)/cgroup"
	ctl kill "$ID"
	soon eval '[ -z "$(find /sys/fs/cgroup -maxdepth 3 -type d -path "*gantry-'"$id"'*")" ]'
}

@test "hooks: post_start before the answer, its failure told; pre_stop before the signal" {
	local h='"hooks":"{\"post_start\":[{\"command\":[\"sh\",\"-c\",\"echo $X >/post\"],\"environment\":[\"X=set\"]}],\"pre_stop\":[{\"command\":[\"touch\",\"/pre\"]}]}",'
	start a "$h" sh -c 'trap "[ -e /pre ] && exit 3; exit 4" TERM; while :; do sleep 0.05; done'
	[ "$(cat "$GANTRY_ROOT/containers/$ID/upper/post")" = set ]
	is '{"code":3,"known":true,"ok":true}' ctl stop "$ID"
	create b '"hooks":"{\"post_start\":[{\"command\":[\"sh\",\"-c\",\"echo why; exit 9\"]}]}",' sleep 1000
	run ctl start "$ID"
	[ "$status" -ne 0 ] && [[ $output == *"post_start hook 1 ended with status 9: why"* ]]
	is running field b 1
}
