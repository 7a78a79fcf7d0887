/* SPDX-License-Identifier: MIT
 *
 * A layer:  QUEUED ─► (LOCKED: another command downloads it) ─► RUNNING: downloader ─► file ─► reader ─► unpacker ─► ENDED
 * Wrong bytes are thrown away and asked for once more, from the registry itself.
 */
#include "engine/image/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/image/blob.h"
#include "engine/image/digest.h"
#include "engine/image/download.h"
#include "engine/image/jail.h"
#include "engine/image/job_priv.h"
#include "engine/image/wire.h"
#include "engine/image/worker.h"

enum { IMAGES_MAX = 1000 };
enum layer_state { LAYER_QUEUED, LAYER_LOCKED, LAYER_RUNNING, LAYER_ENDED };

struct pull_layer {
	enum layer_state state;
	struct job job;
	int waiter;             /* a pipe that ends when the lock is had, -1 */
	pid_t waiter_pid;
	bool whole;             /* the blob is here already */
	bool again;             /* the second try, from the origin */
	struct err download;    /* what the downloader said */
	struct cJSON *plan;
};
struct pull {
	struct boss *b;
	struct worker *images;  /* their downloaders; WORKER_INIT: ended */
	size_t nimages;
	struct pull_layer **v;
	size_t n, cap;
	unsigned dirs;
	pid_t writer;           /* 0: none */
};

/* ---- the reader: a file that grows --------------------------------------------------------------------------------------------------------------------- */

struct grow_bytes {
	struct bytes b;
	int fd, news;
	int64_t offset, size;
	unsigned char *buf;
};

/* Until SIZE bytes are there. The pipe's end says that no more come. */
static ssize_t grow_next(struct bytes *b, const unsigned char **ret, struct err *e)
{
	struct grow_bytes *g = CONTAINER_OF(b, struct grow_bytes, b);
	char dull[4096];
	bool over = false;

	*ret = g->buf;
	while (g->offset < g->size) {
		ssize_t n = pread(g->fd, g->buf, BLOCK, g->offset);

		if (n > 0) {
			g->offset += n;
			return n;
		}
		if (n < 0 && errno != EINTR)
			return err_sys(e, "read the blob");
		if (over)
			return err_set(e, EPIPE, "the download ended after %lld of %lld bytes", (long long)g->offset, (long long)g->size);
		n = g->news >= 0 ? read(g->news, dull, sizeof(dull)) : 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, "wait for the download");
		over = n == 0;
	}
	return 0;
}

static int feed_blob(struct boss *b, const struct job *j, int out, int sock, struct err *e)
{
	const int keep[] = { j->blob, j->news, out, sock };
	const struct jail jail = { b->tmp, "empty", true, JAIL_NOTHING, keep, ARRAY_LEN(keep) };
	struct grow_bytes g = { .b.next = grow_next, .fd = j->blob, .news = j->news, .size = json_int(j->plan, "size", 0) };
	struct stat st;
	int r;

	TRY(jail_enter(&jail, e));
	/* One that is named as whole may have been cut by a crash. */
	if (j->news < 0 && (fstat(j->blob, &st) < 0 || st.st_size != g.size))
		return err_set(e, EBADMSG, "digest mismatch: the blob's size is wrong");
	g.buf = xmalloc(BLOCK);
	r = layer_pass(&g.b, j->plan, out, NULL, e);
	free(g.buf);
	return r;
}

/* ---- downloaders ---------------------------------------------------------------------------------------------------------------------------------------- */

static void say(struct pull *p, const struct cJSON *message, struct err *e)
{
	AUTO_ERR(again);

	if (wire_send(p->b->sock, message, e->code ? &again : e) < 0)
		return;
}

static int start_downloader(struct pull *p, size_t i, const struct cJSON *request, const struct cJSON *image, struct err *e)
{
	AUTO(json_free) struct cJSON *order = json_copy(image);
	int sock = -1;

	json_add_str(order, "root", json_str(request, "root"));
	TRY(worker_fork(&p->images[i], "downloader", &sock, e));
	if (p->images[i].pid == 0) {
		AUTO_ERR(failure);

		if (jail_close_others(&sock, 1, &failure) >= 0)
			download_run(sock, order);
		_exit(0);
	}
	return 0;
}

/* ---- layers --------------------------------------------------------------------------------------------------------------------------------------------- */

static void layer_stop(struct pull *p, struct pull_layer *l)
{
	if (l->state == LAYER_RUNNING && !(l->job.feeder.ended && l->job.unpacker.ended))
		p->b->running--;
	job_done(&l->job);
	l->job.feeder = l->job.unpacker = (struct child){ 0 };
	if (l->job.blob >= 0)
		close(TAKE_FD(l->job.blob));
	if (l->job.news >= 0)
		close(TAKE_FD(l->job.news));
	if (l->waiter >= 0)
		close(TAKE_FD(l->waiter));
	if (l->waiter_pid > 0) {
		kill(l->waiter_pid, SIGKILL);
		(void)waitpid(l->waiter_pid, NULL, 0);
		l->waiter_pid = 0;
	}
	err_clear(&l->download);
	l->state = LAYER_ENDED;
}

