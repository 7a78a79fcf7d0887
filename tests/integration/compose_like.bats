#!/usr/bin/env bats
# compose_like.bats: what scripts written for docker compose meet: profiles, waiting, what is stopped, ports, events, templates, exit codes

load lib

states() { gantry ps -a --format '{{.Service}} {{.State}}' | sort | xargs; }

@test "a profile that is not on: its services are left alone unless they are named" {
	project prof <<-'Y'
	services:
	  a: {image: "tiny:1", command: [sh, -c, "echo from a; exec sleep 1000"], stop_signal: SIGKILL}
	  p: {image: "tiny:1", command: [sh, -c, "echo from p; exec sleep 1000"], stop_signal: SIGKILL, profiles: [x], volumes: ["data:/d"], depends_on: [q]}
	  q: {image: "tiny:1", stop_signal: SIGKILL, profiles: [x]}
	volumes: {data: {}}
	Y
	gantry --profile x up -d
	is "a running p running q running" states
	is "a p q" eval 'gantry ps --services | sort | xargs'
	gantry pause
	is "a paused p running q running" states
	gantry unpause
	gantry kill
	is "a exited p running q running" states
	gantry start
	gantry stop
	is "a exited p running q running" states
	gantry start
	soon eval '[[ $(gantry logs) == *"from a"* && $(gantry logs p) == *"from p"* ]]'
	[[ $(gantry logs) != *"from p"* ]]
	gantry stop p
	is "a running p exited q running" states
	gantry start p
	gantry rm -fs
	is "p running q running" states
	run gantry down -v --remove-orphans
	[ "$status" = 0 ] && [[ $output == *"prof_default"*"in use"* ]]
	is "p running q running" states
	COMPOSE_PROFILES=x gantry stop
	is "p exited q exited" states
	gantry rm -f p
	gantry --profile x down
	is "" states
	is "prof_data" gantry volume ls -q
	gantry down -v
	is "prof_data" gantry volume ls -q
	gantry --profile '*' down -v
	is "" gantry volume ls -q
	gantry --profile x up -d
	cd /
	gantry -p prof down -v
	is "" gantry ls -aq
}

@test "start takes along what the service depends on, in order and healthy" {
	project dep <<-'Y'
	services:
	  a: {image: "tiny:1", depends_on: [b], stop_signal: SIGKILL}
	  b: {image: "tiny:1", depends_on: {c: {condition: service_healthy}}, stop_signal: SIGKILL}
	  c: {image: "tiny:1", healthcheck: {test: "true", interval: 100ms}, stop_signal: SIGKILL}
	  other: {image: "tiny:1", stop_signal: SIGKILL}
	Y
	gantry create
	gantry start a
	is "a running b running c running other created" states
	gantry stop b
	is "a running b exited c running other created" states
	gantry stop
	gantry rm -f b
	gantry start a
	is "a running c exited other created" states
}

@test "up --wait sees what fails as it starts" {
	project waits <<-'Y'
	services:
	  good: {image: "tiny:1", stop_signal: SIGKILL}
	  bad: {image: "tiny:1", command: "false"}
	  done: {image: "tiny:1", command: "true"}
	Y
	gantry up --wait good
	no 1 "bad-1 exited (1)" up --wait bad
	no 1 "done-1 exited (0)" up --wait done
	[[ $output != *"warning: Error"* ]]
}

@test "up --attach: an end and Ctrl-C stop all that was asked for, not only what is shown" {
	project att <<-'Y'
	services:
	  a: {image: "tiny:1", command: [sh, -c, "exit 3"]}
	  b: {image: "tiny:1", stop_signal: SIGKILL}
	Y
	run gantry up --abort-on-container-exit --attach a
	[ "$status" = 3 ]
	is "a exited b exited" states
	no 1 "--detach cannot be combined" up -d --attach a
}

@test "pause and unpause twice are errors" {
	project twice <<<'services: {a: {image: "tiny:1", stop_signal: SIGKILL}}'
	gantry up -d
	gantry pause a
	no 1 "is paused already" pause a
	gantry unpause a
	no 1 "is not paused" unpause a
}

