#!/usr/bin/env bats
# Which hosts are asked for an image: our registries.json, containerd's hosts.toml, containers' registries.conf; proxies.
load lib
load registries

hosts_toml() { mkdir -p "$GANTRY_CERTS_DIR/$1"; cat >"$GANTRY_CERTS_DIR/$1/hosts.toml"; }
nothing() { rm -rf "$GANTRY_CERTS_DIR" "$GANTRY_ROOT/registries.json" "$CONTAINERS_REGISTRIES_CONF"; }

eval "three_$(declare -f setup_file)"
setup_file() {
	three_setup_file
	export GANTRY_CERTS_DIR=$T/certs.d CONTAINERS_REGISTRIES_CONF=$T/registries.conf
	fill "$T/small" "127.0.0.1:$OPEN/library/hello:1"
}

@test "hosts.toml: mirrors in the order of the file, a dead one is passed over; one that may not resolve is not asked by tag" {
	hosts_toml docker.io <<-TOML
		server = "https://registry-1.docker.io"
		[host."http://127.0.0.1:1"]
		  capabilities = ["pull", "resolve"]
		[host."http://127.0.0.1:$OPEN/v2"]
	TOML
	gantry image pull -q hello:1
	run gantry info --registries hello:1
	[[ ${lines[1]} == "http://127.0.0.1:1 "*mirror*"$GANTRY_CERTS_DIR/docker.io/hosts.toml" ]]
	[[ ${lines[3]} == "https://registry-1.docker.io "*verified* ]]
	fresh hello:1
	hosts_toml a.invalid <<-TOML
		server = "http://127.0.0.1:$OPEN"
		[host."http://127.0.0.1:$PROXY"]
		  capabilities = ["pull"]
		  [host."http://127.0.0.1:$PROXY".header]
		    X-Team = "blue"
	TOML
	proxy
	gantry image pull -q a.invalid/team/small:1
	grep -q '/blobs/.*?ns=a.invalid' "$T/proxy.log"
	! grep -q '/manifests/1' "$T/proxy.log"
	nothing
	fresh a.invalid/team/small:1
}

@test "hosts.toml: own authorities, skip_verify; mistakes name the file" {
	fill "$T/small" "127.0.0.1:$TLS/team/small:1"
	hosts_toml b.invalid <<-TOML
		server = "https://127.0.0.1:$TLS"
		ca = "$T/reg/crt"
	TOML
	gantry image pull -q b.invalid/team/small:1
	run gantry info --registries b.invalid/x
	[[ $output == *"own authority"* ]]
	fresh b.invalid/team/small:1
	hosts_toml _default <<<"server = 1 2"
	run gantry image pull -q c.invalid/x
	[ "$status" = 1 ]
	[[ $output == *"_default/hosts.toml:1: more on the line than belongs there"* ]]
	nothing
}

@test "registries.conf: another place, mirrors for digests only, blocked ones; registries.json comes before it" {
	cat >"$CONTAINERS_REGISTRIES_CONF" <<-TOML
		unqualified-search-registries = ["quay.invalid"]
		[[registry]]
		prefix = "d.invalid/apps"
		location = "127.0.0.1:$OPEN/team"
		[[registry.mirror]]
		location = "127.0.0.1:$PROXY/team"
		pull-from-mirror = "digest-only"
		[[registry]]
		location = "evil.invalid"
		blocked = true
	TOML
	proxy
	gantry image pull -q d.invalid/apps/small:1
	grep -q '/team/small/blobs/' "$T/proxy.log"
	! grep -q '/manifests/1' "$T/proxy.log"
	run gantry image pull -q evil.invalid/x
	[ "$status" = 1 ]
	[[ $output == *"'evil.invalid' is blocked by '$CONTAINERS_REGISTRIES_CONF'"* ]]
	echo '{"registries": {"d.invalid": {"mirrors": ["http://127.0.0.1:1"]}}}' >"$GANTRY_ROOT/registries.json"
	run gantry info --format json --registries d.invalid/apps/small
	[[ $output == *'"URL":"http://127.0.0.1:1"'*"$GANTRY_ROOT/registries.json"* ]]
	[[ $output != *"$OPEN"* ]]
	nothing
	fresh d.invalid/apps/small:1
}

