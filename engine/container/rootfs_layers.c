/* SPDX-License-Identifier: MIT
 *
 * engine/container/rootfs_layers.c - a container's root from its image's layers, and images mounted into it
 */
#include "engine/container/rootfs_priv.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/container/spec.h"
#include "engine/image/store.h"
#include "engine/kernel/mount.h"
#include "engine/kernel/overlay.h"
#include "engine/kernel/probe.h"
#include <errno.h>
#include <sys/stat.h>

static int open_dir(const char *path, struct err *e)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "open '%s'", path) : fd;
}

/* A folder of ours that is the root as it is: copied (driver "copy"), or the empty upper one of a container without layers. */
static int mount_plain(const char *from, const char *on, struct err *e)
{
	auto_close int source = open_dir(from, e);
	auto_close int target = -1, base = -1;
	auto_free char *above = path_parent(on);
	int r;

	if (source < 0)
		return source;
	if ((target = open_dir(on, e)) < 0 || (base = open_dir(above, e)) < 0)
		return -e->code;
	r = mount_bind(&(struct mount_bind){ .source = source, .target = target, .propagation = MS_PRIVATE, .dir = base,
					     .name = path_base(on) });
	if (r < 0)
		return err_code(e, -r, "mount '%s'", from);
	return open_dir(on, e);
}

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(fds);
}

/* Fds of TOP, when there is one, and LAYERS, topmost first, down to one that hides all below it. Returns their number; the list is the caller's. */
static int open_layers(const struct dirs *d, int top, const struct strv *layers, int **ret, struct err *e)
{
	int *lower = xcalloc(layers->n + 1, sizeof(*lower));
	size_t n = 0, left = layers->n;

	if (top >= 0)
		lower[n++] = top;
	for (bool opaque = false; left > 0 && !opaque; n++) {
		const char *chain = layers->v[--left];
		auto_free char *path = layer_path(d, chain);

		lower[n] = open_dir(path, e);
		if (lower[n] < 0) {
			err_wrap(e, "layer of the image");
			err_hint(e, "pull or build the image again");
			close_all(lower, n);
			return -e->code;
		}
		/* overlayfs does not know an opaque root: what it hides is left out */
		opaque = layer_is_opaque(d, chain);
	}
	*ret = lower;
	return (int)n;
}

static int mount_layers(const struct rootfs_args *a, const char *folder, const char *on, struct err *e)
{
	auto_free char *upper = xasprintf("%s/upper", folder), *work = xasprintf("%s/work", folder);
	auto_close int upper_fd = -1, work_fd = -1, target = -1;
	int *lower = NULL;
	int n = open_layers(a->dirs, rootfs_skeleton(a), &a->spec->layers, &lower, e), r = n;

	if (n < 0)
		return err_wrap(e, "image '%s'", str0(a->spec->image_ref));
	if ((r = upper_fd = open_dir(upper, e)) < 0 || (r = work_fd = open_dir(work, e)) < 0 || (r = target = open_dir(on, e)) < 0)
		r = err_wrap(e, "the container's writable layer");
	if (r >= 0)
		r = overlay_mount(&(struct overlay){ .lower = lower, .nlower = (size_t)n, .upper = upper_fd, .work = work_fd,
						     .target = target, .target_path = on }, e);
	close_all(lower, (size_t)n);
	return r;
}

/* Returns the root's fd. The place it is mounted on is only seen in this namespace, and only until the child pivots. */
int rootfs_mount_root(const struct rootfs_args *a, struct err *e)
{
	auto_free char *folder = dirs_root(a->dirs, "containers/%s", a->spec->id);
	auto_free char *on = xasprintf("%s/merged", folder);
	auto_free char *upper = xasprintf("%s/upper", folder), *copy = xasprintf("%s/root", folder);

	FP("ctr.root", e);
	if (mkdir(on, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make '%s'", on);
	if (image_driver_copies(a->spec->layers_driver))
		return mount_plain(copy, on, e);
	if (!a->spec->layers.n)
		return mount_plain(upper, on, e);
	return mount_layers(a, folder, on, e);
}

/* The tree of LAYERS, which are one overlay or, alone, a folder: an O_PATH fd. *MOUNTED: it lies on ON and is to be taken off again. */
static int open_tree_of(const struct rootfs_args *a, const struct strv *layers, const char *on, bool *mounted, struct err *e)
{
	auto_close int target = -1;
	int *lower = NULL;
	int n = open_layers(a->dirs, -1, layers, &lower, e), r;

	if (n < 0)
		return n;
	if (n == 1) {
		r = TAKE_FD(lower[0]);
		close_all(lower, 1);
		return r;
	}
	r = target = open_dir(on, e);
	if (r >= 0)
		r = overlay_mount(&(struct overlay){ .lower = lower, .nlower = (size_t)n, .upper = -1, .work = -1, .target = target,
						     .target_path = on }, e);
	*mounted = r >= 0;
	close_all(lower, (size_t)n);
	return r;
}

int rootfs_open_image(const struct rootfs_args *a, const struct mount_spec *m, int *ret, struct err *e)
{
	auto_free char *on = dirs_root(a->dirs, "containers/%s/merged", a->spec->id);
	auto_close int tree = -1, sub = -1;
	bool mounted = false;
	int clone;

	if (image_driver_copies(a->spec->layers_driver))
		return err_set(e, EOPNOTSUPP, "the storage driver 'copy' cannot mount images");
	if (!kernel_probe()->new_mount)
		return err_set(e, EOPNOTSUPP, "mounting an image needs Linux 5.12");
	if (!m->options.n)
		return err_set(e, EINVAL, "image '%s' has no layers", m->source);
	if (mkdir(on, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make '%s'", on);
	tree = open_tree_of(a, &m->options, on, &mounted, e);
	if (tree < 0)
		return err_wrap(e, "image '%s'", m->source);
	if (m->subpath)
		sub = path_open_in(tree, m->subpath, O_PATH | O_CLOEXEC, 0, e);
	clone = m->subpath && sub < 0 ? sub : mount_clone(m->subpath ? sub : tree, false);
	if (mounted)
		(void)umount2(on, MNT_DETACH); /* the clone lives on */
	if (m->subpath && sub < 0)
		return err_wrap(e, "image '%s': subpath '%s'", m->source, m->subpath);
	if (clone < 0)
		return err_code(e, -clone, "image '%s'", m->source);
	*ret = clone;
	return 0;
}
