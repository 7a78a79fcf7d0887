/* SPDX-License-Identifier: MIT */
#include "engine/build/step.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/build/copy.h"
#include "engine/build/glob.h"
#include "engine/build/hash.h"
#include "engine/build/select.h"
#include "engine/container/user.h"
#include "engine/image/store.h"
#include "engine/image/wire.h"
#include "engine/kernel/overlay.h"

/* ---- file systems -------------------------------------------------------------------------------------------------------------------------------- */

int step_private_mounts(struct err *e)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(e, "keep mounts to ourselves");
	return 0;
}

static int open_dir(const char *path, struct err *e)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "open '%s'", path) : fd;
}

/* An overlay on the folder ON, read-only without UPPER. Returns its root. No layers at all: UPPER (or the empty ON) itself. */
int step_mount_layers(const struct step_env *s, const struct strv *layers, const char *on, const char *upper, const char *work, struct err *e)
{
	auto_free int *lower = xcalloc(layers->n + 2, sizeof(*lower));
	auto_close int up = -1, wk = -1, target = -1;
	size_t n = 0;
	int r = 0;

	if (!layers->n)
		return open_dir(upper ? upper : on, e);
	for (bool opaque = false; r >= 0 && n < layers->n && !opaque; n++) {
		const char *chain = layers->v[layers->n - 1 - n];
		auto_free char *path = layer_path(s->dirs, chain);

		r = lower[n] = open_dir(path, e);
		opaque = layer_is_opaque(s->dirs, chain);
	}
	if (r >= 0 && upper)
		r = up = open_dir(upper, e);
	if (r >= 0 && upper)
		r = wk = open_dir(work, e);
	if (r >= 0)
		r = target = open_dir(on, e);
	/* overlayfs wants two layers when nothing is to be written: the empty folder below them changes nothing */
	if (r >= 0 && !upper)
		r = lower[n++] = open_dir(on, e);
	if (r >= 0)
		r = overlay_mount(&(struct overlay){ .lower = lower, .nlower = n, .upper = upper ? up : -1, .work = upper ? wk : -1, .target = target,
						     .target_path = on }, e);
	for (size_t i = 0; i < n; i++)
		if (lower[i] >= 0)
			close(lower[i]);
	return r;
}

int step_source_open(const struct step_env *s, const struct step_source *from, const char *on, struct err *e)
{
	if (from->folder)
		return from->path ? open_dir(from->path, e) : err_set(e, ENOENT, "there is no build context");
	TRY(file_mkdir_p(on, 0755, e));
	return step_mount_layers(s, &from->layers, on, NULL, NULL, e);
}

static char *folder(const struct step_env *s, const char *name)
{
	return dirs_root(s->dirs, "containers/%s/%s", s->id, name);
}

static int open_root(const struct step_env *s, struct err *e)
{
	auto_free char *upper = folder(s, "upper"), *work = folder(s, "work"), *on = folder(s, "merged");

	return step_mount_layers(s, s->layers, on, upper, work, e);
}

/* ---- owners -------------------------------------------------------------------------------------------------------------------------------------- */

