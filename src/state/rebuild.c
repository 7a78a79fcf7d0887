/* SPDX-License-Identifier: MIT
 *
 * Rows from what is on disk: volumes (volume.json), images (images/meta/HEX.json), containers (spec.json), in this order, because rows refer to
 * each other so. For a database that is lost, damaged, or went back in time at a power cut. Only adds; a file that cannot be read is passed over
 * and stays where it is.
 *
 * What no file tells: networks (the next `up` makes them), leases, how a container ended. A container found this way has no hash, so the next
 * `up` makes it anew, with the anonymous volumes of its spec.
 */
#include "state/db.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/strv.h"
#include "base/time.h"
#include "state/blob_store.h"
#include "state/container_store.h"
#include "state/image_store.h"
#include "state/sql.h"
#include "state/stmt.h"
#include "state/volume_store.h"
#include <dirent.h>
#include <errno.h>

enum { FILE_MAX = 8 << 20, ENTRIES_MAX = 1000000 };

/* One object: NAME of the folder entry, TEXT of its file. Returns 1: a row was added, 0: known, or passed over. */
typedef int found_fn(struct db *db, const char *name, const char *text, size_t n, struct err *e);

/* Calls FN for each DIR/<entry>FILE ("containers/ID" + "/spec.json"). Failures of one entry are its own. */
static int each(struct db *db, const char *dir, const char *file, found_fn *fn, struct err *e)
{
	auto_free char *path = dirs_root(db_dirs(db), "%s", dir);
	DIR *d = opendir(path);
	struct dirent *ent;
	int added = 0, seen = 0;

	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, "read '%s'", path);
	while ((ent = readdir(d)) && seen++ < ENTRIES_MAX) {
		auto_free char *p = xasprintf("%s/%s%s", path, ent->d_name, file);
		auto_free char *text = NULL;
		size_t n = 0;
		AUTO_ERR(why);
		int r;

		if (ent->d_name[0] == '.' || !file_exists(p))
			continue;
		r = file_read(p, FILE_MAX, &text, &n, &why);
		if (r >= 0)
			r = fn(db, ent->d_name, text, n, &why);
		if (r < 0)
			log_debug("passed over '%s': %s", p, err_text(&why));
		else
			added += r;
	}
	closedir(d);
	return added;
}

static int volume_found(struct db *db, const char *name, const char *text, size_t n, struct err *e)
{
	AUTO_DONE(volume_row_done) struct volume_row v = { 0 };

	TRY(volume_row_parse(text, n, &v, e));
	if (!streq(v.name, name))
		return err_set(e, EINVAL, "is of volume '%s'", v.name);
	return volume_insert(db, &v, e) == 0;
}

/* ---- images ---- */

static bool layer_there(const struct db *db, const char *chain_id)
{
	const char *hex = str_after(chain_id, "sha256:");
	auto_free char *path = dirs_root(db_dirs(db), "images/layers/%s", hex ? hex : chain_id);

	return file_exists(path);
}

static int blob_found(struct db *db, const char *chain_id, const struct cJSON *j, struct err *e)
{
	const struct blob_row b = { .chain_id = (char *)chain_id, .digest = (char *)json_str(j, "digest"), .type = (char *)json_str(j, "type"),
				    .size = json_int(j, "size", 0), .origin = (char *)json_str(j, "origin") };

	return b.digest && b.type && b.origin ? blob_set(db, &b, e) : 0;
}

static int layers_found(struct db *db, const struct cJSON *list, struct strv *ret_chain, struct err *e)
{
	for (const struct cJSON *j = json_first(list); j; j = json_next(j)) {
		const char *chain = json_str(j, "chain_id"), *diff = json_str(j, "diff_id"), *driver = json_str(j, "driver");
		const struct layer_row l = {
			.chain_id = (char *)chain, .diff_id = (char *)diff, .parent = (char *)json_str(j, "parent"),
			.tree_digest = (char *)json_str(j, "tree_digest"), .size = json_int(j, "size", 0), .driver = (char *)driver,
		};

		if (!chain || !diff || !driver || !layer_there(db, chain))
			return err_set(e, ENOENT, "layer %s is not there", str0(chain));
		TRY(layer_insert(db, &l, e));
		TRY(blob_found(db, chain, json_get(j, "blob"), e));
		strv_add(ret_chain, chain);
	}
	return 0;
}

