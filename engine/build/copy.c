/* SPDX-License-Identifier: MIT */
#include "engine/build/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/map.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/build/select.h"
#include "engine/image/layer.h"

enum { HOPS = 255, XATTR_BYTES = 64 << 10, COPY_BLOCK = 256 << 10 };

/* ---- the destination ----------------------------------------------------------------------------------------------------------------------------- */

/* A walk below a root: descriptors of all folders on the way, so that ".." needs no look at the file system. */
struct way {
	int *v;
	size_t n, cap;
};

static void way_done(struct way *w)
{
	while (w->n)
		close(w->v[--w->n]);
	free(w->v);
}

static void way_push(struct way *w, int fd)
{
	xgrow(&w->v, w->n, &w->cap, sizeof(*w->v));
	w->v[w->n++] = fd;
}

static void way_pop_to(struct way *w, size_t n)
{
	while (w->n > n)
		close(w->v[--w->n]);
}

static int make_one(int at, const char *name, uid_t uid, gid_t gid, struct err *e)
{
	int fd;

	if (mkdirat(at, name, 0755) < 0)
		return err_sys(e, "make folder '%s'", name);
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open folder '%s'", name);
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, 0755) < 0) {
		close(fd);
		return err_sys(e, "owner of folder '%s'", name);
	}
	return fd;
}

/* One component. REST takes a link's target before what is left. */
static int way_step(struct way *w, const char *name, struct strv *rest, uid_t uid, gid_t gid, struct err *e)
{
	int at = w->v[w->n - 1], fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char target[PATH_MAX + 1];
	AUTO_STRV(all);
	struct stat st;
	ssize_t n;

	if (fd < 0) {
		if (errno != ENOENT)
			return err_sys(e, "open '%s'", name);
		fd = make_one(at, name, uid, gid, e);
		if (fd < 0)
			return fd;
		way_push(w, fd);
		return 0;
	}
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		way_push(w, fd);
		return 0;
	}
	n = S_ISLNK(st.st_mode) ? readlinkat(fd, "", target, PATH_MAX) : -1;
	close(fd);
	if (n < 0)
		return err_set(e, ENOTDIR, "'%s' is not a folder", name);
	target[n] = '\0';
	if (*target == '/')
		way_pop_to(w, 1);
	strv_split(&all, target, "/");
	strv_copy(&all, rest);
	strv_clear(rest);
	strv_copy(rest, &all);
	return 1;
}

int copy_mkdir(int root, const char *path, uid_t uid, gid_t gid, struct err *e)
{
	AUTO_DONE(way_done) struct way w = { 0 };
	AUTO_STRV(rest);
	int first = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), hops = 0;

	if (first < 0)
		return err_sys(e, "open the root");
	way_push(&w, first);
	strv_split(&rest, path, "/");
	while (rest.n) {
		auto_free char *name = xstrdup(rest.v[0]);

		strv_remove(&rest, 0);
		if (!*name || streq(name, "."))
			continue;
		if (streq(name, "..")) {
			way_pop_to(&w, MAX(w.n - 1, (size_t)1));
			continue;
		}
		if (way_step(&w, name, &rest, uid, gid, e) < 0)
			return err_wrap(e, "'%s'", path);
		if (++hops > HOPS)
			return err_set(e, ELOOP, "'%s': too many links or folders", path);
	}
	return w.v[--w.n];
}

/* ---- modes --------------------------------------------------------------------------------------------------------------------------------------- */

static bool is_octal(const char *s)
{
	size_t n = strlen(s);

	return n && strspn(s, "01234567") == n;
}

