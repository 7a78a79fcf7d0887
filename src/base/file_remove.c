/* SPDX-License-Identifier: MIT
 *
 * Removal of trees that somebody else filled. Iterative, with one folder open at a time however deep the tree is; the way
 * back up is "..", accepted only when it is the folder we came from. Subfolders are opened without following links and
 * before anything is decided about them, so nothing can be exchanged in between; a mount is refused (statx(2)
 * STATX_ATTR_MOUNT_ROOT, or the device on old kernels), never entered.
 */
#include "base/file.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { ROUNDS_MAX = 100 }; /* a folder that fills as fast as it is emptied */

struct frame {
	char *name;           /* in its parent */
	struct strv dirs;     /* to be entered, last first */
	dev_t dev;
	ino_t ino;
	int rounds;
	bool stuck;           /* something in it could not be removed: said already */
};
struct removal {
	struct frame *v;
	size_t n, cap;
	int fd;               /* of the innermost frame; of the start when there is none */
	struct err *e;        /* the first failure */
};

static void keep_first(struct removal *t, int code, const char *name, const char *what)
{
	auto_free char *shown = NULL;

	if (t->e->code)
		return;
	shown = str_visible(name, strlen(name));
	err_code(t->e, code, "%s '%s'", what, shown);
}

/* 1: FD is the root of a mount. Kernels before 5.8 do not say so: then what lies on another device than DEV is taken for one. Where they do, another
 * device that is no mount is a btrfs subvolume, which goes like a folder. */
static int is_mount(int fd, const dev_t *dev)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_TYPE, &sx) < 0)
		return -errno;
	if (sx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)
		return (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
	return dev && makedev(sx.stx_dev_major, sx.stx_dev_minor) != *dev;
}

/* Opens folder NAME, giving ourselves the right to empty it where only its mode forbids that. */
static int open_dir(int at, const char *name)
{
	enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK };
	int fd = openat(at, name, FLAGS);
	struct stat st;

	if (fd < 0 && errno == EACCES && fchmodat(at, name, 0700, AT_SYMLINK_NOFOLLOW) == 0)
		fd = openat(at, name, FLAGS);
	if (fd < 0)
		return -errno;
	if (geteuid() != 0 && fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
		(void)fchmod(fd, st.st_mode | 0700);
	return fd;
}

static void push(struct removal *t, int fd, const char *name, const struct stat *st)
{
	xgrow(&t->v, t->n, &t->cap, sizeof(*t->v));
	t->v[t->n++] = (struct frame){ .name = xstrdup(name), .dev = st->st_dev, .ino = st->st_ino };
	close(t->fd);
	t->fd = fd;
}

/* Enters NAME of the innermost folder. < 0: it cannot be. */
static int enter(struct removal *t, const char *name, const dev_t *dev)
{
	struct stat st;
	int fd = open_dir(t->fd, name), r;

	if (fd < 0)
		return fd;
	r = is_mount(fd, dev);
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r != 0) {
		close(fd);
		return r > 0 ? -EBUSY : r;
	}
	push(t, fd, name, &st);
	return 0;
}

/* Unlinks what is not a folder, lists what is. */
static int empty(struct removal *t, struct frame *f)
{
	int fd = openat(t->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir) {
		int code = errno;

		if (fd >= 0)
			close(fd);
		return -code;
	}
	while ((errno = 0, d = readdir(dir))) {
		if (streq(d->d_name, ".") || streq(d->d_name, ".."))
			continue;
		if (d->d_type != DT_DIR && unlinkat(t->fd, d->d_name, 0) == 0)
			continue;
		if (d->d_type == DT_DIR || errno == EISDIR) {
			strv_add(&f->dirs, d->d_name);
		} else if (errno != ENOENT) {
			keep_first(t, errno, d->d_name, "remove");
			f->stuck = true;
		}
	}
	closedir(dir);
	return 0;
}

static void pop(struct removal *t)
{
	struct frame *f = &t->v[--t->n];

	free(f->name);
	strv_done(&f->dirs);
}

/* Back to the parent: the frame below, or START. */
static int leave(struct removal *t, int start)
{
	const struct frame *up = t->n > 1 ? &t->v[t->n - 2] : NULL;
	int fd = up ? openat(t->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
		    : fcntl(start, F_DUPFD_CLOEXEC, 3);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (up && (fstat(fd, &st) < 0 || st.st_dev != up->dev || st.st_ino != up->ino)) {
		close(fd);
		return -ESTALE; /* moved away under us: we do not follow */
	}
	close(t->fd);
	t->fd = fd;
	return 0;
}

/* One step: into the next subfolder, or out of one that is done. */
static int step(struct removal *t, int start)
{
	struct frame *f = &t->v[t->n - 1];
	int r;

	if (f->dirs.n) {
		auto_free char *name = f->dirs.v[--f->dirs.n];

		f->dirs.v[f->dirs.n] = NULL;
		r = enter(t, name, &f->dev);
		if (r < 0 && r != -ENOENT) {
			t->v[t->n - 1].stuck = true;
			keep_first(t, r, name, "remove folder");
			return 0;
		}
		if (r < 0)
			return 0;
		r = empty(t, &t->v[t->n - 1]);
		if (r < 0) {
			t->v[t->n - 1].stuck = true;
			keep_first(t, r, name, "read folder");
		}
		return 0;
	}
	r = leave(t, start);
	if (r < 0)
		return r;
	if (!f->stuck && unlinkat(t->fd, f->name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
		int rounds = f->rounds + 1;

		/* something came meanwhile, or this file system's readdir skips entries while others go */
		if (errno == ENOTEMPTY && rounds < ROUNDS_MAX) {
			auto_free char *again = TAKE(f->name);
			dev_t dev = f->dev;

			pop(t);
			if (enter(t, again, &dev) == 0) {
				t->v[t->n - 1].rounds = rounds;
				return empty(t, &t->v[t->n - 1]);
			}
			return 0;
		}
		keep_first(t, errno, f->name, "remove folder");
		f->stuck = true;
	}
	if (f->stuck && t->n > 1)
		t->v[t->n - 2].stuck = true;
	pop(t);
	return 0;
}

static int remove_dir(int dirfd, const char *name, struct err *e)
{
	AUTO_ERR(first);
	auto_close int start = openat(dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct removal t = { .fd = start < 0 ? -1 : fcntl(start, F_DUPFD_CLOEXEC, 3), .e = &first };
	int r;

	if (t.fd < 0)
		return err_sys(e, "open the folder of '%s'", name);
	r = enter(&t, name, NULL);
	if (r == 0)
		r = empty(&t, &t.v[0]);
	while (r == 0 && t.n)
		r = step(&t, start);
	if (r < 0 && !(r == -ENOENT && t.n == 0))
		keep_first(&t, r, t.n ? t.v[t.n - 1].name : name, "remove folder");
	while (t.n)
		pop(&t);
	free(t.v);
	close(t.fd);
	if (!first.code)
		return r < 0 ? 1 : 0;
	err_move(e, &first);
	return err_wrap(e, "'%s'", name);
}

int file_remove_tree(int dirfd, const char *name, struct err *e)
{
	if (unlinkat(dirfd, name, 0) == 0)
		return 0;
	if (errno == ENOENT)
		return 1;
	if (errno != EISDIR && errno != EPERM) /* EPERM: POSIX's word for a folder */
		return err_sys(e, "remove '%s'", name);
	return remove_dir(dirfd, name, e);
}

int file_remove_tree_path(const char *path, struct err *e)
{
	return file_remove_tree(AT_FDCWD, path, e);
}
