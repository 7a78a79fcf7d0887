#!/usr/bin/env bats
# Any process of ours may be killed at any time: containers do not notice, nothing is lost, the next command works.
load lib

monitor_changed() { local m; m=$(monitor_pid "$1" 2>/dev/null) && [ -n "$m" ] && [ "$m" != "$2" ] && kill -0 "$m" 2>/dev/null; }

@test "kill -9 of the monitor: a new one within a second, no line lost or double" {
	project mon <<-'Y'
	services:
	  a: {image: "tiny:1", command: [sh, -c, "i=0; while [ $$i -lt 3000 ]; do echo $$i; i=$$((i+1)); [ $$((i % 50)) = 0 ] && sleep 0.02; done; exec sleep 1000"]}
	  b: {image: "tiny:1"}
	Y
	gantry up -d
	local p m i
	p=$(pid b)
	for i in 1 2 3 4; do
		m=$(monitor_pid mon)
		kill -9 "$m"
		SOON=3 soon monitor_changed mon "$m"
	done
	is running state b
	[ "$(pid b)" = "$p" ]
	soon is 2999 eval 'gantry logs --no-log-prefix a | tail -n 1'
	[ "$(gantry logs --no-log-prefix a | sort -n | uniq | wc -l)" -eq 3000 ]
	[ "$(gantry logs --no-log-prefix a | wc -l)" -eq 3000 ]
	kill -9 "$p"
	soon is "exited 137" eval 'echo $(state b) $(code b)'
	gantry down -t 0
}

@test "kill -9 of a keeper: the container goes on, its end is seen" {
	project keep <<<$'services:\n  a: {image: "tiny:1", command: [sh, -c, "trap \'exit 5\' USR1; echo up; while :; do sleep 0.1; done"]}'
	gantry up -d
	local p k
	p=$(pid a)
	k=$(awk '/^PPid/{print $2}' "/proc/$p/status")
	[[ $(readlink "/proc/$k/exe") == *gantry-keep ]]
	kill -9 "$k"
	sleep 0.3
	kill -0 "$p"
	is running state a
	gantry exec -T a true
	gantry kill -s USR1 a
	soon is exited state a
	gantry down -t 0
}

@test "kill -9 of monitor and keeper at once: the next command knows" {
	project both <<<$'services:\n  a: {image: "tiny:1"}'
	gantry up -d
	local p k m
	p=$(pid a) m=$(monitor_pid both)
	k=$(awk '/^PPid/{print $2}' "/proc/$p/status")
	kill -9 "$m" "$k"
	sleep 0.3
	gantry down -t 1
	soon gone "$p"
	[ -z "$(gantry ps -aq)" ]
}

# kill -9 of the CLI (and of what it starts) at every step of up, then of down: the next up works, down leaves nothing.
steps() { # COMMAND…: names of the fail points that it hits
	rm -f "$T/fplog"
	GANTRY_FP=trace GANTRY_FP_LOG=$T/fplog "$@" >/dev/null 2>&1
	sort -u "$T/fplog"
}

@test "kill -9 at every fail point of up and down" {
	local point n=0
	project fp <<-'Y'
	services:
	  a: {image: "tiny:1", volumes: ["vol:/v"], ports: ["127.0.0.1::80"]}
	  b: {image: "tiny:1", depends_on: [a]}
	volumes: {vol: {}}
	Y
	[ -n "$(steps gantry up -d)" ] || skip "no fail points in this build"
	steps gantry up -d >/dev/null
	gantry down -v -t 0
	leaks >"$T/l0"
	local up down
	up=$(steps gantry up -d)
	down=$(steps gantry down -v -t 0)
	for point in $up; do
		n=$((n + 1))
		GANTRY_FP="$point=kill9" timeout 20 gantry up -d >"$T/out" 2>&1 || true
		SOON=2 soon eval '! pgrep -f "^gantry-monitor fp "' || true # it still has the fail point, and is about to end
		timeout 20 gantry up -d >"$T/out" 2>&1 || { echo "up after kill at $point:"; cat "$T/out"; return 1; }
		timeout 20 gantry down -v -t 0 >"$T/out" 2>&1 || { echo "down after kill at $point:"; cat "$T/out"; return 1; }
		soon eval 'leaks >"$T/l1"; diff "$T/l0" "$T/l1"' || { echo "left behind after kill at $point"; diff "$T/l0" "$T/l1"; return 1; }
	done
	for point in $down; do
		n=$((n + 1))
		timeout 20 gantry up -d >"$T/out" 2>&1 || { echo "up before kill at $point:"; cat "$T/out"; return 1; }
		GANTRY_FP="$point=kill9" timeout 20 gantry down -v -t 0 >"$T/out" 2>&1 || true
		timeout 20 gantry down -v -t 0 >"$T/out" 2>&1 || { echo "down after kill at $point:"; cat "$T/out"; return 1; }
		soon eval 'leaks >"$T/l1"; diff "$T/l0" "$T/l1"' || { echo "left behind after kill of down at $point"; diff "$T/l0" "$T/l1"; return 1; }
	done
	echo "# $n fail points" >&3
}

@test "an error at every fail point of up is told and leaves nothing" {
	local point
	project fe <<-'Y'
	services:
	  a: {image: "tiny:1", volumes: ["vol:/v"], ports: ["127.0.0.1::80"]}
	volumes: {vol: {}}
	Y
	local up
	up=$(steps gantry up -d)
	[ -n "$up" ] || skip "no fail points in this build"
	gantry down -v -t 0
	leaks >"$T/l0"
	for point in $up; do
		GANTRY_FP="$point=1*error(EIO)" timeout 20 gantry up -d >"$T/out" 2>&1 || true
		timeout 20 gantry down -v -t 0 >"$T/out2" 2>&1 || { echo "down after error at $point:"; cat "$T/out" "$T/out2"; return 1; }
		soon eval 'leaks >"$T/l1"; diff "$T/l0" "$T/l1"' || { echo "left behind after error at $point"; diff "$T/l0" "$T/l1"; return 1; }
	done
}

@test "kill -9 at every fail point of a recreate: the next up ends it, once" {
	local point
	project fr <<-'Y'
	services:
	  a: {image: "tiny:1", stop_signal: SIGKILL, volumes: [/anon], environment: {X: "${X:-1}"}}
	  b: {image: "tiny:1", stop_signal: SIGKILL, network_mode: "service:a"}
	Y
	gantry up -d
	gantry exec -T a sh -c 'echo kept >/anon/f'
	local points
	points=$(X=0 steps gantry up -d)
	[ -n "$points" ] || skip "no fail points in this build"
	for point in $points; do
		X=$point GANTRY_FP="$point=kill9" timeout 20 gantry up -d >"$T/out" 2>&1 || true
		X=$point timeout 20 gantry up -d >"$T/out" 2>&1 || { echo "up after kill at $point:"; cat "$T/out"; return 1; }
		is "fr-a-1 fr-b-1" eval 'gantry ps -a --format "{{.Name}}" | xargs'
		is "$point" gantry exec -T a sh -c 'echo $X'
		is kept gantry exec -T a cat /anon/f
		[ "$(ls -A "$GANTRY_ROOT/containers" | wc -l)" = 2 ] || { echo "folders left after kill at $point"; return 1; }
	done
	gantry down -v -t 0
}
