#!/usr/bin/env bats
# Rules of BuildKit that only a comparison with it told: where files go, whose they are, what is no error.
load lib

build() { # build <<Dockerfile: of the folder $T/r
	mkdir -p "$T/r"
	cat >"$T/r/Dockerfile"
	gantry image build --progress=plain -t rules "$T/r" 2>&1
}

@test "COPY follows a link at the destination, also one that leads nowhere yet" {
	mkdir -p "$T/r" && echo new >"$T/r/f"
	build <<'D'
FROM tiny:1
RUN echo old >/real && ln -s real /link && ln -s /none/yet /dangling && ln -s loop /loop
COPY f /link
COPY f /dangling
RUN [ -L /link ] && [ "$(cat /real)" = new ] && [ "$(cat /none/yet)" = new ]
D
	run build <<'D'
FROM tiny:1
RUN ln -s loop /loop
COPY f /loop
D
	[ "$status" = 1 ]
	[[ $output == *"too many links"* ]]
}

@test "owners: --chown and WORKDIR by one rule" {
	mkdir -p "$T/r" && echo x >"$T/r/f"
	build <<'D'
FROM tiny:1
COPY --chown=1: f /a
COPY --chown=app:nobody f /b
COPY --chown=4294967294 f /c
COPY --chown=1:2:3 f /d
COPY --chown= f /e
USER 7
WORKDIR /w
USER app
WORKDIR /v
USER ghost
WORKDIR /g
USER 0
RUN [ "$(stat -c %u:%g /a /b /c /d /e /w /v /g | xargs)" = "1:0 1000:1000 0:0 1:1 0:0 7:7 1000:1000 0:0" ]
D
}

@test "what BuildKit takes: empty commands, empty flags, odd ports, unknown triggers, WORKDIR as it is written" {
	build <<'D'
FROM --platform= tiny:1
RUN
CMD
EXPOSE 80/ 81/tcp/x
HEALTHCHECK --interval= CMD x
ONBUILD NOSUCH thing
WORKDIR /a/../b//
ARG $PATH=1
D
	[ "$(gantry image inspect -f '{{json .Config.Cmd}} {{json .Config.ExposedPorts}} {{.Config.WorkingDir}}' rules)" = \
		'["/bin/sh","-c",""] {"80/tcp":{},"81/tcp":{}} /a/../b//' ]
}

@test "several archives in one ADD" {
	mkdir -p "$T/r/x" "$T/r/y" && echo x >"$T/r/x/x" && echo y >"$T/r/y/y"
	tar cf "$T/r/x.tar" -C "$T/r/x" x
	tar czf "$T/r/y.tgz" -C "$T/r/y" y
	build <<'D'
FROM tiny:1
ADD x.tar y.tgz /o/
RUN [ "$(cat /o/x /o/y | xargs)" = "x y" ]
D
}

@test "ADD leaves folders as they are that the archive does not name, and goes through links to them" {
	mkdir -p "$T/r/a/tmp" "$T/r/a/lib" "$T/r/a/new" && echo x | tee "$T/r/a/tmp/x" "$T/r/a/lib/y" >"$T/r/a/new/z"
	tar cf "$T/r/a.tar" -C "$T/r/a" tmp/x lib/y new/z
	build <<'D'
FROM tiny:1
RUN mkdir /usr/lib -p && ln -s usr/lib /lib && chown 5:6 /tmp
ADD a.tar /
RUN [ "$(stat -c '%a %u:%g' /tmp /new | xargs)" = "1777 5:6 755 0:0" ] && [ "$(readlink /lib)" = usr/lib ] && [ "$(cat /usr/lib/y)" = x ]
D
	run build <<'D'
FROM tiny:1
RUN echo >/lib
ADD a.tar /
D
	[ "$status" = 1 ]
	[[ $output == *"cannot copy to non-directory: /lib"* ]]
}

@test "a folder that is a named context has its own .dockerignore" {
	mkdir -p "$T/other/d" && echo x | tee "$T/other/f" >"$T/other/d/g"
	echo d >"$T/other/.dockerignore"
	printf 'FROM tiny:1\nCOPY --from=other . /o/\nRUN --mount=from=other,target=/m [ "$(ls /o /m | xargs)" = "/m: f /o: f" ]\n' >"$T/named"
	gantry image build -f "$T/named" --build-context other="$T/other" "$T/other"
	echo '!' >"$T/other/.dockerignore"
	run gantry image build --no-cache -f "$T/named" --build-context other="$T/other" "$T/r"
	[ "$status" = 1 ]
	[[ $output == *"illegal exclusion pattern"* ]]
}

