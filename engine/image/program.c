/* SPDX-License-Identifier: MIT */
#include "engine/image/program.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/proc.h"
#include "engine/image/wire.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int image_program(const char *verb, int a, int b, const char *text, struct cJSON **ret, struct err *e)
{
	auto_free char *path = NULL;
	char sock[16], first[16], second[16];
	int pair[2], r, status;
	pid_t pid;

	TRY(dirs_program("gantry-image", &path, e));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	snprintf(sock, sizeof(sock), "%d", pair[1]);
	snprintf(first, sizeof(first), "%d", a);
	snprintf(second, sizeof(second), "%d", b);

	char *const argv[] = { (char *)"gantry-image", (char *)verb, sock, first, second, (char *)text, NULL };
	const int fds[] = { pair[1], a, b > 2 ? b : -1, -1 };

	r = proc_spawn(&(struct proc_spawn){ .path = path, .argv = argv, .fds = fds }, &pid, NULL, e);
	close(pair[1]);
	if (r >= 0) {
		AUTO_ERR(ignored);

		r = wire_recv(pair[0], ret, e);
		(void)proc_wait(pid, &status, &ignored);
	}
	close(pair[0]);
	return r;
}
