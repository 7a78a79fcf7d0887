#!/usr/bin/env bats
# What leaves the store and when: gc, df, image prune; what killed commands left, and what others are using just then.
load lib

# base: an image of a tar archive, in this store
base() {
	[ -e "$T/base.tar" ] || tar -C "$T/image" -cf "$T/base.tar" .
	gantry image import "$T/base.tar" "${1:-base:1}" >/dev/null
}
build() { # TAG LINE…
	local tag=$1
	shift
	mkdir -p "$T/context"
	printf '%s\n' "FROM base:1" "$@" >"$T/context/Dockerfile"
	gantry image build -q -t "$tag" "$T/context" >/dev/null
}
# clean: nothing is left to collect, and folders and rows say the same
clean() {
	is "Total reclaimable space: 0B" gantry gc --dry-run
	[ -z "$(ls -A "$GANTRY_ROOT/images/tmp" "$GANTRY_ROOT/trash" 2>/dev/null | grep -v ':$' | grep .)" ] || return 1
	diff <(ls "$GANTRY_ROOT/images/layers") <(sqlite3 "$GANTRY_ROOT/state.db" 'select substr(chain_id, 8) from layer order by 1')
}

@test "load, import, build killed at each step: gc takes all of it, and the next one works" {
	tar -C "$T/image" -cf "$T/base.tar" .
	other make
	base
	gantry image save -o "$T/saved.tar" base:1
	other killed
	for point in image.unpack image.layer.synced image.layer.rename image.blob.rename image.rows; do
		run env GANTRY_FP="$point=kill9" gantry image load -qi "$T/saved.tar"
		[ "$status" != 0 ]
		soon gantry gc
		clean
		[ -z "$(gantry image ls -q)" ]
	done
	gantry image load -qi "$T/saved.tar"
	clean
	is sleep gantry image inspect -f sleep base:1
	cmp "$T/saved.tar" <(gantry image save base:1)
	for point in image.layer.synced image.layer.rename image.rows build.layer build.commit; do
		mkdir -p "$T/context"
		printf 'FROM base:1\nRUN echo %s >/x\n' "$point" >"$T/context/Dockerfile"
		GANTRY_FP="$point=kill9" gantry image build -q -t killed:1 "$T/context" || true
		gantry image rm killed:1 || true
		soon gantry gc --cache-age 0s
		clean
	done
}

