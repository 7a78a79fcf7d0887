#!/usr/bin/env bats
#
# Networks without the engine: tests/helper/nettest does what the CLI, the monitor and K do, tests/helper/nettool is server and client.
# Each test has its own root.

bats_require_minimum_version 1.5.0

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	TOP=${GANTRY_BUILD:-$(dirname "$(command -v gantry)")}
	export TOP N=$TOP/tests/helper/nettest T=$TOP/tests/helper/nettool GANTRY_LIBEXEC=$TOP
	local a
	for a in nettest nettool; do
		[ -x "$TOP/tests/helper/$a" ] || make -s -C "$TOP" "tests/helper/$a" >/dev/null 2>&1
		[ -x "$TOP/tests/helper/$a" ] || skip "needs tests/helper/$a (make check builds it)"
	done
	for a in a b c d e f; do export "ID_$a=$(printf "$a%.0s" {1..64})"; done
}

setup() {
	D=$(mktemp -d "${TMPDIR:-/tmp}/gantry-net.XXXXXX")
	export GANTRY_ROOT=$D/root GANTRY_RUN=$D/run
	PIDS=()
	$N gc
	ROOT=$(cat "$D/root/id") TABLE=gantry-$ROOT
	nft -j list ruleset | grep -o '"table": {"family[^}]*}' | sort >"$D/tables.before"
}

teardown() {
	local p
	for p in "${PIDS[@]}"; do pkill -P "$p" 2>/dev/null || true; done
	wait
	ip netns del "lan$ROOT" 2>/dev/null || true
	ip link del "lan${ROOT:0:6}" 2>/dev/null || true
	$N release "$ID_a" "$ID_b" "$ID_c" "$ID_d" "$ID_e" "$ID_f" >/dev/null
	$N rm n1 n2 n3 n4
	# nothing is left, and what others have is as it was
	run -1 nft list table inet "$TABLE"
	! ip -o link | grep -E " g[bv]${ROOT:0:5}-"
	! pgrep -f "$D"
	rm -rf "$D"
}

# start ID CMD…: in the background, until it says ready
start() {
	local id=$1 out=$D/out.${1:0:1} end=$((SECONDS + 5))
	shift
	$N run "$id" "$@" >"$out" 2>&1 3>&- &
	PIDS+=($!)
	until grep -q ready "$out"; do
		[ $SECONDS -lt $end ] || { cat "$out"; return 1; }
		sleep 0.02
	done
}
stop() { pkill -P "${PIDS[$1]}"; wait "${PIDS[$1]}" || true; }
host_ip() { ip -4 -o addr show scope global | awk -v o="$ROOT" '$2 !~ /^g[bv]/ && $2 !~ /^lan/ { sub("/.*", "", $4); print $4; exit }'; }
gateway() { ip -4 -o addr show "gb${ROOT:0:5}-$1" | awk '{ sub("/.*", "", $4); print $4 }'; }
addr_of() { $N lease "$@" | awk '/^eth0/ { print $2 }'; }
says() { # WANT CMD…
	local want=$1
	shift
	run --separate-stderr "$@"
	[[ $status = 0 && $output == "$want"* ]] || { echo "got $status '$output' '$stderr', want '$want'"; return 1; }
}

@test "a network: row, isolation, bridge; the whole table reads as it was meant" {
	$N network n1
	$N network n2 internal ipv6
	$N lease "$ID_a" web n1 18080:80 127.0.0.1:18081:80/udp
	start "$ID_a" "$T" serve 80 web
	$N text >"$D/want"
	nft -c -f "$D/want"
	nft list table inet "$TABLE" | sed 's/priority [a-z]*[ -]*[0-9]*;/P/; s/priority [a-z]*;/P/' | tr -s ' \n\t' ' ' >"$D/kernel"
	sed 's/priority [a-z]*[ -]*[0-9]*;/P/' "$D/want" | tr -s ' \n\t' ' ' | sed 's/; ;/;/g' >"$D/text"
	# nft writes the family's match that a rule implies only sometimes
	sed -i 's/meta nfproto ipv[46] dnat/dnat/g; s/; policy/ policy/g' "$D/kernel"
	sed -i 's/; policy/ policy/g' "$D/text"
	diff <(tr ' ' '\n' <"$D/text" | grep -v '^$') <(tr ' ' '\n' <"$D/kernel" | grep -v '^$')
}

