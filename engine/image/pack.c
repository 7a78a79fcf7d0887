/* SPDX-License-Identifier: MIT */
#include "engine/image/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/map.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/image/digest.h"
#include "engine/image/layer.h"
#include "engine/image/marker.h"

enum { TAR_BLOCK_SIZE = 512, BUFFER = 1 << 20, DEPTH_MAX = 1000, PAX_MAX = 2 << 20,
       XATTR_BYTES = 64 << 10 /* of the list, of a value: xattr(7) */ };

/* POSIX.1-1988 ustar, what both of us and everybody reads. */
struct ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[6], version[2], uname[32], gname[32], major[8],
		minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct ustar) == TAR_BLOCK_SIZE, "a tar header is a block");

struct packer {
	int fd;
	dev_t dev;          /* other file systems are not entered, */
	bool cross;         /* or all but the kernel's own (/proc) */
	char *buf;
	size_t n;
	struct map links;   /* "DEV:INO" of files with several names -> the first name */
	int depth;
	struct digest *digest; /* NULL */
	bool layer;         /* whiteouts are meant */
	enum whiteout_form form;
	int64_t size, tar;  /* bytes of files, of the archive */
};

static int flush(struct packer *p, struct err *e)
{
	size_t n = p->n;

	p->n = 0;
	p->tar += (int64_t)n;
	if (p->digest && n)
		digest_add(p->digest, p->buf, n);
	return n && p->fd >= 0 ? fd_write_all(p->fd, p->buf, n, e) : 0;
}

static int put(struct packer *p, const void *data, size_t n, struct err *e)
{
	const char *from = data;

	while (n) {
		size_t part = MIN(n, (size_t)BUFFER - p->n);

		memcpy(p->buf + p->n, from, part);
		p->n += part;
		from += part;
		n -= part;
		if (p->n == BUFFER)
			TRY(flush(p, e));
	}
	return 0;
}

static int put_padding(struct packer *p, uint64_t written, struct err *e)
{
	static const char zeros[TAR_BLOCK_SIZE];
	size_t over = written % TAR_BLOCK_SIZE;

	return over ? put(p, zeros, TAR_BLOCK_SIZE - over, e) : 0;
}

/* "LEN KEY=VALUE\n", where LEN counts itself. */
static void pax_add(struct str *pax, const char *key, const void *value, size_t n)
{
	size_t rest = strlen(key) + n + 3, len = rest + 1;
	char digits[24];

	while ((size_t)snprintf(digits, sizeof(digits), "%zu", len) + rest != len)
		len = (size_t)snprintf(digits, sizeof(digits), "%zu", len) + rest;
	str_addf(pax, "%zu %s=", len, key);
	str_addn(pax, value, n);
	str_addc(pax, '\n');
}

static void pax_add_int(struct str *pax, const char *key, long long v)
{
	char text[24];

	pax_add(pax, key, text, (size_t)snprintf(text, sizeof(text), "%lld", v));
}

/* Octal with a NUL; what does not fit goes into PAX as KEY. */
static void number(char *field, size_t n, long long v, const char *key, struct str *pax)
{
	char text[32];

	if (v >= 0 && (size_t)snprintf(text, sizeof(text), "%0*llo", (int)n - 1, (unsigned long long)v) < n) {
		memcpy(field, text, n);
		return;
	}
	memset(field, '0', n - 1);
	if (key)
		pax_add_int(pax, key, v);
}

/* A path into the header: as it is, split at a '/', or as PAX KEY. */
static void text_field(struct ustar *h, const char *path, struct str *pax)
{
	size_t n = strlen(path);

	if (n <= sizeof(h->name)) {
		memcpy(h->name, path, n);
		return;
	}
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t before = (size_t)(slash - path), after = n - before - 1;

		if (before <= sizeof(h->prefix) && after && after <= sizeof(h->name)) {
			memcpy(h->prefix, path, before);
			memcpy(h->name, slash + 1, after);
			return;
		}
	}
	memcpy(h->name, path, sizeof(h->name));
	pax_add(pax, "path", path, n);
}

