#!/bin/bash
# bench.sh [-n ROUNDS] [-p] [SIZE...]: gantry against what the kernel alone needs, medians of one run; a table on standard output.
#
#   -n ROUNDS   rounds per figure (default 7); everything is interleaved, so that a busy machine is busy for all
#   -p          docker compose too, through COMPOSE_PEER (for instance "docker compose"); its image must be there as busybox
#   SIZE        services per project (default 1 10 50)
#
# Needs root, a build in build/ (or BUILD; not a developer build), busybox-static, libnl's headers for floor.c. Uses its own root and run folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
rounds=7 peer=
while getopts n:p o; do
	case $o in
	n) rounds=$OPTARG ;;
	p) peer=${COMPOSE_PEER:?the peer command, for instance "docker compose"} ;;
	*) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- 1 10 50
room
export COMPOSE_PROJECT_NAME=bench
trap 'cd "$T" && gantry down -v -t 0 >/dev/null 2>&1; cd /; rm -rf "$T" "$R"' EXIT

cc -O2 tests/bench/floor.c -o "$T/floor" $(pkg-config --cflags --libs libnl-3.0 libnl-route-3.0)
libs=$(ldd "$build/gantry" | awk '$3 ~ "^/" {print $3}' | grep -vE '/(libc|ld-linux[^/]*)\.so')
cc -O2 tests/bench/link.c -o "$T/link" -Wl,--no-as-needed $libs
busybox_image sh sleep true

ms() { # CMD…: milliseconds of one run
	local s=$EPOCHREALTIME
	"$@" >/dev/null 2>&1 </dev/null
	local e=$EPOCHREALTIME
	echo $(((${e/./} - ${s/./}))) | awk '{printf "%.2f\n", $1 / 1000}'
}

for n; do
	mkdir -p "$T/p$n"
	{
		echo 'services:'
		for i in $(seq "$n"); do echo "  s$i: {image: busybox, command: [sleep, '1000000'], stop_signal: SIGKILL}"; done
	} >"$T/p$n/compose.yaml"
	cd "$T/p$n"
	for r in $(seq "$rounds"); do
		read -r _ _ fup fdown < <("$T/floor" "$n" "$T/image" | sed 's/[a-z_]*=//g')
		put "floor.up.$n" "$fup"
		put "floor.down.$n" "$fdown"
		put "up.$n" "$(ms gantry up -d)"
		put "again.$n" "$(ms gantry up -d)"
		put "ps.$n" "$(ms gantry ps)"
		put "config.$n" "$(ms gantry config)"
		put "exec.$n" "$(ms gantry exec -T s1 true)"
		put "link.$n" "$(ms "$T/link")"
		if [ "$r" = 1 ]; then
			sleep 1 # idle
			mon=$(cat "$R/p/bench/lock")
			put "pss.monitor.$n" "$(awk '/^Pss:/{s += $2} END {print s}' "/proc/$mon/smaps_rollup")"
			for k in /proc/[0-9]*/exe; do
				case $(readlink "$k") in "$build"/gantry-keep) awk '/^Pss:/{print $2}' "${k%exe}smaps_rollup" ;; esac
			done | awk '{s += $1; n++} END {if (n) print s / n}' >>"$T/fig.pss.keep.$n"
		fi
		put "down.$n" "$(ms gantry down -t 0)"
		if [ "$peer" ]; then
			put "peer.up.$n" "$(ms $peer up -d)"
			put "peer.again.$n" "$(ms $peer up -d)"
			put "peer.ps.$n" "$(ms $peer ps)"
			put "peer.config.$n" "$(ms $peer config)"
			put "peer.exec.$n" "$(ms $peer exec -T s1 true)"
			put "peer.down.$n" "$(ms $peer down -t 0)"
		fi
	done
done

echo "| what | services | gantry ms | base ms | ratio | base is | peer ms |"
echo "|---|--:|--:|--:|--:|---|--:|"
row() { # WHAT N FIG BASE TEXT PEER
	awk -v w="$1" -v n="$2" -v g="$(get "$3")" -v b="$(get "$4")" -v t="$5" -v p="$(get "$6")" \
		'BEGIN {printf "| %s | %s | %s | %s | %.1f | %s | %s |\n", w, n, g, b, (b > 0 ? g / b : 0), t, p}'
}
for n; do
	row "up -d" "$n" "up.$n" "floor.up.$n" "floor.c up" "peer.up.$n"
	row "down" "$n" "down.$n" "floor.down.$n" "floor.c down" "peer.down.$n"
	row "up -d again" "$n" "again.$n" "link.$n" "empty program, same libraries" "peer.again.$n"
	row "ps" "$n" "ps.$n" "link.$n" "empty program, same libraries" "peer.ps.$n"
	row "config" "$n" "config.$n" "link.$n" "empty program, same libraries" "peer.config.$n"
	row "exec true" "$n" "exec.$n" "link.$n" "empty program, same libraries" "peer.exec.$n"
	echo "| PSS of the monitor, KB | $n | $(get "pss.monitor.$n") | | | | |"
	echo "| PSS of a keeper, KB | $n | $(get "pss.keep.$n") | | | | |"
done