@test "gc says what goes, frees it, and a dry run changes nothing" {
	other says
	base
	build x:1 'RUN dd if=/dev/zero of=/big bs=1M count=3 2>/dev/null'
	gantry image rm x:1 base:1
	mkdir -p "$GANTRY_ROOT/images/tmp/left" "$GANTRY_ROOT/images/layers/0123" "$GANTRY_ROOT/trash/layer-x"
	echo part >"$GANTRY_ROOT/images/blobs/sha256-$(printf '0%.0s' {1..64}).part"
	before=$(find "$GANTRY_ROOT/images" "$GANTRY_ROOT/trash" | sort)
	run gantry gc --dry-run --cache-age 0s
	[[ $output == *"temporary: left"*"layer: sha256:"*"download: sha256-000"* ]]
	[[ $output == *"layer: 0123"* && $output == *"trash: layer-x"* ]]
	[[ ${lines[-1]} =~ ^Total\ reclaimable\ space:\ [5-9] ]]
	[ "$(find "$GANTRY_ROOT/images" "$GANTRY_ROOT/trash" | sort)" = "$before" ]
	dry=${lines[-1]#*: }
	run gantry gc --cache-age 0s
	is "Total reclaimed space: $dry" echo "${lines[-1]}"
	[ "$(du -sm "$GANTRY_ROOT/images" | cut -f1)" -le 1 ]
	clean
	is "Total reclaimed space: 0B" gantry gc
}

@test "the build cache goes by age and by size, what was used last stays" {
	other cache
	base
	build a:1 'RUN dd if=/dev/zero of=/a bs=1M count=2 2>/dev/null'
	build b:1 'RUN dd if=/dev/zero of=/b bs=1M count=2 2>/dev/null'
	gantry image rm a:1 b:1
	gantry gc
	is 2 sqlite3 "$GANTRY_ROOT/state.db" 'select count(*) from build_cache'
	is "Total reclaimed space: 0B" gantry gc --cache-size 10m
	run gantry gc --cache-size 3m
	[[ $output == *"layer: sha256:"* ]]
	is 1 sqlite3 "$GANTRY_ROOT/state.db" 'select count(*) from build_cache'
	build b:1 'RUN dd if=/dev/zero of=/b bs=1M count=2 2>/dev/null'
	is 1 sqlite3 "$GANTRY_ROOT/state.db" 'select count(*) from build_cache'
	run gantry gc --cache-age nonsense
	[ "$status" = 1 ]
	[[ $output == *"--cache-age"* ]]
	run gantry gc --cache-size -1
	[ "$status" = 1 ]
	clean
}

@test "--blobs drops what can be had again, and keeps what only a file brought" {
	other blobs
	base
	gantry image import "$T/image" folder:1 >/dev/null
	gantry image save -o "$T/f.tar" folder:1
	run gantry gc --blobs
	[[ $output == *"blob: sha256-"* ]]
	is 1 sqlite3 "$GANTRY_ROOT/state.db" "select count(*) from layer_blob where origin = 'load'"
	[ "$(find "$GANTRY_ROOT/images/blobs" -type f -size +1k | wc -l)" = 1 ]
	gantry image save folder:1 | cmp - "$T/f.tar"
	gantry image save base:1 >/dev/null
}

@test "what somebody is loading, and what containers use, stays" {
	other busy
	base
	gantry image save -o "$T/busy.tar" base:1
	gantry image rm base:1
	gantry gc --cache-age 0s
	GANTRY_FP="image.layer.rename=delay(1500)" gantry image load -qi "$T/busy.tar" 3>&- &
	local load=$!
	until [ "$(ls "$GANTRY_ROOT/images/tmp")" ]; do kill -0 $load; done
	run gantry gc
	[[ $output == *"loaded, pulled, saved or built just now"* ]]
	[[ $output != *"temporary:"* ]]
	wait $load
	gantry image inspect base:1 >/dev/null
	clean
	project inuse <<<$'services:\n  a: {image: "base:1", command: [sleep, "1000"]}'
	gantry up -d
	run gantry image prune -af
	[[ $output == "Total reclaimed space: 0B" ]]
	gantry gc --cache-age 0s --blobs
	gantry exec a true
	gantry down -t 0
	run gantry image prune -af
	[[ $output == *"Deleted Images:"*"untagged: base:1"*"deleted: sha256:"*"Total reclaimed space: "* ]]
	[[ $output != *": 0B"* ]]
	clean
}

@test "prune and ls: filters" {
	other filters
	base old:1
	gantry image import -c 'LABEL a=b' "$T/base.tar" new:1 >/dev/null
	is $'new:1' gantry image ls --format '{{.Repository}}:{{.Tag}}' -f label=a
	is $'new:1' gantry image ls --format '{{.Repository}}:{{.Tag}}' -f since=old:1
	is $'old:1' gantry image ls --format '{{.Repository}}:{{.Tag}}' -f before=new:1
	is "" gantry image ls -q -f until=24h
	[ "$(gantry image ls -q -f reference='o*' -f reference='n*' | wc -l)" = 2 ]
	run gantry image ls -f since=nope:1
	[ "$status" = 1 ]
	[[ $output == *"filter 'since=nope:1': no such image"* ]]
	run gantry image prune -f --filter before=old:1
	[ "$status" = 1 ]
	[[ $output == *"invalid filter"* ]]
	is "Total reclaimed space: 0B" gantry image prune -af --filter until=24h
	is "Total reclaimed space: 0B" gantry image prune -f
	run gantry image prune -af --filter 'label!=a'
	[[ $output == *"untagged: old:1"* && $output != *"untagged: new:1"* ]]
	run gantry image prune -a <<<n
	[[ $output == *"WARNING! This will remove all images without at least one container"*"[y/N]"* ]]
	is "new:1" gantry image ls --format '{{.Repository}}:{{.Tag}}'
	gantry image tag new:1 new:2
	run gantry image prune -af --filter label=a=b
	[[ $output == *"untagged: new:2"* && $output == *"untagged: new:1"* ]]
	is "" gantry image ls -q
}

@test "df: sums and each thing" {
	other df
	base
	build onbase:1 'RUN dd if=/dev/zero of=/b bs=1M count=2 2>/dev/null'
	project dfp <<<$'services:\n  a: {image: "base:1", command: [sh, -c, "dd if=/dev/zero of=/w bs=1M count=4; sleep 1000"], volumes: ["v:/v"]}\nvolumes: {v: {}}'
	gantry up -d
	soon gantry exec a sh -c '[ $(stat -c %s /w) = 4194304 ]'
	run gantry df
	[[ ${lines[0]} =~ ^TYPE\ +TOTAL\ +ACTIVE\ +SIZE\ +RECLAIMABLE$ ]]
	[[ ${lines[1]} =~ ^Images\ +2\ +1\ +4\.[0-9]+MB\ +2\.[0-9]+MB\ \(5.%\)$ ]]
	[[ ${lines[2]} =~ ^Containers\ +1\ +1\ +4\.[0-9]+MB\ +0B\ \(0%\)$ ]]
	[[ ${lines[3]} =~ ^"Local Volumes"\ +1\ +1\  ]]
	[[ ${lines[4]} =~ ^"Build Cache"\ +1\ +1\ +0B\ +0B$ ]]
	gantry down -t 0
	is "1 0" eval "gantry df --format '{{.TotalCount}} {{.Active}}' | sed -n 3p"
	run gantry df -v
	[[ $output == *"Images space usage:"*"onbase"*"Local Volumes space usage:"*"dfp_v"* ]]
	gantry df --format json | python3 -c 'import json, sys; assert [json.loads(l)["Type"] for l in sys.stdin][0] == "Images"'
	gantry down -v
}
