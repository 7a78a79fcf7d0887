/* SPDX-License-Identifier: MIT
 *
 * Every request is a call: it may be redirected, challenged, delayed and given to another host before it is answered.
 *
 *   call_begin ─► http ─► call_ended ─┬─ 2xx            CALL_OK
 *       ▲                             ├─ 401            token or Basic ─┐
 *       │                             ├─ 3xx            another address ├─ CALL_AGAIN (at again_ns)
 *       └─────────────────────────────┼─ 408 429 5xx    wait            │
 *                                     ├─ a mirror fails the next host  ─┘
 *                                     └─ anything else  an error that names the cause
 */
#include "engine/image/registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/digest.h"
#include "engine/image/manifest.h"
#include "engine/image/registry_error.h"
#include "engine/image/registry_priv.h"
#include "engine/image/retry.h"

enum { REDIRECTS_MAX = 10, AUTHS_MAX = 2, WARNINGS_MAX = 4 };
static const char accept_manifests[] =
	"Accept: " TYPE_INDEX ", application/vnd.docker.distribution.manifest.list.v2+json, "
	TYPE_MANIFEST ", application/vnd.docker.distribution.manifest.v2+json";

void call_done(struct call *c)
{
	http_request_done(&c->q);
	free(c->path);
	free(c->target);
	c->path = c->target = NULL;
}

/* ---- opening --------------------------------------------------------------------------------------------------------------------------------------- */

static int read_credentials(struct registry *r, const struct registry_options *o, struct err *e)
{
	for (size_t i = 0; i < r->hosts.n; i++) {
		struct auth *a = &r->state[i].auth;
		int res;

		if (o->credential && !r->hosts.v[i].mirror) {
			a->cred.user = xstrdup0(o->credential->user);
			a->cred.secret = xstrdup0(o->credential->secret);
			a->cred.identity = xstrdup0(o->credential->identity);
			a->cred.source = xstrdup0(o->credential->source);
			a->anonymous = !a->cred.user && !a->cred.identity;
			continue;
		}
		res = credential_get(r->hosts.v[i].name, r->hosts.v[i].repo ? r->hosts.v[i].repo : r->repo, &a->cred, e);
		if (res < 0)
			return err_wrap(e, "credentials");
		a->anonymous = res == 1;
	}
	return 0;
}

void registry_also_pull(struct registry *r, const char *repository)
{
	strv_addf(&r->scopes, "repository:%s:pull", repository);
}

static char *shown_name(const struct ref *ref)
{
	auto_free char *full = ref->path && *ref->path ? ref_text(ref) : NULL;

	return xstrdup(full ? ref_familiar(full) : ref->host);
}

int registry_open(struct loop *loop, const struct registry_options *o, struct registry **ret, struct err *e)
{
	AUTO(registry_free) struct registry *r = xcalloc(1, sizeof(*r));
	struct utsname u;
	auto_free char *agent = NULL;

	uname(&u);
	agent = xasprintf("gantry/%s (linux; %.60s)", PACKAGE_VERSION, u.machine);
	TRY(http_new(loop, agent, &r->http, e));
	TRY(registry_hosts_read(o->root, o->ref, o->push, &r->hosts, e));
	r->state = xcalloc(r->hosts.n, sizeof(*r->state));
	r->name = xstrdup(o->ref->host);
	r->repo = xstrdup(str0(o->ref->path));
	r->shown = shown_name(o->ref);
	r->push = o->push;
	r->note = o->note;
	r->arg = o->arg;
	if (*r->repo)
		strv_addf(&r->scopes, "repository:%s:%s", r->repo, o->push ? "pull,push" : "pull");
	TRY(read_credentials(r, o, e));
	*ret = TAKE(r);
	return 0;
}

int registry_forked(struct registry *r, struct loop *loop, struct err *e)
{
	struct http *mine = NULL;

	TRY(http_forked(r->http, loop, &mine, e));
	r->http = mine;
	return 0;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	http_free(r->http);
	for (size_t i = 0; r->state && i < r->hosts.n; i++)
		auth_done(&r->state[i].auth);
	free(r->state);
	registry_hosts_done(&r->hosts);
	free(r->name);
	free(r->repo);
	free(r->shown);
	strv_done(&r->scopes);
	strv_done(&r->mirrors);
	strv_done(&r->warnings);
	auth_done(&r->guest);
	free(r->guest_origin);
	free(r);
}

