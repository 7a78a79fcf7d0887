/* SPDX-License-Identifier: MIT */
#include "cli/output.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/id.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tty.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RANDOM = 16 };

static int open_stdout(struct output *o, struct err *e)
{
	if (tty_is(STDOUT_FILENO)) {
		err_set(e, EINVAL, "an archive is not written to a terminal");
		err_hint(e, "use -o FILE, or redirect: > FILE");
		return -EINVAL;
	}
	o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return o->fd < 0 ? err_sys(e, "standard output") : 0;
}

static int open_part(struct output *o, const char *path, struct err *e)
{
	auto_free char *folder = path_parent(path);
	char random[RANDOM + 1];

	id_hex(random, RANDOM);
	o->part = xasprintf("%s/.gantry-part-%s", *folder ? folder : ".", random);
	o->path = xstrdup(path);
	o->fd = open(o->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (o->fd >= 0)
		return 0;
	free(o->part);
	o->part = NULL;
	return err_sys(e, "make a file in '%s'", *folder ? folder : ".");
}

int output_open(const char *path, struct output *ret, struct err *e)
{
	struct stat st;

	*ret = OUTPUT_INIT;
	if (!path)
		return open_stdout(ret, e);
	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return open_part(ret, path, e);
	if (S_ISDIR(st.st_mode))
		return err_set(e, EISDIR, "'%s' is a folder, name a file in it", path);
	ret->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return ret->fd < 0 ? err_sys(e, "open '%s'", path) : 0;
}

int output_end(struct output *o, int r, struct err *e)
{
	if (r < 0 || !o->part)
		return r;
	if (fsync(o->fd) < 0 || rename(o->part, o->path) < 0)
		return err_sys(e, "write '%s'", o->path);
	free(o->part);
	o->part = NULL;
	return r;
}

void output_free(struct output *o)
{
	if (o->fd >= 0)
		(void)close(o->fd);
	if (o->part)
		(void)unlink(o->part);
	free(o->part);
	free(o->path);
	*o = OUTPUT_INIT;
}
