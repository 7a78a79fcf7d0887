/* SPDX-License-Identifier: MIT */
#include "engine/image/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/blob.h"
#include "engine/image/load_priv.h"
#include "engine/image/manifest.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "engine/image/wire.h"
#include "state/blob_store.h"
#include "state/db.h"

enum { JOBS_DEFAULT = 4, DOCUMENTS_MAX = INDEX_DEPTH + 1, WARNINGS_MAX = 8 };

struct item {
	struct image_pull_item o;
	char *what, *full;          /* "web:1", "docker.io/library/web:1" */
	struct ref ref;
	char *have;                 /* digest that it stood for when it was pulled; NULL: it is not here */
	char *digest, *manifest, *config;
	struct strv documents, chain;
	int64_t *sizes, *got;       /* of its layers' blobs; what is downloaded of those that it waits for */
	size_t nlayers;
	bool planned, over;
};
struct image_pull {
	struct load l;
	struct loop *loop;
	struct watch w;
	struct image_pull_options o;
	struct item *v;
	size_t n, left;
	int blobs;
};

static void item_done(struct item *i)
{
	free(i->what);
	free(i->full);
	ref_done(&i->ref);
	free(i->have);
	free(i->digest);
	free(i->manifest);
	free(i->config);
	strv_done(&i->documents);
	strv_done(&i->chain);
	free(i->sizes);
	free(i->got);
}

void image_pull_free(struct image_pull *p)
{
	if (!p)
		return;
	watch_done(&p->w);
	load_done(&p->l);
	for (size_t i = 0; i < p->n; i++)
		item_done(&p->v[i]);
	free(p->v);
	if (p->blobs >= 0)
		close(p->blobs);
	free(p);
}

/* E may be set on R < 0; it is cleared then. */
static void item_over(struct image_pull *p, struct item *i, int r, struct err *e)
{
	if (i->over)
		return;
	i->over = true;
	p->left--;
	p->o.ended(i->o.arg, r, i->digest, e);
	err_clear(e);
}

static void note(struct image_pull *p, struct item *i, const char *text)
{
	if (!i->over && p->o.progress)
		p->o.progress(i->o.arg, text, false);
}

static void note_bytes(struct image_pull *p, struct item *i)
{
	int64_t got = 0, size = 0;

	for (size_t k = 0; k < i->nlayers; k++) {
		got += i->got[k];
		size += i->sizes[k];
	}
	auto_free char *a = num_size_text((uint64_t)got), *b = num_size_text((uint64_t)size), *text = xasprintf("%s / %s", a, b);

	if (!i->over && p->o.progress)
		p->o.progress(i->o.arg, text, true);
}

/* ---- what an image consists of ------------------------------------------------------------------------------------------------------------------------- */

static int check_digest(const char *text, const char *want, char got[DIGEST_TEXT], struct err *e)
{
	if (str_starts(want, "sha512:")) {
		digest_text(text, strlen(text), got); /* verified by gantry-image, which has SHA-512 */
		return 0;
	}
	digest_text(text, strlen(text), got);
	return streq(got, want) ? 0 : err_set(e, EBADMSG, "digest mismatch: got %s, want %s", got, want);
}

static bool has_entry(const struct manifest *m, const char *digest)
{
	for (size_t i = 0; i < m->n; i++)
		if (streq(m->v[i].digest, digest))
			return true;
	return false;
}