/* One clause of "u=rwX,go-w". */
static const char *clause(const char *s, mode_t *mode, bool is_dir)
{
	mode_t who = 0;

	for (; *s && strchr("ugoa", *s); s++)
		who |= *s == 'u' ? 04700 : *s == 'g' ? 02070 : *s == 'o' ? 01007 : 07777;
	if (!who)
		who = 07777;
	if (!*s || !strchr("+-=", *s))
		return NULL;
	while (*s && strchr("+-=", *s)) {
		char op = *s++;
		mode_t bits = 0;

		for (; *s && strchr("rwxXstugo", *s); s++) {
			mode_t all = *mode & 0777;

			if (*s == 'r' || *s == 'w' || *s == 'x')
				bits |= *s == 'r' ? 0444 : *s == 'w' ? 0222 : 0111;
			else if (*s == 'X')
				bits |= is_dir || (*mode & 0111) ? 0111 : 0;
			else if (*s == 's')
				bits |= 06000;
			else if (*s == 't')
				bits |= 01000;
			else
				bits |= (*s == 'u' ? all >> 6 : *s == 'g' ? all >> 3 & 7 : all & 7) * 0111;
		}
		bits &= who;
		if (op == '=')
			*mode = (*mode & ~(who & 0777)) | bits;
		else
			*mode = op == '+' ? *mode | bits : *mode & ~bits;
	}
	return s;
}

static int symbolic(const char *text, mode_t *mode, bool is_dir)
{
	const char *s = text;

	for (;;) {
		s = clause(s, mode, is_dir);
		if (!s)
			return -1;
		if (!*s)
			return 0;
		if (*s++ != ',')
			return -1;
	}
}

int chmod_check(const char *text, struct err *e)
{
	mode_t mode = 0;

	if (is_octal(text) ? strlen(text) <= 5 && strtol(text, NULL, 8) <= 07777 : symbolic(text, &mode, false) == 0)
		return 0;
	return err_set(e, EINVAL, "invalid chmod parameter: '%s'. it should be octal string and between 0 and 07777", text);
}

static mode_t mode_of(const struct copy_to *to, mode_t mode)
{
	mode_t m = mode & 07777;

	if (!to->chmod)
		return m;
	if (is_octal(to->chmod))
		return (mode_t)strtol(to->chmod, NULL, 8);
	(void)symbolic(to->chmod, &m, S_ISDIR(mode));
	return m;
}

/* ---- files --------------------------------------------------------------------------------------------------------------------------------------- */

struct copier {
	const struct select_from *from;
	const struct copy_to *to;
	struct map links;         /* "DEV:INO" -> path below the item's destination */
	uid_t uid;                /* of folders that are made */
	gid_t gid;
};

static int copy_bytes(int in, int out, struct err *e)
{
	auto_free char *buf = NULL;
	ssize_t n;

	if (ioctl(out, FICLONE, in) == 0)
		return 0;
	while ((n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0)) > 0)
		;
	if (n == 0)
		return 0;
	buf = xmalloc(COPY_BLOCK);
	while ((n = read(in, buf, COPY_BLOCK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read");
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(out, buf + done, (size_t)(n - done));

			if (w < 0 && errno != EINTR)
				return err_sys(e, "write");
			done += MAX(w, 0);
		}
	}
	return 0;
}

/* user.* and capabilities; whatever cannot be kept is left out, except capabilities. */
static int copy_xattrs(int in, int out, struct err *e)
{
	auto_free char *list = NULL, *value = NULL;
	ssize_t n = flistxattr(in, NULL, 0);

	if (n <= 0)
		return 0;
	list = xmalloc(XATTR_BYTES);
	value = xmalloc(XATTR_BYTES);
	n = flistxattr(in, list, XATTR_BYTES);
	for (char *s = list; n > 0 && s < list + n; s += strlen(s) + 1) {
		bool cap = streq(s, "security.capability");
		ssize_t len = cap || (str_starts(s, "user.") && !str_starts(s, "user.overlay.")) ? fgetxattr(in, s, value, XATTR_BYTES) : -1;

		if (len >= 0 && fsetxattr(out, s, value, (size_t)len, 0) < 0 && cap)
			return err_sys(e, "set its capabilities");
	}
	return 0;
}

static void owner_of(const struct copier *c, const struct stat *st, uid_t *uid, gid_t *gid)
{
	bool set = c->to->set_owner && !c->to->keep_owner;

	*uid = set ? c->to->uid : st->st_uid;
	*gid = set ? c->to->gid : st->st_gid;
}

