#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A registry on loopback whose images are made as they are asked for: /v2/odd/KIND/manifests/1. tests/integration/formats.bats says which KINDs are good
and what is said about the others. oddreg.py PORT [LOG]; `oddreg.py` alone lists the kinds."""
import gzip, hashlib, http.server, io, json, os, subprocess, sys, tarfile

blobs, made = {}, {}
O, D = 'application/vnd.oci.image.', 'application/vnd.docker.'
arch = dict(x86_64='amd64', aarch64='arm64').get(os.uname().machine, os.uname().machine)


def put(data, kind, size=None, digest=None, alg='sha256', **more):
    digest = digest or alg + ':' + hashlib.new(alg, data).hexdigest()
    blobs[digest] = data
    return dict(mediaType=kind, digest=digest, size=len(data) if size is None else size, **more)


def tar(files, pad=0):
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode='w', format=tarfile.GNU_FORMAT) as t:
        for name, data in files:
            e = tarfile.TarInfo(name)
            e.size = len(data)
            t.addfile(e, io.BytesIO(data))
    return b.getvalue() + bytes(pad)


one = tar([('hello', b'world\n'), ('numbers', b''.join(b'%d\n' % i for i in range(20000)))])


def zstd(data, *args):
    return subprocess.run(['zstd', '-qc', *args], input=data, stdout=subprocess.PIPE, check=True).stdout


def skippable(n):
    return b'\x50\x2a\x4d\x18' + n.to_bytes(4, 'little') + b'x' * n


def config(diffs, **more):
    return json.dumps(dict(architecture=arch, os='linux', config={'Cmd': ['/x']}, rootfs=dict(type='layers', diff_ids=diffs), **more)).encode()


def manifest(layers, conf, kind=O + 'manifest.v1+json', **more):
    return dict(schemaVersion=2, mediaType=kind, config=conf, layers=layers, **more)


def image(packed, kind=O + 'layer.v1.tar+gzip', raw=one, conf_kind=O + 'config.v1+json', man_kind=O + 'manifest.v1+json', **more):
    diff = 'sha256:' + hashlib.sha256(raw).hexdigest()
    return manifest([put(packed, kind, **more)], put(config([diff]), conf_kind), man_kind)


def artifact(conf_kind, conf=b'{}', **more):
    return manifest([put(b'data', 'application/octet-stream')], put(conf, conf_kind), **more)


def index(*entries, **more):
    return dict(schemaVersion=2, mediaType=O + 'index.v1+json', manifests=list(entries), **more)


def entry(m, platform=None, **more):
    d = dict(put(json.dumps(m).encode(), m['mediaType']), **more)
    if platform:
        a, _, v = platform.partition('/')
        d['platform'] = dict(os='linux', architecture=a, **({'variant': v} if v else {}))
    return d


def entry_for(platform):
    a, _, v = platform.partition('/')
    conf = json.loads(config(['sha256:' + hashlib.sha256(one).hexdigest()]))
    conf.update(architecture=a, author=platform, **({'variant': v} if v else {}))
    return entry(manifest([put(gzip.compress(one, mtime=0), O + 'layer.v1.tar+gzip')], put(json.dumps(conf).encode(), O + 'config.v1+json')), platform)


def nested(n):
    return image(gzip.compress(one, mtime=0)) if n == 0 else index(entry(nested(n - 1), arch))


def entries(*rows):
    """(name, dict of TarInfo's attributes, data)"""
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode='w', format=tarfile.PAX_FORMAT) as t:
        for name, more, data in rows:
            e = tarfile.TarInfo(name)
            e.size = len(data)
            for k, v in more.items():
                setattr(e, k, v)
            t.addfile(e, io.BytesIO(data))
    return b.getvalue()


def raw(t):
    return image(t, O + 'layer.v1.tar', raw=t)


def link(to):
    return dict(type=tarfile.SYMTYPE, linkname=to)


