#!/usr/bin/env bats
# cp.bats: files between the host and containers

load lib

two() {
	project "cp$BATS_TEST_NUMBER" <<-'Y'
	services:
	  a: {image: "tiny:1", scale: 2, volumes: ["data:/data"], tmpfs: [/scratch], stop_signal: SIGKILL}
	  ro: {image: "tiny:1", read_only: true, user: app, volumes: ["data:/data"], stop_signal: SIGKILL}
	volumes: {data: {}}
	Y
	gantry up -d
	mkdir -p d/e; echo 1 >d/one; echo 2 >d/e/two; ln -s one d/link; ln d/one d/hard
	echo f >f; chown 1000:44 f; chmod 4750 f; touch -d 2001-01-01 f
}
in_a() { gantry exec -T --index 1 a sh -c "$1"; }

@test "cp: every replica or one, name or folder, modes, times, owners, links" {
	two
	gantry cp f a:/tmp/
	[ "$(in_a 'stat -c "%u:%g %a %Y" /tmp/f')" = "1000:44 4750 978307200" ]
	[ "$(gantry exec -T --index 2 a cat /tmp/f)" = f ]
	gantry cp --index 1 d a:/new
	[ "$(in_a 'cat /new/one /new/e/two; readlink /new/link; stat -c %h /new/one' | xargs)" = "1 2 one 2" ]
	gantry cp --index 1 d a:/tmp
	in_a 'test -f /tmp/d/e/two'
	in_a 'chmod 1777 /tmp'
	gantry cp --index 1 d/. a:/tmp
	[ "$(in_a 'stat -c %a /tmp; cat /tmp/e/two' | xargs)" = "1777 2" ]
	gantry cp --index 1 a:/tmp/d back
	[ "$(cat back/one back/e/two | xargs) $(readlink back/link) $(stat -c %h back/one)" = "1 2 one 2" ]
	[ "$(stat -c %u:%g back/one)" = 0:0 ]
	gantry cp --index 1 a:tmp/f .
	gantry cp -a f ro:/data/own
	[ "$(in_a 'stat -c %u:%g /data/own')" = 1000:1000 ]
}

@test "cp: links of the container stay inside it; volumes and tmpfs are seen" {
	two
	in_a 'ln -s /etc/passwd /lp; ln -s / /top; ln -s /nowhere /dangling; mkdir /dir; ln -s ../../../../../tmp /dir/out'
	gantry cp --index 1 a:/lp link
	[ "$(readlink link)" = /etc/passwd ]
	gantry cp -L --index 1 a:/lp passwd
	grep -q '^app:' passwd
	gantry cp --index 1 f a:/top/etc/new
	in_a 'test -f /etc/new'
	[ ! -e /etc/new ]
	gantry cp --index 1 f a:/dangling
	in_a 'test -f /nowhere'
	gantry cp --index 1 f a:/dir/out/x
	in_a 'test -f /tmp/x'
	gantry cp --index 1 f a:/data/x
	[ "$(gantry exec -T --index 2 a cat /data/x)" = f ]
	gantry cp --index 1 f a:/scratch/x
	in_a 'test -f /scratch/x'
	gantry cp --index 1 f a:/etc/hostname
	[ "$(in_a 'cat /etc/hostname')" = f ]
	gantry cp --index 1 a:/ whole
	[ -e whole/bin/busybox ] && [ -z "$(ls -A whole/proc whole/sys/fs 2>/dev/null | grep -v :)" ]
}

@test "cp: archives, stopped containers" {
	two
	gantry cp --index 1 d a:/d
	[ "$(gantry cp --index 1 a:/d - | tar -tf - | sort | xargs)" = "d/ d/e/ d/e/two d/hard d/link d/one" ]
	[ "$(gantry cp --index 1 a:/d/one - | tar -xOf -)" = 1 ]
	gantry exec -T --index 1 a sh -c 'mkdir -m 711 /srv/named; chown 3:4 /srv/named'
	mkdir -p named && echo 1 >named/one
	tar -cf - named/one | gantry cp - a:/srv
	[ "$(gantry exec -T --index 1 a stat -c '%a %u:%g' /srv/named)" = "711 3:4" ] # the archive does not name the folder
	tar -cf - d | gantry cp - a:/srv
	[ "$(gantry exec -T --index 2 a cat /srv/d/e/two)" = 2 ]
	run sh -c 'echo garbage | gantry cp - a:/srv'
	[ "$status" = 1 ]
	run sh -c 'tar -cf - d | gantry cp - a:/nosuch'
	[ "$status" = 1 ]
	[[ $output == *"must be a directory"* ]]
	gantry stop
	gantry cp f a:/data/g
	gantry cp --index 2 f a:/g
	gantry cp --index 2 a:/g out
	[ "$(cat out)" = f ]
	run gantry cp f ro:/g
	[ "$status" = 1 ]
	[[ $output == *read-only* ]]
	gantry cp f ro:/data/h
	gantry start
	[ "$(in_a 'cat /data/g /data/h' | xargs)" = "f f" ]
	run gantry cp f ro:/g
	[ "$status" = 1 ]
	[ -z "$(ls "$GANTRY_ROOT/images/tmp")" ]
}

@test "cp: what cannot be says why and changes nothing" {
	two
	in_a 'echo old >/file; mkdir -p /dir/f'
	no() { local want=$1; shift; run gantry cp "$@"; [ "$status" = 1 ] && [[ $output == *"$want"* ]] || { echo "cp $*: $status $output"; return 1; }; }
	no "no such file" nosuch a:/
	no "no such file" a:/nosuch .
	no "no container found" f nosuch:/x
	no "container #9" --index 9 f a:/x
	no "no such directory" f a:/nosuch/
	no "'/nosuch' does not exist" f a:/nosuch/x
	no "cannot copy directory" d a:/file
	no "in place of folder" f a:/dir
	no "not a directory" f/ a:/x
	no "between services" a:/x ro:/x
	no "unknown copy direction" f g
	no "no path" f a:
	gantry cp --dry-run f a:/never
	run in_a 'test -e /never'
	[ "$status" = 1 ]
	[ "$(in_a 'cat /file')" = old ]
}