static void finish(struct ustar *h)
{
	unsigned sum = 0;

	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memset(h->sum, ' ', sizeof(h->sum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += ((unsigned char *)h)[i];
	snprintf(h->sum, sizeof(h->sum), "%06o", sum & 0777777u);
}

static int put_header(struct packer *p, struct ustar *h, const struct str *pax, struct err *e)
{
	if (pax->len) {
		struct ustar x = { .name = "PaxHeaders/x", .type = 'x' };

		number(x.mode, sizeof(x.mode), 0644, NULL, NULL);
		number(x.uid, sizeof(x.uid), 0, NULL, NULL);
		number(x.gid, sizeof(x.gid), 0, NULL, NULL);
		number(x.mtime, sizeof(x.mtime), 0, NULL, NULL);
		number(x.size, sizeof(x.size), (long long)pax->len, NULL, NULL);
		finish(&x);
		TRY(put(p, &x, sizeof(x), e));
		TRY(put(p, pax->s, pax->len, e));
		TRY(put_padding(p, pax->len, e));
	}
	finish(h);
	return put(p, h, sizeof(*h), e);
}

/* Attributes that a layer may have, sorted by name. FD is open for reading. */
static int xattrs_add(int fd, struct str *pax, struct err *e)
{
	auto_free char *list = NULL, *value = NULL;
	AUTO_STRV(names);
	ssize_t n = flistxattr(fd, NULL, 0);

	if (n <= 0)
		return 0;
	list = xmalloc(XATTR_BYTES);
	value = xmalloc(XATTR_BYTES);
	n = flistxattr(fd, list, XATTR_BYTES);
	if (n < 0)
		return err_sys(e, "list its attributes");
	for (char *s = list; s < list + n; s += strlen(s) + 1)
		if (layer_xattr_rule(s) == XATTR_KEPT)
			strv_add(&names, s);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *key = xasprintf("SCHILY.xattr.%s", names.v[i]);

		n = fgetxattr(fd, names.v[i], value, XATTR_BYTES);
		if (n < 0)
			return err_sys(e, "read its attribute '%s'", names.v[i]);
		pax_add(pax, key, value, (size_t)n);
	}
	return 0;
}

static int file_put(struct packer *p, int fd, int64_t size, struct err *e)
{
	int64_t left = size;

	while (left > 0) {
		ssize_t n = read(fd, p->buf + p->n, (size_t)MIN(left, (int64_t)(BUFFER - p->n)));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read");
		if (n == 0)
			return err_set(e, EIO, "it became shorter while it was read");
		p->n += (size_t)n;
		left -= n;
		if (p->n == BUFFER)
			TRY(flush(p, e));
	}
	return put_padding(p, (uint64_t)size, e);
}

/* True when the file was put before under another name, which is in *first then. */
static bool seen_before(struct packer *p, const struct stat *st, const char *path, const char **first)
{
	char key[48];

	if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
		return false;
	snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)st->st_dev, (unsigned long long)st->st_ino);
	*first = map_get(&p->links, key);
	if (*first)
		return true;
	map_set(&p->links, key, xstrdup(path));
	return false;
}

static char type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '0';
	case S_IFLNK:
		return '2';
	case S_IFCHR:
		return '3';
	case S_IFBLK:
		return '4';
	case S_IFDIR:
		return '5';
	case S_IFIFO:
		return '6';
	}
	return 0;
}

static void link_field(struct ustar *h, const char *target, struct str *pax)
{
	size_t n = strlen(target);

	memcpy(h->link, target, MIN(n, sizeof(h->link)));
	if (n > sizeof(h->link))
		pax_add(pax, "linkpath", target, n);
}

static int symlink_field(int dirfd, const char *name, struct ustar *h, struct str *pax, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(e, "read the link");
	target[n] = '\0';
	link_field(h, target, pax);
	return 0;
}

static void fill(struct ustar *h, const char *path, const struct stat *st, struct str *pax)
{
	auto_free char *dir = S_ISDIR(st->st_mode) ? xasprintf("%s/", path) : NULL;

	h->type = type_of(st->st_mode);
	text_field(h, dir ? dir : path, pax);
	number(h->mode, sizeof(h->mode), st->st_mode & 07777, NULL, pax);
	number(h->uid, sizeof(h->uid), st->st_uid, "uid", pax);
	number(h->gid, sizeof(h->gid), st->st_gid, "gid", pax);
	number(h->mtime, sizeof(h->mtime), st->st_mtime, "mtime", pax);
	number(h->major, sizeof(h->major), h->type == '3' || h->type == '4' ? (long long)major(st->st_rdev) : 0, NULL, pax);
	number(h->minor, sizeof(h->minor), h->type == '3' || h->type == '4' ? (long long)minor(st->st_rdev) : 0, NULL, pax);
}

