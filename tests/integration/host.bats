#!/usr/bin/env bats
# The host goes down and comes up: in order (host shutdown, host boot), and without a word (a power cut). The real reboot of a kernel is in v2/cut.
load lib

# A power cut as far as one kernel can play it: everything of this root is killed at once, what the kernel held goes, so does the run folder; from
# then on gantry runs in a mount namespace with another boot id ($BOOTED holds it).
power_cut() {
	local p id dev pids
	id=$(cat "$GANTRY_ROOT/id")
	pids=$(grep -alsF "GANTRY_ROOT=$GANTRY_ROOT" /proc/[0-9]*/environ | cut -d/ -f3 | while read -r p; do
		[[ $(cat "/proc/$p/comm") != gantry-* ]] || echo "$p"; done)
	pids="$pids $(gantry ls -q | while read -r p; do gantry -p "$p" ps --format '{{.Pid}}'; done)"
	kill -STOP $pids
	kill -KILL $pids
	for p in $pids; do soon gone_or_zombie "$p"; done
	rm -rf "$GANTRY_RUN"
	nft delete table inet "gantry-$id" 2>/dev/null || true
	for dev in $(ip -o link | sed -nE "s/^[0-9]+: (g[bv]${id:0:5}[^:@]*).*/\1/p"); do ip link del "$dev" 2>/dev/null || true; done
	find /sys/fs/cgroup -depth -type d -path "*gantry-$id*" -exec rmdir {} \; 2>/dev/null || true
	[ -z "${BOOTED:-}" ] || kill "$BOOTED"
	cat /proc/sys/kernel/random/uuid >"$T/boot_id"
	unshare -m --propagation private sh -c 'mount --bind "$1" /proc/sys/kernel/random/boot_id; exec sleep 100000' sh "$T/boot_id" 3>&- &
	BOOTED=$!
	soon in_namespace
}
gone_or_zombie() { ! grep -qs '^State:.*[RSDTt] ' "/proc/$1/status"; }
in_namespace() { [ "$(nsenter -t "$BOOTED" -m cat /proc/sys/kernel/random/boot_id)" = "$(cat "$T/boot_id")" ]; }
gantry() {
	if [ -n "${BOOTED:-}" ]; then nsenter -t "$BOOTED" -m --wd="$PWD" gantry "$@"; else command gantry "$@"; fi
}
end_boot() {
	[ -z "${BOOTED:-}" ] || kill "$BOOTED"
	BOOTED=
}
teardown() {
	take_all_down
	end_boot
	return 0
}

@test "host shutdown stops dependents first, within their grace; host boot brings them back in order, with data and ports" {
	local port=$((20000 + RANDOM % 20000))
	project order <<-Y
	x-slow: &slow
	  image: "tiny:1"
	  restart: unless-stopped
	  volumes: ["data:/data"]
	  stop_grace_period: 20s
	services:
	  db:
	    <<: *slow
	    command: [sh, -c, "trap 'echo down db >>/data/log; exit 0' TERM; rm -f /tmp/ready; sleep 0.3; echo up db >>/data/log; touch /tmp/ready; while :; do sleep 0.05; done"]
	    healthcheck: {test: [CMD, test, -e, /tmp/ready], interval: 100ms, retries: 100}
	  app:
	    <<: *slow
	    depends_on: {db: {condition: service_healthy}}
	    command: [sh, -c, "trap 'sleep 1; echo down app >>/data/log; exit 0' TERM; echo up app >>/data/log; while :; do sleep 0.05; done"]
	  web:
	    <<: *slow
	    depends_on: [app]
	    ports: ["127.0.0.1:$port:80"]
	    command: [sh, -c, "trap 'echo down web >>/data/log; exit 0' TERM; echo up web >>/data/log; httpd -p 80 -h /etc; while :; do sleep 0.05; done"]
	  stubborn:
	    image: "tiny:1"
	    restart: always
	    stop_grace_period: 300ms
	    command: [sh, -c, "trap '' TERM; while :; do sleep 0.05; done"]
	volumes: {data: {}}
	Y
	gantry up -d
	soon curl -sf "http://127.0.0.1:$port/passwd" -o /dev/null
	run gantry host shutdown
	[ "$status" -eq 0 ]
	[ -z "$(gantry ps -q)" ]
	is "exited 0" eval 'echo $(state app) $(code app)'
	is "exited 137" eval 'echo $(state stubborn) $(code stubborn)'
	run ! monitor_pid order
	run ! curl -sf "http://127.0.0.1:$port/passwd"
	run gantry host boot
	[ "$status" -eq 0 ]
	is running state stubborn
	soon curl -sf "http://127.0.0.1:$port/passwd" -o /dev/null
	is healthy health db
	log() { gantry exec -T db cat /data/log | tr '\n' ','; }
	soon is "up db,up app,up web,down web,down app,down db,up db,up app,up web," log
	run gantry host boot
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	gantry down -v -t 0
}

