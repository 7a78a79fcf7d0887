/* SPDX-License-Identifier: MIT
 *
 * A damaged layer moves away, into a folder of images/tmp that we have locked; then an image that has it is loaded again from an OCI layout of what the
 * store itself has (hard links to its blobs), or pulled by its digest: both find that one layer missing and bring nothing else, through the same checks as
 * ever. When that fails the damaged one comes back, which is better than none. Killed in between, the layer is missing, and the next repair brings it.
 */
#include "engine/image/fsck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/str.h"
#include "engine/image/blob.h"
#include "engine/image/load_priv.h"
#include "engine/image/manifest.h"
#include "engine/image/ref.h"
#include "engine/image/remote.h"
#include "engine/image/store.h"
#include "state/blob_store.h"
#include "state/container_store.h"
#include "state/db.h"


struct repair {
	struct db *db;
	const struct dirs *dirs;
	struct fsck *f;
	struct map bad_blobs;   /* file names */
	char *tmp;              /* a folder of ours */
	int tmp_fd;
};

static void repair_done(struct repair *r)
{
	map_done(&r->bad_blobs);
	image_tmp_done(r->tmp_fd, r->tmp);
}

/* ---- which image has it, who uses it --------------------------------------------------------------------------------------------------------------------- */

static int chain_of(const struct image_row *row, struct strv *chain, struct strv *diffs, struct err *e)
{
	AUTO_DONE(config_info_done) struct config_info info = { 0 };

	TRY(config_info_parse(row->config, strlen(row->config), &info, e));
	chain_ids(&info.diff_ids, chain);
	if (diffs)
		strv_copy(diffs, &info.diff_ids);
	return 0;
}

/* All images that have the layer; -EBUSY: one of them runs. */
static int images_of(struct repair *r, const char *layer, struct strv *ret, struct err *e)
{
	AUTO_STRV(ids);

	TRY(image_list(r->db, &ids, e));
	for (size_t i = 0; i < ids.n; i++) {
		AUTO_DONE(image_row_done) struct image_row row = { 0 };
		AUTO_DONE(ctr_rows_done) struct ctr_rows users = CTR_ROWS_INIT;
		AUTO_STRV(chain);

		if (image_get(r->db, ids.v[i], &row, e) != 0 || chain_of(&row, &chain, NULL, e) < 0) {
			if (e->code)
				return -e->code;
			continue;
		}
		if (!strv_has(&chain, layer))
			continue;
		TRY(ctr_by_image(r->db, ids.v[i], &users, e));
		for (size_t k = 0; k < users.n; k++)
			if (ctr_state_live(users.v[k].state))
				return err_set(e, EBUSY, "container %s is running on it: stop it, then repair", users.v[k].name);
		strv_add(ret, ids.v[i]);
	}
	return ret->n ? 0 : err_set(e, ENOENT, "it is of no image, only of the build cache: 'gantry gc --cache-age 0s' removes it");
}

/* ---- from the archive in the store ------------------------------------------------------------------------------------------------------------------------- */

static int put(const char *dir, const char *name, const char *text, struct err *e)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);

	return file_replace(path, text, strlen(text), 0600, false, e);
}

/* The blob of the layer as the layout has it, described in LIST as manifest_make wants it. 1: it is not here, or not as it should be. */
static int layout_layer(struct repair *r, const char *dir, const char *chain, const char *diff, bool needed, struct cJSON *list, struct err *e)
{
	AUTO_DONE(blob_row_done) struct blob_row blob = { 0 };
	struct cJSON *o = json_add_object(list, NULL);
	int rc = blob_get(r->db, chain, &blob, e);
	auto_free char *name = NULL, *from = NULL, *to = NULL;

	TRY(rc);
	/* Those that are in place are never opened. */
	json_add_str(o, "type", rc == 0 ? blob.type : TYPE_LAYER);
	json_add_str(o, "blob", rc == 0 ? blob.digest : diff);
	json_add_int(o, "size", rc == 0 ? blob.size : 0);
	to = xasprintf("%s/blobs/sha256/%s", dir, digest_hex_part(rc == 0 ? blob.digest : diff));
	if (!needed)
		return file_exists(to) ? 0 : file_replace(to, "", 0, 0600, false, e);
	if (rc > 0 || !str_starts(blob.digest, "sha256:"))
		return 1;
	name = blob_name(blob.digest);
	if (map_has(&r->bad_blobs, name))
		return 1;
	from = dirs_root(r->dirs, "images/blobs/%s", name);
	(void)unlink(to);
	if (link(from, to) < 0)
		return errno == ENOENT ? 1 : err_sys(e, "link '%s'", from);
	return 0;
}

