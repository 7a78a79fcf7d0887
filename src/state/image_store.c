/* SPDX-License-Identifier: MIT */
#include "state/image_store.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "state/blob_store.h"
#include "state/db.h"
#include "state/sql.h"
#include "state/stmt.h"
#include <errno.h>

void image_row_done(struct image_row *i)
{
	free(i->id);
	free(i->config);
	free(i->manifest);
	free(i->os);
	free(i->architecture);
	free(i->variant);
	strv_done(&i->layers);
	*i = (struct image_row){ 0 };
}

void layer_row_done(struct layer_row *l)
{
	free(l->chain_id);
	free(l->diff_id);
	free(l->parent);
	free(l->tree_digest);
	free(l->driver);
	*l = (struct layer_row){ 0 };
}

void image_names_done(struct image_names *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].ref);
		free(l->v[i].id);
	}
	free(l->v);
	*l = (struct image_names){ 0 };
}

/* ---- layers ---- */

int layer_insert(struct db *db, const struct layer_row *l, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_LAYER_INSERT, e, V(l->chain_id), V(l->diff_id), V(l->parent), V(l->tree_digest), V(l->size), V(l->driver));
	int r = stmt_run(s, e);

	if (r == -EBUSY)
		return err_instead(e, ENOENT, "layer %s: its parent %s is not there", l->chain_id, str0(l->parent));
	return r < 0 ? r : r == 0;
}

int layer_get(struct db *db, const char *chain_id, struct layer_row *ret, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_LAYER_GET, e, V(chain_id));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
	*ret = (struct layer_row){
		.chain_id = stmt_dup(s, 0), .diff_id = stmt_dup(s, 1), .parent = stmt_dup(s, 2), .tree_digest = stmt_dup(s, 3),
		.size = stmt_int(s, 4), .driver = stmt_dup(s, 5),
	};
	stmt_reset(s);
	return 0;
}

int layer_unused(struct db *db, struct strv *ret, struct err *e)
{
	return stmt_strings(db_stmt(db, SQL_LAYER_UNUSED, e), ret, e);
}

int layer_list(struct db *db, struct strv *ret, struct err *e)
{
	return stmt_strings(db_stmt(db, SQL_LAYER_LIST, e), ret, e);
}

int layer_set_driver(struct db *db, const char *chain_id, const char *driver, int64_t size, struct err *e)
{
	return stmt_do(DB_STMT(db, SQL_LAYER_SET_DRIVER, e, V(chain_id), V(driver), V(size)), e);
}

int layer_other_driver(struct db *db, const char *image, const char *driver, char **ret_other, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_LAYER_OTHER_DRIVER, e, V(image), V(driver));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
	*ret_other = stmt_dup(s, 0);
	stmt_reset(s);
	return 0;
}

int container_other_driver(struct db *db, const char *driver, char **ret_name, char **ret_other, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_CTR_OTHER_DRIVER, e, V(driver));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
	*ret_name = stmt_dup(s, 0);
	*ret_other = stmt_dup(s, 1);
	stmt_reset(s);
	return 0;
}

int layer_set_tree(struct db *db, const char *chain_id, const char *tree_digest, struct err *e)
{
	return stmt_do(DB_STMT(db, SQL_LAYER_SET_TREE, e, V(chain_id), V(tree_digest)), e);
}

int layer_delete(struct db *db, const char *chain_id, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_LAYER_DELETE, e, V(chain_id));
	int r = stmt_run(s, e);

	if (r == -EBUSY)
		return err_instead(e, EBUSY, "layer %s is in use by an image or another layer", chain_id);
	return r < 0 ? r : 0;
}

/* ---- images/meta/HEX.json: the rows once more, for the day the database is lost ---- */

/* Without its row an archive is nobody's, and is collected. */
static int meta_blob(struct db *db, const char *chain_id, struct cJSON *layer, struct err *e)
{
	AUTO_DONE(blob_row_done) struct blob_row b = { 0 };
	struct cJSON *j;
	int r = blob_get(db, chain_id, &b, e);

	if (r != 0)
		return MIN(r, 0);
	j = json_add_object(layer, "blob");
	json_add_str(j, "digest", b.digest);
	json_add_str(j, "type", b.type);
	json_add_int(j, "size", b.size);
	json_add_str(j, "origin", b.origin);
	return 0;
}

