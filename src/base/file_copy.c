/* SPDX-License-Identifier: MIT
 *
 * Copies of trees as they are. Both sides are walked one folder at a time (iterative, the way up is ".."), every entry is
 * taken hold of by an O_PATH descriptor first, and what follows acts on that: an entry that is exchanged meanwhile is not
 * followed, a fifo or device is never opened.
 *
 * Owners go before modes and xattrs, because chown(2) clears set-id bits and security.capability. A folder's own
 * attributes are set when it is left: filling it changes its times, and its mode may forbid that.
 */
#include "base/file.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum { FD_PATH = 32, XATTR_MAX = 64 * 1024 };
#define TEMPORARY ".gantry-copy" /* its end is a random number */

struct frame {
	char *path;      /* of the copy, below the copied name: for messages and hard links */
	struct strv names;
	struct stat st;  /* of the source */
	dev_t to_dev;
	ino_t to_ino;
	bool was_there;  /* a folder that keeps its attributes */
};
struct copy {
	struct frame *v;
	size_t n, cap;
	int from, to;     /* folders of the innermost frame */
	int todir;        /* where the copy was asked for, and its name there */
	const char *name;
	struct map links; /* "DEV:INO" of the source -> path of its first copy */
	const struct file_copy_how *how;
	struct err *e;
};
struct entry {
	const char *from, *to; /* names in c->from and c->to */
	const char *path;
	struct stat st;
	int fd;           /* O_PATH of the source, -1: not yet */
	bool may_exist;   /* a folder that is there already is filled */
	bool unsaid;      /* a folder nobody described */
};

static int fail_at(struct copy *c, int code, const char *path, const char *what)
{
	auto_free char *shown = str_visible(path, strlen(path));

	return err_code(c->e, code, "%s '%s'", what, shown);
}

static const char *fd_path(int fd, char buf[FD_PATH])
{
	snprintf(buf, FD_PATH, "/proc/self/fd/%d", fd);
	return buf;
}

/* Whether the copy may do without: file systems differ in what they keep, labels belong to their host. */
static bool xattr_optional(const char *name, int code)
{
	if (code == ENOTSUP)
		return !streq(name, "security.capability");
	return code == EPERM && (str_starts(name, "trusted.") ||
				 (str_starts(name, "security.") && !streq(name, "security.capability")));
}

static int xattr_one(const char *from, const char *to, const char *name, char *value)
{
	ssize_t n = getxattr(from, name, value, XATTR_MAX);

	if (n < 0)
		return errno == ENODATA || xattr_optional(name, errno) ? 0 : -errno;
	if (setxattr(to, name, value, (size_t)n, 0) < 0) {
		if (!xattr_optional(name, errno))
			return -errno;
		log_debug("'%s': attribute '%s' is not kept", to, name);
	}
	return 0;
}

static int copy_xattrs(int from, int to)
{
	char from_path[FD_PATH], to_path[FD_PATH];
	auto_free char *names = NULL, *value = NULL;
	ssize_t n = listxattr(fd_path(from, from_path), NULL, 0);

	if (n <= 0)
		return n == 0 || errno == ENOTSUP ? 0 : -errno;
	names = xmalloc(XATTR_MAX);
	value = xmalloc(XATTR_MAX);
	n = listxattr(from_path, names, XATTR_MAX);
	if (n < 0)
		return -errno;
	fd_path(to, to_path);
	for (const char *p = names; p < names + n; p += strlen(p) + 1)
		TRY(xattr_one(from_path, to_path, p, value));
	return 0;
}

/* Owner, mode, xattrs and times of what TO (O_PATH or more) is. */
static int copy_attributes(int from, int to, const struct stat *st)
{
	char path[FD_PATH];
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchownat(to, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && chmod(fd_path(to, path), st->st_mode & 07777) < 0)
		return -errno;
	TRY(copy_xattrs(from, to));
	/* the descriptor's own path ends at the object itself, also when that is a link */
	return utimensat(AT_FDCWD, fd_path(to, path), times, 0) < 0 ? -errno : 0;
}

