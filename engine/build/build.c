/* SPDX-License-Identifier: MIT */
#include "engine/build/build.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/build/build_priv.h"
#include "engine/build/cache.h"
#include "engine/image/load_priv.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "engine/image/wire.h"
#include "state/build_store.h"
#include "state/db.h"

/* ---- what it is built from ----------------------------------------------------------------------------------------------------------------------- */

void build_failure_done(struct build_failure *f)
{
	free(f->step);
	free(f->output);
	free(f->excerpt);
	*f = (struct build_failure){ 0 };
}

void build_options_secret(struct build_options *o, const char *id, const char *value, size_t n)
{
	o->secrets = xreallocarray(o->secrets, o->nsecrets + 1, sizeof(*o->secrets));
	o->secrets[o->nsecrets] = (struct build_secret){ xstrdup(id), xmalloc(n + 1), n };
	memcpy(o->secrets[o->nsecrets].value, value, n);
	o->secrets[o->nsecrets++].value[n] = '\0';
}

void build_options_done(struct build_options *o)
{
	struct strv *const lists[] = { &o->args, &o->labels, &o->tags, &o->contexts, &o->extra_hosts, &o->no_cache_filter, &o->ssh };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		strv_done(lists[i]);
	for (size_t i = 0; i < o->nsecrets; i++) {
		free(o->secrets[i].id);
		explicit_bzero(o->secrets[i].value, o->secrets[i].len);
		free(o->secrets[i].value);
	}
	free(o->secrets);
	for (size_t i = 0; i < o->nulimits; i++)
		free(o->ulimits[i].name);
	free(o->ulimits);
}

struct build_item *build_set_add(struct build_set *set)
{
	xgrow(&set->v, set->n, &set->cap, sizeof(*set->v));
	set->v[set->n] = (struct build_item){ 0 };
	return &set->v[set->n++];
}

void build_set_done(struct build_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		build_options_done(&set->v[i].o);
		free(set->v[i].needs);
		free(set->v[i].id);
	}
	free(set->v);
}

static int make_tmp(struct builds *a, struct err *e)
{
	if (a->tmp_path)
		return 0;
	a->tmp_fd = image_tmp_make(a->dirs, a->tmp_name, &a->tmp_path, e);
	return MIN(a->tmp_fd, 0);
}

/* The build's COUNTth context that has to be fetched, into a folder that none of its own has. */
static int fetch_context(struct build *b, const char *text, size_t count, struct context *ret, struct err *e)
{
	auto_free char *name = xasprintf("context-%zu-%zu", (size_t)(b - b->all->v), count);

	TRY(make_tmp(b->all, e));
	return context_fetch(b->o, text, b->all->tmp_path, name, ret, e);
}

/* Fetches the context, where it is no folder. */
static int open_context(struct build *b, struct err *e)
{
	const char *text = b->o->context;

	if (!text || !context_is_remote(text)) {
		b->files = text;
		return 0;
	}
	TRY(fetch_context(b, text, 0, &b->context, e));
	b->files = b->context.folder;
	return 0;
}

/* The text of .dockerignore PATH, whose patterns are all right. */
static int ignore_read(const char *path, char **ret, size_t *ret_len, struct err *e)
{
	AUTO(ignore_free) struct ignore *checked = NULL;
	auto_free char *text = NULL;
	size_t n;

	if (file_read(path, IGNORE_MAX, &text, &n, e) < 0)
		return -e->code;
	if (ignore_parse(text, n, &checked, e) < 0)
		return err_wrap(e, "%s: invalid excludepatterns", path);
	*ret = TAKE(text);
	*ret_len = n;
	return 0;
}

static int use_folder(const char *folder, struct context *ret, struct err *e)
{
	auto_free char *path = path_join(folder, ".dockerignore");

	if (file_exists(path))
		TRY(ignore_read(path, &ret->ignore, &ret->ignore_len, e));
	ret->folder = xstrdup(folder);
	return 0;
}

int build_named_context(struct build *b, const char *value, const struct context **ret, struct err *e)
{
	struct context *c = map_get(&b->contexts, value);
	struct context found = { 0 };

	if (!c) {
		TRY(context_is_remote(value) ? fetch_context(b, value, b->contexts.n + 1, &found, e) : use_folder(value, &found, e));
		c = xcalloc(1, sizeof(found));
		*c = found;
		map_set(&b->contexts, value, c);
	}
	*ret = c;
	return 0;
}

static int use_text(struct build *b, const char *text)
{
	b->name = xstrdup(b->o->dockerfile_name ? b->o->dockerfile_name : "Dockerfile");
	b->text = xstrdup(text);
	b->len = strlen(text);
	return 0;
}

