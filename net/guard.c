/* SPDX-License-Identifier: MIT
 *
 * The lock is a flock on a descriptor that was opened for reading; who has it opens the file for writing as well, so its end, however it comes, is
 * the only IN_CLOSE_WRITE that the file ever sees. The kernel closes the two in the order of their numbers, hence the second try.
 */
#include "net/guard.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "net/firewall.h"
#include "net/netlink.h"
#include "net/nft.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>

static const int64_t SETTLE_NS = 50000000, AGAIN_NS = 200000000;

struct net_guard {
	struct loop *loop;
	const struct dirs *dirs;
	struct db *(*db)(void *arg);
	void *arg;
	char *path;
	int lock, mark;         /* -1: another one guards */
	int notify;
	struct netlink *nf;
	struct watch wnotify, wnf, timer;
};

static int on_message(struct watch *w, uint32_t events)
{
	struct net_guard *g = CONTAINER_OF(w, struct net_guard, wnf);
	char table[FIREWALL_TABLE];

	firewall_table(g->dirs, table);
	if (nft_removed(g->nf, table))
		watch_arm(&g->timer, SETTLE_NS); /* whoever flushes often writes something of their own next */
	return 0;
}

static int guard(struct net_guard *g, struct err *e)
{
	g->mark = open(g->path, O_RDWR | O_CLOEXEC);
	if (g->mark < 0)
		return err_sys(e, "open '%s'", g->path);
	TRY(netlink_open(NETLINK_BUS_FILTER, &g->nf, e));
	TRY(nft_listen(g->nf, e));
	TRY(watch_fd(g->loop, &g->wnf, netlink_fd(g->nf), EPOLLIN, on_message, e));
	watch_arm(&g->timer, SETTLE_NS); /* what happened while nobody listened */
	return 0;
}

/* 1: somebody else has it. */
static int elect(struct net_guard *g, struct err *e)
{
	auto_close int fd = open(g->path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "open '%s'", g->path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 1 : err_sys(e, "lock '%s'", g->path);
	g->lock = TAKE_FD(fd);
	if (g->notify >= 0) {
		watch_done(&g->wnotify);
		close(TAKE_FD(g->notify));
	}
	return guard(g, e);
}

static int on_timer(struct watch *w, uint32_t events)
{
	struct net_guard *g = CONTAINER_OF(w, struct net_guard, timer);
	struct db *db;
	AUTO_ERR(e);

	watch_arm(w, INT64_MAX);
	if (g->lock < 0) {
		if (elect(g, &e) < 0)
			log_debug("guard: %s", err_text(&e));
		return 0;
	}
	db = g->db(g->arg);
	if (db && firewall_ensure(db, &e) < 0)
		log_warning("the firewall table is gone and cannot be written again: %s", err_text(&e));
	return 0;
}

static int on_notify(struct watch *w, uint32_t events)
{
	struct net_guard *g = CONTAINER_OF(w, struct net_guard, wnotify);
	char buf[1024];
	AUTO_ERR(e);

	while (read(g->notify, buf, sizeof(buf)) > 0)
		;
	if (elect(g, &e) == 1)
		watch_arm(&g->timer, AGAIN_NS);
	else if (e.code)
		log_debug("guard: %s", err_text(&e));
	return 0;
}

static int wait_for_end(struct net_guard *g, struct err *e)
{
	g->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (g->notify < 0 || inotify_add_watch(g->notify, g->path, IN_CLOSE_WRITE) < 0)
		return err_sys(e, "watch '%s'", g->path);
	return watch_fd(g->loop, &g->wnotify, g->notify, EPOLLIN, on_notify, e);
}

/* Usually nobody else is there; an inotify instance would cost 7 ms when it is closed. Where somebody is, listening for their end comes before the
 * second try, so they cannot end unseen in between. */
static int begin(struct net_guard *g, struct err *e)
{
	int r;

	TRY(watch_timer(g->loop, &g->timer, on_timer, e));
	watch_arm(&g->timer, INT64_MAX);
	r = elect(g, e);
	if (r != 1)
		return r;
	TRY(wait_for_end(g, e));
	TRY(elect(g, e));
	return 0;
}

int net_guard_new(struct loop *l, const struct dirs *d, struct db *(*db_open_fn)(void *arg), void *arg, struct net_guard **ret, struct err *e)
{
	struct net_guard *g = xcalloc(1, sizeof(*g));
	int r;

	*g = (struct net_guard){ .loop = l, .dirs = d, .db = db_open_fn, .arg = arg, .path = dirs_run(d, "guard"), .lock = -1, .mark = -1,
				 .notify = -1 };
	r = begin(g, e);
	if (r < 0) {
		net_guard_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

void net_guard_free(struct net_guard *g)
{
	if (!g)
		return;
	watch_done(&g->wnotify);
	watch_done(&g->wnf);
	watch_done(&g->timer);
	netlink_close(g->nf);
	if (g->lock >= 0)
		close(g->lock);
	if (g->mark >= 0)
		close(g->mark);
	if (g->notify >= 0)
		close(g->notify);
	free(g->path);
	free(g);
}
