/* SPDX-License-Identifier: MIT */
#include "engine/image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/map.h"
#include "base/str.h"
#include "base/strv.h"

enum { DEPTH_MAX = 1100, XATTR_BYTES = 64 << 10 };

/* ---- XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) ------------------------------------------------------------------------- */

static const uint64_t prime[5] = { UINT64_C(0x9E3779B185EBCA87), UINT64_C(0xC2B2AE3D27D4EB4F), UINT64_C(0x165667B19E3779F9),
	UINT64_C(0x85EBCA77C2B2AE63), UINT64_C(0x27D4EB2F165667C5) };

static uint64_t turned(uint64_t v, int bits)
{
	return v << bits | v >> (64 - bits);
}

static uint64_t load(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = n; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

static uint64_t load64(const unsigned char *p)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
#else
	return load(p, 8);
#endif
}

static uint64_t lane(uint64_t acc, uint64_t in)
{
	return turned(acc + in * prime[1], 31) * prime[0];
}

uint64_t checksum64(const void *data, size_t n, uint64_t seed)
{
	const unsigned char *p = data, *end = p + n;
	uint64_t h = seed + prime[4];

	if (n >= 32) {
		uint64_t a[4] = { seed + prime[0] + prime[1], seed + prime[1], seed, seed - prime[0] };

		for (; end - p >= 32; p += 32)
			for (int i = 0; i < 4; i++)
				a[i] = lane(a[i], load64(p + 8 * i));
		h = turned(a[0], 1) + turned(a[1], 7) + turned(a[2], 12) + turned(a[3], 18);
		for (int i = 0; i < 4; i++)
			h = (h ^ lane(0, a[i])) * prime[0] + prime[3];
	}
	h += n;
	for (; end - p >= 8; p += 8)
		h = turned(h ^ lane(0, load64(p)), 27) * prime[0] + prime[3];
	if (end - p >= 4) {
		h = turned(h ^ load(p, 4) * prime[0], 23) * prime[1] + prime[2];
		p += 4;
	}
	for (; p < end; p++)
		h = turned(h ^ *p * prime[4], 11) * prime[0];
	h = (h ^ h >> 33) * prime[1];
	h = (h ^ h >> 29) * prime[2];
	return h ^ h >> 32;
}

/* ---- contents ---------------------------------------------------------------------------------------------------------------------------------------- */

void content_begin(struct content *c)
{
	c->sum = 0;
	c->block = 0;
	c->used = 0;
	c->unknown = false;
}

/* The block is over. One of zeros is like a hole. */
static void content_flush(struct content *c)
{
	size_t n = c->used;

	c->used = 0;
	while (n && c->buf[n - 1] == 0)
		n--; /* what follows the last byte that is not zero may be a hole or the file's end */
	if (n)
		c->sum = checksum64(c->buf, n, c->sum + prime[0] * (uint64_t)(c->block + 1));
}

void content_add(struct content *c, int64_t offset, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n && !c->unknown) {
		int64_t block = offset / TREE_BLOCK;
		size_t at = (size_t)(offset % TREE_BLOCK), part = MIN(n, TREE_BLOCK - at);

		if (block != c->block) {
			content_flush(c);
			c->unknown = block < c->block;
			c->block = block;
		}
		if (at < c->used) {
			c->unknown = true;
			return;
		}
		memset(c->buf + c->used, 0, at - c->used);
		memcpy(c->buf + at, p, part);
		c->used = at + part;
		p += part;
		n -= part;
		offset += (int64_t)part;
	}
}

uint64_t content_end(struct content *c)
{
	content_flush(c);
	return c->sum ? c->sum : 1;
}

void tree_known_add(struct tree_known *k, uint64_t ino, uint64_t sum)
{
	xgrow(&k->v, k->n, &k->cap, sizeof(*k->v));
	k->v[k->n] = (struct tree_inode){ ino, sum, k->n };
	k->n++;
}

void tree_known_done(struct tree_known *k)
{
	free(k->v);
	*k = (struct tree_known){ 0 };
}

