#!/bin/bash
# cut.sh STEP: what runs in the guest for tests/powercut.sh. /var/lib is the disk that survives; /run and all else does not.
set -eu
export GANTRY_ROOT=/var/lib/gantry GANTRY_RUN=/run/gantry COMPOSE_ANSI=never COMPOSE_PROJECT_NAME=cut PATH=$BUILD:$PATH
mkdir -p /var/lib/cut
cd /var/lib/cut
say() { echo "CUT $*"; }
die() { echo "CUT-FAILED $*"; gantry ps -a; exit 1; }

image() { # a root with busybox and 2 MiB of ballast
	local root=/var/lib/cut/root
	[ -d $root ] || {
		mkdir -p $root/{bin,etc,tmp,proc,sys,dev,data}
		cp /bin/busybox $root/bin/
		for a in sh sleep sync cat test grep httpd wc; do ln -s busybox $root/bin/$a; done
		dd if=/dev/urandom of=$root/ballast bs=1M count=2 status=none
	}
}
files() {
	cat >compose.yaml <<-'Y'
	services:
	  db:
	    image: "tiny:1"
	    restart: unless-stopped
	    volumes: ["data:/data"]
	    ports: ["127.0.0.1:18080:80"]
	    command: [sh, -c, "httpd -p 80 -h /data; i=0; [ ! -e /data/lines ] || i=$$(wc -l </data/lines); while :; do i=$$((i+1)); echo $$i >>/data/lines; sync /data/lines; echo ack $$i; sleep 0.05; done"]
	    healthcheck: {test: [CMD, test, -s, /data/lines], interval: 1s, retries: 60}
	  web: {image: "tiny:1", restart: always, depends_on: {db: {condition: service_healthy}}, command: [sleep, "100000"]}
	  job: {image: "tiny:1", command: [sleep, "100000"]}
	volumes: {data: {}}
	Y
}
# Every line that the container called written is there, and no other.
lines() { # FILE OF ACKNOWLEDGED
	local data=$GANTRY_ROOT/volumes/cut_data/data/lines acked n
	acked=$(sed -n 's/.*ack \([0-9]*\)$/\1/p' "$1" | tail -n 1)
	n=$(wc -l <"$data")
	say "acknowledged ${acked:-0}, on the disk $n"
	[ "$n" -ge "${acked:-0}" ] || die "acknowledged lines are lost"
}

serve() { # CONFIG
	docker-registry serve "$1" >/run/registry.log 2>&1 &
	until curl -sf http://127.0.0.1:5990/v2/ >/dev/null; do sleep 0.2; done
}
dockerfile() {
	mkdir -p context
	[ -e context/file ] || head -c 6M /dev/urandom >context/file
	cat >context/Dockerfile <<-'D'
	FROM tiny:1
	RUN dd if=/dev/urandom of=/one bs=1M count=6
	COPY file /two
	RUN rm /ballast && cp /two /three
	D
}
whole() { gantry fsck || die "fsck after the cut"; }
# What is in the store but for the image tiny:1 and its layer.
nothing_left() {
	local left
	gantry gc
	left=$(ls -A "$GANTRY_ROOT"/{containers,tmp,trash,images/tmp} 2>/dev/null | grep -v ':$' | grep . || true)
	[ -z "$left" ] || die "left: $left"
	[ "$(ls "$GANTRY_ROOT/images/layers" | wc -l)" = "$1" ] || die "layers: $(ls "$GANTRY_ROOT/images/layers")"
	[ -z "$(find "$GANTRY_ROOT/images" -name '*.part')" ] || die "parts are left"
}

case $1 in
pull)
	serve "$2"
	(until find "$GANTRY_ROOT/images" -name '*.part' -size +1k 2>/dev/null | grep -q .; do sleep 0.1; done; say part) &
	gantry image pull -q 127.0.0.1:5990/cut/big:1
	say pulled
	sleep 600 ;;