/* The path below the context, or as it is. A fetched context's links lead nowhere else. */
static int read_file(struct build *b, const char *path, struct err *e)
{
	auto_close int root = -1, fd = -1;

	if (!b->context.folder)
		return file_read(path, DF_MAX, &b->text, &b->len, e);
	root = open(b->context.folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, "open the build context");
	fd = path_open_in(root, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0, e);
	return fd < 0 ? fd : fd_read_all(fd, DF_MAX, &b->text, &b->len, e);
}

static int read_dockerfile(struct build *b, struct err *e)
{
	const struct build_options *o = b->o;
	const char *base = b->context.folder ? "" : str0(b->files);
	auto_free char *path = NULL;
	AUTO_ERR(first);
	int r;

	if (o->dockerfile_text || b->context.dockerfile)
		return use_text(b, o->dockerfile_text ? o->dockerfile_text : b->context.dockerfile);
	path = o->dockerfile ? xstrdup(o->dockerfile) : path_join(base, "Dockerfile");
	r = read_file(b, path, &first);
	if (r == -ENOENT && (!o->dockerfile || streq(path_base(path), "Dockerfile"))) {
		auto_free char *dir = path_parent(path), *lower = path_join(dir, "dockerfile");
		AUTO_ERR(second);

		if (read_file(b, lower, &second) >= 0) {
			free(path);
			path = TAKE(lower);
			err_clear(&first);
			r = 0;
		}
	}
	if (r == -ENOENT) {
		err_set(e, ENOENT, "failed to read dockerfile: '%s': no such file", path);
		err_hint(e, "name it with -f, or 'dockerfile:' in the build section");
		return -ENOENT;
	}
	if (r < 0)
		return err_move(e, &first);
	b->name = xstrdup(o->dockerfile_name ? o->dockerfile_name : path_base(path));
	if (!b->context.folder)
		b->path = TAKE(path);
	return 0;
}

/* DOCKERFILE.dockerignore beside it, else the context's .dockerignore; fetched contexts have none. */
static int read_ignore(struct build *b, struct err *e)
{
	auto_free char *own = b->path ? xasprintf("%s.dockerignore", b->path) : NULL;
	auto_free char *common = b->files && !b->context.folder ? path_join(b->files, ".dockerignore") : NULL;
	const char *path = own && file_exists(own) ? own : common && file_exists(common) ? common : NULL;

	return path ? ignore_read(path, &b->ignore, &b->ignore_len, e) : 0;
}

/* The Dockerfile's lines around PLACE. */
static char *excerpt(const struct build *b, struct df_place place)
{
	AUTO_STR(out, 64 << 10);
	int from, to, line = 1;

	if (place.first <= 0 || !b->text)
		return NULL;
	from = MAX(place.first - 2, 1);
	to = MIN(place.last + 2, place.first + 20);
	str_addf(&out, "%s:%d\n--------------------\n", b->name, place.first);
	for (const char *p = b->text; p && *p && line <= to; line++) {
		size_t n = strcspn(p, "\n");

		if (line >= from) {
			auto_free char *shown = str_visible_line(p, MIN(n, (size_t)500));

			str_addf(&out, " %3d | %s %s\n", line, line >= place.first && line <= place.last ? ">>>" : "   ", shown);
		}
		p = p[n] ? p + n + 1 : NULL;
	}
	str_add(&out, "--------------------\n");
	return str_take(&out);
}

/* ---- the place where steps work ------------------------------------------------------------------------------------------------------------------ */

/* What killed builds left: folders whose build's lock (images/tmp/NAME) nobody holds. */
static void sweep(struct builds *a)
{
	AUTO_STRV(names);
	DIR *dir = fdopendir(fcntl(a->load.tmp, F_DUPFD_CLOEXEC, 3));
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (str_starts(d->d_name, "build-"))
			strv_add(&names, d->d_name);
	if (dir)
		closedir(dir);
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *name = xstrndup(names.v[i] + 6, strcspn(names.v[i] + 6, "-"));
		auto_free char *lock = dirs_root(a->dirs, "images/tmp/%s", name);
		AUTO_ERR(ignored);

		if (!file_exists(lock))
			(void)file_remove_tree(a->load.tmp, names.v[i], &ignored);
	}
}

