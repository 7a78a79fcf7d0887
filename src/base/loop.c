/* SPDX-License-Identifier: MIT
 *
 * epoll_wait(2) gives a batch of pointers to watches; a handler may end any of them and free its owner at once. So the rest
 * of the batch is kept in the loop, and watch_done() strikes the watch out there.
 */
#include "base/loop.h"

#include "base/alloc.h"
#include "base/err.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

enum { BATCH = 64 };

struct loop {
	int fd;
	bool quit;
	struct watch *watches;
	struct epoll_event batch[BATCH];
	int n; /* of the batch; 0 outside of dispatch */
};

struct loop *loop_new(struct err *e)
{
	auto_close int fd = epoll_create1(EPOLL_CLOEXEC);
	struct loop *l;

	if (fd < 0) {
		err_sys(e, "make an event loop");
		return NULL;
	}
	l = xcalloc(1, sizeof(*l));
	l->fd = TAKE_FD(fd);
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	while (l->watches)
		watch_done(l->watches);
	close(l->fd);
	free(l);
}

bool watch_active(const struct watch *w)
{
	return w->loop != NULL;
}

static int control(struct watch *w, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	return epoll_ctl(w->loop->fd, op, w->fd, &ev) < 0 ? -errno : 0;
}

int watch_fd(struct loop *l, struct watch *w, int fd, uint32_t events, watch_fn *fn, struct err *e)
{
	int r;

	BUG_ON(watch_active(w));
	*w = (struct watch){ .loop = l, .fd = fd, .events = events, .fn = fn };
	r = events ? control(w, EPOLL_CTL_ADD, events) : 0;
	if (r < 0) {
		*w = (struct watch){ .fd = -1 };
		return err_code(e, -r, "watch descriptor %d", fd);
	}
	w->next = l->watches;
	l->watches = w;
	return 0;
}

int watch_events(struct watch *w, uint32_t events)
{
	int r = 0;

	/* a registered fd reports EPOLLHUP and EPOLLERR whatever its mask is: deaf means not registered */
	if (events && w->events)
		r = events == w->events ? 0 : control(w, EPOLL_CTL_MOD, events);
	else if (events)
		r = control(w, EPOLL_CTL_ADD, events);
	else if (w->events)
		r = control(w, EPOLL_CTL_DEL, 0);
	if (r == 0)
		w->events = events;
	return r;
}

/* As watch_fd for an fd that the watch owns from now on, also on failure. */
static int watch_owned(struct loop *l, struct watch *w, int fd, watch_fn *fn, struct err *e)
{
	int r = watch_fd(l, w, fd, EPOLLIN, fn, e);

	if (r < 0)
		close(fd);
	else
		w->owned = true;
	return r;
}

int watch_timer(struct loop *l, struct watch *w, watch_fn *fn, struct err *e)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return err_sys(e, "make a timer");
	TRY(watch_owned(l, w, fd, fn, e));
	w->timer = true;
	return 0;
}

void watch_arm(struct watch *w, int64_t after_ns)
{
	const int64_t second = 1000000000;
	struct itimerspec t = { 0 };

	BUG_ON(!watch_active(w) || !w->timer);
	if (after_ns < 1)
		after_ns = 1;
	if (after_ns != INT64_MAX)
		t.it_value = (struct timespec){ .tv_sec = after_ns / second, .tv_nsec = after_ns % second };
	if (timerfd_settime(w->fd, 0, &t, NULL) < 0)
		BUG("timerfd_settime: errno %d", errno);
}

int watch_signals(struct loop *l, struct watch *w, const int *sigs, watch_fn *fn, struct err *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (; *sigs; sigs++)
		sigaddset(&set, *sigs);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, "block signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(e, "watch signals");
	return watch_owned(l, w, fd, fn, e);
}

void watch_done(struct watch *w)
{
	struct loop *l = w->loop;

	if (!l)
		return;
	if (w->events)
		(void)control(w, EPOLL_CTL_DEL, 0);
	for (int i = 0; i < l->n; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
	for (struct watch **p = &l->watches; *p; p = &(*p)->next)
		if (*p == w) {
			*p = w->next;
			break;
		}
	if (w->owned)
		close(w->fd);
	*w = (struct watch){ .fd = -1 };
}

/* The handler of one event. A timer that was armed anew by an earlier handler has not fired after all. */
static int dispatch(struct watch *w, uint32_t events)
{
	uint64_t expirations;

	if (!w || !w->events)
		return 0;
	if (w->timer && read(w->fd, &expirations, sizeof(expirations)) < 0)
		return 0;
	return w->fn(w, events);
}

__attribute__((hot)) /* beside its caller in an idle monitor, see drop_text: one page fault, not two */
int loop_once(struct loop *l, int timeout_ms)
{
	int n = epoll_wait(l->fd, l->batch, BATCH, timeout_ms), r = 0;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	l->n = n;
	for (int i = 0; r >= 0 && i < n; i++)
		r = dispatch(l->batch[i].data.ptr, l->batch[i].events);
	l->n = 0;
	return r < 0 ? r : n > 0;
}

int loop_run(struct loop *l)
{
	int r = 0;

	while (r >= 0 && !l->quit)
		r = loop_once(l, -1);
	l->quit = false;
	return r < 0 ? r : 0;
}

void loop_quit(struct loop *l)
{
	l->quit = true;
}
