/* SPDX-License-Identifier: MIT */
#include "compose/read.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "compose/yaml.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Only a pipe that we were given may be waited for: the shell that named it keeps its other end. */
static bool handed_over(const char *path)
{
	return str_starts(path, "/dev/fd/") || str_starts(path, "/proc/self/fd/") || streq(path, "/dev/stdin");
}

static int open_file(const char *path, bool given, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat %s", path);
	if (S_ISDIR(st.st_mode))
		return err_set(e, EISDIR, "read %s: is a directory", path);
	if (S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
		return TAKE_FD(fd);
	if (!S_ISFIFO(st.st_mode) || !given || !handed_over(path))
		return err_set(e, EINVAL, "read %s: not a regular file", path);
	TRY(fd_nonblock(fd, false, e));
	return TAKE_FD(fd);
}

static int read_fd(struct arena *a, int fd, const char *path, size_t max, const char **ret_text, size_t *ret_len,
		   struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	char *copy;

	if (fd_read_all(fd, max, &text, &len, e) < 0)
		return err_wrap(e, "read %s", path);
	copy = arena_alloc(a, len + 1); /* not arena_strndup: the text may hold NULs */
	memcpy(copy, text, len);
	*ret_text = copy;
	*ret_len = len;
	return 0;
}

int read_text(struct arena *a, const char *path, bool given, size_t max, const char **ret_text, size_t *ret_len,
	      struct err *e)
{
	auto_close int fd = open_file(path, given, e);

	if (fd < 0)
		return fd;
	return read_fd(a, fd, path, max, ret_text, ret_len, e);
}

int read_source(struct arena *a, const char *path, const char *shown, const char *dir, const struct source *from,
		const struct source **ret, struct err *e)
{
	struct source *s = arena_alloc(a, sizeof *s);

	s->path = arena_strdup(a, shown);
	s->dir = arena_strdup(a, dir);
	s->from = from;
	if (streq(path, "-"))
		TRY(read_fd(a, STDIN_FILENO, "standard input", YAML_MAX_BYTES, &s->text, &s->len, e));
	else
		TRY(read_text(a, path, !from, YAML_MAX_BYTES, &s->text, &s->len, e));
	*ret = s;
	return 0;
}
