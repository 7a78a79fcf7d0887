#!/usr/bin/env bats
# commands.bats: run whose reader or owner goes away, wait --down-project, stats, export, commit, completion

load lib

@test "run: ends with 1 when nobody reads any more; its container goes on, and with --rm goes at its end" {
	project pipes <<<'services: {a: {image: "tiny:1", stop_signal: SIGKILL}}'
	run bash -c 'gantry run -q -T --rm --name pipes-x a sh -c "while [ ! -e /go ]; do echo y; sleep 0.1; done" </dev/null 2>err 3>&- | head -n 1; echo "${PIPESTATUS[0]}"'
	[ "$output" = $'y\n1' ]
	grep -q 'write /dev/stdout: broken pipe' err
	is running gantry ps -a --format '{{.State}}' a
	touch "/proc/$(gantry ps -a --format '{{.Pid}}' a)/root/go"
	soon is "" gantry ps -aq
	soon eval "! pgrep -f '[r]eap pipes '"
	gantry down
}

@test "run --rm: killed with -9 itself, its container still goes at its end" {
	project killed <<<'services: {a: {image: "tiny:1", stop_signal: SIGKILL}}'
	gantry run -q -T --rm --name killed-x a sh -c 'echo up; while [ ! -e /go ]; do sleep 0.1; done' </dev/null >out 3>&- & local p=$!
	soon grep -q up out
	kill -9 $p
	wait $p || true
	is running gantry ps -a --format '{{.State}}' a
	touch "/proc/$(gantry ps -a --format '{{.Pid}}' a)/root/go"
	soon is "" gantry ps -aq
	soon eval "! pgrep -f '[r]eap killed '"
	gantry down
}

@test "wait --down-project: the first end takes all down; its status is ours" {
	project waits <<-'Y'
	services:
	  a: {image: "tiny:1", command: [sh, -c, "while [ ! -e /go ]; do sleep 0.1; done; exit 7"], stop_signal: SIGKILL}
	  b: {image: "tiny:1", stop_signal: SIGKILL}
	Y
	gantry up -d
	gantry wait --down-project a b >out 2>&1 3>&- & local p=$!
	sleep 0.3
	kill -0 $p
	touch "/proc/$(pid a)/root/go"
	local rc=0; wait $p || rc=$?
	[ $rc = 7 ]
	grep -q 'exited with status code 7' out
	is "" gantry ps -aq
	is "" gantry network ls -q
	no 1 "no containers" wait --down-project a
}

@test "stats: columns, units, fields, limits, a busy one" {
	project stat <<-'Y'
	services:
	  a: {image: "tiny:1", mem_limit: 64m, stop_signal: SIGKILL}
	  busy: {image: "tiny:1", command: [sh, -c, "while :; do :; done"], stop_signal: SIGKILL}
	  off: {image: "tiny:1", stop_signal: SIGKILL}
	Y
	gantry up -d
	gantry stop off
	run gantry stats --no-stream
	[ "$status" = 0 ] && [ "${#lines[@]}" = 3 ]
	[ "$(xargs <<<"${lines[0]}")" = "CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS" ]
	[[ ${lines[1]} =~ ^[0-9a-f]{12}\ +stat-a-1\ +[0-9.]+%\ +[0-9.]+(KiB|MiB)\ /\ 64MiB\ +[0-9.]+%\ +[0-9.]+k?B\ /\ [0-9.]+k?B\ +[0-9.]+[kM]?B\ /\ [0-9.]+[kM]?B\ +1$ ]] || { echo "${lines[1]}"; false; }
	gantry stats --no-stream --format json busy | python3 -c '
import json,sys
o=json.loads(sys.stdin.read())
assert sorted(o)==["BlockIO","CPUPerc","Container","ID","MemPerc","MemUsage","Name","NetIO","PIDs"], o
assert o["Name"]=="stat-busy-1" and 5 < float(o["CPUPerc"][:-1]) < 130, o'
	[[ $(gantry stats --no-stream --no-trunc --format '{{.ID}} {{.Name}}' a) =~ ^[0-9a-f]{64}\ stat-a-1$ ]]
	is "stat-off-1 0.00% 0B / 0B 0.00% 0B / 0B 0B / 0B 0" gantry stats --no-stream -a --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.NetIO}} {{.BlockIO}} {{.PIDs}}' off
	# live: one line after another, until nobody reads
	run bash -c 'timeout 20 gantry stats --format "{{.Name}}" a 3>&- | head -n 2; echo "${PIPESTATUS[0]}"'
	[ "$output" = $'stat-a-1\nstat-a-1\n0' ]
	run bash -c 'timeout 3 gantry --ansi always stats a 3>&-'
	[ "$status" = 124 ] && [[ $output == *$'\033[H'*$'\033[K'*$'\033[J'* ]]
	no 1 "no such service: nope" stats nope
	gantry down -t 0
	is 1 sh -c 'gantry stats --no-stream | wc -l'
}