@test "increments end equal to a whole render" {
	$N network n1
	$N network n2
	$N lease "$ID_a" web n1 18080:80 18082-18090:90/udp
	$N lease "$ID_b" db n2 127.0.0.1:18081:80
	start "$ID_a" "$T" serve 80 web
	start "$ID_b" "$T" serve 80 db
	stop 0
	$N network n3
	$N rm n3
	start "$ID_a" "$T" serve 80 web
	nft list table inet "$TABLE" | sort >"$D/increments"
	$N gc
	nft list table inet "$TABLE" | sort >"$D/whole"
	diff "$D/increments" "$D/whole"
}

@test "published ports: loopback of both families, host address, another network, hairpin, UDP, nothing else" {
	$N network n1
	$N network n2
	local ip a host
	ip=$(addr_of "$ID_a" web n1 18080:80 127.0.0.1:18081:80 18082:80/udp)
	$N lease "$ID_b" db n2
	host=$(host_ip)
	start "$ID_a" "$T" serve 80 web
	says "web from" "$T" get 127.0.0.1 18080
	says "web from" "$T" get ::1 18080
	says "web from" "$T" get 127.0.0.1 18081
	says "web from" "$T" udp 127.0.0.1 18082
	says "web from" "$T" udp ::1 18082
	says "1000000 bytes back" "$T" get ::1 18080 1000000
	says "1000000 bytes back" "$T" get 127.0.0.1 18080 1000000
	if [ -n "$host" ]; then
		says "web from" "$T" get "$host" 18080
		says "web from" "$N" run "$ID_b" "$T" get "$host" 18080
		run -1 "$T" get "$host" 18081
	fi
	$N lease "$ID_c" other n1
	for a in $(ip -o -4 addr | awk -v p="gb${ROOT:0:5}-" 'index($2, p) { sub("/.*", "", $4); print $4 }'); do
		says "web from" "$N" run "$ID_b" "$T" get "$a" 18080
		says "web from" "$N" run "$ID_c" "$T" get "$a" 18080
		run -1 "$N" run "$ID_b" "$T" get "$a" 18081
	done
	# the container's own address, from another network: nothing, whether published or not
	run -2 "$N" run "$ID_b" "$T" get "$ip" 80
	says "web from" "$N" run "$ID_c" "$T" get "$ip" 80
}

@test "a neighbour of the host reaches published ports, no container, and no port of 127.0.0.1" {
	$N network n1
	local ip
	ip=$(addr_of "$ID_a" web n1 18080:80 127.0.0.1:18081:80)
	ip netns add "lan$ROOT"
	ip link add "lan${ROOT:0:6}" type veth peer name eth0 netns "lan$ROOT"
	ip addr add 198.51.100.1/24 dev "lan${ROOT:0:6}"
	ip link set "lan${ROOT:0:6}" up
	ip -n "lan$ROOT" addr add 198.51.100.2/24 dev eth0
	ip -n "lan$ROOT" link set eth0 up
	ip -n "lan$ROOT" route add default via 198.51.100.1
	start "$ID_a" "$T" serve 80 web
	says "web from 198.51.100.2" ip netns exec "lan$ROOT" "$T" get 198.51.100.1 18080
	run -2 ip netns exec "lan$ROOT" "$T" get "$ip" 80
	run -1 ip netns exec "lan$ROOT" "$T" get 198.51.100.1 18081
	# forged: to 127.0.0.1 by way of the host
	ip netns exec "lan$ROOT" sysctl -q -w net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.eth0.route_localnet=1
	ip -n "lan$ROOT" route add 127.0.0.1 via 198.51.100.1 dev eth0 table 100
	ip -n "lan$ROOT" rule add to 127.0.0.1 lookup 100 pref 1
	ip -n "lan$ROOT" rule del pref 0 && ip -n "lan$ROOT" rule add lookup local pref 2
	run ! ip netns exec "lan$ROOT" "$T" get 127.0.0.1 18081
	# and the container's way out is the host's address
	ip netns exec "lan$ROOT" "$T" serve 7000 lan >/dev/null 3>&- &
	local p=$!
	sleep 0.1
	$N lease "$ID_b" out n1
	says "lan from 198.51.100.1" "$N" run "$ID_b" "$T" get 198.51.100.2 7000
	kill $p
}

@test "internal: no way in or out" {
	$N network n1 internal
	$N network n2
	$N lease "$ID_a" in n1
	$N lease "$ID_b" web n2 18080:80
	start "$ID_b" "$T" serve 80 web
	run -0 "$N" run "$ID_a" ip route
	[[ $output != *default* ]]
	run ! "$N" run "$ID_a" "$T" get "$(gateway "$(ip -o link | sed -nE "s/.*gb${ROOT:0:5}-([0-9a-z]+):.*/\1/p" | head -n 1)")" 18080
}

