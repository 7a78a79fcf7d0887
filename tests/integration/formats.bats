#!/usr/bin/env bats
# What images may look like: every form is the same image; what is none, or is broken, is refused by a sentence that says why. And disks that are full.
load lib

setup_file() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	for p in python3 zstd gcc; do command -v $p >/dev/null || skip "needs $p"; done
	T=$(mktemp -d "${TMPDIR:-/tmp}/gantry-it.XXXXXX")
	export T GANTRY_ROOT=$T/root GANTRY_RUN=$T/run COMPOSE_ANSI=never DOCKER_CONFIG=$T/docker ODD
	ODD=$(port)
	# a library that leaves a trace in the root that it is loaded in, and in $T when it still sees that
	cat >"$T/evil.c" <<-C
		#include <fcntl.h>
		__attribute__((constructor)) static void loaded(void) { open("/loaded", O_CREAT | O_WRONLY, 0644); open("$T/loaded", O_CREAT | O_WRONLY, 0644); }
	C
	gcc -shared -fPIC -o "$T/evil.so" "$T/evil.c"
	mkdir -p "$T/canary"
	echo mine | tee "$T/canary/file" >"$T/canary/file2"
	export ODD_SO=$T/evil.so ODD_CANARY=$T/canary
	python3 "$BATS_TEST_DIRNAME/../helper/oddreg.py" "$ODD" "$T/odd.log" >"$T/odd.out" 2>&1 3>&- &
	echo $! >"$T/odd.pid"
	leaks >"$T/leaks.before"
	soon curl -s --noproxy '*' -o /dev/null "http://127.0.0.1:$ODD/v2/"
}
eval "common_$(declare -f teardown_file)"
teardown_file() {
	[ ! -f "$T/odd.pid" ] || kill "$(cat "$T/odd.pid")"
	common_teardown_file
}
teardown() {
	! mountpoint -q "$T/small" || umount "$T/small"
}

same() { # KIND…: each is pulled into an empty store, and is the image that gzip is
	local k want=
	for k in gzip "$@"; do
		gantry image pull -q "127.0.0.1:$ODD/odd/$k:1"
		gantry image ls -q --no-trunc >"$T/id"
		[ -n "$want" ] || want=$(cat "$T/id")
		[ "$(cat "$T/id")" = "$want" ] || { echo "$k is another image"; return 1; }
		gantry image rm -f "127.0.0.1:$ODD/odd/$k:1" >/dev/null
		gantry image prune -af >/dev/null
	done
}
refused() { # KIND PATTERN: not pulled, PATTERN is said, nothing is left
	run gantry image pull -q "127.0.0.1:$ODD/odd/$1:1"
	[ "$status" = 1 ] || { echo "$1: status $status"; return 1; }
	# shellcheck disable=SC2053
	[[ $output == $2 ]] || { echo "$1: $output"; return 1; }
	[ -z "$(gantry image ls -q)" ]
	[ -z "$(ls "$GANTRY_ROOT/images/tmp")" ]
	[ -z "$(ls "$GANTRY_ROOT/images/layers")" ]
}

@test "gzip, plain, zstd, several members and frames, wrong and foreign types, sha512: the same image" {
	same plain members zstd chunked lying docker foreign sha512
}

@test "indexes in indexes, entries of unknown types, answers without length, digest, HEAD, type: the same image" {
	same nested unknown nolength nodigest head405 head403 charset untyped
	gantry image pull -q "127.0.0.1:$ODD/odd/empty-layer:1"
	gantry image pull -q "127.0.0.1:$ODD/odd/no-layers:1"
	gantry image rm -f "127.0.0.1:$ODD/odd/empty-layer:1" "127.0.0.1:$ODD/odd/no-layers:1"
	gantry image prune -af >/dev/null
}

