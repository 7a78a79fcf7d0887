#!/usr/bin/env bats
# config: where values come from. No root, no state.
# shellcheck disable=SC2016 # the dollars are Compose's

bats_require_minimum_version 1.5.0

setup() {
	dir=$(mktemp -d)
	cd "$dir" || return 1
	mkdir other inc
	cat >compose.yaml <<-'Y'
	services:
	  root:
	    image: alpine:1
	    environment: [ROOT=1, A=root]
	  base:
	    extends: root
	    image: base:${TAG:-9}
	    ports: ["8080:80"]
	    profiles: [never]
	  web:
	    extends: {service: base}
	    image: nginx:${TAG}
	    env_file: [web.env, two.env]
	    environment:
	      FOO: ${FOO:-bar}
	      B: base
	    ports:
	      - "${PORT:-81}:81"
	    command: echo hi
	    labels: {com.example.x: "1"}
	    networks: [back]
	    dns: [9.9.9.9]
	  db: {extends: {file: other/db.yaml, service: dbase}}
	include: [inc/compose.yaml]
	networks: {back: {}}
	Y
	cat >compose.override.yaml <<-'Y'
	services:
	  web:
	    image: nginx:${TAG}-o
	    command: !override [a, b]
	    dns: !reset []
	    environment: {B: over}
	Y
	printf 'services:\n  dbase:\n    image: pg\n    cap_add: [NET_ADMIN]\n' >other/db.yaml
	printf 'services:\n  inc: {image: "inc:$V"}\n' >inc/compose.yaml
	printf 'V=3\n' >inc/.env
	printf 'X=1\nTAG=5\n\nexport PORT=1\n' >.env
	printf '# c\nE1=a\nB=fromfile\n' >web.env
	printf 'E1=b\n' >two.env
	unset TAG PORT FOO V COMPOSE_PROJECT_NAME
}

teardown() {
	cd / && rm -rf "$dir"
}

# origin PATH: "VALUE LAYER FILE:LINE:COLUMN"
origin() {
	gantry config --explain "$1" --format json | jq -r '"\(.value) \(.from.layer) \(.from.file):\(.from.line):\(.from.column)"'
}

# overrode PATH: the same for each value that was replaced, from the latest to the first
overrode() {
	gantry config --explain "$1" --format json |
		jq -r '.overrode[] | "\(.value) \(.from.layer) \(.from.file):\(.from.line):\(.from.column)"'
}

