#!/usr/bin/env bats
#
# What others do to our network while containers run: the firewall flushed, a bridge deleted.

bats_require_minimum_version 1.5.0
load lib

table() { nft list table inet "gantry-$(cat "$GANTRY_ROOT/id")" >/dev/null 2>&1; }
flush() { nft delete table inet "gantry-$(cat "$GANTRY_ROOT/id")"; }
port() { gantry -p "$1" port web 80 | sed -n '1s/.*://p'; }

web() { # NAME
	project "$1" <<-EOF
		services:
		  web: {image: "tiny:1", init: true, command: [httpd, -f, -p, "80", -h, /srv], ports: ["80"], stop_grace_period: 1s}
	EOF
	gantry up -d 2>/dev/null
}

@test "a flushed table is written again, by one monitor, and by another when that one is killed" {
	web one
	web two
	flush
	SOON=3 soon table
	nft list table inet "gantry-$(cat "$GANTRY_ROOT/id")" | grep -q "tcp . $(port one)"
	nft list table inet "gantry-$(cat "$GANTRY_ROOT/id")" | grep -q "tcp . $(port two)"
	kill -9 "$(monitor_pid one)"
	soon monitor_pid one
	flush
	SOON=3 soon table
	kill -9 "$(monitor_pid two)"
	soon monitor_pid two
	flush
	SOON=3 soon table
	gantry -p one down 2>/dev/null
	gantry -p two down 2>/dev/null
	run -1 table
}

@test "up makes a deleted bridge again, under the containers that run on it" {
	web one
	local bridge id
	id=$(cat "$GANTRY_ROOT/id")
	bridge=$(ip -o link | sed -nE "s/^[0-9]+: (gb${id:0:5}-[^:@]+).*/\1/p")
	ip link del "$bridge"
	gantry up -d 2>/dev/null
	ip link show "$bridge"
	[ "$(ip -o link show master "$bridge" | wc -l)" = 1 ]
	gantry -p one down 2>/dev/null
}
