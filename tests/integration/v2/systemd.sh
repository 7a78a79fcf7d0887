#!/bin/bash
# systemd.sh: what runs in the guest for tests/systemd.sh, as a unit, once a boot; /srv/boot counts them.
set -u
export COMPOSE_ANSI=never PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
cd /srv/app || exit 1
n=$(($(cat /srv/boot 2>/dev/null || echo 0) + 1))
echo $n >/srv/boot
names=("" up again waiting after)
	rm /var/lib/gantry/volumes/app_data/data/slow
name=${names[n]}
say() { echo; echo "SYSTEMD $name: $*"; }
end() { # reboot or poweroff: to qemu the same
	[ -n "${failed:-}" ] || say fine
	sync
	systemctl --no-block "$1"
	exit 0
}
die() {
	failed=1
	echo
	echo "SYSTEMD-FAILED $name: $*"
	gantry ps -a
	systemctl status gantry --no-pager -l
	journalctl -b --no-pager -u gantry | tail -n 30
	end poweroff
}
session() { ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes root@127.0.0.1 "cd /srv/app && $*"; }
soon() {
	local until=$((SECONDS + 150))
	until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $until ] || return 1; sleep 0.5; done
}
services() { gantry ps --format '{{.Service}}' | sort | tr '\n' ' '; }
is_up() { [ "$(services)" = "$1" ]; }
pids() { gantry ps --format '{{.Service}} {{.Pid}}' | sort | tr '\n' ' '; }
log() { cat /var/lib/gantry/volumes/app_data/data/log | tr '\n' ','; }
journal() { journalctl --no-pager -o cat -u gantry "$@" | sed 's/^/SYSTEMD   | /'; }
no_session() { ! loginctl --no-legend list-sessions | grep -q .; }
limits() { # of web: the controllers are there and hold
	local dir; dir=$(echo /sys/fs/cgroup/gantry-*/"$(gantry ps -q --no-trunc web)")
	echo "$(cat "$dir/memory.max") $(cat "$dir/cpuset.cpus") $(cat "$dir/pids.max") $(cut -d' ' -f1 "$dir/cpu.max")"
}

case $name in
up)
	cat >compose.yaml <<'Y'
services:
  db:
    image: "tiny:1"
    restart: unless-stopped
    volumes: ["data:/data"]
    stop_grace_period: 60s
    command: [sh, -c, "trap 'echo down db >>/data/log; sync; exit 0' TERM; rm -f /tmp/ready; echo up db >>/data/log; sleep 2; touch /tmp/ready; while :; do sleep 0.2; done"]
    healthcheck: {test: [CMD-SHELL, "[ -e /tmp/ready ] && [ ! -e /data/slow ]"], interval: 1s, retries: 300}
  web:
    image: "tiny:1"
    restart: unless-stopped
    depends_on: {db: {condition: service_healthy}}
    volumes: ["data:/data"]
    stop_grace_period: 60s
    ports: ["127.0.0.1:18080:80"]
    mem_limit: 64m
    cpuset: "0"
    pids_limit: 50
    cpus: 0.5
    command: [sh, -c, "trap 'ping -c 1 -W 10 10.0.2.2 >/dev/null && nslookup db >/dev/null && sleep 2 && echo network web >>/data/log; echo down web >>/data/log; sync; exit 0' TERM; echo up web >>/data/log; httpd -p 80 -h /data; while :; do sleep 0.2; done"]
  off: {image: "tiny:1", restart: unless-stopped, command: [sleep, "100000"]}
volumes: {data: {}}
Y
	systemctl enable --now gantry || die "systemctl enable"
	gantry image import /srv/image tiny:1 || die import
	session gantry up -d || die up
	soon no_session || die "the session is still there"
	is_up "db off web " || die "the end of the session took: $(services)"
	was=$(pids)
	for p in $(pgrep '^gantry-|^httpd|^sleep|^sh$' -d ' '); do
		grep -q '/system.slice/\|/user.slice/' "/proc/$p/cgroup" && grep -qv boot-test "/proc/$p/cgroup" && { cat "/proc/$p/cgroup"; die "$(cat "/proc/$p/comm") is in a unit of somebody else"; }
	done
	had=$(limits)
	systemctl daemon-reload
	systemctl daemon-reexec
	systemctl set-property --runtime ssh.service CPUWeight=50 MemoryMax=500M # makes systemd look at the controllers again
	systemctl restart ssh.service systemd-logind.service
	systemctl daemon-reload
	sleep 2
	[ "$had" = "67108864 0 50 50000" ] && [ "$(limits)" = "$had" ] || die "limits: $had, then $(limits)"
	[ "$(pids)" = "$was" ] || die "pids: $was, then $(pids)"
	session gantry restart -t 0 off || die restart
	[ "$(limits)" = "$had" ] || die "limits after a restart"
	systemd-run --quiet --wait --collect -p WorkingDirectory=/srv/app gantry up -d --force-recreate web || die "up in a oneshot unit"
	soon curl -sf http://127.0.0.1:18080/log || die port
	[ "$(limits)" = "$had" ] || die "limits after a recreate: $(limits)"
	gantry stop -t 0 off || die stop
	is_up "db web " || die "up: $(services)"
	: >/var/lib/gantry/volumes/app_data/data/log
	end reboot ;;
again) # after a reboot in order
	soon systemctl -q is-active gantry || die "the unit"
	is_up "db web " || die "after the boot: $(services)"
	[ "$(log)" = "network web,down web,down db,up db,up web," ] || die "order: $(log)"
	soon curl -sf http://127.0.0.1:18080/log || die port
	say "what the end of the last boot said:"; journal -b -1 | tail -n 12
	say "what this boot said:"; journal -b
	# the unit by hand: all goes down and comes back
	systemctl restart gantry || die "restart of the unit"
	is_up "db web " || die "after a restart of the unit: $(services)"
	# a dependency that is not healthy at the next boot
	touch /var/lib/gantry/volumes/app_data/data/slow
	: >/var/lib/gantry/volumes/app_data/data/log
	end poweroff ;;
waiting) # down again while host boot waits for db's health
	soon is_up "db " || die "after the boot: $(services)"
	[ "$(systemctl is-active gantry)" = activating ] || die "the unit is $(systemctl is-active gantry)"
	end reboot ;;
after)
	rm /var/lib/gantry/volumes/app_data/data/slow
	soon systemctl -q is-active gantry || die "the unit"
	say "what the last boot said:"; journal -b -1
	is_up "db web " || die "after the boot: $(services)"
	[ "$(log)" = "network web,down web,down db,up db,down db,up db,up web," ] || die "order: $(log)"
	[ "$(gantry ps -a --format '{{.State}}' off)" = exited ] || die "off"
	gantry down -v -t 0 || die down
	left=$(ls -A /var/lib/gantry/{containers,volumes,tmp,trash} | grep -v ':$' | grep .; ls -d /sys/fs/cgroup/gantry-* 2>/dev/null; pgrep -a '^gantry-')
	soon eval '! ls -d /sys/fs/cgroup/gantry-* && ! pgrep "^gantry-"' || die "left: $left $(ls -d /sys/fs/cgroup/gantry-*) $(pgrep -a '^gantry-')"
	[ -z "$(ls -A /var/lib/gantry/{containers,volumes,tmp,trash} | grep -v ':$')" ] || die "left: $left"
	systemctl --no-pager --failed --no-legend | sed 's/^/SYSTEMD failed: /'
	end poweroff ;;
esac