/* From the name down to the config: each document is the one that the one above names. */
static int check_chain(struct item *i, const struct cJSON *plan, struct manifest *ret, struct err *e)
{
	const char *want = i->ref.digest ? i->ref.digest : str0(json_str(plan, "digest"));
	char got[DIGEST_TEXT];

	json_strv(plan, "documents", &i->documents);
	if (i->documents.n == 0 || i->documents.n > DOCUMENTS_MAX || !json_str(plan, "config") || !digest_is_valid(want))
		return err_set(e, EPROTO, "gantry-image does not say what the image is");
	i->digest = xstrdup(want);
	for (size_t k = 0; k < i->documents.n; k++) {
		AUTO_DONE(manifest_done) struct manifest m = { 0 };
		const char *text = i->documents.v[k];

		TRY(manifest_parse(text, strlen(text), "manifest", &m, e));
		if (k == 0)
			TRY(check_digest(text, want, got, e));
		else
			digest_text(text, strlen(text), got);
		if (k > 0 && !has_entry(ret, got))
			return err_set(e, EBADMSG, "the index does not name the manifest %s", got);
		manifest_done(ret);
		*ret = m;
		m = (struct manifest){ 0 };
		if (ret->kind == MANIFEST_IMAGE)
			break;
	}
	if (ret->kind != MANIFEST_IMAGE)
		return err_set(e, EPROTO, "gantry-image does not say what the image is");
	i->manifest = xstrdup(got);
	i->config = xstrdup(json_str(plan, "config"));
	return check_digest(i->config, ret->config.digest, got, e);
}

static void add_want(struct cJSON *list, size_t k, const char *diff, const struct descriptor *d)
{
	struct cJSON *o = json_add_object(list, NULL);

	json_add_int(o, "layer", (int64_t)k);
	json_add_str(o, "diff", diff);
	json_add_str(o, "blob", d->digest);
	json_add_int(o, "size", d->size);
	json_add_str(o, "type", d->type);
}

/* What a layer of that type is in a manifest of ours: docker's types mean the same as OCI's. */
static const char *layer_type(const char *type)
{
	return str_ends(type, "zstd") ? TYPE_LAYER "+zstd" : str_ends(type, "gzip") ? TYPE_LAYER "+gzip" : TYPE_LAYER;
}

/* Layers that are neither here nor on their way for another image. */
static int wish(struct image_pull *p, struct item *i, const struct manifest *m, const struct strv *diffs, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = json_object();
	struct cJSON *list;

	i->sizes = xcalloc(m->n + 1, sizeof(*i->sizes));
	i->got = xcalloc(m->n + 1, sizeof(*i->got));
	i->nlayers = m->n;
	json_add_int(answer, "image", i - p->v);
	json_add_int(answer, "layers", (int64_t)m->n);
	list = json_add_array(answer, "want");
	for (size_t k = 0; k < m->n; k++) {
		const char *chain = i->chain.v[k];
		struct new_layer *n;

		if (map_has(&p->l.layers, chain) || load_layer_is_there(&p->l, chain))
			continue;
		n = load_layer_new(&p->l, chain, diffs->v[k], k ? i->chain.v[k - 1] : NULL);
		n->blob = xstrdup(m->v[k].digest);
		n->blob_size = m->v[k].size;
		n->blob_type = layer_type(m->v[k].type);
		n->origin = BLOB_PULLED;
		i->sizes[k] = m->v[k].size;
		add_want(list, k, diffs->v[k], &m->v[k]);
	}
	if (json_count(list) == 0)
		return 0;
	note(p, i, "downloading");
	return wire_send(p->l.sock, answer, e);
}

static int take_plan(struct image_pull *p, struct item *i, const struct cJSON *plan, struct err *e)
{
	AUTO_DONE(manifest_done) struct manifest m = { 0 };
	AUTO_DONE(config_info_done) struct config_info info = { 0 };
	AUTO_STRV(warnings);

	if (i->planned)
		return err_set(e, EPROTO, "an image is explained twice");
	i->planned = true;
	TRY(check_chain(i, plan, &m, e));
	TRY(config_info_parse(i->config, strlen(i->config), &info, e));
	if (info.diff_ids.n != m.n)
		return err_set(e, EPROTO, "its manifest has %zu layers, its config %zu: this is no container image, or a broken one", m.n, info.diff_ids.n);
	json_strv(plan, "warnings", &warnings);
	for (size_t k = 0; k < warnings.n && k < WARNINGS_MAX; k++) {
		auto_free char *shown = str_visible(warnings.v[k], strnlen(warnings.v[k], ERR_TEXT));

		log_warning("%s: %s", i->what, shown);
	}
	chain_ids(&info.diff_ids, &i->chain);
	return wish(p, i, &m, &info.diff_ids, e);
}

