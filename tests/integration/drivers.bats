#!/usr/bin/env bats
# Storage drivers on the file systems of servers: each of ext4, xfs and btrfs on a loop device, with overlay and with copy.
load lib

# The device's file system on $T/fs; gone at the end of the test.
filesystem() { # TYPE OPTION…
	local type=$1
	shift
	command -v "mkfs.$type" >/dev/null || skip "needs mkfs.$type"
	truncate -s 600M "$T/disk"
	mkdir -p "$T/fs"
	"mkfs.$type" -q "$@" "$T/disk" || skip "mkfs.$type does not work here"
	mount -o loop "$T/disk" "$T/fs" || skip "needs loop devices and $type"
	export GANTRY_ROOT=$T/fs/root GANTRY_RUN=$T/fs-run
}
teardown() {
	unset GANTRY_STORAGE
	take_all_down
	if mountpoint -q "$T/fs"; then umount "$T/fs" || umount -l "$T/fs"; fi
	rm -f "$T/disk"
}

# An image of two layers: whiteouts, an opaque folder, hard links, attributes; two containers of it do not see each other's writes.
works() { # DRIVER
	export GANTRY_STORAGE=$1
	python3 - "$T" <<'PY'
import io, json, hashlib, sys, tarfile
root = sys.argv[1]
def layer(fill):
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode='w', format=tarfile.PAX_FORMAT) as t:
        fill(t)
    return b.getvalue()
def add(t, name, data=None, **k):
    e = tarfile.TarInfo(name)
    e.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
    e.mode = 0o755
    e.size = len(data or b'')
    for a, v in k.items():
        setattr(e, a, v)
    t.addfile(e, io.BytesIO(data or b'') if e.type == tarfile.REGTYPE else None)
def low(t):
    t.add(root + '/image', '.')
    for f in ('gone', 'kept', 'dir/hidden'):
        if '/' in f:
            add(t, 'dir')
        add(t, f, f.encode())
    add(t, 'one', b'same', uid=7)
    add(t, 'two', b'', type=tarfile.LNKTYPE, linkname='one', size=0)
    add(t, 'attr', b'x', pax_headers={'SCHILY.xattr.user.k': 'v'})
def high(t):
    add(t, '.wh.gone', b'')
    add(t, 'dir')
    add(t, 'dir/.wh..wh..opq', b'')
    add(t, 'dir/shown', b'shown')
layers = [layer(low), layer(high)]
config = json.dumps(dict(architecture='amd64', os='linux', config=dict(Cmd=['sleep', '1000000']),
    rootfs=dict(type='layers', diff_ids=['sha256:' + hashlib.sha256(l).hexdigest() for l in layers]))).encode()
with tarfile.open(root + '/driver.tar', 'w') as t:
    for n, d in (('0.tar', layers[0]), ('1.tar', layers[1]), ('c.json', config),
            ('manifest.json', json.dumps([dict(Config='c.json', RepoTags=['driver:1'], Layers=['0.tar', '1.tar'])]).encode())):
        e = tarfile.TarInfo(n)
        e.size = len(d)
        t.addfile(e, io.BytesIO(d))
PY
	gantry image load -qi "$T/driver.tar"
	is "$1" gantry info --format '{{.StorageDriver}}'
	project drv <<<$'services:\n  a: {image: "driver:1"}\n  b: {image: "driver:1"}'
	gantry up -d
	is $'shown' gantry exec a ls dir
	is "kept" gantry exec a cat kept
	gantry exec a sh -c '! ls gone 2>/dev/null; test $(stat -c %h one) = 2; test $(stat -c %u two) = 7; test one -ef two'
	gantry exec a sh -c 'echo changed >kept; rm dir/shown; echo new >new; mkdir -p bin/sub; mv one moved; ln new new2'
	is "kept" gantry exec b cat kept
	gantry exec b sh -c 'test -e dir/shown; test ! -e new; test -e one; test ! -e bin/sub'
	is "changed" gantry exec a cat kept
	python3 - "$(gantry ps -q b | head -1)" "$GANTRY_ROOT" <<'PY'
import glob, os, sys
found = [f for d in (sys.argv[2] + '/images/layers/*/attr',) for f in glob.glob(d)]
assert found and os.getxattr(found[0], 'user.k') == b'v'
PY
	gantry restart -t 0 a
	is "changed" gantry exec a cat kept
	gantry exec a sh -c 'test ! -e dir/shown; test moved -ef two'
	gantry fsck -q
	gantry down -t 0
	[ -z "$(ls -A "$GANTRY_ROOT/containers" "$GANTRY_ROOT/trash" | grep -v ':$' | grep .)" ]
	gantry image rm driver:1
	[ -z "$(ls -A "$GANTRY_ROOT/images/layers")" ]
}

# big_image: big:1, ours and 60 MB
big_image() {
	mkdir "$T/big"
	cp -a "$T/image/." "$T/big"
	head -c 60M /dev/urandom >"$T/big/large"
	gantry image import --change 'CMD ["sleep", "1000"]' "$T/big" big:1
	rm -r "$T/big"
}

