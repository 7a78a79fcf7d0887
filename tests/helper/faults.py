#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A proxy in front of a registry on loopback that makes what goes wrong in the field. tests/integration/registry.bats says which.

--truncate N     the first answer for a blob (and range) ends after N bytes        --no-range      ranges are not understood
--busy N         the first N requests: 429, Retry-After: 1                         --err500 N      the first N blobs: 503
--redirect       blobs are on another port, which refuses credentials              --require-auth  Basic alice:secret
--token TTL      Bearer tokens of a service at /token, good for TTL seconds and for what was asked; alice:secret may push
--refresh        with --token: a login gets a token that renews others
--corrupt        a byte of each blob is wrong                                      --badmanifest   the manifest is not its digest's
--slow N         N bytes a second for each blob, up too
--cut-upload N   the first N uploads with a body lose their connection in the middle, here and at the registry
--put413         blobs may not come in one PUT
--near TTL       everything is at the other port, a registry with tokens of its own for anybody
--warn           manifests come with a Warning
--hub            rate limit headers as Docker Hub has them, and at the --hub'th manifest nothing is left
--log FILE       a line of JSON for each request
"""
import argparse, base64, http.client, http.server, json, secrets, socket, threading, time, urllib.parse

opts = argparse.ArgumentParser()
for name in ('port', 'cdn-port', 'truncate', 'busy', 'err500', 'slow', 'token', 'cut-upload', 'hub', 'near'):
    opts.add_argument('--' + name, type=int, default=0)
for name in ('redirect', 'require-auth', 'no-range', 'corrupt', 'badmanifest', 'put413', 'warn', 'refresh'):
    opts.add_argument('--' + name, action='store_true')
opts.add_argument('--upstream', required=True)
opts.add_argument('--log')
opts = opts.parse_args()
tokens, uploading, down = {}, [0], [0]
lock, cut, left = threading.Lock(), set(), {'busy': opts.busy, 'err500': opts.err500, 'cut': opts.cut_upload, 'hub': opts.hub}
basic = 'Basic ' + base64.b64encode(b'alice:secret').decode()


def take(what):
    with lock:
        left[what] -= 1
        return left[what] >= 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    cdn = False
    at_once = 0

    def log_message(self, *args):
        pass

    def note(self, status):
        if opts.log:
            kept = {k: self.headers[k].split()[0] for k in ('Authorization', 'Range') if self.headers[k]}
            with lock, open(opts.log, 'a') as f:
                f.write(json.dumps({'method': self.command, 'path': self.path, 'status': status, 'cdn': self.cdn, 'host': self.headers['Host'], 'at_once': self.at_once, **kept}) + '\n')

    def answer(self, status, headers=(), body=b''):
        self.note(status)
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refusal(self, blob):
        if self.cdn and opts.near and not self.has_token():
            return 401, [('WWW-Authenticate', 'Bearer realm="/token",service="near",scope="%s"' % self.scope())]
        if self.cdn and opts.near:
            return None
        if opts.near and (blob or '/manifests/' in self.path):
            return 307, [('Location', 'http://127.0.0.1:%d%s' % (opts.cdn_port, self.path))]
        if self.cdn:
            return (400, []) if self.headers['Authorization'] else None
        if opts.require_auth and self.headers['Authorization'] != basic:
            return 401, [('WWW-Authenticate', 'Basic realm="test"')]
        if opts.token and not self.has_token():
            scope = '' if self.path == '/v2/' else ',scope="%s"' % self.scope()
            return 401, [('WWW-Authenticate', 'Bearer realm="http://127.0.0.1:%d/token",service="test"%s' % (opts.port, scope))]
        if self.path != '/v2/' and take('busy'):
            return 429, [('Retry-After', '1')]
        if blob and take('err500'):
            return 503, []
        if blob and opts.redirect:
            return 307, [('Location', 'http://127.0.0.1:%d%s?sig=1' % (opts.cdn_port, self.path))]
        return None

    def scope(self):
        repo = self.path[len('/v2/'):].split('/blobs/')[0].split('/manifests/')[0]
        return 'repository:%s:%s' % (repo, 'pull' if self.command in ('GET', 'HEAD') else 'pull,push')

    def has_token(self):
        scopes, until = tokens.get((self.headers['Authorization'] or '').replace('Bearer ', ''), ('', 0))
        if time.time() > until:
            return False
        repo, actions = self.scope().rsplit(':', 1)
        return self.path == '/v2/' or any(s.startswith(repo + ':') and set(actions.split(',')) <= set(s.rsplit(':', 1)[1].split(',')) for s in scopes)

    def give_token(self, form):
        q = urllib.parse.parse_qs(form or self.path.partition('?')[2])
        who = self.headers['Authorization']
        if self.command == 'POST':
            if not opts.refresh or q.get('grant_type') != ['refresh_token'] or q.get('refresh_token') != ['renews']:
                return self.answer(401, body=b'{"error":"invalid_grant"}')
            who, q['scope'] = basic, ' '.join(q.get('scope', [])).split()
        if who and (who != basic or opts.near):
            return self.answer(401, body=b'{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}')
        scopes = [s if who else s.rsplit(':', 1)[0] + ':pull' for s in q.get('scope', [])]
        token = secrets.token_hex(16)
        tokens[token] = scopes, time.time() + (opts.token or opts.near)
        more = {'refresh_token': 'renews'} if opts.refresh and who and q.get('offline_token') == ['true'] else {}
        self.answer(200, body=json.dumps({'token': token, 'expires_in': opts.token or opts.near, **more}).encode())

    def send_blob(self, body, key):
        with lock:
            short = opts.truncate and key not in cut and opts.truncate < len(body)
            cut.add(key)
        body = body[:opts.truncate] if short else body
        for i in range(0, len(body), 65536):
            self.wfile.write(body[i:i + 65536])
            if opts.slow:
                time.sleep(65536 / opts.slow)
        if short:
            self.close_connection = True

    def cut(self, sent):
        self.note(0)
        with socket.create_connection(tuple(opts.upstream.split(':'))) as s:
            s.sendall(('%s %s HTTP/1.1\r\nHost: %s\r\n' % (self.command, self.path, opts.upstream)).encode())
            for k in ('Content-Type', 'Content-Range', 'Content-Length'):
                if self.headers[k]:
                    s.sendall(('%s: %s\r\n' % (k, self.headers[k])).encode())
            s.sendall(b'\r\n' + sent[:len(sent) // 2])
            time.sleep(0.3)
        self.close_connection = True

    def forward(self):
        sent = self.rfile.read(int(self.headers['Content-Length'] or 0))
        blob = self.command == 'GET' and '/blobs/sha256:' in self.path
        if self.path.startswith('http://'): # asked as a proxy
            self.path = '/' + self.path.split('/', 3)[3]
        if opts.put413 and self.command == 'PUT' and '/blobs/' in self.path and sent:
            return self.answer(413)
        if (opts.token or opts.near and self.cdn) and self.path.startswith('/token'):
            return self.give_token(sent.decode())
        no = self.refusal(blob)
        if no:
            return self.answer(*no)
        if self.command in ('PUT', 'PATCH') and '/blobs/' in self.path and sent:
            with lock:
                uploading[0] += 1
                self.at_once = uploading[0]
            if opts.slow:
                time.sleep(len(sent) / opts.slow)
            with lock:
                uploading[0] -= 1
            if take('cut'):
                return self.cut(sent)
        if opts.hub and '/manifests/' in self.path and self.command == 'GET' and not take('hub'):
            return self.answer(429, [('Retry-After', '3600'), ('ratelimit-limit', '100;w=21600'), ('docker-ratelimit-source', '192.0.2.1')],
                b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}')
        if blob:
            with lock:
                down[0] += 1
                self.at_once = down[0]
        up = http.client.HTTPConnection(opts.upstream, timeout=60)
        keep = {k: v for k, v in self.headers.items() if k.lower() not in ('host', 'connection', 'authorization', 'content-length')
                and not (opts.no_range and k.lower() == 'range')}
        up.request(self.command, self.path.split('?sig=')[0], sent, keep)
        r = up.getresponse()
        body = r.read()
        if blob and opts.corrupt and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        if opts.badmanifest and '/manifests/' in self.path and self.command == 'GET':
            body += b' '
        self.note(r.status)
        self.send_response(r.status)
        for k, v in r.getheaders():
            if k.lower() not in ('content-length', 'connection', 'transfer-encoding'):
                self.send_header(k, v.replace('http://' + opts.upstream, 'http://127.0.0.1:%d' % opts.port) if k.lower() == 'location' else v)
        if opts.warn and '/manifests/' in self.path:
            self.send_header('Warning', '299 - "this tag ends in \x1b[31m2027"')
        if opts.hub and '/manifests/' in self.path:
            self.send_header('ratelimit-limit', '100;w=21600')
            self.send_header('ratelimit-remaining', '%d;w=21600' % left['hub'])
            self.send_header('docker-ratelimit-source', '192.0.2.1')
        self.send_header('Content-Length', r.getheader('Content-Length') if self.command == 'HEAD' else str(len(body)))
        self.end_headers()
        if self.command == 'HEAD':
            return
        try:
            self.send_blob(body, (self.path, self.headers['Range'])) if blob else self.wfile.write(body)
        except OSError:
            self.close_connection = True
        finally:
            with lock:
                down[0] -= blob

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = forward


class Cdn(Handler):
    cdn = True


if opts.cdn_port:
    threading.Thread(target=http.server.ThreadingHTTPServer(('127.0.0.1', opts.cdn_port), Cdn).serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer(('127.0.0.1', opts.port), Handler).serve_forever()
