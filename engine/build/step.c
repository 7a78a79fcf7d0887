/* SPDX-License-Identifier: MIT */
#include "engine/build/step.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/build/add.h"
#include "engine/build/copy.h"
#include "engine/build/glob.h"
#include "engine/build/hash.h"
#include "engine/build/owner.h"
#include "engine/build/select.h"
#include "engine/image/store.h"
#include "engine/image/stub.h"
#include "engine/image/program.h"
#include "engine/image/wire.h"
#include "engine/kernel/overlay.h"

enum { HERE_BYTES = 8 << 20 };

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
	if (from->layers.n && image_driver_copies(s->driver))
		return image_root_view(s->dirs, s->driver, &from->layers, on, e);
	return step_mount_layers(s, &from->layers, on, NULL, NULL, e);
}

static char *folder(const struct step_env *s, const char *name)
{
	return dirs_root(s->dirs, "containers/%s/%s", s->id, name);
}

int step_root_make(const struct step_env *s, struct err *e)
{
	auto_free char *path = dirs_root(s->dirs, "containers/%s", s->id);

	return image_root_make(s->dirs, s->driver, s->layers, path, e);
}

int step_layer_take(struct step_env *s, struct err *e)
{
	auto_free char *path = dirs_root(s->dirs, "containers/%s", s->id);
	auto_close int dir = -1;

	if (s->taken || !image_driver_copies(s->driver))
		return 0;
	dir = open_dir(path, e);
	TRY(dir < 0 ? dir : image_root_changes(s->dirs, s->driver, s->layers, path, true, dir, "upper", e));
	s->taken = true;
	return 0;
}

static int open_root(const struct step_env *s, struct err *e)
{
	auto_free char *upper = folder(s, "upper"), *work = folder(s, "work"), *on = folder(s, "merged"), *copy = folder(s, "root");

	if (image_driver_copies(s->driver)) {
		TRY(step_root_make(s, e));
		return open_dir(copy, e);
	}
	return step_mount_layers(s, s->layers, on, upper, work, e);
}

/* ---- COPY, ADD ----------------------------------------------------------------------------------------------------------------------------------- */

struct copying {
	struct select_from from;
	struct selection selection;
	struct ignore *ignore, *exclude;
	int source;
	struct added added;
};

static void copying_done(struct copying *c)
{
	added_done(&c->added);
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
	if (t->excludes.n)
		TRY(ignore_new(&t->excludes, &c->exclude, e));
	if (!t->sources.n)
		return 0;
	c->source = step_source_open(s, &s->from, on, e);
	if (c->source < 0)
		return c->source;
	if (s->from.ignore && ignore_parse(s->from.ignore, s->from.ignore_len, &c->ignore, e) < 0)
		return err_wrap(e, "invalid excludepatterns");
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

int step_ask(struct step_env *s, const char *key, struct err *e)
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
		TRY(owner_parse(root, !s->layers->n, t->chown, &to.uid, &to.gid, e));
	}
	if (t->add)
		TRY(add_archives(s, &c->from, &c->selection, &to, e));
	TRY(copy_selection(&c->from, &c->selection, &to, e));
	TRY(add_place(s, &c->added, c->exclude, &to, e));
	return copy_docs(t, &to, e);
}

static int copy_content(const struct copying *c, char ret[SELECTION_DIGEST], struct err *e)
{
	struct hash h;

	TRY(selection_digest(&c->from, &c->selection, ret, e));
	hash_init(&h);
	hash_text(&h, ret);
	add_hash(&c->added, &h);
	hash_end(&h, ret);
	return 0;
}

static int step_copy(struct step_env *s, struct err *e)
{
	AUTO_DONE(copying_done) struct copying c = { .source = -1 };
	char digest[SELECTION_DIGEST];

	TRY(step_private_mounts(e));
	if (copying_open(s, &c, e) < 0)
		return s->t->sources.n ? err_wrap(e, "failed to compute cache key") : -e->code;
	TRY(add_fetch(s, &c.added, e));
	if (!s->keyed) {
		TRY(copy_content(&c, digest, e));
		TRY(step_ask(s, digest, e));
	}
	return do_copy(s, &c, e);
}

static uint64_t selection_size(const struct selection *l)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < l->v[i].n; k++)
			sum += S_ISREG(l->v[i].v[k].st.st_mode) ? (uint64_t)l->v[i].v[k].st.st_size : 0;
	return sum;
}

bool step_content_here(struct step_env *s, char ret[SELECTION_DIGEST])
{
	AUTO_DONE(copying_done) struct copying c = { .source = -1 };
	AUTO_ERR(why); /* the step's process says it */

	if (s->t->kind != STEP_COPY || !s->from.folder || s->t->urls.n || s->t->gits.n)
		return false;
	return copying_open(s, &c, &why) >= 0 && selection_size(&c.selection) <= HERE_BYTES && copy_content(&c, ret, &why) >= 0;
}

/* ---- WORKDIR ------------------------------------------------------------------------------------------------------------------------------------- */

static int step_workdir(struct step_env *s, struct err *e)
{
	auto_close int root = -1, dir = -1;
	const char *user = s->t->user;
	uid_t uid = 0;
	gid_t gid = 0;

	TRY(step_private_mounts(e));
	root = open_root(s, e);
	if (root < 0)
		return root;
	/* the rules of --chown, not of RUN's user: an unknown one is root */
	if (user && *user)
		TRY(owner_parse(root, !s->layers->n, user, &uid, &gid, e));
	dir = copy_mkdir(root, s->t->dest, uid, gid, e);
	return dir < 0 ? dir : 0;
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
	auto_close int upper = -1;

	TRY(step_layer_take(s, e));
	upper = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (upper < 0)
		return err_sys(e, "open '%s'", path);
	if (!image_driver_copies(s->driver))
		TRY(opaque_tidy(s->dirs, s->layers, upper, e));
	if (s->epoch >= 0)
		TRY(clamp_times(upper, s->epoch, 0, e));
	TRY(image_program("digest", upper, (int)image_driver_form(s->driver), NULL, &answer, e));
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
		if (e.code == ENOSPC)
			err_hint(&e, "make room where '%s' is ('gantry gc' and 'gantry image prune' remove what nobody uses), or choose another folder with --root",
				s->dirs->root);
		(void)wire_send_err(s->sock, &e, &lost);
		_exit(1);
	}
	_exit(0);
}
