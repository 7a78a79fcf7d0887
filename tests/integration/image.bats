#!/usr/bin/env bats
# The store of images: what goes in, what is refused, and that nothing is left of what was killed.
load lib

# saved OUT TAG DIR...: a docker-archive, one layer per folder, manifest.json last
saved() {
	local out=$1 tag=$2 w layers= diffs= i=0
	shift 2
	w=$(mktemp -d "$T/saved.XXXXXX")
	for d; do
		mkdir "$w/$i"
		tar --numeric-owner --sort=name --mtime=@1000000000 -C "$d" -cf "$w/$i/layer.tar" .
		layers+=",\"$i/layer.tar\"" diffs+=",\"sha256:$(sha256sum "$w/$i/layer.tar" | cut -d' ' -f1)\""
		i=$((i + 1))
	done
	printf '{"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z","config":{"Cmd":["sh"],"Env":["NAME=%s"]},"rootfs":{"type":"layers","diff_ids":[%s]}}' \
		"$tag" "${diffs#,}" >"$w/config.json"
	printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":[%s]}]' "$tag" "${layers#,}" >"$w/manifest.json"
	(cd "$w" && tar -cf "$out" [0-9]* config.json manifest.json)
	rm -rf "$w"
}

# Two layers: the second deletes a file and a folder's content of the first.
two_layers() {
	mkdir -p "$T/one/etc" "$T/one/dir" "$T/two/etc" "$T/two/dir"
	cp -a "$T/image/bin" "$T/one/"
	echo old >"$T/one/etc/gone"
	echo kept >"$T/one/etc/kept"
	echo hidden >"$T/one/dir/hidden"
	: >"$T/two/etc/.wh.gone"
	: >"$T/two/dir/.wh..wh..opq"
	echo payload-1 >"$T/two/dir/shown"
}

# What a failed test may leave of its own roots.
teardown() {
	! mountpoint -q "$T/disk" || umount "$T/disk"
	[ ! -d "$T/copy-root" ] || GANTRY_ROOT=$T/copy-root gantry -p copy down -v -t 0 2>/dev/null || true
	rm -rf "$T/copy-root"
}

# Nothing half done: every layer folder has a row, no temporary folder, nothing in the trash.
whole() {
	[ -z "$(ls -A "$GANTRY_ROOT/images/tmp" "$GANTRY_ROOT/trash" | grep -v ':$')" ] || { ls -A "$GANTRY_ROOT/images/tmp" "$GANTRY_ROOT/trash"; return 1; }
	diff <(ls "$GANTRY_ROOT/images/layers" | sort) <(sqlite3 "$GANTRY_ROOT/state.db" "select substr(chain_id, 8) from layer" | sort)
}

refused() { # MESSAGE COMMAND...
	local want=$1
	shift
	run "$@"
	[ "$status" -ne 0 ]
	[[ $output == *"$want"* ]] || { echo "$output"; return 1; }
	whole
}

@test "load: from a file, -i, standard input, a folder; compressed or not" {
	two_layers
	saved "$T/a.tar" two:1 "$T/one" "$T/two"
	gzip -k "$T/a.tar"
	mkdir "$T/a.dir" && tar -C "$T/a.dir" -xf "$T/a.tar"
	for how in "load $T/a.tar" "load -i $T/a.tar" "load -i $T/a.tar.gz" "load $T/a.dir"; do
		gantry image rm two:1 2>/dev/null || true
		is "Loaded image: two:1" eval "gantry image $how"
		whole
	done
	gantry image rm two:1
	is "Loaded image: two:1" eval "cat $T/a.tar | gantry image load"
	gantry image rm two:1
	is "Loaded image: two:1" eval "gzip -c $T/a.tar | gantry image load -q"
	is "Loaded image: two:1" gantry image load "$T/a.tar"
	project two <<<$'services:\n  a: {image: "two:1", command: [sh, -c, "cd /; cat etc/kept dir/*; ls dir; cd etc; ls | grep -e kept -e gone; exec sleep 1000"]}'
	gantry up -d
	soon is $'kept\npayload-1\nshown\nkept' gantry logs --no-log-prefix a
	gantry down -t 0
}

@test "ls, inspect, tag, rm, prune" {
	is $'tiny\t1\ntiny\t2' eval "gantry image ls --format '{{.Repository}}\t{{.Tag}}' tiny | sort"
	[ "$(gantry image ls -q tiny | wc -l)" -eq 1 ]
	[ "$(gantry image ls --no-trunc -q tiny)" = "$(gantry image inspect -f '{{.Id}}' tiny:1)" ]
	[ -z "$(gantry image ls -q -f dangling=true)" ]
	refused "invalid filter" gantry image ls -f nothing=1
	is '["sleep","1000000"]' gantry image inspect -f '{{json .Config.Cmd}}' tiny:1
	refused "no such image: 'nothing'" gantry image inspect nothing
	refused "no such image: 'tiny:3'" gantry image tag tiny:3 x
	refused "must be lowercase" gantry image tag tiny:1 Tiny
	gantry image tag tiny:1 localhost:5000/other
	is "Untagged: localhost:5000/other:latest" gantry image rm localhost:5000/other
	refused "has several names" gantry image rm "$(gantry image ls -q tiny)"
	project used <<<$'services:\n  a: {image: "only:1", command: [sh]}'
	gantry image import "$T/image" only:1 >/dev/null
	gantry create
	refused "is used by container used-a-1" gantry image rm only:1
	gantry down
	gantry image import "$T/two" only:1 >/dev/null
	[ "$(gantry image ls -q -f dangling=true | wc -l)" -eq 1 ]
	gantry image prune -f | grep Deleted
	[ -z "$(gantry image ls -q -f dangling=true)" ]
	gantry image rm only:1
	whole
}

@test "import: a folder, a tar, standard input; changes; the same folder is the same layer" {
	mkdir -p "$T/tree/sub"
	printf hello >"$T/tree/sub/file" && chmod 4711 "$T/tree/sub/file" && chown 1000:1001 "$T/tree/sub/file"
	ln "$T/tree/sub/file" "$T/tree/hard" && ln -s sub/file "$T/tree/soft" && mkfifo "$T/tree/pipe"
	mkdir -p "$T/tree/$(printf 'long%.0s' {1..50})/$(printf 'path%.0s' {1..40})"
	truncate -s 1M "$T/tree/holes"
	gantry image import "$T/tree" tree:1 >/dev/null
	gantry image import "$T/tree" tree:2 >/dev/null
	[ "$(gantry image inspect -f '{{json .RootFS.Layers}}' tree:1)" = "$(gantry image inspect -f '{{json .RootFS.Layers}}' tree:2)" ]
	local dir
	dir=$(gantry image inspect -f '{{.GraphDriver.Data.UpperDir}}' tree:1)
	diff <(cd "$T/tree" && find . -printf '%p %y %m %U:%G %n %l %Ts\n' | sed -E 's/^(\.( .*)|.*)$/\1/' | sort) \
		<(cd "$dir" && find . -printf '%p %y %m %U:%G %n %l %Ts\n' | sort)
	[ "$dir/hard" -ef "$dir/sub/file" ]
	tar -C "$T/tree" -cf - . | gantry image import -c 'ENV A=1' -c 'USER app' - tree:3
	is 'app ["A=1"]' gantry image inspect -f '{{.Config.User}} {{json .Config.Env}}' tree:3
	refused "change 'RUN x': only CMD" gantry image import -c 'RUN x' "$T/tree"
	refused "No such file" gantry image import "$T/none"
	refused "only files and folders" gantry image import https://example.com/x.tar
	gantry image rm tree:1 tree:2 tree:3
	whole
}

@test "archives that are damaged, or want to get out" {
	echo canary >"$T/canary"
	refused "not a tar archive" gantry image load /bin/busybox
	refused "it looks like a root file system" gantry image load -i <(tar -C "$T/image" -c bin/sh etc usr 2>/dev/null; true)
	two_layers
	saved "$T/good.tar" bad:1 "$T/one" "$T/two"
	head -c 4000 "$T/good.tar" >"$T/cut.tar"
	refused "gantry: $T/cut.tar:" gantry image load "$T/cut.tar"
	sed 's/payload-1/payload-2/' "$T/good.tar" >"$T/changed.tar"
	refused "digest mismatch" gantry image load "$T/changed.tar"
	mkdir -p "$T/out"
	for name in '../x' 'a/../../x' '/../x'; do
		tar -C "$T/out" -P --transform "s,.*,$name," -cf "$T/evil.tar" "$T/canary"
		refused "leads out of the layer" gantry image import "$T/evil.tar"
	done
	ln -s "$T" "$T/out/link"
	tar -C "$T/out" -cf "$T/evil.tar" link
	tar -P --transform "s,.*,link/canary," -rf "$T/evil.tar" /bin/busybox
	refused "not a folder in this layer" gantry image import "$T/evil.tar"
	is canary cat "$T/canary"
	refused "unpacks to more than 0 MiB" gantry image import --max-size 1000 "$T/good.tar"
	refused "not a size" gantry image load --max-size lots "$T/good.tar"
	rm -f "$T/out/link"
}

# Every fail point of COMMAND is hit once with kill -9 (in PROGRAM), and then the same command works.
killed_everywhere() { # PROGRAM COMMAND...
	local program=$1 point hits n
	shift
	GANTRY_FP=trace GANTRY_FP_LOG=$T/trace GANTRY_FP_PROG=$program "$@" >/dev/null
	[ -s "$T/trace" ] || skip "no fail points in this build"
	undo
	for point in $(sort -u "$T/trace" | grep -E "^(image|volume)\."); do
		hits=$(grep -cx "$point" "$T/trace")
		for ((n = 0; n < hits && n < 3; n++)); do
			GANTRY_FP="$point=$n*off->kill9" GANTRY_FP_PROG=$program "$@" >"$T/out.txt" 2>&1 && { echo "$point was not hit"; return 1; }
			"$@" >"$T/out.txt" 2>&1 || { echo "after $point $n:"; cat "$T/out.txt"; return 1; }
			whole || { echo "after $point $n"; return 1; }
			undo
			whole || { echo "after $point $n and rm"; return 1; }
		done
	done
	rm -f "$T/trace"
}

@test "kill -9 at every step of load and rm: the next one works, nothing is left" {
	two_layers
	saved "$T/k.tar" kill:1 "$T/one" "$T/two"
	undo() { gantry image rm kill:1 >/dev/null; }
	killed_everywhere gantry gantry image load "$T/k.tar"
	killed_everywhere gantry-image gantry image load "$T/k.tar"
	local point
	gantry image load "$T/k.tar"
	GANTRY_FP=trace GANTRY_FP_LOG=$T/trace gantry image rm kill:1 >/dev/null
	for point in $(sort -u "$T/trace" | grep -E '^(image|db)\.'); do
		gantry image load "$T/k.tar" >/dev/null
		GANTRY_FP="$point=kill9" gantry image rm kill:1 >/dev/null 2>&1 && { echo "$point was not hit"; return 1; }
		gantry image rm kill:1 >"$T/out.txt" 2>&1 || grep -q "no such image" "$T/out.txt" || { echo "after $point"; cat "$T/out.txt"; return 1; }
		gantry image prune -f >/dev/null
		whole || { echo "after $point"; return 1; }
	done
}

@test "several loads at once, and one killed among them" {
	two_layers
	saved "$T/p.tar" par:1 "$T/one" "$T/two"
	local i pids=()
	for i in 1 2 3 4 5 6; do gantry image load "$T/p.tar" >"$T/p.$i" 2>&1 & pids+=($!); done
	kill -9 "${pids[3]}" 2>/dev/null || true
	for i in 0 1 2 4 5; do wait "${pids[$i]}" || { cat "$T/p.$((i + 1))"; return 1; }; done
	wait "${pids[3]}" || true
	gantry image rm par:1
	whole
}

@test "a full disk: said so, nothing is left, the rest works" {
	command -v mkfs.ext4 >/dev/null || skip "no mkfs.ext4"
	truncate -s 24M "$T/disk.img"
	mkfs.ext4 -q "$T/disk.img"
	mkdir -p "$T/disk"
	mount -o loop "$T/disk.img" "$T/disk" || skip "no loop devices"
	mkdir -p "$T/out"
	two_layers
	saved "$T/good.tar" bad:1 "$T/one" "$T/two"
	head -c 40000000 /dev/urandom >"$T/out/big"
	export GANTRY_ROOT=$T/disk/root
	run gantry image import "$T/out" big:1
	[ "$status" -ne 0 ]
	[[ $output == *"No space left on device"*"hint: make room"* ]]
	gantry image load "$T/good.tar"
	gantry image rm bad:1
	whole
}

@test "the copy driver: the same images, on any file system" {
	two_layers
	export GANTRY_ROOT=$T/copy-root GANTRY_STORAGE=copy
	saved "$T/c.tar" copy:1 "$T/one" "$T/two"
	gantry image load "$T/c.tar"
	project copy <<<$'services:\n  a: {image: "copy:1", command: [sh, -c, "cd /; cat etc/kept dir/shown; ls dir; ls etc/gone 2>&1; echo end; exec sleep 1000"]}'
	gantry up -d
	soon is $'kept\npayload-1\nshown\nls: etc/gone: No such file or directory\nend' gantry logs --no-log-prefix a
	gantry down -t 0
}
