/* SPDX-License-Identifier: MIT */
#include "engine/build/stub.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/image/lookup.h"

void stubs_done(struct stubs *s)
{
	strv_done(&s->targets);
}

void stubs_watch(struct stubs *s, const char *target)
{
	strv_add_unique(&s->targets, target);
}

static bool is_empty_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool empty = fd >= 0 && !layer_folder_opaque(fd);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;

	while (dir && empty && (ent = readdir(dir)))
		empty = streq(ent->d_name, ".") || streq(ent->d_name, "..");
	if (dir)
		closedir(dir);
	return empty;
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
	if (S_ISDIR(st.st_mode) ? !is_empty_dir(at, name) : !(target && S_ISREG(st.st_mode) && st.st_size == 0 && st.st_nlink == 1))
		return false;
	if (layers_lookup(d, layers, path, &below) >= 0) {
		/* copied up only to be a parent */
		if (target || !S_ISDIR(below.st_mode) || !S_ISDIR(st.st_mode) || below.st_mode != st.st_mode || below.st_uid != st.st_uid ||
		    below.st_gid != st.st_gid)
			return false;
	}
	gone = unlinkat(at, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0;
	if (gone && *parent && !streq(parent, "/") && layers_lookup(d, layers, parent, &below) >= 0) {
		const struct timespec times[2] = { below.st_atim, below.st_mtim };

		if (dir.st_mtim.tv_sec >= st.st_mtim.tv_sec && dir.st_mtim.tv_sec <= st.st_mtim.tv_sec + 1)
			(void)futimens(at, times); /* it changed for the stub's sake */
	}
	return gone;
}

int stubs_remove(const struct stubs *s, const struct dirs *d, const struct strv *layers, const char *upper, struct err *e)
{
	auto_close int root = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(e, "open '%s'", upper);
	for (size_t i = 0; i < s->targets.n; i++) {
		auto_free char *path = xstrdup(s->targets.v[i]);
		bool target = true;

		while (!streq(path, "/") && *path && remove_one(d, layers, root, path, target)) {
			char *parent = path_parent(path);

			free(path);
			path = parent;
			target = false;
		}
	}
	return 0;
}
