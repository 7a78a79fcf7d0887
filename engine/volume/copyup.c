/* SPDX-License-Identifier: MIT
 *
 * First use of an empty volume: the image's content goes into it (network-storage spec B3).
 *
 *   data/ empty? ─ copy to new/ ─ syncfs ─ `moving` (synced) ─ entries of new/ into data/, one rename each ─ attributes of data/ ─ `copied`
 *
 * Killed before `moving`: new/ is thrown away and made again. Killed after it: the rest of new/ moves. data/ itself is never replaced, because another
 * container may have it mounted, and nothing in it is ever removed.
 */
#include "engine/volume/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/str.h"

static bool is_empty(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	bool empty = dir != NULL;

	while (dir && empty && (d = readdir(dir)))
		empty = streq(d->d_name, ".") || streq(d->d_name, "..");
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return empty;
}

/* A marker, on disk before we go on. */
static int mark(int vol, const char *name, struct err *e)
{
	auto_close int fd = openat(vol, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || fsync(fd) < 0 || fsync(vol) < 0)
		return err_sys(e, "mark the volume as '%s'", name);
	return 0;
}

static bool marked(int vol, const char *name)
{
	return faccessat(vol, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int rename_new(int from, int to, const char *name)
{
#ifdef SYS_renameat2
	if (syscall(SYS_renameat2, from, name, to, name, RENAME_NOREPLACE) == 0 || (errno != EINVAL && errno != ENOSYS))
		return errno == EEXIST ? 0 : -errno;
#endif
	struct stat st;

	if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return renameat(from, name, to, name) < 0 ? -errno : 0;
}

static int move_entries(int vol, int data, struct err *e)
{
	auto_close int from = openat(vol, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int copy = from < 0 ? -1 : openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *d;
	int r = 0;

	if (!dir) {
		r = err_sys(e, "open what was copied");
		if (copy >= 0)
			close(copy);
		return r;
	}
	while (r >= 0 && (d = readdir(dir))) {
		if (streq(d->d_name, ".") || streq(d->d_name, ".."))
			continue;
		errno = 0;
		r = rename_new(from, data, d->d_name);
		if (r < 0) {
			errno = -r;
			r = err_sys(e, "move '%s' into the volume", d->d_name);
		}
	}
	closedir(dir);
	return r;
}

static bool skip_all(const void *arg, const char *name, const struct stat *st)
{
	(void)arg, (void)name, (void)st;
	return true;
}

/* The mount that FD is on, /proc/PID/fdinfo (Linux 3.15); -1: not known. */
static int64_t mount_of(int fd)
{
	auto_free char *path = xasprintf("/proc/self/fdinfo/%d", fd), *text = NULL;
	const char *line;
	AUTO_ERR(ignored);

	if (file_read(path, 64 << 10, &text, NULL, &ignored) < 0)
		return -1;
	line = strstr(text, "mnt_id:");
	return line ? strtoll(line + strlen("mnt_id:"), NULL, 10) : -1;
}

/* 0: `moving` is set. */
static int copy_new(int vol, int imagedir, struct err *e)
{
	TRY(file_remove_tree(vol, "new", e));
	TRY(file_copy_tree(imagedir, ".", vol, "new", e));
	FP("volume.copied", e);
	if (syncfs(vol) < 0)
		return err_sys(e, "write the copy to disk");
	return mark(vol, "moving", e);
}

static int copy_locked(int vol, int imagedir, struct err *e)
{
	auto_close int data = openat(vol, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (data < 0)
		return err_sys(e, "open its data");
	if (marked(vol, "copied"))
		return 1;
	/* Options of the driver mounted something there: what is in it is not ours to remember, and renames do not lead into it. */
	if (mount_of(vol) != mount_of(data))
		return is_empty(data) ? file_merge_tree(imagedir, ".", vol, "data", NULL, e) : 1;
	if (!marked(vol, "moving")) {
		if (!is_empty(data)) {
			TRY(mark(vol, "copied", e));
			return 1;
		}
		TRY(copy_new(vol, imagedir, e));
	}
	FP("volume.moving", e);
	TRY(move_entries(vol, data, e));
	TRY(file_merge_tree(imagedir, ".", vol, "data", skip_all, e));
	TRY(mark(vol, "copied", e));
	(void)unlinkat(vol, "moving", 0);
	return MIN(file_remove_tree(vol, "new", e), 0);
}

int volume_copy_up(const struct dirs *d, const char *name, int imagedir_fd, struct err *e)
{
	auto_free char *path = dirs_root(d, "volumes/%s", name), *lock = dirs_root(d, "volumes/%s/lock", name);
	auto_close int vol = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), held = -1;

	if (vol < 0)
		return err_sys(e, "open '%s'", path);
	if (marked(vol, "copied"))
		return 1;
	TRY(file_lock(lock, false, true, &held, e));
	return copy_locked(vol, imagedir_fd, e);
}