const struct strv *registry_warnings(const struct registry *r)
{
	return &r->warnings;
}

/* ---- calls ----------------------------------------------------------------------------------------------------------------------------------------- */

static const struct registry_host *host_of(const struct call *c)
{
	return &c->r->hosts.v[c->host];
}

static struct host_state *state_of(const struct call *c)
{
	return &c->r->state[c->host];
}

/* What stands between the host and the call's path, and what of the path is another there. Caller frees. */
static char *host_path(const struct call *c)
{
	const struct registry_host *h = host_of(c);
	const char *rest = h->repo && *c->r->repo ? str_after(c->path, c->r->repo) : NULL;
	auto_free char *path = rest ? xasprintf("%s%s", h->repo, rest) : xstrdup(c->path), *ns = NULL;

	if (h->ns) {
		auto_free char *name = http_escape(c->r->name);

		ns = xasprintf("%cns=%s", strchr(path, '?') ? '&' : '?', name);
	}
	return xasprintf("%s/%s%s", h->exact ? "" : "/v2", path, str0(ns));
}

static char *call_url(const struct call *c)
{
	const char *url = host_of(c)->url, *rest = str_after(url, "https://");
	auto_free char *path = NULL;

	if (c->target)
		return xstrdup(c->target);
	if (str_starts(c->path, "http"))
		return xstrdup(c->path);
	path = host_path(c);
	return state_of(c)->plain && rest ? xasprintf("http://%s%s", rest, path) : xasprintf("%s%s", url, path);
}

/* The address of the host itself, as it is spoken to now. */
static bool is_own(const struct call *c, const char *url)
{
	auto_free char *origin = http_origin(url), *own = NULL, *base = NULL;
	const char *rest = str_after(host_of(c)->url, "https://");

	base = state_of(c)->plain && rest ? xasprintf("http://%s", rest) : xstrdup(host_of(c)->url);
	own = http_origin(base);
	return origin && own && streq(origin, own);
}

static bool is_guest_at(const struct call *c, const char *url)
{
	auto_free char *origin = c->r->guest_origin ? http_origin(url) : NULL;

	return origin && streq(origin, c->r->guest_origin);
}

int call_begin(struct call *c, struct err *e)
{
	struct http_request *q = &c->q;
	const char *auth = auth_header(&state_of(c)->auth);
	bool own;

	http_request_done(q);
	q->method = c->method;
	q->url = call_url(c);
	if (c->accept)
		strv_add(&q->headers, c->accept);
	if (c->type)
		strv_addf(&q->headers, "Content-Type: %s", c->type);
	if (c->content_range)
		strv_addf(&q->headers, "Content-Range: %s", c->content_range);
	if (c->range > 0)
		strv_addf(&q->headers, "Range: bytes=%lld-", (long long)c->range);
	own = is_own(c, q->url);
	if (!own)
		auth = is_guest_at(c, q->url) ? auth_header(&c->r->guest) : NULL;
	if (auth)
		strv_add(&q->headers, auth);
	if (own)
		strv_copy(&q->headers, &host_of(c)->headers);
	if (own || host_of(c)->insecure)
		q->tls = &host_of(c)->tls;
	q->connect_ms = own ? host_of(c)->connect_ms : 0;
	q->max = c->max;
	q->body = c->body;
	q->body_len = c->body_len;
	q->body_fd = c->body_fd;
	q->body_offset = c->body_offset;
	q->body_size = c->body_size;
	q->sink = c->sink;
	q->arg = c->arg;
	return http_start(c->r->http, q, e);
}

int call_again(struct call *c, int64_t wait_ns)
{
	c->again_ns = time_mono_ns() + wait_ns;
	return CALL_AGAIN;
}

static void tell_mirror(struct call *c, const struct err *why)
{
	auto_free char *text = why->code ? xasprintf("mirror %s: %s", host_of(c)->name, err_text(why)) :
					   xasprintf("mirror %s: status %ld", host_of(c)->name, c->q.status);

	log_debug("%s", text);
	if (c->r->mirrors.n < REGISTRY_MIRRORS_MAX)
		strv_add_unique(&c->r->mirrors, text);
}

