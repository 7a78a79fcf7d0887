/* SPDX-License-Identifier: MIT
 *
 * engine/container/rootfs_dev.c - a container's /dev: nodes, links, pty
 */
#include "engine/container/devices.h"
#include "engine/container/rootfs_priv.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/kernel/mount.h"
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* One of the spec's devices. The tmpfs is ours alone, so a plain walk below it is safe. */
static int add_device(int dev, const struct ctr_device *d, struct err *e)
{
	const char *below = str_after(d->path, "/dev/");
	auto_free char *parent = NULL;
	auto_close int dir = -1;

	if (!below || !*below) {
		err_set(e, EOPNOTSUPP, "device '%s': devices can be put below /dev only", d->path);
		return -EOPNOTSUPP;
	}
	parent = path_parent(below);
	dir = path_mkdir_in(dev, parent, 0755, 0, 0, e);
	if (dir < 0)
		return dir;
	/* the same device twice, or one of the default ones with another owner: the later one wins */
	if (unlinkat(dir, path_base(below), 0) < 0 && errno != ENOENT)
		return err_sys(e, "replace device '%s'", d->path);
	return device_make(dir, path_base(below), d->mode, d->dev, d->uid, d->gid, e);
}

int rootfs_fill_dev(int dev, const struct ctr_devices *devices, struct err *e)
{
	struct stat st;

	for (size_t i = 0; i < device_nodes_count; i++)
		TRY(device_make(dev, device_nodes[i].name, device_nodes[i].mode,
				makedev(device_nodes[i].major, device_nodes[i].minor), 0, 0, e));
	for (size_t i = 0; i < device_links_count; i++)
		if (symlinkat(device_links[i].to, dev, device_links[i].name) < 0)
			return err_sys(e, "make '/dev/%s'", device_links[i].name);
	if (stat("/proc/kcore", &st) == 0 && symlinkat("/proc/kcore", dev, "core") < 0)
		return err_sys(e, "make '/dev/core'");
	for (size_t i = 0; i < devices->n; i++)
		TRY(add_device(dev, &devices->v[i], e));
	return 0;
}

int rootfs_mount_console(struct rootfs *r, struct err *e)
{
	auto_close int dev = path_open_in(r->root, "/dev", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, e);
	auto_close int file = -1;
	int n;

	if (dev < 0)
		return dev;
	file = openat(dev, "console", O_CREAT | O_EXCL | O_NOFOLLOW | O_RDONLY | O_CLOEXEC, 0600);
	if (file < 0)
		return err_sys(e, "make '/dev/console'");
	n = mount_bind(&(struct mount_bind){ .source = r->pty_slave, .target = file, .dir = dev, .name = "console" });
	return n < 0 ? err_code(e, -n, "mount '/dev/console'") : 0;
}