/* Bytes [AT, END) by copy_file_range(2), by hand where that does not serve. */
static int copy_range(int from, int to, off_t at, off_t end)
{
	auto_free char *buf = NULL;
	enum { CHUNK = 256 * 1024 };

	while (at < end) {
		off_t in = at, out = at;
		ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - at), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EIO || errno == EDQUOT || errno == EFBIG))
			return -errno;
		if (n <= 0)
			break;
		at += n;
	}
	while (at < end) {
		ssize_t n, done;

		if (!buf)
			buf = xmalloc(CHUNK);
		n = pread(from, buf, (size_t)MIN((off_t)CHUNK, end - at), at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0; /* it became shorter */
		for (ssize_t k = 0; k < n; k += done) {
			done = pwrite(to, buf + k, (size_t)(n - k), at + k);
			if (done < 0 && errno == EINTR)
				done = 0;
			else if (done < 0)
				return -errno;
		}
		at += n;
	}
	return 0;
}

static int copy_content(int from, int to, off_t size)
{
	off_t at = 0;

	if (size == 0 || ioctl(to, FICLONE, from) == 0)
		return 0;
	if (ftruncate(to, size) < 0)
		return -errno;
	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return 0; /* a hole up to the end */
		hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
		if (data < 0 || hole < 0) { /* not known here: all of it is data */
			data = at;
			hole = size;
		}
		if (data >= size)
			return 0;
		hole = MIN(hole, size);
		TRY(copy_range(from, to, data, hole));
		at = hole;
	}
	return 0;
}

