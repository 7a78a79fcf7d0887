#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# One container by itself (tests/helper/ctr-run): no project, no monitor, no database. What it sees, what it must not be able to do, how a start fails.

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -x /bin/busybox ] || skip "needs busybox-static"
	local top a
	top=$(command -v gantry-monitor) && top=$(dirname "$top") || top=$BATS_TEST_DIRNAME/../../build
	top=$(realpath "$top")
	for a in ctr-run no-syscall; do
		[ -x "$top/tests/helper/$a" ] || make -s -C "$top" "tests/helper/$a" >/dev/null 2>&1
		[ -x "$top/tests/helper/$a" ] || skip "needs tests/helper/$a (make check builds it)"
	done
	T=$(mktemp -d "${TMPDIR:-/tmp}/gantry-ctr.XXXXXX")
	[ ! -x "$top/gantry-init" ] || export GANTRY_LIBEXEC=$top
	export T TOP=$top GANTRY_ROOT=$T/root GANTRY_RUN=$T/run
	LAYER=$(printf 'a%.0s' {1..64})
	L=$GANTRY_ROOT/images/layers/$LAYER
	export LAYER L
	mkdir -p "$L"/{bin,etc,tmp,root,home/app}
	chmod 711 "$GANTRY_ROOT"
	chmod 1777 "$L/tmp"
	cp /bin/busybox "$L/bin/busybox"
	for a in $(/bin/busybox --list); do [ "$a" = busybox ] || ln -s busybox "$L/bin/$a"; done
	printf 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n' >"$L/etc/passwd"
	printf 'root:x:0:\napp:x:1001:\nextra:x:3000:app\n' >"$L/etc/group"
	printf 'junk\n' >"$L/bin/junk"
	printf '#!/no/such/sh\n' >"$L/bin/badsh"
	printf '#!/proc/self/exe\n' >"$L/bin/evil"
	chmod +x "$L"/bin/{junk,badsh,evil}
	leaks >"$T/before"
}
teardown_file() {
	[ -n "${T:-}" ] || return 0
	leaks >"$T/after"
	diff "$T/before" "$T/after" >&3
	local r=$?
	rm -rf "$T"
	return $r
}

leaks() {
	local id; id=$(cat "$GANTRY_ROOT/id" 2>/dev/null || echo none)
	{
		find /sys/fs/cgroup -maxdepth 4 -type d -path "*gantry-$id*"
		awk -v r="$T/" 'index($0, r)' /proc/[0-9]*/mountinfo
		ls -A "$GANTRY_ROOT"/{containers,trash,tmp} | grep -v ':$' | grep .
	} 2>/dev/null || true
}

# ctr [OPTIONS] -- sh text;   ctr_s SPEC sh text
ctr() { "$TOP/tests/helper/ctr-run" -r "$GANTRY_ROOT" -l "$LAYER" -n "$@"; }
sh_in() { local s=$1; shift; ctr -s "$s" sh -c "$*"; }

