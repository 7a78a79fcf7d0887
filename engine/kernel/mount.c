/* SPDX-License-Identifier: MIT */
#include "engine/kernel/mount.h"

#include "engine/kernel/probe.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>

enum { OPEN_TRIES = 128 };

static int sys(long r)
{
	return r < 0 ? -errno : (int)r;
}

const char *mount_fd_path(int fd, char buf[MOUNT_FD_PATH])
{
	static const char prefix[] = "/proc/self/fd/";
	char digits[12];
	size_t n = 0, len = sizeof(prefix) - 1;

	memcpy(buf, prefix, len);
	do {
		digits[n++] = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd);
	while (n)
		buf[len++] = digits[--n];
	buf[len] = '\0';
	return buf;
}

/* One component after the other, none of them a symlink. */
static int open_walk(int root, const char *path, int flags)
{
	auto_close int dir = -1;
	char name[NAME_MAX + 1];

	for (;;) {
		size_t n;
		int fd;

		while (*path == '/')
			path++;
		n = strcspn(path, "/");
		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, n);
		name[n] = '\0';
		if (n == 2 && name[0] == '.' && name[1] == '.')
			return -EXDEV;
		path += n;
		while (*path == '/')
			path++;
		fd = openat(dir < 0 ? root : dir, n ? name : ".",
			    (*path ? O_PATH | O_DIRECTORY : flags) | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (!*path)
			return fd;
		if (dir >= 0)
			close(dir);
		dir = fd;
	}
}

int mount_open_in(int root, const char *path, int flags)
{
	struct sys_open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = SYS_RESOLVE_IN_ROOT | SYS_RESOLVE_NO_MAGICLINKS,
	};
	int r, tries = 0;

	if (!kernel_probe()->openat2)
		return open_walk(root, path, flags);
	do
		r = sys(syscall(SYS_openat2, root, path, &how, sizeof(how)));
	while (r == -EAGAIN && ++tries < OPEN_TRIES); /* a rename raced with "..": openat2(2) */
	return r;
}

/* "a=b,c" -> fsconfig calls */
static int configure(int fs, const char *data)
{
	char buf[MOUNT_DATA];
	char *p = buf;

	if (!data)
		return 0;
	if (strlen(data) >= sizeof(buf))
		return -E2BIG;
	memcpy(buf, data, strlen(data) + 1);
	while (*p) {
		char *end = p + strcspn(p, ","), *eq;
		bool last = !*end;
		int r;

		*end = '\0';
		eq = strchr(p, '=');
		if (eq) {
			*eq = '\0';
			r = sys(syscall(SYS_fsconfig, fs, SYS_FSCONFIG_STRING, p, eq + 1, 0));
		} else {
			r = sys(syscall(SYS_fsconfig, fs, SYS_FSCONFIG_FLAG, p, NULL, 0));
		}
		if (r < 0)
			return r;
		if (last)
			break;
		p = end + 1;
	}
	return 0;
}

int mount_fs_detached(const char *fstype, const char *data, uint64_t attr)
{
	auto_close int fs = -1;
	int r;

	if (!kernel_probe()->new_mount)
		return -ENOSYS;
	fs = sys(syscall(SYS_fsopen, fstype, SYS_FSOPEN_CLOEXEC));
	if (fs < 0)
		return fs;
	/* what mount(8) shows as the source */
	r = sys(syscall(SYS_fsconfig, fs, SYS_FSCONFIG_STRING, "source", fstype, 0));
	if (r < 0)
		return r;
	r = configure(fs, data);
	if (r < 0)
		return r;
	r = sys(syscall(SYS_fsconfig, fs, SYS_FSCONFIG_CREATE, NULL, NULL, 0));
	if (r < 0)
		return r;
	return sys(syscall(SYS_fsmount, fs, SYS_FSMOUNT_CLOEXEC, (unsigned int)attr));
}

static unsigned long old_flags(uint64_t attr)
{
	return (attr & ATTR_RDONLY ? MS_RDONLY : 0) | (attr & ATTR_NOSUID ? MS_NOSUID : 0) |
	       (attr & ATTR_NODEV ? MS_NODEV : 0) | (attr & ATTR_NOEXEC ? MS_NOEXEC : 0) |
	       ((attr & ATTR_ATIME) == ATTR_NOATIME ? MS_NOATIME : 0) |
	       ((attr & ATTR_ATIME) == ATTR_STRICTATIME ? MS_STRICTATIME : 0) |
	       (attr & ATTR_NODIRATIME ? MS_NODIRATIME : 0);
}