/* ---- into the store -------------------------------------------------------------------------------------------------------------------------------------- */

static bool is_complete(struct image_pull *p, const struct item *i)
{
	for (size_t k = 0; k < i->chain.n; k++) {
		const struct new_layer *n = map_get(&p->l.layers, i->chain.v[k]);

		if (n && !n->dir)
			return false;
	}
	return i->planned;
}

static int place_layers(struct image_pull *p, const struct item *i, struct err *e)
{
	if (syncfs(p->l.tmp) < 0)
		return err_sys(e, "write the layers to disk");
	FP("image.layer.synced", e);
	for (size_t k = 0; k < i->chain.n; k++) {
		struct new_layer *n = map_get(&p->l.layers, i->chain.v[k]);

		/* Another load was faster: its tree is as good. */
		if (n && !load_layer_is_there(&p->l, n->chain))
			TRY(load_layer_place(&p->l, n, e));
	}
	return load_sync_names(&p->l, e);
}

static int keep_documents(struct image_pull *p, const struct item *i, struct err *e)
{
	char id[DIGEST_TEXT];

	for (size_t k = 0; k < i->documents.n; k++) {
		digest_text(i->documents.v[k], strlen(i->documents.v[k]), id);
		TRY(blob_put(p->l.dirs, id, i->documents.v[k], strlen(i->documents.v[k]), e));
	}
	return 0;
}

static int insert_layers(struct image_pull *p, const struct item *i, struct err *e)
{
	for (size_t k = 0; k < i->chain.n; k++) {
		const struct new_layer *n = map_get(&p->l.layers, i->chain.v[k]);

		if (n)
			TRY(load_layer_insert(&p->l, n, e));
	}
	return 0;
}

static int remember(struct image_pull *p, const struct item *i, const char *id, struct err *e)
{
	const struct image_remote row = { .ref = i->full, .id = (char *)id, .digest = i->digest, .manifest = i->manifest, .checked_ns = time_now_ns() };

	return image_remote_set(p->l.db, &row, e);
}

static int insert_rows(struct image_pull *p, const struct item *i, struct err *e)
{
	AUTO_STRV(names);
	char id[DIGEST_TEXT];

	strv_add(&names, i->full);
	TRY(insert_layers(p, i, e));
	TRY(load_insert_image(&p->l, i->config, i->manifest, &names, "pull", id, e));
	return remember(p, i, id, e);
}

static int commit(struct image_pull *p, struct item *i, struct err *e)
{
	auto_close int lock = -1;

	note(p, i, "storing");
	TRY(load_commit_lock(&p->l, &lock, e));
	TRY(place_layers(p, i, e));
	TRY(keep_documents(p, i, e));
	TRY(db_begin(p->l.db, e));

	int r = insert_rows(p, i, e);

	if (r >= 0) {
		int fp = fail_point("image.rows");

		r = fp < 0 ? err_code(e, -fp, "fail point 'image.rows'") : 0;
	}
	TRY(load_finish(&p->l, r, e));
	/* What is placed is no longer to be placed. */
	for (size_t k = 0; k < i->chain.n; k++)
		map_remove(&p->l.layers, i->chain.v[k]);
	return 0;
}

static void commit_complete(struct image_pull *p)
{
	for (size_t k = 0; k < p->n; k++) {
		struct item *i = &p->v[k];
		AUTO_ERR(e);
		int r;

		if (i->over || !is_complete(p, i))
			continue;
		r = commit(p, i, &e);
		if (r < 0)
			err_wrap(&e, "%s", i->what);
		item_over(p, i, r < 0 ? r : IMAGE_PULLED, &e);
	}
}

/* ---- messages --------------------------------------------------------------------------------------------------------------------------------------------- */

static int same(struct image_pull *p, struct item *i, const char *digest, struct err *e)
{
	AUTO_DONE(image_remote_done) struct image_remote row = { 0 };
	int r;

	if (!i->have || !streq(i->have, digest))
		return err_set(e, EPROTO, "gantry-image mistakes the image for another");
	TRY(r = image_remote_get(p->l.db, i->full, &row, e));
	i->digest = xstrdup(digest);
	if (r == 0) {
		row.checked_ns = time_now_ns();
		TRY(image_remote_set(p->l.db, &row, e));
	}
	return IMAGE_UP_TO_DATE;
}

