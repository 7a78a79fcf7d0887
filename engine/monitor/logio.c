/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/logio.c - a container's output: pipe or pty -> log and attached clients, so that kill -9 loses and doubles nothing
 *
 *   container ──► src ──splice──► hold ──tee──► scratch ──read──► log_store ──► json.log
 *                 (pipe, pty)      │                                 │ stored: n
 *                                  └───────────── read n away ◄──────┘
 *
 * src and hold are held by the keeper too. The splice is one step in the kernel, so every byte is in src, in hold, or read away
 * after it was written. Whether the last written bytes were read away is told by the mark (container/log.h) and by how much hold
 * holds, which nobody but the monitor changes. An unfinished line simply stays in hold; after a while it is stored as it is, so
 * that prompts show.
 *
 * Attached clients get bytes as they come into hold. One that cannot take them keeps them in a bounded buffer and the container's stream is
 * not read until it can (back-pressure, as docker's attach). A turn moves at most STREAM_BUDGET per stream, so one noisy
 * container starves nobody.
 */
#include "engine/monitor/monitor.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

enum { STREAM_BUDGET = 256 << 10, PIPE_DEFAULT = 64 << 10 };
static const int64_t partial_after = 500000000;

static size_t bytes_in(int fd)
{
	int n = 0;

	return ioctl(fd, FIONREAD, &n) < 0 || n < 0 ? 0 : (size_t)n;
}
static bool held_up(const struct mctr *c)
{
	for (const struct client *cl = c->attached; cl; cl = client_next_attached(cl))
		if (client_full(cl))
			return true;
	return false;
}

/* Copies what hold holds to the shared buffer; hold keeps it. */
static size_t peek(struct stream *s)
{
	struct monitor *m = s->ctr->m;
	size_t got = 0;
	ssize_t n;

	n = tee(s->hold_r, m->scratch[1], MONITOR_BUF, SPLICE_F_NONBLOCK);
	if (n <= 0)
		return 0;
	while (got < (size_t)n) {
		ssize_t r = read(m->scratch[0], monitor_buf(m) + got, (size_t)n - got);

		if (r <= 0)
			break;
		got += (size_t)r;
	}
	return got;
}
static void take_away(struct stream *s, char *buf, size_t n)
{
	if (read(s->hold_r, buf, n) != (ssize_t)n)
		log_debug("%s: hold has less than was stored", s->ctr->spec->name);
	s->held -= n;
	s->sent -= MIN(s->sent, n);
}
static void arm_partial(struct mctr *c)
{
	if (c->partial_armed || !watch_active(&c->partial))
		return;
	c->partial_armed = true;
	watch_arm(&c->partial, partial_after);
}
/* From hold to the clients and the log. FLAGS: LOG_FLUSH, LOG_END. */
static void store(struct stream *s, unsigned flags)
{
	struct mctr *c = s->ctr;
	char *buf = monitor_buf(c->m);
	size_t n = peek(s), off = 0;

	if (n > s->sent) {
		for (struct client *cl = c->attached; cl; cl = client_next_attached(cl))
			client_output(cl, s->which, buf + s->sent, n - s->sent);
		s->sent = n;
	}
	while (off < n && c->log) {
		size_t stored = 0;
		AUTO_ERR(e);

		if (log_store(c->log, s->which, buf + off, n - off, flags, time_now_ns(), &stored, &e) < 0)
			monitor_report(c->m, "log", &e);
		if (stored == 0)
			break;
		take_away(s, buf + off, stored);
		log_stored(c->log);
		off += stored;
	}
	if (!c->log)
		take_away(s, buf, n);
	if (s->held > 0 && !(flags & LOG_FLUSH))
		arm_partial(c);
}

/* A terminal of a kernel whose pty cannot be spliced: by hand, with a window in which a kill loses what is in the buffer. */
static ssize_t by_hand(struct stream *s)
{
	char *buf = monitor_buf(s->ctr->m);
	struct pollfd room = { .fd = s->hold_w, .events = POLLOUT };
	ssize_t n;

	if (poll(&room, 1, 0) <= 0) {
		errno = EAGAIN;
		return -1;
	}
	n = read(s->src, buf, 4096); /* one page has room then */

	return n <= 0 ? n : write(s->hold_w, buf, (size_t)n);
}
/* Some more from src into hold. > 0: bytes; 0: end; -EAGAIN: nothing there, or hold is full. */
static ssize_t move(struct stream *s)
{
	ssize_t n = splice(s->src, NULL, s->hold_w, NULL, MONITOR_BUF, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n < 0 && errno == EINVAL)
		n = by_hand(s);
	if (n < 0 && errno == EIO)
		return 0; /* a pty without slaves */
	if (n > 0)
		s->held += (size_t)n;
	return n < 0 ? -errno : n;
}
static void end_stream(struct stream *s)
{
	watch_done(&s->watch);
	s->eof = true;
	store(s, LOG_END);
}
/* What is there now, within BUDGET. */
static void pump(struct stream *s, size_t budget, bool readable)
{
	while (budget > 0 && !s->eof) {
		ssize_t n = move(s);

		if (n == 0) {
			end_stream(s);
			return;
		}
		if (n < 0) {
			/* src has bytes but hold has no room: an unfinished line in many small pieces */
			if (n == -EAGAIN && s->held > 0 && readable && bytes_in(s->src) > 0) {
				size_t before = s->held;

				store(s, LOG_FLUSH);
				if (s->held < before)
					continue;
			}
			return;
		}
		budget -= MIN(budget, (size_t)n);
		store(s, 0);
		if (s->ctr->state != M_ENDING && held_up(s->ctr)) {
			watch_done(&s->watch);
			return;
		}
	}
}
static int on_readable(struct watch *w, uint32_t events)
{
	struct stream *s = CONTAINER_OF(w, struct stream, watch);

	pump(s, STREAM_BUDGET, events & EPOLLIN);
	/* HUP without bytes: a pipe's end was seen by the pump; what is left is a pty nobody has open now */
	if (!s->eof && !(events & EPOLLIN) && (events & (EPOLLHUP | EPOLLERR)))
		watch_done(w);
	return 0;
}
static int on_partial(struct watch *w, uint32_t events)
{
	struct mctr *c = CONTAINER_OF(w, struct mctr, partial);

	(void)events;
	c->partial_armed = false;
	for (int i = 0; i < LOG_STREAMS; i++)
		if (c->out[i].held > 0)
			store(&c->out[i], LOG_FLUSH);
	return 0;
}
static int watch_stream(struct stream *s, struct err *e)
{
	if (s->src < 0 || s->eof || watch_active(&s->watch))
		return 0;
	return watch_fd(s->ctr->m->loop, &s->watch, s->src, EPOLLIN, on_readable, e);
}

int logio_start(struct mctr *c, struct err *e)
{
	size_t held[LOG_STREAMS] = { 0 };
	int r;

	if (c->pty >= 0)
		c->out[LOG_STDOUT].src = c->pty;
	for (int i = 0; i < LOG_STREAMS; i++) {
		struct stream *s = &c->out[i];

		s->ctr = c;
		s->which = (enum log_stream)i;
		s->eof = s->src < 0;
		if (s->src < 0)
			continue;
		TRY(fd_nonblock(s->src, true, e));
		if (c->pty < 0)
			(void)fcntl(s->src, F_SETPIPE_SZ, PIPE_DEFAULT); /* its keeper enlarged it; EBUSY: full, stays so */
		s->held = held[i] = s->sent = bytes_in(s->hold_r);
	}
	if (!watch_active(&c->partial))
		TRY(watch_timer(c->m->loop, &c->partial, on_partial, e));
	r = log_writer_open(&c->m->dirs, c->id, &c->spec->log, &c->log, e);
	if (r >= 0)
		r = log_recover(c->log, held, e);
	if (r < 0) { /* the container's output is read all the same, or it would block */
		log_writer_close(c->log);
		c->log = NULL;
	}
	for (int i = 0; i < LOG_STREAMS; i++) {
		AUTO_ERR(why);

		if (c->out[i].held > 0)
			store(&c->out[i], 0);
		if (watch_stream(&c->out[i], &why) < 0 && r >= 0)
			r = err_move(e, &why);
	}
	return r;
}
void logio_resume(struct mctr *c)
{
	AUTO_ERR(e);

	if (held_up(c))
		return;
	for (int i = 0; i < LOG_STREAMS; i++)
		if (watch_stream(&c->out[i], &e) < 0)
			monitor_report(c->m, "output", &e);
}
/* All its processes are dead: what is in the pipes is all there will be, except where somebody outside has one open. Attached clients that
 * are full get the rest into their buffers as far as those go. */
void logio_drain(struct mctr *c)
{
	enum { DRAIN_MAX = 64 }; /* chunks: the pipe's 1 MiB several times over */

	for (int i = 0; i < LOG_STREAMS; i++) {
		struct stream *s = &c->out[i];

		for (int n = 0; s->src >= 0 && !s->eof && n < DRAIN_MAX; n++) {
			size_t before = bytes_in(s->src);

			pump(s, STREAM_BUDGET, true);
			if (!s->eof && bytes_in(s->src) == before)
				break;
		}
		if (s->src >= 0 && !s->eof)
			end_stream(s);
	}
}
void logio_stop(struct mctr *c)
{
	watch_done(&c->partial);
	c->partial_armed = false;
	for (int i = 0; i < LOG_STREAMS; i++) {
		struct stream *s = &c->out[i];
		int *const fds[] = { &s->hold_r, &s->hold_w, &s->src };

		watch_done(&s->watch);
		for (size_t f = 0; f < ARRAY_LEN(fds); f++)
			if (*fds[f] >= 0 && *fds[f] != c->pty)
				close(TAKE_FD(*fds[f]));
		s->src = -1;
		s->held = s->sent = 0;
		s->eof = false;
	}
	for (int *const *f = (int *const[]){ &c->pty, &c->stdin_fd, NULL }; *f; f++)
		if (**f >= 0)
			close(TAKE_FD(**f));
	log_writer_close(c->log);
	c->log = NULL;
}
