# lib.bash: what the integration tests share. Each test file gets its own root and run folder and its own image; nothing outside is touched.
#
#   project NAME <<<YAML     a folder with compose.yaml, cd into it; $P is the project's name
#   soon CMD…                retries until it succeeds (15 s, or $SOON)
#   state/health/code/pid SERVICE
#   leaks                    what the kernel and the root hold for this root: equal before and after

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -x /bin/busybox ] || skip "needs busybox-static"
	T=$(mktemp -d "${TMPDIR:-/tmp}/gantry-it.XXXXXX")
	export T GANTRY_ROOT=$T/root GANTRY_RUN=$T/run COMPOSE_ANSI=never
	unset COMPOSE_FILE COMPOSE_PROFILES COMPOSE_PROJECT_NAME
	make_image "$T/image"
	gantry image import --change 'CMD ["sleep", "1000000"]' "$T/image" tiny:1 >/dev/null
	gantry image tag tiny:1 tiny:2
	leaks >"$T/leaks.before"
}

teardown_file() {
	[ -n "${T:-}" ] || return 0
	local bad=
	take_all_down
	leaks >"$T/leaks.after"
	if ! diff "$T/leaks.before" "$T/leaks.after" >"$T/leaks.diff"; then
		{ echo "# left behind:"; sed 's/^/# /' "$T/leaks.diff"; } >&3
		bad=1
	fi
	rm -rf "$T"
	[ -z "$bad" ]
}

# Whatever a test leaves (it may have failed in the middle) does not meet the next one.
teardown() {
	take_all_down
}

# A project that has only networks or volumes left is in no list of projects.
take_all_down() {
	local p
	for p in $(gantry ls -aq 2>/dev/null); do COMPOSE_PROFILES='*' gantry -p "$p" down -v -t 0 --remove-orphans >/dev/null 2>&1; done
	gantry network ls -q 2>/dev/null | xargs -r gantry network rm -f >/dev/null 2>&1
	gantry volume ls -q 2>/dev/null | xargs -r gantry volume rm -f >/dev/null 2>&1
	return 0
}

# no STATUS TEXT ARG…: gantry ARG… fails like that
no() {
	local code=$1 want=$2
	shift 2
	run gantry "$@"
	[ "$status" = "$code" ] && [[ $output == *"$want"* ]] || { echo "gantry $*: $status $output"; return 1; }
}

# other NAME: another store, until the end of the test
other() { export GANTRY_ROOT=$T/other-$1 GANTRY_RUN=$T/other-run-$1; }

id_of() { gantry image inspect -f '{{.Id}}' "$1"; }

# port: one that nobody listens on
port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A root with busybox under all its names, and users.
make_image() {
	local a
	mkdir -p "$1"/{bin,etc,tmp,root,proc,sys,dev,var,srv,home/app}
	cp /bin/busybox "$1/bin/busybox"
	for a in $(/bin/busybox --list); do [ "$a" = busybox ] || ln -s busybox "$1/bin/$a"; done
	printf 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n' >"$1/etc/passwd"
	printf 'root:x:0:\napp:x:1000:\nextra:x:44:app\n' >"$1/etc/group"
	chown 1000:1000 "$1/home/app"
	chmod 1777 "$1/tmp"
}

project() {
	P=$1
	mkdir -p "$T/$1" && cd "$T/$1" || return 1
	cat >compose.yaml
	export COMPOSE_PROJECT_NAME=$1
}

soon() {
	local end=$((SECONDS + ${SOON:-15}))
	until "$@" >"$T/soon" 2>&1; do
		[ $SECONDS -lt $end ] || { echo "not within ${SOON:-15} s: $*"; cat "$T/soon"; return 1; }
		sleep 0.05
	done
}

field() { gantry ps -a --format "{{.$2}}" "$1"; }
state() { field "$1" State; }
health() { field "$1" Health; }
code() { field "$1" ExitCode; }
pid() { field "$1" Pid; }
is() { local want=$1 got; shift; got=$("$@" 2>&1); [ "$got" = "$want" ] || { echo "got '$got', want '$want'"; return 1; }; }
gone() { ! kill -0 "$1" 2>/dev/null; }
monitor_pid() { pgrep -f "^gantry-monitor $1( |$)"; }

leaks() {
	local id
	id=$(cat "$GANTRY_ROOT/id" 2>/dev/null || echo none)
	{
		ip -o link | sed -nE "s/^[0-9]+: ([^:@]+).*/link \1/p" | grep -F "${id:0:5}"
		nft list tables 2>/dev/null | grep -F "$id"
		find /sys/fs/cgroup -maxdepth 4 -type d -path "*$id*" 2>/dev/null
		awk -v r="$T/" 'index($0, r)' /proc/[0-9]*/mountinfo 2>/dev/null
		grep -alsF "GANTRY_ROOT=$GANTRY_ROOT" /proc/[0-9]*/environ | sed 's/environ$/cmdline/' |
			xargs -r grep -ahsoE '^[^ ]*gantry-(monitor|keep|dns|image)'
		ls -A "$GANTRY_ROOT"/{tmp,trash,containers,volumes} 2>/dev/null | grep -v ':$' | grep .
		sqlite3 "$GANTRY_ROOT/state.db" 'select "row container "||name from container; select "row network "||name from network;
			select "row volume "||name from volume; select "row sandbox "||id from sandbox' 2>/dev/null
	} | sort
}
