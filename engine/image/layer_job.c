/* SPDX-License-Identifier: MIT */
#include "engine/image/layer_job.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"
#include "engine/image/http.h"
#include "engine/image/jail.h"
#include "engine/image/job_priv.h"
#include "engine/image/tar.h"
#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"
#include "engine/image/digest.h"
#include "engine/image/pack.h"
#include "engine/image/wire.h"

static int digest_of(int dir, int form, struct cJSON *answer, struct err *e)
{
	AUTO(digest_free) struct digest *d = NULL;
	char text[DIGEST_STR];
	int64_t size, tar;

	TRY(digest_prepare(e));
	d = digest_new(NULL);
	TRY(pack_upper(dir, form == WHITEOUT_FILE ? WHITEOUT_FILE : WHITEOUT_DEVICE, -1, d, &size, &tar, e));
	digest_end(d, text);
	json_add_str(answer, "diff", text);
	json_add_int(answer, "size", size);
	json_add_int(answer, "tar", tar);
	return 0;
}

int image_layer_digest(int sock, int dir, int form, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = json_object();
	AUTO_ERR(lost);
	int r = digest_of(dir, form, answer, e);

	return r < 0 ? wire_send_err(sock, e, &lost), r : wire_send(sock, answer, e);
}

static int sum_of(int file, const char *like, struct cJSON *answer, struct err *e)
{
	AUTO(digest_free) struct digest *d = NULL;
	char text[DIGEST_STR];
	struct digest_bytes counted;
	struct file_bytes in;
	int r;

	TRY(digest_prepare(e));
	d = digest_new(like);
	file_bytes_init(&in, file, 0, "the blob");
	digest_bytes_init(&counted, &in.b, d, 0);
	r = bytes_drain(&counted.b, e);
	file_bytes_done(&in);
	TRY(r);
	digest_end(d, text);
	json_add_str(answer, "digest", text);
	json_add_int(answer, "size", (int64_t)counted.total);
	return 0;
}

int image_sum(int sock, int file, const char *like, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = json_object();
	AUTO_ERR(lost);
	int r = sum_of(file, like, answer, e);

	return r < 0 ? wire_send_err(sock, e, &lost), r : wire_send(sock, answer, e);
}

/* ---- add ----------------------------------------------------------------------------------------------------------------------------------------- */

enum { HEADER = 512, REDIRECTS = 10, ENTRIES = 4 << 20, ADD_MAX_GIB = 128 };

