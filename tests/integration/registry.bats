#!/usr/bin/env bats
# Registries: Debian's docker-registry on loopback (open, htpasswd, token, TLS), with faults in between. skopeo fills it and reads what we push.
load lib
load registries

@test "an image is pulled once, and the next time only looked at" {
	run gantry image pull "127.0.0.1:$OPEN/team/small:1"
	[ "$status" = 0 ]
	run gantry image pull "127.0.0.1:$OPEN/team/small:1"
	[[ $output == *"Up to date"* ]]
	[ -z "$(ls "$GANTRY_ROOT/images/tmp")" ]
}

@test "the image for this machine is chosen, another one on request" {
	gantry image pull -q "127.0.0.1:$OPEN/team/small:1"
	[ "$(gantry image inspect -f '{{.Architecture}}' "127.0.0.1:$OPEN/team/small:1")" != s390x ]
	gantry image pull -q --platform linux/s390x "127.0.0.1:$OPEN/team/small:1"
	[ "$(gantry image inspect -f '{{.Architecture}}' "127.0.0.1:$OPEN/team/small:1")" = s390x ]
	run gantry image pull -q --platform linux/riscv64 "127.0.0.1:$OPEN/team/small:1"
	[ "$status" = 1 ]
	[[ $output == *riscv64*s390x* ]]
	gantry image rm -f "127.0.0.1:$OPEN/team/small:1"
}

@test "up pulls what is missing; a digest is the image, the tag beside it is decoration" {
	digest=$(skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$OPEN/team/small:1" | sha256sum | cut -d' ' -f1)
	project pulls <<<"{services: {web: {image: '127.0.0.1:$OPEN/team/small:1'}, db: {image: '127.0.0.1:$OPEN/team/small:nosuch@sha256:$digest'}}}"
	gantry up -d
	[ "$(state web)" = running ]
	[ "$(state db)" = running ]
	gantry down -t 0
}

@test "pull_policy: always finds what changed and recreates; never does without; a policy of days does not ask again" {
	fill "$T/small" "127.0.0.1:$OPEN/team/moving:1"
	project policies <<<"{services: {web: {image: '127.0.0.1:$OPEN/team/moving:1', pull_policy: always}}}"
	gantry up -d
	before=$(pid web)
	gantry up -d
	is "$before" pid web
	layout "$T/other" 2000
	fill "$T/other" "127.0.0.1:$OPEN/team/moving:1"
	gantry up -d
	[ "$(pid web)" != "$before" ]
	before=$(pid web)
	fill "$T/small" "127.0.0.1:$OPEN/team/moving:1"
	sed -i 's/always/daily/' compose.yaml
	gantry up -d
	is "$before" pid web
	gantry down -t 0
	fresh "127.0.0.1:$OPEN/team/moving:1"
	sed -i 's/daily/never/' compose.yaml
	run gantry up -d
	[ "$status" = 1 ]
	[[ $output == *"pull_policy is 'never'"* ]]
}

@test "pull: named services, --include-deps, --policy missing, --ignore-pull-failures" {
	project pull <<<"{services: {web: {image: '127.0.0.1:$OPEN/team/small:1', depends_on: [db]}, db: {image: '127.0.0.1:$OPEN/team/large:1'},
		bad: {image: '127.0.0.1:$OPEN/team/nosuch:1'}}}"
	fresh "127.0.0.1:$OPEN/team/small:1" "127.0.0.1:$OPEN/team/large:1"
	gantry pull -q web
	run gantry image inspect "127.0.0.1:$OPEN/team/large:1"
	[ "$status" != 0 ]
	gantry pull -q --include-deps web
	gantry image inspect "127.0.0.1:$OPEN/team/large:1" >/dev/null
	run gantry pull
	[ "$status" = 1 ]
	[[ $output == *"service 'bad'"*"not found"* ]]
	run gantry pull --policy missing web db
	[ "$status" = 0 ]
	[[ $output != *Pull* ]]
	gantry pull --ignore-pull-failures
}