static int open_place(struct builds *a, struct err *e)
{
	auto_free char *path = dirs_root(a->dirs, "containers"), *why = NULL;

	if (a->load.tmp >= 0)
		return 0;
	TRY(image_driver(a->dirs, &a->load.driver, &why, e));
	TRY(image_driver_fits(a->db, a->load.driver, NULL, e));
	TRY(image_collect(a->db, NULL, e));
	TRY(image_layers_lock(a->dirs, false, &a->load.layers_lock, e));
	TRY(make_tmp(a, e));
	TRY(file_mkdir_p(path, 0700, e));
	a->load.tmp = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->load.tmp < 0)
		return err_sys(e, "open '%s'", path);
	sweep(a);
	return build_net_collect(a->db, e);
}

static void close_place(struct builds *a)
{
	image_tmp_done(a->tmp_fd, a->tmp_path);
	if (a->load.tmp >= 0)
		close(a->load.tmp);
	if (a->load.layers_lock >= 0)
		close(a->load.layers_lock);
	map_done(&a->load.layers);
}

/* ---- layers -------------------------------------------------------------------------------------------------------------------------------------- */

/* A step gave a layer: under its name at once, so that the next step can stand on it; its row comes at the end. */
int build_layer_made(struct worker *w, const struct cJSON *m, struct err *e)
{
	struct build *b = w->b;
	struct builds *a = b->all;
	struct stage *st = &b->stages.v[w->step->stage];
	const char *diff = json_str(m, "diff"), *parent = st->layers.n ? st->layers.v[st->layers.n - 1] : NULL;
	char chain[DIGEST_TEXT];
	struct new_layer *n;
	struct made *made;

	if (!diff || !digest_is_valid(diff) || strlen(diff) >= DIGEST_TEXT)
		return err_set(e, EPROTO, "gantry-image does not say what the layer's digest is");
	if (parent) {
		auto_free char *both = xasprintf("%s %s", parent, diff);

		digest_text(both, strlen(both), chain);
	} else {
		snprintf(chain, sizeof(chain), "%s", diff);
	}
	if (!map_has(&a->load.layers, chain) && !load_layer_is_there(&a->load, chain)) {
		auto_close int lock = -1;

		n = load_layer_new(&a->load, chain, diff, parent);
		n->dir = xasprintf("%s/upper", w->id);
		n->size = json_int(m, "size", 0);
		TRY(load_commit_lock(&a->load, &lock, e));
		TRY(load_layer_place(&a->load, n, e));
	}
	xgrow(&a->made, a->nmade, &a->made_cap, sizeof(*a->made));
	made = &a->made[a->nmade++];
	*made = (struct made){ .created_ns = b->epoch >= 0 ? b->epoch * 1000000000 : time_now_ns() };
	snprintf(made->key, sizeof(made->key), "%s", w->key);
	snprintf(made->chain, sizeof(made->chain), "%s", chain);
	build_step_done(b, w->step, chain, made->created_ns);
	return 0;
}

/* Rows of the layers, and of what they are the answer to. */
static int layer_rows(struct builds *a, struct err *e)
{
	int64_t now = time_now_ns();

	for (size_t i = 0; i < a->load.layers.n; i++)
		TRY(load_layer_insert(&a->load, a->load.layers.v[i].value, e));
	for (size_t i = a->nkept; i < a->nmade; i++)
		TRY(build_cache_put(a->db, a->made[i].key, a->made[i].chain, a->made[i].created_ns, now, e));
	for (size_t i = 0; i < a->hits.n; i++)
		TRY(build_cache_touch(a->db, a->hits.v[i], now, e));
	return build_cache_prune(a->db, now - (int64_t)BUILD_CACHE_DAYS * 86400 * 1000000000, e);
}

static int sync_layers(struct builds *a, struct err *e)
{
	if (!a->load.layers.n)
		return 0;
	FP("build.sync", e);
	return syncfs(a->load.tmp) < 0 ? err_sys(e, "write the layers to disk") : 0;
}

/* Also after a failure: what was done need not be done again. */
static int keep_layers(struct builds *a, struct err *e)
{
	if (a->nkept == a->nmade && !a->hits.n)
		return 0;
	TRY(sync_layers(a, e));
	TRY(db_begin(a->db, e));
	if (a->nkept == a->nmade) /* only when they were used last: not worth a sync */
		TRY(db_end(a->db, layer_rows(a, e), e));
	else
		TRY(load_finish(&a->load, layer_rows(a, e), e));
	a->nkept = a->nmade;
	strv_clear(&a->hits);
	map_done(&a->load.layers);
	a->load.layers = MAP_INIT(new_layer_free);
	return 0;
}

/* ---- the image ----------------------------------------------------------------------------------------------------------------------------------- */

