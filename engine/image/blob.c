/* SPDX-License-Identifier: MIT */
#include "engine/image/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/image/ref.h"

enum { TRIES = 64 };

char *blob_name(const char *digest)
{
	return xasprintf("%.*s-%s", (int)strcspn(digest, ":"), digest, digest_hex_part(digest));
}

char *blob_path(const struct dirs *d, const char *digest)
{
	auto_free char *name = blob_name(digest);

	return dirs_root(d, "images/blobs/%s", name);
}

static int open_whole(int dirfd, const char *name, int *ret_fd, struct err *e)
{
	*ret_fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*ret_fd >= 0)
		return 0;
	return errno == ENOENT ? 1 : err_sys(e, "open blob '%s'", name);
}

int blob_open(int dirfd, const char *digest, bool *ret_whole, int *ret_fd, struct err *e)
{
	auto_free char *name = NULL, *part = NULL;

	if (!digest_is_valid(digest))
		return err_set(e, EINVAL, "'%.80s' is not a digest", digest);
	name = blob_name(digest);
	part = xasprintf("%s.part", name);
	for (int i = 0; i < TRIES; i++) {
		struct stat st, there;
		auto_close int fd = -1;
		int r = open_whole(dirfd, name, ret_fd, e);

		*ret_whole = r == 0;
		if (r <= 0)
			return r;
		fd = openat(dirfd, part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return err_sys(e, "make blob '%s'", part);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			*ret_fd = TAKE_FD(fd);
			return 1;
		}
		/* It may have become whole, or been removed, before it was locked. */
		if (fstat(fd, &st) == 0 && fstatat(dirfd, part, &there, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == there.st_ino && st.st_dev == there.st_dev) {
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
	}
	return err_set(e, EAGAIN, "blob '%s' cannot be kept", name);
}

int blob_keep(int dirfd, const char *digest, struct err *e)
{
	auto_free char *name = blob_name(digest), *part = xasprintf("%s.part", name);

	FP("image.blob.rename", e);
	return renameat(dirfd, part, dirfd, name) < 0 ? err_sys(e, "name blob '%s'", name) : 0;
}

static bool is_right(const char *digest, const char *text, size_t n)
{
	char got[DIGEST_TEXT];

	digest_text(text, n, got);
	return streq(got, digest);
}

int blob_put(const struct dirs *d, const char *digest, const char *text, size_t n, struct err *e)
{
	auto_free char *path = NULL;

	if (!digest_is_valid(digest) || !is_right(digest, text, n))
		return err_set(e, EBADMSG, "a document's digest is not %.80s", digest);
	path = blob_path(d, digest);
	return file_exists(path) ? 0 : file_replace(path, text, n, 0600, false, e);
}

int blob_read(const struct dirs *d, const char *digest, size_t max, char **ret, size_t *ret_n, struct err *e)
{
	auto_free char *path = NULL, *text = NULL;
	size_t n;

	if (!digest_is_valid(digest))
		return err_set(e, EINVAL, "'%.80s' is not a digest", digest);
	path = blob_path(d, digest);
	TRY(file_read(path, max, &text, &n, e));
	if (!is_right(digest, text, n))
		return err_set(e, EBADMSG, "'%s' has changed: its digest is not that of its name", path);
	*ret = TAKE(text);
	*ret_n = n;
	return 0;
}
