#!/usr/bin/env bats
# Which hosts are asked for an image: our registries.json, containerd's hosts.toml, containers' registries.conf; proxies.
load lib
load registries

# asked: the log of an open registry, which writes every request down, is on $ASKED
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
