/* SPDX-License-Identifier: MIT */
#include "engine/image/fsck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "base/str.h"
#include "engine/image/blob.h"
#include "engine/image/manifest.h"
#include "engine/image/program.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "engine/image/tree.h"
#include "engine/image/trees.h"
#include "engine/image/wire.h"
#include "engine/image/worker.h"
#include "state/blob_store.h"
#include "state/check_store.h"
#include "state/container_store.h"
#include "state/db.h"

enum { WORKERS_MOST = 8, QUEUE_BYTES = 1 << 20 };

void fsck_done(struct fsck *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].id);
		strv_done(&f->v[i].lines);
	}
	free(f->v);
	f->v = NULL;
	f->n = f->cap = 0;
}

bool fsck_whole(const struct fsck *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].state == FSCK_DAMAGED)
			return false;
	return true;
}

struct fsck_finding *fsck_add(struct fsck *f, enum fsck_kind kind, enum fsck_state state, const char *id)
{
	xgrow(&f->v, f->n, &f->cap, sizeof(*f->v));
	f->v[f->n] = (struct fsck_finding){ .kind = kind, .state = state, .id = xstrdup0(id) };
	return &f->v[f->n++];
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------------------------------- */

static void row_damage(struct fsck *f, char *line)
{
	strv_add_take(&fsck_add(f, FSCK_ROWS, FSCK_DAMAGED, NULL)->lines, line);
}

static int check_image(struct db *db, const char *id, struct fsck *f, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_DONE(config_info_done) struct config_info info = { 0 };
	AUTO_ERR(why);
	AUTO_STRV(chain);
	char got[DIGEST_TEXT];
	int r = image_get(db, id, &row, e);

	if (r != 0)
		return MIN(r, 0);
	digest_text(row.config, strlen(row.config), got);
	if (!streq(got, id))
		row_damage(f, xasprintf("image %s: its config was changed, it has the digest %s", id, got));
	else if (config_info_parse(row.config, strlen(row.config), &info, &why) < 0)
		row_damage(f, xasprintf("image %s: %s", id, err_text(&why)));
	else
		chain_ids(&info.diff_ids, &chain);
	/* what lies below an opaque root is left out */
	for (size_t i = 0; chain.n && i < row.layers.n; i++)
		if (row.layers.n > chain.n || !streq(row.layers.v[row.layers.n - 1 - i], chain.v[chain.n - 1 - i])) {
			row_damage(f, xasprintf("image %s: its layers are not those of its config", id));
			break;
		}
	return 0;
}

static int check_rows(struct db *db, struct fsck *f, struct err *e)
{
	AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;
	AUTO_STRV(ids);
	AUTO_STRV(lines);

	TRY(db_check(db, &lines, e));
	for (size_t i = 0; i < lines.n; i++)
		row_damage(f, xasprintf("database: %s", lines.v[i]));
	TRY(image_list(db, &ids, e));
	for (size_t i = 0; i < ids.n; i++)
		TRY(check_image(db, ids.v[i], f, e));
	TRY(ctr_list(db, NULL, NULL, &rows, e));
	for (size_t i = 0; i < rows.n; i++)
		if (rows.v[i].image_id && !strv_has(&ids, rows.v[i].image_id))
			row_damage(f, xasprintf("container %s: its image %s is not there", rows.v[i].name, rows.v[i].image_id));
	return 0;
}

/* ---- one layer, one blob: in a worker ---------------------------------------------------------------------------------------------------------------- */

struct task {
	struct layer_row layer;   /* chain_id NULL: a blob */
	char *blob;               /* file name */
};
struct check {
	const struct dirs *dirs;
	bool fast;
	struct task *v;
	size_t n, cap;
};

static void check_done(struct check *c)
{
	for (size_t i = 0; i < c->n; i++) {
		layer_row_done(&c->v[i].layer);
		free(c->v[i].blob);
	}
	free(c->v);
}

/* A list is only what its digest in the row says. 1: there is none to rely on. */
static int list_read(const struct dirs *d, const struct layer_row *l, char **ret, size_t *ret_n, struct err *e)
{
	auto_free char *path = tree_path(d, l->chain_id), *text = NULL;
	char got[DIGEST_TEXT];
	AUTO_ERR(missing);
	size_t n = 0;

	if (!l->tree_digest)
		return 1;
	if (file_read(path, TREE_LIST_MAX, &text, &n, &missing) < 0)
		return err_is(&missing, ENOENT) ? 1 : err_move(e, &missing);
	digest_text(text, n, got);
	if (!streq(got, l->tree_digest))
		return 1;
	*ret = TAKE(text);
	*ret_n = n;
	return 0;
}

/* No list: layers that were built or imported as a folder give their DiffID when they are packed. */
static int check_unlisted(const struct check *c, const struct layer_row *l, int dir, struct cJSON *answer, struct err *e)
{
	AUTO(json_free) struct cJSON *packed = NULL;
	auto_free char *digest = NULL;
	bool verified;

	TRY(image_program("digest", dir, image_driver_form(l->driver), NULL, &packed, e));
	verified = streq(str0(json_str(packed, "diff")), l->diff_id);
	if (l->tree_digest && !verified) {
		json_add_str(json_add_array(answer, "lines"), NULL, "the list of its files is damaged or missing");
		return 0;
	}
	TRY(tree_record(c->dirs, l->chain_id, dir, ".", &digest, e));
	json_add_str(answer, "recorded", digest);
	json_add_bool(answer, "verified", verified);
	return 0;
}

static int check_layer(const struct check *c, const struct layer_row *l, struct cJSON *answer, struct err *e)
{
	auto_free char *path = layer_path(c->dirs, l->chain_id), *was = NULL;
	auto_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_STR(is, TREE_LIST_MAX);
	AUTO_STRV(lines);
	size_t n = 0;
	int r;

	if (dir < 0 && errno == ENOENT) {
		json_add_str(json_add_array(answer, "lines"), NULL, "missing: the whole folder");
		return 0;
	}
	if (dir < 0)
		return err_sys(e, "open '%s'", path);
	TRY(r = list_read(c->dirs, l, &was, &n, e));
	if (r > 0)
		return check_unlisted(c, l, dir, answer, e);
	TRY(tree_list(dir, NULL, c->fast ? TREE_FAST : TREE_FULL, &is, e));
	if (is.len == n && memcmp(is.s, was, n) == 0)
		return 0;
	TRY(tree_compare(was, n, is.s, is.len, c->fast, &lines, e));
	if (lines.n)
		json_add_strv(answer, "lines", &lines);
	return 0;
}

static int check_blob(const struct check *c, const char *name, struct cJSON *answer, struct err *e)
{
	auto_free char *path = dirs_root(c->dirs, "images/blobs/%s", name), *line = NULL;
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_free char *digest = xstrdup(name);
	AUTO(json_free) struct cJSON *sum = NULL;
	char *dash = strchr(digest, '-');

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open '%s'", path);
	if (dash)
		*dash = ':';
	TRY(image_program("sum", fd, 0, digest, &sum, e));
	if (streq(str0(json_str(sum, "digest")), digest))
		return 0;
	line = xasprintf("changed: its digest is %s now, %lld bytes", str0(json_str(sum, "digest")), (long long)json_int(sum, "size", 0));
	json_add_str(json_add_array(answer, "lines"), NULL, line);
	return 0;
}

static int work(const struct check *c, int queue, int sock, struct err *e)
{
	uint32_t i;

	for (;;) {
		AUTO(json_free) struct cJSON *answer = json_object();
		ssize_t n = read(queue, &i, sizeof(i));
		AUTO_ERR(why);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(i))
			return n < 0 ? err_sys(e, "read what to check") : 0;
		json_add_int(answer, "task", i);
		if ((c->v[i].blob ? check_blob(c, c->v[i].blob, answer, &why) : check_layer(c, &c->v[i].layer, answer, &why)) < 0)
			wire_add_err(answer, "failed", &why);
		TRY(wire_send(sock, answer, e));
	}
}