def hostile():
    """What a C library might load of a root that it was moved into: ODD_SO does, when it is."""
    so, lib = open(os.environ['ODD_SO'], 'rb').read(), 'lib/%s-linux-gnu' % os.uname().machine
    names = ['etc/ld.so.preload', 'etc/ld.so.cache', 'etc/nsswitch.conf', 'usr/lib/gconv/gconv-modules', lib + '/gconv/gconv-modules', 'usr/' + lib + '/gconv/gconv-modules']
    text = {'etc/ld.so.preload': b'/evil.so\n', 'etc/nsswitch.conf': b'passwd: evil\ngroup: evil\nhosts: evil\n', 'etc/ld.so.cache': b''}
    rows = [(n, {}, text.get(n, b'module UTF-8// INTERNAL evil 1\nmodule INTERNAL UTF-8// evil 1\nmodule LATIN1// INTERNAL evil 1\n')) for n in names]
    for d in ('', 'lib/', lib + '/', 'usr/' + lib + '/', 'lib64/', 'usr/lib/gconv/', lib + '/gconv/', 'usr/' + lib + '/gconv/', 'usr/lib/ossl-modules/', 'usr/' + lib + '/ossl-modules/'):
        rows += [(d + n, dict(mode=0o755), so) for n in ('evil.so', 'libnss_evil.so.2', 'libz.so.1', 'libarchive.so.13', 'legacy.so')]
    rows += [('usr/lib/ssl/openssl.cnf', {}, b'openssl_conf = x\n[x]\nengines = y\n[y]\ne = z\n[z]\ndynamic_path = /evil.so\ninit = 1\n')]
    rows += [('owned by evil', dict(uname='evil', gname='evil'), b'x'), ('latin', dict(pax_headers={'hdrcharset': 'BINARY', 'path': 'l\u00e9'}), b'x')]
    return raw(entries(*rows))


canary, directory = os.environ.get('ODD_CANARY', '/nowhere'), (dict(type=tarfile.DIRTYPE, mode=0o755), b'')
escapes = [
    [('abs', link(canary), b''), ('abs/new', {}, b'x')],
    [('rel', link('../' * 20 + canary[1:]), b''), ('rel/new', {}, b'x')],
    [('one', link('two'), b''), ('two', link(canary), b''), ('one/new', {}, b'x')],
    [('dir', *directory), ('dir/up', link('..'), b''), ('dir/up/up2', link('..'), b''), ('dir/up/up2/up2' + canary + '/new', {}, b'x')],
    [('file', link(canary + '/file'), b''), ('file', {}, b'not through')],
    [(canary + '/file', {}, b'below our root')],
    [('proc', link('/proc/self/root' + canary), b''), ('proc/new', {}, b'x')],
    [('cwd', link('/proc/self/cwd/..'), b''), ('cwd/new', {}, b'x')],
    [('abs', link(canary), b''), ('abs', *directory), ('abs/new', {}, b'x')],
    [('abs', link(canary), b''), ('abs/.wh.file', {}, b'')],
    [('abs', link(canary), b''), ('abs/.wh..wh..opq', {}, b'')],
    [('abs', link(canary), b''), ('mode', dict(type=tarfile.LNKTYPE, linkname='abs'), b''), ('mode', dict(mode=0o777), b'x')],
    [('.wh..', {}, b'')], [('.wh...', {}, b'')], [('a/.wh...', {}, b'')], [('.wh.', {}, b'')], [('../.wh.file', {}, b'')],
    [('lnk', link(canary), b''), ('hard', dict(type=tarfile.LNKTYPE, linkname='lnk/file'), b''), ('hard', {}, b'x')],
    [('pipe', dict(type=tarfile.FIFOTYPE), b''), ('pipe', {}, b'x')],
]


def zeros():
    return tar([('zeros', bytes(100 << 20))])