check-pull)
	serve "$2"
	whole
	parts=$(find "$GANTRY_ROOT/images" -name '*.part' -size +1k 2>/dev/null | wc -l)
	gantry image pull -q 127.0.0.1:5990/cut/big:1 || die "the second pull"
	say "parts $parts, answers: $(grep -o 'http.response.status=[0-9]*' /run/registry.log | sort | uniq -c | xargs)"
	[ "$parts" = 0 ] || grep -q 'status=206' /run/registry.log || die "nothing was resumed"
	gantry fsck || die "fsck"
	gantry image rm 127.0.0.1:5990/cut/big:1
	nothing_left 0
	say checked ;;
build)
	image
	gantry image import --change 'CMD ["sleep", "100000"]' root tiny:1 >/dev/null
	dockerfile
	sync
	say begins
	gantry image build -t made:1 context
	say built
	sleep 600 ;;
check-build)
	image
	whole
	dockerfile
	gantry image ls
	say "kept: $(ls "$GANTRY_ROOT/images/layers" | wc -l) layers, in containers $(ls "$GANTRY_ROOT/containers" | wc -l)"
	gantry image inspect tiny:1 >/dev/null || die "tiny:1"
	gantry image build -t made:1 context || die "the second build"
	gantry fsck || die "fsck"
	gantry image rm made:1
	gantry image rm tiny:1
	gantry gc --cache-size 0
	nothing_left 0
	say checked ;;
import) # the cut comes at any time
	image
	gantry image import --change 'CMD ["sleep", "100000"]' root tiny:1 >/dev/null
	say imported
	for i in 2 3 4 5 6; do
		dd if=/dev/urandom of=root/ballast bs=1M count=2 status=none
		gantry image import root "tiny:$i" >/dev/null
		say "imported $i"
	done
	sleep 600 ;;
up)
	image
	gantry image inspect tiny:1 >/dev/null 2>&1 || gantry image import --change 'CMD ["sleep", "100000"]' root tiny:1
	files
	say begins
	gantry up -d
	say up
	gantry logs -f --no-log-prefix db ;;
check) # after the cut: gantry tells the truth, boot and up work, nothing that was acknowledged is lost
	shift
	image
	gantry image ls
	for i in $(gantry image ls --format '{{.Tag}}' 2>/dev/null); do gantry image inspect "tiny:$i" >/dev/null || die "image tiny:$i"; done
	sqlite3 "$GANTRY_ROOT/state.db" 'pragma integrity_check' | grep -qx ok || die "database"
	gantry image inspect tiny:1 >/dev/null 2>&1 || gantry image import --change 'CMD ["sleep", "100000"]' root tiny:1
	[ -z "$(gantry ps -q)" ] || die "something runs after a boot"
	gantry ps -a
	! gantry ps -a --format '{{.Service}} {{.Status}}' | grep -q ' Up' || die "ps"
	[ $# -eq 0 ] || lines "$1"
	files
	gantry host boot || die "host boot"
	gantry ps -a
	if [ $# -gt 0 ]; then
		[ "$(gantry ps --format '{{.Service}}' | sort | tr '\n' ' ')" = "db web " ] || die "boot has not started db and web"
		gantry ps -a --format '{{.Status}}' job | grep -q '^Exited (255: the host restarted)' || die "job"
	fi
	gantry up -d || die "up"
	[ "$(gantry ps --format '{{.Service}}' | sort | tr '\n' ' ')" = "db job web " ] || die "up has not started all"
	curl -sf --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:18080/lines -o /dev/null || die "the port"
	gantry logs -n 3 db
	say checked ;;
shutdown)
	image
	gantry image import --change 'CMD ["sleep", "100000"]' root tiny:1
	files
	gantry up -d
	gantry host shutdown || die "host shutdown"
	[ -z "$(gantry ps -q)" ] || die "something runs after the shutdown"
	say "shut down" ;;
booted) # after a clean shutdown
	gantry ps -a
	gantry host boot || die "host boot"
	[ "$(gantry ps --format '{{.Service}}' | sort | tr '\n' ' ')" = "db web " ] || die "boot has not started db and web"
	gantry down -v -t 1
	left=$(ls -A "$GANTRY_ROOT"/{containers,volumes,tmp,trash})
	say "left: $(echo $left)"
	say gone ;;
esac
