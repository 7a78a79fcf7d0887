#!/usr/bin/env bats
# What a build's files come from: standard input, URLs, git repositories; ADD of repositories.
load lib

df() { # df DIR <<Dockerfile
	mkdir -p "$T/$1"
	cat >"$T/$1/Dockerfile"
}
show() { gantry image build --progress=plain "$@" 2>&1; }

serve() { # serve DIR: an HTTP server; $PORT, $SERVER
	PORT=$((20000 + RANDOM % 20000))
	(cd "$1" && exec python3 -m http.server "$PORT" --bind 127.0.0.1 >/dev/null 2>&1) &
	SERVER=$!
	soon sh -c "exec 3<>/dev/tcp/127.0.0.1/$PORT" 2>/dev/null || soon curl -sf "http://127.0.0.1:$PORT/" -o /dev/null
}
unserve() { [ -z "${SERVER:-}" ] || kill "$SERVER" 2>/dev/null || true; }

repository() { # repository NAME: two commits, the first is tagged v1
	command -v git >/dev/null || skip "needs git"
	export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
	git init -q -b main "$T/$1.git"
	mkdir "$T/$1.git/app"
	printf 'FROM tiny:1\nCOPY . /c/\nRUN cat /c/v; ls -a /c\n' >"$T/$1.git/app/Dockerfile"
	echo one >"$T/$1.git/app/v"
	git -C "$T/$1.git" add . && git -C "$T/$1.git" commit -qm 1 && git -C "$T/$1.git" tag v1
	echo two >"$T/$1.git/app/v"
	git -C "$T/$1.git" commit -qam 2
}

@test "an archive on standard input is a context, a Dockerfile is one by itself" {
	df in <<'D'
FROM tiny:1
COPY . /c/
RUN stat -c '%u:%g %n' /c/f
D
	echo x >"$T/in/f"
	cp "$T/in/Dockerfile" "$T/in/Other"
	chown 1000:1000 "$T/in/f"
	run bash -c "tar c -C '$T/in' . | gantry image build --progress=plain -"
	[ "$status" = 0 ]
	[[ $output == *"0:0 /c/f"* ]]
	run bash -c "tar cz -C '$T/in' . | gantry image build --progress=plain -f Other -"
	[ "$status" = 0 ]
	run bash -c "printf 'FROM tiny:1\nRUN echo from stdin\n' | gantry image build --progress=plain -"
	[ "$status" = 0 ]
	[[ $output == *"from stdin"* ]]
	run bash -c "printf 'FROM tiny:1\nCOPY f /f\n' | gantry image build -f - '$T/in'"
	[ "$status" = 0 ]
	run bash -c "head -c 2000 /dev/urandom | gantry image build -"
	[ "$status" = 1 ]
	[[ $output == *"neither an archive"* ]]
	run bash -c "gantry image build - </dev/null"
	[ "$status" = 1 ]
	run bash -c "gantry image build -f - - </dev/null"
	[ "$status" = 1 ]
	[[ $output == *"both the build context and the Dockerfile"* ]]
	[ -z "$(ls "$GANTRY_ROOT/images/tmp")" ]
}

@test "a URL is an archive or a Dockerfile" {
	command -v python3 >/dev/null || skip "needs python3"
	df web <<'D'
FROM tiny:1
COPY f /f
RUN cat /f
D
	echo by http >"$T/web/f"
	mkdir "$T/www"
	tar cf "$T/www/ctx.tar" -C "$T/web" .
	printf 'FROM tiny:1\nRUN echo alone\n' >"$T/www/Dockerfile"
	serve "$T/www"
	run show "http://127.0.0.1:$PORT/ctx.tar"
	[ "$status" = 0 ]
	[[ $output == *"by http"* ]]
	run show "http://127.0.0.1:$PORT/Dockerfile"
	[ "$status" = 0 ]
	[[ $output == *alone* ]]
	run show "http://127.0.0.1:$PORT/none"
	[ "$status" = 1 ]
	[[ $output == *404* ]]
	unserve
}

@test "a git repository: branch, tag, commit, folder, over the file system and over http" {
	repository ctx
	run show "file://$T/ctx.git#main:app"
	[ "$status" = 0 ]
	[[ $output == *two* ]] && [[ $output != *.git* ]]
	run show "file://$T/ctx.git#v1:app"
	[ "$status" = 0 ]
	[[ $output == *" one"* ]]
	run show "file://$T/ctx.git#$(git -C "$T/ctx.git" rev-parse v1):app"
	[ "$status" = 0 ]
	run show "file://$T/ctx.git#nope:app"
	[ "$status" = 1 ]
	[[ $output == *"no branch, tag or commit 'nope'"* ]]
	run show "file://$T/absent.git"
	[ "$status" = 1 ]
	run env PATH=/nonexistent "$(command -v gantry)" image build "file://$T/ctx.git"
	[ "$status" = 1 ]
	[[ $output == *"git is not installed"* ]]
	[ -z "$(ls "$GANTRY_ROOT/images/tmp")" ]
	command -v python3 >/dev/null || skip "needs python3"
	mkdir "$T/repos"
	git clone -q --bare "$T/ctx.git" "$T/repos/h.git"
	git -C "$T/repos/h.git" update-server-info
	serve "$T/repos"
	run show "http://127.0.0.1:$PORT/h.git#main:app"
	[ "$status" = 0 ]
	unserve
}

@test "ADD of a repository: root's files, without .git unless it is kept; the commit is verified" {
	repository add
	df add <<D
FROM tiny:1
ADD file://$T/add.git#v1:app /one
ADD --keep-git-dir=true file://$T/add.git /two/
RUN [ "\$(cat /one/v /two/app/v | xargs)" = "one two" ] && [ -d /two/.git ] && [ ! -e /one/.git ] && [ "\$(stat -c %u:%a /two/app/v)" = 0:644 ]
D
	run show "$T/add"
	[ "$status" = 0 ]
	run show "$T/add"
	[ "$(grep -c CACHED <<<"$output")" = 3 ]
	printf 'FROM tiny:1\nADD --checksum=0123 file://%s/add.git /x\n' "$T" >"$T/add/Dockerfile"
	run show "$T/add"
	[ "$status" = 1 ]
	[[ $output == *"expected checksum to match 0123"* ]]
}

@test "named contexts: a folder, a repository, an image" {
	repository named
	mkdir "$T/extra"
	echo extra >"$T/extra/e"
	df nc <<'D'
FROM base
COPY --from=more e /e
COPY --from=repo app/v /v
RUN cat /e /v
D
	run show --build-context base=docker-image://tiny:1 --build-context more="$T/extra" --build-context repo="file://$T/named.git" "$T/nc"
	[ "$status" = 0 ]
	[[ $output == *extra* ]] && [[ $output == *two* ]]
	run show --build-context base=target:x --build-context more="$T/extra" "$T/nc"
	[ "$status" = 1 ]
	[[ $output == *"cannot be read"* ]]
}
