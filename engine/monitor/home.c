/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/home.c - the monitor's place in the run folder: run/p/PROJECT with its lock and its socket
 *
 * Somebody may wipe /run while containers run. A monitor whose lock nobody can find any more is none: the next command would start a second one.
 * So the folder is watched (dnotify, fcntl(2) F_NOTIFY: a signal when something in it goes; unlike inotify's its end waits for nothing), and what is gone
 * is made again: the lock first, and whoever has it is the monitor. The other one ends, and its keepers find the new one. Keepers' sockets are below
 * run/c; those are replaced by killing the keeper, which is as if somebody else had (keeper.c).
 */
#include "engine/monitor/monitor.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/container/log.h"
#include "state/lock.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

void home_watch(struct monitor *m)
{
	auto_free char *path = dirs_run(&m->dirs, "p/%s", m->project);

	if (m->home >= 0)
		close(m->home);
	m->home = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* without it, the loss is found when a keeper is lost */
	if (m->home >= 0 && fcntl(m->home, F_NOTIFY, DN_DELETE | DN_RENAME | DN_MULTISHOT) < 0)
		log_debug("watch '%s': %m", path);
}
static bool is_whole(const struct monitor *m)
{
	auto_free char *lock = dirs_run(&m->dirs, "p/%s/lock", m->project);
	auto_free char *sock = dirs_run(&m->dirs, "p/%s/ctl.sock", m->project);

	return file_is(m->lock, lock) && file_exists(sock);
}
/* 1: another monitor has the lock by now. */
static int take_lock(struct monitor *m, struct err *e)
{
	int fd, r;

	TRY(dirs_prepare(&m->dirs, e));
	r = lock_monitor(&m->dirs, m->project, &fd, e);
	if (r != 0)
		return r;
	close(m->lock);
	m->lock = fd;
	return 0;
}
static int listen_again(struct monitor *m, struct err *e)
{
	watch_done(&m->listen);
	close(TAKE_FD(m->listen_fd));
	TRY(serve_listen(m, e));
	return serve_open(m, e);
}
static void renew_containers(struct monitor *m)
{
	for (struct mctr *c = m->ctrs; c; c = c->next) {
		AUTO_ERR(e);

		keeper_kill(c);
		if (c->log && log_writer_renew(c->log, &m->dirs, c->id, &e) < 0)
			monitor_report(m, "log", &e);
		err_clear(&e);
	}
}
bool home_keep(struct monitor *m)
{
	AUTO_ERR(e);
	int r;

	if (is_whole(m))
		return true;
	r = take_lock(m, &e);
	if (r > 0)
		exit(0); /* without touching what is the other one's now; our keepers notice */
	if (r == 0)
		r = listen_again(m, &e);
	if (r < 0) {
		monitor_report(m, "the run folder is gone", &e);
		return false;
	}
	report_open(m);
	(void)err_set(&e, ENOENT, "made again");
	monitor_report(m, "the run folder was gone", &e);
	home_watch(m);
	renew_containers(m);
	return true;
}