@test "ext4: overlay, copy" { filesystem ext4 && works overlay && works copy; }
@test "xfs: overlay, copy with reflinks" { filesystem xfs && works overlay && works copy; }
@test "btrfs: overlay, copy with reflinks, snapshots" { filesystem btrfs && works overlay && works copy && works btrfs; }

@test "snapshots: a root costs nothing, is made once for an image, and goes with it" {
	filesystem btrfs
	export GANTRY_STORAGE=btrfs
	big_image
	project snaps <<<$'services: {a: {image: "big:1"}}'
	# killed while the image's root is made: the next one makes it
	GANTRY_FP="image.flat.rename=kill9" gantry up -d || true
	gantry up -d --scale a=5
	is 1 eval "ls $GANTRY_ROOT/images/flat | wc -l"
	is 5 eval "stat -c %i $GANTRY_ROOT/containers/*/root | grep -cx 256"
	gantry exec --index 1 a sh -c 'echo mine >/large'
	gantry exec --index 2 a sh -c '[ $(stat -c %s /large) = 62914560 ]'
	[ "$(btrfs subvolume list "$T/fs" | wc -l)" -ge 6 ]
	gantry down -t 0
	gantry image rm big:1
	gantry gc
	is "" ls "$GANTRY_ROOT/images/flat"
	is "" ls "$GANTRY_ROOT/containers"
}

@test "the btrfs driver elsewhere says why not" {
	filesystem ext4
	GANTRY_STORAGE=btrfs run gantry image load -i /dev/null
	[ "$status" = 1 ]
	[[ $output == *"'btrfs' does not work in '$GANTRY_ROOT': the file system is not btrfs"* ]]
}

@test "a copy shares its data where the file system has reflinks" {
	filesystem btrfs
	export GANTRY_STORAGE=copy
	big_image
	project reflinks <<<$'services: {a: {image: "big:1", scale: 4}}'
	sync -f "$T/fs"
	before=$(df --output=used -m "$T/fs" | tail -1)
	gantry up -d
	sync -f "$T/fs"
	[ $(($(df --output=used -m "$T/fs" | tail -1) - before)) -lt 40 ]
	gantry down -t 0
}

# builds DRIVER: in a root of its own, an image of every kind of change; its DiffIDs
builds() {
	local dir=$T/ctx-$1 GANTRY_ROOT=$T/fs/build-$1 GANTRY_RUN=$T/build-run-$1 GANTRY_STORAGE=$1
	export GANTRY_ROOT GANTRY_RUN GANTRY_STORAGE SOURCE_DATE_EPOCH=1700000000
	mkdir "$dir"
	echo copied >"$dir/copied"
	mkdir "$dir/tree" && echo leaf >"$dir/tree/leaf"
	touch -d @1600000000 "$dir/copied" "$dir/tree/leaf" "$dir/tree"
	cat >"$dir/Dockerfile" <<-'D'
	FROM tiny:1 AS base
	RUN mkdir -p /data/sub/deep /gone/all /kept && echo one >/data/one && echo two >/data/two && ln /data/one /data/hard \
	 && echo x >/data/sub/x && echo y >/data/sub/deep/y && echo g >/gone/all/g && echo r >/replaced && ln -s one /data/link && mkfifo /data/fifo
	RUN rm -r /gone && rm /replaced && mkdir /replaced && echo in >/replaced/in && echo more >>/data/sub/x && chmod 700 /data/two && chown -h 5:6 /data/link
	RUN rm -r /data/sub && mkdir /data/sub && echo new >/data/sub/new && mv /data/two /data/moved && rm /data/fifo
	RUN mv /data/sub /data/renamed && mkdir -p /new/folder /data/made/in && mv /data/made /data/moved-folder && rm -r /kept && echo file >/kept && touch -d @1500000000 /data/renamed/new
	RUN --mount=type=tmpfs,target=/mounted/here true
	FROM base AS more
	COPY copied tree /dest/
	COPY --from=base --chown=9:9 /data /dest/data
	WORKDIR /made/dir
	FROM scratch
	COPY --from=more / /
	RUN rm /dest/copied && echo end >/dest/end
	D
	gantry image import --change 'CMD ["sleep", "1000000"]' "$T/image" tiny:1 >/dev/null
	gantry image build -q -t target:1 "$dir" >/dev/null
	gantry image build -q --target more -t more:1 "$dir" >/dev/null
	gantry image inspect -f '{{json .RootFS}}' more:1 target:1
}

