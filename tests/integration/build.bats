#!/usr/bin/env bats
# Images from Dockerfiles.
load lib

df() { # df DIR <<Dockerfile
	mkdir -p "$T/$1"
	cat >"$T/$1/Dockerfile"
}

@test "a build runs, and again it is cached and the same image" {
	df one <<'D'
FROM tiny:1 AS a
ARG WHO=x
RUN echo "built for $WHO" >/who && id -u >/uid
FROM a AS unused
RUN false
FROM scratch
COPY --from=a /who /uid /etc/
ENV A=1
CMD ["x"]
D
	run gantry image build -t one --build-arg WHO=me "$T/one"
	[ "$status" = 0 ]
	[[ $output != *"RUN false"* ]]
	first=$(id_of one)
	run gantry image build -t one --build-arg WHO=me "$T/one"
	[ "$status" = 0 ]
	[[ $output == *CACHED* ]]
	[ "$(id_of one)" = "$first" ]
	run gantry image build -q -t one --build-arg WHO=you "$T/one"
	[ "$status" = 0 ]
	[ "$(id_of one)" != "$first" ]
}

@test "the failing step shows its line and its last output" {
	df bad <<'D'
FROM tiny:1
RUN echo before; exit 7
RUN echo never
D
	run gantry image build "$T/bad"
	[ "$status" = 1 ]
	[[ $output == *"Dockerfile:2"* ]]
	[[ $output == *">>> RUN echo before; exit 7"* ]]
	[[ $output == *"exit code: 7"* ]]
	[[ $output != *"echo never"*DONE* ]]
}

@test "a mistake in the last line is told before anything runs" {
	df late <<'D'
FROM tiny:1
RUN sleep 100
EXPOSE 80/foo
D
	run timeout 10 gantry image build "$T/late"
	[ "$status" = 1 ]
	[[ $output == *"invalid proto: foo"* ]]
}

@test "an image that COPY names and that cannot be had is an error of that step" {
	df nowhere <<'D'
FROM scratch
COPY --from=127.0.0.1:1/nothere /x /y
D
	no 1 "127.0.0.1:1/nothere: failed to resolve source metadata" image build "$T/nowhere"
	[[ $output == *"> [1/1] COPY --from=127.0.0.1:1/nothere /x /y:"*"Dockerfile:2"* ]]
}

@test "a changed file is seen, a touched one is not, an ignored one never" {
	df ctx <<'D'
FROM scratch
COPY . /c/
D
	echo 1 >"$T/ctx/f"
	echo secret >"$T/ctx/s.key"
	echo '*.key' >"$T/ctx/.dockerignore"
	gantry image build -q -t ctx "$T/ctx"
	first=$(id_of ctx)
	touch -d 2001-01-01 "$T/ctx/f"
	echo other >"$T/ctx/s.key"
	gantry image build -q -t ctx "$T/ctx"
	[ "$(id_of ctx)" = "$first" ]
	echo 2 >"$T/ctx/f"
	gantry image build -q -t ctx "$T/ctx"
	[ "$(id_of ctx)" != "$first" ]
}

@test "SOURCE_DATE_EPOCH gives the same digest again, also without the cache" {
	df epoch <<'D'
FROM tiny:1
WORKDIR /w
RUN date >/dev/null; mkdir -p /made/by && echo x >/made/by/run && ln -s run /made/by/link
COPY Dockerfile /new/place/
D
	export SOURCE_DATE_EPOCH=1700000000
	gantry image build -q -t e1 "$T/epoch"
	sleep 1.1
	touch "$T/epoch/Dockerfile"
	gantry image build -q --no-cache -t e2 "$T/epoch"
	[ "$(id_of e1)" = "$(id_of e2)" ]
}