static int unpacked(struct image_pull *p, struct item *i, const struct cJSON *message, struct err *e)
{
	int64_t k = json_int(message, "layer", -1);
	struct new_layer *n = k >= 0 && (size_t)k < i->chain.n ? map_get(&p->l.layers, i->chain.v[k]) : NULL;
	const char *dir = json_str(message, "dir");

	if (!n || n->dir || !dir || strchr(dir, '/') || *dir == '.' || !streq(str0(json_str(message, "diff")), n->diff))
		return err_set(e, EPROTO, "a layer came that was not asked for");
	n->dir = xstrdup(dir);
	n->size = json_int(message, "size", 0);
	i->got[k] = i->sizes[k];
	if (json_int(message, "left_out", 0))
		log_warning("%s: layer %.19s: %lld attributes that only overlayfs itself may set were left out", i->what, n->chain,
			(long long)json_int(message, "left_out", 0));
	note_bytes(p, i);
	return 0;
}

static void grown(struct image_pull *p, struct item *i, const struct cJSON *message)
{
	int64_t k = json_int(message, "layer", -1);

	if (k < 0 || (size_t)k >= i->nlayers)
		return;
	i->got[k] = MIN(json_int(message, "have", 0), i->sizes[k]);
	note_bytes(p, i);
}

/* An image is over: so are those that wait for one of its layers. */
static void failed(struct image_pull *p, struct item *i, struct err *e)
{
	AUTO_STRV(lost);

	for (size_t k = 0; k < i->chain.n; k++) {
		struct new_layer *n = map_get(&p->l.layers, i->chain.v[k]);

		if (n && !n->dir && i->sizes[k])
			strv_add(&lost, n->chain);
	}
	for (size_t k = 0; k < p->n; k++)
		for (size_t c = 0; c < lost.n; c++)
			if (&p->v[k] != i && !p->v[k].over && strv_has(&p->v[k].chain, lost.v[c])) {
				AUTO_ERR(other);

				err_set(&other, e->code, "%s: it shares a layer with '%s', and there: %s", p->v[k].what, i->what, err_text(e));
				item_over(p, &p->v[k], -other.code, &other);
			}
	for (size_t c = 0; c < lost.n; c++)
		map_remove(&p->l.layers, lost.v[c]);
	item_over(p, i, -e->code, e);
}

static int hear(struct image_pull *p, struct item *i, const struct cJSON *m, struct err *e)
{
	if (json_get(m, "failed"))
		return wire_raise(json_get(m, "failed"), e);
	if (json_get(m, "plan"))
		return take_plan(p, i, json_get(m, "plan"), e);
	if (json_str(m, "same")) {
		int r = same(p, i, json_str(m, "same"), e);

		if (r >= 0)
			item_over(p, i, r, e);
		return r;
	}
	if (json_str(m, "note"))
		note(p, i, json_str(m, "note"));
	else if (json_str(m, "dir"))
		return unpacked(p, i, m, e);
	else
		grown(p, i, m);
	return 0;
}

static void all_failed(struct image_pull *p, struct err *e)
{
	for (size_t k = 0; k < p->n; k++) {
		AUTO_ERR(one);

		if (p->v[k].over)
			continue;
		err_set(&one, e->code, "%s: %s", p->v[k].what, err_text(e));
		if (e->hint)
			err_hint(&one, "%s", e->hint);
		item_over(p, &p->v[k], -one.code, &one);
	}
	err_clear(e);
}

static void hint_room(const struct image_pull *p, struct err *e)
{
	if (err_is(e, ENOSPC) || err_is(e, EDQUOT))
		err_hint(e, "make room where '%s' is ('gantry image prune' removes unused images)", p->l.dirs->root);
}