static int put_document(const char *dir, const char *text, char digest[DIGEST_TEXT], struct err *e)
{
	auto_free char *name = NULL;

	digest_text(text, strlen(text), digest);
	name = xasprintf("blobs/sha256/%s", digest_hex_part(digest));
	return put(dir, name, text, e);
}

/* An OCI layout of the image in DIR. 1: the archive of LAYER is not here. */
static int layout(struct repair *r, const char *dir, const struct image_row *row, const char *layer, struct err *e)
{
	AUTO(json_free) struct cJSON *layers = json_array(), *index = json_object();
	auto_free char *manifest = NULL, *top = NULL, *folder = xasprintf("%s/blobs/sha256", dir);
	char digest[DIGEST_TEXT];
	struct cJSON *entry;
	AUTO_STRV(chain);
	AUTO_STRV(diffs);

	TRY(chain_of(row, &chain, &diffs, e));
	TRY(file_mkdir_p(folder, 0700, e));
	TRY(put_document(dir, row->config, digest, e));
	for (size_t i = 0; i < chain.n; i++) {
		int rc = layout_layer(r, dir, chain.v[i], diffs.v[i], streq(chain.v[i], layer), layers, e);

		if (rc != 0)
			return rc;
	}
	manifest = manifest_make(layers, digest, strlen(row->config));
	TRY(put_document(dir, manifest, digest, e));
	json_add_int(index, "schemaVersion", 2);
	entry = json_add_object(json_add_array(index, "manifests"), NULL);
	json_add_str(entry, "mediaType", TYPE_MANIFEST);
	json_add_str(entry, "digest", digest);
	json_add_int(entry, "size", (int64_t)strlen(manifest));
	top = json_text(index, false);
	TRY(put(dir, "index.json", top, e));
	return put(dir, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", e);
}

/* 1: the archive is not here. */
static int from_archive(struct repair *r, const struct image_row *row, const char *layer, struct err *e)
{
	auto_free char *dir = xasprintf("%s/layout", r->tmp);
	struct image_source src = { .what = "the store's own archives" };
	AUTO_STRV(report);
	AUTO_ERR(ignored);
	int rc = layout(r, dir, row, layer, e);

	if (rc == 0) {
		src.fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = src.fd < 0 ? err_sys(e, "open '%s'", dir) : image_load(r->db, &src, &report, e);
		if (src.fd >= 0)
			close(src.fd);
	}
	(void)file_remove_tree_path(dir, &ignored);
	return rc;
}

/* ---- from the registry ------------------------------------------------------------------------------------------------------------------------------------ */

struct pulled {
	struct loop *loop;
	struct err *e;
	int r;
};

static void ended(void *arg, int rc, const char *digest, struct err *e)
{
	struct pulled *p = arg;

	(void)digest;
	p->r = rc;
	if (rc < 0)
		err_move(p->e, e);
	loop_quit(p->loop);
}

static int pull_one(struct db *db, const char *ref, struct err *e)
{
	AUTO(loop_free) struct loop *loop = loop_new(e);
	AUTO(image_pull_free) struct image_pull *pull = NULL;
	struct pulled p = { .loop = loop, .e = e };
	const struct image_pull_item item = { .ref = ref, .arg = &p };
	const struct image_pull_options o = { .ended = ended };

	if (!loop)
		return -e->code;
	TRY(image_pull_start(db, loop, &item, 1, &o, &pull, e));
	if (loop_run(loop) < 0 && !e->code)
		return err_set(e, EIO, "the pull ended unexpectedly");
	return p.r;
}

/* By the digest of its manifest, under a name that goes again. 1: it is from no registry. */
static int from_registry(struct repair *r, const struct image_row *row, struct err *e)
{
	AUTO_DONE(image_remotes_done) struct image_remotes known = { 0 };
	AUTO_DONE(ref_done) struct ref ref = { 0 };
	auto_free char *name = NULL, *full = NULL, *before = NULL;
	int rc, had;

	TRY(image_remote_of(r->db, row->id, &known, e));
	if (known.n == 0)
		return 1;
	TRY(ref_parse(known.v[0].ref, &ref, e));
	name = ref_name(&ref);
	full = xasprintf("%s@%s", name, known.v[0].manifest);
	TRY(had = image_name_get(r->db, full, &before, e));
	rc = pull_one(r->db, full, e);
	if (had > 0) {
		AUTO_ERR(ignored);

		(void)image_name_delete(r->db, full, &ignored);
	}
	return rc < 0 ? rc : 0;
}

/* ---- one layer, one blob ---------------------------------------------------------------------------------------------------------------------------------- */

static int bring(struct repair *r, const struct strv *images, const char *layer, const char **ret_how, struct err *e)
{
	AUTO_ERR(why);

	for (size_t i = 0; i < images->n; i++) {
		AUTO_DONE(image_row_done) struct image_row row = { 0 };
		int rc;

		if (image_get(r->db, images->v[i], &row, e) != 0)
			return e->code ? -e->code : err_set(e, ENOENT, "image %s was removed meanwhile", images->v[i]);
		err_clear(&why);
		*ret_how = "unpacked again from its archive";
		rc = from_archive(r, &row, layer, &why);
		if (rc == 0)
			return 0;
		err_clear(&why);
		*ret_how = "fetched again from its registry";
		rc = from_registry(r, &row, &why);
		if (rc == 0)
			return 0;
		if (rc > 0)
			err_set(&why, ENOENT, "its archive is not here, and it is from no registry: load its image again, or build it with --no-cache");
	}
	return err_move(e, &why);
}

static int repair_layer(struct repair *r, const char *layer, const char **ret_how, struct err *e)
{
	auto_free char *path = layer_path(r->dirs, layer), *aside = xasprintf("%s/%s", r->tmp, digest_hex_part(layer));
	AUTO_STRV(images);
	bool was_there;
	int rc;

	TRY(images_of(r, layer, &images, e));
	was_there = rename(path, aside) == 0;
	if (!was_there && errno != ENOENT)
		return err_sys(e, "move '%s' away", path);
	FP("image.fsck.aside", e);
	rc = bring(r, &images, layer, ret_how, e);
	if (rc >= 0 && !file_exists(path))
		rc = err_set(e, EIO, "it did not come");
	if (rc < 0 && was_there && !file_exists(path))
		(void)!rename(aside, path);
	return rc;
}

static int find_row(struct repair *r, const char *file, struct blob_rows *rows, const struct blob_row **ret, struct err *e)
{
	TRY(blob_list(r->db, rows, e));
	for (size_t i = 0; i < rows->n; i++) {
		auto_free char *name = blob_name(rows->v[i].digest);

		if (streq(name, file)) {
			*ret = &rows->v[i];
			return 0;
		}
	}
	return 0;
}

/* A blob with wrong bytes is of use to nobody. Its layer may be whole: then it is packed again when it is needed, or fetched with it. */
static int repair_blob(struct repair *r, const char *file, const char **ret_how, struct err *e)
{
	AUTO_DONE(blob_rows_done) struct blob_rows rows = { 0 };
	auto_free char *path = dirs_root(r->dirs, "images/blobs/%s", file), *aside = xasprintf("%s/%s", r->tmp, file);
	const struct blob_row *row = NULL;
	int rc;

	TRY(find_row(r, file, &rows, &row, e));
	if (row && streq(row->origin, BLOB_LOADED)) {
		err_set(e, ENOENT, "only the file that it was loaded from has it: load that again, after 'gantry image rm'");
		return -ENOENT;
	}
	if (rename(path, aside) < 0 && errno != ENOENT)
		return err_sys(e, "move '%s' away", path);
	*ret_how = "removed: it is made again when it is needed";
	if (!row || !streq(row->origin, BLOB_PULLED))
		return 0;
	rc = repair_layer(r, row->chain_id, ret_how, e);
	if (rc < 0 && !file_exists(path))
		(void)!rename(aside, path);
	return rc;
}

static void repair_one(struct repair *r, struct fsck_finding *one)
{
	const char *how = "";
	AUTO_ERR(why);
	int rc = one->kind == FSCK_LAYER ? repair_layer(r, one->id, &how, &why) : repair_blob(r, one->id, &how, &why);

	if (rc >= 0) {
		one->state = FSCK_REPAIRED;
		strv_addf(&one->lines, "repaired: %s", how);
	} else {
		strv_addf(&one->lines, "not repaired: %s", err_text(&why));
	}
}

int image_fsck_repair(struct db *db, struct fsck *f, struct err *e)
{
	AUTO_DONE(repair_done) struct repair r = { .db = db, .dirs = db_dirs(db), .f = f, .bad_blobs = MAP_INIT(NULL), .tmp_fd = -1 };
	bool layers_first[] = { true, false };

	r.tmp_fd = image_tmp_make(r.dirs, NULL, &r.tmp, e);
	TRY(r.tmp_fd);
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].kind == FSCK_BLOB && f->v[i].state == FSCK_DAMAGED)
			map_set(&r.bad_blobs, f->v[i].id, f);
	/* Blobs after layers: a layer that is fetched brings its blob, so bad ones must not be in its way. */
	for (size_t k = 0; k < ARRAY_LEN(layers_first); k++)
		for (size_t i = 0; i < f->n; i++)
			if (f->v[i].state == FSCK_DAMAGED && f->v[i].kind == (layers_first[k] ? FSCK_LAYER : FSCK_BLOB))
				repair_one(&r, &f->v[i]);
	return 0;
}