@test "secrets are there for the step and nowhere else; caches stay" {
	df sec <<'D'
FROM tiny:1
RUN --mount=type=secret,id=s,env=S --mount=type=secret,id=s --mount=type=cache,target=/cache \
    [ "$S" = top ] && [ "$(cat /run/secrets/s)" = top ] && echo x >>/cache/n && cat /cache/n | wc -l >/count
D
	printf top >"$T/secret"
	gantry image build -q -t sec --secret id=s,src="$T/secret" "$T/sec"
	gantry image build -q --no-cache -t sec --secret id=s,src="$T/secret" "$T/sec"
	! grep -rqs top "$GANTRY_ROOT/images/layers" --include=s
	layer=$(gantry image inspect -f '{{json .RootFS.Layers}}' sec)
	[ -n "$layer" ]
	cat "$GANTRY_ROOT"/images/layers/*/count | grep -q 2
	[ -z "$(find "$GANTRY_ROOT/images/layers" -path '*/run/secrets')" ]
	[ -z "$(find "$GANTRY_ROOT/images/layers" -name cache -path '*/cache')" ]
}

@test "a build secret whose variable is not set is an empty one" {
	df sec2 <<'D'
FROM tiny:1
RUN --mount=type=secret,id=t,required=true [ -e /run/secrets/t ] && [ ! -s /run/secrets/t ]
D
	project sec2 <<<'{services: {a: {build: {context: ., secrets: [t]}}}, secrets: {t: {environment: NOT_SET_HERE}}}'
	gantry build -q
}

@test "what a build prints: tabs stay, the last state of a progress line, no bytes for the terminal; warnings name image and file" {
	df talk <<'D'
FROM tiny:1 as one
RUN true;	printf 'a\tb\r\n5%%\r50%%\rall\n\033[31mred\n'
D
	run gantry image build -t talk "$T/talk"
	[ "$status" = 0 ]
	grep -qE $'^#2 [0-9.]+ a\tb$' <<<"$output"
	grep -qE '^#2 [0-9.]+ all$' <<<"$output"
	grep -qE '^#2 [0-9.]+ \\x1b\[31mred$' <<<"$output"
	grep -qF "talk: FromAsCasing: 'as' and 'FROM' keywords' casing do not match (Dockerfile:1)" <<<"$output"
	gantry image history --no-trunc talk | grep -qF '/bin/sh -c true; printf'
	printf 'FROM tiny:1\nRUN true;\tprintf "1%%%%\\r2%%%%\\n"; false\n' >"$T/talk/Dockerfile"
	no 1 $'RUN true;\tprintf' image build "$T/talk"
	grep -qx '2%' <<<"$output"
}

@test "the network of a step: none has no way out, the default one has an address" {
	df net <<'D'
FROM tiny:1
RUN --network=none ip -o addr | grep -v ' lo ' >/none; ! grep -q eth /none
RUN ip -o -4 addr show eth0 | grep -q inet
D
	gantry image build -q -t net "$T/net"
}

@test "stages that do not depend on each other run at the same time" {
	df par <<'D'
FROM tiny:1 AS a
RUN sleep 2; echo a >/a
FROM tiny:1 AS b
RUN sleep 2; echo b >/b
FROM scratch
COPY --from=a /a /
COPY --from=b /b /
D
	start=$(date +%s%N)
	gantry image build -q -t par "$T/par"
	[ $((($(date +%s%N) - start) / 1000000)) -lt 3600 ]
}

@test "Ctrl-C ends the step and leaves nothing" {
	df long <<'D'
FROM tiny:1
RUN sleep 1000
D
	gantry image build "$T/long" >"$T/long.out" 2>&1 &
	pid=$!
	soon grep -q 'RUN sleep' "$T/long.out"
	sleep 0.5
	kill -TERM $pid
	code=0
	wait $pid || code=$?
	[ "$code" = 130 ]
	[ -z "$(ls "$GANTRY_ROOT/containers" | grep build- || true)" ]
}