@test "what a default container is" {
	run sh_in '{}' 'grep -E "^(Cap|Sig[BIC]|Seccomp:|NoNew|Groups)" /proc/self/status | tr -s "\t " " "; umask; pwd; hostname | wc -c; cat /proc/self/oom_score_adj'
	[ "$status" -eq 0 ]
	[[ $output == *"CapEff: 00000000a80425fb"* && $output == *"CapBnd: 00000000a80425fb"* ]]
	[[ $output == *"CapInh: 0000000000000000"* && $output == *"CapAmb: 0000000000000000"* ]]
	[[ $output == *"SigIgn: 0000000000000000"* && $output == *"Seccomp: 2"* && $output == *"NoNewPrivs: 0"* ]]
	[[ $output == *"Groups: 0 "* && $output == *$'0022\n/\n13\n0' ]]
	run sh_in '{}' 'ls /proc/self/fd | tr "\n" " "; readlink /proc/self/fd/0; ps | wc -l; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; cat /proc/self/cgroup | cut -d: -f3 | sort -u'
	[ "$output" = $'0 1 2 3 /dev/null\n4\n0\n/' ]
	run sh_in '{}' 'ls /dev | tr "\n" " "; stat -c %a,%t,%T /dev/null; for f in kcore keys timer_list; do test -e /proc/$f && wc -c </proc/$f; done'
	[[ ${output#core } == "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero 666,1,3"* ]]
	[[ $output != *[1-9] ]] # what is hidden is empty
}

@test "nothing can be written where the host would feel it" {
	run sh_in '{}' 'for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/irq/default_smp_affinity; do echo x >$f && echo "WROTE $f"; done
		find /sys/fs/cgroup -type f -perm -200 | while read -r f; do (echo 1 >"$f") 2>/dev/null && echo "WROTE $f"; done
		touch /sys/fs/cgroup/x /sys/x && echo WROTE; mknod /tmp/m c 1 1; cat /tmp/m && echo READ; unshare -r true && echo USERNS; mount -t tmpfs t /tmp && echo MOUNTED; true'
	[ "$status" -eq 0 ]
	[[ $output != *WROTE* && $output != *READ* && $output != *USERNS* && $output != *MOUNTED* ]]
}

@test "users and groups, HOME, working directory" {
	run sh_in '{"user":"app"}' 'id; echo $HOME; grep CapEff /proc/self/status'
	[[ $output == *"uid=1000(app) gid=1001(app) groups=1001(app),3000(extra)"*$'\n/home/app\n'*0000000000000000 ]]
	run sh_in '{"user":"1000:44","group_add":["extra"]}' 'id -G'
	[ "$output" = "44 3000" ]
	run sh_in '{"user":"app","cwd":"/new/dir"}' 'pwd; ls -ld . | cut -c1-10; ls -ldn . | tr -s " " | cut -d" " -f3,4'
	[ "$output" = $'/new/dir\ndrwxr-xr-x\n0 0' ]
	for u in 4294967296 -1 99999999999999999999 nouser $'a\\nb'; do
		run sh_in "{\"user\":\"$u\"}" true
		[ "$status" -eq 125 ]
	done
	# a pipe can be opened again by the user that it was given to
	[ "$(sh_in '{"user":"app"}' 'echo again >/dev/stdout' | cat)" = again ]
}

@test "exit codes: 125 ours, 126 cannot run, 127 not found, else the program's" {
	run sh_in '{}' 'exit 42'
	[ "$status" -eq 42 ]
	run sh_in '{}' 'sh -c "kill -9 \$\$"; exit $?'
	[ "$status" -eq 137 ]
	run -127 ctr nosuch
	[[ $output == *"'nosuch' is not in the container's PATH"* ]]
	run -127 ctr -s '{"init":true}' nosuch
	[[ $output == *"'nosuch' is not in the container's PATH"* ]]
	run -127 ctr /no/such
	run -127 ctr badsh
	[[ $output == *interpreter* ]]
	run -126 ctr junk
	run -126 ctr /etc
	run -125 ctr -s '{"cwd":"/etc/passwd"}' true
	[[ $output == *"working_dir '/etc/passwd': Not a directory"* ]]
	run -125 ctr -s '{"ulimits":[{"name":"nofile","soft":1,"hard":99999999}]}' true
	[[ $output == *nofile* ]]
	run -125 ctr -s '{"sysctls":["net.ipv4.nosuch=1"]}' true
	[[ $output == *"'net.ipv4.nosuch'"* ]]
	run -125 ctr -s '{"mounts":[{"type":"bind","source":"/no/such/source","target":"/x"}]}' true
	[[ $output == *"mount '/x': source '/no/such/source': No such file"*hint* ]]
}

@test "limits" {
	run sh_in '{"res":{"memory":67108864,"nano_cpus":500000000,"pids":50},"ulimits":[{"name":"nofile","soft":100,"hard":200}]}' \
		'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max pids/pids.max pids.max 2>/dev/null; cat */cpu.cfs_quota_us cpu.max 2>/dev/null | head -1; ulimit -n; ulimit -Hn'
	[[ $output == $'67108864\n50\n50000'* && $output == *$'\n100\n200' ]]
	run sh_in '{"res":{"memory":6291456}}' 'echo small'
	[ "$output" = small ]
	run sh_in '{"res":{"memory":8388608,"memswap":8388608}}' 'dd if=/dev/zero of=/dev/null bs=64M count=1; echo $?'
	[[ $output == *137* || $status -eq 137 ]]
}

@test "mounts: binds, volumes, tmpfs, read-only, order" {
	mkdir -p "$T/src/sub" "$GANTRY_ROOT/volumes/vol/data"
	echo '{"name":"vol","driver":"local"}' >"$GANTRY_ROOT/volumes/vol/volume.json"
	echo content >"$T/src/f"
	run sh_in '{"mounts":[{"type":"bind","source":"'"$T"'/src/f","target":"/a/b/file"},{"type":"volume","source":"vol","target":"/a","nocopy":true},
		{"type":"bind","source":"'"$T"'/src","target":"/ro","read_only":true},{"type":"tmpfs","target":"/t","tmpfs_size":1048576},
		{"type":"bind","source":"'"$T"'/made/here","target":"/made","create_source":true}]}' \
		'cat /a/b/file; touch /ro/x || echo readonly; dd if=/dev/zero of=/t/x bs=2M count=1 2>/dev/null || echo full; touch /made/y; touch /a/kept'
	[ "$status" -eq 0 ]
	[[ $output == "content"*readonly*full* ]]
	[ -e "$T/made/here/y" ] && [ -e "$GANTRY_ROOT/volumes/vol/data/kept" ]
	run sh_in '{"read_only":true}' 'touch /x || echo no; touch /dev/shm/y && echo yes'
	[[ $output == *no*yes ]]
	rm -rf "$GANTRY_ROOT/volumes/vol"
}

@test "images as mounts: one layer, several, a folder of one" {
	mkdir -p "$GANTRY_ROOT"/images/layers/{cc/top,dd}
	echo hi >"$GANTRY_ROOT/images/layers/cc/top/f"
	echo lo >"$GANTRY_ROOT/images/layers/dd/g"
	run sh_in '{"mounts":[{"type":"image","source":"x","target":"/one","options":["cc"]},{"type":"image","source":"x","target":"/two","options":["cc","dd"]},
		{"type":"image","source":"x","target":"/sub","subpath":"top","options":["cc","dd"]}]}' \
		'cat /one/top/f /two/top/f /two/g /sub/f; touch /one/x || touch /two/x || touch /sub/x || echo readonly'
	[[ $output == $'hi\nhi\nlo\nhi'*readonly ]]
	rm -rf "$GANTRY_ROOT"/images/layers/{cc,dd}
}

