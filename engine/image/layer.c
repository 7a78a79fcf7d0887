/* SPDX-License-Identifier: MIT
 *
 * The archive is hostile. Its names are made relative and lexically clean, and are opened below the root with RESOLVE_IN_ROOT on top of the pivot
 * that the process did before; so a symbolic link leads wherever it likes inside the layer, and nowhere else. Whatever is at a name already is
 * removed, never written through. Order per entry as in moby's pkg/archive: owner, mode, attributes, times; folders' times at the very end.
 */
#include "engine/image/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/image/marker.h"
#include "engine/image/tar.h"

#define WH_META ".wh..wh."

enum { NAME_LONGEST = 255 };

struct dir_time {
	char *path;
	struct timespec t;
};
struct unpacker {
	const struct layer_unpack *u;
	struct layer_unpacked *done;
	char *parent;           /* path of parent_fd, NULL: none */
	int parent_fd;
	struct content *content; /* NULL: not wanted */
	bool whiteouts;         /* there was one already */
	struct dir_time *dirs;
	size_t ndirs, cap;
};

static void unpacker_done(struct unpacker *x)
{
	free(x->parent);
	if (x->parent_fd >= 0)
		close(x->parent_fd);
	for (size_t i = 0; i < x->ndirs; i++)
		free(x->dirs[i].path);
	free(x->dirs);
	free(x->content);
}

static void parent_forget(struct unpacker *x)
{
	free(TAKE(x->parent));
	if (x->parent_fd >= 0)
		close(TAKE_FD(x->parent_fd));
}

int layer_set_opaque(int fd, struct err *e)
{
	if (fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) < 0)
		return err_sys(e, "mark a folder as opaque");
	return 0;
}