@test "IPv6: addresses, published ports by NAT and by relay" {
	$N network n1 ipv6
	$N lease "$ID_a" web n1 18080:80
	$N lease "$ID_b" peer n1
	start "$ID_a" "$T" serve 80 web
	says "web from" "$T" get ::1 18080
	says "web from" "$T" get 127.0.0.1 18080
	local a6
	a6=$(ip -6 -o addr show | awk -v p="gb${ROOT:0:5}-" 'index($2, p) && $4 ~ /^fd/ { sub("/.*", "", $4); print $4 }')
	says "web from fd" "$T" get "$a6" 18080
	says "web from fd" "$N" run "$ID_b" "$T" get "${a6%1}2" 80
	# an IPv4 network has none at all
	$N network n2
	$N lease "$ID_c" four n2
	run -0 "$N" run "$ID_c" cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6
	[ "$output" = 1 ]
}

@test "in a sandbox: unprivileged ports, ping, loopback, no router advertisements" {
	$N network n1
	$N lease "$ID_a" web n1
	run -0 "$N" run "$ID_a" sh -c 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range; cat /proc/sys/net/ipv6/conf/eth0/accept_ra; ip -br addr show lo'
	[ "${lines[0]}" = 0 ]
	[[ ${lines[1]} =~ ^0[[:space:]]+2147483647$ ]]
	[ "${lines[2]}" = 0 ]
	[[ ${lines[3]} == lo*127.0.0.1/8* ]]
	$N lease "$ID_b" none none
	run -0 "$N" run "$ID_b" ip -br link
	[ "${#lines[@]}" = 1 ]
}

@test "names: services, replicas, aliases, projects, networks, reverse, case; what is not ours goes on" {
	$N network n1
	$N network n2
	local ip
	ip=$(addr_of "$ID_a" web n1)
	$N lease "$ID_b" db n1,n2
	$N lease "$ID_c" cli n1
	start "$ID_a" "$T" serve 80 web
	start "$ID_b" "$T" serve 80 db
	local ask="$N run $ID_c $T dns 127.0.0.11"
	for name in web WEB web. web.n1 web.proj proj-web-1 aaaaaaaaaaaa proj-web-1.n1; do
		run -0 $ask "$name" a
		[ "$output" = "NOERROR"$'\n'"$ip" ] || { echo "$name: $output"; return 1; }
	done
	run -0 $ask web a tcp
	[ "${lines[1]}" = "$ip" ]
	run -0 $ask web aaaa # known, no such address: empty, never asked for elsewhere
	[ "$output" = NOERROR ]
	run -0 $ask web mx
	[ "$output" = NOERROR ]
	run -0 $ask db a # on two networks: the first that knows it, and only that
	[ "${#lines[@]}" = 2 ]
	run -0 $ask "$(echo "$ip" | awk -F. '{ print $4 "." $3 "." $2 "." $1 }').in-addr.arpa" ptr
	[ "${lines[1]}" = proj-web-1.n1. ]
	stop 0
	run $ask web a # not running: not ours any more
	[[ $output != *"$ip"* ]]
}

@test "a container may bind 0.0.0.0:53 itself" {
	$N network n1
	$N lease "$ID_a" web n1
	run -0 "$N" run "$ID_a" sh -c "$T serve 53 own 0.0.0.0 & p=\$!; sleep 0.2; $T dns 127.0.0.11 web a; $T udp 127.0.0.1 53; $T get 127.0.0.1 53; kill \$p"
	[[ $output == *NOERROR* && $output == *"own from 127.0.0.1"* ]]
}

@test "forwarding: the next resolver after silence, SERVFAIL and refusal; none from an internal network" {
	$N network n1
	$N network n2 internal
	$N lease "$ID_a" ns n1
	local ns
	ns=$($N lease "$ID_a" ns n1 | awk '/^eth0/ { print $2 }')
	$N lease "$ID_b" cli n1
	$N lease "$ID_c" in n2
	start "$ID_a" "$T" answer "$ns" 53 203.0.113.9
	# 1: nobody there (refused), 2: silent, 3: answers
	run -0 env WAIT_MS=6000 SPEC="{\"dns\":[\"127.0.0.1\",\"${ns%.*}.99\",\"$ns\"]}" "$N" run "$ID_b" "$T" dns 127.0.0.11 example.org a
	[ "$output" = "NOERROR"$'\n'203.0.113.9 ]
	run -0 env SPEC="{\"dns\":[\"127.0.0.1\",\"$ns\"]}" "$N" run "$ID_b" "$T" dns 127.0.0.11 example.org a tcp
	[ "$output" = "NOERROR"$'\n'203.0.113.9 ]
	run -2 "$N" run "$ID_c" "$T" dns 127.0.0.11 example.org a
	[ "$output" = SERVFAIL ]
}

