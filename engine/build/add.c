/* SPDX-License-Identifier: MIT */
#include "engine/build/add.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/build/copy.h"
#include "engine/build/git.h"
#include "engine/build/hash.h"
#include "engine/build/select.h"
#include "engine/build/step.h"
#include "engine/image/program.h"

/* Worth a closer look: compressed, or a tar header's sum is right. */
static bool may_be_archive(int fd)
{
	static const struct {
		const char *bytes;
		size_t n;
	} magics[] = { { "\x1f\x8b", 2 }, { "BZh", 3 }, { "\xfd\x37zXZ\0", 6 }, { "\x28\xb5\x2f\xfd", 4 } };
	unsigned char h[512];
	unsigned long sum = 0;
	char field[9] = "";
	ssize_t n = pread(fd, h, sizeof(h), 0);

	for (size_t i = 0; i < ARRAY_LEN(magics); i++)
		if (n >= (ssize_t)magics[i].n && memcmp(h, magics[i].bytes, magics[i].n) == 0)
			return true;
	if (n < (ssize_t)sizeof(h))
		return false;
	memcpy(field, h + 148, 8);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	return sum && sum == strtoul(field + strspn(field, " "), NULL, 8);
}

/* 1: FD was an archive, and is in the destination now. */
static int add_archive(struct step_env *s, int fd, size_t number, const struct copy_to *to, struct err *e)
{
	auto_free char *dir = dirs_root(s->dirs, "containers/%s/add%zu", s->id, number);
	AUTO(json_free) struct cJSON *answer = NULL;
	struct copy_to into = *to;
	struct selection all = { 0 };
	AUTO_STRV(top);
	int r;

	if (!may_be_archive(fd))
		return 0;
	TRY(file_mkdir_p(dir, 0755, e));

	auto_close int tmp = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (tmp < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "'%s'", dir);
	TRY(image_program("add", tmp, fd, NULL, &answer, e));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "seek");
	if (!json_bool(answer, "archive", false))
		return 0;

	auto_close int root = openat(tmp, "0", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct select_from from = { .root = root, .what = "archive" };

	if (root < 0)
		return err_sys(e, "open what was unpacked");
	into.chmod = NULL;
	into.keep_owner = true; /* --chown is only for folders that are made on the way, as BuildKit has it */
	into.archive = true;
	if (!str_ends(into.dest, "/"))
		into.as_folder = true;
	strv_add(&top, "/");
	r = select_sources(&from, &top, &all, e);
	if (r >= 0)
		r = copy_selection(&from, &all, &into, e);
	selection_done(&all);
	return r < 0 ? r : 1;
}

int add_archives(struct step_env *s, const struct select_from *from, struct selection *selection, const struct copy_to *to, struct err *e)
{
	size_t number = 0;

	for (size_t i = 0; s->t->unpack != 0 && i < selection->n; i++) {
		struct item *item = &selection->v[i];
		int r;

		if (item->is_dir || item->n != 1 || !S_ISREG(item->v[0].st.st_mode))
			continue;

		auto_close int fd = path_open_in(from->root, item->v[0].path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0, e);

		if (fd < 0)
			return fd;
		r = add_archive(s, fd, number++, to, e);
		if (r < 0)
			return err_wrap(e, "'%s'", item->name);
		if (r == 0)
			continue;
		free(item->v[0].path);
		free(item->v[0].rel);
		free(item->v);
		free(item->name);
		memmove(item, item + 1, (selection->n - i - 1) * sizeof(*item));
		selection->n--;
		i--;
	}
	return 0;
}

/* "%20" and the like, in place; one that is no number stays as it is. */
static void percent_decode(char *s)
{
	char *to = s;

	for (const char *p = s; *p; p++) {
		const char hex[] = { p[0] == '%' ? p[1] : '\0', p[0] == '%' && p[1] ? p[2] : '\0', '\0' };
		bool code = isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]) && !streq(hex, "00");

		*to++ = code ? (char)strtol(hex, NULL, 16) : *p;
		p += code ? 2 : 0;
	}
	*to = '\0';
}

/* The name that a URL's file gets. */
static char *url_name(const char *url)
{
	const char *path = strstr(url, "://");
	auto_free char *bare = NULL;

	path = path ? strchr(path + 3, '/') : NULL;
	bare = xstrndup(path ? path : "", path ? strcspn(path, "?#") : 0);
	percent_decode(bare);
	return xstrdup(*path_base(bare) && !str_ends(bare, "/") && *bare ? path_base(bare) : "__unnamed__");
}

