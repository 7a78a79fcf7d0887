#!/usr/bin/env bats
# login, logout: what is kept, where, and what it is good for; several layers at once.
load lib
load registries

config() { cat "$DOCKER_CONFIG/config.json"; }
teardown() { unproxy; common_teardown; rm -f "$DOCKER_CONFIG/config.json"; unset DOCKER_AUTH_CONFIG; }

@test "a token service that offers it: the login's token is kept, not the password, and is good for pulls and pushes" {
	proxy --token 60 --refresh
	gantry login -u alice --password-stdin "http://127.0.0.1:$PROXY/v2/" <<<secret
	[[ $(config) == *'"identitytoken"'*renews* ]]
	[[ $(config) != *"$(printf alice:secret | base64)"* ]]
	gantry image pull -q "127.0.0.1:$PROXY/team/large:1"
	gantry image tag "127.0.0.1:$PROXY/team/large:1" "127.0.0.1:$PROXY/team/renewed:1"
	gantry image push -q "127.0.0.1:$PROXY/team/renewed:1"
	grep -q '"POST", "path": "/token' "$T/proxy.log"
	gantry logout "127.0.0.1:$PROXY"
	[[ $(config) != *renews* ]]
	fresh "127.0.0.1:$PROXY/team/renewed:1"
}

@test "config.json: only our entry changes, a link stays a link, the mode is 600; a broken one is named" {
	mkdir -p "$T/real"
	printf '{"HttpHeaders": {"X": "y"}, "auths": {"https://index.docker.io/v1/": {"auth": "YTpi"}, "http://127.0.0.1:%s/v1/": {"auth": "x"}}}' "$BASIC" >"$T/real/config.json"
	ln -s "$T/real/config.json" "$DOCKER_CONFIG/config.json"
	gantry login -u alice --password-stdin "127.0.0.1:$BASIC" <<<secret
	[ -L "$DOCKER_CONFIG/config.json" ]
	[ "$(stat -c %a "$T/real/config.json")" = 600 ]
	[[ $(config) == *'"X": "y"'*YTpi* ]]
	gantry logout "127.0.0.1:$BASIC"
	[[ $(config) == *'"X": "y"'*YTpi* && $(config) != *"$BASIC"* ]]
	run gantry logout "127.0.0.1:$BASIC"
	[ "$output" = "Not logged in to 127.0.0.1:$BASIC" ]
	echo '{"auths": ' >"$T/real/config.json"
	run gantry image pull -q "127.0.0.1:$BASIC/x"
	[ "$status" = 1 ]
	[[ $output == *"$DOCKER_CONFIG/config.json: not valid JSON at line 1"* ]]
}

@test "DOCKER_AUTH_CONFIG comes first, and its mistakes name it; podman's auth.json with namespaces" {
	CREDS=alice:secret fill "$T/small" "127.0.0.1:$BASIC/team/auth:1"
	good=$(printf alice:secret | base64)
	DOCKER_AUTH_CONFIG='{"auths": {"127.0.0.1:'$BASIC'": {"auth": "'$good'"}}}' gantry image pull -q "127.0.0.1:$BASIC/team/auth:1"
	fresh "127.0.0.1:$BASIC/team/auth:1"
	export DOCKER_AUTH_CONFIG='{"auths": {"127.0.0.1:'$BASIC'": {"auth": "%%"}}}'
	run gantry image pull -q "127.0.0.1:$BASIC/team/auth:1"
	[[ $output == *"DOCKER_AUTH_CONFIG: credentials of '127.0.0.1:$BASIC': \"auth\" is not the base64 of USER:SECRET"* ]]
	unset DOCKER_AUTH_CONFIG
	echo '{"auths": {"127.0.0.1:'$BASIC'": {"auth": "'$(printf eve:x | base64)'"}, "127.0.0.1:'$BASIC'/team": {"auth": "'$good'"}}}' >"$T/auth.json"
	REGISTRY_AUTH_FILE=$T/auth.json gantry image pull -q "127.0.0.1:$BASIC/team/auth:1"
	fresh "127.0.0.1:$BASIC/team/auth:1"
	run env REGISTRY_AUTH_FILE="$T/auth.json" gantry image pull -q "127.0.0.1:$BASIC/other/auth:1"
	[ "$status" = 1 ]
	[[ $output == *"the credentials come from $T/auth.json"* ]]
}

