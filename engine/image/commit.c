/* SPDX-License-Identifier: MIT */
#include "engine/image/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/change.h"
#include "engine/image/load_priv.h"
#include "engine/image/manifest.h"
#include "engine/image/program.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "engine/image/stub.h"
#include "state/db.h"

static void replace(struct cJSON *o, const char *key, struct cJSON *v)
{
	json_remove(o, key);
	json_add(o, key, v);
}

static void replace_text(struct cJSON *o, const char *key, const char *text)
{
	json_remove(o, key);
	json_add_str(o, key, text);
}

static void add_history(struct cJSON *doc, const struct image_commit *how, const char *now)
{
	struct cJSON *list = json_get(doc, "history"), *h;

	if (!json_is_array(list))
		replace(doc, "history", list = json_array());
	h = json_add_object(list, NULL);
	json_add_str(h, "created", now);
	json_add_str(h, "created_by", how->created_by);
	if (how->author && *how->author)
		json_add_str(h, "author", how->author);
	if (how->message && *how->message)
		json_add_str(h, "comment", how->message);
}

/* The base's document with the container's config, the changes, DIFF as its last layer. */
static int document(const struct image_row *base, const struct image_commit *how, const char *diff, char **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *doc = NULL;
	struct cJSON *config, *diffs;
	char now[TIME_TEXT];

	TRY(json_parse(base->config, strlen(base->config), "image config", &doc, e));
	config = json_get(doc, "config");
	if (!json_is_object(config))
		replace(doc, "config", config = json_object());
	for (const struct cJSON *c = json_first(how->config); c; c = json_next(c)) {
		if (json_is_null(c))
			json_remove(config, json_key(c));
		else
			replace(config, json_key(c), json_copy(c));
	}
	if (how->changes)
		TRY(image_changes(config, how->changes, e));
	time_rfc3339(time_now_ns(), now);
	replace_text(doc, "created", now);
	replace_text(doc, "author", str0(how->author));
	replace_text(doc, "comment", str0(how->message));
	/* docker's own of the base: the container it was made from, and that one's config */
	json_remove(doc, "container");
	json_remove(doc, "container_config");
	diffs = json_get(json_get(doc, "rootfs"), "diff_ids");
	if (!json_is_array(diffs))
		return err_set(e, EPROTO, "image %.19s has no layers in its document", base->id);
	json_add_str(diffs, NULL, diff);
	add_history(doc, how, now);
	*ret = json_text(doc, false);
	return 0;
}

static int copy_changes(struct load *l, const struct image_commit *how, char diff[DIGEST_TEXT], int64_t *ret_size, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = NULL;
	auto_close int copy = -1;
	const char *said;

	FP("image.commit.copy", e);
	if (image_root_changes(l->dirs, how->driver, how->layers, how->folder, false, l->tmp, "0", e) < 0)
		return err_wrap(e, "copy what the container changed");
	copy = openat(l->tmp, "0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0)
		return err_sys(e, "open the copy of what the container changed");
	if (image_driver_copies(how->driver))
		stubs_remove(how->stubs, l->dirs, how->layers, copy); /* an overlay has them in a layer of their own */
	else
		TRY(opaque_tidy(l->dirs, how->layers, copy, e));
	TRY(image_program("digest", copy, (int)image_driver_form(l->driver), NULL, &answer, e));
	said = json_str(answer, "diff");
	if (!said || !digest_is_valid(said) || strlen(said) >= DIGEST_TEXT)
		return err_set(e, EPROTO, "gantry-image does not say what the layer's digest is");
	snprintf(diff, DIGEST_TEXT, "%s", said);
	*ret_size = json_int(answer, "size", 0);
	return 0;
}

/* Its place in the chain of layers; one that is there already is as good. */
static int name_layer(struct load *l, const char *config, const char *diff, int64_t size, struct err *e)
{
	AUTO_DONE(config_info_done) struct config_info info = { 0 };
	AUTO_STRV(chain);
	struct new_layer *n;

	TRY(config_info_parse(config, strlen(config), &info, e));
	chain_ids(&info.diff_ids, &chain);
	if (load_layer_is_there(l, chain.v[chain.n - 1]))
		return 0;
	n = load_layer_new(l, chain.v[chain.n - 1], diff, chain.n > 1 ? chain.v[chain.n - 2] : NULL);
	n->dir = xstrdup("0");
	n->size = size;
	return 0;
}

static int commit(struct load *l, const struct image_row *base, const struct image_commit *how, const struct strv *names, char id[DIGEST_TEXT],
		  struct err *e)
{
	auto_free char *config = NULL;
	auto_close int lock = -1;
	char diff[DIGEST_TEXT];
	int64_t size = 0;
	int r;

	/* Mistakes in the changes come out before the work. */
	TRY(document(base, how, "sha256:", &config, e));
	free(TAKE(config));
	TRY(load_prepare(l, e));
	if (image_driver_form(how->driver) != image_driver_form(l->driver))
		return err_set(e, EBUSY, "it was made by the storage driver '%s', and the driver is '%s' now", how->driver ? how->driver : "overlay", l->driver);
	TRY(copy_changes(l, how, diff, &size, e));
	TRY(document(base, how, diff, &config, e));
	TRY(name_layer(l, config, diff, size, e));
	TRY(load_commit_lock(l, &lock, e));
	TRY(load_layers_place(l, e));
	TRY(db_begin(l->db, e));
	r = load_layers_insert(l, e);
	if (r >= 0)
		r = load_insert_image(l, config, NULL, names, "commit", id, e);
	return load_finish(l, r, e);
}

int image_commit(struct db *db, const struct image_commit *how, char **ret_id, struct err *e)
{
	AUTO_DONE(load_done) struct load l = LOAD_INIT(db);
	AUTO_DONE(image_row_done) struct image_row base = { 0 };
	char id[DIGEST_TEXT];
	AUTO_STRV(names);

	if (how->ref) {
		AUTO_DONE(ref_done) struct ref ref = { 0 };

		TRY(ref_parse_tagged(how->ref, &ref, e));
		strv_add_take(&names, ref_text(&ref));
	}
	TRY(image_need(db, how->base, &base, e));
	TRY(commit(&l, &base, how, &names, id, e));
	*ret_id = xstrdup(id);
	return 0;
}
