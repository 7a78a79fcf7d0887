/* SPDX-License-Identifier: MIT
 *
 * A blob into a file: what is there is kept, the rest is asked for by Range. Whatever a server makes of that, bytes land where they belong or not at all.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/time.h"
#include "engine/image/registry.h"
#include "engine/image/registry_priv.h"
#include "engine/image/retry.h"

struct fetch {
	struct fetch_options o;
	char *digest;
	struct call c;
	int64_t have, skip;     /* skip: bytes of a whole answer that are here already */
	bool running, begun, checked;
};

static int check_range(struct fetch *f, struct err *e)
{
	const char *range = http_reply(&f->c.q, "content-range"), *length = http_reply(&f->c.q, "content-length");
	long long from = -1, to = -1, total = -1;
	AUTO_ERR(ignored);
	int64_t n;

	f->skip = 0;
	if (f->c.q.status == 206) {
		if (!range || sscanf(range, "bytes %lld-%lld/%lld", &from, &to, &total) < 2 || from != f->have || (total >= 0 && total != f->o.size))
			return err_set(e, EPROTO, "bytes were sent that were not asked for (%s)", range ? range : "no Content-Range");
		return 0;
	}
	f->skip = f->have; /* the whole, from the beginning */
	if (length && num_int(length, 0, INT64_MAX, &n, &ignored) >= 0 && n != f->o.size)
		return err_set(e, EBADMSG, "the registry has %lld bytes, the manifest says %lld", (long long)n, (long long)f->o.size);
	return 0;
}

static int fetch_sink(struct http_request *q, const void *p, size_t n, struct err *e)
{
	struct fetch *f = q->arg;
	const char *from = p;

	if (!f->checked) {
		f->checked = true;
		TRY(check_range(f, e));
	}
	if (f->skip > 0) {
		size_t part = (size_t)MIN(f->skip, (int64_t)n);

		f->skip -= (int64_t)part;
		from += part;
		n -= part;
	}
	if (n == 0)
		return 0;
	if ((int64_t)n > f->o.size - f->have)
		return err_set(e, EBADMSG, "more bytes than the %lld that are announced", (long long)f->o.size);
	TRY(fd_write_all(f->o.fd, from, n, e));
	f->have += (int64_t)n;
	if (f->o.grown)
		f->o.grown(f->o.arg, f->have);
	return 0;
}

int fetch_new(struct registry *r, const struct fetch_options *o, struct fetch **ret, struct err *e)
{
	struct fetch *f;
	struct stat st;

	if (fstat(o->fd, &st) < 0)
		return err_sys(e, "look at the blob's file");
	if (st.st_size > o->size) {
		if (ftruncate(o->fd, 0) < 0)
			return err_sys(e, "empty the blob's file");
		st.st_size = 0;
	}
	if (lseek(o->fd, st.st_size, SEEK_SET) < 0)
		return err_sys(e, "seek");
	f = xcalloc(1, sizeof(*f));
	f->o = *o;
	f->digest = xstrdup(o->digest);
	f->have = st.st_size;
	f->c = CALL(r, "GET");
	f->c.path = xasprintf("%s/blobs/%s", r->repo, o->digest);
	f->c.sink = fetch_sink;
	f->c.arg = f;
	f->c.origin_only = o->from_origin;
	call_first_host(&f->c);
	*ret = f;
	return 0;
}

void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	call_done(&f->c);
	free(f->digest);
	free(f);
}

static int fetch_begin(struct fetch *f, struct err *e)
{
	f->c.range = f->have;
	f->c.again_ns = 0;
	f->checked = false;
	f->running = true;
	return call_begin(&f->c, e);
}

/* 416: the file has as much as there is, or the range is not understood. */
static int start_over(struct fetch *f, struct err *e)
{
	if (ftruncate(f->o.fd, 0) < 0 || lseek(f->o.fd, 0, SEEK_SET) < 0)
		return err_sys(e, "empty the blob's file");
	f->have = 0;
	return 0;
}

static int fetch_ended(struct fetch *f, struct err *e)
{
	int64_t before = f->c.range > 0 ? f->c.range : 0;
	int r;

	f->running = false;
	if (f->have > before)
		f->c.tried = 0; /* it gets on: the tries are for those that bring nothing */
	if (f->c.q.status == 416 && f->have > 0) {
		TRY(start_over(f, e));
		return call_again(&f->c, 0);
	}
	if (f->c.q.e.code == EPROTO && f->c.q.status == 206)
		TRY(start_over(f, e));
	r = call_ended(&f->c, e);
	if (r < 0)
		return err_wrap(e, "layer %.19s", f->digest);
	if (r == CALL_OK && f->have < f->o.size) {
		/* a whole answer that is too short */
		if (++f->c.tried >= RETRY_MOST)
			return err_set(e, EBADMSG, "layer %.19s has %lld bytes, not the %lld that are announced", f->digest, (long long)f->have,
				(long long)f->o.size);
		return call_again(&f->c, 0);
	}
	return r;
}

int fetch_turn(struct fetch *f, int64_t *ret_wait_ns, struct err *e)
{
	int64_t now = time_mono_ns();

	*ret_wait_ns = INT64_MAX;
	if (f->have == f->o.size)
		return 1;
	if (!f->begun) {
		f->begun = true;
		TRY(fetch_begin(f, e));
	}
	if (f->running && f->c.q.finished) {
		int r = fetch_ended(f, e);

		if (r < 0)
			return r;
		if (f->have == f->o.size)
			return 1;
	}
	if (f->running)
		return 0;
	if (f->c.again_ns > now) {
		*ret_wait_ns = f->c.again_ns - now;
		return 0;
	}
	return fetch_begin(f, e);
}