@test "export: the files of the root and nothing that is mounted on it, running, paused, stopped" {
	project expo <<-'Y'
	services:
	  a: {image: "tiny:1", scale: 2, volumes: ["data:/data"], tmpfs: [/scratch], read_only: false, stop_signal: SIGKILL}
	volumes: {data: {}}
	Y
	gantry up -d
	gantry exec -T a sh -c 'echo new >/root/new; rm /etc/group; ln -s /etc/passwd /link; ln /root/new /root/hard; chown 7:8 /root/new; echo v >/data/v; echo s >/scratch/s'
	gantry export -o one.tar a
	[ "$(tar -xOf one.tar root/hard root/new 2>/dev/null | sort -u)" = new ]
	tar -tf one.tar >names
	grep -qx 'bin/busybox' names && grep -qx 'data/' names && grep -qx 'proc/' names && grep -qx 'link' names
	! grep -qE '^(\./|/)|^data/v|^scratch/s|^proc/.|^sys/.|^etc/group$' names
	[ "$(tar --numeric-owner -tvf one.tar root/hard root/new | grep -c '7/8')" = 2 ]
	[ -z "$(tar -xOf one.tar etc/hosts 2>/dev/null)" ]
	gantry pause a
	gantry export a | cmp - one.tar
	gantry unpause a
	gantry export --index 2 a | tar -tf - | grep -qx etc/group
	gantry stop a
	gantry export a >two.tar
	cmp one.tar two.tar || { tar -tvf one.tar >1; tar -tvf two.tar >2; diff 1 2; }
	[ -z "$(ls ./*.part 2>/dev/null)" ]
	mkdir dir
	no 1 "is a folder" export -o dir a
	no 1 "no such service: nope" export nope
	no 1 "is not running container #9" export --index 9 a
	no 1 "No such file or directory" export -o no/where a
	gantry image import one.tar again:1 >/dev/null
	gantry down -v -t 0
}

next() { gantry complete -- "$@" | cut -f1 | xargs; }

