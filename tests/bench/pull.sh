#!/bin/bash
# pull.sh [-n ROUNDS] [-m MB] [-z gzip|zstd]: a pull of ten layers from a registry on loopback, beside curl | gzip | tar of the same blobs at the same
# time; where tests/bench may use peers, beside podman and docker too. Medians of one run, interleaved; a table on standard output.
#
#   -n ROUNDS   default 3            -m MB   the image's size unpacked, default 500            -z   how its layers are packed (default gzip)
#   PEERS_RUN   how a command of podman is run (for instance "peers run"); PEERS_DOCKER: the docker command, with its daemon running
#
# Columns: wall is seconds, cpu is user and system seconds of all processes: it means something on a busy machine too. "synced": with the writes that
# make it durable, which gantry always has.
# Needs root, a build in build/ (or BUILD; not a developer build), docker-registry, skopeo, python3, curl, zstd. Uses its own root and run folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
rounds=3 mb=500 pack=gzip
while getopts n:m:z: o; do
	case $o in
	n) rounds=$OPTARG ;;
	m) mb=$OPTARG ;;
	z) pack=$OPTARG ;;
	*) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
done
for p in docker-registry skopeo python3 curl gzip zstd; do command -v $p >/dev/null || { echo "pull.sh: needs $p" >&2; exit 77; }; done
export PATH=${BUILD:-$PWD/build}:$PATH
T=$(mktemp -d "${TMPDIR:-/tmp}/gantry-pull.XXXXXX")
export GANTRY_RUN=$T/run DOCKER_CONFIG=$T/docker NO_PROXY=127.0.0.1
trap '[ -z "${registry:-}" ] || kill "$registry" 2>/dev/null; cd /; rm -rf "$T"' EXIT

# Layers of files as images have them: the host's own programs and libraries, in ten equal parts; the same bytes on each run of one machine.
python3 - "$T/layout" "$mb" "$pack" <<'PY'
import hashlib, io, json, os, stat, subprocess, sys, tarfile
out, total, pack = sys.argv[1], int(sys.argv[2]) << 20, sys.argv[3]
os.makedirs(out + '/blobs/sha256')
def blob(b):
    h = hashlib.sha256(b).hexdigest()
    open(out + '/blobs/sha256/' + h, 'wb').write(b)
    return 'sha256:' + h, len(b)
def files():
    for top in ('/usr/bin', '/usr/lib', '/usr/share', '/usr/include', '/usr/sbin'):
        for d, dirs, names in os.walk(top):
            dirs.sort()
            for n in sorted(names):
                p = os.path.join(d, n)
                s = os.lstat(p)
                if stat.S_ISLNK(s.st_mode) or (stat.S_ISREG(s.st_mode) and s.st_size < 8 << 20):
                    yield p, s
layers, diffs, source = [], [], files()
for i in range(10):
    b, n = io.BytesIO(), 0
    with tarfile.open(fileobj=b, mode='w', format=tarfile.GNU_FORMAT) as t:
        while n < total // 10:
            p, s = next(source)
            e = t.gettarinfo(p, arcname='layer%d%s' % (i, p))
            if e.islnk():
                continue
            t.addfile(e, open(p, 'rb') if e.isreg() else None)
            n += s.st_size if e.isreg() else 0
    tar = b.getvalue()
    cmd = ['gzip', '-n', '-6'] if pack == 'gzip' else ['zstd', '-q', '-3']
    d, n = blob(subprocess.run(cmd + ['-c'], input=tar, stdout=subprocess.PIPE, check=True).stdout)
    diffs.append('sha256:' + hashlib.sha256(tar).hexdigest())
    layers.append(dict(mediaType='application/vnd.oci.image.layer.v1.tar+' + pack, digest=d, size=n))