/* ---- the workers -------------------------------------------------------------------------------------------------------------------------------------- */

static int start(const struct check *c, int queue, struct worker *w, struct err *e)
{
	int sock = -1;

	TRY(worker_fork(w, "checker", &sock, e));
	if (w->pid == 0) {
		AUTO_ERR(lost);

		_exit(work(c, queue, sock, &lost) < 0);
	}
	return 0;
}

static int found(struct db *db, const struct check *c, struct fsck *f, const struct cJSON *answer, struct err *e)
{
	int64_t i = json_int(answer, "task", -1);
	const struct task *t = i >= 0 && (size_t)i < c->n ? &c->v[i] : NULL;
	const char *recorded = json_str(answer, "recorded");
	struct fsck_finding *one;
	AUTO_ERR(why);

	if (!t)
		return err_set(e, EPROTO, "a checker does not say what it checked");
	if (json_get(answer, "failed")) {
		(void)wire_raise(json_get(answer, "failed"), &why);
		one = fsck_add(f, t->blob ? FSCK_BLOB : FSCK_LAYER, FSCK_DAMAGED, t->blob ? t->blob : t->layer.chain_id);
		strv_add(&one->lines, err_text(&why));
	} else if (json_get(answer, "lines")) {
		one = fsck_add(f, t->blob ? FSCK_BLOB : FSCK_LAYER, FSCK_DAMAGED, t->blob ? t->blob : t->layer.chain_id);
		json_strv(answer, "lines", &one->lines);
	} else if (recorded) {
		TRY(layer_set_tree(db, t->layer.chain_id, recorded, e));
		if (!json_bool(answer, "verified", false)) {
			one = fsck_add(f, FSCK_LAYER, FSCK_NOTED, t->layer.chain_id);
			strv_add(&one->lines, "it was unpacked by an older gantry without a list of its files: listed now, as they are");
		}
	}
	return 0;
}