@test "login, push, and others read it; what is there is not sent again, what another repository has is mounted" {
	ref=127.0.0.1:$BASIC/team/pushed:1
	fresh "127.0.0.1:$OPEN/team/small:1"
	gantry image pull -q "127.0.0.1:$OPEN/team/small:1"
	gantry image tag "127.0.0.1:$OPEN/team/small:1" "$ref"
	run gantry image push "$ref"
	[ "$status" = 1 ]
	echo "$output"
	[[ $output == *"gantry login 127.0.0.1:$BASIC"* ]]
	run gantry login -u alice --password-stdin "127.0.0.1:$BASIC" <<<wrong
	[ "$status" = 1 ]
	[ ! -e "$DOCKER_CONFIG/config.json" ]
	gantry login -u alice --password-stdin "127.0.0.1:$BASIC" <<<secret
	[ "$(stat -c %a "$DOCKER_CONFIG/config.json")" = 600 ]
	gantry image push "$ref"
	skopeo copy -q --src-tls-verify=false --src-creds alice:secret "docker://$ref" "oci:$T/back"
	run gantry image push "$ref"
	[[ $output == *"Up to date"* ]]
	gantry image tag "$ref" "127.0.0.1:$BASIC/team/second:1"
	run gantry image push "127.0.0.1:$BASIC/team/second:1"
	[[ $output == *"Mounted from team/pushed"* ]]
	fresh "$ref" "127.0.0.1:$BASIC/team/second:1" "127.0.0.1:$OPEN/team/small:1"
	gantry image pull -q "$ref"
	run gantry logout "127.0.0.1:$BASIC"
	[ "$output" = "Removing login credentials for 127.0.0.1:$BASIC" ]
	run gantry image pull "$ref"
	[ "$status" = 1 ]
	fresh "$ref"
}

@test "an imported folder can be pushed: its archive is made again, and is the same" {
	gantry image tag tiny:1 "127.0.0.1:$OPEN/team/tiny:1"
	gantry image push "127.0.0.1:$OPEN/team/tiny:1"
	skopeo copy -q --src-tls-verify=false "docker://127.0.0.1:$OPEN/team/tiny:1" "oci:$T/tiny.back"
	gantry image rm "127.0.0.1:$OPEN/team/tiny:1"
}

@test "credential helpers are asked, and their words are shown" {
	mkdir -p "$T/bin"
	cat >"$T/bin/docker-credential-test" <<-'SH'
		#!/bin/sh
		read -r host
		case $host in *:*) echo '{"ServerURL":"x","Username":"alice","Secret":"secret"}' ;; *) echo "the vault is sealed"; exit 1 ;; esac
	SH
	chmod +x "$T/bin/docker-credential-test"
	echo '{"credsStore": "test"}' >"$DOCKER_CONFIG/config.json"
	CREDS=alice:secret fill "$T/small" "127.0.0.1:$BASIC/team/helped:1"
	PATH=$T/bin:$PATH gantry image pull -q "127.0.0.1:$BASIC/team/helped:1"
	run env PATH="$T/bin:$PATH" gantry image pull -q nosuch.invalid/x
	[[ $output == *"the vault is sealed"* ]]
	run gantry image pull -q "127.0.0.1:$BASIC/team/helped:1"
	[[ $output == *"docker-credential-test' is not in PATH"* ]]
	rm "$DOCKER_CONFIG/config.json"
	fresh "127.0.0.1:$BASIC/team/helped:1"
}

