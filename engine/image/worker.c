/* SPDX-License-Identifier: MIT */
#include "engine/image/worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

int worker_fork(struct worker *w, const char *what, int *ret_sock, struct err *e)
{
	pid_t parent = getpid();
	int pair[2];

	*w = WORKER_INIT;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	w->pid = fork();
	if (w->pid < 0) {
		int r = err_sys(e, "fork the %s", what);

		close(pair[0]);
		close(pair[1]);
		*w = WORKER_INIT;
		return r;
	}
	if (w->pid == 0) {
		/* A parent that enters a jail may not kill. Who changes ids must ask for this again. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
			_exit(1);
		close(pair[0]);
		*ret_sock = pair[1];
		return 0;
	}
	close(pair[1]);
	w->sock = pair[0];
	return 0;
}

void worker_end(struct worker *w)
{
	if (w->sock >= 0)
		close(w->sock);
	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		(void)waitpid(w->pid, NULL, 0);
	}
	*w = WORKER_INIT;
}