@test "kill -9 of a build ends its step; the next build and gc take what it left" {
	leaks >"$T/kill.before"
	df killed <<'D'
FROM tiny:1
RUN sleep 1000
D
	local pid
	for how in gc build; do
		gantry image build "$T/killed" >"$T/killed.out" 2>&1 3>&- &
		pid=$!
		soon grep -q 'RUN sleep' "$T/killed.out"
		sleep 0.5
		kill -9 $pid
		wait $pid || true
		soon sh -c "! grep -lsF \"$GANTRY_ROOT\" /proc/[0-9]*/mountinfo"
		if [ $how = gc ]; then
			soon sh -c 'gantry gc >/dev/null; [ -z "$(ls "$GANTRY_ROOT/containers" "$GANTRY_ROOT/images/tmp" | grep -v ":$" | grep .)" ]'
		else
			df after <<'D'
FROM tiny:1
RUN echo after
D
			gantry image build -q "$T/after"
		fi
		leaks >"$T/kill.after"
		diff "$T/kill.before" "$T/kill.after"
	done
}

@test "up builds what is missing, --build builds again" {
	project app <<'Y'
services:
  a: {build: {context: ., args: {WHO: me}}}
Y
	printf 'FROM tiny:1\nARG WHO\nCOPY f /f\nRUN echo $WHO >/who\nCMD ["sleep","1000000"]\n' >Dockerfile
	echo v1 >f
	gantry up -d
	[ "$(gantry exec -T a cat /f /who | xargs)" = "v1 me" ]
	echo v2 >f
	gantry up -d
	[ "$(gantry exec -T a cat /f)" = v1 ]
	gantry up -d --build
	[ "$(gantry exec -T a cat /f)" = v2 ]
	gantry down -t 0 --rmi local
}

teardown() {
	take_all_down
	if mountpoint -q "$T/disk"; then umount "$T/disk"; fi
}

@test "a full disk ends a build with what was in the way; nothing half is left, and with room it goes on" {
	command -v mkfs.ext4 >/dev/null || skip "no mkfs.ext4"
	mkdir -p "$T/disk" "$T/full"
	head -c 24M /dev/urandom >"$T/full/big"
	for d in overlay copy; do
		truncate -s 64M "$T/disk.img"
		mkfs.ext4 -q "$T/disk.img"
		mount -o loop "$T/disk.img" "$T/disk" || skip "no loop devices"
		export GANTRY_ROOT=$T/disk/root GANTRY_RUN=$T/disk-run GANTRY_STORAGE=$d
		gantry image import "$T/image" tiny:1 >/dev/null
		printf 'FROM tiny:1\nRUN echo first >/first\nCOPY big /data/\n' >"$T/full/Dockerfile"
		fallocate -l 32M "$T/disk/ballast"
		run gantry image build -t full:1 "$T/full"
		[ "$status" = 1 ]
		[[ $output == *"failed to solve: "*"/data/big': write: No space left on device"*"hint: make room where '$GANTRY_ROOT' is"* ]] || { echo "$output"; false; }
		printf 'FROM tiny:1\nRUN echo first >/first\nRUN cat /dev/zero >/zeros\n' >"$T/full/Dockerfile.run"
		run gantry image build -f "$T/full/Dockerfile.run" "$T/full"
		[ "$status" = 1 ]
		[[ $output == *"No space left on device"*'process "/bin/sh -c cat /dev/zero >/zeros" did not complete successfully: exit code: 1'* ]] || { echo "$output"; false; }
		gantry fsck -q
		is "" find "$GANTRY_ROOT/containers" "$GANTRY_ROOT/images/tmp" -mindepth 1
		rm "$T/disk/ballast"
		run gantry image build --progress plain -t full:1 "$T/full"
		[ "$status" = 0 ] && [[ $output == *CACHED* ]] || { echo "$output"; false; }
		gantry fsck -q
		umount "$T/disk"
		rm "$T/disk.img"
	done
}