@test "TLS: an authority in certs.d is trusted, another one is not, and there is no way back to http" {
	fill "$T/small" "127.0.0.1:$TLS/team/small:1"
	mkdir -p "$T/good/127.0.0.1:$TLS" "$T/bad/127.0.0.1:$TLS"
	cp "$T/reg/crt" "$T/good/127.0.0.1:$TLS/ca.crt"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout /dev/null -out "$T/bad/127.0.0.1:$TLS/ca.crt" 2>/dev/null
	GANTRY_CERTS_DIR=$T/good gantry image pull -q "127.0.0.1:$TLS/team/small:1"
	run env GANTRY_CERTS_DIR="$T/bad" gantry image pull -q "127.0.0.1:$TLS/team/small:1"
	[ "$status" = 1 ]
	[[ $output == *"TLS: the certificate of '127.0.0.1' is not trusted"* ]]
	touch "$T/bad/127.0.0.1:$TLS/client.cert"
	run env GANTRY_CERTS_DIR="$T/bad" gantry image pull -q "127.0.0.1:$TLS/team/small:1"
	[[ $output == *"client.key"*"is missing"* ]]
	fresh "127.0.0.1:$TLS/team/small:1"
}

@test "a mirror plays docker.io; a dead one is passed over" {
	fill "$T/small" "127.0.0.1:$OPEN/library/hello:1"
	echo '{"registries": {"docker.io": {"mirrors": ["http://127.0.0.1:1", "http://127.0.0.1:'"$OPEN"'"]}}}' >"$GANTRY_ROOT/registries.json"
	gantry image pull -q hello:1
	run gantry image ls -q hello
	[ -n "$output" ]
	rm "$GANTRY_ROOT/registries.json"
	fresh hello:1
}

@test "messages name the cause: not found, name service, connection" {
	run gantry image pull -q "127.0.0.1:$OPEN/team/small:nosuch"
	[[ $output == *"not found at '127.0.0.1:$OPEN'"* ]]
	run gantry image pull -q nosuch.invalid/x
	[[ $output == *"'nosuch.invalid' cannot be resolved"* ]]
	run gantry image pull -q 127.0.0.1:1/x
	[[ $output == *"no connection to '127.0.0.1'"* ]]
}

@test "connections that break are gone on with, from where they broke" {
	proxy --truncate 1000000
	gantry image pull -q "127.0.0.1:$PROXY/team/large:1"
	grep -q 'bytes=1000000-' "$T/proxy.log"
	unproxy
	fresh "127.0.0.1:$PROXY/team/large:1"
	proxy --truncate 1000000 --no-range
	gantry image pull -q "127.0.0.1:$PROXY/team/large:1"
	fresh "127.0.0.1:$PROXY/team/large:1"
}

@test "busy registries are asked again, when they say" {
	proxy --busy 2 --err500 1
	run gantry image pull "127.0.0.1:$PROXY/team/large:1"
	[ "$status" = 0 ]
	[[ $output == *"too many requests: again in 1 s"* ]]
	fresh "127.0.0.1:$PROXY/team/large:1"
}

