#!/usr/bin/env bats
# fsck: damage of layers, blobs and rows is found file by file; --repair brings just what is damaged, from the archive or the registry.
load lib
load registries

# store NAME: one with a loaded, an imported, a built image
store() {
	other "$1"
	[ -e "$T/base.tar" ] || tar -C "$T/image" -cf "$T/base.tar" .
	gantry image import "$T/base.tar" base:1
	gantry image import "$T/image" folder:1
	mkdir -p "$T/context"
	printf 'FROM base:1\nRUN mkdir /d; echo one >/d/one; ln /d/one /d/two; echo x >/d/x; chmod 4711 /d/x; mkfifo /d/p; rm /etc/group\n' >"$T/context/Dockerfile"
	gantry image build -q -t built:1 "$T/context"
}
# layer IMAGE: its top layer's folder; archive IMAGE: its lowest layer's blob
layer() { gantry image inspect -f '{{.GraphDriver.Data.UpperDir}}' "$1"; }
chain() { basename "$(layer "$1")"; }
archive() {
	local d
	d=$(sqlite3 "$GANTRY_ROOT/state.db" "select digest from layer_blob where chain_id = 'sha256:$(chain "$1")'")
	echo "$GANTRY_ROOT/images/blobs/${d/:/-}"
}
damaged() { # TEXT…: fsck ends with 4 and says all of these
	local t
	run gantry fsck
	[ "$status" = 4 ] || { echo "status $status: $output"; return 1; }
	for t; do [[ $output == *"$t"* ]] || { echo "no '$t' in: $output"; return 1; }; done
}
whole() {
	run gantry fsck
	[ "$status" = 0 ] || { echo "status $status: $output"; return 1; }
	[[ $output == *": 0 damaged, 0 repaired"* ]]
}

@test "a store that is whole: 0, whatever brought its layers; --fast too" {
	store whole
	gantry image save -o "$T/w.tar" base:1 folder:1 built:1
	whole
	is "3 layers (contents not read), 0 blobs: 0 damaged, 0 repaired" gantry fsck --fast
	is "" gantry fsck -q
	is "3" eval "ls $GANTRY_ROOT/images/trees | wc -l"
	project used <<<$'services:\n  a: {image: "built:1", command: [sh, -c, "echo new >/d/one; rm /d/x; sleep 1000"]}'
	gantry up -d
	soon gantry exec a sh -c '! test -e /d/x'
	whole
	gantry down -t 0
	gantry image rm base:1 folder:1 built:1
	gantry gc --cache-age 0s
	is "" ls "$GANTRY_ROOT/images/trees"
}

@test "every kind of change of a file is found and named" {
	store kinds
	gantry image save -o "$T/k.tar" built:1 # packs its layers: now there are archives
	local d=$(layer built:1)
	printf y | dd of="$d/d/x" bs=1 conv=notrunc status=none # its time changes as well
	damaged "changed: d/x: time" "content"
	touch -d "$(stat -c @%Y "$d/d")" "$d/d/x"
	gantry fsck --repair
	d=$(layer built:1)
	local t=$(stat -c %y "$d/d/x")
	printf z | dd of="$d/d/x" bs=1 conv=notrunc status=none && touch -d "$t" "$d/d/x"
	damaged "changed: d/x: content"
	gantry fsck --fast # which does not read it
	truncate -s 0 "$d/d/one"
	chmod 0700 "$d/d/p"
	chown 7:8 "$d/d"
	python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.x", b"y")' "$d/d/x"
	touch "$d/d/new"
	rm "$d/etc/group" # the whiteout
	damaged "changed: d/one: time" "size 0, was 4" "changed: d/p: mode 700, was 644" "changed: d: owner 7, was 0, group 8, was 0" "changed: d/x: content, attributes" \
		"unexpected: d/new" "missing: etc/group"
	gantry fsck --fast && false
	output=$(gantry fsck --format json 2>/dev/null || [ $? = 4 ])
	python3 -c 'import json, sys; j = json.loads(sys.argv[1]); assert not j["whole"] and [f["kind"] for f in j["findings"]] == ["layer"]' "$output"
}