policies() {
	project pol <<-'Y'
	x-it: &it {image: "tiny:1", command: [sh, -c, "trap 'exit 3' TERM; while :; do sleep 0.05; done"]}
	services:
	  no: *it
	  always: {<<: *it, restart: always}
	  unless: {<<: *it, restart: unless-stopped}
	  fail: {<<: *it, restart: on-failure}
	  clean: {<<: *it, restart: on-failure, command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.05; done"]}
	  alwaysstopped: {<<: *it, restart: always}
	  unlessstopped: {<<: *it, restart: unless-stopped}
	  failstopped: {<<: *it, restart: on-failure}
	  once: {image: "tiny:1", command: ["true"], restart: on-failure}
	Y
	gantry up -d
	gantry stop -t 2 alwaysstopped unlessstopped failstopped
	soon is exited state once
}
states() { gantry ps -a --format '{{.Service}} {{.State}}' | sort | tr '\n' ','; }

@test "which containers come back after a shutdown follows the restart policy, as docker does" {
	policies
	gantry host shutdown
	[ -z "$(gantry ps -q)" ]
	gantry host boot
	is "always running,alwaysstopped running,clean exited,fail running,failstopped running,no exited,once exited,unless running,unlessstopped exited," states
	gantry down -t 0
}

@test "after a power cut ps says that the host restarted, boot follows the restart policy" {
	policies
	power_cut
	[ -z "$(gantry ps -q)" ]
	run gantry ps -a --format '{{.Status}} {{.ExitCode}}' unless
	[[ $output == "Exited (255: the host restarted)"*" 255" ]]
	is "exited(9)" eval 'gantry ls -a --format json | jq -r ".[].Status"'
	[ "$(gantry info --format '{{.ContainersRunning}}')" = 0 ]
	run ! gantry exec -T always true
	[[ $output == *"not running"* ]]
	gantry host boot
	is "always running,alwaysstopped running,clean running,fail running,failstopped running,no exited,once exited,unless running,unlessstopped exited," states
	run gantry ps -a --format '{{.Status}}' no
	echo "$output"
	[[ $output == "Exited (255: the host restarted)"* ]]
	gantry down -t 0
	[ -z "$(gantry ps -aq)" ]
}

@test "after a power cut up, logs, ports, names and volumes work; down of what did not come back too" {
	local port=$((20000 + RANDOM % 20000))
	project cut <<-Y
	services:
	  db: {image: "tiny:1", volumes: ["data:/data"], command: [sh, -c, "echo hello; echo x >>/data/f; exec sleep 1000"]}
	  web: {image: "tiny:1", depends_on: [db], ports: ["127.0.0.1:$port:80"], command: [httpd, -f, -p, "80", -h, /etc]}
	volumes: {data: {}}
	Y
	gantry up -d
	local before; before=$(gantry ps -aq)
	soon is "db-1  | hello" gantry logs db
	power_cut
	is "db-1  | hello" gantry logs db
	run gantry port web 80
	[ "$status" -ne 0 ]
	gantry up -d
	[ "$(gantry ps -aq)" = "$before" ]
	soon curl -sf "http://127.0.0.1:$port/passwd" -o /dev/null
	gantry exec -T web ping -c 1 -W 2 db
	[ "$(gantry exec -T db cat /data/f | wc -l)" = 2 ]
	[ "$(gantry logs --no-log-prefix db | wc -l)" = 2 ]
	power_cut
	gantry down -v
	[ -z "$(gantry ps -aq)" ]
}

@test "several projects go down side by side and come back; one that cannot start does not keep the others" {
	local i begin
	for i in 1 2 3; do
		project "side$i" <<-'Y'
		services:
		  a: {image: "tiny:1", restart: always, stop_grace_period: 4s, command: [sh, -c, "trap '' TERM; while :; do sleep 0.05; done"]}
		Y
		gantry up -d
	done
	begin=$SECONDS
	run gantry host shutdown
	[ "$status" -eq 0 ]
	[ $((SECONDS - begin)) -lt 11 ]
	is "exited(1) exited(1) exited(1)" eval 'echo $(gantry ls -a --format json | jq -r ".[].Status")'
	mv "$GANTRY_ROOT/containers/$(gantry -p side2 ps -aq --no-trunc)/spec.json" "$T/spec.json"
	run gantry host boot
	[[ $output == *side2* ]]
	is running gantry -p side1 ps --format '{{.State}}'
	is running gantry -p side3 ps --format '{{.State}}'
	mv "$T/spec.json" "$GANTRY_ROOT/containers/$(sqlite3 "$GANTRY_ROOT/state.db" "select id from container where project='side2'")/"
	run gantry host boot side2
	[ "$status" -eq 0 ]
	is running gantry -p side2 ps --format '{{.State}}'
	run gantry host boot nosuch
	[ "$status" -eq 1 ]
	[[ $output == *"no such project: nosuch"* ]]
}

@test "a dependency that stays down does not keep its dependents down at boot" {
	project dep <<-'Y'
	services:
	  job: {image: "tiny:1", command: ["true"]}
	  db:
	    image: "tiny:1"
	    restart: always
	    healthcheck: {test: [CMD, test, -e, /tmp/ready], interval: 100ms, retries: 2}
	  gone: {image: "tiny:1"}
	  app:
	    image: "tiny:1"
	    restart: always
	    depends_on: {job: {condition: service_completed_successfully}, gone: {condition: service_started}, db: {condition: service_healthy}}
	Y
	gantry up -d db gone
	gantry exec -T db touch /tmp/ready
	soon is healthy health db
	gantry up -d
	gantry exec -T db rm /tmp/ready
	gantry host shutdown
	run gantry host boot
	[[ $output == *unhealthy* ]]
	is running state app
	is exited state gone
	gantry down -t 0
}