/* The registry itself is asked for everything. */
static bool may_ask(const struct call *c)
{
	const struct registry_host *h = host_of(c);

	return !h->mirror || !(c->origin_only || state_of(c)->failed || (c->by_tag ? h->no_tags : h->no_digests));
}

/* To the next host, when this one is a mirror. */
static int next_host(struct call *c, const struct err *why)
{
	if (!host_of(c)->mirror)
		return 0;
	tell_mirror(c, why);
	if (why->code == ECONNREFUSED || why->code == EHOSTUNREACH || why->code == ETIMEDOUT || why->code == EPROTO)
		state_of(c)->failed = true;
	do
		c->host++;
	while (!may_ask(c));
	c->tried = c->redirects = c->auths = 0;
	free(TAKE(c->target));
	return 1;
}

/* What is needed there. */
static void scopes_at(const struct call *c, struct strv *to)
{
	if (host_of(c)->repo)
		strv_addf(to, "repository:%s:pull", host_of(c)->repo);
	else
		strv_copy(to, &c->r->scopes);
}

/* Another registry, which wants a token of its own service: registry.k8s.io sends to ones that are near. It gets nobody's. */
static int guest_challenged(struct call *c)
{
	const struct strv none = STRV_INIT;
	auto_free char *host = http_host(c->q.url);
	AUTO_ERR(failure);

	if (c->guests++ || !host || !http_reply(&c->q, "www-authenticate"))
		return 0; /* a storage address that has expired, most of all */
	auth_done(&c->r->guest);
	c->r->guest.anonymous = true;
	free(c->r->guest_origin);
	c->r->guest_origin = http_origin(c->q.url);
	if (auth_answer(&c->r->guest, c->r->http, &c->q, host, &none, c->q.tls, NULL, &failure) >= 0)
		return call_again(c, 0);
	log_debug("%s: %s", host, err_text(&failure));
	return 0;
}

static int challenged(struct call *c, struct err *e)
{
	const struct registry_host *h = host_of(c);
	AUTO_STRV(scopes);
	AUTO_ERR(failure);

	if (c->target && !is_own(c, c->q.url))
		return guest_challenged(c);
	if (c->auths++ >= AUTHS_MAX)
		return 0;
	scopes_at(c, &scopes);
	if (auth_answer(&state_of(c)->auth, c->r->http, &c->q, h->name, &scopes, &h->tls, &c->r->hosts.token_hosts, &failure) >= 0)
		return call_again(c, 0);
	if (next_host(c, &failure))
		return call_again(c, 0);
	err_move(e, &failure);
	return err_wrap(e, "%s", c->r->shown);
}

static int redirected(struct call *c, struct err *e)
{
	const char *location = http_reply(&c->q, "location");
	char *target = NULL;

	if (!location)
		return err_set(e, EPROTO, "'%s' redirects to nowhere", host_of(c)->name);
	if (++c->redirects > REDIRECTS_MAX)
		return err_set(e, ELOOP, "'%s' redirects more than %d times", host_of(c)->name, REDIRECTS_MAX);
	if (http_resolve(c->q.url, location, &target, e) < 0)
		return err_wrap(e, "'%s' redirects", host_of(c)->name);
	if (str_starts(c->q.url, "https://") && str_starts(target, "http://")) {
		auto_free char *host = http_host(target);

		free(target);
		return err_set(e, EPROTO, "'%s' redirects to '%s' without TLS: not followed", host_of(c)->name, str0(host));
	}
	free(c->target);
	c->target = target;
	return call_again(c, 0);
}

static unsigned jitter(void)
{
	unsigned v = 0;

	(void)getrandom(&v, sizeof(v), GRND_NONBLOCK);
	return v;
}

static void tell_wait(const struct call *c, int64_t wait)
{
	auto_free char *text = NULL;

	if (!c->r->note || wait < INT64_C(900000000))
		return;
	text = xasprintf("%s: again in %lld s", c->q.status == 429 ? "too many requests" : c->q.e.code ? "connection lost" : "the registry is busy",
		(long long)((wait + 999999999) / 1000000000));
	c->r->note(c->r->arg, text);
}