/* Whatever is at NAME goes; a folder is in the way. */
static int make_room(const struct copy_to *to, int dir, const char *name, const char *shown, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "'%s'", shown);
	if (S_ISDIR(st.st_mode) && to->archive) {
		int r = file_remove_tree(dir, name, e);

		return r < 0 ? r : 0;
	}
	if (S_ISDIR(st.st_mode))
		return err_set(e, EISDIR, "cannot replace to directory %s with file", shown);
	return unlinkat(dir, name, 0) < 0 ? err_sys(e, "replace '%s'", shown) : 0;
}

static int put_regular(struct copier *c, const struct pick *k, int dir, const char *name, struct err *e)
{
	const struct timespec times[2] = { k->st.st_mtim, k->st.st_mtim };
	auto_close int in = path_open_in(c->from->root, k->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0, e);
	auto_close int out = in < 0 ? -1 : openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	uid_t uid;
	gid_t gid;

	if (in < 0)
		return in;
	if (out < 0)
		return err_sys(e, "create");
	TRY(copy_bytes(in, out, e));
	owner_of(c, &k->st, &uid, &gid);
	if (fchown(out, uid, gid) < 0 || fchmod(out, mode_of(c->to, k->st.st_mode)) < 0)
		return err_sys(e, "owner and mode");
	TRY(copy_xattrs(in, out, e));
	return futimens(out, times) < 0 ? err_sys(e, "time") : 0;
}

static int put_special(struct copier *c, const struct pick *k, int dir, const char *name, struct err *e)
{
	const struct timespec times[2] = { k->st.st_mtim, k->st.st_mtim };
	uid_t uid;
	gid_t gid;

	if (S_ISLNK(k->st.st_mode)) {
		char target[PATH_MAX + 1];
		auto_close int in = path_open_in(c->from->root, k->path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, e);
		ssize_t n = in < 0 ? -1 : readlinkat(in, "", target, PATH_MAX);

		if (in < 0)
			return in;
		if (n < 0)
			return err_sys(e, "read the link");
		target[n] = '\0';
		if (symlinkat(target, dir, name) < 0)
			return err_sys(e, "create");
	} else if (mknodat(dir, name, (k->st.st_mode & S_IFMT) | 0600, k->st.st_rdev) < 0) {
		return err_sys(e, "create");
	}
	owner_of(c, &k->st, &uid, &gid);
	if (fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "owner");
	if (!S_ISLNK(k->st.st_mode) && fchmodat(dir, name, mode_of(c->to, k->st.st_mode), 0) < 0)
		return err_sys(e, "mode");
	return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? err_sys(e, "time") : 0;
}

/* TOP is the item's destination, REL its path below it. */
static int put_file(struct copier *c, const struct pick *k, int top, const char *rel, int dir, const char *name, struct err *e)
{
	auto_free char *dest = path_clean(c->to->dest), *shown = xasprintf("%s/%s", streq(dest, "/") ? "" : dest, rel);
	char key[48];
	const char *first;

	TRY(make_room(c->to, dir, name, shown, e));
	snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)k->st.st_dev, (unsigned long long)k->st.st_ino);
	first = k->st.st_nlink > 1 ? map_get(&c->links, key) : NULL;
	if (first && linkat(top, first, dir, name, 0) == 0)
		return 0;
	if (k->st.st_nlink > 1 && !first)
		map_set(&c->links, key, xstrdup(rel));
	if ((S_ISREG(k->st.st_mode) ? put_regular(c, k, dir, name, e) : put_special(c, k, dir, name, e)) < 0)
		return err_wrap(e, "copy '/%s' to '%s'", k->path, shown);
	return 0;
}

static int not_a_folder(const struct copier *c, const struct pick *k, struct err *e)
{
	auto_free char *dest = path_clean(c->to->dest);

	return err_set(e, ENOTDIR, "cannot copy to non-directory: %s/%s", streq(dest, "/") ? "" : dest, k->rel);
}