@test "a value of the override file, and all that it overrode" {
	[ "$(origin services.web.image)" = "nginx:5-o override file compose.override.yaml:3:12" ]
	[ "$(overrode services.web.image)" = "nginx:5 base file compose.yaml:12:12
base:5 extends compose.yaml:7:12
alpine:1 extends compose.yaml:3:12" ]
	run -0 gantry config --explain services.web.image
	[[ $output == *'   3 |     image: nginx:${TAG}-o'* ]]
	[[ $output == *'written   nginx:${TAG}-o'* ]]
	[[ $output == *'variable  TAG = 5  from .env:2:1 (.env)'* ]]
	[[ $output == *"service 'base' (compose.yaml:11:14), which extends 'root' (compose.yaml:6:14)"* ]]
}

@test "extends from another file, include, defaults" {
	[ "$(origin 'services.db.cap_add[0]')" = "NET_ADMIN extends other/db.yaml:4:15" ]
	[ "$(origin services.inc.image)" = "inc:3 include inc/compose.yaml:2:16" ]
	[ "$(COMPOSE_PROJECT_NAME=demo origin networks.default)" = '{"ipam":{},"name":"demo_default"} default null:null:null' ]
	[ "$(origin services.web.environment.A)" = "root extends compose.yaml:4:27" ]
	[ "$(origin 'services.web.ports[0].target')" = "80 extends compose.yaml:8:13" ]
	[ "$(origin 'services.web.labels.com.example.x')" = "1 base file compose.yaml:20:29" ]
	[ "$(origin 'services.web.labels["com.example.x"]')" = "1 base file compose.yaml:20:29" ]
}

@test "env files of a service" {
	[ "$(origin services.web.environment.E1)" = "b env_file two.env:1:1" ]
	[ "$(overrode services.web.environment.E1)" = "a env_file web.env:2:1" ]
	[ "$(overrode services.web.environment.B)" = "base base file compose.yaml:16:10
fromfile env_file web.env:3:1" ]
}

@test "variables: shell, .env, --env-file, an include's, defaults, uses" {
	[ "$(origin TAG)" = "5 .env .env:2:1" ]
	[ "$(PORT=7 origin '${PORT}')" = "7 shell environment null:null:null" ]
	[ "$(PORT=7 overrode PORT)" = "1 .env .env:4:1" ]
	[ "$(origin V)" = "3 .env inc/.env:1:1" ]
	printf 'TAG=6\n' >given.env
	run -0 gantry --env-file given.env config --explain TAG
	[[ $output == *"TAG = 6"*"given.env:1:1 (--env-file)"*'used      compose.yaml:7:12 (base file): base:${TAG:-9}'* ]]
	run -0 gantry config --explain services.web.environment.FOO
	[[ $output == *"FOO is not set; the default 'bar' is used"* ]]
	run -0 gantry -p zz config --explain name
	[[ $output == *"name = zz"*"from      -p"* ]]
}

@test "!override and !reset" {
	[ "$(origin services.web.command)" = '["a","b"] override file compose.override.yaml:4:5' ]
	[ "$(gantry config --explain services.web.command --format json | jq -c '.overrode[0].value')" = '["echo","hi"]' ]
	run -1 gantry config --explain services.web.dns
	[[ $output == *"!reset took it out, compose.override.yaml:5:10"*"compose.yaml:22:10"* ]]
}

@test "what is not there: exit code and the nearest name" {
	run -1 gantry config --explain services.wep.image
	[[ $output == *"'services' has no 'wep'"*"did you mean 'services.web'?"* ]]
	run -1 gantry config --explain services.web.imagee
	[[ $output == *"did you mean 'services.web.image'?"* ]]
	run -1 gantry config --explain TAGG
	[[ $output == *"did you mean 'TAG'?"* ]]
	run -1 gantry config --explain 'services.web.ports[9]'
	[[ $output == *"has 2 items"*"services.web.ports[1]"* ]]
	run -1 gantry config --explain 'services.web.ports[x]'
	[[ $output == *"an item of a list is [0]"* ]]
	run -1 gantry config --explain 'services.web.image.foo'
	run -1 gantry config --explain ''
	[[ $output == *"give a path"* ]]
}

@test "a variable in a flow collection without quotes: the hint says it" {
	echo 'services: {a: {image: x, labels: [x=${V:-1}]}}' >flow.yaml
	run -15 gantry -f flow.yaml config
	[[ $output == *'hint: close the bracket; within it, quote a value that has brackets, braces or ${…}'* ]]
	echo 'services: {a: {image: x, labels: ["x=${V:-1}"]}}' >flow.yaml
	gantry -f flow.yaml config -q
}

@test "--strict names everything that is not done in full, at once" {
	cat >compose.yaml <<-'Y'
	services:
	  a:
	    image: tiny:1
	    runtime: kata
	    gpus: all
	    storage_opt: {size: 1g}
	    build: {context: ., cache_from: [x], provenance: false}
	Y
	rm compose.override.yaml
	run -1 gantry config --strict -q
	[[ $output == *"compose.yaml:5:5: 'gpus' does not work yet"* ]]
	[[ $output == *"compose.yaml:6:5: 'storage_opt' has no effect"* ]]
	[[ $output == *"compose.yaml:7:25: 'cache_from' has no effect"* ]]
	[[ $output == *"compose.yaml:4:14: services.a.runtime: 'kata' is not there"* ]]
	[[ $output != *"'provenance'"* ]]
	run -0 gantry config -q
}

@test "lists of names need no env files, the project does" {
	cat >env.yaml <<-'Y'
	services: {web: {image: a, env_file: missing.env, volumes: ["data:/d"]}}
	volumes: {data: {}}
	Y
	for part in --services --images --volumes --profiles; do
		gantry -f env.yaml config "$part"
	done
	run gantry -f env.yaml config
	[ "$status" -eq 14 ]
	run gantry -f env.yaml config --hash web
	[ "$status" -eq 14 ]
}

@test "a large project is printed piece by piece, and to a file the same" {
	{
		echo services:
		for ((i = 10000; i < 14000; i++)); do
			printf '  s%d: {image: "registry.example.com/some/image:%d", labels: {a: "$$b"}}\n' $i $i
		done
	} >large.yaml
	for format in yaml json; do
		gantry -p x -f large.yaml config --format $format >out
		gantry -p x -f large.yaml config --format $format -o file
		cmp out file
		gantry -p x -f out config --format $format | cmp - out
		[ "$(grep -c 'some/image' out)" -eq 4000 ]
	done
}