gz = gzip.compress(one, mtime=0)
third = len(one) // 3
kinds = {
    # good: all of them are the same image
    'gzip': lambda: image(gz),
    'plain': lambda: image(one, O + 'layer.v1.tar'),
    'members': lambda: image(b''.join(gzip.compress(one[i:i + third], mtime=0) for i in range(0, len(one), third)) + bytes(300)),
    'zstd': lambda: image(zstd(one), O + 'layer.v1.tar+zstd'),
    'chunked': lambda: image(skippable(9) + zstd(one[:third]) + skippable(0) + zstd(one[third:]) + skippable(70), O + 'layer.v1.tar+zstd'),
    'lying': lambda: image(zstd(one)),
    'docker': lambda: image(gz, D + 'image.rootfs.diff.tar.gzip', conf_kind=D + 'container.image.v1+json', man_kind=D + 'distribution.manifest.v2+json'),
    'foreign': lambda: image(gz, D + 'image.rootfs.foreign.diff.tar.gzip', urls=['https://example.invalid/x']),
    'sha512': lambda: image(gz, alg='sha512'),
    'nested': lambda: nested(3),
    'nolength': lambda: image(gz), 'nodigest': lambda: image(gz), 'head405': lambda: image(gz), 'head403': lambda: image(gz), 'charset': lambda: image(gz),
    'untyped': lambda: {k: v for k, v in image(gz).items() if k != 'mediaType'},
    'unknown': lambda: index(dict(put(b'{}', 'application/vnd.example.thing+json'), platform=dict(os='linux', architecture='never')), entry(image(gz), arch)),
    'empty-layer': lambda: manifest([put(gzip.compress(b'', mtime=0), O + 'layer.v1.tar+gzip')], put(config(['sha256:' + hashlib.sha256(b'').hexdigest()]), O + 'config.v1+json')),
    'no-layers': lambda: manifest([], put(config([]), O + 'config.v1+json')),
    'arms': lambda: index(*map(entry_for, ('arm/v5', 'arm/v6', 'arm64/v8', 'amd64/v2')), entry(image(gz), 'unknown',
        annotations={'vnd.docker.reference.type': 'attestation-manifest'})),
    # refused
    'schema1': lambda: dict(schemaVersion=1, name='x', tag='1', architecture='amd64', fsLayers=[], history=[]),
    'helm': lambda: artifact('application/vnd.cncf.helm.config.v1+json'),
    'plugin': lambda: artifact(D + 'plugin.v1+json'),
    'cosign': lambda: artifact('application/vnd.dev.cosign.artifact.sig.v1+json'),
    'artifact': lambda: artifact('application/vnd.oci.empty.v1+json', artifactType='application/vnd.example.sbom'),
    'typed-artifact': lambda: dict(artifact(O + 'config.v1+json', config([])), artifactType='application/vnd.example.sbom'),
    'encrypted': lambda: image(gz, O + 'layer.v1.tar+gzip+encrypted'),
    'erofs': lambda: image(gz, 'application/vnd.erofs.layer.v1'),
    'both': lambda: dict(image(gz), manifests=[]),
    'mismatch': lambda: image(gz),
    'twice': lambda: json.dumps(image(gz)).replace('"layers"', '"layers": [], "layers"').encode(),
    'huge': lambda: dict(image(gz), annotations={'x': 'y' * (5 << 20)}),
    'big-config': lambda: manifest([], put(config([], author='y' * (5 << 20)), O + 'config.v1+json')),
    'many': lambda: manifest([put(gz, O + 'layer.v1.tar+gzip')] * 3000, put(config([]), O + 'config.v1+json')),
    'deep': lambda: nested(9),
    'none': lambda: index(entry(image(gz), 's390x'), entry(image(gz), 'riscv64')),
    'windows': lambda: manifest([], put(config([]).replace(b'"linux"', b'"windows"'), O + 'config.v1+json')),
    'traversal': lambda: manifest([dict(mediaType=O + 'layer.v1.tar', digest='sha256:../../../../etc/passwd', size=1)], put(config([]), O + 'config.v1+json')),
    'counts': lambda: manifest([put(gz, O + 'layer.v1.tar+gzip')], put(config([]), O + 'config.v1+json')),
    'wrong-diff': lambda: image(gz, raw=b'other'),
    'longer': lambda: image(gz, size=len(gz) - 1), 'shorter': lambda: image(gz, size=len(gz) + 1),
    'garbage': lambda: image(gz + b'garbage'), 'cut': lambda: image(gz[:-9]), 'crc': lambda: image(gz[:-8] + bytes([gz[-8] ^ 1]) + gz[-7:]),
    'bomb': lambda: image(gzip.compress(zeros(), 1, mtime=0), raw=zeros()),
    'window': lambda: image(zstd(tar([('zeros', bytes(64))]), '--ultra', '--long=31', '-22'), O + 'layer.v1.tar+zstd'),
    'xz': lambda: image(b'\xfd7zXZ\x00' + bytes(600)),
    'zip': lambda: image(b'PK\x03\x04' + bytes(600)),
    'text': lambda: image(gzip.compress(b'this is no archive' * 100, mtime=0)),
    'foreign-gone': lambda: dict(image(gz), layers=[dict(mediaType=D + 'image.rootfs.foreign.diff.tar.gzip', digest='sha256:' + '0' * 64, size=9, urls=['https://example.invalid/x'])]),
    'hostile': hostile, **{'escape%d' % i: lambda i=i: raw(entries(*escapes[i])) for i in range(len(escapes))},
    'dotdot': lambda: raw(entries(('a/../../x', {}, b'x'))),
    'hard': lambda: raw(entries(('x', dict(type=tarfile.LNKTYPE, linkname='../../../../etc/passwd'), b''))),
    'hard-absolute': lambda: raw(entries(('x', dict(type=tarfile.LNKTYPE, linkname='/etc/passwd'), b''))),
    'hard-symlink': lambda: raw(entries(('e', link('/etc'), b''), ('x', dict(type=tarfile.LNKTYPE, linkname='e/passwd'), b''))),
    'device00': lambda: raw(entries(('x', dict(type=tarfile.CHRTYPE, devmajor=0, devminor=0), b''))),
    'overlay': lambda: raw(entries(('x', dict(pax_headers={'SCHILY.xattr.trusted.overlay.redirect': '/etc', 'SCHILY.xattr.user.kept': 'yes'}), b'x'))),
    'deep-path': lambda: raw(entries(('d/' * 40000 + 'x', {}, b'x'))),
    'long-name': lambda: raw(entries(('n' * 70000, {}, b'x'))),
    'sparse': lambda: raw(entries(('x', dict(pax_headers={'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 'x', 'GNU.sparse.realsize': str(8 << 60)}),
        b'1\n0\n1\n'.ljust(512, b'\0') + b'x'))),
    'big-xattr': lambda: raw(entries(('x', dict(pax_headers={'SCHILY.xattr.user.%d' % i: 'y' * 60000 for i in range(40)}), b'x'))),
    'owner': lambda: raw(entries(('x', dict(uid=1 << 33), b'x'))),
    'html': lambda: b'<html><head><title>Log in, please</title></head></html>',
    'nul': lambda: json.dumps(image(gz)).encode() + b'\0',
    'null': lambda: b'null', 'not-json': lambda: b'{"schemaVersion": 2,', 'empty': lambda: b'',
    'silent401': lambda: b'', 'negotiate': lambda: b'', 'loop': lambda: b'', 'to-file': lambda: b'', 'to-user': lambda: b'', 'to-nothing': lambda: b'', 'teapot': lambda: b'',
    'looped401': lambda: b'',
}
redirects = {'loop': '/v2/odd/loop/manifests/1', 'to-file': 'file:///etc/passwd', 'to-user': 'http://me:secret@127.0.0.1/x', 'to-nothing': ''}
refused = {'silent401': (401, {}), 'negotiate': (401, {'WWW-Authenticate': 'Negotiate'}), 'looped401': (401, {'WWW-Authenticate': 'Basic realm="x"'}),
           'teapot': (418, {})}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def answer(self, status, headers, body):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k, v)
        if 'Transfer-Encoding' not in headers:
            self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command == 'HEAD':
            return
        if 'Transfer-Encoding' in headers:
            body = b''.join(b'%x\r\n%s\r\n' % (len(body[i:i + 1000]), body[i:i + 1000]) for i in range(0, len(body), 1000)) + b'0\r\n\r\n'
        self.wfile.write(body)

    def document(self, kind, which):
        if kind not in made:
            m = kinds[kind]()
            made[kind] = m if isinstance(m, bytes) else json.dumps(m).encode()
            made[kind + ' type'] = m.get('mediaType', 'application/json') if isinstance(m, dict) else O + 'manifest.v1+json'
        body = blobs[which] if which in blobs else made[kind]
        kind_of = json.loads(body).get('mediaType', 'application/json') if which in blobs else made[kind + ' type']
        return body, {'untyped': 'text/plain', 'schema1': 'text/plain', 'html': 'text/html', 'charset': kind_of + '; charset=utf-8',
            'mismatch': O + 'index.v1+json'}.get(kind, kind_of)

    def do_GET(self):
        part = self.path.split('/')
        if len(sys.argv) > 2:
            open(sys.argv[2], 'a').write(self.command + ' ' + self.path + '\n')
        if len(part) < 6 or part[3] not in kinds:
            return self.answer(200 if self.path == '/v2/' else 404, {}, b'')
        kind, what, which = part[3], part[4], part[5]
        if what == 'blobs':
            if which not in blobs:
                return self.answer(404, {}, b'')
            return self.answer(200, {'Transfer-Encoding': 'chunked'} if kind == 'nolength' else {}, blobs[which])
        if kind in refused:
            return self.answer(*refused[kind], b'')
        if kind in redirects:
            return self.answer(307, {'Location': redirects[kind]}, b'')
        if self.command == 'HEAD' and kind in ('head405', 'head403'):
            return self.answer(int(kind[4:]), {}, b'')
        body, content = self.document(kind, which)
        headers = {'Content-Type': content, 'Docker-Content-Digest': 'sha256:' + hashlib.sha256(body).hexdigest()}
        if kind == 'nodigest':
            del headers['Docker-Content-Digest']
        self.answer(200, headers, body)

    do_HEAD = do_GET


if len(sys.argv) < 2:
    print(*kinds, sep='\n')
    sys.exit()
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