/* A folder on the way to what an archive names: it stays as it is, be it reached by a link. */
static int put_unnamed(const struct copier *c, const struct pick *k, int top, int dir, const char *name, struct err *e)
{
	AUTO_ERR(none);
	auto_close int there = path_open_in(top, k->rel, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, &none);
	int fd;

	if (there >= 0)
		return 0;
	err_clear(&none);
	fd = make_one(dir, name, 0, 0, &none);
	if (fd < 0)
		return not_a_folder(c, k, e);
	close(fd);
	return 0;
}

static bool is_unnamed(const struct copier *c, const struct pick *k)
{
	return c->to->archive && S_ISDIR(k->st.st_mode) && k->st.st_uid == LAYER_UNNAMED;
}

static int put_dir(struct copier *c, const struct pick *k, int dir, const char *name, struct err *e)
{
	struct stat st;
	uid_t uid;
	gid_t gid;

	if (c->to->archive && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode))
		(void)unlinkat(dir, name, 0);
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make folder '%s'", k->rel);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "'%s'", k->rel);
	if (!S_ISDIR(st.st_mode))
		return not_a_folder(c, k, e);

	auto_close int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_ERR(ignored);
	auto_close int in = path_open_in(c->from->root, *k->path ? k->path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, &ignored);

	if (fd < 0)
		return err_sys(e, "open folder '%s'", k->rel);
	owner_of(c, &k->st, &uid, &gid);
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, mode_of(c->to, k->st.st_mode)) < 0)
		return err_sys(e, "owner and mode of '%s'", k->rel);
	return in >= 0 ? copy_xattrs(in, fd, e) : 0;
}

/* The folder that holds REL, and REL's last element. */
static int open_parent(int top, const char *rel, int *ret, const char **ret_name, struct err *e)
{
	auto_free char *parent = path_parent(rel);

	*ret_name = path_base(rel);
	*ret = path_open_in(top, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, e);
	return *ret < 0 ? *ret : 0;
}

static void set_times(const struct copier *c, const struct item *item, int top)
{
	for (size_t i = item->n; i-- > 0;) {
		const struct pick *k = &item->v[i];
		const struct timespec times[2] = { k->st.st_mtim, k->st.st_mtim };
		AUTO_ERR(ignored);
		auto_close int fd = S_ISDIR(k->st.st_mode) && !is_unnamed(c, k) ?
			path_open_in(top, *k->rel ? k->rel : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, &ignored) : -1;

		if (fd >= 0)
			(void)futimens(fd, times);
	}
}

static int copy_folder(struct copier *c, const struct item *item, struct err *e)
{
	AUTO_ERR(failure);
	auto_close int top = copy_mkdir(c->to->root, c->to->dest, c->uid, c->gid, &failure);

	if (top == -ENOTDIR && !str_ends(c->to->dest, "/"))
		return err_set(e, ENOTDIR, "cannot copy to non-directory: %s", c->to->dest);
	if (top < 0)
		return err_move(e, &failure);
	for (size_t i = 1; i < item->n; i++) {
		const struct pick *k = &item->v[i];
		auto_close int dir = -1;
		const char *name;

		TRY(open_parent(top, k->rel, &dir, &name, e));
		TRY(is_unnamed(c, k)       ? put_unnamed(c, k, top, dir, name, e) :
		    S_ISDIR(k->st.st_mode) ? put_dir(c, k, dir, name, e) :
					     put_file(c, k, top, k->rel, dir, name, e));
	}
	if (c->from->parents) { /* the virtual top */
		struct item below = { .v = item->v + 1, .n = item->n - 1 };

		set_times(c, &below, top);
	} else {
		set_times(c, item, top);
	}
	return 0;
}