static bool is_id(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

static uid_t plain_id(const char *s)
{
	return streq(s, "root") ? 0 : (uid_t)strtoul(s, NULL, 10);
}

/* --chown: ids as they are, names by the destination's passwd and group; unknown names are 0. */
static int chown_parse(int root, bool scratch, const char *text, uid_t *uid, gid_t *gid, struct err *e)
{
	size_t n = strcspn(text, ":");
	auto_free char *user = xstrndup(text, n);
	const char *group = text[n] ? text + n + 1 : NULL;
	bool names = (*user && !is_id(user) && !streq(user, "root")) || (group && *group && !is_id(group) && !streq(group, "root"));

	if (names && scratch)
		return err_set(e, EINVAL, "invalid user index: -1");
	*uid = *gid = 0;
	if (*user && (is_id(user) || streq(user, "root"))) {
		*uid = plain_id(user);
		*gid = (gid_t)*uid;
	} else if (*user) {
		struct ctr_user u = CTR_USER_INIT;
		AUTO_ERR(unknown);

		if (ctr_user_resolve(root, user, NULL, &u, &unknown) >= 0) {
			*uid = u.uid;
			*gid = u.gid;
		}
		ctr_user_done(&u);
	}
	if (group && *group && (is_id(group) || streq(group, "root"))) {
		*gid = (gid_t)plain_id(group);
	} else if (group && *group) {
		struct ctr_user u = CTR_USER_INIT;
		auto_free char *spec = xasprintf("0:%s", group);
		AUTO_ERR(unknown);

		*gid = ctr_user_resolve(root, spec, NULL, &u, &unknown) >= 0 ? u.gid : 0;
		ctr_user_done(&u);
	}
	return 0;
}

/* ---- COPY, ADD ----------------------------------------------------------------------------------------------------------------------------------- */

struct copying {
	struct select_from from;
	struct selection selection;
	struct ignore *ignore, *exclude;
	int source;
	struct fetched {
		int fd;
		int64_t mtime;
		char *digest;
	} *urls;
	size_t nurls;
};

static void copying_done(struct copying *c)
{
	for (size_t i = 0; i < c->nurls; i++) {
		if (c->urls[i].fd >= 0)
			close(c->urls[i].fd);
		free(c->urls[i].digest);
	}
	free(c->urls);
	selection_done(&c->selection);
	ignore_free(c->ignore);
	ignore_free(c->exclude);
	if (c->source >= 0)
		close(c->source);
}

static int copying_open(struct step_env *s, struct copying *c, struct err *e)
{
	const struct step *t = s->t;
	auto_free char *on = folder(s, "source");

	c->from = (struct select_from){ .root = -1, .reset_owner = s->from.folder, .parents = t->parents, .what = s->from.what };
	if (!t->sources.n)
		return 0;
	c->source = step_source_open(s, &s->from, on, e);
	if (c->source < 0)
		return c->source;
	if (s->from.ignore && ignore_parse(s->from.ignore, s->from.ignore_len, &c->ignore, e) < 0)
		return err_wrap(e, "invalid excludepatterns");
	if (t->excludes.n)
		TRY(ignore_new(&t->excludes, &c->exclude, e));
	c->from.root = c->source;
	c->from.ignore = c->ignore;
	c->from.exclude = c->exclude;
	return select_sources(&c->from, &t->sources, &c->selection, e);
}

static int copy_docs(const struct step *t, const struct copy_to *to, struct err *e)
{
	for (size_t i = 0; i < t->doc_names.n; i++) {
		size_t last = i;

		/* of two with one name the last body wins for both */
		for (size_t k = i + 1; k < t->doc_names.n; k++)
			if (streq(t->doc_names.v[k], t->doc_names.v[i]))
				last = k;
		TRY(copy_text(t->doc_names.v[i], t->doc_texts.v[last], to, e));
	}
	return 0;
}

/* ---- ADD ----------------------------------------------------------------------------------------------------------------------------------------- */

/* gantry-image VERB SOCKET A B [URL]: its one answer. */
static int image_program(const char *verb, int a, int b, const char *url, struct cJSON **ret, struct err *e)
{
	auto_free char *path = NULL;
	char sock[16], first[16], second[16];
	int pair[2], r, status;
	pid_t pid;

	TRY(dirs_program("gantry-image", &path, e));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	snprintf(sock, sizeof(sock), "%d", pair[1]);
	snprintf(first, sizeof(first), "%d", a);
	snprintf(second, sizeof(second), "%d", b);

	char *const argv[] = { (char *)"gantry-image", (char *)verb, sock, first, second, (char *)url, NULL };
	const int fds[] = { pair[1], a, b > 2 ? b : -1, -1 };

	r = proc_spawn(&(struct proc_spawn){ .path = path, .argv = argv, .fds = fds }, &pid, NULL, e);
	close(pair[1]);
	if (r >= 0) {
		AUTO_ERR(ignored);

		r = wire_recv(pair[0], ret, e);
		(void)proc_wait(pid, &status, &ignored);
	}
	close(pair[0]);
	return r;
}

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
	into.replace = true;
	if (!str_ends(into.dest, "/"))
		into.as_folder = true;
	strv_add(&top, "/");
	r = select_sources(&from, &top, &all, e);
	if (r >= 0)
		r = copy_selection(&from, &all, &into, e);
	selection_done(&all);
	return r < 0 ? r : 1;
}