/* An empty file, everything of it zero. */
static int marker_put(struct packer *p, const char *path, struct err *e)
{
	const struct stat st = { .st_mode = S_IFREG };
	struct ustar h = { 0 };
	AUTO_STR(pax, PAX_MAX);

	fill(&h, path, &st, &pax);
	number(h.size, sizeof(h.size), 0, NULL, NULL);
	return put_header(p, &h, &pax, e);
}

static int whiteout_put(struct packer *p, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) + 1 : 0;
	auto_free char *marker = xasprintf("%.*s" WH "%s", (int)n, path, path + n);

	return marker_put(p, marker, e);
}

/* FD: a folder of a layer. */
static int opaque_put(struct packer *p, int fd, const char *path, struct err *e)
{
	auto_free char *marker = *path ? xasprintf("%s/" WH_OPAQUE, path) : xstrdup(WH_OPAQUE);

	if (!layer_folder_opaque(fd))
		return 0;
	return marker_put(p, marker, e);
}

/* FD: the file, open for reading, when it is a file or folder. */
static int entry_put(struct packer *p, int dirfd, const char *name, const char *path, const struct stat *st, int fd, struct err *e)
{
	struct ustar h = { 0 };
	AUTO_STR(pax, PAX_MAX);
	const char *first = NULL;
	int64_t size = 0;

	if (S_ISCHR(st->st_mode) && st->st_rdev == 0 && p->layer)
		return whiteout_put(p, path, e);
	if (S_ISCHR(st->st_mode) && st->st_rdev == 0)
		return err_set(e, EINVAL, "a 0:0 device: the folder is a layer of an overlay, not a whole root");
	fill(&h, path, st, &pax);
	if (seen_before(p, st, path, &first)) {
		h.type = '1';
		link_field(&h, first, &pax);
	} else if (S_ISLNK(st->st_mode)) {
		TRY(symlink_field(dirfd, name, &h, &pax, e));
	} else if (S_ISREG(st->st_mode)) {
		size = st->st_size;
		p->size += size;
	}
	number(h.size, sizeof(h.size), size, "size", &pax);
	if (fd >= 0 && !first)
		TRY(xattrs_add(fd, &pax, e));
	TRY(str_check(&pax, "its header", e));
	TRY(put_header(p, &h, &pax, e));
	return size ? file_put(p, fd, size, e) : 0;
}

static int tree_put(struct packer *p, int fd, const char *path, struct err *e);

/* Opens NAME where that means something; 1: it is left out. */
static int name_open(int dirfd, const char *name, struct stat *st, int *ret_fd, struct err *e)
{
	if (fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1 : err_sys(e, "stat");
	if (S_ISSOCK(st->st_mode))
		return 1;
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return 0;
	*ret_fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*ret_fd < 0)
		return err_sys(e, "open");
	return fstat(*ret_fd, st) < 0 ? err_sys(e, "stat") : 0;
}

/* Whiteouts that are files stand where those that are devices would: the archive of a layer is the same in either form. */
static void unmark(const struct packer *p, struct strv *names)
{
	for (size_t i = names->n; p->layer && i-- > 0;) {
		char *name = names->v[i];

		if (streq(name, WH_OPAQUE))
			strv_remove(names, i);
		else if (p->form == WHITEOUT_FILE && str_starts(name, WH))
			memmove(name, name + strlen(WH), strlen(name + strlen(WH)) + 1);
	}
}