/* That image is over, the others go on. FAILURE is taken. */
static void image_failed(struct pull *p, size_t i, struct err *failure, struct err *e)
{
	AUTO(json_free) struct cJSON *j = json_object();

	for (size_t k = 0; k < p->n; k++)
		if ((size_t)p->v[k]->job.image == i)
			layer_stop(p, p->v[k]);
	worker_end(&p->images[i]);
	json_add_int(j, "image", (int64_t)i);
	wire_add_err(j, "failed", failure);
	err_clear(failure);
	say(p, j, e);
}

/* flock(2) belongs to the open file, so a child that gets it gets it for us. */
static int wait_for_lock(struct pull_layer *l, int fd, struct err *e)
{
	int ends[2];

	TRY(fd_pipe(ends, e));
	l->waiter_pid = fork();
	if (l->waiter_pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return err_sys(e, "fork");
	}
	if (l->waiter_pid == 0) {
		const int keep[] = { fd, ends[1] };
		AUTO_ERR(ignored);

		(void)jail_close_others(keep, 2, &ignored);
		(void)flock(fd, LOCK_EX);
		_exit(0);
	}
	close(ends[1]);
	l->waiter = ends[0];
	l->state = LAYER_LOCKED;
	return 0;
}

static int order_download(struct pull *p, struct pull_layer *l, struct err *e)
{
	AUTO(json_free) struct cJSON *order = json_object();
	struct worker *d = &p->images[l->job.image];
	int ends[2], fds[2], r;

	if (d->sock < 0)
		return err_set(e, EPIPE, "the downloader ended");
	TRY(fd_pipe(ends, e));
	l->job.news = ends[0];
	json_add_int(order, "fetch", l->job.layer);
	json_add_str(order, "blob", json_str(l->plan, "blob"));
	json_add_int(order, "size", json_int(l->plan, "size", 0));
	json_add_bool(order, "origin", l->again);
	fds[0] = l->job.blob;
	fds[1] = ends[1];
	r = wire_send(d->sock, order, e);
	if (r >= 0)
		r = fd_send(d->sock, "f", 1, fds, 2, e);
	close(ends[1]);
	return r;
}

/* 0: it runs, or waits for a lock. */
static int layer_start(struct pull *p, struct pull_layer *l, struct err *e)
{
	int fd = -1, r = blob_open(p->b->input, json_str(l->plan, "blob"), &l->whole, &fd, e);

	if (r < 0)
		return r;
	if (r > 0) {
		r = wait_for_lock(l, fd, e);
		close(fd);
		return r;
	}
	l->job.blob = fd;
	if (l->again && ftruncate(fd, 0) < 0)
		return err_sys(e, "empty the blob's file");
	FP("image.blob.begin", e);
	if (!l->whole)
		TRY(order_download(p, l, e));
	snprintf(l->job.dir, sizeof(l->job.dir), "%u", p->dirs++);
	TRY(job_start(p->b, &l->job, e));
	l->state = LAYER_RUNNING;
	return 0;
}

static void start_some(struct pull *p, struct err *e)
{
	for (size_t k = 0; k < p->n && p->b->running < p->b->most && !e->code; k++) {
		struct pull_layer *l = p->v[k];
		AUTO_ERR(failure);

		if (l->state == LAYER_QUEUED && layer_start(p, l, &failure) < 0)
			image_failed(p, (size_t)l->job.image, &failure, e);
	}
}

/* Wrong bytes: thrown away, and once more. */
static bool layer_again(struct pull *p, struct pull_layer *l, const struct err *why)
{
	auto_free char *name = blob_name(str0(json_str(l->plan, "blob")));

	if (l->again || why->code != EBADMSG)
		return false;
	if (l->whole)
		(void)unlinkat(p->b->input, name, 0);
	layer_stop(p, l);
	l->again = true;
	l->state = LAYER_QUEUED;
	return true;
}

/* ---- messages ------------------------------------------------------------------------------------------------------------------------------------------- */

static struct pull_layer *layer_of(struct pull *p, size_t image, int64_t layer)
{
	for (size_t k = 0; k < p->n; k++)
		if ((size_t)p->v[k]->job.image == image && p->v[k]->job.layer == layer)
			return p->v[k];
	return NULL;
}

