#!/bin/bash
# quickstart.sh [--no-install] [--keep]: builds gantry and runs a real project with it: PostgreSQL behind an application behind nginx.
#
# Installs what is missing through apt (--no-install: refuses instead), builds into build/, makes a base image from Debian's packages and builds the project's images on it,
# brings the project up, uses it, kills a part of it, takes it down, and checks that nothing is left. No registry and no Docker.
# --keep leaves the project running at the end. Everything of it lives in examples/.quickstart (GANTRY_ROOT, GANTRY_RUN) and build/.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
install=() keep=
for a; do
	case $a in
	--no-install) install=(--no-install) ;;
	--keep) keep=yes ;;
	*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
done
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
die() { echo "quickstart: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "needs root: it makes namespaces, mounts and networks"

say "What it needs"
.ci/need ${install[@]+"${install[@]}"} build example
echo "all there"

say "Build"
[ -x configure ] && [ configure -nt configure.ac ] && [ configure -nt Makefile.am ] || ./autogen.sh >/dev/null
mkdir -p build
[ -f build/Makefile ] || (cd build && ../configure -q)
make -s -C build -j"$(nproc)"
export PATH=$top/build:$PATH

state=$top/examples/.quickstart
mkdir -p "$state"
export GANTRY_ROOT=$state/root GANTRY_RUN=$state/run
gantry version

say "The base image: a minimal Debian"
if ! gantry image inspect debian-minbase >/dev/null 2>&1; then
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
	tmp=$(mktemp -d "$state/rootfs.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	# left out, also of what the Dockerfiles install: what nobody reads in a container, the database's JIT compiler (half of all bytes)
	mmdebstrap --quiet --variant=minbase --dpkgopt=force-confold \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/lib/*/libLLVM*' \
		--dpkgopt='path-exclude=/usr/lib/*/libz3*' --dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/bitcode/*' \
		--dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/llvmjit*' \
		"$suite" "$tmp/root"
	gantry image import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$tmp/root" debian-minbase
	rm -rf "$tmp"
	trap - EXIT
fi

cd examples/guestbook
port=8080
while ss -Hltn "sport = :$port" 2>/dev/null | grep -q .; do port=$((port + 1)); done
export WEB_PORT=$port
url=http://127.0.0.1:$port/
post() { curl -sSf --retry 20 --retry-delay 1 --retry-all-errors -d "$1" "$url"; }
get() { curl -sSf --retry 20 --retry-delay 1 --retry-all-errors "$url"; }
leave() { cd "$top/examples/guestbook" && gantry down -v -t 5 >/dev/null 2>&1 || true; }
trap leave EXIT

say "gantry build: the images of the three services from their Dockerfiles"
time gantry build -q
gantry image ls

say "gantry up -d"
time gantry up -d

say "Write entries through the published port $port"
post "hello from the host"
post "written at $(date -u +%FT%TZ)"
get | tee "$state/before"

say "gantry ps"
gantry ps

say "gantry logs"
gantry logs -n 4

say "gantry exec: the database itself"
gantry exec -T db psql -h /tmp -d guests -c 'select id, text from entry'

say "The web server cannot reach the database"
if gantry exec -T web getent hosts db; then die "web can see db"; fi
echo "right: 'db' is no name on the front network"
address=$(gantry exec -T db hostname -i)
gantry exec -T app bash -c "exec 3<>/dev/tcp/$address/5432" || die "app does not reach $address"
if gantry exec -T web timeout 2 bash -c "exec 3<>/dev/tcp/$address/5432" 2>/dev/null; then die "web reaches $address"; fi
echo "right: $address answers app, and not web"

say "gantry down, gantry up -d: the entries are still there"
gantry down
gantry up -d
get | tee "$state/after"
cmp "$state/before" "$state/after" || die "entries are lost"

say "Kill the application's process: it comes back by itself"
pid=$(gantry ps --format '{{.Pid}}' app)
kill -9 "$pid"
for _ in $(seq 150); do
	now=$(gantry ps --format '{{.Pid}} {{.Health}}' app)
	[ "${now#* }" = healthy ] && [ "${now% *}" != "$pid" ] && break
	sleep 0.2
done
[ "${now% *}" != "$pid" ] && [ "${now#* }" = healthy ] || die "the application did not come back: $now"
get >/dev/null
gantry ps app

if [ "$keep" ]; then
	trap - EXIT
	echo "still running: $url (take it down with: GANTRY_ROOT=$GANTRY_ROOT GANTRY_RUN=$GANTRY_RUN gantry -p guestbook down -v)"
	exit 0
fi
say "gantry down -v, and nothing is left"
gantry down -v
trap - EXIT
id=$(cat "$GANTRY_ROOT/id")
left=$(
	gantry ps -aq
	ip -o link | grep -E "g[bvt]?$id" || true
	nft list tables 2>/dev/null | grep "$id" || true
	find /sys/fs/cgroup -maxdepth 3 -type d -name "*$id*" -printf 'cgroup %p\n' 2>/dev/null
	grep -l "$GANTRY_ROOT" /proc/[0-9]*/mountinfo 2>/dev/null || true
	ls "$GANTRY_ROOT/volumes" "$GANTRY_ROOT/containers" 2>/dev/null | grep -v ':$' | grep . || true
)
[ -z "$left" ] || { echo "$left"; die "something is left"; }
echo "no container, link, rule, cgroup, mount or volume is left"
say "Done"