static int diff_ids(struct build *b, const struct strv *layers, struct cJSON *doc, struct err *e)
{
	struct cJSON *rootfs = json_add_object(doc, "rootfs"), *ids;

	json_add_str(rootfs, "type", "layers");
	ids = json_add_array(rootfs, "diff_ids");
	for (size_t i = 0; i < layers->n; i++) {
		AUTO_DONE(layer_row_done) struct layer_row row = { 0 };
		int r = layer_get(b->db, layers->v[i], &row, e);

		if (r)
			return r < 0 ? r : err_set(e, ENOENT, "layer %.19s was removed meanwhile", layers->v[i]);
		json_add_str(ids, NULL, row.diff_id);
	}
	return 0;
}

/* Times of the history: a step's own; before the first new one its time, later the previous entry's. */
static void fill_times(struct build *b, struct stage *st, struct cJSON *doc)
{
	struct cJSON *history = json_get(doc, "history");
	char text[TIME_TEXT] = "", now[TIME_TEXT];
	size_t i = 0;
	const int64_t *created = b->created[st->index];
	bool any = false;

	time_rfc3339(b->epoch >= 0 ? b->epoch * 1000000000 : time_now_ns(), now);
	for (size_t k = 0, n = json_count(history); created && k < n && !any; k++) {
		any = created[k] > 0;
		if (any)
			time_rfc3339(created[k], text);
	}
	for (struct cJSON *h = json_first(history); h; h = json_next(h), i++) {
		const char *has = json_str(h, "created");

		if (created && created[i] > 0)
			time_rfc3339(created[i], text);
		if (has && !any)
			snprintf(text, sizeof(text), "%.39s", has);
		if (!has)
			json_add_str(h, "created", b->epoch >= 0 || !*text ? now : text);
	}
	json_add_str(doc, "created", *text && b->epoch < 0 ? text : now);
}

static int image_text(struct build *b, char **ret, struct err *e)
{
	struct stage *st = &b->stages.v[b->stages.target];
	AUTO(json_free) struct cJSON *doc = NULL;

	for (size_t i = 0; i < b->o->labels.n; i++) {
		const char *kv = b->o->labels.v[i], *eq = strchr(kv, '=');
		auto_free char *key = xstrndup(kv, eq ? (size_t)(eq - kv) : strlen(kv));

		strv_env_set(&st->img.labels, key, eq ? eq + 1 : "");
	}
	doc = img_document(&st->img);
	fill_times(b, st, doc);
	TRY(diff_ids(b, &st->layers, doc, e));

	auto_free char *text = json_text(doc, false);

	*ret = str_utf8_repaired(text); /* a Dockerfile may hold any bytes */
	return 0;
}

/* The image ID is there, under all NAMES. */
static bool is_there(struct build *b, const char *id, const struct strv *names)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_ERR(ignored);

	if (image_get(b->db, id, &row, &ignored) != 0)
		return false;
	for (size_t i = 0; i < names->n; i++) {
		auto_free char *is = NULL;

		if (image_name_get(b->db, names->v[i], &is, &ignored) < 0 || !is || !streq(is, id))
			return false;
	}
	return true;
}

int build_finish(struct build *b, struct err *e)
{
	auto_free char *config = NULL;
	char id[DIGEST_TEXT];
	AUTO_STRV(names);
	bool same;
	int r;

	for (size_t i = 0; i < b->o->tags.n; i++) {
		AUTO_DONE(ref_done) struct ref ref = { 0 };

		TRY(ref_parse_tagged(b->o->tags.v[i], &ref, e));
		strv_add_take(&names, ref_text(&ref));
	}
	TRY(keep_layers(b->all, e));
	TRY(image_text(b, &config, e));
	FP("build.image", e);
	digest_text(config, strlen(config), id);
	same = is_there(b, id, &names);
	TRY(db_begin(b->db, e));
	r = load_insert_image(&b->all->load, config, NULL, &names, "build", id, e);
	TRY(same ? db_end(b->db, r, e) : load_finish(&b->all->load, r, e)); /* the event alone is not worth a sync */
	b->item->id = xstrdup(id);
	b->state = BUILD_DONE;
	return 0;
}

/* ---- all of it ----------------------------------------------------------------------------------------------------------------------------------- */

static int check_epoch(struct build *b, struct err *e)
{
	const char *text = strv_env_get(&b->o->args, "SOURCE_DATE_EPOCH");

	b->epoch = -1;
	if (!text || !*text)
		return 0;
	return num_int(text, 0, INT64_C(253402300799), &b->epoch, e) < 0 ? err_wrap(e, "invalid SOURCE_DATE_EPOCH") : 0;
}

