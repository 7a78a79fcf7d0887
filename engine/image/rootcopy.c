/* SPDX-License-Identifier: MIT
 *
 * The copy driver: a container's root is a copy of all layers, lowest first, whiteouts applied. Works on any file system; where it has reflinks the
 * data is shared (file_copy_tree).
 */
#include "engine/image/rootcopy.h"
#include "engine/image/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/image/marker.h"
#include "engine/image/since.h"

#define BEFORE "before" /* beside the root: what it was */

enum { DEPTH_MAX = 1000 };

bool layer_is_opaque(const struct dirs *d, const char *chain_id)
{
	auto_free char *path = layer_path(d, chain_id);
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && layer_folder_opaque(fd);
}

/* The name that an entry of a layer takes away, in either form; NULL: none. */
static const char *whiteout_of(int dirfd, const char *name)
{
	struct stat st;

	if (str_starts(name, WH))
		return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) ? name + strlen(WH) : NULL;
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0 ? name : NULL;
}

/* What the layer FROM deletes from TO, which has the layers below already: all of it before anything is added. */
static int apply_whiteouts(int from, int to, int depth, struct err *e)
{
	AUTO_STRV(names);
	int r;

	if (depth > DEPTH_MAX)
		return err_set(e, ELOOP, "nested deeper than %d folders", DEPTH_MAX);
	r = file_names(from, &names);
	if (r < 0)
		return err_code(e, -r, "read a folder");
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.v[i], *gone = whiteout_of(from, name);
		struct stat st, below;

		if (gone) {
			if (*gone && !streq(name, WH_OPAQUE))
				TRY(file_remove_tree(to, gone, e));
			continue;
		}
		if (fstatat(to, name, &below, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, "stat '%s'", name);
		auto_close int sub = S_ISDIR(st.st_mode) ? openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

		/* Only folders merge. */
		if (!S_ISDIR(st.st_mode) || !S_ISDIR(below.st_mode) || (sub >= 0 && layer_folder_opaque(sub))) {
			TRY(file_remove_tree(to, name, e));
			continue;
		}
		auto_close int sub_to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (sub < 0 || sub_to < 0)
			return err_sys(e, "open '%s'", name);
		TRY(apply_whiteouts(sub, sub_to, depth + 1, e));
	}
	return 0;
}

static bool is_marker(const void *arg, const char *name, const struct stat *st)
{
	(void)arg;
	return (S_ISREG(st->st_mode) && str_starts(name, WH)) || (S_ISCHR(st->st_mode) && st->st_rdev == 0);
}

int image_layer_merge(const struct dirs *d, const char *chain_id, bool over, int dirfd, struct err *e)
{
	auto_free char *path = layer_path(d, chain_id);
	auto_close int from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from < 0)
		return err_sys(e, "layer %.19s: open '%s'", chain_id, path);
	if ((over && apply_whiteouts(from, dirfd, 0, e) < 0) || file_merge_tree(from, ".", dirfd, ".", is_marker, e) < 0)
		return err_wrap(e, "layer %.19s", chain_id);
	return 0;
}

int image_root_copy(const struct dirs *d, const struct strv *layers, int dirfd, struct err *e)
{
	for (size_t i = 0; i < layers->n; i++)
		TRY(image_layer_merge(d, layers->v[i], i > 0, dirfd, e));
	return 0;
}

static int remember(const char *folder, int root, struct err *e)
{
	auto_free char *list = path_join(folder, BEFORE);
	AUTO(since_free) struct since *now = NULL;

	TRY(since_read(root, &now, e));
	TRY(since_save(now, list, e));
	return since_settle(folder, e);
}

int rootcopy_root(const struct dirs *d, const struct strv *layers, const char *folder, struct err *e)
{
	auto_free char *path = path_join(folder, "root");
	auto_close int fd = -1;

	if (mkdir(path, 0700) < 0 || chmod(path, 0755) < 0)
		return err_sys(e, "make '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	TRY(image_root_copy(d, layers, fd, e));
	return layers->n ? remember(folder, fd, e) : 0;
}

int rootcopy_view(const struct dirs *d, const struct strv *layers, const char *on, struct err *e)
{
	auto_close int fd = open(on, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open '%s'", on);
	TRY(image_root_copy(d, layers, fd, e));
	return TAKE_FD(fd);
}

int rootcopy_difference(const char *folder, const struct since *was, bool last, int todir, const char *name, struct err *e)
{
	auto_free char *path = path_join(folder, "root");
	auto_close int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), out = -1;

	if (root < 0)
		return err_sys(e, "open '%s'", path);
	if (mkdirat(todir, name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "make '%s'", name);
	out = openat(todir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return err_sys(e, "open '%s'", name);
	return since_changes(root, was, last, out, e);
}

int rootcopy_changes(const struct dirs *d, const struct strv *layers, const char *folder, bool last, int todir, const char *name,
	struct err *e)
{
	auto_free char *list = path_join(folder, BEFORE);
	AUTO(since_free) struct since *was = NULL;

	(void)d;
	if (layers->n && since_load(list, &was, e) < 0) {
		if (e->code == ENOENT)
			err_hint(e, "the container was made before this was kept: recreate it (up --force-recreate), or export it");
		return -e->code;
	}
	return rootcopy_difference(folder, was, last, todir, name, e);
}