static int meta_layers(struct db *db, const struct strv *chain, struct cJSON *out, struct err *e)
{
	for (size_t i = 0; i < chain->n; i++) {
		AUTO_DONE(layer_row_done) struct layer_row l = { 0 };
		struct cJSON *j = json_add_object(out, NULL);

		if (layer_get(db, chain->v[i], &l, e) < 0)
			return -e->code;
		json_add_str(j, "chain_id", l.chain_id);
		json_add_str(j, "diff_id", l.diff_id);
		json_add_str(j, "parent", l.parent);
		json_add_str(j, "tree_digest", l.tree_digest);
		json_add_int(j, "size", l.size);
		json_add_str(j, "driver", l.driver);
		TRY(meta_blob(db, chain->v[i], j, e));
	}
	return 0;
}

static int meta_text(struct db *db, const struct image_row *i, char **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *j = json_object();
	AUTO_STRV(names);

	json_add_str(j, "id", i->id);
	json_add_str(j, "config", i->config);
	json_add_str(j, "manifest", i->manifest);
	json_add_str(j, "os", i->os);
	json_add_str(j, "architecture", i->architecture);
	json_add_str(j, "variant", i->variant);
	json_add_int(j, "size", i->size);
	json_add_int(j, "created_ns", i->created_ns);
	TRY(meta_layers(db, &i->layers, json_add_array(j, "layers"), e));
	TRY(stmt_strings(DB_STMT(db, SQL_IMG_NAMES_OF, e, V(i->id)), &names, e));
	json_add_strv(j, "names", &names);
	*ret = json_text(j, false);
	return 0;
}

static int meta_try(struct db *db, const char *id, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row i = { 0 };
	const char *hex = str_after(id, "sha256:");
	auto_free char *dir = dirs_root(db_dirs(db), "images/meta");
	auto_free char *path = xasprintf("%s/%s.json", dir, hex ? hex : id);
	auto_free char *text = NULL;
	int r = image_get(db, id, &i, e);

	TRY(r);
	if (r == 1) {
		(void)unlink(path);
		return 0;
	}
	TRY(meta_text(db, &i, &text, e));
	TRY(file_mkdir_p(dir, 0700, e));
	return file_replace(path, text, strlen(text), 0600, false, e);
}

/* A copy: its failure (a full disk) fails nothing. */
static void meta_write(struct db *db, const char *id)
{
	AUTO_ERR(why);

	if (strchr(id, '/') || meta_try(db, id, &why) < 0)
		log_debug("image %s: copy of its rows: %s", id, err_text(&why));
}

/* ---- images ---- */

static int insert_image(struct db *db, const struct image_row *i, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_IMG_INSERT, e, V(i->id), V(i->config), V(i->manifest), V(i->os), V(i->architecture), V(i->variant),
				V(i->size), V(i->created_ns));
	int r;

	TRY(r = stmt_run(s, e));
	if (r == 0)
		return 1;
	for (size_t k = 0; k < i->layers.n; k++) {
		s = DB_STMT(db, SQL_IMG_LAYER_INSERT, e, V(i->id), V(k), V(i->layers.v[k]));
		r = stmt_run(s, e);
		if (r == -EBUSY)
			return err_instead(e, ENOENT, "image %s: layer %s is not there", i->id, i->layers.v[k]);
		TRY(r);
	}
	meta_write(db, i->id);
	return 0;
}

int image_insert(struct db *db, const struct image_row *i, struct err *e)
{
	TRY(db_begin(db, e));
	return db_end(db, insert_image(db, i, e), e);
}

int image_get(struct db *db, const char *id, struct image_row *ret, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row i = { 0 };
	struct stmt *s = DB_STMT(db, SQL_IMG_GET, e, V(id));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
	i = (struct image_row){
		.id = stmt_dup(s, 0), .config = stmt_dup(s, 1), .manifest = stmt_dup(s, 2), .os = stmt_dup(s, 3),
		.architecture = stmt_dup(s, 4), .variant = stmt_dup(s, 5), .size = stmt_int(s, 6), .created_ns = stmt_int(s, 7),
	};
	stmt_reset(s);
	TRY(stmt_strings(DB_STMT(db, SQL_IMG_LAYERS, e, V(id)), &i.layers, e));
	*ret = i;
	i = (struct image_row){ 0 };
	return 0;
}

