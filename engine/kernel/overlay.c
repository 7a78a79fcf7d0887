/* SPDX-License-Identifier: MIT */
#include "engine/kernel/overlay.h"

#include "base/err.h"
#include "base/str.h"
#include "engine/kernel/mount.h"
#include "engine/kernel/probe.h"
#include <errno.h>

/* The same on every host, whatever its kernel's defaults: an index would tie the upper folder to this very stack of layers, and with redirects
 * or metadata-only copies the upper folder would not be a layer by itself. */
static const char *const fixed[][2] = { { "index", "off" }, { "redirect_dir", "off" }, { "metacopy", "off" } };

enum { LOWERDIR_PLUS = 6007 }; /* Linux 6.7 */

/* One "lowerdir+" layer or a directory option, by fd or by name. *BY_FD is lowered once the kernel refuses fds. */
static int set_dir(int fs, const char *key, int fd, bool *by_fd)
{
	char path[MOUNT_FD_PATH];

	if (*by_fd) {
		if (syscall(SYS_fsconfig, fs, SYS_FSCONFIG_FD, key, NULL, fd) == 0)
			return 0;
		*by_fd = false;
	}
	if (syscall(SYS_fsconfig, fs, SYS_FSCONFIG_STRING, key, mount_fd_path(fd, path), 0) < 0)
		return -errno;
	return 0;
}

/* -EINVAL: this kernel has no "lowerdir+"; the caller uses mount(2). */
static int mount_new(const struct overlay *o)
{
	auto_close int fs = -1, mnt = -1;
	bool by_fd = true;
	int r;

	fs = (int)syscall(SYS_fsopen, "overlay", SYS_FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	(void)syscall(SYS_fsconfig, fs, SYS_FSCONFIG_STRING, "source", "overlay", 0);
	for (size_t i = 0; i < o->nlower; i++) {
		r = set_dir(fs, "lowerdir+", o->lower[i], &by_fd);
		if (r < 0)
			return i ? r : -EINVAL;
	}
	if (o->upper >= 0) {
		r = set_dir(fs, "upperdir", o->upper, &by_fd);
		if (r >= 0)
			r = set_dir(fs, "workdir", o->work, &by_fd);
		if (r < 0)
			return r;
		for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
			if (syscall(SYS_fsconfig, fs, SYS_FSCONFIG_STRING, fixed[i][0], fixed[i][1], 0) < 0)
				return -errno;
	}
	if (syscall(SYS_fsconfig, fs, SYS_FSCONFIG_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mnt = (int)syscall(SYS_fsmount, fs, SYS_FSMOUNT_CLOEXEC, o->upper < 0 ? ATTR_RDONLY : 0);
	if (mnt < 0)
		return -errno;
	r = mount_attach(mnt, o->target);
	return r < 0 ? r : TAKE_FD(mnt);
}

static int mount_string(const struct overlay *o, struct err *e)
{
	AUTO_STR(data, MOUNT_DATA - 1);
	char path[MOUNT_FD_PATH];
	int fd;

	str_add(&data, "lowerdir=");
	for (size_t i = 0; i < o->nlower; i++)
		str_addf(&data, "%s%s", i ? ":" : "", mount_fd_path(o->lower[i], path));
	if (o->upper >= 0) {
		str_addf(&data, ",upperdir=%s", mount_fd_path(o->upper, path));
		str_addf(&data, ",workdir=%s", mount_fd_path(o->work, path));
		for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
			str_addf(&data, ",%s=%s", fixed[i][0], fixed[i][1]);
	}
	if (str_over(&data))
		return err_set(e, E2BIG, "%zu layers are more than this kernel's mount options hold", o->nlower);
	if (mount("overlay", mount_fd_path(o->target, path), "overlay", o->upper < 0 ? MS_RDONLY : 0, data.s) < 0)
		return err_sys(e, "mount overlay of %zu layers", o->nlower);
	fd = open(o->target_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "open '%s'", o->target_path) : fd;
}

int overlay_mount(const struct overlay *o, struct err *e)
{
	/* asking for "lowerdir+" in vain leaves a line in the kernel's log each time */
	if (kernel_probe()->new_mount && kernel_version() >= LOWERDIR_PLUS) {
		int r = mount_new(o);

		if (r >= 0)
			return r;
		if (r != -EINVAL)
			return err_code(e, -r, "mount overlay of %zu layers", o->nlower);
	}
	return mount_string(o, e);
}
