/* SPDX-License-Identifier: MIT */
#include "engine/image/since.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/map.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/image/marker.h"

enum { DEPTH_MAX = 1000, LIST_MAX = 1 << 30, SETTLE_STEPS = 3000 };

/* One entry, and what is in it. */
struct since {
	uint64_t ino;
	int64_t changed, born; /* ns; BORN 0: the file system does not say */
	unsigned type;
	struct map below;      /* name -> struct since */
};

static void entry_free(void *entry)
{
	since_free(entry);
}

void since_free(struct since *s)
{
	if (s)
		map_done(&s->below);
	free(s);
}

/* ---- the state of a tree ------------------------------------------------------------------------------------------------------------------------- */

static int64_t ns_of(const struct statx_timestamp *t)
{
	return t->tv_sec * 1000000000 + t->tv_nsec;
}

static void describe(const struct statx *st, struct since *ret)
{
	ret->ino = st->stx_ino;
	ret->changed = ns_of(&st->stx_ctime);
	ret->born = st->stx_mask & STATX_BTIME ? ns_of(&st->stx_btime) : 0;
	ret->type = st->stx_mode & S_IFMT;
}

static int look(int dirfd, const char *name, struct statx *ret, struct err *e)
{
	return statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, ret) < 0 ? err_sys(e, "stat '%s'", name) : 0;
}

static int open_folder(int dirfd, const char *name, struct err *e)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "open '%s'", name) : fd;
}

static int names_of(int dirfd, int depth, struct strv *ret, struct err *e)
{
	int r = depth > DEPTH_MAX ? -ELOOP : file_names(dirfd, ret);

	return r < 0 ? err_code(e, -r, "read a folder") : 0;
}

static int fill(struct since *s, int dirfd, int depth, struct err *e)
{
	AUTO_STRV(names);

	TRY(names_of(dirfd, depth, &names, e));
	for (size_t i = 0; i < names.n; i++) {
		struct since *below;
		struct statx st;

		TRY(look(dirfd, names.v[i], &st, e));
		below = xcalloc(1, sizeof(*below));
		below->below = MAP_INIT(entry_free);
		describe(&st, below);
		map_set(&s->below, names.v[i], below);
		if (below->type == S_IFDIR) {
			auto_close int fd = open_folder(dirfd, names.v[i], e);

			TRY(fd < 0 ? fd : fill(below, fd, depth + 1, e));
		}
	}
	return 0;
}

int since_read(int dirfd, struct since **ret, struct err *e)
{
	AUTO(since_free) struct since *s = xcalloc(1, sizeof(*s));

	s->below = MAP_INIT(entry_free);
	s->type = S_IFDIR;
	TRY(fill(s, dirfd, 0, e));
	*ret = TAKE(s);
	return 0;
}

/* "DEPTH TYPE INO CHANGED BORN NAME" and a NUL, a folder before what is in it. */
static void write_below(const struct since *s, int depth, struct str *out)
{
	for (size_t i = 0; i < s->below.n; i++) {
		const struct since *b = s->below.v[i].value;

		str_addf(out, "%d %x %" PRIx64 " %" PRId64 " %" PRId64 " %s", depth, b->type, b->ino, b->changed, b->born, s->below.v[i].key);
		str_addc(out, '\0');
		write_below(b, depth + 1, out);
	}
}

int since_save(const struct since *s, const char *path, struct err *e)
{
	AUTO_STR(text, LIST_MAX);

	write_below(s, 0, &text);
	TRY(str_check(&text, "the list of what is in a root", e));
	return file_replace(path, text.s, text.len, 0600, false, e);
}

static int parse_entry(const char *line, int *depth, struct since *ret, const char **name)
{
	int n = 0;

	if (sscanf(line, "%d %x %" SCNx64 " %" SCNd64 " %" SCNd64 "%n", depth, &ret->type, &ret->ino, &ret->changed, &ret->born, &n) != 5 || line[n] != ' ')
		return -EINVAL;
	*name = line + n + 1;
	return 0;
}

int since_load(const char *path, struct since **ret, struct err *e)
{
	AUTO(since_free) struct since *s = xcalloc(1, sizeof(*s));
	struct since *way[DEPTH_MAX + 2] = { s };
	auto_free char *text = NULL;
	size_t len;
	int last = -1;

	s->below = MAP_INIT(entry_free);
	s->type = S_IFDIR;
	TRY(file_read(path, LIST_MAX, &text, &len, e));
	for (const char *p = text; p < text + len; p += strlen(p) + 1) {
		struct since got = { .below = MAP_INIT(entry_free) }, *entry;
		const char *name;
		int depth;

		if (parse_entry(p, &depth, &got, &name) < 0 || depth < 0 || depth > last + 1 || depth > DEPTH_MAX)
			return err_set(e, EPROTO, "'%s' is damaged", path);
		entry = xmalloc(sizeof(*entry));
		*entry = got;
		map_set(&way[depth]->below, name, entry);
		way[depth + 1] = entry;
		last = depth;
	}
	*ret = TAKE(s);
	return 0;
}

