/* SPDX-License-Identifier: MIT */
#include "engine/image/inspect.h"

#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strv.h"
#include "base/time.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "state/db.h"

/* RepoTags are names with a tag, RepoDigests those with a digest. */
static int add_names(struct db *db, const struct image_row *row, struct cJSON *out, struct err *e)
{
	AUTO_STRV(names);
	struct cJSON *tags = json_add_array(out, "RepoTags"), *digests = json_add_array(out, "RepoDigests");

	TRY(image_names_of(db, row->id, &names, e));
	for (size_t i = 0; i < names.n; i++)
		json_add_str(strchr(names.v[i], '@') ? digests : tags, NULL, ref_familiar(names.v[i]));
	return 0;
}

static void copy_text(struct cJSON *out, const char *key, const struct cJSON *config, const char *from)
{
	json_add_str(out, key, str0(json_str(config, from)));
}

/* As overlay2 names them: the layer on top is the upper one. */
static void add_driver(struct db *db, const struct image_row *row, const char *driver, struct cJSON *out)
{
	struct cJSON *data = json_add_object(out, "Data");
	AUTO_STR(lower, 1 << 20);

	json_add_str(out, "Name", driver);
	if (row->layers.n == 0)
		return;
	for (size_t i = row->layers.n - 1; i-- > 0;) {
		auto_free char *path = layer_path(db_dirs(db), row->layers.v[i]);

		str_addf(&lower, "%s%s", lower.len ? ":" : "", path);
	}
	if (lower.len)
		json_add_str(data, "LowerDir", lower.s);

	auto_free char *top = layer_path(db_dirs(db), row->layers.v[row->layers.n - 1]);

	json_add_str(data, "UpperDir", top);
}

int image_inspect(struct db *db, const struct image_row *row, struct cJSON **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *config = NULL, *out = json_object();
	const struct cJSON *inner, *rootfs;
	const char *driver;
	auto_free char *why = NULL;
	AUTO_STRV(diffs);
	struct cJSON *o;

	TRY(json_parse(row->config, strlen(row->config), "image config", &config, e));
	TRY(image_driver(db_dirs(db), &driver, &why, e));
	json_add_str(out, "Id", row->id);
	TRY(add_names(db, row, out, e));
	json_add_str(out, "Parent", "");
	copy_text(out, "Comment", config, "comment");
	copy_text(out, "Created", config, "created");
	copy_text(out, "Author", config, "author");
	inner = json_get(config, "config");
	json_add(out, "Config", inner ? json_copy(inner) : json_object());
	json_add_str(out, "Architecture", row->architecture);
	json_add_str(out, "Variant", row->variant);
	json_add_str(out, "Os", row->os);
	json_add_int(out, "Size", row->size);
	add_driver(db, row, driver, json_add_object(out, "GraphDriver"));
	o = json_add_object(out, "RootFS");
	rootfs = json_get(config, "rootfs");
	json_strv(rootfs, "diff_ids", &diffs);
	json_add_str(o, "Type", "layers");
	json_add_strv(o, "Layers", &diffs);
	json_add_object(out, "Metadata");
	*ret = TAKE(out);
	return 0;
}