/* To gantry, and nothing but this: a layer is unpacked when we say so. */
static void forward(struct pull *p, size_t i, const struct cJSON *from, struct err *e)
{
	static const char *const keys[] = { "plan", "same", "note" };
	AUTO(json_free) struct cJSON *j = json_object();

	json_add_int(j, "image", (int64_t)i);
	for (size_t k = 0; k < ARRAY_LEN(keys); k++)
		if (json_get(from, keys[k]))
			json_add(j, keys[k], json_copy(json_get(from, keys[k])));
	say(p, j, e);
}

/* What a downloader says. It has met the network, so it says nothing that is believed without a digest. */
static void hear_downloader(struct pull *p, size_t i, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_ERR(failure);
	struct pull_layer *l;

	if (wire_recv(p->images[i].sock, &j, &failure) < 0) {
		image_failed(p, i, &failure, e);
		return;
	}
	if (!json_get(j, "fetch")) {
		forward(p, i, j, e);
		return;
	}
	l = layer_of(p, i, json_int(j, "fetch", -1));
	if (!l || l->state != LAYER_RUNNING)
		return;
	if (json_get(j, "failed") && !l->download.code) {
		wire_raise(json_get(j, "failed"), &l->download);
	} else if (json_get(j, "have")) {
		AUTO(json_free) struct cJSON *news = json_object();

		json_add_int(news, "image", (int64_t)i);
		json_add_int(news, "layer", l->job.layer);
		json_add_int(news, "have", json_int(j, "have", 0));
		say(p, news, e);
	}
}

/* What it said before its end of the pipe explains what the reader found. */
static void hear_all(struct pull *p, size_t i, struct err *e)
{
	for (;;) {
		struct pollfd fd = { p->images[i].sock, POLLIN, 0 };

		if (fd.fd < 0 || poll(&fd, 1, 0) != 1)
			return;
		hear_downloader(p, i, e);
	}
}

/* "nondistributable" in OCI's words. */
static bool is_foreign(const char *type)
{
	return strstr(type, ".foreign.") || strstr(type, ".nondistributable.");
}

/* Its files on their way to the disk while other layers are unpacked: the syncfs(2) of gantry, which counts, has less to wait for then. */
static void write_back(struct pull *p)
{
	if (p->writer > 0 && waitpid(p->writer, NULL, WNOHANG) == 0)
		return; /* what it does not see, the next one does */
	p->writer = fork();
	if (p->writer == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		(void)syncfs(p->b->tmp);
		_exit(0);
	}
}

static void layer_over(struct pull *p, struct pull_layer *l, struct err *e)
{
	AUTO_ERR(failure);
	int r = job_result(p->b, &l->job, &failure);

	if (r < 0) {
		hear_all(p, (size_t)l->job.image, e);
		if (l->state != LAYER_RUNNING)
			return;
	}
	if (r < 0 && l->download.code) {
		err_clear(&failure);
		err_move(&failure, &l->download);
		if (err_is(&failure, ENOENT) && is_foreign(str0(json_str(l->plan, "type"))))
			err_hint(&failure, "it is a layer that registries need not have, only its publisher gives it away; gantry asks no other host for it");
	}
	if (r >= 0 && !l->whole)
		r = blob_keep(p->b->input, json_str(l->plan, "blob"), &failure);
	if (r < 0) {
		if (!layer_again(p, l, &failure))
			image_failed(p, (size_t)l->job.image, &failure, e);
		return;
	}
	json_add_int(l->job.result, "image", l->job.image);
	json_add_int(l->job.result, "layer", l->job.layer);
	json_add_str(l->job.result, "dir", l->job.dir);
	say(p, l->job.result, e);
	layer_stop(p, l);
	write_back(p);
}

static int by_size(const void *a, const void *b)
{
	const struct pull_layer *x = *(struct pull_layer *const *)a, *y = *(struct pull_layer *const *)b;
	int64_t m = json_int(x->plan, "size", 0), n = json_int(y->plan, "size", 0);

	return m < n ? 1 : m > n ? -1 : 0;
}

/* gantry's wish. The largest layers first: they end last. */
static int take_wish(struct pull *p, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	int64_t image;
	size_t from = p->n;

	TRY(wire_recv(p->b->sock, &j, e));
	image = json_int(j, "image", -1);
	if (image < 0 || (size_t)image >= p->nimages)
		return err_set(e, EPROTO, "a wish for an image that there is not");
	for (const struct cJSON *c = json_first(json_get(j, "want")); c; c = json_next(c)) {
		struct pull_layer *l = xcalloc(1, sizeof(*l));

		l->plan = json_copy(c);
		l->waiter = l->job.blob = l->job.news = -1;
		l->job.plan = l->plan;
		l->job.image = (int)image;
		l->job.layer = (int)json_int(c, "layer", 0);
		l->job.nlayers = (int)json_int(j, "layers", 0);
		xgrow(&p->v, p->n, &p->cap, sizeof(*p->v));
		p->v[p->n++] = l;
	}
	if (p->n > from)
		qsort(p->v + from, p->n - from, sizeof(*p->v), by_size);
	return 0;
}