@test "ps: ports that are only exposed, ranges, what Publishers says of them" {
	project ports <<-'Y'
	services:
	  a: {build: ., expose: ["7000-7002", "53/udp", "80"], stop_signal: SIGKILL}
	  none: {build: ., network_mode: none, stop_signal: SIGKILL}
	Y
	printf 'FROM tiny:1\nEXPOSE 80 9000/udp\n' >Dockerfile
	gantry up -d
	is "80/tcp, 53/udp, 9000/udp, 7000-7002/tcp" gantry ps --format '{{.Ports}}' a
	is '[53,0,"udp",""] [80,0,"tcp",""]' eval 'gantry ps --format json a | jq -c ".Publishers[:2][]|[.TargetPort,.PublishedPort,.Protocol,.URL]" | xargs -d "\n"'
	is "" gantry ps --format '{{.Ports}}' none
	local p; p=$(port)
	gantry run -q -d -p "127.0.0.1:$p:80" -p "127.0.0.4:7000-7001:7000-7001" --name ports-x a
	is "53/udp, 9000/udp, 127.0.0.4:7000-7001->7000-7001/tcp, 7002/tcp, 127.0.0.1:$p->80/tcp" \
		eval "gantry ps -a --format '{{.Name}} {{.Ports}}' | sed -n 's/^ports-x //p'"
	gantry stop
	is "ports-a-1 " eval "gantry ps -a --format '{{.Name}} {{.Ports}}' a | grep a-1"
}

@test "ps --format: {{.Label \"key\"}}, also as a column" {
	project lab <<<'services: {a: {image: "tiny:1", labels: {one: 1st, on: x}, stop_signal: SIGKILL}}'
	gantry up -d
	is "a 1st x " gantry ps --format '{{.Service}} {{.Label "one"}} {{.Label "on"}} {{.Label "none"}}'
	is "lab" gantry ps --format '{{.Label "com.docker.compose.project"}}'
	run gantry ps --format 'table {{.Service}}\t{{.Label "one"}}'
	[ "${lines[0]}" = "SERVICE   one" ] && [ "${lines[1]}" = "a         1st" ]
	no 1 "wants a key in quotes" ps --format '{{.Label one}}'
}

@test "events: labels are attributes, an end tells how long it ran, a kill is no stop" {
	project ev <<<'services: {a: {image: "tiny:1", labels: {my: label}, stop_signal: SIGKILL}}'
	local from; from=$(date +%s)
	gantry up -d
	gantry restart -t 5
	gantry kill
	gantry rm -f
	gantry events --json --since "$from" --until "$(date +%s.%N)" >out
	is "create start kill die stop start restart kill die destroy" eval 'jq -r .action out | xargs'
	is '{"image":"tiny:1","my":"label","name":"ev-a-1"}' jq -cS 'select(.action == "create").attributes' out
	is '0 137' eval 'jq -r "select(.action == \"die\").attributes|.execDuration + \" \" + .exitCode" out | tail -n 1'
	gantry events --since "$from" --until "$(date +%s.%N)" | grep -E '^20[0-9-]+ [0-9:.]+ container start [0-9a-f]{64} \(name=ev-a-1, image=tiny:1, my=label\)$'
}

@test "run -v: a volume that the file does not declare is one of no project" {
	project outside <<<'services: {a: {image: "tiny:1"}}'
	gantry run -q -T --rm -v cache:/c a sh -c 'echo kept >/c/f'
	is kept gantry run -q -T --rm -v cache:/c a cat /c/f
	gantry down -v
	is cache gantry volume ls -q
	gantry volume rm cache
}

@test "one-off containers have a number and a slug among their labels" {
	project slug <<<'services: {a: {image: "tiny:1", stop_signal: SIGKILL}}'
	gantry run -q -d --name slug-x a
	gantry ps -a --format '{{.Label "com.docker.compose.container-number"}} {{.Label "com.docker.compose.slug"}}' | grep -E '^1 [0-9a-f]{64}$'
}

@test "exit codes of wrong command lines, help without a command, wait on standard output" {
	project codes <<<'services: {a: {image: "tiny:1", command: [sh, -c, "exit 4"]}}'
	no 16 "not a whole number" up -d --timeout x
	no 16 "flag needs an argument" up --scale
	no 1 "expected one of" up --pull bogus
	[[ $(gantry 2>/dev/null) == Usage:* ]]
	gantry up -d
	run bash -c 'gantry wait a 2>/dev/null'
	[ "$status" = 4 ] && [[ $output =~ ^container\ \"[0-9a-f]{64}\"\ exited\ with\ status\ code\ 4$ ]]
}