/* FD is O_PATH or not; it names a folder. */
static int make_opaque(struct unpacker *x, int dirfd, struct err *e)
{
	auto_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open a folder");
	if (x->u->form == WHITEOUT_FILE) {
		auto_close int made = openat(fd, WH_OPAQUE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		return made < 0 ? err_sys(e, "mark a folder as opaque") : 0;
	}
	return x->u->opaque ? x->u->opaque(x->u->arg, fd, e) : layer_set_opaque(fd, e);
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* Takes away a whiteout of NAME, because the layer has a NAME of its own. True when there was one. */
static bool whiteout_lift(struct unpacker *x, int dirfd, const char *name)
{
	if (!x->whiteouts)
		return false;
	if (x->u->form == WHITEOUT_FILE) {
		char wh[sizeof(WH) + NAME_LONGEST];

		snprintf(wh, sizeof(wh), WH "%s", name);
		return unlinkat(dirfd, wh, 0) == 0;
	}
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_whiteout(&st) && unlinkat(dirfd, name, 0) == 0;
}

/* One step of the way to a parent that the archive did not bother to mention. */
static int parent_step(struct unpacker *x, int *fd, const char *path, const char *name, struct err *e)
{
	bool lifted = whiteout_lift(x, *fd, name);
	AUTO_ERR(missing);
	int next = path_open_in(x->u->rootfd, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, &missing);

	if (next == -ENOENT && mkdirat(*fd, name, 0755) == 0) {
		if (x->u->plain && !x->u->no_owner && fchownat(*fd, name, LAYER_UNNAMED, LAYER_UNNAMED, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, "owner of folder '%s'", name);
		next = openat(*fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (next < 0) {
		auto_free char *shown = str_visible(path, strlen(path));

		return err_set(e, ENOTDIR, "'%s' is not a folder in this layer", shown);
	}
	close(*fd);
	*fd = next;
	return lifted ? make_opaque(x, next, e) : 0;
}

static int parent_make(struct unpacker *x, const char *path, struct err *e)
{
	auto_close int fd = openat(x->u->rootfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_free char *prefix = xstrdup(path);

	if (fd < 0)
		return err_sys(e, "open the layer's root");
	for (char *p = prefix; *p;) {
		size_t n = strcspn(p, "/");
		char end = p[n];

		p[n] = '\0';
		TRY(parent_step(x, &fd, prefix, p, e));
		p[n] = end;
		p += end ? n + 1 : n;
	}
	return TAKE_FD(fd);
}

/* The folder at PATH ("" is the root), made when it is missing; kept for the next entry, which mostly is beside this one. */
static int parent_open(struct unpacker *x, const char *path, struct err *e)
{
	AUTO_ERR(missing);
	int fd = -1;

	if (x->parent && streq(x->parent, path))
		return x->parent_fd;
	parent_forget(x);
	if (!x->whiteouts || !*path)
		fd = path_open_in(x->u->rootfd, *path ? path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, &missing);
	if (fd < 0)
		fd = parent_make(x, path, e);
	if (fd < 0)
		return fd;
	x->parent = xstrdup(path);
	return x->parent_fd = fd;
}

/* "./a//b/" -> "a/b", "/" -> ""; a name that leads out of the root, or is too long, is refused. Caller frees. */
static int clean_name(const char *raw, char **ret, struct err *e)
{
	AUTO_STR(out, LAYER_PATH_MAX);
	AUTO_STRV(parts);

	strv_split(&parts, raw, "/");
	for (size_t i = 0; i < parts.n; i++) {
		const char *name = parts.v[i];

		if (!*name || streq(name, "."))
			continue;
		if (strlen(name) > NAME_LONGEST)
			return err_set(e, ENAMETOOLONG, "a name of more than %d bytes", NAME_LONGEST);
		if (streq(name, "..")) {
			char *slash = strrchr(out.s, '/');

			if (!out.len)
				return err_set(e, EINVAL, "the name leads out of the layer");
			str_trunc(&out, slash ? (size_t)(slash - out.s) : 0);
			continue;
		}
		str_addf(&out, "%s%s", out.len ? "/" : "", name);
	}
	if (str_over(&out))
		return err_set(e, ENAMETOOLONG, "a path of more than %d bytes", LAYER_PATH_MAX);
	*ret = str_take(&out);
	return 0;
}

/* Makes room at NAME: whatever is there goes, except a folder that stays one. 1: that folder is there. */
static int make_room(struct unpacker *x, int dirfd, const char *name, bool for_dir, bool *opaque, struct err *e)
{
	struct stat st;

	*opaque = whiteout_lift(x, dirfd, name);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "stat");
	if (S_ISDIR(st.st_mode) && for_dir)
		return 1;
	if (!S_ISDIR(st.st_mode))
		return unlinkat(dirfd, name, 0) < 0 ? err_sys(e, "remove what it replaces") : 0;
	TRY(file_remove_tree(dirfd, name, e));
	parent_forget(x); /* it may have been in there, by another way */
	return 0;
}

static const struct xattr_rules {
	const char *prefix;
	enum xattr_rule rule;
} xattr_rules[] = {
	{ "security.capability", XATTR_KEPT },
	{ "user.overlay.", XATTR_LEFT_OUT }, /* overlayfs would take them for its own when mounted with userxattr */
	{ "user.", XATTR_KEPT },
	{ "system.posix_acl_", XATTR_KEPT },
	{ "trusted.", XATTR_LEFT_OUT },      /* overlayfs' own language: redirects, whiteouts */
	{ "", XATTR_DROPPED },               /* labels of another host's policy */
};

enum xattr_rule layer_xattr_rule(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(xattr_rules); i++)
		if (str_starts(name, xattr_rules[i].prefix))
			return xattr_rules[i].rule;
	return XATTR_DROPPED;
}

static int set_xattrs(struct unpacker *x, struct tar *t, int fd, struct err *e)
{
	const char *name;
	const void *value;
	size_t n, total = 0;

	while (tar_xattr(t, &name, &value, &n)) {
		enum xattr_rule rule = layer_xattr_rule(name);

		total += strlen(name) + n;
		if (total > LAYER_XATTRS_MAX)
			return err_set(e, E2BIG, "more than %d bytes of extended attributes", LAYER_XATTRS_MAX);
		if (rule == XATTR_LEFT_OUT)
			x->done->left_out++;
		if (rule != XATTR_KEPT || fsetxattr(fd, name, value, n, 0) == 0)
			continue;
		/* A file system without user.* or ACLs: the file is still what it is. Capabilities must not get lost. */
		if ((errno == ENOTSUP || errno == EPERM || errno == EACCES) && (x->u->no_owner || !str_starts(name, "security.")))
			continue;
		return err_sys(e, "set the extended attribute '%.100s'", name);
	}
	return 0;
}

/* utimensat(2) takes any second, but file systems wrap what they cannot hold. */
static struct timespec time_of(const struct tar_entry *t)
{
	const int64_t latest = INT64_C(0x3ffffffff);
	int64_t s = t->mtime < 0 ? 0 : MIN(t->mtime, latest);

	return (struct timespec){ .tv_sec = s, .tv_nsec = t->mtime_ns < 0 || t->mtime_ns > 999999999 ? 0 : t->mtime_ns };
}

static int check_owner(const struct tar_entry *t, struct err *e)
{
	const int64_t most = UINT32_MAX - 1; /* (uid_t)-1 would mean "as it is" */

	if (t->uid < 0 || t->uid > most || t->gid < 0 || t->gid > most)
		return err_set(e, EINVAL, "owner %lld:%lld is out of range", (long long)t->uid, (long long)t->gid);
	return 0;
}

/* Owner, mode, attributes of a file or folder that is open. The mode last of both: chown(2) takes set-id bits away. */
static int set_meta(struct unpacker *x, struct tar *t, const struct tar_entry *entry, int fd, struct err *e)
{
	if (!x->u->no_owner && fchown(fd, (uid_t)entry->uid, (gid_t)entry->gid) < 0)
		return err_sys(e, "chown");
	if (fchmod(fd, entry->mode) < 0)
		return err_sys(e, "chmod");
	return set_xattrs(x, t, fd, e);
}

static int count_bytes(struct unpacker *x, size_t n, struct err *e)
{
	x->done->size += n;
	if (x->u->max_bytes && x->done->size > x->u->max_bytes)
		return bytes_too_many(x->u->max_bytes, e);
	return 0;
}

static int write_at(int fd, const char *p, size_t n, int64_t offset, struct err *e)
{
	while (n) {
		ssize_t done = pwrite(fd, p, n, offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_sys(e, "write");
		p += done;
		n -= (size_t)done;
		offset += done;
	}
	return 0;
}

static int file_data(struct unpacker *x, struct tar *t, const struct tar_entry *entry, int fd, struct err *e)
{
	int64_t end = 0, offset;
	const void *p;
	size_t n;
	int r;

	while ((r = tar_data(t, &p, &n, &offset, e)) > 0) {
		if (n == 0)
			continue;
		if (offset < 0 || offset > INT64_MAX - (int64_t)n)
			return err_set(e, EINVAL, "data at an impossible place");
		TRY(count_bytes(x, n, e));
		TRY(write_at(fd, p, n, offset, e));
		if (x->content)
			content_add(x->content, offset, p, n);
		end = MAX(end, offset + (int64_t)n);
	}
	if (r == 0 && entry->size > end && ftruncate(fd, entry->size) < 0)
		return err_sys(e, "set its size to %lld bytes", (long long)entry->size);
	return r;
}

static int content_known(struct unpacker *x, int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat");
	if (!x->content->unknown)
		tree_known_add(x->u->known, st.st_ino, content_end(x->content));
	return 0;
}

static int put_file(struct unpacker *x, struct tar *t, const struct tar_entry *entry, int dirfd, const char *name, struct err *e)
{
	struct timespec times[2] = { time_of(entry), time_of(entry) };
	auto_close int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "create");
	if (x->content)
		content_begin(x->content);
	TRY(file_data(x, t, entry, fd, e));
	if (x->content)
		TRY(content_known(x, fd, e));
	TRY(set_meta(x, t, entry, fd, e));
	return futimens(fd, times) < 0 ? err_sys(e, "set its time") : 0;
}

static int put_dir(struct unpacker *x, struct tar *t, const struct tar_entry *entry, int dirfd, const char *path, const char *name, bool there,
	bool opaque, struct err *e)
{
	if (!there && mkdirat(dirfd, name, 0700) < 0)
		return err_sys(e, "create");

	auto_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open");
	TRY(set_meta(x, t, entry, fd, e));
	if (opaque)
		TRY(make_opaque(x, fd, e));
	xgrow(&x->dirs, x->ndirs, &x->cap, sizeof(*x->dirs));
	x->dirs[x->ndirs++] = (struct dir_time){ xstrdup(path), time_of(entry) };
	return 0;
}

/* Attributes of what cannot be opened: by name, from its folder. */
static int set_meta_named(struct unpacker *x, const struct tar_entry *entry, int dirfd, const char *name, struct err *e)
{
	struct timespec times[2] = { time_of(entry), time_of(entry) };

	if (!x->u->no_owner && fchownat(dirfd, name, (uid_t)entry->uid, (gid_t)entry->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "chown");
	if (entry->type != TAR_SYMLINK && fchmodat(dirfd, name, entry->mode, 0) < 0)
		return err_sys(e, "chmod");
	return utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? err_sys(e, "set its time") : 0;
}

static int put_special(struct unpacker *x, const struct tar_entry *entry, int dirfd, const char *name, struct err *e)
{
	static const mode_t kinds[] = { [TAR_CHAR] = S_IFCHR, [TAR_BLOCK] = S_IFBLK, [TAR_FIFO] = S_IFIFO };
	dev_t dev = entry->type == TAR_FIFO ? 0 : makedev(entry->major, entry->minor);

	if (entry->type == TAR_CHAR && dev == 0)
		return err_set(e, EINVAL, "a 0:0 device, which would delete files of other layers");
	if (x->u->no_owner && entry->type != TAR_FIFO)
		return 0;
	if (mknodat(dirfd, name, kinds[entry->type] | 0600, dev) < 0)
		return err_sys(e, "create");
	return set_meta_named(x, entry, dirfd, name, e);
}

static int put_hardlink(struct unpacker *x, const struct tar_entry *entry, int dirfd, const char *name, const char *target, struct err *e)
{
	auto_free char *folder = path_parent(target);
	AUTO_ERR(missing);
	auto_close int from = path_open_in(x->u->rootfd, folder, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, &missing);
	struct stat st;

	if (from < 0 && !err_is(&missing, ENOENT) && !err_is(&missing, ENOTDIR))
		return err_move(e, &missing);
	if (from < 0 || fstatat(from, path_base(target), &st, AT_SYMLINK_NOFOLLOW) < 0 || is_whiteout(&st)) {
		auto_free char *shown = str_visible(entry->link, strlen(entry->link));

		return err_set(e, ENOENT, "a hard link to '%s', which is not in this layer", shown);
	}
	return linkat(from, path_base(target), dirfd, name, 0) < 0 ? err_sys(e, "link") : 0;
}

/* .wh.NAME: NAME of the lower layers is gone. */
static int put_whiteout(struct unpacker *x, int dirfd, const char *wh, struct err *e)
{
	const char *name = wh + strlen(WH);
	struct stat st;

	if (!*name || streq(name, ".") || streq(name, ".."))
		return err_set(e, EINVAL, "a whiteout of nothing");
	x->whiteouts = true;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISDIR(st.st_mode))
			return 0;
		auto_close int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		return fd < 0 ? err_sys(e, "open") : make_opaque(x, fd, e);
	}
	if (x->u->form == WHITEOUT_FILE) {
		auto_close int fd = openat(dirfd, wh, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		return fd < 0 ? err_sys(e, "create the whiteout") : 0;
	}
	if (mknodat(dirfd, name, S_IFCHR | 0600, 0) < 0)
		return err_sys(e, "create the whiteout");
	return 0;
}

static int put_entry(struct unpacker *x, struct tar *t, const struct tar_entry *entry, const char *path, const char *folder, struct err *e)
{
	const char *name = path_base(path);
	int dirfd = parent_open(x, folder, e), there;
	bool opaque = false;

	if (dirfd < 0)
		return dirfd;
	if (entry->type == TAR_HARDLINK) {
		auto_free char *target = NULL;

		TRY(clean_name(entry->link, &target, e));
		if (streq(target, path)) /* GNU tar, when a file was named twice */
			return 0;
		if (!*target)
			return err_set(e, EINVAL, "a hard link to the root");
		TRY(make_room(x, dirfd, name, false, &opaque, e));
		dirfd = parent_open(x, folder, e);
		return dirfd < 0 ? dirfd : put_hardlink(x, entry, dirfd, name, target, e);
	}
	there = make_room(x, dirfd, name, entry->type == TAR_DIR, &opaque, e);
	if (there < 0)
		return there;
	dirfd = parent_open(x, folder, e);
	if (dirfd < 0)
		return dirfd;
	switch (entry->type) {
	case TAR_FILE:
		return put_file(x, t, entry, dirfd, name, e);
	case TAR_DIR:
		return put_dir(x, t, entry, dirfd, path, name, there, opaque, e);
	case TAR_SYMLINK:
		if (symlinkat(entry->link, dirfd, name) < 0)
			return err_sys(e, "create");
		return set_meta_named(x, entry, dirfd, name, e);
	case TAR_CHAR:
	case TAR_BLOCK:
	case TAR_FIFO:
		return put_special(x, entry, dirfd, name, e);
	default:
		return err_set(e, EINVAL, "an entry of a kind that is not known");
	}
}

static int put_root(struct unpacker *x, struct tar *t, const struct tar_entry *entry, struct err *e)
{
	if (entry->type != TAR_DIR)
		return err_set(e, EINVAL, "the root is not a folder");
	return put_dir(x, t, entry, x->u->rootfd, "", ".", true, false, e);
}

static int put_marker(struct unpacker *x, const char *folder, const char *name, struct err *e)
{
	int dirfd;

	if (str_starts(name, WH_META) && !streq(name, WH_OPAQUE))
		return 0; /* AUFS' own notes */
	dirfd = parent_open(x, folder, e);
	if (dirfd < 0)
		return dirfd;
	if (!streq(name, WH_OPAQUE))
		return put_whiteout(x, dirfd, name, e);
	if (!*folder)
		x->done->opaque_root = true;
	return make_opaque(x, dirfd, e);
}

static int put_one(struct unpacker *x, struct tar *t, const struct tar_entry *entry, struct err *e)
{
	auto_free char *path = NULL, *folder = NULL;
	const char *name;

	TRY(clean_name(entry->path, &path, e));
	TRY(check_owner(entry, e));
	if (!*path)
		return put_root(x, t, entry, e);
	if (!x->u->plain && str_starts(path, WH_META) && !streq(path, WH_OPAQUE))
		return 0;
	name = path_base(path);
	folder = xstrndup(path, name > path ? (size_t)(name - path) - 1 : 0);
	if (!x->u->plain && str_starts(name, WH))
		return put_marker(x, folder, name, e);
	return put_entry(x, t, entry, path, folder, e);
}

static int put_all(struct unpacker *x, struct tar *t, struct err *e)
{
	struct tar_entry entry;
	int r;

	while ((r = tar_next(t, &entry, e)) > 0) {
		if (++x->done->entries > x->u->max_entries && x->u->max_entries)
			return err_set(e, E2BIG, "the layer has more than %llu files", (unsigned long long)x->u->max_entries);
		if (put_one(x, t, &entry, e) < 0) {
			auto_free char *shown = str_visible(entry.path, strnlen(entry.path, 500));

			return err_wrap(e, "'%s'", shown);
		}
	}
	return r;
}

/* A folder's time changes with each of its entries, so it is set when all are there. One that was replaced later is passed over. */
static void set_dir_times(struct unpacker *x)
{
	for (size_t i = x->ndirs; i-- > 0;) {
		struct timespec times[2] = { x->dirs[i].t, x->dirs[i].t };
		AUTO_ERR(gone);
		auto_close int fd = path_open_in(x->u->rootfd, *x->dirs[i].path ? x->dirs[i].path : ".",
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, &gone);

		if (fd >= 0)
			(void)futimens(fd, times);
	}
}

int layer_unpack(struct bytes *in, const struct layer_unpack *u, struct layer_unpacked *ret, struct err *e)
{
	struct layer_unpacked done = { 0 };
	AUTO_DONE(unpacker_done) struct unpacker x = { .u = u, .done = &done, .parent_fd = -1 };
	AUTO(tar_free) struct tar *t = NULL;
	mode_t saved = umask(0);
	int r = tar_open(in, &t, e);

	if (u->known)
		x.content = xmalloc(sizeof(*x.content));
	if (r >= 0)
		r = put_all(&x, t, e);
	if (r >= 0) {
		set_dir_times(&x);
		r = bytes_drain(in, e);
	}
	umask(saved);
	if (r < 0)
		return r;
	*ret = done;
	return 0;
}
