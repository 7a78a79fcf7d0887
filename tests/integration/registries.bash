# registries.bash: registries on loopback for the tests that load it after lib.bash. $OPEN, $BASIC, $TLS are the ports of an open one, one with htpasswd
# (alice:secret), one with TLS ($T/reg/crt); $PROXY and $CDN those of the faults that proxy() puts in front of the open one.
#
# serve NAME CONFIG: a docker-registry with $T/reg/NAME.yml
serve() {
	printf '%s\n' "$2" >"$T/reg/$1.yml"
	docker-registry serve "$T/reg/$1.yml" >"$T/reg/$1.log" 2>&1 3>&- &
	echo $! >"$T/reg/$1.pid"
}

answers() { curl -sk --noproxy '*' -o /dev/null "$1"; }

# proxy ARGS…: faults.py in front of the open registry, on $PROXY; ends with unproxy
proxy() {
	fresh "127.0.0.1:$OPEN/team/large:1" "127.0.0.1:$PROXY/team/large:1"
	rm -f "$T/proxy.log"
	python3 "$BATS_TEST_DIRNAME/../helper/faults.py" --port "$PROXY" --cdn-port "$CDN" --upstream "127.0.0.1:$OPEN" --log "$T/proxy.log" "$@" >"$T/proxy.out" 2>&1 3>&- &
	echo $! >"$T/proxy.pid"
	soon answers "http://127.0.0.1:$PROXY/v2/"
	rm -f "$T/proxy.log"
}
unproxy() {
	[ -f "$T/proxy.pid" ] || return 0
	kill "$(cat "$T/proxy.pid")" 2>/dev/null || true
	rm -f "$T/proxy.pid"
}
# gets DIGEST-PART: how often that blob was asked for
gets() { grep -c "\"GET\", .*blobs/sha256:$1" "$T/proxy.log" || true; }

# layout DIR SIZE…: an OCI layout of one layer of busybox and one of SIZE random bytes each
layout() {
	python3 - "$T" "$@" <<'PY'
import gzip, hashlib, io, json, os, sys, tarfile
root, out, sizes = sys.argv[1], sys.argv[2], sys.argv[3:]
os.makedirs(out + '/blobs/sha256', exist_ok=True)
def blob(b, kind, **more):
    h = hashlib.sha256(b).hexdigest()
    open(out + '/blobs/sha256/' + h, 'wb').write(b)
    return dict(mediaType='application/vnd.oci.image.' + kind, digest='sha256:' + h, size=len(b), **more)
layers, diffs = [], []
def layer(tar):
    diffs.append('sha256:' + hashlib.sha256(tar).hexdigest())
    layers.append(blob(gzip.compress(tar, 1, mtime=0), 'layer.v1.tar+gzip'))
b = io.BytesIO()
with tarfile.open(fileobj=b, mode='w') as t:
    t.add(root + '/image', '.')
layer(b.getvalue())
for i, n in enumerate(sizes):
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode='w') as t:
        e = tarfile.TarInfo('data%d' % i)
        e.size = int(n)
        t.addfile(e, io.BytesIO(os.urandom(int(n))))
    layer(b.getvalue())
def manifest(arch):
    config = blob(json.dumps(dict(architecture=arch, os='linux', config=dict(Cmd=['sleep', '1000000'], Env=['PATH=/bin', 'ARCH=' + arch]),
        rootfs=dict(type='layers', diff_ids=diffs))).encode(), 'config.v1+json')
    return blob(json.dumps(dict(schemaVersion=2, mediaType='application/vnd.oci.image.manifest.v1+json', config=config, layers=layers)).encode(),
        'manifest.v1+json', platform=dict(os='linux', architecture=arch))
here = os.popen('uname -m').read().strip()
here = dict(x86_64='amd64', aarch64='arm64').get(here, here)
index = blob(json.dumps(dict(schemaVersion=2, mediaType='application/vnd.oci.image.index.v1+json',
    manifests=[manifest('s390x'), manifest(here)])).encode(), 'index.v1+json', annotations={'org.opencontainers.image.ref.name': 'latest'})
json.dump(dict(schemaVersion=2, manifests=[index]), open(out + '/index.json', 'w'))
json.dump(dict(imageLayoutVersion='1.0.0'), open(out + '/oci-layout', 'w'))
PY
}

fill() { skopeo copy -q --all --dest-tls-verify=false ${CREDS:+--dest-creds $CREDS} "oci:$1:latest" "docker://$2"; }
fresh() {
	gantry image rm -f "$@" >/dev/null 2>&1 || true
	rm -f "$GANTRY_ROOT"/images/blobs/*.part
}

eval "common_$(declare -f setup_file)"
setup_file() {
	for p in docker-registry skopeo python3 openssl perl; do command -v $p >/dev/null || skip "needs $p"; done
	common_setup_file
	export OPEN=$(port) BASIC=$(port) TLS=$(port) PROXY=$(port) CDN=$(port) DOCKER_CONFIG=$T/docker NO_PROXY='*'
	mkdir -p "$T/reg" "$DOCKER_CONFIG"
	perl -e 'print "alice:".crypt("secret",q($2y$05$abcdefghijklmnopqrstuu))."\n"' >"$T/reg/htpasswd"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout "$T/reg/key" -out "$T/reg/crt" 2>/dev/null
	local head="version: 0.1
storage: {filesystem: {rootdirectory: $T/reg/data-NAME}}"
	serve open "${head/NAME/open}
http: {addr: 127.0.0.1:$OPEN, secret: x}"
	serve basic "${head/NAME/basic}
http: {addr: 127.0.0.1:$BASIC, secret: x}
auth: {htpasswd: {realm: test, path: $T/reg/htpasswd}}"
	serve tls "${head/NAME/tls}
http: {addr: 127.0.0.1:$TLS, secret: x, tls: {certificate: $T/reg/crt, key: $T/reg/key}}"
	soon answers "http://127.0.0.1:$OPEN/v2/"
	soon answers "http://127.0.0.1:$BASIC/v2/"
	soon answers "https://127.0.0.1:$TLS/v2/"
	layout "$T/small" 1000
	layout "$T/large" 6000000 5000000 4000000
	fill "$T/small" "127.0.0.1:$OPEN/team/small:1"
	fill "$T/large" "127.0.0.1:$OPEN/team/large:1"
}

eval "common_$(declare -f teardown_file)"
teardown_file() {
	local f
	for f in "$T"/reg/*.pid "$T/proxy.pid"; do [ ! -f "$f" ] || kill "$(cat "$f")" 2>/dev/null || true; done
	common_teardown_file
}
eval "common_$(declare -f teardown)"
teardown() { unproxy; common_teardown; }

