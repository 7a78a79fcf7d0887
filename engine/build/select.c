/* SPDX-License-Identifier: MIT */
#include "engine/build/select.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/build/glob.h"
#include "engine/build/hash.h"

void selection_done(struct selection *s)
{
	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; k < s->v[i].n; k++) {
			free(s->v[i].v[k].path);
			free(s->v[i].v[k].rel);
		}
		free(s->v[i].v);
		free(s->v[i].name);
	}
	free(s->v);
	*s = (struct selection){ 0 };
}

struct picker {
	const struct select_from *from;
	struct selection *out;
	int depth;
};

static char *below(const char *dir, const char *name)
{
	return *dir ? xasprintf("%s/%s", dir, name) : xstrdup(name);
}

static struct item *add_item(struct selection *s, const char *name, bool is_dir)
{
	xgrow(&s->v, s->n, &s->cap, sizeof(*s->v));
	s->v[s->n] = (struct item){ .name = xstrdup(name), .is_dir = is_dir };
	return &s->v[s->n++];
}

static int add_pick(struct picker *p, struct item *i, const char *path, const char *rel, const struct stat *st, struct err *e)
{
	if (++p->out->total > PICKS_MAX)
		return err_set(e, E2BIG, "more than %d files", PICKS_MAX);
	xgrow(&i->v, i->n, &i->cap, sizeof(*i->v));
	i->v[i->n] = (struct pick){ xstrdup(path), xstrdup(rel), *st };
	if (p->from->reset_owner)
		i->v[i->n].st.st_uid = i->v[i->n].st.st_gid = 0;
	i->n++;
	return 0;
}

/* Sorted names of the folder PATH. */
static int names_of(struct picker *p, const char *path, int *ret_fd, struct strv *ret, struct err *e)
{
	int fd = path_open_in(p->from->root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, e);
	int r;

	if (fd < 0)
		return err_wrap(e, "'/%s'", path);
	r = file_names(fd, ret);
	if (r < 0) {
		close(fd);
		return err_code(e, -r, "read '/%s'", path);
	}
	strv_sort(ret);
	*ret_fd = fd;
	return 0;
}

/* A folder that is ignored itself is there when something in it is. */
static int any_included(struct picker *p, const char *path, struct err *e)
{
	AUTO_STRV(names);
	auto_close int fd = -1;
	int r;

	if (!ignore_has_exceptions(p->from->ignore))
		return 0;
	if (++p->depth > PICK_DEPTH)
		return err_set(e, ELOOP, "'/%.200s…': nested too deep", path);
	TRY(names_of(p, path, &fd, &names, e));
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *one = below(path, names.v[i]);
		struct stat st;

		if (fstatat(fd, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!ignore_has(p->from->ignore, one))
			return 1;
		r = S_ISDIR(st.st_mode) ? any_included(p, one, e) : 0;
		if (r)
			return r;
	}
	p->depth--;
	return 0;
}

static int is_there(struct picker *p, const char *path, const struct stat *st, struct err *e)
{
	if (!*path || !ignore_has(p->from->ignore, path))
		return 1;
	return S_ISDIR(st->st_mode) ? any_included(p, path, e) : 0;
}

/* What is below the folder PATH; its picks are called REL/… */
static int walk(struct picker *p, struct item *item, const char *path, const char *rel, const char *exclude_rel, struct err *e)
{
	AUTO_STRV(names);
	auto_close int fd = -1;

	if (++p->depth > PICK_DEPTH)
		return err_set(e, ELOOP, "'/%.200s…': nested deeper than %d folders", path, PICK_DEPTH);
	TRY(names_of(p, path, &fd, &names, e));
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *one = below(path, names.v[i]), *one_rel = below(rel, names.v[i]), *ex = below(exclude_rel, names.v[i]);
		bool excluded = ignore_has(p->from->exclude, ex);
		struct stat st;
		int r;

		if (fstatat(fd, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, "'/%s'", one);
		r = is_there(p, one, &st, e);
		if (r < 0)
			return r;
		if (!r || (excluded && (!S_ISDIR(st.st_mode) || !ignore_has_exceptions(p->from->exclude))))
			continue;
		if (!excluded)
			TRY(add_pick(p, item, one, one_rel, &st, e));
		if (S_ISDIR(st.st_mode))
			TRY(walk(p, item, one, one_rel, ex, e));
	}
	p->depth--;
	return 0;
}

/* ---- one source ---------------------------------------------------------------------------------------------------------------------------------- */

/* "../a//b/" -> "a/b": never above the root. Caller frees. */
static char *clean_source(const char *src)
{
	auto_free char *rooted = xasprintf("/%s", src), *clean = path_clean(rooted);

	return xstrdup(clean + 1);
}

