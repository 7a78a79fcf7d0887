#!/usr/bin/env bats
# What whoever knows docker compose by heart counts on: names, streams, exit codes, words.
load lib
bats_require_minimum_version 1.5.0

@test "who shares a network shares its hosts file, resolvers and name; the host's network has the host's name" {
	project sharing <<-'Y'
	services:
	  a: {image: "tiny:1", hostname: aaa, domainname: ex.org, dns: 192.0.2.53, dns_search: [ex.org], extra_hosts: ["one:192.0.2.1"]}
	  b: {image: "tiny:1", network_mode: "service:a"}
	  h: {image: "tiny:1", network_mode: host}
	Y
	gantry up -d
	for f in /etc/hosts /etc/resolv.conf /etc/hostname /proc/sys/kernel/hostname /proc/sys/kernel/domainname; do
		[ "$(gantry exec -T a cat $f)" = "$(gantry exec -T b cat $f)" ]
	done
	gantry exec -T b grep -q '192.0.2.1.*one' /etc/hosts
	[ "$(gantry exec -T b sh -c 'echo $HOSTNAME')" = aaa ]
	[ "$(gantry exec -T h hostname)" = "$(hostname)" ]
	[ "$(gantry exec -T h sh -c 'echo $HOSTNAME')" = "$(hostname)" ]
	gantry down -t 0
}

@test "a folder that a bind mount makes is 0755, whatever the umask" {
	project madedir <<-'Y'
	services:
	  a: {image: "tiny:1", volumes: ["./made/for/it:/x"]}
	Y
	(umask 077 && gantry up -d)
	[ "$(stat -c %a made made/for made/for/it | xargs)" = "755 755 755" ]
	gantry down -t 0
}

@test "up: says what runs already; a program that is not there is 1, the container's code 127" {
	project words <<<'services: {a: {image: "tiny:1"}, b: {image: "tiny:1"}}'
	gantry up -d
	run gantry up -d
	[ "$status" -eq 0 ]
	[[ $output == *"Container words-a-1  Running"* ]]
	[[ $output == *"Container words-b-1  Running"* ]]
	gantry down -t 0
	project nocmd <<<'services: {a: {image: "tiny:1", command: [nosuchprogram]}}'
	run gantry up -d
	[ "$status" -eq 1 ]
	is 127 code a
	gantry down -t 0
	run gantry up -d --build --no-build
	[ "$status" -eq 1 ]
	run gantry nosuchcommand
	[ "$status" -eq 16 ]
}

@test "attached up: who is attached, no end of before, any end ends it with --exit-code-from" {
	project att <<-'Y'
	services:
	  quick: {image: "tiny:1", command: [sh, -c, "sleep 0.3; exit 5"]}
	  slow: {image: "tiny:1", command: [sh, -c, "trap 'exit 9' TERM; while :; do sleep 0.1; done"]}
	Y
	for i in 1 2; do
		run --separate-stderr timeout 20 gantry up --exit-code-from slow
		[ "$status" -eq 9 ]
		[ "$(grep -c 'Attaching to quick-1, slow-1' <<<"$output")" = 1 ]
		[ "$(grep -c 'quick-1 exited with code 5' <<<"$output")" = 1 ]
		[[ $stderr == *"Aborting on container exit..."* ]]
	done
	run timeout 20 gantry up --exit-code-from quick
	[ "$status" -eq 5 ]
	gantry down -t 0
	# a one-shot that others wait for does not end it
	project mig <<-'Y'
	services:
	  migrate: {image: "tiny:1", command: "true"}
	  test: {image: "tiny:1", command: [sh, -c, "sleep 0.3; exit 4"], depends_on: {migrate: {condition: service_completed_successfully}}}
	Y
	run timeout 20 gantry up --exit-code-from test
	[ "$status" -eq 4 ]
	gantry down -t 0
}

@test "logs: both streams on standard output; attach: false only by name; driver none is told; --index" {
	project lg <<-'Y'
	services:
	  a: {image: "tiny:1", command: [sh, -c, "echo out; echo err >&2"], scale: 2}
	  quiet: {image: "tiny:1", command: echo psst, attach: false}
	  none: {image: "tiny:1", command: echo lost, logging: {driver: none}}
	Y
	gantry up -d
	soon is "exited exited" eval 'echo $(state a)'
	soon is exited state quiet
	[ "$(gantry logs --no-log-prefix --index 1 a 2>/dev/null | sort | xargs)" = "err out" ]
	[[ $(gantry logs 2>/dev/null) != *psst* ]]
	[[ $(gantry logs quiet) == *psst* ]]
	[[ $(gantry logs none 2>&1 >/dev/null) == *"lg-none-1"*none* ]]
	run gantry logs --index 3 a
	[ "$status" -eq 1 ]
	run gantry logs --index 1
	[ "$status" -eq 1 ]
	gantry down -t 0
}

@test "exec: a user that is not there is 126; -d passes our variables on" {
	project ex <<<'services: {a: {image: "tiny:1"}}'
	gantry up -d
	run gantry exec -T -u nosuch a true
	[ "$status" -eq 126 ]
	FROM_US=yes gantry exec -d -e FROM_US -e OTHER=1 a sh -c 'echo $FROM_US$OTHER >/tmp/got'
	soon is yes1 gantry exec -T a cat /tmp/got
	gantry down -t 0
}