@test "platforms: variants fall, never rise; who names one means it" {
	author() { gantry image pull -q --platform "$1" "127.0.0.1:$ODD/odd/arms:1" >/dev/null && gantry image inspect -f '{{.Author}}' "127.0.0.1:$ODD/odd/arms:1"; }
	[ "$(author linux/arm/v7)" = arm/v6 ]
	[ "$(author linux/arm/v6)" = arm/v6 ]
	[ "$(author linux/arm/v5)" = arm/v5 ]
	[ "$(author linux/arm64)" = arm64/v8 ]
	[ "$(author linux/arm64/v8)" = arm64/v8 ]
	[ "$(author linux/amd64/v3)" = amd64/v2 ]
	run gantry image pull -q --platform linux/amd64 "127.0.0.1:$ODD/odd/arms:1"
	[[ $output == *"no matching manifest for linux/amd64"*"linux/arm/v5, linux/arm/v6, linux/arm64, linux/amd64/v2"* ]]
	if grep -q avx2 /proc/cpuinfo; then # nothing else is there, and it runs here
		gantry image pull -q "127.0.0.1:$ODD/odd/arms:1"
		[ "$(gantry image inspect -f '{{.Author}}' "127.0.0.1:$ODD/odd/arms:1")" = amd64/v2 ]
	fi
	gantry image rm -f "127.0.0.1:$ODD/odd/arms:1"
	gantry image prune -af >/dev/null
	refused none "*no matching manifest for linux/*there are: linux/s390x, linux/riscv64*"
	refused windows "*for windows, not for linux*"
}

@test "platform: of a service chooses the image, and one for another machine that is here does not count" {
	project platforms <<<"{services: {x: {image: '127.0.0.1:$ODD/odd/arms:1', platform: linux/arm/v7}}}"
	gantry pull -q
	[ "$(gantry image inspect -f '{{.Author}}' "127.0.0.1:$ODD/odd/arms:1")" = arm/v6 ]
	run gantry plan
	[[ $output != *"pull"* ]]
	sed -i 's,linux/arm/v7,linux/arm64,' compose.yaml
	run gantry plan
	[[ $output == *"odd/arms:1: pull (not present)"* ]]
	gantry create
	[ "$(gantry image inspect -f '{{.Author}}' "127.0.0.1:$ODD/odd/arms:1")" = arm64/v8 ]
	gantry down
	sed -i 's,linux/arm64,linux/mips,' compose.yaml
	run gantry create
	[ "$status" = 1 ]
	[[ $output == *"service 'x': "*"no matching manifest for linux/mips"* ]]
	gantry down
	gantry image rm -f "127.0.0.1:$ODD/odd/arms:1"
	gantry image prune -af >/dev/null
}

@test "several images that fail are all named" {
	project several <<<"{services: {x: {image: '127.0.0.1:$ODD/odd/schema1:1'}, y: {image: '127.0.0.1:$ODD/odd/gzip:1'}, z: {image: '127.0.0.1:$ODD/odd/loop:1'}}}"
	run gantry pull -q
	[ "$status" = 1 ]
	[[ $output == *"service 'x': "*"schema 1"* && $output == *"service 'z': "*"redirects more than 10 times"* ]]
	gantry image inspect "127.0.0.1:$ODD/odd/gzip:1" >/dev/null
	run gantry pull -q --ignore-pull-failures
	[ "$status" = 0 ]
	[[ $output == *"service 'x': "*"schema 1"* && $output == *"service 'z': "*"redirects more than 10 times"* ]]
	gantry image rm -f "127.0.0.1:$ODD/odd/gzip:1"
	gantry image prune -af >/dev/null
}

@test "what is no container image says what it is" {
	refused schema1 "*image format of 2015 (schema 1)*skopeo copy*"
	refused helm "*a Helm chart*"
	refused plugin "*docker plugin*"
	refused cosign "*a signature*"
	refused artifact "*an artifact*"
	refused typed-artifact "*its manifest has 1 layers, its config 0: this is no container image*"
	refused encrypted "*is encrypted*"
	refused erofs "*an EROFS image*"
	refused xz "*compressed with xz; gantry reads gzip, zstd and plain tar*"
	refused zip "*compressed with zip*"
	refused text "*not a tar archive*"
	refused foreign-gone "*not found*only its publisher gives it away*"
	refused html "*a page instead of a manifest: Log in, please; this is not a registry's answer*"
}

@test "documents that mean two things, are too large or no documents" {
	refused both "*both as an index and as a manifest*"
	refused mismatch "*calls itself*the registry calls it*"
	refused twice "*key 'layers' is there twice*"
	refused huge "*more than 4194304 bytes*"
	refused big-config "*more than 4 MiB*"
	refused many "*3000 layers, more than 500*"
	refused deep "*more than 4 deep*"
	refused traversal "*not a sha256 or sha512 digest*"
	refused counts "*its manifest has 1 layers, its config 0*"
	refused nul "*not valid JSON*"
	refused null "*neither an index nor a manifest*"
	refused not-json "*not valid JSON*"
	refused empty "*it is empty*"
}

