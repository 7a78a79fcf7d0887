/* SPDX-License-Identifier: MIT */
#include "base/usage.h"
#include "base/auto.h"
#include "base/str.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, DEPTH_MAX = 1000 };

static int64_t share_of(const struct stat *st)
{
	return (int64_t)st->st_blocks * SECTOR / (S_ISDIR(st->st_mode) || st->st_nlink == 0 ? 1 : (int64_t)st->st_nlink);
}

static int64_t walk(int dirfd, const char *name, dev_t dev, int depth)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *ent;
	int64_t total = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((ent = readdir(dir))) {
		struct stat st;

		if (streq(ent->d_name, ".") || streq(ent->d_name, "..") || fstatat(fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != dev)
			continue;
		total += share_of(&st);
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			total += walk(fd, ent->d_name, dev, depth + 1);
	}
	closedir(dir);
	return total;
}

int64_t usage_of(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return share_of(&st) + (S_ISDIR(st.st_mode) ? walk(dirfd, name, st.st_dev, 0) : 0);
}