static bool has_whiteout(const struct packer *p, int dirfd, const char *name)
{
	auto_free char *marker = xasprintf(WH "%s", name);
	struct stat st;

	return p->layer && p->form == WHITEOUT_FILE && fstatat(dirfd, marker, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int name_put(struct packer *p, int dirfd, const char *name, const char *path, struct err *e)
{
	auto_close int fd = -1;
	struct stat st;
	int r = name_open(dirfd, name, &st, &fd, e);

	if (r == 1 && has_whiteout(p, dirfd, name))
		return whiteout_put(p, path, e);
	if (r == 0)
		r = entry_put(p, dirfd, name, path, &st, fd, e);
	if (r < 0)
		return err_wrap(e, "'%s'", path);
	return r == 0 && S_ISDIR(st.st_mode) && (p->cross ? !file_on_kernel_fs(fd) : st.st_dev == p->dev) ? tree_put(p, fd, path, e) : 0;
}

static int tree_put(struct packer *p, int fd, const char *path, struct err *e)
{
	AUTO_STRV(names);
	int r;

	if (++p->depth > DEPTH_MAX)
		return err_set(e, ELOOP, "'%.200s…': nested deeper than %d folders", path, DEPTH_MAX);
	r = file_names(fd, &names);
	if (r < 0) {
		err_code(e, -r, "read the folder");
		return err_wrap(e, "'%s'", path);
	}
	unmark(p, &names);
	strv_sort(&names);
	if (p->layer)
		TRY(opaque_put(p, fd, path, e));
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *below = *path ? xasprintf("%s/%s", path, names.v[i]) : xstrdup(names.v[i]);

		TRY(name_put(p, fd, names.v[i], below, e));
	}
	p->depth--;
	return 0;
}

static int done(struct packer *p, int r, struct err *e)
{
	static const char end[2 * TAR_BLOCK_SIZE];

	if (r >= 0)
		r = put(p, end, sizeof(end), e);
	if (r >= 0)
		r = flush(p, e);
	free(p->buf);
	map_done(&p->links);
	return r;
}

static int pack(struct packer *p, int dirfd, struct err *e)
{
	struct stat st;
	int r = 0;

	if (fstat(dirfd, &st) < 0)
		return err_sys(e, "stat the folder");
	p->dev = st.st_dev;
	p->buf = xmalloc(BUFFER);
	if (!p->layer)
		r = entry_put(p, dirfd, ".", ".", &st, dirfd, e);
	if (r >= 0)
		r = tree_put(p, dirfd, "", e);
	return done(p, r, e);
}

/* An object is its own name: of a link the target is read from the descriptor. */
static int object_put(struct packer *p, int object, const char *as, struct err *e)
{
	auto_free char *self = xasprintf("/proc/self/fd/%d", object);
	auto_close int fd = -1;
	struct stat st;

	if (fstat(object, &st) < 0)
		return err_sys(e, "stat");
	p->dev = st.st_dev;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd = open(self, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd < 0)
			return err_sys(e, "open");
	}
	if (*as)
		TRY(entry_put(p, object, "", as, &st, fd, e));
	return S_ISDIR(st.st_mode) ? tree_put(p, fd, as, e) : 0;
}

int pack_object(int object, const char *as, int fd, struct err *e)
{
	struct packer p = { .fd = fd, .cross = *as, .links = MAP_INIT(free), .buf = xmalloc(BUFFER) };
	int r = object_put(&p, object, as, e);

	if (r < 0)
		err_wrap(e, "'%s'", as);
	return done(&p, r, e);
}

int pack_tree(int dirfd, int fd, struct err *e)
{
	struct packer p = { .fd = fd, .links = MAP_INIT(free) };

	return pack(&p, dirfd, e);
}

int pack_upper(int dirfd, enum whiteout_form form, int fd, struct digest *digest, int64_t *ret_size, int64_t *ret_tar, struct err *e)
{
	struct packer p = { .fd = fd, .digest = digest, .layer = true, .form = form, .links = MAP_INIT(free) };

	TRY(pack(&p, dirfd, e));
	if (ret_size)
		*ret_size = p.size;
	if (ret_tar)
		*ret_tar = p.tar;
	return 0;
}

/* ---- archives written piece by piece ----------------------------------------------------------------------------------------------------------------- */

int tar_put_header(int fd, const char *name, int64_t size, struct err *e)
{
	auto_free char *buf = xmalloc(BUFFER);
	struct packer p = { .fd = fd, .buf = buf };
	bool folder = str_ends(name, "/");
	struct ustar h = { .type = folder ? '5' : '0' };
	AUTO_STR(pax, PAX_MAX);

	text_field(&h, name, &pax);
	number(h.mode, sizeof(h.mode), folder ? 0755 : 0644, NULL, NULL);
	number(h.uid, sizeof(h.uid), 0, NULL, NULL);
	number(h.gid, sizeof(h.gid), 0, NULL, NULL);
	number(h.mtime, sizeof(h.mtime), 0, NULL, NULL);
	number(h.size, sizeof(h.size), size, "size", &pax);
	TRY(put_header(&p, &h, &pax, e));
	return flush(&p, e);
}

int tar_put_padding(int fd, int64_t size, struct err *e)
{
	static const char zeros[TAR_BLOCK_SIZE];
	size_t over = (size_t)(size % TAR_BLOCK_SIZE);

	return over ? fd_write_all(fd, zeros, TAR_BLOCK_SIZE - over, e) : 0;
}

int tar_put_end(int fd, struct err *e)
{
	static const char zeros[2 * TAR_BLOCK_SIZE];

	return fd_write_all(fd, zeros, sizeof(zeros), e);
}
