#!/usr/bin/env bats
# Images of several services, built at the same time.
load lib
load registries

# dockerfile NAME <<Dockerfile
dockerfile() { cat >"D.$1"; }
# builds NAME…: a project of services NAME, each with its D.NAME; the folder of all is the context
builds() {
	{
		echo 'services:'
		for s in "$@"; do echo "  $s: {build: {context: ., dockerfile: D.$s}}"; done
	} >compose.yaml
}
# most: how many RUN steps of the build's output in $T/out went on at the same time
most() {
	awk '/^#[0-9]+ \[.*RUN/ { open[$1] = 1; if (++n > max) max = n }
		/^#[0-9]+ (DONE|CACHED|ERROR|CANCELED)/ && open[$1] { delete open[$1]; n-- }
		END { print max + 0 }' "$T/out"
}
built() { "$@" >"$T/out" 2>&1 || { cat "$T/out"; return 1; }; }
nothing_left() { [ -z "$(ls "$GANTRY_ROOT/containers" "$GANTRY_ROOT/images/tmp" | grep -v ':$' | grep .)" ]; }
# count TEXT: lines of $output with it
count() { grep -cF -- "$1" <<<"$output" || true; }

@test "the images of services are built at once, each step named after its service and stage; --parallel bounds the steps" {
	project many <<<''
	builds a b c
	for s in a b c; do
		printf 'FROM tiny:1\nRUN sleep 1; echo %s >/me\n' $s | dockerfile $s
	done
	printf 'FROM tiny:1 AS made\nRUN sleep 1; echo c >/me\nFROM scratch\nCOPY --from=made /me /\n' | dockerfile c
	built gantry build
	is 3 most
	grep -qF '[a 1/2] FROM tiny:1' "$T/out"
	grep -qF '[b 2/2] RUN sleep 1' "$T/out"
	grep -qF '[c made 2/2] RUN sleep 1' "$T/out"
	grep -qF '[c stage-1 1/1] COPY --from=made' "$T/out"
	for s in a b c; do grep -qF "many-$s  Built" "$T/out"; done
	built gantry build
	[ "$(grep -c CACHED "$T/out")" = 4 ]
	built gantry --parallel 1 build --no-cache
	is 1 most
	COMPOSE_PARALLEL_LIMIT=2 built gantry build --no-cache
	is 2 most
}

@test "what two builds would make alike runs once, also without the cache" {
	project alike <<<''
	builds a b
	dd if=/dev/zero of=large bs=1M count=20 status=none
	for s in a b; do
		printf 'FROM tiny:1\nCOPY large /large\nRUN --mount=type=cache,target=/c,sharing=locked echo x >>/c/n; sleep 1; wc -l </c/n >/count\nRUN echo %s >/me\n' $s | dockerfile $s
	done
	for want in 1 2; do
		run gantry build --no-cache
		[ "$status" = 0 ]
		[ "$(count CACHED)" = 2 ]
		for s in a b; do
			[ "$(gantry image build -q --output - -f - . <<<"$(printf 'FROM alike-%s\n' $s)" | tar -xO count me | xargs)" = "$want $s" ]
		done
	done
}

@test "a failing build names its service and ends the others; what was done is kept" {
	project fails <<<''
	builds bad done long
	printf 'FROM tiny:1\nRUN sleep 1\nRUN echo last words; exit 3\n' | dockerfile bad
	printf 'FROM tiny:1\nRUN echo done >/d\n' | dockerfile done
	printf 'FROM tiny:1\nRUN echo kept >/kept\nRUN sleep 1000\n' | dockerfile long
	run timeout 20 gantry build
	[ "$status" = 1 ]
	[[ $output == *"[bad 3/3] RUN echo last words; exit 3"*"ERROR: "*CANCELED*"last words"*"D.bad:3"*"service 'bad': failed to solve: "*"exit code: 3"* ]]
	[ "$(count CANCELED)" = 1 ]
	nothing_left
	gantry image inspect -f x fails-done
	no 1 "fails-long" image inspect fails-long
	printf 'FROM tiny:1\nRUN echo kept >/kept\n' | dockerfile long
	run gantry build long
	[ "$status" = 0 ]
	[ "$(count CACHED)" = 1 ]
}

@test "a mistake in any Dockerfile is told before a step of another runs" {
	project mistake <<<''
	builds a b
	printf 'FROM tiny:1\nRUN sleep 1000\n' | dockerfile a
	printf 'FROM tiny:1\nBADD x\n' | dockerfile b
	run timeout 10 gantry build
	[ "$status" = 1 ]
	[[ $output == *"D.b:2"*"service 'b': failed to solve: "*"unknown instruction: BADD"* ]]
	[[ $output != *"RUN sleep"* ]]
}