@test "login refuses what cannot be meant" {
	run gantry login -u a:b --password-stdin "127.0.0.1:$BASIC" <<<x
	[[ $output == *"a user name is not empty and has no ':'"* ]]
	run gantry login --password-stdin "127.0.0.1:$BASIC" <<<x
	[ "$status" != 0 ]
	run gantry login -u a --password-stdin "127.0.0.1:$BASIC" </dev/null
	[[ $output == *"the password is empty"* ]]
	run gantry login -u a -p b --password-stdin "127.0.0.1:$BASIC" <<<x
	[[ $output == *"mutually exclusive"* ]]
	run gantry login -u alice --password-stdin "127.0.0.1:$BASIC" <<<wrong
	[[ $output == *"the user name or the password is wrong"* ]]
	run gantry login -u alice --password-stdin nosuch.invalid <<<x
	[[ $output == *"'nosuch.invalid' cannot be resolved"* ]]
	[ ! -e "$DOCKER_CONFIG/config.json" ]
}

@test "a pull fetches layers at once, as many as --parallel and COMPOSE_PARALLEL_LIMIT allow" {
	most() { python3 -c 'import json, sys; print(max(json.loads(l)["at_once"] for l in open(sys.argv[1])))' "$T/proxy.log"; }
	proxy --slow 6000000
	project bound <<<"{services: {web: {image: '127.0.0.1:$PROXY/team/large:1'}}}"
	gantry pull -q
	[ "$(most)" -ge 3 ]
	fresh "127.0.0.1:$PROXY/team/large:1"
	rm "$T/proxy.log"
	COMPOSE_PARALLEL_LIMIT=1 gantry pull -q
	[ "$(most)" = 1 ]
	fresh "127.0.0.1:$PROXY/team/large:1"
	rm "$T/proxy.log"
	gantry --parallel 2 pull -q
	[ "$(most)" -le 2 ]
	fresh "127.0.0.1:$PROXY/team/large:1"
}

@test "a credential helper is asked once for all images of a registry" {
	mkdir -p "$T/bin"
	cat >"$T/bin/docker-credential-once" <<-SH
		#!/bin/sh
		echo "\$1 \$(cat)" >>"$T/asked"
		[ "\$HOW" = fail ] && { echo "the vault is sealed"; exit 1; }
		[ "\$HOW" = none ] && { echo "credentials not found in native keychain"; exit 1; }
		echo '{"ServerURL":"x","Username":"alice","Secret":"secret"}'
	SH
	chmod +x "$T/bin/docker-credential-once"
	export PATH=$T/bin:$PATH
	echo '{"credHelpers": {"127.0.0.1:'$BASIC'": "once"}}' >"$DOCKER_CONFIG/config.json"
	for i in 1 2 3 4; do CREDS=alice:secret fill "$T/small" "127.0.0.1:$BASIC/once/i$i:1"; done
	project once <<<"{services: {a: {image: '127.0.0.1:$BASIC/once/i1:1'}, b: {image: '127.0.0.1:$BASIC/once/i2:1'}, c: {image: '127.0.0.1:$BASIC/once/i3:1'}}}"
	gantry pull -q
	[ "$(cat "$T/asked")" = "get 127.0.0.1:$BASIC" ]
	fresh "127.0.0.1:$BASIC/once/i1:1" "127.0.0.1:$BASIC/once/i2:1" "127.0.0.1:$BASIC/once/i3:1"
	HOW=none run gantry pull -q
	[ "$status" = 1 ]
	[[ $output == *"gantry login 127.0.0.1:$BASIC"* ]]
	HOW=fail run gantry pull -q
	[[ $output == *"docker-credential-once: the vault is sealed"* ]]
}