static int image_found(struct db *db, const char *name, const char *text, size_t n, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	struct image_row i = { 0 };
	int r;

	(void)name;
	TRY(json_parse(text, n, "image", &j, e));
	TRY(json_need_str(j, "id", "image", (const char **)&i.id, e));
	TRY(json_need_str(j, "config", "image", (const char **)&i.config, e));
	i.manifest = (char *)json_str(j, "manifest");
	i.os = (char *)json_str(j, "os");
	i.architecture = (char *)json_str(j, "architecture");
	i.variant = (char *)json_str(j, "variant");
	i.size = json_int(j, "size", 0);
	i.created_ns = json_int(j, "created_ns", 0);
	r = layers_found(db, json_get(j, "layers"), &i.layers, e);
	if (r >= 0)
		r = image_insert(db, &i, e);
	strv_done(&i.layers);
	if (r != 0)
		return r < 0 ? r : 0; /* known: its names in the database are the newer ones */
	for (const struct cJSON *k = json_first(json_get(j, "names")); k; k = json_next(k)) {
		auto_free char *has = NULL;

		if (json_value_str(k) && image_name_get(db, json_value_str(k), &has, e) == 1)
			TRY(image_name_set(db, json_value_str(k), i.id, e));
	}
	return 1;
}

/* ---- containers ---- */

static int container_volumes(struct db *db, const char *id, const struct cJSON *mounts, struct err *e)
{
	for (const struct cJSON *m = json_first(mounts); m; m = json_next(m)) {
		AUTO_DONE(volume_row_done) struct volume_row v = { 0 };
		const char *type = json_str(m, "type"), *source = json_str(m, "source");

		if (type && source && streq(type, "volume") && volume_get(db, source, &v, e) == 0)
			TRY(volume_use(db, source, id, e));
	}
	return 0;
}

static int container_found(struct db *db, const char *name, const char *text, size_t n, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_DONE(ctr_row_done) struct ctr_row known = { 0 };
	auto_free char *keeper = NULL;
	struct ctr_row c = { .state = CTR_EXITED, .desired = DESIRED_STOPPED, .created_ns = time_now_ns() };
	int r;

	TRY(json_parse(text, n, "container", &j, e));
	TRY(json_need_str(j, "id", "container", (const char **)&c.id, e));
	TRY(json_need_str(j, "name", "container", (const char **)&c.name, e));
	if (!id_is(c.id) || !streq(c.id, name))
		return err_set(e, EINVAL, "is of container '%s'", c.id);
	r = ctr_get(db, c.id, &known, e);
	if (r <= 0)
		return r;
	c.project = (char *)json_str(j, "project");
	c.service = (char *)json_str(j, "service");
	c.number = json_int(j, "number", 0);
	c.oneoff = json_bool(j, "oneoff", false);
	c.image_ref = (char *)json_str(j, "image_ref");
	c.image_id = (char *)json_str(j, "image_id");
	keeper = dirs_run(db_dirs(db), "c/%s/keep.sock", c.id);
	if (file_exists(keeper))
		c.desired = DESIRED_RUNNING; /* somebody holds it: the project's monitor adopts what lives */
	TRY(ctr_insert(db, &c, e));
	TRY(container_volumes(db, c.id, json_get(j, "mounts"), e));
	return 1;
}

/* Kernel objects are named after rows of networks and endpoints. Those of a lost database may still be there, so numbers go on where no earlier
 * one can have been: minutes since 2025, more than one network a minute is not made for years. */
static int seed_numbers(struct db *db, struct err *e)
{
	return stmt_run(DB_STMT(db, SQL_SEED_SEQUENCE, e, V((time_now_ns() / 1000000000 - 1735689600) / 60)), e);
}

static const struct {
	const char *dir, *file;
	found_fn *fn;
} kinds[] = {
	{ "volumes", "/volume.json", volume_found },
	{ "images/meta", "", image_found },
	{ "containers", "/spec.json", container_found },
};

static int rebuild(struct db *db, struct err *e)
{
	int added = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		int r = each(db, kinds[i].dir, kinds[i].file, kinds[i].fn, e);

		FP("state.rebuild", e);
		TRY(r);
		added += r;
	}
	if (added)
		TRY(seed_numbers(db, e));
	return added;
}

int db_rebuild(struct db *db, struct err *e)
{
	TRY(db_begin(db, e));
	return db_end(db, rebuild(db, e), e);
}
