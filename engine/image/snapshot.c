/* SPDX-License-Identifier: MIT */
#include "engine/image/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/id.h"
#include "base/path.h"
#include "base/strv.h"
#include "engine/image/ref.h"
#include "engine/image/rootcopy.h"
#include "engine/image/since.h"
#include "engine/image/store.h"

enum { BTRFS_MAGIC = 0x9123683E };

/* A new subvolume at PATH; FROM (NULL: empty) is snapshot. */
static int subvolume(const char *path, const char *from, struct err *e)
{
	auto_free char *folder = path_parent(path);
	auto_close int parent = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int source = from ? open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
	const char *name = path_base(path);
	int r;

	if (parent < 0)
		return err_sys(e, "open '%s'", folder);
	if (from && source < 0)
		return err_sys(e, "open '%s'", from);
	if (from) {
		struct btrfs_ioctl_vol_args_v2 a = { .fd = source };

		snprintf(a.name, sizeof(a.name), "%s", name);
		r = ioctl(parent, BTRFS_IOC_SNAP_CREATE_V2, &a);
	} else {
		struct btrfs_ioctl_vol_args a = { 0 };

		snprintf(a.name, sizeof(a.name), "%s", name);
		r = ioctl(parent, BTRFS_IOC_SUBVOL_CREATE, &a);
	}
	return r < 0 ? err_sys(e, "make the subvolume '%s'", path) : 0;
}

int snapshot_probe(const char *dir, struct err *e)
{
	auto_free char *one = xasprintf("%s/one", dir), *two = xasprintf("%s/two", dir);
	struct statfs fs;

	if (statfs(dir, &fs) < 0)
		return err_sys(e, "'%s'", dir);
	if ((unsigned)fs.f_type != (unsigned)BTRFS_MAGIC)
		return err_set(e, ENOTSUP, "the file system is not btrfs");
	TRY(subvolume(one, NULL, e));
	TRY(subvolume(two, one, e));
	/* whoever removes containers does it with rmdir(2), since Linux 4.18 */
	return rmdir(two) < 0 || rmdir(one) < 0 ? err_sys(e, "remove a subvolume") : 0;
}

static char *flat_path(const struct dirs *d, const char *chain)
{
	return dirs_root(d, "images/flat/%s", digest_hex_part(chain));
}

/* Durable before it has its name: whoever finds it does not look inside. */
static int flat_place(const char *made, const char *path, struct err *e)
{
	auto_close int fd = open(made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_ERR(ignored);

	if (fd < 0 || syncfs(fd) < 0)
		return err_sys(e, "write '%s' to disk", made);
	FP("image.flat.rename", e);
	if (rename(made, path) == 0)
		return 0;
	if (errno != EEXIST && errno != ENOTEMPTY)
		return err_sys(e, "rename '%s'", made);
	(void)file_remove_tree_path(made, &ignored); /* somebody else was faster */
	return 0;
}

/* The subvolume of layer number I and those below. */
static int flat(const struct dirs *d, const struct strv *layers, size_t i, struct err *e)
{
	auto_free char *path = flat_path(d, layers->v[i]), *below = i ? flat_path(d, layers->v[i - 1]) : NULL, *made = NULL;
	char random[17];
	auto_close int fd = -1;
	int r;

	if (file_exists(path))
		return 0;
	id_hex(random, 16);
	made = dirs_root(d, "images/flat/.new-%s", random);
	TRY(subvolume(made, below, e));
	fd = open(made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? err_sys(e, "open '%s'", made) : image_layer_merge(d, layers->v[i], i > 0, fd, e);
	if (r >= 0)
		r = flat_place(made, path, e);
	if (r < 0) {
		AUTO_ERR(ignored);

		(void)file_remove_tree_path(made, &ignored);
	}
	return r;
}

/* The subvolume of all LAYERS, made where it is not there. Caller frees *RET. */
static int flat_of(const struct dirs *d, const struct strv *layers, char **ret, struct err *e)
{
	auto_free char *folder = dirs_root(d, "images/flat"), *top = flat_path(d, layers->v[layers->n - 1]);

	TRY(file_mkdir_p(folder, 0700, e));
	if (!file_exists(top)) {
		for (size_t i = 0; i < layers->n; i++)
			TRY(flat(d, layers, i, e));
		TRY(since_settle(folder, e));
	}
	*ret = TAKE(top);
	return 0;
}

int snapshot_root(const struct dirs *d, const struct strv *layers, const char *folder, struct err *e)
{
	auto_free char *path = path_join(folder, "root"), *from = NULL;

	if (!layers->n)
		return rootcopy_root(d, layers, folder, e);
	TRY(flat_of(d, layers, &from, e));
	return subvolume(path, from, e);
}

int snapshot_view(const struct dirs *d, const struct strv *layers, const char *on, struct err *e)
{
	auto_free char *from = NULL;
	int fd;

	(void)on;
	TRY(flat_of(d, layers, &from, e));
	fd = open(from, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "open '%s'", from) : fd;
}

int snapshot_changes(const struct dirs *d, const struct strv *layers, const char *folder, bool last, int todir, const char *name,
	struct err *e)
{
	AUTO(since_free) struct since *was = NULL;

	if (layers->n) {
		auto_free char *from = flat_path(d, layers->v[layers->n - 1]);
		auto_close int fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return err_sys(e, "open '%s', of which the root is a snapshot", from);
		TRY(since_read(fd, &was, e));
	}
	return rootcopy_difference(folder, was, last, todir, name, e);
}
