#!/usr/bin/env bats
# Pushes: several layers at once, lost connections, what a registry has already, cross-repository mounts; others read what was pushed.
load lib
load registries

large() { gantry image inspect "127.0.0.1:$OPEN/team/large:1" >/dev/null 2>&1 || gantry image pull -q "127.0.0.1:$OPEN/team/large:1"; }
# to NAME: the large image under the proxy's name of a repository of its own
to() {
	TO=127.0.0.1:$PROXY/$1
	large
	gantry image tag "127.0.0.1:$OPEN/team/large:1" "$TO"
}
most() { python3 -c 'import json, sys; print(max(json.loads(l)["at_once"] for l in open(sys.argv[1])))' "$T/proxy.log"; }

@test "layers are uploaded at once, as many as --parallel allows" {
	proxy --slow 8000000
	to many/a:1
	gantry image push -q "$TO"
	[ "$(most)" -ge 3 ]
	skopeo copy -q --src-tls-verify=false "docker://127.0.0.1:$OPEN/many/a:1" "oci:$T/many"
	rm "$T/proxy.log"
	to many/b:1
	# other layers than many/a's, which would be mounted
	rm -rf "$T/reg/data-open/docker/registry/v2/repositories/many/a" "$T/reg/data-open/docker/registry/v2/repositories/team/large/_layers"
	gantry --parallel 1 image push -q "$TO"
	[ "$(most)" -le 1 ]
	rm -rf "$T/reg/data-open/docker/registry/v2/repositories/many"
	fill "$T/large" "127.0.0.1:$OPEN/team/large:1"
	fresh "127.0.0.1:$PROXY/many/a:1" "127.0.0.1:$PROXY/many/b:1"
}

@test "a connection that breaks in an upload: a new session, and the registry has the right bytes" {
	proxy --cut-upload 2
	to cut/a:1
	gantry image push -q "$TO"
	[ "$(grep -c '"status": 0' "$T/proxy.log")" = 2 ]
	skopeo copy -q --src-tls-verify=false "docker://127.0.0.1:$OPEN/cut/a:1" "oci:$T/cut"
	fresh "$TO"
}

@test "a proxy that wants no large bodies: in pieces, and a session that is lost begins again" {
	proxy --put413 --cut-upload 1
	to pieces/a:1
	gantry image push -q "$TO"
	[ "$(grep -c '"PATCH".*"status": 202' "$T/proxy.log")" -ge 4 ]
	grep -q '"GET", "path": "/v2/pieces/a/blobs/uploads/' "$T/proxy.log"
	skopeo copy -q --src-tls-verify=false "docker://127.0.0.1:$OPEN/pieces/a:1" "oci:$T/pieces"
	fresh "$TO"
}

@test "one layer that the registry refuses ends the push, and nothing stands under the name" {
	large
	fresh "127.0.0.1:$BASIC/refused/a:1"
	gantry image tag "127.0.0.1:$OPEN/team/large:1" "127.0.0.1:$BASIC/refused/a:1"
	gantry login -u alice --password-stdin "127.0.0.1:$BASIC" <<<secret
	mkdir -p "$T/reg/data-basic/docker/registry/v2"
	chattr +i "$T/reg/data-basic/docker/registry/v2" 2>/dev/null || skip "needs chattr"
	run gantry image push -q "127.0.0.1:$BASIC/refused/a:1"
	chattr -i "$T/reg/data-basic/docker/registry/v2"
	[ "$status" = 1 ]
	[[ $output == *"layer sha256:"*"'127.0.0.1:$BASIC' answers with status 500"* ]]
	run skopeo inspect --tls-verify=false --creds alice:secret "docker://127.0.0.1:$BASIC/refused/a:1"
	[ "$status" != 0 ]
	gantry logout "127.0.0.1:$BASIC"
}

@test "push: what has a build and an image; named services, --include-deps, --ignore-push-failures, -q" {
	project many <<-YAML
		services:
		  web: {image: "127.0.0.1:$OPEN/opt/web:1", build: {dockerfile_inline: "FROM tiny:1\nLABEL x=web"}, depends_on: [db]}
		  db: {image: "127.0.0.1:$OPEN/opt/db:1", build: {dockerfile_inline: "FROM tiny:1\nLABEL x=db"}}
		  bad: {image: "127.0.0.1:1/opt/bad:1", build: {dockerfile_inline: "FROM tiny:1\nLABEL x=bad"}}
		  other: {image: "tiny:1"}
	YAML
	gantry build -q
	there() { skopeo inspect --tls-verify=false "docker://127.0.0.1:$OPEN/opt/$1:1" >/dev/null 2>&1; }
	gantry push -q web
	there web
	! there db
	gantry push -q --include-deps web
	there db
	run gantry push other
	[ "$status" = 0 ]
	[[ $output == *"service 'other': not pushed: it has no 'build'"* ]]
	run gantry push
	[ "$status" = 1 ]
	[[ $output == *"127.0.0.1:1/opt/bad:1"*"no connection"* ]]
	run gantry push --ignore-push-failures
	[ "$status" = 0 ]
	[[ $output == *"127.0.0.1:1/opt/bad:1"* ]]
	run gantry push -q web
	[ "$output" = "127.0.0.1:$OPEN/opt/web:1: digest: $(skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$OPEN/opt/web:1" | sha256sum | sed 's/^/sha256:/; s/ .*//')" ]
}