int mount_fs(const char *fstype, const char *data, uint64_t attr, int target, int dir, const char *name)
{
	char path[MOUNT_FD_PATH];

	if (kernel_probe()->new_mount) {
		int mnt = mount_fs_detached(fstype, data, attr), r;

		if (mnt < 0)
			return mnt;
		r = mount_attach(mnt, target);
		if (r < 0 || !name) {
			close(mnt);
			return r;
		}
		return mnt;
	}
	if (mount(fstype, mount_fd_path(target, path), fstype, old_flags(attr), data) < 0)
		return -errno;
	return name ? mount_open_in(dir, name, O_PATH | O_DIRECTORY) : 0;
}

int mount_clone(int source, bool recursive)
{
	if (!kernel_probe()->new_mount)
		return -ENOSYS;
	return sys(syscall(SYS_open_tree, source, "",
			   SYS_OPEN_TREE_CLONE | SYS_OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
				   (recursive ? SYS_AT_RECURSIVE : 0)));
}

int mount_set(int mnt, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive)
{
	struct sys_mount_attr a = { .attr_set = set, .attr_clr = clear, .propagation = propagation };

	if (!kernel_probe()->new_mount)
		return -ENOSYS;
	return sys(syscall(SYS_mount_setattr, mnt, "", AT_EMPTY_PATH | (recursive ? SYS_AT_RECURSIVE : 0), &a,
			   sizeof(a)));
}

int mount_attach(int mnt, int target)
{
	return sys(syscall(SYS_move_mount, mnt, "", target, "", SYS_MOVE_F_EMPTY_PATH | SYS_MOVE_T_EMPTY_PATH));
}

static int bind_old(const struct mount_bind *b)
{
	char from[MOUNT_FD_PATH], to[MOUNT_FD_PATH];
	auto_close int top = -1;

	if (mount(mount_fd_path(b->source, from), mount_fd_path(b->target, to), NULL,
		  MS_BIND | (b->recursive ? MS_REC : 0), NULL) < 0)
		return -errno;
	if (!b->attr && !b->propagation)
		return 0;
	/* the target fd still shows what lies below the new mount */
	top = mount_open_in(b->dir, b->name, O_PATH);
	if (top < 0)
		return top;
	mount_fd_path(top, to);
	if (b->attr) {
		int r = mount_remount(top, b->attr);

		if (r < 0)
			return r;
	}
	if (b->propagation && mount(NULL, to, NULL, b->propagation | (b->recursive ? MS_REC : 0), NULL) < 0)
		return -errno;
	return 0;
}

int mount_bind(const struct mount_bind *b)
{
	auto_close int mine = -1;
	int mnt = b->source, r;

	if (!kernel_probe()->new_mount)
		return bind_old(b);
	if (!b->detached) {
		mine = mount_clone(b->source, b->recursive);
		if (mine < 0)
			return mine;
		mnt = mine;
	}
	/* one call unless the flags are for the top mount only */
	if (!b->recursive || b->recursive_attr || !b->attr) {
		r = b->attr || b->propagation ? mount_set(mnt, b->attr, 0, b->propagation, b->recursive) : 0;
	} else {
		r = b->propagation ? mount_set(mnt, 0, 0, b->propagation, true) : 0;
		if (r >= 0)
			r = mount_set(mnt, b->attr, 0, 0, false);
	}
	return r < 0 ? r : mount_attach(mnt, b->target);
}

int mount_remount(int mnt, uint64_t attr)
{
	char path[MOUNT_FD_PATH];
	struct statvfs st;
	unsigned long kept = 0;

	if (kernel_probe()->new_mount)
		return mount_set(mnt, attr, 0, 0, false);
	/* a remount replaces all flags, so what is there is said again (the ST_ and MS_ values are the same) */
	if (fstatvfs(mnt, &st) == 0)
		kept = st.f_flag & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME);
	if (mount(NULL, mount_fd_path(mnt, path), NULL, MS_REMOUNT | MS_BIND | kept | old_flags(attr), NULL) < 0)
		return -errno;
	return 0;
}
