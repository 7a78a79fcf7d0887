/* SPDX-License-Identifier: MIT
 *
 * Paths inside a root that somebody hostile may have filled, and may be changing right now.
 *
 * openat2(2) does it in the kernel. Where that is missing (before 5.6) or forbidden (seccomp: ENOSYS, EPERM) we walk:
 * every component is taken hold of with O_PATH|O_NOFOLLOW, links are read and their text put before the rest of the path,
 * and ".." goes back by walking the known components from the root again, never by opening "..", because a folder
 * that is moved out of the root meanwhile would take us along. A component that turns out to be something else than it was
 * a moment ago starts all over.
 */
#include "base/path.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

enum {
	LINKS_MAX = 40,   /* path_resolution(7) */
	RETRIES_MAX = 128 /* renames that get in the way */
};

struct walk {
	int root, at;      /* where we are; equal: in the root */
	struct strv done;  /* the components of AT */
	char *rest;        /* still to go */
	unsigned links;
};

static void go(struct walk *w, int fd)
{
	if (w->at != w->root)
		close(w->at);
	w->at = fd;
}

static void walk_done(struct walk *w)
{
	go(w, w->root);
	strv_done(&w->done);
	free(w->rest);
}

/* One component less. -EAGAIN: the way here is no longer what it was. */
static int go_up(struct walk *w)
{
	if (w->done.n == 0)
		return 0; /* ".." of the root is the root */
	strv_remove(&w->done, w->done.n - 1);
	go(w, w->root);
	for (size_t i = 0; i < w->done.n; i++) {
		int fd = openat(w->at, w->done.v[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			return errno == EACCES || errno == EMFILE || errno == ENFILE ? -errno : -EAGAIN;
		go(w, fd);
	}
	return 0;
}

/* A magic link (/proc/PID/exe, fd/N, ns/…) leads to the object whatever its text says; procfs' ordinary ones are relative. */
static bool is_magic(int link, const char *text)
{
	struct statfs fs;

	return fstatfs(link, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
	       (text[0] == '/' || strchr(text, ':'));
}

/* Puts the text of LINK before the rest. */
static int expand(struct walk *w, int link)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(link, "", text, sizeof(text) - 1);
	char *rest;

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (n == 0)
		return -ENOENT;
	if (++w->links > LINKS_MAX || is_magic(link, text))
		return -ELOOP;
	if (path_is_abs(text)) {
		strv_clear(&w->done);
		go(w, w->root);
	}
	rest = *w->rest ? xasprintf("%s/%s", text, w->rest) : xstrdup(text);
	free(w->rest);
	w->rest = rest;
	return strlen(rest) > 8 * PATH_MAX ? -ENAMETOOLONG : 0;
}

/* The last component. 1: it is a link, which is expanded now. */
static int open_last(struct walk *w, const char *name, int flags, mode_t mode)
{
	bool keep_link = (flags & O_NOFOLLOW) || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	auto_close int there = -1;
	struct stat st;
	int fd;

	if (!keep_link) {
		there = openat(w->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (there < 0 && !(errno == ENOENT && (flags & O_CREAT)))
			return -errno;
		if (there >= 0 && fstat(there, &st) < 0)
			return -errno;
		if (there >= 0 && S_ISLNK(st.st_mode)) {
			int r = expand(w, there);

			return r < 0 ? r : 1;
		}
	}
	fd = openat(w->at, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return errno == ELOOP && !keep_link ? -EAGAIN : -errno;
	if (!keep_link && (flags & O_PATH) && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode)) {
		close(fd);
		return -EAGAIN;
	}
	w->links = 0;
	go(w, w->root);
	w->at = fd; /* handed out by the caller */
	return 0;
}

/* A component that others follow: a folder, or a link to one. */
static int enter(struct walk *w, const char *name)
{
	auto_close int fd = openat(w->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return expand(w, fd);
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	strv_add(&w->done, name);
	go(w, TAKE_FD(fd));
	return 0;
}

/* Takes the first component off the rest. *LAST: nothing, or only slashes, comes after it. */
static char *next(struct walk *w, bool *last)
{
	char *p = w->rest + strspn(w->rest, "/"), *name, *rest;
	size_t n = strcspn(p, "/");

	name = n ? xstrndup(p, n) : xstrdup(".");
	p += n;
	rest = xstrdup(p + strspn(p, "/"));
	/* "name/" is a folder, also when name is a link: as if it were "name/." */
	*last = !*p;
	if (*p && !*rest) {
		free(rest);
		rest = xstrdup(".");
	}
	free(w->rest);
	w->rest = rest;
	return name;
}

static int walk_once(int root, const char *path, int flags, mode_t mode)
{
	struct walk w = { .root = root, .at = root, .rest = xstrdup(path) };
	int r = 0, fd = -1;

	while (r == 0) {
		bool last;
		auto_free char *name = next(&w, &last);
		bool dots = streq(name, "..");

		if (dots)
			r = go_up(&w);
		if (r < 0)
			break;
		if (!last && (dots || streq(name, ".")))
			continue;
		if (!last) {
			r = enter(&w, name);
			continue;
		}
		r = open_last(&w, dots ? "." : name, flags, mode);
		if (r == 0) {
			fd = w.at;
			w.at = w.root;
			break;
		}
		if (r == 1)
			r = 0;
	}
	walk_done(&w);
	return r < 0 ? r : fd;
}

static int walk_in(int root, const char *path, int flags, mode_t mode)
{
	int r = -EAGAIN;

	if (!*path)
		return -ENOENT;
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	for (int i = 0; r == -EAGAIN && i < RETRIES_MAX; i++)
		r = walk_once(root, path, flags, mode);
	return r;
}

/* A negative errno value, or the fd. */
static int open_in(int root, const char *path, int flags, mode_t mode)
{
	bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = creates ? mode & 07777 : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	static bool missing;

	for (int i = 0; !missing && i < RETRIES_MAX; i++) {
		long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		missing = errno == ENOSYS;
		if (missing || errno == EPERM) /* EPERM may be the file's own: then the walk finds it too */
			break;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return walk_in(root, path, flags, mode);
}

int path_open_in(int rootfd, const char *path, int flags, mode_t mode, struct err *e)
{
	int fd = open_in(rootfd, path, flags, mode);

	return fd < 0 ? err_code(e, -fd, "open '%s'", path) : fd;
}

/* Makes NAME in PARENT, which was opened inside the root, unless it came to be meanwhile. Returns its O_PATH fd. */
static int make_one(int parent, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	auto_close int fd = -1;
	bool ours = mkdirat(parent, name, 0700) == 0;
	int path;

	if (!ours && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR ? -EEXIST : -errno;
	if (ours && (((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(fd, uid, gid) < 0) ||
		     fchmod(fd, mode) < 0))
		return -errno;
	path = openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return path < 0 ? -errno : path;
}

int path_mkdir_in(int rootfd, const char *path, mode_t mode, uid_t uid, gid_t gid, struct err *e)
{
	enum { FLAGS = O_PATH | O_DIRECTORY };
	auto_close int at = open_in(rootfd, *path ? path : "/", FLAGS, 0);
	AUTO_STR(prefix, PATH_MAX);
	AUTO_STRV(names);

	if (at >= 0)
		return TAKE_FD(at);
	if (at != -ENOENT)
		return err_code(e, -at, "make folder '%s'", path);
	strv_split(&names, path, "/");
	at = open_in(rootfd, "/", FLAGS, 0);
	for (size_t i = 0; at >= 0 && i < names.n; i++) {
		const char *name = names.v[i];
		int fd;

		if (!*name || streq(name, "."))
			continue;
		str_addf(&prefix, "/%s", name);
		TRY(str_check(&prefix, "path", e));
		fd = open_in(rootfd, prefix.s, FLAGS, 0);
		if (fd == -ENOENT && !streq(name, ".."))
			fd = make_one(at, name, mode, uid, gid);
		close(at);
		at = fd;
	}
	return at < 0 ? err_code(e, -at, "make folder '%s'", path) : TAKE_FD(at);
}