/* The sum of a tar header's bytes, its own field taken as blanks. */
static bool is_tar_header(const unsigned char *h, size_t n)
{
	unsigned long want, sum = 0;
	char field[9] = "";

	if (n < HEADER)
		return false;
	memcpy(field, h + 148, 8);
	want = strtoul(field + strspn(field, " "), NULL, 8);
	for (size_t i = 0; i < HEADER; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	return sum == want && want;
}

static int feed_add(struct boss *b, const struct job *j, int out, int sock, struct err *e)
{
	const int keep[] = { b->input, out, sock };
	const struct jail jail = { b->tmp, "empty", true, JAIL_NOTHING, keep, ARRAY_LEN(keep) };
	struct file_bytes in;
	struct unfilter *u = NULL;
	const unsigned char *p;
	ssize_t n;
	int r;

	(void)j;
	TRY(jail_enter(&jail, e));
	file_bytes_init(&in, b->input, -1, "the archive");
	r = unfilter_open(&in.b, &u, e);
	for (bool first = true; r >= 0; first = false) {
		n = unfilter_bytes(u)->next(unfilter_bytes(u), &p, e);
		if (n <= 0) {
			r = first && n == 0 ? err_set(e, ENOEXEC, "not an archive") : (int)n;
			break;
		}
		if (first && !is_tar_header(p, (size_t)n)) {
			r = err_set(e, ENOEXEC, "not an archive");
			break;
		}
		r = fd_write_all(out, p, (size_t)n, e);
	}
	unfilter_free(u);
	file_bytes_done(&in);
	return r;
}

static int hear_both(struct boss *b, struct job *j, struct err *e)
{
	while (!j->feeder.ended || !j->unpacker.ended) {
		struct pollfd p[2] = { { j->feeder.ended ? -1 : j->feeder.sock, POLLIN, 0 }, { j->unpacker.ended ? -1 : j->unpacker.sock, POLLIN, 0 } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (p[0].revents)
			child_hear(b, &j->feeder, NULL);
		if (p[1].revents)
			child_hear(b, &j->unpacker, &j->result);
	}
	return 0;
}

static int add(struct boss *b, struct cJSON *answer, struct err *e)
{
	bool none;

	TRY(digest_prepare(e));
	TRY(tar_prepare(e));
	if (mkdirat(b->tmp, "empty", 0555) < 0)
		return err_sys(e, "make a temporary folder");
	TRY(job_start(b, b->jobs, e));
	TRY(hear_both(b, b->jobs, e));
	none = b->jobs->feeder.failure.code == ENOEXEC;
	json_add_bool(answer, "archive", !none);
	return none ? 0 : job_result(b, b->jobs, e);
}

int image_add(int sock, int tmp, int input, struct err *e)
{
	struct job j = { .dir = "0" };
	struct boss b = { .sock = sock, .tmp = tmp, .input = input, .spool = -1, .import = true, .feed = feed_add, .jobs = &j, .njobs = 1, .next = 1 };
	AUTO(json_free) struct cJSON *answer = json_object();
	AUTO_ERR(lost);
	int r;

	b.unpack = (struct layer_unpack){ .form = WHITEOUT_DEVICE, .plain = true, .max_bytes = (uint64_t)ADD_MAX_GIB << 30, .max_entries = ENTRIES };
	signal(SIGPIPE, SIG_IGN);
	setenv("TZ", "UTC0", 1);
	tzset();
	r = add(&b, answer, e);
	job_done(&j);
	return r < 0 ? wire_send_err(sock, e, &lost), r : wire_send(sock, answer, e);
}

/* ---- fetch --------------------------------------------------------------------------------------------------------------------------------------- */

struct fetch {
	int fd;
	struct digest *digest;
};

static int to_file(struct http_request *r, const void *p, size_t n, struct err *e)
{
	struct fetch *f = r->arg;

	digest_add(f->digest, p, n);
	return fd_write_all(f->fd, p, n, e);
}

/* Follows redirects; *RET is the last answer. */
static int get(struct http *h, const char *url, struct fetch *f, struct http_request *r, struct err *e)
{
	auto_free char *at = xstrdup(url);

	for (int i = 0; i <= REDIRECTS; i++) {
		const char *location;
		char *next = NULL;

		*r = HTTP_REQUEST_INIT;
		r->method = "GET";
		r->url = xstrdup(at);
		r->sink = to_file;
		r->arg = f;
		TRY(http_run(h, r, e));
		if (r->e.code)
			return err_move(e, &r->e);
		location = r->status >= 301 && r->status <= 308 ? http_reply(r, "location") : NULL;
		if (!location)
			return r->status >= 200 && r->status < 400 ? 0 : err_set(e, EIO, "invalid response status %ld", r->status);
		TRY(http_resolve(at, location, &next, e));
		free(at);
		at = next;
		http_request_done(r);
	}
	return err_set(e, ELOOP, "'%s': more than %d redirects", url, REDIRECTS);
}

/* "Sun, 09 Sep 2001 01:46:40 GMT"; 0: none. */
static int64_t http_date(const char *s)
{
	struct tm tm = { 0 };

	return s && strptime(s, "%a, %d %b %Y %H:%M:%S GMT", &tm) ? (int64_t)timegm(&tm) : 0;
}

static int fetch(int file, const char *url, struct cJSON *answer, struct err *e)
{
	AUTO(loop_free) struct loop *loop = loop_new(e);
	AUTO(http_free) struct http *h = NULL;
	AUTO(digest_free) struct digest *d = NULL;
	struct http_request r = HTTP_REQUEST_INIT;
	struct fetch f = { .fd = file };
	char text[DIGEST_STR];
	int rc;

	if (!loop)
		return -e->code;
	TRY(digest_prepare(e));
	TRY(http_new(loop, "gantry", &h, e));
	TRY(jail_nobody(e));
	f.digest = d = digest_new(NULL);
	rc = get(h, url, &f, &r, e);
	if (rc >= 0) {
		digest_end(d, text);
		json_add_str(answer, "digest", text);
		json_add_int(answer, "mtime", http_date(http_reply(&r, "last-modified")));
	}
	http_request_done(&r);
	return rc;
}

int image_fetch(int sock, int file, const char *url, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = json_object();
	AUTO_ERR(lost);
	int r;

	signal(SIGPIPE, SIG_IGN);
	r = fetch(file, url, answer, e);
	return r < 0 ? wire_send_err(sock, e, &lost), r : wire_send(sock, answer, e);
}

/* ---- pack ---------------------------------------------------------------------------------------------------------------------------------------- */

int image_pack(int sock, int object, int out, const char *name, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = json_object();
	AUTO_ERR(lost);
	int r;

	signal(SIGPIPE, SIG_IGN);
	r = pack_object(object, name, out, e);
	return r < 0 ? wire_send_err(sock, e, &lost), r : wire_send(sock, answer, e);
}
