#!/usr/bin/env bats
# The main job: up, ps, logs, exec, down; names, ports, volumes, health, restart.
load lib

@test "up -d, ps, logs, exec, down: one service" {
	project one <<-'Y'
	services:
	  web: {image: "tiny:1", command: [sh, -c, "echo hello; exec sleep 1000"]}
	Y
	run gantry up -d
	[ "$status" -eq 0 ]
	is running state web
	soon is "web-1  | hello" gantry logs web
	run gantry exec -T web echo inside
	[ "$output" = inside ]
	run gantry exec -T web sh -c 'exit 7'
	[ "$status" -eq 7 ]
	local p m
	p=$(pid web) m=$(monitor_pid one)
	run gantry down -t 1
	[ "$status" -eq 0 ]
	soon gone "$p"
	soon gone "$m"
	[ -z "$(gantry ps -aq)" ]
}

@test "a second up does nothing; a change recreates and says why" {
	project again <<-'Y'
	services:
	  web: {image: "tiny:1", environment: {A: "1"}}
	Y
	gantry up -d
	local id; id=$(gantry ps -q)
	gantry up -d
	[ "$(gantry ps -q)" = "$id" ]
	run gantry plan
	[ "$status" -eq 0 ]
	[[ $output == *"nothing to do"* ]]
	sed -i 's/"1"}/"2"}/' compose.yaml
	run gantry plan
	[[ $output == *environment* ]]
	gantry up -d
	[ "$(gantry ps -q)" != "$id" ]
	run gantry exec -T web sh -c 'echo $A'
	[ "$output" = 2 ]
	gantry down -t 0
}

@test "services find each other by name, other networks do not" {
	project names <<-'Y'
	services:
	  a: {image: "tiny:1", networks: [front]}
	  b: {image: "tiny:1", networks: {front: {aliases: [other]}, back: {}}}
	  c: {image: "tiny:1", networks: [back]}
	networks: {front: {}, back: {}}
	Y
	gantry up -d
	soon gantry exec -T a ping -c 1 -W 2 b
	gantry exec -T a ping -c 1 -W 2 other
	gantry exec -T c ping -c 1 -W 2 b
	run ! gantry exec -T a nslookup c
	gantry down -t 0
}

@test "a published port answers on 127.0.0.1 and a second user of it is told who has it" {
	local port=$((20000 + RANDOM % 20000))
	project ports <<-Y
	services:
	  web: {image: "tiny:1", command: [httpd, -f, -p, "80", -h, /etc], ports: ["127.0.0.1:$port:80"]}
	Y
	gantry up -d
	soon curl -sf "http://127.0.0.1:$port/passwd"
	project ports2 <<-Y
	services:
	  web: {image: "tiny:1", ports: ["127.0.0.1:$port:80"]}
	Y
	run gantry up -d
	[ "$status" -ne 0 ]
	[[ $output == *"$port"* ]]
	[[ $output == *ports* ]]
	gantry down -t 0
	gantry -p ports down -t 0
	python3 -m http.server --bind 127.0.0.1 "$port" >/dev/null 2>&1 3>&- &
	local py=$!
	soon curl -sf "http://127.0.0.1:$port/" -o /dev/null
	project ports3 <<-Y
	services:
	  web: {image: "tiny:1", ports: ["127.0.0.1:$port:80"]}
	Y
	run gantry up -d
	kill "$py"
	[ "$status" -ne 0 ]
	[[ $output == *python3* ]]
	gantry down -t 0
}

@test "a named volume keeps what was written, -v removes it" {
	project vol <<-'Y'
	services:
	  a: {image: "tiny:1", volumes: ["data:/data"]}
	volumes: {data: {}}
	Y
	gantry up -d
	gantry exec -T a sh -c 'echo kept >/data/f'
	gantry down -t 0
	gantry up -d
	run gantry exec -T a cat /data/f
	[ "$output" = kept ]
	gantry down -v -t 0
	gantry up -d
	run ! gantry exec -T a cat /data/f
	gantry down -v -t 0
}

@test "depends_on waits for health; an unhealthy dependency says why and what it blocked" {
	project dep <<-'Y'
	services:
	  db:
	    image: "tiny:1"
	    command: [sh, -c, "sleep 0.5; touch /ready; exec sleep 1000"]
	    healthcheck: {test: [CMD, test, -e, /ready], interval: 100ms, start_period: 10s, start_interval: 100ms}
	  app: {image: "tiny:1", depends_on: {db: {condition: service_healthy}}}
	Y
	gantry up -d
	is healthy health db
	is running state app
	gantry down -t 0
	project dep2 <<-'Y'
	services:
	  db:
	    image: "tiny:1"
	    command: [sh, -c, "echo cannot open disk; exec sleep 1000"]
	    healthcheck: {test: [CMD-SHELL, "echo probe says no; echo 'a\tlot'; exit 1"], interval: 100ms, retries: 2}
	  app: {image: "tiny:1", depends_on: {db: {condition: service_healthy}}}
	Y
	run gantry up -d
	[ "$status" -ne 0 ]
	[[ $output == *$'its last probe: exit 1:\n    probe says no\n    a\tlot\n'* ]]
	[[ $output == *"cannot open disk"* ]]
	[[ $output == *app* ]]
	gantry down -t 0
}

@test "restart: unless-stopped brings a killed process back, stop does not" {
	project rst <<-'Y'
	services:
	  a: {image: "tiny:1", restart: unless-stopped}
	Y
	gantry up -d
	local p; p=$(pid a)
	kill -9 "$p"
	back() { [ "$(state a)" = running ] && [ "$(pid a)" != "$p" ]; }
	soon back
	gantry stop -t 0
	is exited state a
	gantry start
	is running state a
	gantry down -t 0
}

@test "secrets and configs are files with their owner and mode" {
	mkdir -p "$T/sec" && echo s3cret >"$T/sec/pw"
	project sec <<-Y
	services:
	  a:
	    image: "tiny:1"
	    secrets: [pw, {source: pw, target: /run/other, uid: "1000", gid: "44", mode: 0400}]
	    configs: [{source: c, target: /etc/c.conf}]
	secrets: {pw: {file: $T/sec/pw}}
	configs: {c: {content: "value"}}
	Y
	gantry up -d
	[ "$(gantry exec -T a cat /run/secrets/pw)" = s3cret ]
	[ "$(gantry exec -T a stat -c '%u %g %a' /run/other)" = "1000 44 400" ]
	[ "$(gantry exec -T a cat /etc/c.conf)" = value ]
	gantry down -t 0
}

@test "stats reads this kernel's kind of cgroups; commit takes a container's changes" {
	project use <<-'Y'
	services:
	  a: {image: "tiny:1", mem_limit: 64m, stop_signal: SIGKILL}
	Y
	gantry up -d
	run gantry stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' a
	[[ $output =~ ^use-a-1\ [1-9][0-9.]*(KiB|MiB)\ /\ 64MiB\ 1$ ]] || { echo "$output"; false; }
	gantry exec -T a sh -c 'echo x >/tmp/x'
	gantry commit a made:1
	is running state a
	gantry image inspect -f '{{len .RootFS.Layers}}' made:1 | grep -qx 2
	gantry down -t 0
}
