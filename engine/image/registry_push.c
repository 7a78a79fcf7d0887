/* SPDX-License-Identifier: MIT
 *
 * Uploads (distribution-spec 1.1 "Push"): a blob goes in one PUT, or in pieces where it is large or a proxy refuses large bodies (413). What a registry
 * has of a piecewise upload it tells itself, so a lost connection costs one piece.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/registry.h"
#include "engine/image/registry_priv.h"
#include "engine/image/retry.h"

static const int64_t piece_size = INT64_C(32) << 20, monolithic_max = INT64_C(64) << 20, token_spare_ns = INT64_C(60000000000);

int registry_blob_there(struct registry *r, const char *digest, struct err *e)
{
	AUTO_DONE(call_done) struct call c = CALL(r, "HEAD");
	AUTO_ERR(failure);
	struct host_state *s = &r->state[r->hosts.n - 1];

	/* A token that ends during the upload is asked for anew with this small request. */
	if (s->auth.until_ns && s->auth.until_ns - time_mono_ns() < token_spare_ns)
		s->auth.until_ns = 1;
	c.path = xasprintf("%s/blobs/%s", r->repo, digest);
	if (call_run(&c, &failure) >= 0)
		return 0;
	return c.q.status == 404 || c.q.status == 403 || c.q.status == 405 ? 1 : err_move(e, &failure);
}

/* Where the upload goes on. Behind a proxy that ends TLS registries name themselves with http. */
static int location(const struct call *c, char **ret, struct err *e)
{
	const char *said = http_reply(&c->q, "location");
	char *url = NULL;

	if (!said)
		return err_set(e, EPROTO, "%s: the registry does not say where to upload to", c->r->shown);
	if (http_resolve(c->q.url, said, &url, e) < 0)
		return err_wrap(e, "%s: upload", c->r->shown);
	if (str_starts(c->q.url, "https://") && str_starts(url, "http://")) {
		auto_free char *its = http_host(url), *own = http_host(c->q.url), *plain = url;

		if (!its || !own || !streq(its, own)) {
			return err_set(e, EPROTO, "%s: the registry wants the upload sent without TLS to '%s'", c->r->shown, str0(its));
		}
		url = xasprintf("https://%s", plain + strlen("http://"));
	}
	free(*ret);
	*ret = url;
	return 0;
}

int registry_mount(struct registry *r, const char *digest, const char *from, struct err *e)
{
	AUTO_DONE(call_done) struct call c = CALL(r, "POST");
	AUTO_ERR(failure);
	auto_free char *source = http_escape(from);

	c.path = xasprintf("%s/blobs/uploads/?mount=%s&from=%s", r->repo, digest, source);
	(void)e;
	if (call_run(&c, &failure) < 0) {
		log_debug("mount %.19s from %s: %s", digest, from, err_text(&failure));
		return 1;
	}
	if (c.q.status == 202) { /* an upload has begun instead: not wanted */
		AUTO_DONE(call_done) struct call stop = CALL(r, "DELETE");

		if (location(&c, &stop.path, &failure) >= 0)
			(void)call_run(&stop, &failure);
	}
	return c.q.status == 201 ? 0 : 1;
}

static int begin_session(struct registry *r, const char *digest, char **ret, struct err *e)
{
	AUTO_DONE(call_done) struct call c = CALL(r, "POST");

	c.path = xasprintf("%s/blobs/uploads/%s", r->repo, str_starts(digest, "sha512:") ? "?digest-algorithm=sha512" : "");
	TRY(call_run(&c, e));
	return location(&c, ret, e);
}

static char *with_digest(const char *url, const char *digest)
{
	return xasprintf("%s%cdigest=%s", url, strchr(url, '?') ? '&' : '?', digest);
}

/* 1: the body is too large for one request. *RET_WAIT_NS: after a failure, when it may be tried again; RETRY_NEVER. */
static int put_whole(struct registry *r, const struct upload *u, const char *session, int tried, int64_t *ret_wait_ns, struct err *e)
{
	AUTO_DONE(call_done) struct call c = CALL(r, "PUT");
	AUTO_ERR(failure);

	c.path = with_digest(session, u->digest);
	c.type = "application/octet-stream";
	c.body_fd = u->fd;
	c.body_size = u->size;
	c.once = true; /* what came of it is part of that session: the next try has one of its own */
	*ret_wait_ns = RETRY_NEVER;
	if (call_run(&c, &failure) >= 0)
		return 0;
	if (c.q.status == 413)
		return 1;
	*ret_wait_ns = retry_delay(tried, c.q.status, c.q.e.code, retry_after_ns(http_reply(&c.q, "retry-after"), time_now_ns()), (unsigned)time_mono_ns());
	return err_move(e, &failure);
}