@test "run -d prints the id; with --rm the container goes when it ends; -p and -P exclude each other" {
	project rund <<<'services: {a: {image: "tiny:1"}}'
	run --separate-stderr gantry run -d a true
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	gantry ps -aq | grep -q "$output"
	run --separate-stderr gantry run -d --rm a sh -c 'sleep 0.5'
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	gantry ps -aq | grep -q "$output"
	soon eval "! gantry ps -aq | grep -q $output"
	# removed by others before it ends: nobody is left waiting
	gantry run -d --rm a sleep 1000
	gantry down -t 0
	soon eval "! pgrep -f '[r]eap rund '"
	run gantry run --rm -T -p 1:1 -P a true
	[ "$status" -eq 1 ]
	[[ $output == *incompatible* ]]
}

@test "restart and kill without containers are no errors" {
	project nothing <<<'services: {a: {image: "tiny:1"}}'
	gantry restart
	run gantry kill
	[ "$status" -eq 0 ]
	[[ $output == *"no container to kill"* ]]
}

@test "a logging driver of docker's is told and kept as json-file; an unknown one is an error" {
	project drv <<<'services: {a: {image: "tiny:1", command: echo kept, logging: {driver: journald, options: {tag: x}}}}'
	run gantry up -d
	[ "$status" -eq 0 ]
	[[ $output == *"no logging driver 'journald'"* ]]
	soon is kept gantry logs --no-log-prefix a
	gantry down -t 0
	sed -i 's/journald/jurnald/' compose.yaml
	run gantry up -d
	[ "$status" -eq 1 ]
	[[ $output == *"no logging driver 'jurnald'"* ]]
	gantry down -t 0
}

@test "ps quotes a command as docker does; ls filters by a regular expression; rm -f says what goes" {
	project quo <<<'services: {a: {image: "tiny:1", command: [sh, -c, "trap \"\" TERM; exec sleep 1000"]}, b: {image: "tiny:1", command: "true"}}'
	gantry up -d
	[ "$(gantry ps -a --no-trunc --format '{{.Command}}' a)" = '"sh -c '"'"'trap \"\" TERM; exec sleep 1000'"'"'"' ]
	[ "$(gantry ps -a --format '{{.Command}}' a)" = '"sh -c '"'"'trap \"\" TERM…"' ]
	[ "$(gantry ls -q --filter 'name=^quo$')" = quo ]
	[ -z "$(gantry ls -q --filter 'name=^uo$')" ]
	run gantry ls --filter 'name=('
	[ "$status" -eq 1 ]
	soon is exited state b
	[ "$(gantry rm -f 2>/dev/null)" = "Going to remove quo-b-1" ]
	gantry down -t 0
}

@test "what stays running knows nothing of the caller's environment" {
	project envs <<<'services: {a: {image: "tiny:1"}}'
	A_SECRET_OF_OURS=hunter2 gantry up -d
	local keeper; keeper=$(awk '/^PPid/{print $2}' "/proc/$(pid a)/status")
	! grep -qa hunter2 "/proc/$keeper/environ"
	! grep -qa hunter2 "/proc/$(monitor_pid envs)/environ"
	grep -qa "^GANTRY_ROOT=$GANTRY_ROOT" <(tr '\0' '\n' <"/proc/$keeper/environ")
	gantry down -t 0
}

@test "a volume with a name of one letter" {
	project letter <<<'services: {a: {image: "tiny:1", volumes: ["v:/x", "w:/y:ro"]}}
	volumes: {v: {}, w: {}}'
	sed -i 's/^	//' compose.yaml
	gantry up -d
	gantry exec -T a touch /x/f
	run gantry exec -T a touch /y/f
	[[ $output == *"Read-only"* ]]
	[ "$(find "$GANTRY_ROOT"/volumes -name f | grep -c letter_v)" = 1 ]
	gantry config | grep -q 'target: v:/x' # as docker compose prints it
	gantry down -v -t 0
}

@test "start and restart bring the filter of system calls up to date" {
	project filt <<<'services: {a: {image: "tiny:1"}, b: {image: "tiny:1"}}'
	gantry up -d
	gantry stop -t 0 a
	for s in a b; do
		f=$GANTRY_ROOT/containers/$(gantry ps -aq --no-trunc $s)/seccomp.bpf
		rm "$f" && echo old >"$f"
	done
	gantry start a
	gantry restart -t 0 b
	[ "$(gantry exec -T a sed -n 's/^Seccomp:.//p' /proc/1/status)" = 2 ]
	[ "$(gantry exec -T b sed -n 's/^Seccomp:.//p' /proc/1/status)" = 2 ]
	gantry down -t 0
}

