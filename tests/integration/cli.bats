#!/usr/bin/env bats
# cli.bats: commands that make or enter containers by hand: run, attach

load lib

@test "run passes input, output and status on, --rm leaves nothing" {
	project run <<-'Y'
	services:
	  a: {image: "tiny:1", command: [echo, from file], environment: {A: one}, ports: ["24900:80"]}
	Y
	[ "$(gantry run -q -T --rm a </dev/null)" = "from file" ]
	[ "$(echo in | gantry run -q -T --rm a cat)" = in ]
	[ "$(gantry run -q -T --rm a seq 1 100000 | tail -n 1)" = 100000 ]
	run gantry run -q -T --rm -e A=two -e B -u 1000:44 -w /tmp a sh -c 'echo $A $(id -u):$(id -g) $PWD; exit 7' </dev/null
	[ "$status" = 7 ]
	[ "$output" = "two 1000:44 /tmp" ]
	run gantry run -q -T --rm a nosuchprogram </dev/null
	[ "$status" = 127 ]
	run gantry run -q -T --rm a /etc/passwd </dev/null
	[ "$status" = 126 ]
	[ -z "$(gantry ps -aq)" ]
	gantry down
}

@test "run: what the service depends on comes first, ports and names only when asked for" {
	project rundeps <<-'Y'
	services:
	  db: {image: "tiny:1", command: [sh, -c, "sleep 0.3; touch /ok; exec sleep 1000"], healthcheck: {test: "test -e /ok", interval: 100ms, retries: 50}}
	  a: {image: "tiny:1", depends_on: {db: {condition: service_healthy}}, ports: ["24901:80"]}
	Y
	gantry run -q -T --rm --no-deps a true </dev/null
	[ -z "$(gantry ps -q)" ]
	gantry run -q -T --rm a ping -c 1 -w 5 db </dev/null
	is healthy health db
	local id; id=$(gantry run -d --name "$P-x" a sleep 1000 2>/dev/null)
	[ "$(gantry ps -a --no-trunc --format '{{.ID}} {{.Name}}' a)" = "$id $P-x" ]
	[ "$(gantry ps -a --format '{{.Publishers}}' a)" = "[]" ]
	run gantry exec -T db nslookup a
	[ "$status" != 0 ]
	gantry run -q -d --use-aliases -P a sleep 1000 >/dev/null
	gantry exec -T db ping -c 1 -w 5 a
	gantry down -t 0
	[ -z "$(gantry ps -aq)" ]
}

@test "run: the program finds its terminal in the size that ours has" {
	project runsize <<<'services: {a: {image: "tiny:1"}}'
	cat >"$T/size.py" <<-'PY'
	import fcntl, os, pty, struct, sys, termios
	pid, fd = pty.fork()
	if pid == 0:
	    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
	    os.execvp(sys.argv[1], sys.argv[1:])
	try:
	    while data := os.read(fd, 4096):
	        os.write(1, data)
	except OSError:
	    pass
	PY
	local i
	for i in 1 2 3 4 5 6; do [[ $(python3 "$T/size.py" gantry run -q --rm a stty size) == *"33 111"* ]]; done
	gantry down -t 0
}

@test "run: the monitor may die, a third interrupt kills" {
	project runkill <<-'Y'
	services:
	  a: {image: "tiny:1"}
	Y
	gantry run -q -T --rm --name "$P-x" a sh -c 'echo begin; while [ ! -e /go ]; do sleep 0.1; done; echo end; exit 3' </dev/null >"$T/out" 3>&- & local p=$!
	soon grep -q begin "$T/out"
	kill -9 "$(monitor_pid "$P")"
	soon monitor_pid "$P"
	soon sh -c "cd /proc/\$(gantry ps -a --format '{{.Pid}}' a)/root && touch go"
	local rc=0; wait $p || rc=$?
	[ $rc = 3 ]
	[ "$(tail -n 1 "$T/out")" = end ]
	cat >"$T/int.py" <<-'PY'
	import subprocess, signal, sys, time
	p = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
	p.stdout.readline()
	for i in range(3):
	    p.send_signal(signal.SIGINT)
	    time.sleep(0.1)
	sys.exit(p.wait())
	PY
	rc=0; python3 "$T/int.py" gantry run -q -T --rm a sh -c 'trap "" INT; echo up; sleep 1000' 3>&- || rc=$?
	[ $rc = 137 ]
	[ -z "$(gantry ps -aq)" ]
	gantry down -t 0
}

@test "attach shows output, passes input, ends with the container" {
	project att <<-'Y'
	services:
	  a: {image: "tiny:1", stdin_open: true, command: [sh, -c, "while read l; do echo \"got $$l\"; [ \"$$l\" = end ] && exit 5; done"]}
	Y
	gantry up -d
	run sh -c '{ sleep 0.3; echo one; echo end; sleep 1; } | gantry attach a'
	[ "$status" = 5 ]
	[ "$output" = "got one
got end" ]
	run gantry attach a
	[ "$status" = 1 ]
	gantry down -t 0
}