/* "0-1048575" of an upload's Range: bytes that the registry has. */
static int64_t range_end(const char *range)
{
	long long from = -1, to = -1;

	if (!range || sscanf(range, "%lld-%lld", &from, &to) != 2 || from != 0)
		return -1;
	return to + 1;
}

/* How much of the upload is there: after a lost connection, or a 416. */
static int64_t ask_progress(struct registry *r, char **session)
{
	AUTO_DONE(call_done) struct call c = CALL(r, "GET");
	AUTO_ERR(ignored);

	c.path = xstrdup(*session);
	if (call_run(&c, &ignored) < 0)
		return -1;
	if (http_reply(&c.q, "location"))
		(void)location(&c, session, &ignored);
	/* "0-0" is what some say of an empty upload. */
	return range_end(http_reply(&c.q, "range")) <= 1 ? 0 : range_end(http_reply(&c.q, "range"));
}

static int patch_piece(struct registry *r, const struct upload *u, char **session, int64_t from, int64_t n, struct err *e)
{
	AUTO_DONE(call_done) struct call c = CALL(r, "PATCH");
	auto_free char *range = xasprintf("%lld-%lld", (long long)from, (long long)(from + n - 1));

	c.path = xstrdup(*session);
	c.type = "application/octet-stream";
	c.content_range = range;
	c.body_fd = u->fd;
	c.body_offset = from;
	c.body_size = n;
	c.once = true; /* after a failure the registry is asked what it has */
	TRY(call_run(&c, e));
	return location(&c, session, e);
}

/* A piece did not arrive, for the LOST'th time: where to go on. Some registries (distribution is one) forget a session that broke within a piece; then it
 * begins again. */
static int go_on(struct registry *r, const struct upload *u, char **session, int lost, int64_t *at, struct err *e)
{
	int64_t there;

	(void)call_sleep(r, time_mono_ns() + retry_delay(lost - 1, 503, 0, -1, (unsigned)time_mono_ns()));
	there = ask_progress(r, session);
	if (there > u->size)
		return err_set(e, EPROTO, "the registry has %lld bytes of the %lld of the upload", (long long)there, (long long)u->size);
	*at = MAX(there, 0);
	return there < 0 ? begin_session(r, u->digest, session, e) : 0;
}

static int put_pieces(struct registry *r, const struct upload *u, struct err *e)
{
	auto_free char *session = NULL;
	AUTO_DONE(call_done) struct call end = CALL(r, "PUT");
	int64_t at = 0;
	int lost = 0;

	TRY(begin_session(r, u->digest, &session, e));
	while (at < u->size) {
		int64_t n = MIN(piece_size, u->size - at);
		AUTO_ERR(failure);

		if (patch_piece(r, u, &session, at, n, &failure) >= 0) {
			at += n;
			lost = 0;
		} else if (++lost >= RETRY_MOST || failure.code == EACCES || failure.code == EDQUOT) {
			return err_move(e, &failure);
		} else {
			log_debug("upload of %.19s: %s", u->digest, err_text(&failure));
			TRY(go_on(r, u, &session, lost, &at, e));
		}
		if (u->sent)
			u->sent(u->arg, at);
	}
	end.path = with_digest(session, u->digest);
	return call_run(&end, e);
}

/* 1: it must go in pieces. */
static int put_in_one(struct registry *r, const struct upload *u, struct err *e)
{
	for (int tried = 0;; tried++) {
		auto_free char *session = NULL;
		AUTO_ERR(failure);
		int64_t wait;
		int res;

		TRY(begin_session(r, u->digest, &session, e));
		res = put_whole(r, u, session, tried, &wait, &failure);
		if (res >= 0)
			return res;
		if (wait == RETRY_NEVER)
			return err_move(e, &failure);
		log_debug("upload of %.19s: %s", u->digest, err_text(&failure));
		(void)call_sleep(r, time_mono_ns() + wait);
	}
}

int registry_upload(struct registry *r, const struct upload *u, struct err *e)
{
	int res = u->size <= monolithic_max ? put_in_one(r, u, e) : 1;

	return res <= 0 ? res : put_pieces(r, u, e);
}

int registry_put_manifest(struct registry *r, const char *tag, const char *type, const char *text, size_t n, const char *digest, struct err *e)
{
	AUTO_DONE(call_done) struct call c = CALL(r, "PUT");
	const char *said;

	c.path = xasprintf("%s/manifests/%s", r->repo, tag);
	c.type = type;
	c.body = text;
	c.body_len = n;
	TRY(call_run(&c, e));
	said = http_reply(&c.q, "docker-content-digest");
	if (said && str_starts(said, "sha256:") && !streq(said, digest))
		return err_set(e, EBADMSG, "%s: the registry stored another manifest: %.80s, not %s", r->shown, said, digest);
	return 0;
}