@test "a service that is another's context is built before it, and only that waits" {
	project order <<'Y'
services:
  app: {build: {context: ., dockerfile: D.app, additional_contexts: {base: "service:lib"}}}
  lib: {build: {context: ., dockerfile: D.lib}}
  other: {build: {context: ., dockerfile: D.other}}
Y
	printf 'FROM base\nRUN sleep 1; cat /lib-file >/app-file\n' | dockerfile app
	printf 'FROM tiny:1\nRUN sleep 1; date +%%N >/lib-file\n' | dockerfile lib
	printf 'FROM tiny:1\nRUN sleep 2\n' | dockerfile other
	built gantry build
	is 2 most
	[ "$(grep -n 'RUN sleep 1; cat' "$T/out" | cut -d: -f1)" -gt "$(grep -n 'RUN sleep 1; date' "$T/out" | cut -d: -f1)" ]
	for i in app lib; do gantry image build -q --output - -f - . <<<"FROM order-$i" | tar -xO $i-file >"$T/$i"; done
	[ -s "$T/lib" ] && diff "$T/lib" "$T/app"
	sed -i '/^  lib/s/build: {/build: {additional_contexts: {x: "service:app"}, /' compose.yaml
	no 1 "need each other" build
}

@test "Ctrl-C and kill -9 end the steps of all builds" {
	leaks >"$T/all.before"
	project stop <<<''
	builds a b c
	for s in a b c; do printf 'FROM tiny:1\nRUN sleep 1000; echo %s\n' $s | dockerfile $s; done
	for signal in INT KILL; do
		# a background command of a script ignores SIGINT
		python3 -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])' \
			gantry build >"$T/stop.out" 2>&1 3>&- &
		pid=$!
		for s in a b c; do soon grep -qF "[$s 2/2] RUN sleep" "$T/stop.out"; done
		soon sh -c '[ $(pgrep -cfx "sleep 1000") -ge 3 ]'
		kill -$signal $pid
		code=0
		wait $pid || code=$?
		if [ $signal = INT ]; then
			[ "$code" = 130 ]
			[ "$(grep -c CANCELED "$T/stop.out")" = 3 ]
			nothing_left
		fi
		soon sh -c "! grep -lsF \"$GANTRY_ROOT\" /proc/[0-9]*/mountinfo"
	done
	soon sh -c 'gantry gc >/dev/null; [ -z "$(ls "$GANTRY_ROOT/containers" "$GANTRY_ROOT/images/tmp" | grep -v ":$" | grep .)" ]'
	leaks >"$T/all.after"
	diff "$T/all.before" "$T/all.after"
}

@test "up --build builds all of them before it starts one" {
	project upall <<<''
	builds a b
	for s in a b; do printf 'FROM tiny:1\nRUN sleep 1; echo up; echo %s >/me\n' $s | dockerfile $s; done
	built gantry up -d
	is 2 most
	for s in a b; do is $s gantry exec -T $s cat /me; done
	run gantry up -d --build
	[ "$status" = 0 ]
	[ "$(count CACHED)" = 2 ]
}

@test "build --push pushes what has an image, under all its tags" {
	project pushed <<Y
services:
  a: {image: "127.0.0.1:$OPEN/pushed/a:1", build: {context: ., dockerfile: D.a, tags: ["127.0.0.1:$OPEN/pushed/a:2"]}}
  b: {build: {context: ., dockerfile: D.a}}
Y
	printf 'FROM tiny:1\nRUN echo a >/me\n' | dockerfile a
	run gantry build --push
	[ "$status" = 0 ]
	[[ $output == *"service 'b': not pushed: it has no 'image'"* ]]
	for t in 1 2; do skopeo inspect --tls-verify=false "docker://127.0.0.1:$OPEN/pushed/a:$t" >/dev/null; done
	run gantry build --push --check
	[ "$status" = 0 ]
	[[ $output != *digest* ]]
	gantry image build -q --push -t "127.0.0.1:$OPEN/pushed/c:1" -f D.a .
	skopeo inspect --tls-verify=false "docker://127.0.0.1:$OPEN/pushed/c:1" >/dev/null
	no 1 "--push needs a name" image build --push -f D.a .
	fresh "127.0.0.1:$OPEN/pushed/a:1" "127.0.0.1:$OPEN/pushed/a:2" "127.0.0.1:$OPEN/pushed/c:1"
}

