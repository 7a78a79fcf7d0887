/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/control.c - ctl.sock, the client's side
 */
#include "engine/monitor/control.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strv.h"
#include "base/time.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static const int64_t connect_within = 10000000000LL;
enum { CALL_TRIES = 4, CHECK_EVERY_MS = 2000 };

struct cJSON *monitor_request(const char *op, const char *id)
{
	struct cJSON *o = json_object();

	json_add_int(o, "v", CONTROL_VERSION);
	json_add_str(o, "op", op);
	json_add_str(o, "id", id);
	return o;
}

/* The monitor and the keepers live on: the caller's environment, with whatever secrets it has, stays with the caller. */
static void own_env(const struct dirs *d, struct strv *ret)
{
	static const char *const kept[] = { "PATH=", "GANTRY_", "TMPDIR=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "GCOV_", NULL };

	for (char *const *v = environ; *v; v++)
		for (const char *const *k = kept; *k; k++)
			if (str_starts(*v, *k))
				strv_add(ret, *v);
	strv_env_set(ret, "GANTRY_ROOT", d->root);
	strv_env_set(ret, "GANTRY_RUN", d->run);
}

/* Starts one and waits for its word. 0: it listens; 1: it ended without a word, because another has the lock. */
static int start_monitor(const struct dirs *d, const char *project, struct err *e)
{
	auto_free char *path = NULL, *word = NULL;
	auto_free char *fd_text = NULL;
	AUTO_STRV(env);
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_close int ready = -1, theirs = -1;
	int p[2], status;
	size_t n;
	pid_t pid;

	TRY(dirs_program("gantry-monitor", &path, e));
	TRY(fd_pipe(p, e));
	ready = p[0];
	theirs = p[1];
	own_env(d, &env);
	fd_text = xasprintf("%d", theirs);
	{
		char *argv[] = { (char *)"gantry-monitor", (char *)(uintptr_t)project, (char *)"--ready", fd_text, NULL };
		struct proc_spawn s = { .path = path, .argv = argv, .env = env.v, .stdio = (const int[]){ null, null, null },
					.fds = (const int[]){ theirs, -1 }, .setsid = true };
		int pidfd = -1;

		TRY(proc_spawn(&s, &pid, &pidfd, e));
		if (pidfd >= 0)
			close(pidfd);
	}
	close(TAKE_FD(theirs));
	(void)proc_wait(pid, &status, e); /* the first process; the monitor is its child */
	if (e->code)
		return -e->code;
	TRY(fd_read_all(ready, ERR_TEXT + ERR_HINT + 256, &word, &n, e));
	if (n == 1 && word[0] == 'R')
		return 0;
	if (n == 0)
		return 1;
	(void)err_decode(e, word, n);
	return err_wrap(e, "the monitor of project '%s'", project);
}
int monitor_connect(const struct dirs *d, const char *project, bool start, int *ret_sock, struct err *e)
{
	auto_free char *path = dirs_run(d, "p/%s/ctl.sock", project);
	int64_t deadline = time_mono_ns() + connect_within;

	for (;;) {
		AUTO_ERR(why);
		int sock = fd_connect(path, &why), r;

		if (sock >= 0) {
			*ret_sock = sock;
			return 0;
		}
		if (sock != -ENOENT && sock != -ECONNREFUSED)
			return err_move(e, &why);
		if (!start)
			return 1;
		if (time_mono_ns() > deadline)
			return err_set(e, ETIMEDOUT, "the monitor of project '%s' does not answer on '%s'", project, path);
		r = start_monitor(d, project, e);
		if (r < 0)
			return r;
		if (r == 1) /* the one that has the lock is about to listen, or about to end */
			nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
}
int monitor_send(int sock, const struct cJSON *req, const int *fds, size_t nfds, struct err *e)
{
	auto_free char *text = json_text(req, false);
	size_t n = strlen(text);

	if (n > CONTROL_MAX)
		return err_set(e, E2BIG, "a request of %zu bytes is too long for the monitor", n);
	return fd_send(sock, text, n, fds, nfds, e);
}
static int error_of(const struct cJSON *o, struct err *e)
{
	const struct cJSON *x = json_get(o, "error");
	const char *hint = json_str(x, "hint");
	int code = (int)json_int(x, "code", EIO), exit_code = (int)json_int(x, "exit", 0);

	(void)err_set(e, code > 0 && code < 4096 ? code : EIO, "%s", str0(json_str(x, "text")));
	if (hint)
		err_hint(e, "%s", hint);
	if (exit_code > 0)
		(void)err_exit(e, exit_code);
	return -e->code;
}
int monitor_recv(int sock, struct cJSON **ret, struct err *e)
{
	auto_free char *buf = xmalloc(CONTROL_MAX);
	AUTO(json_free) struct cJSON *o = NULL;
	AUTO_ERR(why);
	ssize_t n = fd_recv(sock, buf, CONTROL_MAX, NULL, NULL, &why);

	if (n == 0 || n == -ECONNRESET)
		return err_set(e, EPIPE, "the monitor ended before it answered");
	if (n < 0)
		return err_move(e, &why);
	TRY(json_parse(buf, (size_t)n, "answer of the monitor", &o, e));
	if (!json_str(o, "event") && !json_bool(o, "ok", false))
		return error_of(o, e);
	*ret = TAKE(o);
	return 0;
}
int monitor_check(int sock, const char *project, struct err *e)
{
	struct ucred peer; /* of who called listen(2): the monitor */
	socklen_t len = sizeof(peer);
	auto_free char *path = NULL, *text = NULL;
	AUTO_ERR(gone);
	const char *p;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return 0;
	path = xasprintf("/proc/%d/stat", (int)peer.pid);
	if (file_read(path, 4096, &text, NULL, &gone) < 0)
		return 0; /* the socket will tell */
	p = strrchr(text, ')');
	if (!p || strncmp(p, ") T", 3) != 0)
		return 0;
	(void)err_set(e, ETIMEDOUT, "the monitor of project '%s' (process %d) is stopped and does not answer", project, (int)peer.pid);
	err_hint(e, "'kill -CONT %d' lets it go on", (int)peer.pid);
	return -ETIMEDOUT;
}
static int wait_answer(int sock, const char *project, struct err *e)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };

	for (;;) {
		int n = poll(&p, 1, CHECK_EVERY_MS);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, "wait for the monitor");
		if (n == 0)
			TRY(monitor_check(sock, project, e));
	}
}
static int call_once(const struct dirs *d, const char *project, const struct cJSON *req, struct cJSON **ret, struct err *e)
{
	auto_close int sock = -1;

	TRY(monitor_connect(d, project, true, &sock, e));
	if (monitor_send(sock, req, NULL, 0, e) < 0)
		return -e->code;
	TRY(wait_answer(sock, project, e));
	return monitor_recv(sock, ret, e);
}
int monitor_call(const struct dirs *d, const char *project, const struct cJSON *req, struct cJSON **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *o = NULL;

	for (int i = 1;; i++) {
		int r = call_once(d, project, req, &o, e);

		if (r >= 0) {
			if (ret)
				*ret = TAKE(o);
			return 0;
		}
		if ((r != -EPIPE && r != -ECONNRESET) || i == CALL_TRIES)
			return r;
		err_clear(e);
	}
}