/* ADD of local files: archives among them are unpacked, the others stay in the selection. */
static int add_archives(struct step_env *s, struct copying *c, const struct copy_to *to, struct err *e)
{
	for (size_t i = 0; s->t->unpack != 0 && i < c->selection.n; i++) {
		struct item *item = &c->selection.v[i];
		AUTO_ERR(ignored);
		int r;

		if (item->is_dir || item->n != 1 || !S_ISREG(item->v[0].st.st_mode))
			continue;

		auto_close int fd = path_open_in(c->from.root, item->v[0].path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0, e);

		if (fd < 0)
			return fd;
		r = add_archive(s, fd, i, to, e);
		if (r < 0)
			return err_wrap(e, "'%s'", item->name);
		if (r == 0)
			continue;
		free(item->v[0].path);
		free(item->v[0].rel);
		free(item->v);
		free(item->name);
		memmove(item, item + 1, (c->selection.n - i - 1) * sizeof(*item));
		c->selection.n--;
		i--;
	}
	return 0;
}

/* The name that a URL's file gets. */
static char *url_name(const char *url)
{
	const char *path = strstr(url, "://");
	auto_free char *bare = NULL;

	path = path ? strchr(path + 3, '/') : NULL;
	bare = xstrndup(path ? path : "", path ? strcspn(path, "?#") : 0);
	return xstrdup(*path_base(bare) && !str_ends(bare, "/") && *bare ? path_base(bare) : "__unnamed__");
}

static int fetch_urls(struct step_env *s, struct copying *c, struct err *e)
{
	const struct step *t = s->t;

	c->urls = xcalloc(t->urls.n + 1, sizeof(*c->urls));
	for (size_t i = 0; i < t->urls.n; i++) {
		auto_free char *path = dirs_root(s->dirs, "containers/%s/url%zu", s->id, i);
		AUTO(json_free) struct cJSON *answer = NULL;
		struct fetched *f = &c->urls[c->nurls++];

		f->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (f->fd < 0)
			return err_sys(e, "'%s'", path);
		if (image_program("fetch", f->fd, 0, t->urls.v[i], &answer, e) < 0)
			return err_wrap(e, "failed to load cache key: %s", t->urls.v[i]);
		if (t->checksum && !streq(t->checksum, str0(json_str(answer, "digest"))))
			return err_set(e, EBADMSG, "digest mismatch for %s: %s (expected: %s)", t->urls.v[i], str0(json_str(answer, "digest")),
				t->checksum);
		f->mtime = json_int(answer, "mtime", 0);
		f->digest = xstrdup(str0(json_str(answer, "digest")));
		if (lseek(f->fd, 0, SEEK_SET) < 0)
			return err_sys(e, "seek");
	}
	return 0;
}