static int hear(struct db *db, const struct check *c, struct fsck *f, struct worker *w, size_t n, struct err *e)
{
	for (size_t left = n; left;) {
		struct pollfd p[WORKERS_MOST];

		for (size_t i = 0; i < n; i++)
			p[i] = (struct pollfd){ w[i].sock, POLLIN, 0 };
		if (poll(p, n, -1) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		for (size_t i = 0; i < n; i++) {
			AUTO(json_free) struct cJSON *answer = NULL;
			AUTO_ERR(ended);
			int status = 0;

			if (p[i].fd < 0 || !p[i].revents)
				continue;
			if (wire_recv(w[i].sock, &answer, &ended) >= 0) {
				TRY(found(db, c, f, answer, e));
				continue;
			}
			close(TAKE_FD(w[i].sock));
			(void)waitpid(w[i].pid, &status, 0);
			w[i].pid = 0;
			left--;
			if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
				return err_set(e, EPIPE, "a checker ended unexpectedly");
		}
	}
	return 0;
}

static int run(struct db *db, const struct check *c, struct fsck *f, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t most = (size_t)MAX(1, MIN(cpus, WORKERS_MOST)), n = 0;
	struct worker w[WORKERS_MOST];
	int ends[2], r = 0;

	TRY(fd_pipe(ends, e));
	(void)fcntl(ends[1], F_SETPIPE_SZ, QUEUE_BYTES);
	if (c->n * sizeof(uint32_t) > QUEUE_BYTES)
		r = err_set(e, E2BIG, "more than %d layers and blobs", QUEUE_BYTES / 4);
	for (uint32_t i = 0; r >= 0 && i < c->n; i++)
		r = fd_write_all(ends[1], &i, sizeof(i), e);
	close(ends[1]);
	while (r >= 0 && n < most) {
		r = start(c, ends[0], &w[n], e);
		n += r >= 0;
	}
	close(ends[0]);
	if (r >= 0)
		r = hear(db, c, f, w, n, e);
	for (size_t i = 0; i < n; i++)
		worker_end(&w[i]);
	return r;
}

/* ---- what there is to look at -------------------------------------------------------------------------------------------------------------------------- */

static struct task *task_new(struct check *c)
{
	xgrow(&c->v, c->n, &c->cap, sizeof(*c->v));
	c->v[c->n] = (struct task){ 0 };
	return &c->v[c->n++];
}

static int add_layers(struct db *db, struct check *c, struct fsck *f, struct err *e)
{
	AUTO_STRV(chain);

	TRY(layer_list(db, &chain, e));
	for (size_t i = 0; i < chain.n; i++) {
		struct task *t = task_new(c);
		int r = layer_get(db, chain.v[i], &t->layer, e);

		TRY(r);
		if (r > 0)
			c->n--; /* it went meanwhile */
		else
			f->layers++;
	}
	return 0;
}

static int add_blobs(struct check *c, struct fsck *f, struct err *e)
{
	auto_free char *path = dirs_root(c->dirs, "images/blobs");
	DIR *dir = opendir(path);
	struct dirent *d;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(e, "read '%s'", path);
	while ((d = readdir(dir)))
		if (str_starts(d->d_name, "sha") && !str_ends(d->d_name, ".part")) {
			task_new(c)->blob = xstrdup(d->d_name);
			f->blobs++;
		}
	closedir(dir);
	return 0;
}

/* Archives that only a file brought, and which are gone. */
static int check_archives(struct db *db, struct fsck *f, struct err *e)
{
	AUTO_DONE(blob_rows_done) struct blob_rows rows = { 0 };

	TRY(blob_list(db, &rows, e));
	for (size_t i = 0; i < rows.n; i++) {
		auto_free char *name = blob_name(rows.v[i].digest), *path = blob_path(db_dirs(db), rows.v[i].digest);

		if (streq(rows.v[i].origin, BLOB_LOADED) && !file_exists(path))
			strv_addf(&fsck_add(f, FSCK_BLOB, FSCK_DAMAGED, name)->lines, "missing: the archive of layer %s", rows.v[i].chain_id);
	}
	return 0;
}

int image_fsck(struct db *db, struct fsck *f, struct err *e)
{
	AUTO_DONE(check_done) struct check c = { .dirs = db_dirs(db), .fast = f->fast };
	auto_close int lock = -1;

	TRY(image_layers_lock(db_dirs(db), false, &lock, e));
	TRY(check_rows(db, f, e));
	TRY(check_archives(db, f, e));
	TRY(add_layers(db, &c, f, e));
	if (!f->fast)
		TRY(add_blobs(&c, f, e));
	return run(db, &c, f, e);
}