@test "layers that are not what is announced, bombs" {
	refused wrong-diff "*digest mismatch: got sha256:*want sha256:*"
	refused longer "*the registry has * bytes, the manifest says *"
	refused shorter "*the registry has * bytes, the manifest says *"
	refused garbage "*gzip: data after the end*"
	refused cut "*gzip: it ends too early*"
	refused crc "*gzip: incorrect data check*"
	refused window "*zstd: Frame requires too much memory*"
	export GANTRY_MAX_LAYER=50m
	refused bomb "*'zeros': it unpacks to more than 50 MiB*GANTRY_MAX_LAYER*"
}

@test "nothing of a layer is loaded: no NSS, no gconv, no preload, no engine" {
	LD_PRELOAD=$T/evil.so /bin/true
	[ -e "$T/loaded" ] # it would be seen
	rm -f "$T/loaded" /loaded
	gantry image pull -q "127.0.0.1:$ODD/odd/hostile:1"
	[ ! -e "$T/loaded" ] && [ ! -e /loaded ]
	layer=$(ls -d "$GANTRY_ROOT"/images/layers/*)
	[ -e "$layer/evil.so" ] && [ -e "$layer/etc/ld.so.preload" ]
	[ -z "$(find "$GANTRY_ROOT" -name loaded)" ]
	gantry image rm -f "127.0.0.1:$ODD/odd/hostile:1"
	gantry image prune -af >/dev/null
}

@test "no name and no link leads out of a layer" {
	tried=0
	for k in $(python3 "$BATS_TEST_DIRNAME/../helper/oddreg.py" | grep '^escape'); do # contained or refused, both are fine
		timeout 30 gantry image pull -q "127.0.0.1:$ODD/odd/$k:1" || [ $? = 1 ]
		tried=$((tried + 1))
	done
	[ $tried -ge 19 ]
	[ "$(ls "$T/canary")" = "file
file2" ]
	[ "$(cat "$T/canary/file" "$T/canary/file2")" = "mine
mine" ]
	[ -z "$(find "$T" "$GANTRY_ROOT/.." -maxdepth 3 -name new -path "*canary*")" ]
	gantry image ls -q --no-trunc | sort -u | xargs -r gantry image rm -f >/dev/null
	gantry image prune -af >/dev/null
	refused dotdot "*'a/../../x'*leads out of the layer*"
	refused hard "*leads out of the layer*"
	refused hard-absolute "*a hard link to '*etc/passwd', which is not in this layer*"
	refused hard-symlink "*'x'*"
	refused device00 "*a 0:0 device*"
	refused deep-path "*path of more than 4095 bytes*"
	refused long-name "*name of more than 255 bytes*"
	refused big-xattr "*too large*"
	refused owner "*owner 8589934592:0 is out of range*"
	refused sparse "*'x'*"
	run gantry image pull "127.0.0.1:$ODD/odd/overlay:1"
	[[ $output == *"1 attributes that only overlayfs itself may set were left out"* ]]
	[ "$(python3 -c 'import os, sys; print(os.listxattr(sys.argv[1]), os.getxattr(sys.argv[1], "user.kept"))' "$GANTRY_ROOT"/images/layers/*/x)" = "['user.kept'] b'yes'" ]
	gantry image rm -f "127.0.0.1:$ODD/odd/overlay:1"
	gantry image prune -af >/dev/null
}

@test "servers that refuse in odd ways, redirects to nowhere" {
	refused silent401 "*refuses access and does not say what it wants*"
	refused negotiate "*'Negotiate' authentication, which is not supported*"
	refused looped401 "*wants a login*gantry login 127.0.0.1:$ODD*"
	refused teapot "*status 418*"
	refused loop "*redirects more than 10 times*"
	refused to-file "*no plain http or https address*"
	refused to-user "*no plain http or https address*"
	refused to-nothing "*redirects*no address*"
}

@test "a full disk: said, nothing half is used, and it goes on when there is room" {
	mkdir -p "$T/small"
	mount -t tmpfs -o size=60m tmpfs "$T/small"
	export GANTRY_ROOT=$T/small/root
	run gantry image pull -q "127.0.0.1:$ODD/odd/bomb:1"
	[ "$status" = 1 ]
	echo "$output"
	[[ $output == *"o space left on device"*"make room where '$T/small/root' is"* ]]
	[ -z "$(gantry image ls -q)" ]
	soon sh -c "[ -z \"\$(ls '$GANTRY_ROOT/images/tmp' '$GANTRY_ROOT/images/layers' | grep -v :)\" ]"
	mount -o remount,size=300m "$T/small"
	gantry image pull -q "127.0.0.1:$ODD/odd/bomb:1"
	[ "$(gantry image ls -q | wc -l)" = 1 ]
}
