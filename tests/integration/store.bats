#!/usr/bin/env bats
# The image store: save, and what it keeps of images that came in files; history.
load lib
load registries

# images: tiny:1 (a folder), archive:1 (a tar), built:1 (on archive:1)
images() {
	gantry image inspect built:1 >/dev/null 2>&1 && return
	tar -C "$T/image" -cf "$T/archive.tar" .
	gantry image import "$T/archive.tar" archive:1
	mkdir -p "$T/context"
	printf 'FROM archive:1\nRUN echo hi >/x; rm /etc/group\nCOPY f /f\nLABEL k=v\n' >"$T/context/Dockerfile"
	echo f >"$T/context/f"
	gantry image build -q -t built:1 "$T/context"
}

@test "save: docker-archive and OCI layout in one, several images, the same bytes each time" {
	images
	gantry image save -o "$T/all.tar" tiny:1 archive:1 built:1
	gantry image save built:1 archive:1 | tar -tf - >/dev/null
	gantry image save tiny:1 archive:1 built:1 | cmp - "$T/all.tar"
	[ "$(stat -c %a "$T/all.tar")" = 600 ]
	tar -xOf "$T/all.tar" manifest.json | python3 -c '
import json, sys
m = json.load(sys.stdin)
assert [i["RepoTags"] for i in m] == [["tiny:1"], ["archive:1"], ["built:1"]], m
assert len(m[2]["Layers"]) == 3 and m[2]["Layers"][0] == m[1]["Layers"][0]'
	ls "$T"/.gantry-part-* 2>/dev/null && false
	[ "$(skopeo inspect --config "docker-archive:$T/all.tar:built:1" | python3 -c 'import json,sys; print(json.load(sys.stdin)["config"]["Labels"]["k"])')" = v ]
}

@test "save: other programs read it, and find the same id and files" {
	images
	mkdir "$T/layout"
	gantry image save built:1 | tar -C "$T/layout" -xf -
	skopeo copy -q "oci:$T/layout:1" "dir:$T/dir"
	[ "sha256:$(python3 -c 'import json; print(json.load(open("'"$T/dir"'/manifest.json"))["config"]["digest"][7:])')" = "$(id_of built:1)" ]
	umoci unpack --image "$T/layout:1" "$T/unpacked"
	[ "$(cat "$T/unpacked/rootfs/x")" = hi ]
	[ ! -e "$T/unpacked/rootfs/etc/group" ]
	[ -e "$T/unpacked/rootfs/etc/passwd" ]
}

@test "load of what was saved is the same image; saved again it is the same file" {
	images
	gantry image save -o "$T/again.tar" tiny:1 built:1
	want="$(id_of tiny:1) $(id_of built:1)"
	other again
	gantry image load -qi "$T/again.tar"
	[ "$(id_of tiny:1) $(id_of built:1)" = "$want" ]
	gantry image save tiny:1 built:1 | cmp - "$T/again.tar"
}

@test "a docker-archive of plain layers keeps them: saved again they have their DiffIDs" {
	images
	gantry image save -o "$T/s.tar" built:1
	skopeo copy -q "docker-archive:$T/s.tar:built:1" "docker-archive:$T/plain.tar:plain:1"
	want=$(id_of built:1)
	other plain
	gantry image load -qi "$T/plain.tar"
	[ "$(id_of plain:1)" = "$want" ]
	gantry image save -o "$T/plain2.tar" plain:1
	skopeo copy -q "docker-archive:$T/plain2.tar:plain:1" "docker-archive:$T/plain3.tar:plain:1"
	cmp "$T/plain.tar" "$T/plain3.tar"
}

@test "loaded, imported and built images are pushed, and pulled they are the same" {
	images
	gantry image save -o "$T/p.tar" built:1
	skopeo copy -q "docker-archive:$T/p.tar:built:1" "docker-archive:$T/p2.tar:loaded:1"
	for i in built archive; do
		gantry image tag $i:1 "127.0.0.1:$OPEN/store/$i:1"
		gantry image push -q "127.0.0.1:$OPEN/store/$i:1"
	done
	want="$(id_of built:1) $(id_of archive:1)"
	other push
	gantry image load -qi "$T/p2.tar"
	gantry image tag loaded:1 "127.0.0.1:$OPEN/store/loaded:1"
	gantry image push -q "127.0.0.1:$OPEN/store/loaded:1"
	# compressed on the way
	skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$OPEN/store/loaded:1" | grep -q 'layer.v1.tar+gzip'
	other pull
	gantry image pull -q "127.0.0.1:$OPEN/store/built:1" "127.0.0.1:$OPEN/store/archive:1" "127.0.0.1:$OPEN/store/loaded:1"
	[ "$(id_of "127.0.0.1:$OPEN/store/built:1") $(id_of "127.0.0.1:$OPEN/store/archive:1")" = "$want" ]
	[ "$(id_of "127.0.0.1:$OPEN/store/loaded:1")" = "${want% *}" ]
}