@test "mounts: types in any case, no target is the working folder" {
	mkdir -p "$T/r" && echo x >"$T/r/f"
	build <<'D'
FROM tiny:1
WORKDIR /w
RUN --mount=TYPE=Bind cat f
RUN --mount=Type=TMPFS,Target=/t grep -q ' /t tmpfs ' /proc/mounts
D
	run build <<<$'FROM tiny:1\nRUN --mount=type=bind true'
	[ "$status" = 1 ]
	[[ $output == *'invalid mount target "/"'* ]]
	run build <<<$'FROM tiny:1\nRUN --mount=type=bind,taget=/m true'
	[[ $output == *"unexpected key 'taget' in 'taget=/m' (did you mean target?)"* ]]
}

@test "a stage that nobody needs has an image's name too; ONBUILD has no flags; bytes that are no text" {
	run build <<<$'FROM bad//name AS a\nFROM tiny:1'
	[ "$status" = 1 ]
	[[ $output == *'failed to parse stage name "bad//name"'* ]]
	run build <<<$'FROM tiny:1\nONBUILD --x RUN true'
	[ "$status" = 1 ]
	[[ $output == *"unknown flag: --x"* ]]
	run build <<<$'FROM tiny:1\nCOPY'
	[[ $output == *"COPY requires at least two arguments"* ]]
	build <<<$'FROM tiny:1\nMAINTAINER Jos\xe9\nENV A=\xff'
	[[ $(gantry image inspect -f '{{.Author}} {{json .Config.Env}}' rules) == $'Jos\ufffd ['*$'"A=\ufffd"]' ]]
}

@test "checks: platforms, ports, ignored files; the directive, its build argument, and a comment say which" {
	check() { # check [ARG…] <<Dockerfile
		cat >"$T/r/Checked"
		run gantry image build --check -f "$T/r/Checked" "$@" "$T/r"
	}
	mkdir -p "$T/r" && echo f >"$T/r/Checked.dockerignore"
	check <<'D'
FROM --platform=linux/amd64 tiny:1 AS a
FROM --platform=$TARGETPLATFORM tiny:1 AS b
FROM --platform=linux/amd64 tiny:1 AS tool-amd64
EXPOSE 80/TCP 127.0.0.1:81:81
COPY f /f
D
	[ "$status" = 1 ]
	[ "$(grep -oE '(RedundantT|FromP|ExposeP|ExposeI|CopyI)[A-Za-z]*: .*:[0-9]+' <<<"$output" | sed 's/:.*:/ /' | xargs)" = \
		"FromPlatformFlagConstDisallowed 1 RedundantTargetPlatform 2 ExposeProtoCasing 4 ExposeInvalidFormat 4 CopyIgnoredFile 5" ]
	check <<<$'# check=skip=JSONArgsRecommended;error=true\nFROM tiny:1\nCMD x\n# check=skip=LegacyKeyValueFormat\nENV a b\nWORKDIR x'
	[ "$status" = 1 ]
	[[ $output == *"lint violation found for rules: WorkdirRelativePath"* && $output != *Legacy* && $output != *JSONArgs* ]]
	check --build-arg BUILDKIT_DOCKERFILE_CHECK=skip=all <<<$'# check=error=true\nFROM tiny:1\nCMD x'
	[ "$status" = 0 ] && [[ $output != *"warning:"* ]]
	check <<<$'# check=skip=all;x=1\nFROM tiny:1'
	[ "$status" = 1 ] && [[ $output == *'invalid check option "x=1"'* ]]
	run gantry image build --platform linux/amd64,linux/arm64 "$T/r"
	[ "$status" = 1 ] && [[ $output == *"one platform can be built at a time"* ]]
}

@test "what it refuses: signals beyond the range, a folder of patterns that is not there, stages by number as target" {
	run build <<<$'FROM tiny:1\nSTOPSIGNAL SIGRTMIN+20'
	[ "$status" = 1 ]
	[[ $output == *"invalid signal: SIGRTMIN+20"* ]]
	run build <<<$'FROM tiny:1\nCOPY nope/* /x/'
	[ "$status" = 1 ]
	[[ $output == *'"/nope": not found'* ]]
	run gantry image build --target 0 "$T/r"
	[ "$status" = 1 ]
	run build <<<$'FROM tiny:1\nCOPY --link= f /x'
	[ "$status" = 1 ]
	[[ $output == *"missing a value on flag: --link"* ]]
}

@test "builds at the same time do not take each other's folders away" {
	printf 'FROM tiny:1\nRUN true\n' >"$T/Dockerfile.par"
	mkdir -p "$T/empty"
	for i in 1 2 3 4 5 6; do
		(for k in 1 2 3 4 5; do gantry image build -q --no-cache -f "$T/Dockerfile.par" "$T/empty" || echo failed; done) >"$T/par.$i" 2>&1 &
	done
	wait
	! grep -h failed "$T"/par.*
}