@test "a registry that sends to another one: nobody's token is fetched there, ours stay here" {
	gantry login -u alice --password-stdin "127.0.0.1:$BASIC" <<<secret
	sed -i "s/127.0.0.1:$BASIC/127.0.0.1:$PROXY/" "$DOCKER_CONFIG/config.json"
	proxy --near 60
	gantry image pull -q "127.0.0.1:$PROXY/team/large:1"
	[ "$(grep -c '"path": "/token' "$T/proxy.log")" = 1 ]
	! grep '"path": "/token' "$T/proxy.log" | grep -q Authorization
	grep '"cdn": true' "$T/proxy.log" | grep -q '/blobs/.*Bearer'
	rm "$DOCKER_CONFIG/config.json"
	fresh "127.0.0.1:$PROXY/team/large:1"
}

@test "proxies: HTTP_PROXY is used, NO_PROXY with its ports is not; a refusal names the proxy" {
	hosts_toml e.invalid <<<'server = "http://reg.invalid:8080"'
	proxy
	NO_PROXY=reg.invalid:80,10.0.0.0/8 HTTP_PROXY=127.0.0.1:$PROXY gantry image pull -q e.invalid/team/small:1
	grep -q '"host": "reg.invalid:8080"' "$T/proxy.log"
	fresh e.invalid/team/small:1
	run env NO_PROXY=.other,reg.invalid:8080 HTTP_PROXY="127.0.0.1:$PROXY" "$(command -v gantry)" image pull -q e.invalid/team/small:1
	[[ $output == *"'reg.invalid' cannot be resolved"* ]]
	run env NO_PROXY= HTTP_PROXY=127.0.0.1:1 "$(command -v gantry)" image pull -q e.invalid/team/small:1
	[ "$status" = 1 ]
	[[ $output == *"no connection"*"HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY"* ]]
	run env NO_PROXY= HTTPS_PROXY="127.0.0.1:$PROXY" "$(command -v gantry)" image pull -q f.invalid/team/small:1
	[[ $output == *"the proxy refused the connection to 'f.invalid' (status 501)"* ]]
	nothing
}

@test "limits: what is left is told when it is little, and who is limited until when; Warning headers are shown, harmless" {
	proxy --hub 5 --warn
	run gantry image pull "127.0.0.1:$PROXY/team/large:1"
	[ "$status" = 0 ]
	[[ $output == *"warning: 127.0.0.1:$PROXY/team/large:1: 127.0.0.1:$PROXY: "?" of 100 in 6h0m0s pulls are left for 192.0.2.1"* ]]
	[[ $output == *"this tag ends in"*"2027"* ]]
	[[ $output != *$'\e'* ]]
	fresh "127.0.0.1:$PROXY/team/large:1"
	unproxy
	proxy --hub -1
	run gantry image pull -q "127.0.0.1:$PROXY/team/large:1"
	[ "$status" = 1 ]
	[[ $output == *"limits requests (100 in 6h0m0s for 192.0.2.1), until 20"*"TOOMANYREQUESTS: You have reached your pull rate limit."*"gantry login"* ]]
}

@test "config --lock-image-digests, --resolve-image-digests: as the registry has it, else as it was pulled, else built here, else an error" {
	digest() { skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$OPEN/team/$1:1" | sha256sum | sed 's/^/sha256:/; s/ .*//'; }
	project locked <<-YAML
		services:
		  web: {image: "127.0.0.1:$OPEN/team/small:1"}
		  again: {image: "127.0.0.1:$OPEN/team/small:1@$(digest large)"}
		  older: {image: "127.0.0.1:$PROXY/team/large:1"}
		  built: {image: "127.0.0.1:$OPEN/team/unknown:1", build: .}
		  anonymous: {build: .}
	YAML
	proxy
	gantry image pull -q "127.0.0.1:$PROXY/team/large:1"
	unproxy
	gantry config --lock-image-digests >lock.yaml 2>said
	grep -q "service 'built': '127.0.0.1:$OPEN/team/unknown:1' keeps its tag" said
	grep -q "service 'older': its registry does not say what .* is now; the digest is that of the image here" said
	[ "$(cat lock.yaml)" = "services:
  again:
    image: 127.0.0.1:$OPEN/team/small@$(digest large)
  built:
    image: 127.0.0.1:$OPEN/team/unknown:1
  older:
    image: 127.0.0.1:$PROXY/team/large:1@$(digest large)
  web:
    image: 127.0.0.1:$OPEN/team/small:1@$(digest small)" ]
	run gantry -f compose.yaml -f lock.yaml config --images
	[[ $output == *"127.0.0.1:$OPEN/team/small:1@$(digest small)"* ]]
	gantry -f compose.yaml -f lock.yaml up -d web
	gantry down -t 0
	[[ $(gantry config --resolve-image-digests --format json 2>/dev/null) == *'"image": "127.0.0.1:'"$OPEN/team/small:1@$(digest small)"'"'* ]]
	echo "services: {web: {image: '127.0.0.1:$OPEN/team/nosuch:1'}}" >compose.yaml
	run gantry config --lock-image-digests
	[ "$status" = 1 ]
	[[ $output == *"service 'web': 127.0.0.1:$OPEN/team/nosuch:1 not found at"* ]]
	fresh "127.0.0.1:$PROXY/team/large:1"
}

@test "images without a fixed version are named once by plan and config --strict, and by nothing else" {
	gantry image tag tiny:1 floating:latest
	project floating <<<"{services: {a: {image: floating}, b: {image: 'floating:latest'}, c: {image: 'tiny:1'}, d: {image: 'x', build: .}}}"
	run gantry plan a b c
	[ "$status" = 0 ]
	[[ $output == *"warning: no fixed version: floating, floating:latest. What"*"--lock-image-digests"* ]]
	sed -i "s/, d: .*/}}/" compose.yaml # what is built there is not strictly done in full
	run gantry config --strict
	[ "$status" = 0 ]
	[[ $output == *"no fixed version: floating, floating:latest."* ]]
	run gantry config
	[[ $output != *"no fixed version"* ]]
	gantry image rm floating:latest
}