@test "a pulled image is saved with its manifest's digest, and what was built on it shares its blobs" {
	gantry image pull -q "127.0.0.1:$OPEN/team/large:1"
	gantry image save -o "$T/pulled.tar" "127.0.0.1:$OPEN/team/large:1"
	digest=$(sqlite3 "$GANTRY_ROOT/state.db" "select manifest from image_name n join image i on i.id = n.id where ref = '127.0.0.1:$OPEN/team/large:1'")
	[ -n "$digest" ]
	tar -xOf "$T/pulled.tar" index.json | grep -q "$digest"
	mkdir -p "$T/on"
	printf 'FROM 127.0.0.1:%s/team/large:1\nRUN echo on >/on\n' "$OPEN" >"$T/on/Dockerfile"
	gantry image build -q -t "127.0.0.1:$OPEN/store/on:1" "$T/on"
	gantry image push -q "127.0.0.1:$OPEN/store/on:1"
	a=$(skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$OPEN/store/on:1" | grep -o 'sha256:[0-9a-f]*' | sort)
	tar -xOf "$T/pulled.tar" manifest.json | grep -o 'blobs/sha256/[0-9a-f]*' | sed -n '2p' | cut -d/ -f3 | { read -r layer; grep -q "$layer" <<<"$a"; }
}

@test "save: what is asked for is not there, or cannot be written" {
	images
	run gantry image save nope:1
	[ "$status" = 1 ]
	[[ $output == *"no such image: 'nope:1'"* ]]
	run gantry image save -o "$T" tiny:1
	[[ $output == *"is a folder"* ]]
	run gantry image save -o "$T/none/x.tar" tiny:1
	[[ $output == *"No such file or directory"* ]]
	run gantry image save -o /dev/full tiny:1
	[ "$status" != 0 ]
	[[ $output == *"No space left on device"* ]]
	run script -qec "gantry image save tiny:1" /dev/null
	[ "$status" != 0 ]
	[[ $output == *"terminal"* ]]
	run bash -c 'set -o pipefail; gantry image save tiny:1 | head -c 100 >/dev/null'
	[ "$status" != 0 ]
}

@test "save: a blob that was changed is not passed on, and no file is left" {
	images
	gantry image save -o "$T/d.tar" archive:1
	other damaged
	gantry image load -qi "$T/d.tar"
	blob=$(find "$GANTRY_ROOT/images/blobs" -type f -size +100k)
	printf X | dd of="$blob" bs=1 seek=5000 conv=notrunc status=none
	run gantry image save -o "$T/damaged.tar" archive:1
	[ "$status" = 1 ]
	[[ $output == *"digest mismatch"* ]]
	[ ! -e "$T/damaged.tar" ]
	! ls "$T"/.gantry-part-* 2>/dev/null
}

@test "save killed anywhere leaves no archive, and the next one is whole" {
	for point in image.blob.rename image.save.blob; do
		other "killed-$point"
		gantry image import "$T/image" tiny:1
		run env GANTRY_FP="$point=kill9" gantry image save -o "$T/killed.tar" tiny:1
		[ "$status" = 1 ]
		[ ! -e "$T/killed.tar" ]
		! ls "$T"/.gantry-part-* 2>/dev/null
		gantry image save -o "$T/whole.tar" tiny:1
		[ "$(ls -A "$GANTRY_ROOT/images/tmp")" = "" ]
		tar -tf "$T/whole.tar" >/dev/null
	done
}

@test "history: docker's columns, newest first, sizes of layers" {
	images
	run gantry image history built:1
	[[ ${lines[0]} =~ ^IMAGE\ +CREATED\ +CREATED\ BY\ +SIZE\ +COMMENT$ ]]
	[[ ${lines[1]} == *"LABEL k=v"*"0B"* ]]
	[[ ${lines[2]} == "<missing>"*"COPY f /f"*"2B"* ]]
	[[ ${lines[4]} == *"Imported from"* ]]
	[ "$(gantry image history -q --no-trunc built:1 | head -1)" = "$(id_of built:1)" ]
	run gantry image history -H=false --format '{{.Size}} {{.CreatedAt}}' built:1
	[[ ${lines[1]} =~ ^2\ 20..-..-..T..:..:..Z$ ]]
	run gantry image history nope:1
	[ "$status" = 1 ]
}

collected() {
	gantry gc
	! ls -A "$GANTRY_ROOT/images/tmp" "$GANTRY_ROOT/images/layers" "$GANTRY_ROOT/images/blobs" "$GANTRY_ROOT/images/trees" | grep -v ':$' | grep .
}

@test "a pull that is killed, at each step and at any moment: gc takes what it left, and the next pull is whole" {
	other killed-pull
	for point in image.blob.rename image.unpack image.layer.synced image.layer.rename image.rows; do
		GANTRY_FP="$point=kill9" gantry image pull -q "127.0.0.1:$OPEN/team/large:1" && [ "$point" = image.unpack ] && break
		# its children end when they see that they are alone
		soon collected
		[ "$(gantry image ls -q)" = "" ]
	done
	for ms in 10 30 60 100 150 220; do
		gantry image pull -q "127.0.0.1:$OPEN/team/large:1" 3>&- &
		sleep "0.$(printf %03d $ms)"
		kill -9 $! 2>/dev/null || true
		wait $! || true
		soon is "" eval 'gantry gc >/dev/null; ls -A "$GANTRY_ROOT/images/tmp"'
		gantry fsck
		diff <(ls "$GANTRY_ROOT/images/layers") <(sqlite3 "$GANTRY_ROOT/state.db" 'select substr(chain_id, 8) from layer order by 1')
		[ -z "$(gantry image ls -q)" ] || gantry image rm "127.0.0.1:$OPEN/team/large:1"
	done
	gantry image pull -q "127.0.0.1:$OPEN/team/large:1"
	gantry fsck
}

@test "when the database is lost, archives of loaded layers are not" {
	images
	gantry image save -o "$T/lost.tar" archive:1
	other lost
	gantry image load -qi "$T/lost.tar"
	rm "$GANTRY_ROOT"/state.db*
	is archive gantry image ls --format '{{.Repository}}'
	gantry gc
	gantry fsck
	gantry image save archive:1 | cmp - "$T/lost.tar"
}