static int add_urls(struct step_env *s, struct copying *c, const struct copy_to *to, struct err *e)
{
	for (size_t i = 0; i < c->nurls; i++) {
		auto_free char *name = url_name(s->t->urls.v[i]);
		int r = s->t->unpack == 1 ? add_archive(s, c->urls[i].fd, 100000 + i, to, e) : 0;

		if (r == 0)
			r = copy_fd(name, c->urls[i].fd, 0600, c->urls[i].mtime * 1000000000, to, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What was decided is said, and whether it is to be done is heard. */
static int ask(struct step_env *s, const char *key, struct err *e)
{
	AUTO(json_free) struct cJSON *j = json_object(), *answer = NULL;

	json_add_str(j, "key", key);
	TRY(wire_send(s->sock, j, e));
	TRY(wire_recv(s->sock, &answer, e));
	return json_bool(answer, "go", false) ? 0 : err_set(e, ECANCELED, "not needed");
}

static int do_copy(struct step_env *s, struct copying *c, struct err *e)
{
	const struct step *t = s->t;
	/* --link as BuildKit does it where its store cannot merge: as a copy onto what is there */
	auto_close int root = open_root(s, e);
	struct copy_to to = { .root = root, .dest = t->dest, .chmod = t->chmod };

	if (root < 0)
		return root;
	if (t->chown) {
		to.set_owner = true;
		TRY(chown_parse(root, !s->layers->n, t->chown, &to.uid, &to.gid, e));
	}
	if (t->add)
		TRY(add_archives(s, c, &to, e));
	TRY(copy_selection(&c->from, &c->selection, &to, e));
	TRY(add_urls(s, c, &to, e));
	return copy_docs(t, &to, e);
}

static int step_copy(struct step_env *s, struct err *e)
{
	AUTO_DONE(copying_done) struct copying c = { .source = -1 };
	char digest[SELECTION_DIGEST];
	struct hash h;

	TRY(step_private_mounts(e));
	if (copying_open(s, &c, e) < 0)
		return s->t->sources.n ? err_wrap(e, "failed to compute cache key") : -e->code;
	TRY(selection_digest(&c.from, &c.selection, digest, e));
	TRY(fetch_urls(s, &c, e));
	hash_init(&h);
	hash_text(&h, digest);
	for (size_t i = 0; i < c.nurls; i++) {
		hash_text(&h, c.urls[i].digest);
		hash_num(&h, (uint64_t)c.urls[i].mtime);
	}
	hash_end(&h, digest);
	TRY(ask(s, digest, e));
	return do_copy(s, &c, e);
}

/* ---- WORKDIR ------------------------------------------------------------------------------------------------------------------------------------- */

static int step_workdir(struct step_env *s, struct err *e)
{
	struct ctr_user u = CTR_USER_INIT;
	int root, dir, r;

	TRY(step_private_mounts(e));
	root = open_root(s, e);
	if (root < 0)
		return root;
	r = ctr_user_resolve(root, s->t->user, NULL, &u, e);
	if (r >= 0) {
		dir = copy_mkdir(root, s->t->dest, u.uid, u.gid, e);
		r = dir;
		if (dir >= 0)
			close(dir);
	}
	ctr_user_done(&u);
	close(root);
	return r < 0 ? r : 0;
}

/* ---- the layer ----------------------------------------------------------------------------------------------------------------------------------- */

/* SOURCE_DATE_EPOCH: no time in the layer is later. */
static int clamp_times(int dirfd, int64_t epoch, int depth, struct err *e)
{
	const struct timespec times[2] = { { .tv_sec = epoch }, { .tv_sec = epoch } };
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *d;
	int r = 0;

	if (!dir || depth > PICK_DEPTH) {
		r = err_sys(e, "read a folder of the layer");
		if (dir)
			closedir(dir);
		return r;
	}
	while (r >= 0 && (d = readdir(dir))) {
		struct stat st;

		if (streq(d->d_name, ".") || streq(d->d_name, "..") || fstatat(dirfd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			auto_close int fd = openat(dirfd, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			r = fd < 0 ? err_sys(e, "open a folder of the layer") : clamp_times(fd, epoch, depth + 1, e);
		}
		if (r >= 0 && st.st_mtim.tv_sec > epoch && utimensat(dirfd, d->d_name, times, AT_SYMLINK_NOFOLLOW) < 0)
			r = err_sys(e, "set a time in the layer");
	}
	closedir(dir);
	return r;
}

static int finish(struct step_env *s, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = NULL;
	auto_free char *path = folder(s, "upper");
	auto_close int upper = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (upper < 0)
		return err_sys(e, "open '%s'", path);
	if (s->epoch >= 0)
		TRY(clamp_times(upper, s->epoch, 0, e));
	TRY(image_program("digest", upper, WHITEOUT_DEVICE, NULL, &answer, e));
	return wire_send(s->sock, answer, e);
}

_Noreturn void step_main(struct step_env *s)
{
	static int (*const kinds[])(struct step_env *, struct err *) = {
		[STEP_RUN] = step_run, [STEP_COPY] = step_copy, [STEP_WORKDIR] = step_workdir,
	};
	AUTO_ERR(e);
	AUTO_ERR(lost);

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "gantry-step");
	if (kinds[s->t->kind](s, &e) < 0 || finish(s, &e) < 0) {
		(void)wire_send_err(s->sock, &e, &lost);
		_exit(1);
	}
	_exit(0);
}
