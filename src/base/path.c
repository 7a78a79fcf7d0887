/* SPDX-License-Identifier: MIT */
#include "base/path.h"

#include "base/alloc.h"
#include "base/str.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

bool path_is_abs(const char *path)
{
	return path[0] == '/';
}

char *path_join(const char *dir, const char *name)
{
	size_t n = dir ? strlen(dir) : 0;

	if (n == 0 || path_is_abs(name))
		return xstrdup(name);
	if (!*name)
		return xstrdup(dir);
	return xasprintf("%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", name);
}

/* Drops the last component of OUT[0..LEN), which does not reach below LEAST. */
static size_t drop_last(const char *out, size_t len, size_t least)
{
	while (len > least && out[len - 1] != '/')
		len--;
	return len > least ? len - 1 : len;
}

char *path_clean(const char *path)
{
	bool rooted = path_is_abs(path);
	char *out = xmalloc(strlen(path) + 2);
	size_t len = 0, least; /* [0, least) cannot be taken back by ".." */

	if (rooted)
		out[len++] = '/';
	least = len;
	while (*path) {
		size_t n = strcspn(path, "/");
		bool dots = n == 2 && path[0] == '.' && path[1] == '.';

		if (dots && len > least) {
			len = drop_last(out, len, least);
		} else if (n && !(n == 1 && path[0] == '.') && !(dots && rooted)) {
			if (len > (size_t)rooted)
				out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
			if (dots)
				least = len;
		}
		path += n;
		path += strspn(path, "/");
	}
	if (len == 0)
		out[len++] = '.';
	out[len] = '\0';
	return out;
}

char *path_parent(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n == 0)
		return xstrdup(".");
	while (n > 1 && path[n - 1] == '/')
		n--;
	return xstrndup(path, n);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *path_cwd(void)
{
	auto_free char *cwd = getcwd(NULL, 0);

	return cwd && path_is_abs(cwd) ? TAKE(cwd) : NULL;
}

char *path_of_fd(int fd)
{
	char link[32], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	return n < 0 ? xasprintf("descriptor %d", fd) : xstrndup(path, (size_t)n);
}
