/* SPDX-License-Identifier: MIT */
#include "engine/container/pty.h"

#include "base/err.h"
#include "base/path.h"
#include "engine/kernel/mount.h"
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

/* HANDLE: O_PATH fd of a ptmx. Checked before it is opened, as opening some other device could do things. */
static int open_checked(int handle, uid_t uid, int *ret_master, int *ret_slave, struct err *e)
{
	auto_close int master = -1, slave = -1;
	char path[MOUNT_FD_PATH];
	struct statfs fs;
	int unlock = 0;

	if (fstatfs(handle, &fs) < 0 || fs.f_type != MAGIC_DEVPTS)
		return err_set(e, ENODEV, "the container's '/dev/pts/ptmx' is not of devpts");
	master = open(mount_fd_path(handle, path), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0)
		return err_sys(e, "open a pty");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, "unlock the pty");
	/* by the master, not by its name, which could lead elsewhere (CVE-2025-52565) */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, "open the pty's other side");
	if (fchown(slave, uid, (gid_t)-1) < 0)
		return err_sys(e, "give the pty to user %u", (unsigned)uid);
	*ret_master = TAKE_FD(master);
	*ret_slave = TAKE_FD(slave);
	return 0;
}

int pty_open(int pts, uid_t uid, int *ret_master, int *ret_slave, struct err *e)
{
	auto_close int handle = openat(pts, "ptmx", O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (handle < 0)
		return err_sys(e, "open a pty");
	return open_checked(handle, uid, ret_master, ret_slave, e);
}

int pty_open_below(int root, uid_t uid, int *ret_master, int *ret_slave, struct err *e)
{
	auto_close int handle = path_open_in(root, "/dev/pts/ptmx", O_PATH | O_CLOEXEC, 0, e);

	if (handle < 0)
		return err_wrap(e, "open a pty");
	return open_checked(handle, uid, ret_master, ret_slave, e);
}
