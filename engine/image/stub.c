/* SPDX-License-Identifier: MIT */
#include "engine/image/stub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/image/lookup.h"
#include "engine/image/marker.h"

enum { DEPTH_MAX = 1000 };

static bool is_empty_dir(int at, const char *name)
{
	auto_close int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_STRV(names);

	return fd >= 0 && !layer_folder_opaque(fd) && file_names(fd, &names) >= 0 && !names.n;
}

/* An empty file; /etc/mtab. */
static bool is_made_for_mount(int at, const char *name, const struct stat *st)
{
	char link[16];

	if (S_ISLNK(st->st_mode))
		return readlinkat(at, name, link, sizeof(link)) == 12 && strncmp(link, "/proc/mounts", 12) == 0;
	return S_ISREG(st->st_mode) && st->st_size == 0 && st->st_nlink == 1;
}

/* One step: true when PATH went from UPPER. */
static bool remove_one(const struct dirs *d, const struct strv *layers, int upper, const char *path, bool target)
{
	auto_free char *parent = path_parent(path);
	AUTO_ERR(ignored);
	auto_close int at = path_open_in(upper, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, &ignored);
	const char *name = path_base(path);
	struct stat st, below, dir;
	bool gone;

	if (at < 0 || fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || fstat(at, &dir) < 0)
		return false;
	if (S_ISDIR(st.st_mode) ? !is_empty_dir(at, name) : !(target && is_made_for_mount(at, name, &st)))
		return false;
	if (layers_lookup(d, layers, path, &below) >= 0) {
		/* copied up only to be a parent */
		if (target || !S_ISDIR(below.st_mode) || !S_ISDIR(st.st_mode) || below.st_mode != st.st_mode || below.st_uid != st.st_uid ||
		    below.st_gid != st.st_gid)
			return false;
	}
	gone = unlinkat(at, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0;
	if (gone) {
		/* it changed for the stub's sake, or what else changed it says when */
		bool sake = dir.st_mtim.tv_sec >= st.st_mtim.tv_sec && dir.st_mtim.tv_sec <= st.st_mtim.tv_sec + 1;
		bool was = sake && *parent && !streq(parent, "/") && layers_lookup(d, layers, parent, &below) >= 0;
		const struct timespec times[2] = { was ? below.st_atim : dir.st_atim, was ? below.st_mtim : dir.st_mtim };

		(void)futimens(at, times);
	}
	return gone;
}

void stubs_remove(const struct strv *targets, const struct dirs *d, const struct strv *layers, int root)
{
	for (size_t i = 0; i < targets->n; i++) {
		auto_free char *path = xstrdup(targets->v[i]);
		bool target = true;

		while (!streq(path, "/") && *path && remove_one(d, layers, root, path, target)) {
			char *parent = path_parent(path);

			free(path);
			path = parent;
			target = false;
		}
	}
}

/* HIDDEN: no layer below is seen here. */
static int tidy(const struct dirs *d, const struct strv *layers, int dirfd, const char *path, bool hidden, int depth, struct err *e)
{
	AUTO_STRV(names);
	int r = depth > DEPTH_MAX ? -ELOOP : file_names(dirfd, &names);

	if (r < 0)
		return err_code(e, -r, "read a folder of the layer");
	for (size_t i = 0; i < names.n; i++) {
		auto_close int fd = openat(dirfd, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		auto_free char *below = *path ? path_join(path, names.v[i]) : xstrdup(names.v[i]);
		bool opaque = fd >= 0 && layer_folder_opaque(fd);
		struct stat st;

		if (fd < 0)
			continue;
		if (opaque && (hidden || layers_lookup(d, layers, below, &st) < 0) && fremovexattr(fd, "trusted.overlay.opaque") < 0)
			return err_sys(e, "'%s' of the layer", below);
		TRY(tidy(d, layers, fd, below, hidden || opaque, depth + 1, e));
	}
	return 0;
}

int opaque_tidy(const struct dirs *d, const struct strv *layers, int root, struct err *e)
{
	return tidy(d, layers, root, "", false, 0, e);
}