/* The place called DEST, which is no folder; a link there is followed, also one that leads nowhere yet. */
static int link_place(const struct copier *c, const char *dest, int *ret_dir, char **ret_name, struct err *e)
{
	auto_free char *at = xstrdup(dest);

	for (int hops = 0; hops <= HOPS; hops++) {
		auto_free char *parent = path_parent(at), *name = xstrdup(path_base(at));
		auto_close int dir = copy_mkdir(c->to->root, parent, c->uid, c->gid, e);
		auto_free char *real = NULL;
		char target[PATH_MAX + 1];
		ssize_t n;

		if (dir < 0)
			return dir;
		n = readlinkat(dir, name, target, PATH_MAX);
		if (n < 0) {
			*ret_name = TAKE(name);
			*ret_dir = TAKE_FD(dir);
			return 0;
		}
		target[n] = '\0';
		/* walked in text: what is on the way may be links itself, which copy_mkdir follows */
		real = *target == '/' ? xstrdup(target) : xasprintf("%s/%s", parent, target);
		free(at);
		at = TAKE(real);
		while (strlen(at) > 1 && str_ends(at, "/"))
			at[strlen(at) - 1] = '\0';
	}
	return err_set(e, ELOOP, "'%s': too many links", dest);
}

/* Where a single file goes: into the folder DEST, or to be DEST. */
static int file_place(const struct copier *c, const char *name, int *ret_dir, char **ret_name, struct err *e)
{
	const char *dest = c->to->dest;
	AUTO_ERR(ignored);

	if (!str_ends(dest, "/") && !str_ends(dest, "/.") && !c->to->as_folder) {
		auto_close int is_dir = path_open_in(c->to->root, dest, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, &ignored);

		if (is_dir < 0)
			return link_place(c, dest, ret_dir, ret_name, e);
	}
	*ret_dir = copy_mkdir(c->to->root, dest, c->uid, c->gid, e);
	if (*ret_dir < 0)
		return *ret_dir;
	*ret_name = xstrdup(name);
	return 0;
}

static int copy_file(struct copier *c, const struct item *item, struct err *e)
{
	auto_close int dir = -1;
	auto_free char *name = NULL;

	TRY(file_place(c, item->name, &dir, &name, e));
	return put_file(c, &item->v[0], dir, name, dir, name, e);
}

static void copier_init(struct copier *c, const struct select_from *from, const struct copy_to *to)
{
	*c = (struct copier){ .from = from, .to = to, .links = MAP_INIT(free), .uid = to->set_owner ? to->uid : 0, .gid = to->set_owner ? to->gid : 0 };
}

int copy_selection(const struct select_from *from, const struct selection *s, const struct copy_to *to, struct err *e)
{
	mode_t saved = umask(0);
	int r = 0;

	for (size_t i = 0; r >= 0 && i < s->n; i++) {
		struct copier c;

		copier_init(&c, from, to);
		r = s->v[i].is_dir ? copy_folder(&c, &s->v[i], e) : copy_file(&c, &s->v[i], e);
		map_done(&c.links);
	}
	umask(saved);
	return r;
}

int copy_fd(const char *name, int fd, mode_t mode, int64_t mtime_ns, const struct copy_to *to, struct err *e)
{
	const struct timespec t = { mtime_ns / 1000000000, mtime_ns % 1000000000 }, times[2] = { t, t };
	auto_close int dir = -1;
	auto_free char *as = NULL;
	struct copier c;

	copier_init(&c, NULL, to);
	TRY(file_place(&c, name, &dir, &as, e));
	TRY(make_room(to, dir, as, to->dest, e));

	auto_close int out = openat(dir, as, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (out < 0)
		return err_sys(e, "create '%s'", as);
	TRY(copy_bytes(fd, out, e));
	if (fchown(out, c.uid, c.gid) < 0 || fchmod(out, mode_of(to, S_IFREG | mode)) < 0)
		return err_sys(e, "owner and mode of '%s'", as);
	return mtime_ns >= 0 && futimens(out, times) < 0 ? err_sys(e, "time of '%s'", as) : 0;
}

int copy_text(const char *name, const char *text, const struct copy_to *to, struct err *e)
{
	auto_close int fd = memfd_create("heredoc", MFD_CLOEXEC);
	size_t n = strlen(text);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "heredoc '%s'", name);
	return copy_fd(name, fd, 0644, -1, to, e);
}
