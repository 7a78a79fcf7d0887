/* SPDX-License-Identifier: MIT */
#include "engine/image/image_blobs.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/image/blob.h"
#include "engine/image/manifest.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "state/blob_store.h"
#include "state/db.h"

static bool blob_is_here(const struct dirs *d, const char *digest)
{
	auto_free char *path = blob_path(d, digest);

	return file_exists(path);
}

/* A manifest of the image; WHOLE: whose blobs are all here. */
static bool is_usable(const struct dirs *d, const char *digest, const struct image_row *row, bool whole, char **ret_text, struct manifest *ret)
{
	auto_free char *text = NULL;
	size_t n = 0;
	AUTO_ERR(why);
	struct manifest m = { 0 };
	bool good;

	if (blob_read(d, digest, MANIFEST_MAX, &text, &n, &why) < 0 || manifest_parse(text, n, "manifest", &m, &why) < 0) {
		log_debug("manifest %s: %s", digest, err_text(&why));
		return false;
	}
	good = m.kind == MANIFEST_IMAGE && streq(m.config.digest, row->id);
	for (size_t i = 0; good && whole && i < m.n; i++)
		good = blob_is_here(d, m.v[i].digest);
	if (!good) {
		manifest_done(&m);
		return false;
	}
	*ret = m;
	*ret_text = TAKE(text);
	return true;
}

static int find_manifest(struct db *db, const struct image_row *row, const struct image_remotes *known, bool whole, char **ret_text, struct manifest *ret)
{
	const struct dirs *d = db_dirs(db);

	if (row->manifest && is_usable(d, row->manifest, row, whole, ret_text, ret))
		return 0;
	for (size_t i = 0; i < known->n; i++)
		if (is_usable(d, known->v[i].manifest, row, whole, ret_text, ret))
			return 0;
	return 1;
}

static void add_blob(struct cJSON *o, const char *digest, int64_t size, const char *type)
{
	json_add_str(o, "blob", digest);
	json_add_int(o, "size", size);
	json_add_str(o, "type", type);
}

/* What the store knows of the layer by itself. 1: no blob of it is here. */
static int layer_alone(struct db *db, const char *chain, bool compress, struct cJSON *o, struct err *e)
{
	AUTO_DONE(blob_row_done) struct blob_row blob = { 0 };
	AUTO_DONE(layer_row_done) struct layer_row layer = { 0 };
	int r = layer_get(db, chain, &layer, e);

	TRY(r);
	if (r == 0)
		json_add_int(o, "form", image_driver_form(layer.driver));
	r = blob_get(db, chain, &blob, e);
	if (r != 0)
		return r;
	if (!blob_is_here(db_dirs(db), blob.digest))
		return 1;
	if (compress && streq(blob.type, TYPE_LAYER))
		json_add_str(o, "plain", blob.digest);
	else
		add_blob(o, blob.digest, blob.size, blob.type);
	return 0;
}

struct layers {
	struct config_info info;
	struct strv chain;
};

static void layers_done(struct layers *l)
{
	config_info_done(&l->info);
	strv_done(&l->chain);
}

static struct cJSON *layer_object(const struct layers *l, size_t i)
{
	struct cJSON *o = json_object();

	json_add_str(o, "chain", l->chain.v[i]);
	json_add_str(o, "diff", l->info.diff_ids.v[i]);
	return o;
}

static int layers_by_manifest(struct db *db, const struct layers *l, const struct manifest *m, struct cJSON *list, struct err *e)
{
	if (m->n != l->info.diff_ids.n)
		return err_set(e, EPROTO, "its manifest and its config do not have the same layers");
	for (size_t i = 0; i < l->chain.n; i++) {
		struct cJSON *o = layer_object(l, i);

		add_blob(o, m->v[i].digest, m->v[i].size, m->v[i].type);
		if (!blob_is_here(db_dirs(db), m->v[i].digest))
			json_add_bool(o, "absent", true);
		json_add(list, NULL, o);
	}
	return 0;
}

/* Layer by layer. An image that was built is no manifest's, but the layers of its base are blobs all the same. */
static int layers_by_rows(struct db *db, const struct layers *l, bool compress, struct cJSON *list, struct err *e)
{
	for (size_t i = 0; i < l->chain.n; i++) {
		struct cJSON *o = layer_object(l, i);

		json_add(list, NULL, o);
		TRY(layer_alone(db, l->chain.v[i], compress, o, e));
	}
	return 0;
}

/* A whole manifest; else one of which the registry may have the rest; else none. */
int image_blobs_request(struct db *db, const struct image_row *row, const struct image_remotes *known, bool compress, struct cJSON *request, struct err *e)
{
	AUTO_DONE(manifest_done) struct manifest m = { 0 };
	AUTO_DONE(layers_done) struct layers l = { 0 };
	auto_free char *text = NULL;
	struct cJSON *list = json_add_array(request, "layers");
	int r = find_manifest(db, row, known, true, &text, &m);

	if (r != 0 && compress)
		r = find_manifest(db, row, known, false, &text, &m);
	json_add_str(request, "config", row->config);
	TRY(config_info_parse(row->config, strlen(row->config), &l.info, e));
	chain_ids(&l.info.diff_ids, &l.chain);
	if (r != 0)
		return layers_by_rows(db, &l, compress, list, e);
	json_add_str(request, "manifest", text);
	return layers_by_manifest(db, &l, &m, list, e);
}

int image_blobs_packed(struct db *db, const struct cJSON *message, struct err *e)
{
	const struct cJSON *p = json_get(message, "packed");
	const char *chain = json_str(p, "chain"), *digest = json_str(p, "blob"), *type = json_str(p, "type");
	const struct blob_row row = { .chain_id = (char *)chain, .digest = (char *)digest, .type = (char *)type, .size = json_int(p, "size", 0),
		.origin = (char *)BLOB_PACKED };

	if (!chain || !digest || !type || !digest_is_valid(digest))
		return err_set(e, EPROTO, "gantry-image does not say what it packed");
	return blob_set(db, &row, e);
}