static int on_message(struct watch *w, uint32_t events)
{
	struct image_pull *p = CONTAINER_OF(w, struct image_pull, w);
	AUTO(json_free) struct cJSON *m = NULL;
	AUTO_ERR(e);
	int64_t at;

	(void)events;
	if (wire_recv(p->l.sock, &m, &e) < 0) {
		hint_room(p, &e);
		all_failed(p, &e);
	} else {
		at = json_int(m, "image", -1);
		if (at >= 0 && (size_t)at < p->n && !p->v[at].over) {
			struct item *i = &p->v[at];

			if (hear(p, i, m, &e) < 0) {
				hint_room(p, &e);
				if (!str_starts(err_text(&e), i->what))
					err_wrap(&e, "%s", i->what);
				failed(p, i, &e);
			}
		}
		commit_complete(p);
	}
	if (p->left == 0 && watch_active(&p->w))
		watch_done(&p->w);
	return 0;
}

/* ---- the beginning ---------------------------------------------------------------------------------------------------------------------------------------- */

/* Is the name here, and what did it stand for? Then the registry is asked for no more than that. */
static int look(struct image_pull *p, struct item *i, struct err *e)
{
	AUTO_DONE(image_remote_done) struct image_remote row = { 0 };
	auto_free char *id = NULL;
	int r = image_name_get(p->l.db, i->full, &id, e);

	if (r < 0)
		return r;
	if (r > 0 || i->o.platform)
		return 0;
	r = image_remote_get(p->l.db, i->full, &row, e);
	if (r == 0 && streq(row.id, id))
		i->have = xstrdup(row.digest);
	return r < 0 ? r : 0;
}

static int send_request(struct image_pull *p, struct err *e)
{
	AUTO(json_free) struct cJSON *request = json_object();
	const struct image_source none = { .fd = -1 };
	struct cJSON *list;

	json_add_str(request, "op", "pull");
	json_add_str(request, "root", p->l.dirs->root);
	json_add_int(request, "form", image_driver_form(p->l.driver));
	json_add_int(request, "max_bytes", (int64_t)MIN(load_layer_max(&none), (uint64_t)INT64_MAX));
	json_add_int(request, "max_entries", ENTRIES_DEFAULT);
	json_add_int(request, "jobs", p->o.jobs > 0 ? p->o.jobs : MAX(JOBS_DEFAULT, (int)sysconf(_SC_NPROCESSORS_ONLN)));
	list = json_add_array(request, "images");
	for (size_t k = 0; k < p->n; k++) {
		struct cJSON *o = json_add_object(list, NULL);

		json_add_str(o, "ref", p->v[k].full);
		json_add_str(o, "have", p->v[k].have);
		json_add_str(o, "platform", p->v[k].o.platform);
	}
	return wire_send(p->l.sock, request, e);
}

static int begin(struct image_pull *p, const struct image_pull_item *items, struct err *e)
{
	auto_free char *blobs = dirs_root(p->l.dirs, "images/blobs");

	for (size_t k = 0; k < p->n; k++) {
		struct item *i = &p->v[k];

		i->o = items[k];
		i->what = xstrdup(i->o.ref);
		TRY(ref_parse_tagged(i->o.ref, &i->ref, e));
		i->full = ref_text(&i->ref);
		TRY(look(p, i, e));
	}
	p->blobs = open(blobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->blobs < 0)
		return err_sys(e, "open '%s'", blobs);
	TRY(load_open(&p->l, p->blobs, e));
	TRY(send_request(p, e));
	return watch_fd(p->loop, &p->w, p->l.sock, EPOLLIN, on_message, e);
}

int image_pull_start(struct db *db, struct loop *loop, const struct image_pull_item *items, size_t n, const struct image_pull_options *o,
	struct image_pull **ret, struct err *e)
{
	AUTO(image_pull_free) struct image_pull *p = xcalloc(1, sizeof(*p));

	p->l = LOAD_INIT(db);
	p->loop = loop;
	p->o = *o;
	p->blobs = -1;
	p->v = xcalloc(n + 1, sizeof(*p->v));
	p->n = p->left = n;
	TRY(begin(p, items, e));
	*ret = TAKE(p);
	return 0;
}