# layer LETTER: another image of one layer, with the programs of the first
layer() {
	LAYER=$(printf "$1%.0s" {1..64})
	mkdir -p "$GANTRY_ROOT/images/layers/$LAYER"
	cp -a "$L/bin" "$GANTRY_ROOT/images/layers/$LAYER"
	cd "$GANTRY_ROOT/images/layers/$LAYER"
}

@test "what an image lacks for our mounts comes from a layer of its own" {
	local at=$GANTRY_ROOT/skeletons
	layer b # /etc as the image has it, also with more than owner and mode
	mkdir etc && chown 5:7 etc && chmod 2750 etc && echo mine >etc/hosts
	run sh_in '{}' 'stat -c %a:%u:%g /etc; readlink /etc/mtab; [ -f /.dockerenv ] && ls /etc | xargs; rm /.dockerenv /etc/mtab; chmod 700 /etc'
	[ "$status" -eq 0 ]
	[ "$output" = "2750:5:7
/proc/mounts
hostname hosts mtab resolv.conf" ]
	[ -d "$at"/2750.5.7.* ]
	run sh_in '{}' 'stat -c %a /etc; readlink /etc/mtab; ls /.dockerenv; cat /etc/hosts'
	[ "$output" = "2750
/proc/mounts
/.dockerenv
mine" ]

	layer c # no folder that can be covered: made in the container, as far as it goes
	mkdir -p srv/etc && ln -s srv/etc etc
	run sh_in '{}' 'readlink /etc; readlink /etc/mtab; ls -A /srv/etc | xargs'
	[ "$output" = "srv/etc
/proc/mounts
mtab" ]

	layer d # attributes that the name does not know
	mkdir etc && python3 -c 'import os; os.setxattr("etc", "user.mark", b"here")'
	run sh_in '{}' 'readlink /etc/mtab'
	[ "$output" = /proc/mounts ]
	[ "$(readlink "$GANTRY_ROOT/images/lacks/$LAYER")" = 0.0.0.f ]

	layer e # a file where a folder is wanted is told as before
	echo >proc
	run sh_in '{}' true
	[ "$status" -eq 125 ]
	[[ $output == *"'/proc' of the image is not an ordinary folder"* ]]
}

@test "an image's links lead nowhere outside" {
	local canary=$T/canary bad=$GANTRY_ROOT/images/layers/bad n
	mkdir -p "$canary"/{dev,etc,work}
	for n in proc dev sys; do
		rm -rf "$bad" "$GANTRY_ROOT/images/lacks" && cp -a "$L" "$bad" && ln -s "$canary/dev" "$bad/$n"
		run -125 "$TOP/tests/helper/ctr-run" -r "$GANTRY_ROOT" -l bad -n true
		[[ $output == *"'/$n' of the image is not an ordinary folder"* ]]
	done
	rm -rf "$bad" "$GANTRY_ROOT/images/lacks" && cp -a "$L" "$bad" && mv "$bad/etc" "$bad/etc2" && ln -s "$canary/etc" "$bad/etc" && ln -s "$canary/work" "$bad/w"
	run "$TOP/tests/helper/ctr-run" -r "$GANTRY_ROOT" -l bad -n -s '{"cwd":"/w/x","mounts":[{"type":"tmpfs","target":"/w/y/z"}]}' /bin/true
	[ -z "$(find "$canary" -mindepth 2)" ]
	rm -rf "$bad"
}

@test "a volume's content that changes under the mounts in it leads nowhere outside" {
	local vol=$GANTRY_ROOT/volumes/racy canary=$T/canary2 i swapper before
	mkdir -p "$vol/data/a" "$canary"
	echo '{"name":"racy","driver":"local"}' >"$vol/volume.json"
	before=$(grep -c . /proc/self/mountinfo)
	(set +e; cd "$vol/data" && while :; do mv a a2; ln -s "$canary" a; rm a; mv a2 a; ln -sfn ../../../../../../../../..$canary b; done) 2>/dev/null 3>&- &
	swapper=$!
	for i in $(seq 20); do
		ctr -s '{"mounts":[{"type":"volume","source":"racy","target":"/v","nocopy":true},{"type":"tmpfs","target":"/v/a/x"},
			{"type":"bind","source":"'"$L"'/etc/passwd","target":"/v/a/y/file"},{"type":"tmpfs","target":"/v/b/z"}]}' true >/dev/null 2>&1 || true
	done
	kill "$swapper"
	wait "$swapper" 2>/dev/null || true
	[ -z "$(ls -A "$canary")" ]
	[ "$(grep -c . /proc/self/mountinfo)" -eq "$before" ]
	rm -rf "$vol"
}

@test "descriptors and the host's program stay out of reach" {
	local fd
	for fd in 3 4 5 6 7 8 9 10 11 12; do
		run ctr -s "{\"cwd\":\"/proc/self/fd/$fd\"}" pwd 7</ 8</etc
		[ "$status" -ne 0 ]
	done
	run -127 ctr evil
	run ctr -x '{"argv":["evil"]}' -x '{"argv":["pwd"],"cwd":"/proc/self/fd/7"}' sleep 100
	[ "$status" -ne 0 ]
	run ctr -s '{"cap_add":["SYS_PTRACE"]}' -x '{"argv":["sh","-c","ls -l /proc/self/fd"]}' sleep 100 9</
	[[ $output != *"9 ->"* ]]
}

@test "exec: user, groups, capabilities, terminal, codes" {
	run ctr -s '{"user":"app"}' -x '{"argv":["sh","-c","id -u; id -G; echo $HOME; echo $$"]}' sleep 100
	[ "$output" = $'1000\n1001 3000\n/home/app\n2' ]
	run ctr -s '{"user":"app"}' -x '{"argv":["sh","-c","id -u; grep CapEff /proc/self/status"],"user":"0"}' sleep 100
	[[ $output == "0"*a80425fb ]]
	run ctr -x '{"argv":["sh","-c","grep -E \"CapEff|Seccomp:\" /proc/self/status | tr -s \"\\t \" \" \""],"privileged":true}' sleep 100
	[[ $output == *"CapEff: 000001ff"*"Seccomp: 2" ]]
	run ctr -x '{"argv":["sh","-c","tty; echo $TERM; id -u"],"tty":true,"user":"app"}' sleep 100
	[[ $output == *"/dev/pts/0"*xterm*1000* ]]
	run -127 ctr -x '{"argv":["nosuch"]}' sleep 100
	run -126 ctr -x '{"argv":["/etc"]}' sleep 100
	run -9 ctr -x '{"argv":["sh","-c","exit 9"]}' sleep 100
	run ctr -s '{"res":{"pids":20}}' -x '{"argv":["sh","-c","cat /proc/self/cgroup | cut -d: -f3 | sort -u"]}' sleep 100
	[ "$output" = / ]
}

@test "security options: no_new_privs, capabilities, seccomp profiles, cgroup_parent" {
	run sh_in '{"no_new_privs":true,"user":"app","cap_drop":["ALL"],"cap_add":["CHOWN"]}' 'grep -E "NoNewPrivs|Seccomp:|CapBnd" /proc/self/status | tr -s "\t " " "'
	[[ $output == *"CapBnd: 0000000000000001"*"NoNewPrivs: 1"*"Seccomp: 2"* ]]
	run sh_in '{"seccomp":"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\",\"mkdirat\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":30}]}"}' \
		'mkdir /tmp/x; unshare -n true && echo unshared'
	[[ $output == *"Read-only"* ]]
	run sh_in '{"seccomp":"unconfined"}' 'grep Seccomp: /proc/self/status | tr -s "\t" " "'
	[ "$output" = "Seccomp: 0" ]
	run -125 ctr -s '{"cap_add":["NOSUCH"]}' true
	run sh_in '{"privileged":true}' 'grep -E "CapEff|Seccomp:" /proc/self/status | tr -s "\t" " "; test -w /proc/sys/kernel/core_pattern && echo rw'
	[[ $output == *"CapEff: 000001ff"*"Seccomp: 0"*rw ]]
	run sh_in "{\"cgroupns\":\"host\",\"res\":{\"cgroup_parent\":\"/gantry-test-$$/sub\"}}" 'tail -n 1 /proc/self/cgroup'
	[[ $output == *":/gantry-test-$$/sub/"* ]]
	find /sys/fs/cgroup -maxdepth 3 -depth -type d -path "*gantry-test-$$*" -exec rmdir {} + 2>/dev/null || true
}

@test "terminal: /dev/console, controlling terminal, the container's own devpts" {
	run sh_in '{"tty":true}' 'tty; readlink /proc/self/fd/2; echo to-console >/dev/console; echo to-tty >/dev/tty; ls -l /dev/console | cut -c1-10'
	[[ $output == *"/dev/pts/0"*"/dev/pts/0"*to-console*to-tty*"crw--w----"* ]]
}

@test "init: reaps, hands signals on, ends with the program" {
	run sh_in '{"init":true}' 'cat /proc/1/cmdline | tr "\000" " "; grep SigIgn /proc/1/status | tr -s "\t" " "; (sh -c "sleep 0.1 & exit 0"); sleep 0.4; ps -o stat | grep -c Z; exit 5'
	[ "$status" -eq 5 ]
	[[ $output == "/sbin/docker-init -- sh -c "*"SigIgn: 0000000000300000"*0 ]]
	run sh_in '{"init":true}' 'trap "echo got; exit 3" TERM; kill -TERM 1; sleep 5'
	[ "$status" -eq 3 ] && [ "$output" = got ]
	run sh_in '{"init":true}' 'sh -c "kill -TERM \$PPID"; kill -TERM $$; sleep 5'
	[ "$status" -eq 143 ]
	run ctr -s '{"init":true,"tty":true}' sh -c 'tty; echo up >/dev/tty; ps -o pgid | tail -n 1'
	[[ $output == *"/dev/pts/0"*up*2* ]]
}

@test "namespaces of the host, when asked for" {
	run "$TOP/tests/helper/ctr-run" -r "$GANTRY_ROOT" -l "$LAYER" -s '{"pid":"host","ipc":"host","uts":"host","network_mode":"host","cgroupns":"host"}' \
		sh -c 'for n in pid ipc uts net cgroup; do readlink /proc/self/ns/$n; done'
	[ "$output" = "$(readlink /proc/self/ns/{pid,ipc,uts,net,cgroup})" ]
}

@test "older kernels: every call that has another way" {
	local calls new=open_tree,move_mount,fsopen,fsmount,fsconfig,mount_setattr
	mkdir -p "$T/src"
	for calls in clone3 openat2 close_range mount_setattr $new $new,clone3,openat2,close_range; do
		run "$TOP/tests/helper/no-syscall" $calls "$TOP/tests/helper/ctr-run" -r "$GANTRY_ROOT" -l "$LAYER" -n \
			-s '{"user":"app","read_only":true,"cwd":"/tmp","mounts":[{"type":"bind","source":"'"$T"'/src","target":"/b","read_only":true}]}' \
			-x '{"argv":["sh","-c","id -u; pwd; touch /b/x || echo ro; wc -c </proc/keys; ls /sys/firmware | wc -l; echo 1 >/proc/sys/kernel/pid_max || echo ro"]}' \
			-x '{"argv":["tty"],"tty":true}' sleep 100
		[ "$status" -eq 0 ]
		[[ $output == *$'1000\n/tmp\n'*$'ro\n0\n0\n'*ro*/dev/pts/0* ]]
	done
}

@test "a failure at any step leaves nothing" {
	local points p
	"$TOP/tests/helper/ctr-run" -h 2>&1 | grep -q . # built
	GANTRY_FP=trace GANTRY_FP_LOG=$T/points ctr -x '{"argv":["true"]}' sleep 100
	[ -s "$T/points" ] || skip "built without fail points"
	points=$(sort -u "$T/points" | grep -E '^(ctr|exec)\.')
	[ "$(wc -l <<<"$points")" -gt 5 ]
	for p in $points; do
		GANTRY_FP="$p=error(EIO)" run ctr -x '{"argv":["true"]}' sleep 100
		[ "$status" -ne 0 ]
		run leaks
		[ -z "$output" ]
	done
}