@test "--repair: unpacked again from the archive, packed layers and folders too, only the damaged one" {
	store repair
	gantry image save -o "$T/r.tar" base:1 folder:1 built:1
	local keep=$(stat -c %i "$(layer folder:1)") i
	for i in base built; do
		rm -r "$(layer $i:1)/bin" "$(layer $i:1)/d" 2>/dev/null || true
	done
	run gantry fsck --repair
	[ "$status" = 0 ]
	[[ $output == *"repaired: unpacked again from its archive"* && $output == *"0 damaged, 2 repaired"* ]]
	whole
	[ "$(stat -c %i "$(layer folder:1)")" = "$keep" ]
	rm -r "$(layer folder:1)"
	damaged "missing: the whole folder"
	gantry fsck --repair
	whole
	gantry image save base:1 folder:1 built:1 | cmp - "$T/r.tar"
	# names and ids are as before
	is "base:1 built:1 folder:1" eval "gantry image ls --format '{{.Repository}}:{{.Tag}}' | sort | xargs"
}

@test "a layer that a running container uses is not touched until that stops" {
	store busy
	project busy <<<$'services:\n  a: {image: "base:1", command: [sleep, "1000"]}'
	gantry up -d
	echo damage >"$(layer base:1)/damage"
	run gantry fsck --repair
	[ "$status" = 4 ]
	[[ $output == *"not repaired: container busy-a-1 is running on it"* ]]
	gantry exec a true
	gantry stop -t 0
	gantry fsck --repair
	whole
	gantry down
}

@test "a pulled layer without an archive, or with a bad one, is fetched again" {
	other pulled
	gantry image pull -q "127.0.0.1:$OPEN/team/large:1"
	names=$(gantry image ls --format '{{.Repository}}:{{.Tag}}')
	whole
	local l=$(layer "127.0.0.1:$OPEN/team/large:1") a=$(archive "127.0.0.1:$OPEN/team/large:1")
	printf XXXX | dd of="$a" bs=1 seek=1000 conv=notrunc status=none
	damaged "blob $(basename "$a"): changed: its digest is sha256:"
	rm "$l"/data*
	run gantry fsck --repair
	[ "$status" = 0 ]
	[[ $output == *"repaired: fetched again from its registry"* ]]
	whole
	gantry gc --blobs
	rm "$(layer "127.0.0.1:$OPEN/team/large:1")"/data*
	damaged "missing: data"
	gantry fsck --repair
	whole
	is "$names" gantry image ls --format '{{.Repository}}:{{.Tag}}'
}

@test "what cannot be repaired says why, stays, and the exit code is 4" {
	store lost
	rm "$(archive base:1)"
	damaged "missing: the archive of layer sha256:"
	echo damage >"$(layer base:1)/damage"
	run gantry fsck --repair
	[ "$status" = 4 ]
	[[ $output == *"not repaired: its archive is not here, and it is from no registry"* ]]
	[ -e "$(layer base:1)/bin/busybox" ]
}

@test "repair killed in the middle: the next one does it" {
	store killed
	echo damage >"$(layer base:1)/damage"
	run env GANTRY_FP="image.fsck.aside=kill9" gantry fsck --repair
	[ "$status" = 137 ]
	damaged "missing: the whole folder"
	gantry fsck --repair
	whole
	is "Total reclaimed space: 0B" eval "gantry gc >/dev/null; gantry gc"
}

@test "rows that dangle, and lists that are damaged or were never made" {
	store rows
	local list=$GANTRY_ROOT/images/trees/$(chain built:1)
	echo >>"$list"
	gantry fsck # packed, what was built gives its DiffID: listed again
	whole
	echo >>"$GANTRY_ROOT/images/trees/$(chain base:1)"
	damaged "the list of its files is damaged or missing"
	gantry fsck --repair
	whole
	sqlite3 "$GANTRY_ROOT/state.db" "update layer set tree_digest = null"
	rm "$GANTRY_ROOT"/images/trees/*
	run gantry fsck
	[ "$status" = 0 ]
	[[ $output == *"listed now, as they are"* ]]
	whole
	sqlite3 "$GANTRY_ROOT/state.db" "update image set config = replace(config, 'linux', 'limux') where id = (select id from image_name where ref like '%/base:1')"
	damaged "its config was changed, it has the digest"
	sqlite3 "$GANTRY_ROOT/state.db" "update image set config = replace(config, 'limux', 'linux')"
	# the WAL stays, or the rows would be made of images/meta again
	sqlite3 "$GANTRY_ROOT/state.db" ".filectrl persist_wal 1" "delete from layer where chain_id = 'sha256:$(chain folder:1)'"
	damaged "database: a row of image_layer refers to a row of layer that is not there"
}