/* What is in the way of an object that is no folder goes. 1: it is a mount point, which stays. */
static int make_way(struct copy *c, const struct entry *n)
{
	struct stat st;

	if (!c->how->replace || fstatat(c->to, n->to, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* what it is tells whoever makes the object */
	if (S_ISDIR(st.st_mode))
		return fail_at(c, EISDIR, *n->path ? n->path : n->to, "put a file in place of folder");
	if (unlinkat(c->to, n->to, 0) == 0 || errno == ENOENT)
		return 0;
	return errno == EBUSY ? 1 : fail_at(c, errno, n->path, "replace");
}

static int fill_file(struct copy *c, const struct entry *n, int to)
{
	char path[FD_PATH];
	auto_close int from = open(fd_path(n->fd, path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (from < 0)
		return fail_at(c, errno, n->path, "open");
	r = copy_content(from, to, n->st.st_size);
	if (r == 0)
		r = copy_attributes(n->fd, to, &n->st);
	return r < 0 ? fail_at(c, r, n->path, "copy") : 0;
}

static int write_in_place(struct copy *c, const struct entry *n)
{
	auto_close int to = openat(c->to, n->to, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	return to < 0 ? fail_at(c, errno, n->path, "open") : fill_file(c, n, to);
}

/* Under a name of its own first: a copy that fails leaves the old file. */
static int replace_file(struct copy *c, const struct entry *n)
{
	char id[ID_SHORT + 1];
	auto_free char *name = NULL;
	auto_close int to = -1;
	struct stat st;
	int r;

	if (fstatat(c->to, n->to, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		return make_way(c, n);
	id_hex(id, ID_SHORT);
	name = xasprintf(TEMPORARY "%s", id);
	to = openat(c->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return fail_at(c, errno, *n->path ? n->path : n->to, "make");
	r = fill_file(c, n, to);
	if (r == 0 && renameat(c->to, name, c->to, n->to) == 0)
		return 0;
	if (r == 0 && errno == EBUSY) {
		(void)unlinkat(c->to, name, 0);
		return write_in_place(c, n);
	}
	if (r == 0)
		r = fail_at(c, errno, n->path, "replace");
	(void)unlinkat(c->to, name, 0);
	return r;
}

static int copy_file(struct copy *c, const struct entry *n)
{
	auto_close int to = -1;

	if (c->how->replace)
		return replace_file(c, n);
	to = openat(c->to, n->to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return to < 0 ? fail_at(c, errno, n->path, "make") : fill_file(c, n, to);
}

static int make_symlink(struct copy *c, const struct entry *n)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(n->fd, "", target, sizeof(target) - 1);

	if (len < 0)
		return -errno;
	target[len] = '\0';
	return symlinkat(target, c->to, n->to) < 0 ? -errno : 0;
}

/* Links, fifos, sockets, devices. */
static int copy_special(struct copy *c, const struct entry *n)
{
	auto_close int to = -1;
	int r = make_way(c, n);

	if (r != 0)
		return r < 0 ? r : fail_at(c, EBUSY, n->path, "replace");
	if (S_ISLNK(n->st.st_mode))
		r = make_symlink(c, n);
	else if (mknodat(c->to, n->to, (n->st.st_mode & S_IFMT) | 0600, n->st.st_rdev) < 0)
		r = -errno;
	if (r < 0)
		return fail_at(c, r, n->path, "make");
	to = openat(c->to, n->to, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return fail_at(c, errno, n->path, "open");
	r = copy_attributes(n->fd, to, &n->st);
	return r < 0 ? fail_at(c, r, n->path, "copy") : 0;
}

/* 1: linked to an earlier copy of the same file. */
static int copy_link(struct copy *c, const struct entry *n)
{
	auto_free char *key = NULL, *full = NULL;
	const char *first;

	if (n->st.st_nlink < 2)
		return 0;
	key = xasprintf("%llx:%llx", (unsigned long long)n->st.st_dev, (unsigned long long)n->st.st_ino);
	first = map_get(&c->links, key);
	if (!first) {
		map_set(&c->links, key, xstrdup(n->path));
		return 0;
	}
	full = *first ? path_join(c->name, first) : xstrdup(c->name);
	if (make_way(c, n) != 0)
		return c->e->code ? -c->e->code : 0;
	if (linkat(c->todir, full, c->to, n->to, 0) == 0)
		return 1;
	/* too many links, or a path that is too long to name it by: a copy of its own is right too */
	return errno == EMLINK || errno == ENAMETOOLONG ? 0 : fail_at(c, errno, n->path, "link");
}

/* false: it has to be copied. */
static bool give_up(struct copy *c, const struct entry *n)
{
	char path[FD_PATH];

	return c->how->link && n->st.st_size > 0 && linkat(AT_FDCWD, fd_path(n->fd, path), c->to, n->to, AT_SYMLINK_FOLLOW) == 0;
}

/* Makes the folder and goes into both sides. */
static int enter(struct copy *c, const struct entry *n)
{
	enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
	auto_close int from = openat(n->fd, ".", FLAGS), to = -1;
	struct frame f = { .st = n->st };
	struct stat st;
	int r;

	if (from < 0)
		return fail_at(c, errno, n->path, "open");
	if (mkdirat(c->to, n->to, 0700) == 0)
		f.was_there = false;
	else if (errno == EEXIST && n->may_exist)
		f.was_there = n->unsaid || (!c->n && c->how->keep_root);
	else
		return fail_at(c, errno, n->path, "make folder");
	to = openat(c->to, n->to, FLAGS);
	if (to < 0 || fstat(to, &st) < 0)
		return fail_at(c, errno, *n->path ? n->path : n->to, "open folder");
	r = file_on_kernel_fs(from) ? 0 : file_names(from, &f.names);
	if (r < 0) {
		strv_done(&f.names);
		return fail_at(c, r, n->path, "read folder");
	}
	f.path = xstrdup(n->path);
	f.to_dev = st.st_dev;
	f.to_ino = st.st_ino;
	xgrow(&c->v, c->n, &c->cap, sizeof(*c->v));
	c->v[c->n++] = f;
	if (c->from >= 0)
		close(c->from);
	close(c->to);
	c->from = TAKE_FD(from);
	c->to = TAKE_FD(to);
	return 0;
}

static int look(struct copy *c, struct entry *n)
{
	if (n->fd < 0)
		n->fd = openat(c->from, n->from, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (n->fd < 0 || fstat(n->fd, &n->st) < 0)
		return fail_at(c, errno, n->path, "open");
	n->unsaid = c->how->unsaid && S_ISDIR(n->st.st_mode) && n->st.st_uid == c->how->unsaid;
	if (n->unsaid)
		n->st.st_uid = n->st.st_gid = 0;
	if (c->how->set_owner) {
		n->st.st_uid = c->how->uid;
		n->st.st_gid = c->how->gid;
	}
	return 0;
}

static int copy_entry(struct copy *c, struct entry *n)
{
	int r = look(c, n);

	if (r < 0 || (c->n && c->how->skip && c->how->skip(c->how->skip_arg, n->from, &n->st)))
		;
	else if (S_ISDIR(n->st.st_mode))
		r = enter(c, n);
	else if ((r = copy_link(c, n)) == 0)
		r = !S_ISREG(n->st.st_mode) ? copy_special(c, n) : give_up(c, n) ? 0 : copy_file(c, n);
	if (n->fd >= 0)
		close(n->fd);
	return r < 0 ? r : 0;
}

static int up(int *fd, dev_t dev, ino_t ino)
{
	int parent = openat(*fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (parent < 0)
		return -errno;
	if (fstat(parent, &st) < 0 || st.st_dev != dev || st.st_ino != ino) {
		close(parent);
		return -ESTALE;
	}
	close(*fd);
	*fd = parent;
	return 0;
}

static void pop(struct copy *c)
{
	struct frame *f = &c->v[--c->n];

	free(f->path);
	strv_done(&f->names);
}

/* Out of a folder that is done. The way up comes first: its mode may forbid that afterwards. */
static int leave(struct copy *c)
{
	const struct frame *f = &c->v[c->n - 1], *parent = c->n > 1 ? f - 1 : NULL;
	auto_close int from = fcntl(c->from, F_DUPFD_CLOEXEC, 3), to = fcntl(c->to, F_DUPFD_CLOEXEC, 3);
	int r = from < 0 || to < 0 ? -errno : 0;

	if (r == 0 && parent)
		r = up(&c->from, parent->st.st_dev, parent->st.st_ino);
	if (r == 0 && parent)
		r = up(&c->to, parent->to_dev, parent->to_ino);
	if (r == 0 && !f->was_there)
		r = copy_attributes(from, to, &f->st);
	if (r < 0)
		return fail_at(c, r, f->path, "copy folder");
	pop(c);
	return 0;
}

static int step(struct copy *c)
{
	struct frame *f = &c->v[c->n - 1];
	auto_free char *name = NULL, *path = NULL;
	struct entry n;

	if (!f->names.n)
		return leave(c);
	name = f->names.v[--f->names.n];
	f->names.v[f->names.n] = NULL;
	path = *f->path ? path_join(f->path, name) : xstrdup(name);
	n = (struct entry){ .from = name, .to = name, .path = path, .fd = -1, .may_exist = c->how->merge };
	return copy_entry(c, &n);
}

int file_copy_object(int from, int todir, const char *to, const struct file_copy_how *how, struct err *e)
{
	AUTO_ERR(first);
	struct copy c = { .from = -1, .todir = todir, .name = to, .links = MAP_INIT(free), .how = how, .e = &first };
	struct entry n = { .from = "", .to = to, .path = "", .fd = fcntl(from, F_DUPFD_CLOEXEC, 3), .may_exist = true };
	int r = 0;

	c.to = openat(todir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c.to < 0 || n.fd < 0)
		r = err_sys(&first, "open the folder");
	if (r == 0)
		r = copy_entry(&c, &n);
	else if (n.fd >= 0)
		close(n.fd);
	while (r == 0 && c.n)
		r = step(&c);
	while (c.n)
		pop(&c);
	free(c.v);
	map_done(&c.links);
	if (c.from >= 0)
		close(c.from);
	if (c.to >= 0)
		close(c.to);
	return r == 0 ? 0 : err_move(e, &first);
}

static int copy_tree(int fromdir, const char *from, int todir, const char *to, const struct file_copy_how *how, struct err *e)
{
	auto_close int fd = openat(fromdir, from, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? err_sys(e, "open") : file_copy_object(fd, todir, to, how, e);

	return r < 0 ? err_wrap(e, "copy '%s' to '%s'", from, to) : 0;
}

int file_copy_tree(int fromdir, const char *from, int todir, const char *to, struct err *e)
{
	return copy_tree(fromdir, from, todir, to, &(struct file_copy_how){ 0 }, e);
}

int file_merge_tree(int fromdir, const char *from, int todir, const char *to, file_skip_fn *skip, struct err *e)
{
	return copy_tree(fromdir, from, todir, to, &(struct file_copy_how){ .merge = true, .skip = skip }, e);
}