@test "gantry-dns keeps nothing, and garbage does not end it" {
	$N network n1
	$N lease "$ID_a" web n1
	cat >"$D/try" <<-EOF
		$T dns 127.0.0.11 web a
		$T garbage 127.0.0.11 53 3000
		$T dns 127.0.0.11 web a
		for p in /proc/[0-9]*; do
			case \$(tr '\\0' ' ' <\$p/cmdline 2>/dev/null) in
			"gantry-dns "*) grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' \$p/status ;;
			esac
		done
		exit 0
	EOF
	run -0 "$N" run "$ID_a" sh "$D/try"
	[ "$(grep -c NOERROR <<<"$output")" = 2 ]
	[[ $output == *"Uid:"*65534*65534* && $output == *"CapEff:"*0000000000000000* && $output == *"Seccomp:"*2* ]]
}

@test "a port that somebody has: which process; the sandbox leaves nothing" {
	$N network n1
	$N lease "$ID_a" web n1 18080:80
	"$T" serve 18080 mine 127.0.0.1 >/dev/null 3>&- &
	local p=$!
	sleep 0.1
	run -125 "$N" run "$ID_a" true
	[[ $output == *"18080"*"in use by"*"nettool"*"$p"* ]] || { echo "$output"; false; }
	kill $p
	run -0 "$N" run "$ID_a" true
}

@test "leases: addresses and ports stay with a sandbox; two of one kind never meet; wishes are checked" {
	$N network n1 subnet=10.213.7.0/29
	says "eth0 10.213.7.2" "$N" lease "$ID_a" web n1 18080:80
	says "eth0 10.213.7.3" "$N" lease "$ID_b" db n1 80
	says "eth0 10.213.7.2" "$N" lease "$ID_a" web n1 18080:80
	local first
	first=$($N lease "$ID_b" db n1 80 | grep port)
	[ "$first" = "$($N lease "$ID_b" db n1 80 | grep port)" ]
	run -1 "$N" lease "$ID_c" x n1 18080:80
	[[ $output == *18080* ]]
	run -1 "$N" lease "$ID_c" x n1@10.213.7.2
	[[ $output == *10.213.7.2* ]]
	run -1 "$N" lease "$ID_c" x n1@10.213.8.2
	[[ $output == *"no configured subnet contains IP address 10.213.8.2"* ]]
	says "eth0 10.213.7.6" "$N" lease "$ID_c" x n1@10.213.7.6
	$N lease "$ID_d" y n1
	$N lease "$ID_e" z n1
	run -1 "$N" lease "$ID_f" full n1
	[[ $output == *"no available addresses"* ]]
}

@test "subnets: overlaps with our networks and the host's addresses are refused" {
	$N network n1 subnet=10.213.0.0/16
	run -1 "$N" network n2 subnet=10.213.4.0/24
	[[ $output == *"Pool overlaps with other one on this address space"* ]]
	ip link add "lan${ROOT:0:6}" type veth peer name "lax${ROOT:0:6}"
	ip addr add 10.214.0.1/24 dev "lan${ROOT:0:6}"
	run -1 "$N" network n2 subnet=10.214.0.0/16
	[[ $output == *"overlaps with 10.214.0.0/24, in which this host has an address"* ]]
	run -1 "$N" network n2 subnet=10.1.2.3/24
	[[ $output == *"it should be 10.1.2.0/24"* ]]
}

@test "nft flush ruleset, a removed bridge: the next start repairs both" {
	$N network n1
	$N lease "$ID_a" web n1 18080:80
	nft delete table inet "$TABLE"
	ip link del "$(ip -o link | sed -nE "s/^[0-9]+: (gb${ROOT:0:5}-[^:@]+).*/\1/p")"
	start "$ID_a" "$T" serve 80 web
	says "web from" "$T" get 127.0.0.1 18080
	nft delete table inet "$TABLE"
	says "web from" "$T" get 127.0.0.1 18080 # the relay serves while the table is gone
	$N gc
	says "web from" "$T" get 127.0.0.1 18080
}

@test "what is not ours is not touched" {
	local br=gb${ROOT:0:5}-1
	$N network n1 && $N rm n1
	local next
	next=gb${ROOT:0:5}-2
	ip link add "$next" type bridge
	run -1 "$N" network n1
	[[ $output == *"'$next' exists and belongs to somebody else"* ]]
	ip link show "$next"
	ip link del "$next"
}