/* Where PATH really is, links followed. */
static int real_path(struct picker *p, int fd, char **ret, struct err *e)
{
	auto_free char *root = path_of_fd(p->from->root), *full = path_of_fd(fd);
	const char *rest = root && full ? str_after(full, streq(root, "/") ? "" : root) : NULL;

	if (!rest)
		return err_set(e, EXDEV, "it is not below the %s", p->from->what);
	*ret = xstrdup(rest + (*rest == '/'));
	return 0;
}

static int not_found(struct picker *p, const char *path, bool ignored, struct err *e)
{
	err_set(e, ENOENT, "failed to calculate checksum: \"/%s\": not found", path);
	if (ignored)
		err_hint(e, "'%s' is there, but .dockerignore leaves it out", path);
	else if (p->from->reset_owner)
		err_hint(e, "sources are looked for in the %s", p->from->what);
	return -ENOENT;
}

/* --parents: the folders of PATH's part that is kept, then PATH itself. */
static int pick_parents(struct picker *p, const char *path, const char *kept, const struct stat *st, struct err *e)
{
	struct item *item = add_item(p->out, path_base(path), true);
	size_t base = strlen(path) - strlen(kept);
	struct stat top;

	if (fstatat(p->from->root, ".", &top, 0) < 0)
		return err_sys(e, "stat the %s", p->from->what);
	TRY(add_pick(p, item, "", "", &top, e));
	for (const char *slash = strchr(kept, '/'); slash; slash = strchr(slash + 1, '/')) {
		auto_free char *dir = xstrndup(path, base + (size_t)(slash - kept)), *rel = xstrndup(kept, (size_t)(slash - kept));
		auto_close int fd = path_open_in(p->from->root, dir, O_PATH | O_CLOEXEC, 0, e);
		struct stat dst;

		if (fd < 0)
			return fd;
		if (fstat(fd, &dst) < 0)
			return err_sys(e, "'/%s'", dir);
		TRY(add_pick(p, item, dir, rel, &dst, e));
	}
	if (*kept)
		TRY(add_pick(p, item, path, kept, st, e));
	p->depth = 0;
	return S_ISDIR(st->st_mode) ? walk(p, item, path, kept, "", e) : 0;
}

/* PATH exactly. KEPT: for --parents, its part that stays. */
static int pick_path(struct picker *p, const char *path, const char *name, const char *kept, struct err *e)
{
	AUTO_ERR(missing);
	auto_close int fd = path_open_in(p->from->root, *path ? path : ".", O_PATH | O_CLOEXEC, 0, &missing);
	auto_free char *real = NULL;
	struct item *item;
	struct stat st;
	int r;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? not_found(p, path, false, e) : err_move(e, &missing);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "'/%s'", path);
	TRY(real_path(p, fd, &real, e));
	p->depth = 0;
	TRY(r = is_there(p, real, &st, e));
	if (!r)
		return not_found(p, path, true, e);
	if (p->from->parents)
		return pick_parents(p, path, kept, &st, e);
	item = add_item(p->out, name, S_ISDIR(st.st_mode));
	TRY(add_pick(p, item, real, "", &st, e));
	p->depth = 0;
	return S_ISDIR(st.st_mode) ? walk(p, item, real, "", "", e) : 0;
}

/* ---- patterns ------------------------------------------------------------------------------------------------------------------------------------ */

struct glob {
	const char *pattern;      /* what follows the fixed prefix */
	const struct ignore *deep; /* --parents: "**" works */
	size_t base;              /* bytes of the prefix and its '/' */
	size_t kept;              /* where --parents' part begins */
};

static size_t slashes(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '/';
	return n;
}

static int glob_walk(struct picker *p, const struct glob *g, const char *path, const char *rel, struct err *e)
{
	AUTO_STRV(names);
	auto_close int fd = -1;

	if (p->depth++ > PICK_DEPTH)
		return err_set(e, ELOOP, "'/%.200s…': nested deeper than %d folders", path, PICK_DEPTH);

	int depth = p->depth;

	TRY(names_of(p, path, &fd, &names, e));
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *one = below(path, names.v[i]), *one_rel = below(rel, names.v[i]);
		struct stat st;
		bool matches;
		int r;

		matches = g->deep ? ignore_has(g->deep, one_rel) : glob_match(g->pattern, one_rel);
		if (!matches && !g->deep && slashes(one_rel) >= slashes(g->pattern))
			continue; /* nor does anything below */
		if (fstatat(fd, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, "'/%s'", one);
		TRY(r = is_there(p, one, &st, e));
		if (!r)
			continue;
		if (matches) {
			if (!S_ISDIR(st.st_mode) && ignore_has(p->from->exclude, names.v[i]))
				continue;
			if (S_ISREG(st.st_mode) && !p->from->parents) /* PATH is no link, nor is this */
				TRY(add_pick(p, add_item(p->out, names.v[i], false), one, "", &st, e));
			else
				TRY(pick_path(p, one, names.v[i], one + MIN(g->kept, strlen(one)), e));
		} else if (S_ISDIR(st.st_mode)) {
			p->depth = depth;
			TRY(glob_walk(p, g, one, one_rel, e));
		}
	}
	p->depth = depth - 1;
	return 0;
}