struct poll_row {
	enum { ROW_GANTRY, ROW_DOWNLOADER, ROW_WAITER, ROW_FEEDER, ROW_UNPACKER } kind;
	size_t i;
};
struct poll_set {
	struct pollfd *p;
	struct poll_row *rows;
	size_t n;
};

static void poll_add(struct poll_set *s, int fd, int kind, size_t i)
{
	s->p[s->n] = (struct pollfd){ fd, POLLIN, 0 };
	s->rows[s->n].kind = kind;
	s->rows[s->n++].i = i;
}

static void poll_fill(struct pull *p, struct poll_set *s)
{
	s->n = 0;
	poll_add(s, p->b->sock, ROW_GANTRY, 0);
	for (size_t i = 0; i < p->nimages; i++)
		if (p->images[i].sock >= 0)
			poll_add(s, p->images[i].sock, ROW_DOWNLOADER, i);
	for (size_t k = 0; k < p->n; k++) {
		struct pull_layer *l = p->v[k];

		if (l->state == LAYER_LOCKED)
			poll_add(s, l->waiter, ROW_WAITER, k);
		if (l->state != LAYER_RUNNING)
			continue;
		if (!l->job.feeder.ended)
			poll_add(s, l->job.feeder.sock, ROW_FEEDER, k);
		if (!l->job.unpacker.ended)
			poll_add(s, l->job.unpacker.sock, ROW_UNPACKER, k);
	}
}

static void heard_child(struct pull *p, struct pull_layer *l, bool unpacker, struct err *e)
{
	struct child *c = unpacker ? &l->job.unpacker : &l->job.feeder;

	if (l->state != LAYER_RUNNING || c->ended)
		return; /* stopped in this very turn */
	child_hear(p->b, c, unpacker ? &l->job.result : NULL);
	if (l->job.feeder.ended && l->job.unpacker.ended)
		layer_over(p, l, e);
}

static int turn(struct pull *p, struct err *e)
{
	size_t most = 1 + p->nimages + 3 * p->n;
	auto_free struct pollfd *fds = xcalloc(most, sizeof(*fds));
	auto_free struct poll_row *rows = xcalloc(most, sizeof(*rows));
	struct poll_set s = { fds, rows, 0 };

	poll_fill(p, &s);
	if (poll(s.p, s.n, -1) < 0)
		return errno == EINTR ? 0 : err_sys(e, "poll");
	for (size_t i = 0; i < s.n && !e->code; i++) {
		size_t k = s.rows[i].i;

		if (!s.p[i].revents)
			continue;
		switch (s.rows[i].kind) {
		case ROW_GANTRY:
			TRY(take_wish(p, e));
			break;
		case ROW_DOWNLOADER:
			if (p->images[k].sock >= 0)
				hear_downloader(p, k, e);
			break;
		case ROW_WAITER:
			if (p->v[k]->state == LAYER_LOCKED) {
				layer_stop(p, p->v[k]);
				p->v[k]->state = LAYER_QUEUED;
			}
			break;
		case ROW_FEEDER:
		case ROW_UNPACKER:
			heard_child(p, p->v[k], s.rows[i].kind == ROW_UNPACKER, e);
			break;
		}
	}
	return e->code ? -e->code : 0;
}

static int pull_run(struct pull *p, const struct cJSON *request, struct err *e)
{
	struct cJSON *list = json_get(request, "images");
	size_t i = 0;

	p->nimages = json_count(list);
	if (p->nimages > IMAGES_MAX)
		return err_set(e, E2BIG, "more than %d images", IMAGES_MAX);
	p->images = xcalloc(p->nimages + 1, sizeof(*p->images));
	for (i = 0; i < p->nimages; i++)
		p->images[i] = WORKER_INIT;
	i = 0;
	download_ask_helpers(list);
	for (const struct cJSON *c = json_first(list); c; c = json_next(c))
		TRY(start_downloader(p, i++, request, c, e));
	for (;;) {
		start_some(p, e);
		if (e->code)
			return -e->code;
		TRY(turn(p, e));
	}
}

int pull_boss(struct boss *b, const struct cJSON *request, struct err *e)
{
	struct pull p = { .b = b };
	int r;

	b->feed = feed_blob;
	r = pull_run(&p, request, e);
	for (size_t k = 0; k < p.n; k++) {
		layer_stop(&p, p.v[k]);
		json_free(p.v[k]->plan);
		free(p.v[k]);
	}
	free(p.v);
	for (size_t i = 0; i < p.nimages; i++)
		worker_end(&p.images[i]);
	free(p.images);
	if (p.writer > 0) {
		kill(p.writer, SIGKILL);
		(void)waitpid(p.writer, NULL, 0);
	}
	return r;
}
