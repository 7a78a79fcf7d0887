#!/bin/bash
# debian.sh SUITE [STEP...]: does a fresh Debian do what README.md says? By hand, not in CI: it takes a while and a gigabyte.
#
#   refuse      --no-install says which packages are missing, and installs nothing
#   advice      autogen.sh, then configure, installing just what it names until it is content
#   make        make, make check, make install DESTDIR=…, make uninstall, make distcheck
#   unit        tests/run.sh unit in a root without any of our packages
#   quickstart  examples/quickstart.sh in a root without any of our packages
#
# No STEP: all of them. The root is made once by mmdebstrap (minbase) in $GANTRY_DEBIAN (/var/tmp/gantry-debian) and never written to: each of
# refuse, advice + make, unit and quickstart runs in an overlay of its own, in namespaces of its own (mount, pid). What is tested is HEAD.
# Needs root, mmdebstrap and apt's mirror.
set -euo pipefail
[ $# -gt 0 ] && [[ $1 != -* ]] || { sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2; }
[ "$(id -u)" = 0 ] || { echo "debian.sh: needs root: it makes a root and namespaces" >&2; exit 1; }
cd "$(dirname "$0")/.."
suite=$1
shift
[ $# -gt 0 ] || set -- refuse advice make unit quickstart
base=${GANTRY_DEBIAN:-/var/tmp/gantry-debian}
mkdir -p "$base"
if [ ! -x "$base/$suite/usr/bin/apt-get" ]; then
	command -v mmdebstrap >/dev/null || { echo "debian.sh: install mmdebstrap" >&2; exit 1; }
	mmdebstrap --quiet --variant=minbase "$suite" "$base/$suite"
fi
work=$(mktemp -d "$base/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A root named NAME, with the sources in /src on a disk of their own (what quickstart keeps there wants an overlay of its own).
fresh() { # NAME
	mkdir -p "$work/$1"/{up,ovl,root,src}
	git archive HEAD | tar -x -C "$work/$1/src"
}
inside() { # NAME COMMAND…
	local dir=$work/$1
	shift
	unshare -m -p -f --kill-child --propagation private bash -euc '
		dir=$1 base=$2
		shift 2
		mount -t overlay -o "lowerdir=$base,upperdir=$dir/up,workdir=$dir/ovl" overlay "$dir/root"
		cd "$dir/root"
		mkdir -p src old
		mount -t proc proc proc
		mount --rbind /sys sys
		mount --rbind /dev dev
		mount -t tmpfs tmpfs run
		mount -t tmpfs -o mode=1777 tmpfs tmp
		mount --bind "$dir/src" src
		[ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf etc/resolv.conf
		pivot_root . old
		umount -l /old
		cd /src
		exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"' \
		inside "$dir" "$base/$suite" "$@"
}

step_refuse() {
	fresh refuse
	inside refuse bash -euc '
		for command in "examples/quickstart.sh --no-install" "tests/run.sh --no-install unit"; do
			if $command >out 2>&1; then echo "$command did not refuse"; exit 1; fi
			for p in gcc libyaml-dev libsqlite3-dev; do grep -q "missing: $p (" out || { cat out; echo "$command does not name $p"; exit 1; }; done
			grep "by hand: apt-get install" out
		done
		[ -z "$(dpkg-query -W gcc 2>/dev/null)" ] || { echo "--no-install has installed gcc"; exit 1; }'
}

# Only what autogen.sh and configure ask for by name is installed: "On Debian:  apt-get install …".
step_advice() {
	fresh build
	inside build bash -euc '
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -q >/dev/null
		for turn in 1 2 3 4 5 6; do
			if out=$({ ./autogen.sh && ./configure -q; } 2>&1); then echo "configure is content in turn $turn"; exit 0; fi
			packages=$(sed -n "s/.*apt-get install//p" <<<"$out" | tail -n 1)
			[ -n "$packages" ] || { echo "$out" | tail -n 20; echo "no package is named"; exit 1; }
			echo "turn $turn:$packages"
			apt-get install -y -q --no-install-recommends $packages >/tmp/apt 2>&1 || { tail /tmp/apt; exit 1; }
		done
		exit 1'
}

# In the root that `advice` made. distcheck packs the test programs too, so libcmocka is there and runs.
step_make() {
	[ -d "$work/build" ] || step_advice
	inside build bash -euc '
		export DEBIAN_FRONTEND=noninteractive
		.ci/need test
		./configure -q
		make -s -j"$(nproc)"
		make -s -j"$(nproc)" check >check.log 2>&1 || { grep -E "^(FAIL|ERROR|# )" check.log; tail -n 30 check.log; exit 1; }
		grep -E "^# (TOTAL|PASS|SKIP|FAIL|ERROR)" check.log
		make -s install DESTDIR=/tmp/dest
		(cd /tmp/dest && find . -type f | sort)
		make -s uninstall DESTDIR=/tmp/dest
		left=$(find /tmp/dest -type f)
		[ -z "$left" ] || { echo "uninstall leaves: $left"; exit 1; }
		make -s -j"$(nproc)" distcheck >dist.log 2>&1 || { tail -n 60 dist.log; exit 1; }
		tail -n 3 dist.log'
}

step_unit() {
	fresh unit
	inside unit tests/run.sh unit
}

step_quickstart() {
	fresh quickstart
	inside quickstart examples/quickstart.sh
}

for step; do
	printf '\n==== %s: %s\n' "$suite" "$step"
	start=$SECONDS
	"step_$step"
	echo "==== $suite: $step: fine ($((SECONDS - start)) s)"
done
