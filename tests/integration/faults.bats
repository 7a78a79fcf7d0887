#!/usr/bin/env bats
# Each mistake gives one clear message, the right exit code, and leaves nothing behind.
load lib

@test "broken YAML, unknown key, unknown service" {
	project bad <<<$'services:\n  a: {image: "tiny:1"'
	run gantry up -d
	[ "$status" -ne 0 ]
	[[ $output == *"compose.yaml:"* ]]
	project bad2 <<<$'services:\n  a: {imagee: "tiny:1"}'
	run gantry up -d
	[ "$status" -ne 0 ]
	[[ $output == *"compose.yaml:2:"* ]]
	[[ $output == *"did you mean"*image* ]]
	project bad3 <<<$'services:\n  web: {image: "tiny:1"}'
	run gantry up -d wbe
	[ "$status" -ne 0 ]
	[[ $output == *"no such service: wbe"* ]]
}

@test "missing image" {
	project noimg <<<$'services:\n  a: {image: "nosuch:7"}'
	run gantry up -d
	[ "$status" -ne 0 ]
	[[ $output == *nosuch:7* ]]
	[[ $output == *hint:* ]]
	[ -z "$(gantry ps -aq)" ]
}

@test "missing bind source in long form" {
	project nobind <<<$'services:\n  a: {image: "tiny:1", volumes: [{type: bind, source: /no/such/dir, target: /x, bind: {create_host_path: false}}]}'
	run gantry up -d
	[ "$status" -ne 0 ]
	[[ $output == */no/such/dir* ]]
	gantry down -t 0
}

@test "command not found, not executable, container that ends at once" {
	project cmd1 <<<$'services:\n  a: {image: "tiny:1", command: [nosuchprogram]}'
	run gantry up -d
	[ "$status" -ne 0 ]
	[[ $output == *nosuchprogram* ]]
	is 127 code a
	gantry down -t 0
	project cmd2 <<<$'services:\n  a: {image: "tiny:1", command: [/etc/passwd]}'
	run gantry up -d
	[ "$status" -ne 0 ]
	is 126 code a
	gantry down -t 0
	project cmd3 <<<$'services:\n  a: {image: "tiny:1", command: [sh, -c, "exit 3"]}'
	gantry up -d
	soon is "exited 3" eval 'echo $(state a) $(code a)'
	gantry down -t 0
}

@test "a cycle is printed as a chain" {
	project cyc <<<$'services:\n  a: {image: "tiny:1", depends_on: [b]}\n  b: {image: "tiny:1", depends_on: [a]}'
	run gantry up -d
	[ "$status" -ne 0 ]
	[[ $output == *"a -> b -> a"* || $output == *"b -> a -> b"* ]]
}

@test "not root" {
	project root <<<$'services:\n  a: {image: "tiny:1"}'
	chmod 755 "$T" "$T/root" 2>/dev/null || true
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$(command -v gantry)" up -d
	[ "$status" -ne 0 ]
	[[ $output == *root* ]]
}

@test "two ups at once end with one set of containers" {
	project two <<<$'services:\n  a: {image: "tiny:1"}\n  b: {image: "tiny:1"}'
	gantry up -d >"$T/u1" 2>&1 &
	local one=$!
	gantry up -d >"$T/u2" 2>&1
	local r2=$?
	wait $one
	[ $? -eq 0 ] && [ $r2 -eq 0 ]
	[ "$(gantry ps -q | wc -l)" -eq 2 ]
	gantry down -t 0
}

@test "the caller's small limits bind neither a command nor what it starts" {
	local limit
	project limits <<-'Y'
	services:
	  web: {image: "tiny:1", command: [sh, -c, "head -c 100000 /dev/zero | tr '\\0' x; sleep 1000"], stop_signal: SIGKILL}
	  job: {image: "tiny:1", depends_on: [web], stop_signal: SIGKILL}
	Y
	for limit in --nofile=9: --fsize=1:; do
		prlimit $limit gantry up -d
		soon eval '[ "$(gantry logs --no-log-prefix web | wc -c)" -ge 100000 ]'
		[ "$(prlimit $limit gantry exec -T job sh -c 'ulimit -f; ulimit -n' | tr '\n' ' ')" = "unlimited 1024 " ]
		prlimit $limit gantry down
	done
}