/* The answer is none, or one that passes: when to ask again. 0: not. */
static int retried(struct call *c)
{
	int64_t after = retry_after_ns(http_reply(&c->q, "retry-after"), time_now_ns());
	int64_t wait = retry_delay(c->tried, c->q.status, c->q.e.code, after, jitter());

	/* What a signed address says (403: expired) is not what the registry says: back to it. */
	if (wait == RETRY_NEVER && c->target && c->q.status >= 400 && c->tried < 2)
		wait = 0;
	/* Another host may do at once what a mirror may do later. */
	if (wait == RETRY_NEVER || (host_of(c)->mirror && c->tried >= 1))
		return 0;
	c->tried++;
	free(TAKE(c->target));
	c->redirects = 0;
	tell_wait(c, wait);
	return call_again(c, wait);
}

/* An insecure host that does not speak TLS: http from now on. Certificates are not verified there, so this hides no bad one. */
static bool try_plain(struct call *c)
{
	struct host_state *s = state_of(c);

	if (!host_of(c)->insecure || s->known || s->plain || c->target || !str_starts(host_of(c)->url, "https://"))
		return false;
	if (c->q.e.code != EPROTO && c->q.e.code != ECONNREFUSED && c->q.e.code != ECONNRESET)
		return false;
	s->plain = true;
	return true;
}

/* What came of it. Errors are raised with the name of the image. */
int call_ended(struct call *c, struct err *e)
{
	struct http_request *q = &c->q;
	int r;

	if (q->e.code && q->status == 0 && try_plain(c))
		return call_again(c, 0);
	if (!q->e.code) {
		state_of(c)->known = true;
		if (q->status >= 200 && q->status < 300)
			return CALL_OK;
		if (q->status >= 301 && q->status <= 308 && q->status != 304)
			return redirected(c, e);
		if (q->status == 401) {
			r = challenged(c, e);
			if (r)
				return r;
		}
	} else if (q->e.code == ENOSPC) {
		return err_move(e, &q->e);
	}
	r = c->once ? 0 : retried(c);
	if (r)
		return r;
	if (next_host(c, &q->e))
		return call_again(c, 0);
	(void)registry_error(q, c->r->name, c->r->shown, c->r->push, state_of(c)->auth.anonymous, state_of(c)->auth.cred.source, e);
	if (c->r->mirrors.n) {
		auto_free char *all = strv_join(&c->r->mirrors, "; "), *text = xstrdup(err_text(e)), *hint = xstrdup0(e->hint);
		int code = e->code;

		err_clear(e);
		err_set(e, code, "%s (%s)", text, all);
		if (hint)
			err_hint(e, "%s", hint);
	}
	return -e->code;
}

void call_first_host(struct call *c)
{
	for (c->host = 0; !may_ask(c); c->host++)
		;
}

int call_sleep(struct registry *r, int64_t at)
{
	for (int64_t left; (left = at - time_mono_ns()) > 0;)
		if (http_wait(r->http, left) < 0)
			return -ECANCELED;
	return 0;
}

int call_run(struct call *c, struct err *e)
{
	call_first_host(c);
	for (;;) {
		int res;

		TRY(call_begin(c, e));
		while (!c->q.finished)
			if (http_wait(c->r->http, -1) < 0)
				return err_set(e, ECANCELED, "interrupted");
		res = call_ended(c, e);
		if (res != CALL_AGAIN)
			return res;
		if (call_sleep(c->r, c->again_ns) < 0)
			return err_set(e, ECANCELED, "interrupted");
	}
}

void registry_wait(struct registry *r, int64_t ns)
{
	(void)http_wait(r->http, ns == INT64_MAX ? -1 : ns);
}

int registry_ping(struct registry *r, char **ret_identity, struct err *e)
{
	AUTO_DONE(call_done) struct call c = CALL(r, "GET");
	struct auth *a = &r->state[r->hosts.n - 1].auth;

	c.path = xstrdup("");
	a->offline = true;
	TRY(call_run(&c, e));
	*ret_identity = xstrdup0(a->refresh);
	return 0;
}

/* ---- manifests ------------------------------------------------------------------------------------------------------------------------------------- */