static int by_inode(const void *a, const void *b)
{
	const struct tree_inode *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Each inode once, the last of it. */
static void known_sort(struct tree_known *k)
{
	size_t n = 0;

	if (k->n)
		qsort(k->v, k->n, sizeof(*k->v), by_inode);
	for (size_t i = 0; i < k->n; i++)
		if (n && k->v[n - 1].ino == k->v[i].ino)
			k->v[n - 1] = k->v[i];
		else
			k->v[n++] = k->v[i];
	k->n = n;
}

static uint64_t known_sum(const struct tree_known *k, uint64_t ino)
{
	size_t low = 0, high = k ? k->n : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (k->v[mid].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return k && low < k->n && k->v[low].ino == ino ? k->v[low].sum : 0;
}

/* ---- the walk ---------------------------------------------------------------------------------------------------------------------------------------- */

struct walk {
	const struct tree_known *known;
	enum tree_how how;
	struct str *out;
	struct map links;        /* "INODE" of files with several names -> the first */
	struct content *content;
	unsigned char *buf;
	char *path;              /* of what is looked at */
	int depth;
};

/* What is not a hole. */
static int read_content(struct walk *w, int fd, int64_t size, uint64_t *ret, struct err *e)
{
	int64_t at = 0;

	content_begin(w->content);
	while (at < size) {
		off_t data = lseek(fd, at, SEEK_DATA);
		ssize_t n;

		if (data < 0 && errno == ENXIO)
			break;
		at = data < 0 ? at : data;
		n = pread(fd, w->buf, 4 * TREE_BLOCK, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read '%s'", w->path);
		if (n == 0)
			break;
		content_add(w->content, at, w->buf, (size_t)n);
		at += n;
	}
	*ret = content_end(w->content);
	return 0;
}

/* Of all attributes that are the layer's; overlayfs's own are told by the type. */
static int attributes_sum(struct walk *w, int fd, uint64_t *ret, struct err *e)
{
	char *list = (char *)w->buf;
	ssize_t n = flistxattr(fd, list, XATTR_BYTES);
	AUTO_STRV(names);

	*ret = 0;
	if (n <= 0)
		return n == 0 || errno == ENOTSUP ? 0 : err_sys(e, "list attributes of '%s'", w->path);
	for (char *s = list; s < list + n; s += strlen(s) + 1)
		if (!str_starts(s, "trusted.overlay.") && !str_starts(s, "security.selinux"))
			strv_add(&names, s);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		n = fgetxattr(fd, names.v[i], w->buf, XATTR_BYTES);
		if (n < 0)
			return err_sys(e, "read attribute '%s' of '%s'", names.v[i], w->path);
		*ret = checksum64(w->buf, (size_t)n, checksum64(names.v[i], strlen(names.v[i]), *ret));
	}
	return 0;
}

static char type_of(mode_t mode)
{
	static const struct { mode_t mode; char type; } types[] = {
		{ S_IFDIR, 'd' }, { S_IFREG, 'f' }, { S_IFLNK, 'l' }, { S_IFCHR, 'c' }, { S_IFBLK, 'b' }, { S_IFIFO, 'p' }, { S_IFSOCK, 's' },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if ((mode & S_IFMT) == types[i].mode)
			return types[i].type;
	return '?';
}

/* The first name of a file that has several; NULL: it is this one, or the only one. */
static const char *first_name(struct walk *w, const struct stat *st)
{
	auto_free char *key = xasprintf("%llx", (unsigned long long)st->st_ino);
	const char *first = map_get(&w->links, key);

	if (!first)
		map_set(&w->links, key, xstrdup(w->path));
	return first;
}

static int record(struct walk *w, const struct stat *st, char type, uint64_t content, uint64_t attributes, const char *target, struct err *e)
{
	long long size = S_ISREG(st->st_mode) ? (long long)st->st_size : S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) ? (long long)st->st_rdev : 0;

	str_addf(w->out, "%c %o %u %u %lld.%09ld %lld %llx %llx %s", type, (unsigned)st->st_mode & 07777, (unsigned)st->st_uid, (unsigned)st->st_gid,
		(long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, size, (unsigned long long)content, (unsigned long long)attributes, w->path);
	str_addn(w->out, "", 1);
	str_addn(w->out, str0(target), strlen(str0(target)) + 1);
	return str_check(w->out, "the list of a layer's files", e);
}

static int walk_file(struct walk *w, int fd, const struct stat *st, const char *first, struct err *e)
{
	uint64_t content = 0, attributes = 0;

	if (w->how == TREE_FULL && !first)
		content = known_sum(w->known, st->st_ino);
	if (w->how == TREE_FULL && !first && !content)
		TRY(read_content(w, fd, st->st_size, &content, e));
	TRY(attributes_sum(w, fd, &attributes, e));
	return record(w, st, 'f', content, attributes, first, e);
}

static int walk_folder(struct walk *w, int fd, const struct stat *st, struct err *e);

static int walk_link(struct walk *w, int dirfd, const char *name, const struct stat *st, struct err *e)
{
	char target[4097];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(e, "read link '%s'", w->path);
	target[n] = 0;
	return record(w, st, 'l', 0, 0, target, e);
}

static int walk_entry(struct walk *w, int dirfd, const char *name, struct err *e)
{
	auto_close int fd = -1;
	const char *first = NULL;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "'%s'", w->path);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
		first = first_name(w, &st);
	if (S_ISLNK(st.st_mode))
		return walk_link(w, dirfd, name, &st, e);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return record(w, &st, type_of(st.st_mode), 0, 0, first, e);
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOATIME);
	if (fd < 0)
		return err_sys(e, "open '%s'", w->path);
	return S_ISDIR(st.st_mode) ? walk_folder(w, fd, &st, e) : walk_file(w, fd, &st, first, e);
}

static int walk_folder(struct walk *w, int fd, const struct stat *st, struct err *e)
{
	char *above = w->path, value[2];
	uint64_t attributes = 0;
	AUTO_STRV(names);
	int r = 0;

	if (w->depth > DEPTH_MAX)
		return err_set(e, ELOOP, "nested deeper than %d folders", DEPTH_MAX);
	TRY(attributes_sum(w, fd, &attributes, e));
	TRY(record(w, st, fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value)) == 1 ? 'D' : 'd', 0, attributes, NULL, e));
	r = file_names(fd, &names);
	if (r < 0)
		return err_code(e, -r, "read a folder");
	strv_sort(&names);
	w->depth++;
	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		w->path = streq(above, ".") ? xstrdup(names.v[i]) : xasprintf("%s/%s", above, names.v[i]);
		r = walk_entry(w, fd, names.v[i], e);
		free(w->path);
	}
	w->path = above;
	w->depth--;
	return r;
}