@test "completion: commands, options, values, services come from the tables" {
	project comp <<<'services: {web: {image: "tiny:1"}, worker: {image: "tiny:1", profiles: [x]}, db: {image: "tiny:1"}}'
	[ "$(next st)" = "start stats stop" ]
	[ "$(next --pr)" = "--project-name --profile --project-directory --progress" ]
	[ "$(next --ansi '')" = "auto never always" ]
	[ "$(next network '')" = "create inspect ls prune rm" ]
	[ "$(next network create --ipv)" = "--ipv4 --ipv6" ]
	[ "$(next up w)" = "web worker" ]
	[ "$(next up -d --timeout 3 web '' | tr ' ' '\n' | sort | xargs)" = "db web worker" ]
	[ "$(next up --pull '')" = "$(gantry up --pull nope 2>&1 | sed -n 's/.*expected one of //p' | tr -d , | xargs)" ]
	[ "$(next exec d)" = db ]
	[ "$(next exec db '')" = "" ]
	[ "$(next exec db --x)" = "" ]
	[ "$(next -f '')" = ":files" ]
	[ "$(next nosuch '')" = "" ]
	[ "$(next completion '')" = "bash zsh fish" ]
	cd / && [ "$(next -f "$T/comp/compose.yaml" up we)" = web ]
	# every command that help lists is offered, with its options
	[ "$(next '')" = "$(gantry --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | xargs)" ]
	for c in $(gantry --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		[ "$(next $c --)" = "$(gantry $c --help | grep -oE '^ +(-., )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+' | xargs)" ] || { echo "$c"; false; }
	done
	no 1 "bash, zsh and fish" completion tcsh
	for c in zsh fish; do gantry completion $c | grep -q 'gantry complete\|complete -- '; done
}

@test "completion: bash really completes" {
	project compb <<<'services: {web: {image: "tiny:1"}, worker: {image: "tiny:1"}}'
	run bash -c 'source <(gantry completion bash) || exit 9
		compopt() { echo "compopt $*"; }
		COMP_WORDS=(gantry up -d w); COMP_CWORD=3; _gantry; echo "${COMPREPLY[@]}"
		COMP_WORDS=(gantry vol "");  COMP_CWORD=1; _gantry; echo "${COMPREPLY[@]}"
		COMP_WORDS=(gantry -f "");   COMP_CWORD=2; _gantry; echo "${#COMPREPLY[@]}"'
	[ "$output" = $'web worker\nvolume volumes\ncompopt -o default\n0' ] || { echo "$output"; false; }
	gantry completion bash | bash -n
}

@test "commands of docker compose that are not here say so" {
	no 1 "watching sources is not there yet" watch
	no 1 "not published" publish x
	no 1 "no pictures" alpha viz
	no 16 "unknown command 'nosuch'" nosuch
}

@test "commit: changes become a layer, the config the container's; paused meanwhile, running after" {
	project comm <<-'Y'
	services:
	  a: {image: "tiny:1", command: [sleep, "1000"], environment: {K: v}, labels: {mine: "1"}, working_dir: /srv, user: "0:0", stop_signal: SIGKILL, volumes: ["data:/data"]}
	volumes: {data: {}}
	Y
	gantry up -d
	gantry exec -T a sh -c 'echo new >/root/new; rm /etc/group; rm -r /home/app; mkdir /home/app; ln /root/new /root/hard; chown 7:8 /root/new; chmod 4751 /root/new; echo v >/data/v'
	run gantry commit -a me -m msg -c 'ENV A="b c"' -c 'EXPOSE 80' a made:1
	[ "$status" = 0 ] && [[ $output == *"Committing"*"Committed as sha256:"* ]] || { echo "$output"; false; }
	is running state a
	gantry image inspect made:1 | python3 -c '
import json,sys
i=json.load(sys.stdin)[0]; c=i["Config"]
assert c["Cmd"]==["sleep","1000"] and "K=v" in c["Env"] and "A=b c" in c["Env"] and c["Labels"]["mine"]=="1" and c["WorkingDir"]=="/srv", c
assert i["Author"]=="me" and i["Comment"]=="msg" and len(i["RootFS"]["Layers"])==2 and "80/tcp" in c["ExposedPorts"], i'
	gantry image history --no-trunc made:1 | grep -q msg
	project comm2 <<<'services: {b: {image: "made:1", stop_signal: SIGKILL}}'
	gantry up -d
	[ "$(gantry exec -T b sh -c 'pwd; cat /root/hard; stat -c "%u:%g %a %h" /root/new; ls /home/app | wc -l; ls -d /etc/group /data/v 2>/dev/null; echo $A $K' | xargs)" = "/srv new 7:8 4751 2 0 b c v" ]
	# stopped, without a name, again: the same layer is kept once
	gantry exec -T b sh -c 'echo x >/x'
	gantry stop -t 0
	local before=$(ls "$GANTRY_ROOT/images/layers" | wc -l)
	gantry commit b twice:1; gantry commit b twice:2; gantry commit b
	[ "$(ls "$GANTRY_ROOT/images/layers" | wc -l)" = $((before + 1)) ]
	[ -z "$(ls "$GANTRY_ROOT/images/tmp")" ]
	no 1 "RUN" commit -c 'RUN x' b never:1
	no 1 "lowercase" commit b BAD:1
	no 1 "is not running" commit nope
	no 1 "container #9" commit --index 9 b
	gantry commit --dry-run b never:1
	no 1 "never:1" image inspect never:1
	# an error in the middle: nothing stays, the container goes on
	gantry start
	GANTRY_FP="image.commit.copy=error(ENOSPC)" no 1 "image.commit.copy" commit b never:1
	is running state b
	[ -z "$(ls "$GANTRY_ROOT/images/tmp")" ]
	gantry down -v -t 0
	cd "$T/comm"
	COMPOSE_PROJECT_NAME=comm gantry down -v -t 0
}

@test "images, port, down: what docker compose prints" {
	project texts <<-'Y'
	services: {a: {image: "tiny:1", ports: ["127.0.0.1::80", "127.0.0.1::53/udp"], volumes: ["data:/d"], stop_signal: SIGKILL}, b: {image: "tiny:1", stop_signal: SIGKILL}}
	volumes: {data: {}}
	Y
	run gantry up -d
	[[ $output == *'Volume "texts_data"  Created'* ]] || { echo "$output"; false; }
	[[ $(gantry images | sed -n 2p) =~ \ [0-9]\.?[0-9]?[0-9]?MB$ ]]
	is '["ContainerName", "ID", "Repository", "Size", "Tag"]' sh -c "gantry images --format json | python3 -c 'import json,sys; print(json.dumps(sorted(json.load(sys.stdin)[0])))'"
	no 1 "no port 81/tcp for container texts-a-1: " port a 81
	[[ $output == *"80/tcp"* && $output == *"53/udp"* ]]
	no 1 "no port 80/tcp for container texts-b-1: it publishes none" port b 80
	run gantry down -v -t 0
	[[ $output == *'Volume texts_data  Removed'* ]] || { echo "$output"; false; }
}
