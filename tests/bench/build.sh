#!/bin/bash
# build.sh [-n ROUNDS] [-p]: a Dockerfile of 20 steps, built without the cache and fully cached; medians of one run, a table on standard output.
#
#   -n ROUNDS   rounds (default 5); gantry and the peer take turns
#   -p          a peer too: BUILD_PEER, called with buildx's options (for instance "docker buildx build"); its image must be there as busybox
#
# Needs root, a build in build/ (or BUILD; not a developer build) and busybox-static. Uses its own root and run folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=5 peer=
while getopts n:p o; do
	case $o in
	n) rounds=$OPTARG ;;
	p) peer=${BUILD_PEER:?the peer command, for instance "docker buildx build"} ;;
	*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
done
build=${BUILD:-$PWD/build}
export PATH=$build:$PATH
T=$(mktemp -d /tmp/gantry-bench.XXXXXX)
R=$(mktemp -d /dev/shm/gantry-bench.XXXXXX) # a tmpfs, as /run is
export GANTRY_ROOT=$T/root GANTRY_RUN=$R
trap 'cd /; rm -rf "$T" "$R"' EXIT

mkdir -p "$T/image"/{bin,proc,sys,dev,tmp,etc} "$T/context/src"
cp /bin/busybox "$T/image/bin/busybox"
for a in sh mkdir seq cat wc; do ln -s busybox "$T/image/bin/$a"; done
gantry image import "$T/image" busybox >/dev/null
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
median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
for _ in $(seq "$rounds"); do
	ms gantry image build --no-cache -q -t bench . >>"$T/none"
	ms gantry image build -q -t bench . >>"$T/cached"
	[ "$peer" ] || continue
	ms $peer --no-cache -q -t bench . >>"$T/peer.none"
	ms $peer -q -t bench . >>"$T/peer.cached"
done
echo "| 20 steps | gantry ms | peer ms | peer : gantry |"
echo "|---|--:|--:|--:|"
row() { # WHAT FIG
	local g p=-
	g=$(median <"$T/$2")
	[ ! -s "$T/peer.$2" ] || p=$(median <"$T/peer.$2")
	awk -v w="$1" -v g="$g" -v p="$p" 'BEGIN {printf "| %s | %s | %s | %s |\n", w, g, p, p == "-" ? "-" : sprintf("%.1f", p / g)}'
}
row "without the cache" none
row "all cached" cached