int registry_head(struct registry *r, const char *tag, char digest[DIGEST_STR], struct err *e)
{
	AUTO_DONE(call_done) struct call c = CALL(r, "HEAD");
	AUTO_ERR(failure);
	const char *said;

	c.path = xasprintf("%s/manifests/%s", r->repo, tag);
	c.by_tag = !strchr(tag, ':');
	c.accept = accept_manifests;
	/* It has no body that would say why: GET does. Some do not allow HEAD at all. */
	if (call_run(&c, &failure) < 0)
		return c.q.status ? 1 : err_move(e, &failure);
	said = http_reply(&c.q, "docker-content-digest");
	if (!said || !digest_is_valid(said))
		return 1;
	snprintf(digest, DIGEST_STR, "%s", said);
	return 0;
}

void registry_doc_done(struct registry_doc *d)
{
	free(d->text);
	free(d->type);
	*d = (struct registry_doc){ 0 };
}

static void digest_of(const char *like, const char *text, size_t n, char out[DIGEST_STR])
{
	AUTO(digest_free) struct digest *d = digest_new(like);

	digest_add(d, text, n);
	digest_end(d, out);
}

static void note_warnings(struct registry *r, const struct http_request *q)
{
	auto_free char *limit = registry_limit_text(q, r->name);

	if (limit && r->warnings.n < WARNINGS_MAX)
		strv_add_unique(&r->warnings, limit);
	for (size_t i = 0; i < q->reply.n && r->warnings.n < WARNINGS_MAX; i++) {
		const char *value = str_after(q->reply.v[i], "warning: 299 ");
		auto_free char *text = value ? registry_warning_text(value) : NULL;

		if (text)
			strv_add_unique(&r->warnings, text);
	}
}

static int manifest_once(struct registry *r, const char *tag, bool origin_only, struct registry_doc *ret, struct err *e)
{
	AUTO_DONE(call_done) struct call c = CALL(r, "GET");
	const char *said, *type;

	c.path = xasprintf("%s/manifests/%s", r->repo, tag);
	c.by_tag = !strchr(tag, ':');
	c.accept = accept_manifests;
	c.max = MANIFEST_MAX;
	c.origin_only = origin_only;
	TRY(call_run(&c, e));
	note_warnings(r, &c.q);
	said = strchr(tag, ':') ? tag : http_reply(&c.q, "docker-content-digest");
	if (said && !digest_is_valid(said))
		said = NULL;
	digest_of(said, c.q.text, c.q.len, ret->digest);
	if (said && digest_compare(ret->digest, said, e) < 0)
		return err_wrap(e, "%s: manifest from '%s'", r->shown, host_of(&c)->name);
	type = str0(http_reply(&c.q, "content-type"));
	ret->type = xstrndup(type, strcspn(type, "; \t"));
	ret->text = TAKE(c.q.text);
	ret->n = c.q.len;
	return 0;
}

int registry_manifest(struct registry *r, const char *tag, struct registry_doc *ret, struct err *e)
{
	AUTO_ERR(first);
	int res = manifest_once(r, tag, false, ret, &first);

	if (res != -EBADMSG || r->hosts.n == 1)
		return res < 0 ? err_move(e, &first) : res;
	return manifest_once(r, tag, true, ret, e); /* wrong bytes of a mirror */
}

int registry_text(struct registry *r, const struct descriptor *d, char **ret, struct err *e)
{
	AUTO_DONE(call_done) struct call c = CALL(r, "GET");
	char digest[DIGEST_STR];

	if (d->size < 0 || d->size > MANIFEST_MAX)
		return err_set(e, EFBIG, "%s: a config of %lld bytes, more than %d MiB", r->shown, (long long)d->size, MANIFEST_MAX >> 20);
	c.path = xasprintf("%s/blobs/%s", r->repo, d->digest);
	c.max = (size_t)d->size + 1;
	TRY(call_run(&c, e));
	digest_of(d->digest, c.q.text, c.q.len, digest);
	if ((int64_t)c.q.len != d->size)
		return err_set(e, EBADMSG, "%s: %.19s has %zu bytes, not the %lld that are announced", r->shown, d->digest, c.q.len, (long long)d->size);
	if (digest_compare(digest, d->digest, e) < 0)
		return err_wrap(e, "%s: config", r->shown);
	*ret = TAKE(c.q.text);
	return 0;
}
