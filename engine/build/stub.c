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
#include "engine/image/store.h"

void stubs_done(struct stubs *s)
{
	strv_done(&s->targets);
}

void stubs_watch(struct stubs *s, const char *target)
{
	strv_add_unique(&s->targets, target);
}

static bool is_opaque(int fd)
{
	char v[2];

	return fgetxattr(fd, "trusted.overlay.opaque", v, sizeof(v)) == 1 && v[0] == 'y';
}

/* Of PATH in the layer ROOT: 1: it is there (*st), 0: it says nothing, -1: it hides what is below. */
static int layer_says(int root, const char *path, struct stat *st)
{
	int at = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	AUTO_STRV(names);
	bool hides = false;

	strv_split(&names, path, "/");
	for (size_t i = 0; at >= 0 && r == 0 && i < names.n; i++) {
		int next;

		if (!*names.v[i])
			continue;
		hides |= is_opaque(at);
		if (fstatat(at, names.v[i], st, AT_SYMLINK_NOFOLLOW) < 0) {
			r = hides ? -1 : 0;
			break;
		}
		if (S_ISCHR(st->st_mode) && st->st_rdev == 0)
			r = -1;
		else if (i + 1 == names.n)
			r = 1;
		else if (!S_ISDIR(st->st_mode))
			r = S_ISLNK(st->st_mode) ? 1 : -1; /* by a link: taken for being there */
		if (r)
			break;
		next = openat(at, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(at);
		at = next;
	}
	if (at >= 0)
		close(at);
	return r;
}

static bool lower_has(const struct dirs *d, const struct strv *layers, const char *path, struct stat *st)
{
	for (size_t i = layers->n; i-- > 0;) {
		auto_free char *dir = layer_path(d, layers->v[i]);
		auto_close int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int r = root < 0 ? 0 : layer_says(root, path, st);

		if (r || layer_is_opaque(d, layers->v[i]))
			return r > 0;
	}
	return false;
}

static bool is_empty_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool empty = fd >= 0 && !is_opaque(fd);
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
	if (lower_has(d, layers, path, &below)) {
		/* copied up only to be a parent */
		if (target || !S_ISDIR(below.st_mode) || !S_ISDIR(st.st_mode) || below.st_mode != st.st_mode || below.st_uid != st.st_uid ||
		    below.st_gid != st.st_gid)
			return false;
	}
	gone = unlinkat(at, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0;
	if (gone && *parent && !streq(parent, "/") && lower_has(d, layers, parent, &below)) {
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
