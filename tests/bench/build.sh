#!/bin/bash
# build.sh [-n ROUNDS] [-p]: a Dockerfile of 20 steps, built without the cache and fully cached; medians of one run, a table on standard output.
#
#   -n ROUNDS   rounds (default 5); gantry and the peer take turns
#   -p          a peer too: BUILD_PEER, called with buildx's options (for instance "docker buildx build"); its image must be there as busybox
#
# Needs root, a build in build/ (or BUILD; not a developer build) and busybox-static. Uses its own root and run folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
rounds=5 peer=
while getopts n:p o; do
	case $o in
	n) rounds=$OPTARG ;;
	p) peer=${BUILD_PEER:?the peer command, for instance "docker buildx build"} ;;
	*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
done
room
trap 'cd /; rm -rf "$T" "$R"' EXIT

busybox_image sh mkdir seq cat wc
mkdir -p "$T/context/src"
for i in $(seq 200); do seq "$i" 500 >"$T/context/src/f$i"; done
{
	printf 'FROM busybox\nARG VERSION=1\nENV APP=/app VERSION=$VERSION\nWORKDIR $APP\n'
	for i in $(seq 8); do
		printf 'COPY src/f%s* ./part%s/\n' "$i" "$i"
		printf 'RUN cat part%s/* | wc -l >count%s\n' "$i" "$i"
	done
	printf 'USER 1000\nCMD ["sh"]\n'
} >"$T/context/Dockerfile"
cd "$T/context"

ms() { # CMD…: milliseconds of one run
	local s=$EPOCHREALTIME
	"$@" >"$T/out" 2>&1 </dev/null || { cat "$T/out" >&2; exit 1; }
	local e=$EPOCHREALTIME
	echo $((${e/./} - ${s/./})) | awk '{printf "%.1f\n", $1 / 1000}'
}
for _ in $(seq "$rounds"); do
	ms gantry image build --no-cache -q -t bench . >>"$T/fig.none"
	ms gantry image build -q -t bench . >>"$T/fig.cached"
	[ "$peer" ] || continue
	ms $peer --no-cache -q -t bench . >>"$T/fig.peer.none"
	ms $peer -q -t bench . >>"$T/fig.peer.cached"
done
echo "| 20 steps | gantry ms | peer ms | peer : gantry |"
echo "|---|--:|--:|--:|"
row() { # WHAT FIG
	awk -v w="$1" -v g="$(get "$2")" -v p="$(get "peer.$2")" 'BEGIN {printf "| %s | %s | %s | %s |\n", w, g, p, p == "-" ? "-" : sprintf("%.1f", p / g)}'
}
row "without the cache" none
row "all cached" cached