int tree_list(int dirfd, struct tree_known *k, enum tree_how how, struct str *out, struct err *e)
{
	struct walk w = { .known = k, .how = how, .out = out, .links = MAP_INIT(free), .content = xmalloc(sizeof(struct content)),
		.buf = xmalloc(4 * TREE_BLOCK), .path = xstrdup(".") };
	int r;

	if (k)
		known_sort(k);
	r = walk_entry(&w, dirfd, ".", e);
	map_done(&w.links);
	free(w.content);
	free(w.buf);
	free(w.path);
	return r;
}

/* ---- comparing ---------------------------------------------------------------------------------------------------------------------------------------- */

struct entry {
	const char *type, *field[7], *target; /* of equal length as in the record, ended by blanks */
};
enum { F_MODE, F_UID, F_GID, F_TIME, F_SIZE, F_CONTENT, F_ATTRIBUTES, FIELDS, REPORT_MAX = 1000 };
static const char *const field_names[FIELDS] = { "mode", "owner", "group", "time", "size", "content", "attributes" };

static size_t field_len(const char *s)
{
	return strcspn(s, " ");
}

/* Path -> struct entry, in order. -EBADMSG: that is no list. */
static int entries(const char *text, size_t n, struct map *ret, struct err *e)
{
	const char *p = text, *end = text + n;

	while (p < end) {
		const char *nul = memchr(p, 0, (size_t)(end - p)), *last = nul ? memchr(nul + 1, 0, (size_t)(end - nul - 1)) : NULL, *s = p;
		struct entry *one;

		if (!last)
			return err_set(e, EBADMSG, "the list of its files is cut");
		one = xcalloc(1, sizeof(*one));
		one->type = p;
		for (int i = 0; i < FIELDS; i++) {
			s += field_len(s);
			if (*s != ' ') {
				free(one);
				return err_set(e, EBADMSG, "the list of its files is damaged");
			}
			one->field[i] = ++s;
		}
		s += field_len(s);
		one->target = nul + 1;
		map_set(ret, *s ? s + 1 : "", one);
		p = last + 1;
	}
	return 0;
}

static void say(struct strv *report, const char *how, const char *path, const char *more)
{
	auto_free char *shown = NULL;

	if (report->n == REPORT_MAX)
		strv_add(report, "…");
	if (report->n >= REPORT_MAX)
		return;
	shown = str_visible(path, strlen(path));
	strv_addf(report, "%s: %s%s", how, shown, more);
}

static void compare_entry(const char *path, const struct entry *was, const struct entry *is, bool fast, struct strv *report)
{
	AUTO_STR(more, 1024);

	if (*was->type != *is->type) {
		str_addf(&more, ": type %c, was %c", *is->type, *was->type);
	} else {
		for (int i = 0; i < FIELDS; i++) {
			const char *a = was->field[i], *b = is->field[i];
			size_t na = field_len(a), nb = field_len(b);

			if ((na == nb && memcmp(a, b, na) == 0) || (fast && i == F_CONTENT))
				continue;
			if (i == F_CONTENT || i == F_ATTRIBUTES)
				str_addf(&more, "%s %s", more.len ? "," : ":", field_names[i]);
			else
				str_addf(&more, "%s %s %.*s, was %.*s", more.len ? "," : ":", field_names[i], (int)nb, b, (int)na, a);
		}
		if (!streq(was->target, is->target))
			str_addf(&more, "%s target", more.len ? "," : ":");
	}
	if (more.len)
		say(report, "changed", path, more.s);
}

int tree_compare(const char *was, size_t nwas, const char *is, size_t nis, bool fast, struct strv *report, struct err *e)
{
	AUTO_MAP(before, free);
	AUTO_MAP(now, free);

	TRY(entries(was, nwas, &before, e));
	TRY(entries(is, nis, &now, e));
	for (size_t i = 0; i < before.n; i++) {
		const struct entry *there = map_get(&now, before.v[i].key);

		if (there)
			compare_entry(before.v[i].key, before.v[i].value, there, fast, report);
		else
			say(report, "missing", before.v[i].key, "");
	}
	for (size_t i = 0; i < now.n; i++)
		if (!map_has(&before, now.v[i].key))
			say(report, "unexpected", now.v[i].key, "");
	return 0;
}