arch = os.uname().machine
arch = dict(x86_64='amd64', aarch64='arm64').get(arch, arch)
d, n = blob(json.dumps(dict(architecture=arch, os='linux', config={}, rootfs=dict(type='layers', diff_ids=diffs))).encode())
config = dict(mediaType='application/vnd.oci.image.config.v1+json', digest=d, size=n)
kind = 'application/vnd.oci.image.manifest.v1+json'
d, n = blob(json.dumps(dict(schemaVersion=2, mediaType=kind, config=config, layers=layers)).encode())
json.dump(dict(schemaVersion=2, manifests=[dict(mediaType=kind, digest=d, size=n, annotations={'org.opencontainers.image.ref.name': 'x'})]),
    open(out + '/index.json', 'w'))
json.dump(dict(imageLayoutVersion='1.0.0'), open(out + '/oci-layout', 'w'))
print(*[l['digest'] for l in layers], file=open(out + '/digests', 'w'))
print('image: %d MB packed, %d MB of files' % (sum(l['size'] for l in layers) >> 20, total >> 20), file=sys.stderr)
PY
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: 127.0.0.1:%s, secret: x}\n' "$T" "$port" >"$T/registry.yml"
docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 &
registry=$!
for _ in $(seq 100); do curl -s --noproxy '*' -o /dev/null "http://127.0.0.1:$port/v2/" && break; sleep 0.1; done
skopeo copy -q --dest-tls-verify=false "oci:$T/layout:x" "docker://127.0.0.1:$port/bench/big:1"
ref=127.0.0.1:$port/bench/big:1

unpack=(gzip -dc)
[ "$pack" = gzip ] || unpack=(zstd -dcq)
plain() { # curl | unpack | tar, all layers at once
	local d pids= p
	for d in $(cat "$T/layout/digests"); do
		mkdir -p "$T/plain$round/$d"
		curl -s --noproxy '*' "http://127.0.0.1:$port/v2/bench/big/blobs/$d" | "${unpack[@]}" | tar -x --same-owner -C "$T/plain$round/$d" -f - &
		pids="$pids $!"
	done
	for p in $pids; do wait "$p"; done
}
plain_synced() { plain; sync -f "$T/plain$round"; }
ours() { GANTRY_ROOT=$T/root$round gantry image pull -q "$ref" >/dev/null; }
podman_pull() { $PEERS_RUN podman pull -q --tls-verify=false "$ref" >/dev/null; }
docker_pull() { $PEERS_DOCKER pull -q "$ref" >/dev/null; }

children() { awk '{print $16 + $17}' /proc/$$/stat; }
# cost NAME COMMAND: wall seconds, and cpu seconds of everything that it starts and waits for. GANTRY's programs are waited for by gantry.
cost() {
	local s=$EPOCHREALTIME a=$(children) e b
	"$2"
	e=$EPOCHREALTIME b=$(children)
	put "wall.$1" "$(((${e/./} - ${s/./})))"
	put "cpu.$1" "$(((b - a) * 1000000 / $(getconf CLK_TCK)))"
}
what=(plain plain_synced ours)
[ -z "${PEERS_RUN:-}" ] || what+=(podman_pull)
[ -z "${PEERS_DOCKER:-}" ] || what+=(docker_pull)
# Nothing is removed before the end: ext4 searches long for inodes when many were freed in the last seconds.
round=0
for _ in $(seq "$rounds"); do
	for w in "${what[@]}"; do
		round=$((round + 1))
		sync
		cost "$w" "$w"
		case $w in
		podman_pull) $PEERS_RUN podman rmi -f "$ref" >/dev/null; sync; sleep 6 ;;
		docker_pull) $PEERS_DOCKER rmi -f "$ref" >/dev/null; sync; sleep 6 ;;
		esac
	done
done
echo "| $pack, $mb MB | wall s | x of plain | cpu s | x of plain |"
echo '|---|--:|--:|--:|--:|'
for w in "${what[@]}"; do
	echo "$w $(get "wall.$w") $(get "cpu.$w") $(get wall.plain) $(get cpu.plain)" |
		awk '{printf "| %s | %.2f | %.2f | %.2f | %.2f |\n", $1, $2 / 1e6, $2 / $4, $3 / 1e6, $3 / ($5 ? $5 : 1)}'
done