int image_find_prefix(struct db *db, const char *hex, struct strv *ret_ids, struct err *e)
{
	auto_free char *prefix = xasprintf("sha256:%s", hex);

	if (strspn(hex, "0123456789abcdef") != strlen(hex))
		return 0;
	return stmt_strings(DB_STMT(db, SQL_IMG_PREFIX, e, V(prefix)), ret_ids, e);
}

int image_list(struct db *db, struct strv *ret_ids, struct err *e)
{
	return stmt_strings(db_stmt(db, SQL_IMG_LIST, e), ret_ids, e);
}

int image_delete(struct db *db, const char *id, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_IMG_DELETE, e, V(id));

	TRY(stmt_run(s, e));
	meta_write(db, id);
	return 0;
}

/* ---- names ---- */

static int name_set(struct db *db, const char *ref, const char *id, struct err *e)
{
	auto_free char *before = NULL;
	struct stmt *s;
	int r;

	TRY(image_name_get(db, ref, &before, e));
	if (before && streq(before, id))
		return 0;
	s = DB_STMT(db, SQL_IMG_NAME_SET, e, V(ref), V(id));
	r = stmt_run(s, e);
	if (r == -EBUSY)
		return err_instead(e, ENOENT, "image %s is not there", id);
	TRY(r);
	if (before)
		meta_write(db, before);
	meta_write(db, id);
	return 0;
}

int image_name_set(struct db *db, const char *ref, const char *id, struct err *e)
{
	TRY(db_begin(db, e));
	return db_end(db, name_set(db, ref, id, e), e);
}

int image_name_get(struct db *db, const char *ref, char **ret_id, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_IMG_NAME_GET, e, V(ref));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
	*ret_id = stmt_dup(s, 0);
	stmt_reset(s);
	return 0;
}

static int name_delete(struct db *db, const char *ref, struct err *e)
{
	auto_free char *id = NULL;
	int r = image_name_get(db, ref, &id, e);
	struct stmt *s;

	if (r != 0)
		return r;
	s = DB_STMT(db, SQL_IMG_NAME_DELETE, e, V(ref));
	TRY(stmt_run(s, e));
	meta_write(db, id);
	return 0;
}

int image_name_delete(struct db *db, const char *ref, struct err *e)
{
	TRY(db_begin(db, e));
	return db_end(db, name_delete(db, ref, e), e);
}

int image_name_list(struct db *db, struct image_names *ret, struct err *e)
{
	struct stmt *s = db_stmt(db, SQL_IMG_NAME_LIST, e);
	int r;

	while ((r = stmt_step(s, e)) == 1) {
		xgrow(&ret->v, ret->n, &ret->cap, sizeof *ret->v);
		ret->v[ret->n++] = (struct image_name){ .ref = stmt_dup(s, 0), .id = stmt_dup(s, 1) };
	}
	return r;
}

/* ---- registries ---- */

void image_remote_done(struct image_remote *r)
{
	free(r->ref);
	free(r->id);
	free(r->digest);
	free(r->manifest);
	*r = (struct image_remote){ 0 };
}

void image_remotes_done(struct image_remotes *l)
{
	for (size_t i = 0; i < l->n; i++)
		image_remote_done(&l->v[i]);
	free(l->v);
	*l = (struct image_remotes){ 0 };
}

static struct image_remote remote_row(struct stmt *s)
{
	return (struct image_remote){ .ref = stmt_dup(s, 0), .id = stmt_dup(s, 1), .digest = stmt_dup(s, 2), .manifest = stmt_dup(s, 3),
				      .checked_ns = stmt_int(s, 4) };
}

int image_remote_set(struct db *db, const struct image_remote *r, struct err *e)
{
	return stmt_do(DB_STMT(db, SQL_IMG_REMOTE_SET, e, V(r->ref), V(r->id), V(r->digest), V(r->manifest), V(r->checked_ns)), e);
}

int image_remote_get(struct db *db, const char *ref, struct image_remote *ret, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_IMG_REMOTE_GET, e, V(ref));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
	*ret = remote_row(s);
	stmt_reset(s);
	return 0;
}

int image_remote_of(struct db *db, const char *id, struct image_remotes *ret, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_IMG_REMOTE_OF, e, V(id));
	int r;

	while ((r = stmt_step(s, e)) == 1) {
		xgrow(&ret->v, ret->n, &ret->cap, sizeof *ret->v);
		ret->v[ret->n++] = remote_row(s);
	}
	return r;
}