int since_settle(const char *folder, struct err *e)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	auto_close int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	struct stat first, now;

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		auto_free char *path = path_join(folder, ".clock");

		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0)
			(void)unlink(path);
	}
	if (fd < 0 || fstat(fd, &first) < 0)
		return err_sys(e, "make a file in '%s'", folder);
	/* at most a tick of the clock; file systems with whole seconds: that long */
	for (int i = 0; i < SETTLE_STEPS; i++) {
		if (fchmod(fd, i % 2 ? 0600 : 0400) < 0 || fstat(fd, &now) < 0)
			return err_sys(e, "change a file in '%s'", folder);
		if (now.st_ctim.tv_sec != first.st_ctim.tv_sec || now.st_ctim.tv_nsec != first.st_ctim.tv_nsec)
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	return err_set(e, ETIME, "the clock of the file system of '%s' stands still", folder);
}

/* ---- the difference ------------------------------------------------------------------------------------------------------------------------------ */

struct diff {
	struct map wanted;  /* "DEV:INO": all names of it are in the layer */
	struct strv gone;   /* paths */
	struct strv opaque; /* paths of folders */
};

static void diff_done(struct diff *d)
{
	map_done(&d->wanted);
	strv_done(&d->gone);
	strv_done(&d->opaque);
}

enum { KEY = 40 };

static const char *key_of(dev_t dev, uint64_t ino, char buf[KEY])
{
	snprintf(buf, KEY, "%llx:%" PRIx64, (unsigned long long)dev, ino);
	return buf;
}

/* What layers do not have: it is as if it were not there. */
static bool is_nothing(const struct statx *st)
{
	return S_ISSOCK(st->stx_mode) || (S_ISCHR(st->stx_mode) && st->stx_rdev_major == 0 && st->stx_rdev_minor == 0);
}

static bool is_same(const struct since *a, const struct since *b)
{
	return a->ino == b->ino && a->type == b->type && a->born == b->born;
}

static int compare(struct diff *d, int dirfd, const char *path, const struct since *was, int depth, bool *changed, struct err *e);

/* NAME of the folder PATH, which was OLD (NULL: nothing). */
static int compare_entry(struct diff *d, int dirfd, const char *name, const char *path, const struct since *old, const struct statx *st, int depth,
			 bool *changed, struct err *e)
{
	struct since is = { 0 };
	bool same, below = false;
	char key[KEY];

	describe(st, &is);
	same = old && is_same(old, &is);
	if (is.type == S_IFDIR) {
		auto_free char *full = *path ? path_join(path, name) : xstrdup(name);
		auto_close int fd = open_folder(dirfd, name, e);

		TRY(fd < 0 ? fd : compare(d, fd, full, same ? old : NULL, depth + 1, &below, e));
		if (old && !same)
			strv_add(&d->opaque, full);
	}
	if (same && old->changed == is.changed && !below)
		return 0;
	map_set(&d->wanted, key_of(makedev(st->stx_dev_major, st->stx_dev_minor), is.ino, key), d);
	*changed = true;
	return 0;
}

static int compare(struct diff *d, int dirfd, const char *path, const struct since *was, int depth, bool *changed, struct err *e)
{
	AUTO_MAP(there, NULL);
	AUTO_STRV(names);

	TRY(names_of(dirfd, depth, &names, e));
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.v[i];
		struct statx st;

		TRY(look(dirfd, name, &st, e));
		if (is_nothing(&st))
			continue;
		if (was)
			map_set(&there, name, d);
		TRY(compare_entry(d, dirfd, name, path, was ? map_get(&was->below, name) : NULL, &st, depth, changed, e));
	}
	for (size_t i = 0; was && i < was->below.n; i++) {
		const char *name = was->below.v[i].key;

		if (map_has(&there, name))
			continue;
		strv_add_take(&d->gone, *path ? path_join(path, name) : xstrdup(name));
		*changed = true;
	}
	return 0;
}

static bool is_unwanted(const void *arg, const char *name, const struct stat *st)
{
	const struct diff *d = arg;
	char key[KEY];

	(void)name;
	return !map_has(&d->wanted, key_of(st->st_dev, st->st_ino, key));
}

/* An empty file NAME in the folder PATH, whose times stay. */
static int put_marker(int out, const char *path, const char *name, struct err *e)
{
	auto_close int dir = openat(out, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_close int fd = -1;
	struct stat st;

	if (dir < 0 || fstat(dir, &st) < 0)
		return err_sys(e, "open '%s' of the layer", path);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "make '%s' in '%s' of the layer", name, path);

	const struct timespec times[2] = { st.st_atim, st.st_mtim };

	return futimens(dir, times) < 0 ? err_sys(e, "set the time of '%s' of the layer", path) : 0;
}

static int put_markers(const struct diff *d, int out, struct err *e)
{
	for (size_t i = 0; i < d->opaque.n; i++)
		TRY(put_marker(out, d->opaque.v[i], WH_OPAQUE, e));
	for (size_t i = 0; i < d->gone.n; i++) {
		const char *slash = strrchr(d->gone.v[i], '/');
		auto_free char *parent = slash ? xstrndup(d->gone.v[i], (size_t)(slash - d->gone.v[i])) : xstrdup("");
		auto_free char *name = xasprintf(WH "%s", slash ? slash + 1 : d->gone.v[i]);

		TRY(put_marker(out, parent, name, e));
	}
	return 0;
}

int since_changes(int dirfd, const struct since *was, bool last, int out, struct err *e)
{
	AUTO_DONE(diff_done) struct diff d = { 0 };
	const struct file_copy_how how = { .merge = true, .skip = is_unwanted, .skip_arg = &d, .link = last };
	bool changed = false;

	TRY(compare(&d, dirfd, "", was, 0, &changed, e));
	TRY(file_copy_object(dirfd, out, ".", &how, e));
	return put_markers(&d, out, e);
}
