/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c; no header has it */

int file_read_at(int dirfd, const char *name, size_t max, char **ret_text, size_t *ret_len, struct err *e)
{
	auto_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_sys(e, "open '%s'", name);
	if (fd_read_all(fd, max, ret_text, ret_len, e) < 0)
		return err_wrap(e, "'%s'", name);
	return 0;
}

int file_read(const char *path, size_t max, char **ret_text, size_t *ret_len, struct err *e)
{
	return file_read_at(AT_FDCWD, path, max, ret_text, ret_len, e);
}

static int fill(int fd, const void *p, size_t n, mode_t mode, bool sync, struct err *e)
{
	TRY(fd_write_all(fd, p, n, e));
	if (fchmod(fd, mode) < 0) /* whatever the umask is */
		return err_sys(e, "set the mode");
	if (sync && fdatasync(fd) < 0)
		return err_sys(e, "sync");
	return 0;
}

int file_replace(const char *path, const void *p, size_t n, mode_t mode, bool sync, struct err *e)
{
	auto_free char *parent = path_parent(path);
	auto_close int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	char temp[24] = ".tmp-";
	int r;

	if (dir < 0)
		return err_sys(e, "open '%s'", parent);
	id_hex(temp + 5, 12);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "write '%s'", path);
	r = fill(fd, p, n, mode, sync, e);
	if (r == 0 && renameat(dir, temp, dir, path_base(path)) < 0)
		r = err_sys(e, "rename");
	if (r < 0) {
		(void)unlinkat(dir, temp, 0);
		return err_wrap(e, "write '%s'", path);
	}
	if (sync && fsync(dir) < 0)
		return err_sys(e, "sync '%s'", parent);
	return 0;
}

int file_write(const char *path, const char *text, struct err *e)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t n = strlen(text);
	ssize_t done;

	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	do
		done = write(fd, text, n);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return err_sys(e, "write '%.*s' to '%s'", (int)strcspn(text, "\n"), text, path);
	if ((size_t)done != n)
		return err_code(e, EIO, "write to '%s'", path);
	return 0;
}

bool file_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

int file_mkdir_p(const char *path, mode_t mode, struct err *e)
{
	auto_free char *copy = xstrdup(path);
	struct stat st;

	for (char *p = copy;;) {
		char kept;

		p += strspn(p, "/");
		p += strcspn(p, "/");
		kept = *p;
		*p = '\0';
		if (*copy && mkdir(copy, mode) < 0 && errno != EEXIST) {
			int code = errno;

			/* EROFS, EACCES and the like on what is there already */
			if (stat(copy, &st) < 0 || !S_ISDIR(st.st_mode))
				return err_code(e, code, "make folder '%s'", copy);
		}
		*p = kept;
		if (!kept)
			break;
	}
	if (stat(path, &st) < 0)
		return err_sys(e, "make folder '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return err_code(e, ENOTDIR, "make folder '%s'", path);
	return 0;
}

bool file_is(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void write_pid(int fd)
{
	char pid[24];
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());

	/* for people; a full disk does not matter */
	if (pwrite(fd, pid, (size_t)n, 0) == n)
		(void)!ftruncate(fd, n);
}

int file_lock(const char *path, bool shared, bool wait, int *ret_fd, struct err *e)
{
	for (;;) {
		auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);

		if (fd < 0)
			return err_sys(e, "open '%s'", path);
		while (flock(fd, (shared ? LOCK_SH : LOCK_EX) | (wait ? 0 : LOCK_NB)) < 0) {
			if (errno == EWOULDBLOCK && !wait)
				return 1;
			if (errno != EINTR)
				return err_sys(e, "lock '%s'", path);
		}
		if (!file_is(fd, path))
			continue;
		if (!shared)
			write_pid(fd);
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
}

bool file_on_kernel_fs(int fd)
{
	static const long types[] = { PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, MQUEUE_MAGIC,
				      BPF_FS_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC };
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (st.f_type == types[i])
			return true;
	return false;
}

int file_names(int dirfd, struct strv *ret)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	int code;

	if (!dir) {
		code = errno;
		if (fd >= 0)
			close(fd);
		return -code;
	}
	while ((errno = 0, d = readdir(dir)))
		if (!streq(d->d_name, ".") && !streq(d->d_name, ".."))
			strv_add(ret, d->d_name);
	code = errno;
	closedir(dir);
	return -code;
}