@test "tokens: for anybody, for who logs in, and new ones when they end" {
	ref=127.0.0.1:$PROXY/team/large:1
	proxy --token 2 --slow 4000000 --truncate 3000000
	gantry image pull -q "$ref"
	[ "$(grep -c '"path": "/token' "$T/proxy.log")" -gt 1 ]
	gantry image tag "$ref" "127.0.0.1:$PROXY/team/new:1"
	run gantry image push "127.0.0.1:$PROXY/team/new:1"
	[ "$status" = 1 ]
	echo "$output"
	[[ $output == *"push access denied for 127.0.0.1:$PROXY/team/new:1"*"gantry login 127.0.0.1:$PROXY"* ]]
	run gantry login -u alice --password-stdin "127.0.0.1:$PROXY" <<<wrong
	[ "$status" = 1 ]
	gantry login -u alice --password-stdin "127.0.0.1:$PROXY" <<<secret
	gantry image push "127.0.0.1:$PROXY/team/new:1"
	skopeo inspect --tls-verify=false "docker://127.0.0.1:$OPEN/team/new:1" >/dev/null
	! grep -q 'Bearer\|secret' <<<"$output"
	gantry logout "127.0.0.1:$PROXY"
	fresh "127.0.0.1:$PROXY/team/new:1"
}

@test "a redirect to another port gets no credentials" {
	proxy --redirect --require-auth
	gantry login -u alice --password-stdin "127.0.0.1:$PROXY" <<<secret
	gantry image pull -q "127.0.0.1:$PROXY/team/large:1"
	! grep '"cdn": true' "$T/proxy.log" | grep -q Authorization
	grep -q '"cdn": true' "$T/proxy.log"
	gantry logout "127.0.0.1:$PROXY"
	fresh "127.0.0.1:$PROXY/team/large:1"
}

@test "wrong bytes are never used" {
	proxy --corrupt
	run gantry image pull -q "127.0.0.1:$PROXY/team/large:1"
	[ "$status" = 1 ]
	[[ $output == *"digest mismatch: got sha256:"*", want sha256:"* ]]
	unproxy
	proxy --badmanifest
	run gantry image pull -q "127.0.0.1:$PROXY/team/large:1"
	[ "$status" = 1 ]
	[[ $output == *"digest mismatch"* ]]
	run gantry image inspect "127.0.0.1:$PROXY/team/large:1"
	[ "$status" != 0 ]
}

@test "a pull that is killed is gone on with; ten pulls at once download each layer once" {
	proxy --slow 4000000
	gantry image pull -q "127.0.0.1:$PROXY/team/large:1" 3>&- &
	victim=$!
	soon sh -c "find '$GANTRY_ROOT/images/blobs' -name '*.part' -size +500k | grep -q ."
	kill -9 $victim
	wait $victim || true
	soon sh -c "[ -z \"\$(ls '$GANTRY_ROOT/images/tmp')\" ]"
	gantry image pull -q "127.0.0.1:$PROXY/team/large:1"
	grep -q '"Range": "bytes=[0-9]' "$T/proxy.log"
	fresh "127.0.0.1:$PROXY/team/large:1"
	rm -f "$T/proxy.log"
	pids=
	for i in 1 2 3 4 5 6 7 8 9 10; do
		gantry image pull -q "127.0.0.1:$PROXY/team/large:1" 3>&- &
		pids="$pids $!"
	done
	for p in $pids; do wait "$p"; done
	for l in $(skopeo inspect --tls-verify=false "docker://127.0.0.1:$OPEN/team/large:1" | grep -o 'sha256:[0-9a-f]*' | sort -u | cut -c8-); do
		[ "$(gets "$l")" -le 1 ]
	done
	[ -z "$(ls "$GANTRY_ROOT/images/tmp")" ]
	fresh "127.0.0.1:$PROXY/team/large:1"
}

@test "the downloader is nobody, without capabilities" {
	proxy --slow 500000
	gantry image pull -q "127.0.0.1:$PROXY/team/large:1" 3>&- &
	p=$!
	soon sh -c "find '$GANTRY_ROOT/images/blobs' -name '*.part' -size +100k | grep -q ."
	found=
	for s in $(grep -l '^Name:.gantry-image' /proc/[0-9]*/status); do
		[ "$(awk '/^Uid:/ { print $2 }' "$s" 2>/dev/null)" = 65534 ] && grep -q '^CapEff:.0*$' "$s" && grep -q '^Seccomp:.2' "$s" && found=1
	done
	kill $p
	wait $p || true
	[ -n "$found" ]
}

@test "a pull that is killed goes on also where ranges are not understood" {
	proxy --slow 4000000 --no-range
	gantry image pull -q "127.0.0.1:$PROXY/team/large:1" 3>&- &
	victim=$!
	soon sh -c "find '$GANTRY_ROOT/images/blobs' -name '*.part' -size +500k | grep -q ."
	kill -9 $victim
	wait $victim || true
	soon sh -c "[ -z \"\$(ls '$GANTRY_ROOT/images/tmp')\" ]"
	gantry image pull -q "127.0.0.1:$PROXY/team/large:1"
	fresh "127.0.0.1:$PROXY/team/large:1"
}

@test "a part on the disk that is not what the registry has is thrown away" {
	proxy
	layer=$(skopeo inspect --tls-verify=false "docker://127.0.0.1:$OPEN/team/large:1" | grep -o 'sha256:[0-9a-f]*' | sort -u | tail -1)
	head -c 300000 /dev/urandom >"$GANTRY_ROOT/images/blobs/${layer/:/-}.part"
	gantry image pull -q "127.0.0.1:$PROXY/team/large:1"
	[ "$(gets "${layer#sha256:}")" = 2 ] || [ "$(gets "${layer#sha256:}")" = 0 ]
	fresh "127.0.0.1:$PROXY/team/large:1"
}

@test "pull: --ignore-buildable, a wrong --policy; pull_policy of hours, weekly, build" {
	project policies2 <<-YAML
		services:
		  web: {image: "127.0.0.1:$OPEN/team/small:1", pull_policy: every_12h}
		  own: {image: "127.0.0.1:$OPEN/team/nosuch:1", build: {dockerfile_inline: "FROM tiny:1"}}
	YAML
	fresh "127.0.0.1:$OPEN/team/small:1"
	run gantry pull
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"gantry build own"* ]]
	gantry pull --ignore-buildable
	run gantry pull --policy sometimes
	[ "$status" != 0 ]
	echo "$output"
	[[ $output == *sometimes*missing*always* ]]
	run gantry plan
	[[ $output != *"pull"*"team/small"* ]]
	sqlite3 "$GANTRY_ROOT/state.db" "update image_remote set checked_ns = checked_ns - 13 * 3600 * 1000000000"
	run gantry plan
	[[ $output == *"team/small"* ]]
	sed -i 's/every_12h/weekly/' compose.yaml
	run gantry plan web
	[[ $output != *"pull"*"team/small"* ]]
	sed -i 's/weekly/every_x/' compose.yaml
	run gantry plan
	[ "$status" != 0 ]
	[[ $output == *"every_x"* ]]
	fresh "127.0.0.1:$OPEN/team/small:1"
}

@test "offline: what is here runs without a call, and a policy that needs one says which" {
	gantry image tag tiny:1 127.0.0.1:1/off:1
	for policy in missing if_not_present never; do
		project offline <<<"{services: {web: {image: '127.0.0.1:1/off:1', pull_policy: $policy}}}"
		gantry up -d
		is running state web
		gantry down -t 0
	done
	project offline <<<"{services: {web: {image: '127.0.0.1:1/off:1', pull_policy: always}}}"
	run gantry up -d
	[ "$status" = 1 ]
	[[ $output == *"service 'web': 127.0.0.1:1/off:1: no connection to '127.0.0.1'"* ]]
	gantry image rm 127.0.0.1:1/off:1
}

@test "Ctrl-C ends a pull at once, and nothing runs on" {
	proxy --slow 300000
	# bash lets what it starts in the background ignore SIGINT
	python3 -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])' \
		gantry image pull -q "127.0.0.1:$PROXY/team/large:1" 3>&- &
	victim=$!
	soon sh -c "find '$GANTRY_ROOT/images/blobs' -name '*.part' -size +50k | grep -q ."
	kill -INT $victim
	SOON=3 soon gone $victim
	wait $victim || true
	SOON=3 soon sh -c "! grep -alsF 'GANTRY_ROOT=$GANTRY_ROOT' /proc/[0-9]*/environ | sed 's/environ$/comm/' | xargs -r cat | grep gantry-image"
	soon sh -c "[ -z \"\$(ls '$GANTRY_ROOT/images/tmp')\" ]"
	fresh "127.0.0.1:$PROXY/team/large:1"
}
