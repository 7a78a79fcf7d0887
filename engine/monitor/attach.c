/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/attach.c - a client's pipes <-> a container's stdio
 *
 * Output: what cannot be written at once waits in a buffer, and the container's streams are not read until it has gone (logio.c). Input:
 * at most IN_BUF bytes wait for the container; until then the client's pipe is not read.
 */
#include "engine/monitor/client.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

enum { IN_BUF = 16 << 10, OUT_MAX = 8 << 20 /* reached only by what a container left when it ended */ };

struct client *client_next_attached(const struct client *cl)
{
	return cl->next_attached;
}
bool client_full(const struct client *cl)
{
	return cl->out[0].len > cl->out[0].off || cl->out[1].len > cl->out[1].off;
}

/* ---- output ---- */
static void finish_if_done(struct client *cl)
{
	struct cJSON *o;

	if (!cl->finishing || client_full(cl))
		return;
	o = json_object();
	json_add_int(o, "code", cl->ctr->exit_code);
	if (cl->ctr->failed.code)
		client_fail(cl, &cl->ctr->failed), json_free(o);
	else
		client_reply(cl, o);
	attach_end(cl);
}
static void out_close(struct client_out *o)
{
	watch_done(&o->watch);
	if (o->fd >= 0)
		close(TAKE_FD(o->fd));
	free(TAKE(o->buf));
	o->len = o->off = 0;
}
static int out_writable(struct watch *w, uint32_t events)
{
	struct client_out *o = CONTAINER_OF(w, struct client_out, watch);
	struct client *cl = o->client;
	ssize_t n = write(o->fd, o->buf + o->off, o->len - o->off);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		out_close(o);
	else
		o->off += (size_t)n;
	if (o->off == o->len) {
		watch_done(&o->watch);
		free(TAKE(o->buf));
		o->len = o->off = 0;
		if (cl->ctr)
			logio_resume(cl->ctr);
		finish_if_done(cl);
	}
	return 0;
}
void client_output(struct client *cl, enum log_stream s, const char *p, size_t n)
{
	struct client_out *o = &cl->out[s];
	AUTO_ERR(e);

	if (o->fd < 0)
		return;
	if (!o->buf) {
		ssize_t done = write(o->fd, p, n);

		if (done < 0 && errno != EAGAIN) {
			out_close(o); /* it does not want this stream any more */
			return;
		}
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	if (n == 0)
		return;
	if (o->len - o->off + n > OUT_MAX) {
		log_debug("an attached client does not read: let go");
		out_close(o);
		return;
	}
	o->buf = xrealloc(o->buf, o->len + n);
	memcpy(o->buf + o->len, p, n);
	o->len += n;
	if (!watch_active(&o->watch) && watch_fd(cl->m->loop, &o->watch, o->fd, EPOLLOUT, out_writable, &e) < 0)
		out_close(o);
}

/* ---- input ---- */
static void in_stop(struct client *cl)
{
	watch_done(&cl->in);
	watch_done(&cl->to);
	if (cl->to_fd >= 0)
		close(TAKE_FD(cl->to_fd));
	cl->to_len = cl->to_off = 0;
}
static void in_close(struct client *cl)
{
	in_stop(cl);
	if (cl->in_fd >= 0)
		close(TAKE_FD(cl->in_fd));
	free(TAKE(cl->to_buf));
}
static int to_writable(struct watch *w, uint32_t events);
static int in_readable(struct watch *w, uint32_t events)
{
	struct client *cl = CONTAINER_OF(w, struct client, in);
	ssize_t n = read(cl->in_fd, cl->to_buf, IN_BUF);
	AUTO_ERR(e);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		struct mctr *c = cl->ctr;

		in_close(cl);
		if (c && c->spec->stdin_once)
			keeper_drop(c, KEEP_STDIN);
		return 0;
	}
	cl->to_len = (size_t)n;
	cl->to_off = 0;
	watch_done(&cl->in);
	if (watch_fd(cl->m->loop, &cl->to, cl->to_fd, EPOLLOUT, to_writable, &e) < 0)
		in_close(cl);
	return 0;
}
static int to_writable(struct watch *w, uint32_t events)
{
	struct client *cl = CONTAINER_OF(w, struct client, to);
	ssize_t n = write(cl->to_fd, cl->to_buf + cl->to_off, cl->to_len - cl->to_off);
	AUTO_ERR(e);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0) { /* the container has closed its stdin */
		in_close(cl);
		return 0;
	}
	cl->to_off += (size_t)n;
	if (cl->to_off < cl->to_len)
		return 0;
	watch_done(&cl->to);
	if (watch_fd(cl->m->loop, &cl->in, cl->in_fd, EPOLLIN, in_readable, &e) < 0)
		in_close(cl);
	return 0;
}
/* The container runs: its stdin is there. */
static void in_start(struct client *cl)
{
	struct mctr *c = cl->ctr;
	int target = c->pty >= 0 ? c->pty : c->stdin_fd;
	AUTO_ERR(e);

	if (cl->in_fd < 0 || cl->to_fd >= 0 || target < 0)
		return;
	cl->to_fd = fcntl(target, F_DUPFD_CLOEXEC, 3);
	if (cl->to_fd < 0 || fd_nonblock(cl->to_fd, true, &e) < 0 ||
	    watch_fd(cl->m->loop, &cl->in, cl->in_fd, EPOLLIN, in_readable, &e) < 0)
		in_close(cl);
}

/* ---- begin and end ---- */
int attach_begin(struct client *cl, bool with_stdin, int *fds, size_t nfds, struct err *e)
{
	struct mctr *c = cl->ctr;
	size_t want = (with_stdin ? 1 : 0) + (c->spec->tty ? 1 : 2);

	if (with_stdin && !c->spec->stdin_open && !c->spec->tty)
		return err_set(e, EINVAL, "container '%s' has no open stdin (stdin_open: true)", c->spec->name);
	if (nfds != want)
		return err_set(e, EINVAL, "attach needs %zu descriptors, %zu came", want, nfds);
	for (size_t i = 0; i < nfds; i++)
		TRY(fd_nonblock(fds[i], true, e));
	if (with_stdin) {
		cl->in_fd = *fds++;
		cl->to_buf = xmalloc(IN_BUF);
	}
	for (int i = 0; i < (c->spec->tty ? 1 : 2); i++) {
		cl->out[i].fd = fds[i];
		cl->out[i].client = cl;
	}
	cl->next_attached = c->attached;
	c->attached = cl;
	if (c->state == M_RUNNING)
		in_start(cl);
	return 0;
}
void attach_state(struct client *cl)
{
	switch (cl->ctr->state) {
	case M_RUNNING:
		in_start(cl);
		break;
	case M_ENDING:
		in_stop(cl);
		break;
	case M_DOWN:
		cl->finishing = true;
		finish_if_done(cl);
		break;
	default:
		break;
	}
}
void attach_end(struct client *cl)
{
	struct mctr *c = cl->ctr;

	in_close(cl);
	for (int i = 0; i < LOG_STREAMS; i++)
		out_close(&cl->out[i]);
	cl->finishing = false;
	if (!c)
		return;
	for (struct client **p = &c->attached; *p; p = &(*p)->next_attached)
		if (*p == cl) {
			*p = cl->next_attached;
			cl->next_attached = NULL;
			logio_resume(c);
			return;
		}
}