static int fetch_one(struct step_env *s, size_t i, struct added_url *f, struct err *e)
{
	auto_free char *path = dirs_root(s->dirs, "containers/%s/url%zu", s->id, i);
	AUTO(json_free) struct cJSON *answer = NULL;
	const struct step *t = s->t;

	f->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return err_sys(e, "'%s'", path);
	if (image_program("fetch", f->fd, 0, t->urls.v[i], &answer, e) < 0)
		return err_wrap(e, "failed to load cache key: %s", t->urls.v[i]);
	if (t->checksum && !streq(t->checksum, str0(json_str(answer, "digest"))))
		return err_set(e, EBADMSG, "digest mismatch for %s: %s (expected: %s)", t->urls.v[i], str0(json_str(answer, "digest")), t->checksum);
	f->mtime = json_int(answer, "mtime", 0);
	f->digest = xstrdup(str0(json_str(answer, "digest")));
	return lseek(f->fd, 0, SEEK_SET) < 0 ? err_sys(e, "seek") : 0;
}

static int fetch_git(struct step_env *s, size_t i, struct added_git *g, struct err *e)
{
	AUTO_DONE(git_url_done) struct git_url u = { 0 };
	auto_free char *dir = dirs_root(s->dirs, "containers/%s/git%zu", s->id, i);

	TRY(git_url_parse(s->t->gits.v[i], &u, e));
	u.keep_git_dir |= s->t->keep_git_dir;
	if (s->t->checksum) {
		free(u.commit);
		u.commit = xstrdup(s->t->checksum);
	}
	TRY(file_mkdir_p(dir, 0700, e));
	if (git_fetch(&(struct git_fetch){ .url = &u, .dir = dir, .ssh_sock = strv_env_get(&s->o->ssh, "default"), .out = s->out }, &g->commit, e) < 0)
		return err_wrap(e, "failed to load cache key");
	g->tree = path_join(dir, "tree");
	g->subdir = TAKE(u.subdir);
	return 0;
}

int add_fetch(struct step_env *s, struct added *ret, struct err *e)
{
	size_t n = s->t->urls.n;

	ret->gits = xcalloc(s->t->gits.n + 1, sizeof(*ret->gits));
	for (; ret->ngits < s->t->gits.n; ret->ngits++)
		TRY(fetch_git(s, ret->ngits, &ret->gits[ret->ngits], e));

	ret->urls = xcalloc(n + 1, sizeof(*ret->urls));
	for (; ret->nurls < n; ret->nurls++) {
		ret->urls[ret->nurls].fd = -1;
		TRY(fetch_one(s, ret->nurls, &ret->urls[ret->nurls], e));
	}
	return 0;
}

void added_done(struct added *a)
{
	for (size_t i = 0; i < a->nurls; i++) {
		if (a->urls[i].fd >= 0)
			close(a->urls[i].fd);
		free(a->urls[i].digest);
	}
	free(a->urls);
	for (size_t i = 0; i < a->ngits; i++) {
		free(a->gits[i].tree);
		free(a->gits[i].commit);
		free(a->gits[i].subdir);
	}
	free(a->gits);
}

void add_hash(const struct added *a, struct hash *h)
{
	for (size_t i = 0; i < a->nurls; i++) {
		hash_text(h, a->urls[i].digest);
		hash_num(h, (uint64_t)a->urls[i].mtime);
	}
	for (size_t i = 0; i < a->ngits; i++) {
		hash_text(h, a->gits[i].commit);
		hash_text(h, a->gits[i].subdir);
	}
}

/* The repository's files into the folder DEST: all of them root's. */
static int place_git(const struct added_git *g, const struct ignore *exclude, const struct copy_to *to, struct err *e)
{
	auto_close int root = open(g->tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct select_from from = { .root = root, .reset_owner = true, .exclude = exclude, .what = "repository" };
	struct copy_to into = *to;
	struct selection all = { 0 };
	AUTO_STRV(top);
	int r;

	if (root < 0)
		return err_sys(e, "open '%s'", g->tree);
	into.as_folder = true;
	strv_add(&top, g->subdir ? g->subdir : "/");
	r = select_sources(&from, &top, &all, e);
	if (r >= 0)
		r = copy_selection(&from, &all, &into, e);
	selection_done(&all);
	return r;
}

int add_place(struct step_env *s, const struct added *a, const struct ignore *exclude, const struct copy_to *to, struct err *e)
{
	for (size_t i = 0; i < a->ngits; i++)
		TRY(place_git(&a->gits[i], exclude, to, e));
	for (size_t i = 0; i < a->nurls; i++) {
		auto_free char *name = url_name(s->t->urls.v[i]);
		int r = s->t->unpack == 1 ? add_archive(s, a->urls[i].fd, 100000 + i, to, e) : 0;

		if (r == 0)
			r = copy_fd(name, a->urls[i].fd, 0600, a->urls[i].mtime * 1000000000, to, e);
		if (r < 0)
			return r;
	}
	return 0;
}