@test "build --check says what it found, and runs nothing; warnings make it fail" {
	project checked <<<''
	builds a b
	printf 'FROM tiny:1\nRUN sleep 1000\n' | dockerfile a
	cp D.a D.b
	run timeout 10 gantry build --check
	[ "$status" = 0 ]
	[[ $output == *"Check complete, no warnings found."* ]]
	echo 'ENV a b' >>D.b
	no 1 "service 'b': LegacyKeyValueFormat" build --check
	no 1 "the check found 1 warning" build --check -q
	no 1 "the check found 1 warning" image build --check -f D.b .
}

@test "--with-dependencies builds what the services need, and nothing else" {
	project deps <<'Y'
services:
  web: {build: {context: ., dockerfile: D.a}, depends_on: [db]}
  db: {build: {context: ., dockerfile: D.a}}
  other: {build: {context: ., dockerfile: D.a}}
Y
	printf 'FROM tiny:1\nRUN echo a >/me\n' | dockerfile a
	gantry build -q --with-dependencies web
	gantry image inspect -f x deps-web deps-db
	no 1 deps-other image inspect deps-other
}

@test "--progress json: an object a line, each with the step's name" {
	project js <<<''
	builds a b
	printf 'FROM tiny:1\nRUN echo "it says \\"x\\""\n' | dockerfile a
	printf 'FROM tiny:1\nRUN echo other\n' | dockerfile b
	gantry --progress json build 2>"$T/js.out"
	python3 - "$T/js.out" <<'PY'
import json, sys
seen = [json.loads(l) for l in open(sys.argv[1])]
def has(**want): assert any(all(v in s[k] for k, v in want.items()) for s in seen), want
has(id='[a 2/2] RUN', status='Building', state='working')
has(id='[a 2/2] RUN', status='it says "x"', state='working')
has(id='[b 2/2] RUN', status='DONE', state='done')
has(id='Image js-b', status='Built', state='done')
PY
	gantry build --progress rawjson 2>&1 | grep -F '"status":"CACHED","state":"done"'
	gantry image build --progress json -t js:1 -f D.a . 2>&1 | grep -F '"id":"Image js:1","status":"Built"'
	[ -z "$(gantry --progress quiet build 2>&1)" ]
}

@test "images that builds miss are pulled at once, before anything is built; one that is not to be had is the error of its service" {
	project pulls <<<''
	builds a b
	for i in one two three; do fill "$T/small" "127.0.0.1:$OPEN/pulls/$i:1"; done
	printf 'ARG N=one\nFROM 127.0.0.1:%s/pulls/$N:1\nRUN echo "$ARCH"\n' "$OPEN" | dockerfile a
	printf 'FROM 127.0.0.1:%s/pulls/two:1\nCOPY --from=127.0.0.1:%s/pulls/three:1 /etc/passwd /p\n' "$OPEN" "$OPEN" | dockerfile b
	run gantry build
	[ "$status" = 0 ]
	echo "$output"
	[[ ${output%%Pulled*} == *"one:1  Pulling"* && ${output%%Pulled*} == *"two:1  Pulling"* && ${output%%Pulled*} == *"three:1  Pulling"* ]]
	[ "$(count '  Pulling')" = 3 ]
	[[ ${output%%#1*} == *Pulled*Pulled*Pulled* ]]
	run gantry build --pull
	[ "$status" = 0 ]
	[ "$(count '  Pulling')" = 3 ]
	[ "$(count CACHED)" = 2 ]
	sed -i s,pulls/two,pulls/nowhere, D.b
	fresh "127.0.0.1:$OPEN/pulls/one:1"
	run gantry build
	[ "$status" = 1 ]
	[[ $output == *"one:1  Pulled"*"D.b:1"*"service 'b': failed to solve: 127.0.0.1:$OPEN/pulls/nowhere:1: failed to resolve source metadata"* ]]
	[[ $output != *"#1 "* ]]
}

@test "Ctrl-C while images are pulled ends the build, also with --pull" {
	project pullstop <<<''
	builds a b
	proxy --slow 100000
	for i in a b; do
		fill "$T/large" "127.0.0.1:$OPEN/pullstop/$i:1"
		printf 'FROM 127.0.0.1:%s/pullstop/%s:1\nRUN true\n' "$PROXY" $i | dockerfile $i
	done
	for args in "" "--pull a"; do
		python3 -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])' \
			gantry build $args >"$T/pullstop.out" 2>&1 3>&- &
		pid=$!
		soon grep -qF 'Pulling' "$T/pullstop.out"
		kill -INT $pid
		code=0
		wait $pid || code=$?
		[ "$code" = 130 ]
		! grep -q '#1' "$T/pullstop.out"
	done
	fresh
}