@test "every published port of a long range is kept and answers on both loopbacks" {
	project range <<-'Y'
	services:
	  a: {image: "tiny:1", ports: ["24300-24449:8000-8149"], command: [sh, -c, "mkdir /w; echo hi >/w/x; exec httpd -f -p 8140 -h /w"]}
	Y
	gantry up -d
	soon is hi curl -sf -m 3 http://127.0.0.1:24440/x
	is hi curl -sf -m 3 'http://[::1]:24440/x'
	run python3 -c 'import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("0.0.0.0", 24445))'
	[ "$status" -ne 0 ]
	gantry down -t 0
}

@test "a folder or the host's own tree in place of /sys" {
	mkdir -p "$T/sysdir/own"
	project sysdir <<-'Y'
	services:
	  own: {image: "tiny:1", volumes: ["./own:/sys"]}
	  host: {image: "tiny:1", volumes: ["/sys:/sys:ro"]}
	Y
	gantry up -d
	gantry exec -T own touch /sys/x
	[ -e own/x ]
	[ -z "$(ls own | grep -v '^x$')" ]
	gantry exec -T host test -d /sys/kernel
	gantry down -t 0
}

@test "a dependency that fails is told once, with its reason" {
	project told <<'Y'
services:
  a: {image: "tiny:1", command: "false"}
  b: {image: "tiny:1", depends_on: {a: {condition: service_completed_successfully}}}
  c: {image: "tiny:1", depends_on: {a: {condition: service_completed_successfully, required: false}}}
Y
	no 1 "gantry: dependency failed to start: service \"a\" didn't complete successfully: exit 1" up -d b
	[[ $output != *warning* ]]
	run gantry up -d c
	[ "$status" = 0 ]
	[ "$(grep warning <<<"$output")" = "gantry: warning: Service a: service \"a\" didn't complete successfully: exit 1" ]
	gantry down -t 0
}

@test "what ends at once has ended after it started" {
	project brief <<<'services: {a: {image: "tiny:1", command: "false", scale: 20}}'
	gantry up -d
	soon eval '[ "$(gantry ps -a --format "{{.Status}}" | grep -c "^Exited (1) .* ago$")" = 20 ]'
	gantry down -t 0
}

@test "logs -f and events end when their reader goes away" {
	project reader <<<'services: {a: {image: "tiny:1", init: true, command: [sh, -c, "while :; do echo line; sleep 0.1; done"]}}'
	gantry up -d
	[ "$(timeout 10 gantry logs -f a 2>/dev/null | head -n 2 | wc -l)" = 2 ]
	(while sleep 0.2; do gantry kill -s HUP a || break; done) >/dev/null 2>&1 3>&- & local p=$!
	SECONDS=0
	timeout 10 gantry events 2>/dev/null | head -n 1
	timeout 10 gantry logs -f a 2>/dev/null | head -n 1
	[ $SECONDS -lt 9 ]
	kill $p
	gantry down -t 0
}

@test "published ports are shown with the service that owns the network" {
	local p; p=$(port)
	project owner <<<"services: {vpn: {image: 'tiny:1', ports: ['$p:80']}, a: {image: 'tiny:1', network_mode: 'service:vpn'}}"
	gantry up -d
	is "0.0.0.0:$p->80/tcp, [::]:$p->80/tcp" field vpn Ports
	is "" field a Ports
	is "0.0.0.0:$p" gantry port vpn 80
	no 1 "no port 80/tcp for container owner-a-1: it publishes none" port a 80
	gantry down -t 0
}

@test "the part of a volume that the image brings is there at the first start" {
	project parts <<'Y'
services:
  a:
    build: {dockerfile_inline: "FROM tiny:1\nRUN mkdir -p /up/sub && echo brought >/up/sub/f"}
    volumes: ["v:/up", {type: volume, source: v, target: /a, volume: {subpath: sub}}]
volumes: {v: }
Y
	gantry up -d
	[ "$(gantry exec -T a cat /a/f)" = brought ]
	gantry down -v -t 0
}

@test "a program without rights reads its limits (what a JVM sizes its heap by)" {
	project limits <<<'services: {a: {image: "tiny:1", user: "1000", mem_limit: 64m}}'
	gantry up -d
	[ "$(gantry exec -T a sh -c 'cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes')" = 67108864 ]
	gantry down -t 0
}

@test "events: docker's words in docker's order" {
	project evs <<<'services: {a: {image: "tiny:1", command: [sh, -c, "trap exit TERM; while :; do sleep 0.1; done"]}}'
	gantry create
	gantry start
	gantry restart -t 5
	gantry kill -s HUP
	gantry stop -t 5
	gantry rm -f
	run --separate-stderr gantry events --json --since 1m --until 0s
	[ "$(jq -r 'select(.type == "container") | .action' <<<"$output" | xargs)" = "create start kill die stop start restart kill kill die stop destroy" ]
	[[ $(jq -rs '.[0].time' <<<"$output") =~ ^[0-9-]{10}T[0-9:]{8}\.[0-9]{9}Z$ ]]
	run --separate-stderr gantry events --since 1m --until 0s
	grep -qE '^[0-9-]{10} [0-9:]{8}\.[0-9]{6} container kill [0-9a-f]{64} \(name=evs-a-1, image=tiny:1, signal=1\)$' <<<"$output"
	gantry down
}