/* Tells what the checks found, and fails for it where the file asks for that. */
static int tell_warnings(struct build *b, struct err *e)
{
	const struct df_warnings *const found[] = { &b->df.warnings, &b->stages.warnings };
	const char *given = strv_env_get(&b->o->args, "BUILDKIT_DOCKERFILE_CHECK");
	AUTO_DONE(lint_rules_done) struct lint_rules rules = { 0 };
	auto_free char *names = NULL;
	AUTO_STRV(broken);

	TRY(lint_rules_parse(given ? given : b->df.check, &rules, e));
	build_lint(b);
	for (size_t i = 0; i < ARRAY_LEN(found); i++)
		for (size_t k = 0; k < found[i]->n; k++) {
			const struct df_warning *w = &found[i]->v[k];

			if (!lint_wanted(&rules, &b->df, w))
				continue;
			strv_add_unique(&broken, w->rule);
			if (b->o->events.warning)
				b->o->events.warning(b->o->events.arg, w->rule, b->name, w->line, w->text);
		}
	if (!rules.error || !broken.n)
		return 0;
	strv_sort(&broken);
	names = strv_join(&broken, ", ");
	return err_set(e, EINVAL, "lint violation found for rules: %s", names);
}

int build_read(struct build *b, struct err *e)
{
	const struct build_options *o = b->o;

	for (size_t i = 0; i < o->tags.n; i++) {
		AUTO_DONE(ref_done) struct ref ref = { 0 };

		TRY(ref_parse_tagged(o->tags.v[i], &ref, e));
	}
	TRY(check_epoch(b, e));
	TRY(open_context(b, e));
	TRY(read_dockerfile(b, e));
	TRY(dockerfile_parse(b->text, b->len, &b->df, &b->place, e));
	TRY(read_ignore(b, e));
	b->stage_options = (struct stage_options){ .args = &o->args, .target = o->target, .platform = o->platform, .contexts = &o->contexts,
						   .allow_insecure = o->allow_insecure, .allow_host = o->allow_host, .base_image = build_base_image,
						   .arg = b };
	b->state = BUILD_READ;
	return 0;
}

static int make_stages(struct build *b, struct err *e)
{
	int r = b->stages.n ? 0 : stages_make(&b->df, &b->stage_options, &b->stages, e);

	if (r < 0)
		b->place = b->stages.place;

	AUTO_ERR(second);

	return r < 0 ? (void)tell_warnings(b, &second), r : tell_warnings(b, e);
}

static void free_context(void *context)
{
	context_done(context);
	free(context);
}

static void build_done(struct build *b)
{
	build_net_done(b);
	for (size_t i = 0; i < b->stages.n; i++)
		free(b->created ? b->created[i] : NULL);
	free(b->created);
	stages_done(&b->stages);
	dockerfile_done(&b->df);
	context_done(&b->context);
	map_done(&b->contexts);
	free(b->text);
	free(b->name);
	free(b->path);
	free(b->ignore);
}

int build_begin(struct build *b, struct err *e)
{
	TRY(make_stages(b, e));
	if (b->o->check_only) {
		b->state = BUILD_DONE;
		return 0;
	}
	TRY(open_place(b->all, e));
	b->created = xcalloc(b->stages.n + 1, sizeof(*b->created));
	b->state = BUILD_STEPS;
	return 0;
}

static void builds_done(struct builds *a)
{
	for (size_t i = 0; i < a->n; i++)
		build_done(&a->v[i]);
	for (size_t i = 0; i < a->nworkers; i++)
		free(a->workers[i]);
	close_place(a);
	free(a->workers);
	free(a->made);
	strv_done(&a->hits);
	strv_done(&a->fetched);
	free(a->v);
}

int build_images(struct db *db, struct build_set *set, struct build_failure *failure, struct err *e)
{
	AUTO_DONE(builds_done) struct builds a = { .db = db, .dirs = db_dirs(db), .set = set, .tmp_fd = -1, .load = LOAD_INIT(db), .failure = failure };
	int r;

	a.v = xcalloc(set->n + 1, sizeof(*a.v));
	for (size_t i = 0; i < set->n; i++)
		a.v[a.n++] = (struct build){ .all = &a, .item = &set->v[i], .o = &set->v[i].o, .db = db, .dirs = a.dirs, .contexts = MAP_INIT(free_context) };
	r = builds_run(&a, e);
	if (r < 0) {
		AUTO_ERR(second);

		if (keep_layers(&a, &second) < 0)
			log_debug("%s", err_text(&second));
	}
	if (r < 0 && a.failed) {
		failure->service = a.failed->item->service;
		failure->excerpt = excerpt(a.failed, a.failed->place);
	}
	return r;
}