/* The path's elements before the first that holds a wildcard. */
static size_t fixed_prefix(const char *path)
{
	size_t last = 0;

	for (const char *s = path; *s; s++) {
		if (*s == '\\' && s[1])
			s++;
		else if (strchr("*?[", *s))
			break;
		else if (*s == '/')
			last = (size_t)(s - path) + 1;
	}
	return last;
}

static int pick_glob(struct picker *p, const char *path, size_t kept, struct err *e)
{
	size_t n = fixed_prefix(path);
	auto_free char *prefix = xstrndup(path, n ? n - 1 : 0), *real = NULL;
	AUTO(ignore_free) struct ignore *deep = NULL;
	struct glob g = { .pattern = path + n, .base = n, .kept = kept };
	AUTO_ERR(missing);
	struct stat st;

	TRY(glob_check(g.pattern, e));
	if (p->from->parents) {
		AUTO_STRV(one);

		strv_add(&one, g.pattern);
		TRY(ignore_new(&one, &deep, e));
		g.deep = deep;
	}

	auto_close int fd = path_open_in(p->from->root, *prefix ? prefix : ".", O_PATH | O_CLOEXEC, 0, &missing);

	if (fd == -ENOENT)
		return not_found(p, prefix, false, e);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	TRY(real_path(p, fd, &real, e));
	p->depth = 0;
	return glob_walk(p, &g, real, "", e);
}

/* "a/./b": where --parents begins to keep the path. */
static size_t pivot(const char *src)
{
	const char *at = strstr(src, "/./");
	auto_free char *before = NULL, *clean = NULL;

	if (!at)
		return 0;
	before = xstrndup(src, (size_t)(at - src));
	clean = clean_source(before);
	return *clean ? strlen(clean) + 1 : 0;
}

int select_sources(const struct select_from *from, const struct strv *sources, struct selection *ret, struct err *e)
{
	struct picker p = { .from = from, .out = ret };

	for (size_t i = 0; i < sources->n; i++) {
		auto_free char *path = clean_source(sources->v[i]);
		size_t kept = from->parents ? MIN(pivot(sources->v[i]), strlen(path)) : 0;

		if (glob_has_wildcard(path)) {
			TRY(pick_glob(&p, path, kept, e));
		} else {
			/* nothing is escaped any more */
			char *to = path;

			for (const char *s = path; *s; s++) {
				if (*s == '\\' && s[1])
					s++;
				*to++ = *s;
			}
			*to = '\0';
			TRY(pick_path(&p, path, path_base(path), path + kept, e));
		}
	}
	return 0;
}

/* ---- digest -------------------------------------------------------------------------------------------------------------------------------------- */

static int hash_content(const struct select_from *from, const struct pick *k, struct hash *h, struct err *e)
{
	auto_close int fd = path_open_in(from->root, k->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0, e);
	ssize_t n = fd < 0 ? fd : fgetxattr(fd, "security.capability", NULL, 0);
	char cap[256];

	if (fd < 0)
		return err_wrap(e, "'/%s'", k->path);
	if (n > 0 && (n = fgetxattr(fd, "security.capability", cap, sizeof(cap))) > 0)
		hash_add(h, cap, (size_t)n);
	return hash_fd(h, fd, e);
}

static int hash_pick(const struct select_from *from, const struct pick *k, struct hash *h, struct err *e)
{
	char target[PATH_MAX + 1];

	hash_text(h, k->rel);
	hash_num(h, S_ISLNK(k->st.st_mode) ? S_IFLNK | 0777 : k->st.st_mode);
	hash_num(h, k->st.st_uid);
	hash_num(h, k->st.st_gid);
	if (S_ISCHR(k->st.st_mode) || S_ISBLK(k->st.st_mode))
		hash_num(h, k->st.st_rdev);
	if (S_ISREG(k->st.st_mode)) {
		hash_num(h, (uint64_t)k->st.st_size);
		return hash_content(from, k, h, e);
	}
	if (S_ISLNK(k->st.st_mode)) {
		auto_close int fd = path_open_in(from->root, k->path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, e);
		ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, PATH_MAX);

		if (fd < 0)
			return fd;
		if (n < 0)
			return err_sys(e, "read link '/%s'", k->path);
		target[n] = '\0';
		hash_text(h, target);
	}
	return 0;
}

int selection_digest(const struct select_from *from, const struct selection *s, char ret[SELECTION_DIGEST], struct err *e)
{
	struct hash h;

	hash_init(&h);
	for (size_t i = 0; i < s->n; i++) {
		const struct item *item = &s->v[i];

		hash_num(&h, item->n);
		hash_text(&h, item->name);
		/* the top folder's own mode and owner are not copied */
		for (size_t k = item->is_dir ? 1 : 0; k < item->n; k++)
			TRY(hash_pick(from, &item->v[k], &h, e));
	}
	hash_end(&h, ret);
	return 0;
}