@test "images are built alike on all drivers, and are read by others" {
	filesystem btrfs
	for d in overlay copy btrfs; do builds "$d" >"$T/layers-$d"; done
	cat "$T"/layers-*
	for d in copy btrfs; do
		diff "$T/layers-overlay" "$T/layers-$d"
		export GANTRY_ROOT=$T/fs/build-$d GANTRY_RUN=$T/build-run-$d GANTRY_STORAGE=$d
		gantry fsck -q
		is "" ls "$GANTRY_ROOT/containers"
		gantry image save -o "$T/saved.tar" more:1
		skopeo copy -q "docker-archive:$T/saved.tar" "oci:$T/theirs-$d:1"
		umoci unpack --image "$T/theirs-$d:1" "$T/bundle-$d"
		root=$T/bundle-$d/rootfs
		[ ! -e "$root/gone" ] && [ "$(cat "$root/replaced/in")" = in ] && [ ! -e "$root/data/sub" ] && [ "$(ls "$root/data/renamed")" = new ]
		[ "$root/data/one" -ef "$root/data/hard" ] && [ "$(stat -c %u:%g "$root/data/link")" = 5:6 ] && [ "$(cat "$root/kept")" = file ]
		rm -rf "$T/saved.tar" "$T/theirs-$d" "$T/bundle-$d"
		# the other names of a file that changes come along, which overlayfs has separated
		printf 'FROM more:1\nRUN echo again >>/data/one && [ /data/one -ef /data/hard ]\n' >"$T/ctx-$d/Dockerfile"
		gantry image build -q -t linked:1 "$T/ctx-$d"
		project "linked$d" <<<'services: {linked: {image: "linked:1", command: [sleep, "1000"], stop_signal: SIGKILL}}'
		gantry up -d
		is "$(printf 'one\nagain')" gantry exec -T linked cat /data/hard
		gantry down -t 0
	done
}

# committed DRIVER: what a container changed, as an image of one more layer: its DiffID
committed() {
	local GANTRY_ROOT=$T/fs/commit-$1 GANTRY_RUN=$T/commit-run-$1 GANTRY_STORAGE=$1
	export GANTRY_ROOT GANTRY_RUN GANTRY_STORAGE
	gantry image import --change 'CMD ["sleep", "1000000"]' "$T/image" tiny:1 >/dev/null
	project "commit$1" <<<$'services: {a: {image: "tiny:1", stop_signal: SIGKILL}}'
	gantry up -d
	gantry exec -T a sh -c 'echo new >/root/new; rm /etc/group; rm -r /home/app; mkdir /home/app; ln /root/new /root/hard; chown 7:8 /root/new; chmod 4751 /root/new
		mkdir /root/dir; cp /etc/passwd /root/dir; mv /root/dir /root/moved; touch -d @1500000000 /root /root/moved /root/moved/* /root/new /home /home/app /etc'
	gantry commit a made:1
	gantry exec -T a sh -c 'rm /root/new; echo later >/etc/later; touch -d @1500000000 /root /etc /etc/later'
	gantry stop -t 0
	gantry commit a made:2
	gantry image inspect -f '{{json .RootFS.Layers}}' made:1 made:2 >"$T/layers-$1"
	gantry down -v -t 0
	project "commit2$1" <<<'services: {b: {image: "made:1", stop_signal: SIGKILL}}'
	gantry up -d
	is "7:8 4751 2 0" eval "gantry exec -T b sh -c 'stat -c \"%u:%g %a %h\" /root/new; ls /home/app | wc -l; ls /etc/group 2>/dev/null' | xargs"
	gantry down -t 0
}

@test "commit gives the same layer on all drivers" {
	filesystem btrfs
	for d in overlay copy btrfs; do committed "$d"; done
	for d in copy btrfs; do diff "$T/layers-overlay" "$T/layers-$d"; done
}

@test "other drivers are named with what to use instead" {
	for d in aufs devicemapper overlay2 vfs zfs; do
		run env GANTRY_STORAGE=$d gantry image load -i /dev/null
		[ "$status" = 1 ]
		[[ $output == *"'$d' is not a storage driver; there are overlay, btrfs and copy"*"hint: "* ]]
	done
	run env GANTRY_STORAGE=nonsense gantry info
	[[ $output == *"'nonsense' is not a storage driver"* ]]
}

@test "another driver does not pull the layers from under containers" {
	export GANTRY_ROOT=$T/guard GANTRY_RUN=$T/guard-run
	gantry image import --change 'CMD ["sleep", "1000"]' "$T/image" guard:1
	gantry image save -o "$T/guard.tar" guard:1
	project guard <<<$'services: {a: {image: "guard:1"}}'
	gantry up -d
	layer=$(gantry image inspect -f '{{.GraphDriver.Data.UpperDir}}' guard:1)
	inode=$(stat -c %i "$layer")
	run env GANTRY_STORAGE=copy gantry image load -qi "$T/guard.tar"
	[ "$status" = 1 ]
	[[ $output == *"container guard-a-1 has layers of the 'overlay' driver below it, and the driver is 'copy' now"*"hint: unset GANTRY_STORAGE"* ]]
	is "$inode" stat -c %i "$layer"
	gantry exec a true
	gantry down -t 0
	GANTRY_STORAGE=copy gantry image load -qi "$T/guard.tar"
	is copy sqlite3 "$GANTRY_ROOT/state.db" "select driver from layer"
	run gantry up -d
	[ "$status" = 1 ]
	[[ $output == *"layers are in the form of the 'copy' driver, and the driver is 'overlay'"*"load the image again"* ]]
	gantry image load -qi "$T/guard.tar"
	gantry up -d
	gantry down -t 0
}
