/* SPDX-License-Identifier: MIT */
#include "engine/image/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/ref.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/event_store.h"

enum { ID_PREFIX_MIN = 4, USERS_SHOWN = 3 };

char *layer_path(const struct dirs *d, const char *chain_id)
{
	return dirs_root(d, "images/layers/%s", digest_hex_part(chain_id));
}

char *layer_lack_path(const struct dirs *d, const char *chain_id)
{
	return dirs_root(d, "images/lacks/%s", digest_hex_part(chain_id));
}

int image_event(struct db *db, const char *action, const char *id, const char *name, struct err *e)
{
	AUTO(json_free) struct cJSON *attributes = json_object();
	auto_free char *text = NULL;
	struct event_row ev = { .time_ns = time_now_ns(), .type = (char *)"image", .action = (char *)action, .actor = (char *)id };

	json_add_str(attributes, "name", name);
	text = json_text(attributes, false);
	ev.attributes = text;
	return event_add(db, &ev, e);
}

/* ---- names --------------------------------------------------------------------------------------------------------------------------------------- */

/* "name@sha256:…": a name with that digest, or an image of that repository whose manifest or config has it. */
static int resolve_digest(struct db *db, const struct ref *r, char **ret_id, struct err *e)
{
	AUTO_DONE(image_names_done) struct image_names names = { 0 };
	auto_free char *full = ref_text(r), *name = ref_name(r);
	int rc = image_name_get(db, full, ret_id, e);

	if (rc <= 0)
		return rc;
	TRY(image_name_list(db, &names, e));
	for (size_t i = 0; i < names.n; i++) {
		AUTO_DONE(image_row_done) struct image_row row = { 0 };
		const char *rest = str_after(names.v[i].ref, name);

		if (!rest || (*rest != ':' && *rest != '@'))
			continue;
		if (image_get(db, names.v[i].id, &row, e) != 0)
			return e->code ? -e->code : 1;
		if (streq(row.id, r->digest) || streq0(row.manifest, r->digest)) {
			*ret_id = xstrdup(row.id);
			return 0;
		}
	}
	return 1;
}

static int resolve_name(struct db *db, const char *text, char **ret_id, struct err *e)
{
	AUTO_DONE(ref_done) struct ref r = { 0 };

	TRY(ref_parse_tagged(text, &r, e));
	if (r.digest)
		return resolve_digest(db, &r, ret_id, e);

	auto_free char *full = ref_text(&r);

	return image_name_get(db, full, ret_id, e);
}

static int resolve_prefix(struct db *db, const char *hex, char **ret_id, struct err *e)
{
	AUTO_STRV(ids);
	size_t n = strlen(hex);

	if (n < ID_PREFIX_MIN || n > ID_LEN || strspn(hex, "0123456789abcdef") != n)
		return 1;
	TRY(image_find_prefix(db, hex, &ids, e));
	if (ids.n > 1)
		return err_set(e, EINVAL, "image id '%s' is ambiguous: %.19s, %.19s%s", hex, ids.v[0], ids.v[1], ids.n > 2 ? ", …" : "");
	if (ids.n == 0)
		return 1;
	*ret_id = xstrdup(ids.v[0]);
	return 0;
}

/* Names before ids, as docker has it: an image called `cafe` is never hidden by another's id. */
static int resolve_id(struct db *db, const char *ref, char **ret_id, struct err *e)
{
	const char *hex = str_after(ref, "sha256:");
	int r;

	if (hex || id_is(ref))
		return resolve_prefix(db, hex ? hex : ref, ret_id, e);
	r = resolve_name(db, ref, ret_id, e);
	return r == 1 ? resolve_prefix(db, ref, ret_id, e) : r;
}

int image_resolve(struct db *db, const char *ref, struct image_row *ret, struct err *e)
{
	auto_free char *id = NULL;
	int r = resolve_id(db, ref, &id, e);

	return r ? r : image_get(db, id, ret, e);
}

int image_need(struct db *db, const char *ref, struct image_row *ret, struct err *e)
{
	int r = image_resolve(db, ref, ret, e);

	if (r > 0) {
		r = err_set(e, ENOENT, "no such image: '%s'", ref);
		err_hint(e, "'gantry image ls' lists what is there; 'gantry image pull' fetches, 'gantry image load' and 'gantry image import' bring images from files");
	}
	return r;
}

int image_names_of(struct db *db, const char *id, struct strv *ret, struct err *e)
{
	AUTO_DONE(image_names_done) struct image_names names = { 0 };

	TRY(image_name_list(db, &names, e));
	for (size_t i = 0; i < names.n; i++)
		if (streq(names.v[i].id, id))
			strv_add(ret, names.v[i].ref);
	return 0;
}

int image_tag(struct db *db, const char *source, const char *target, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_DONE(ref_done) struct ref r = { 0 };
	auto_free char *full = NULL;

	TRY(ref_parse_tagged(target, &r, e));
	if (r.digest) {
		int rc = err_set(e, EINVAL, "'%s': a digest cannot be given to an image, it has one", target);

		err_hint(e, "leave out what follows the '@'");
		return rc;
	}
	full = ref_text(&r);
	TRY(image_need(db, source, &row, e));
	TRY(db_begin(db, e));
	if (image_name_set(db, full, row.id, e) < 0 || image_event(db, "tag", row.id, full, e) < 0 || db_commit(db, e) < 0) {
		db_rollback(db);
		return -e->code;
	}
	return db_sync(db, e);
}

/* ---- removal ------------------------------------------------------------------------------------------------------------------------------------- */

static int users_error(const char *ref, const struct ctr_rows *users, struct err *e)
{
	AUTO_STR(text, 1024);
	int r;

	for (size_t i = 0; i < users->n && i < USERS_SHOWN; i++)
		str_addf(&text, "%s%s (%s)", i ? ", " : "", users->v[i].name, ctr_state_name((int)users->v[i].state));
	r = err_set(e, EBUSY, "image '%s' is used by container %s%s", ref, text.s, users->n > USERS_SHOWN ? ", …" : "");
	err_hint(e, "remove %s first; with --force only the image's name goes", users->n > 1 ? "these containers" : "the container");
	return r;
}

static int untag(struct db *db, const char *full, const char *id, struct strv *report, struct err *e)
{
	TRY(image_name_delete(db, full, e));
	TRY(image_event(db, "untag", id, full, e));
	strv_addf(report, "Untagged: %s", ref_familiar(full));
	return 0;
}

/* BY_NAME: the one name to take away, NULL: all. */
static int remove_in_transaction(struct db *db, const char *ref, const char *id, const char *by_name, bool force, struct strv *report, struct err *e)
{
	AUTO_DONE(ctr_rows_done) struct ctr_rows users = CTR_ROWS_INIT;
	AUTO_STRV(names);

	TRY(image_names_of(db, id, &names, e));
	if (by_name && names.n > 1)
		return untag(db, by_name, id, report, e);
	if (!by_name && names.n > 1 && !force) {
		int r = err_set(e, EBUSY, "image '%s' has several names: %s, %s%s", ref, ref_familiar(names.v[0]), ref_familiar(names.v[1]),
			names.n > 2 ? ", …" : "");

		err_hint(e, "remove it by name, or with --force");
		return r;
	}
	TRY(ctr_by_image(db, id, &users, e));
	if (users.n && !force)
		return users_error(ref, &users, e);
	for (size_t i = 0; i < names.n; i++)
		TRY(untag(db, names.v[i], id, report, e));
	if (users.n)
		return 0; /* its layers are the lower part of their roots */
	TRY(image_delete(db, id, e));
	TRY(image_event(db, "delete", id, NULL, e));
	strv_addf(report, "Deleted: %s", id);
	return 0;
}

/* The full name that REF is, when it is one (and not an id); NULL otherwise. */
static int name_in_use(struct db *db, const char *ref, char **ret, struct err *e)
{
	AUTO_DONE(ref_done) struct ref r = { 0 };
	AUTO_ERR(no_name);
	auto_free char *full = NULL, *id = NULL;
	int rc;

	if (str_starts(ref, "sha256:") || ref_parse_tagged(ref, &r, &no_name) < 0)
		return 0;
	full = ref_text(&r);
	rc = image_name_get(db, full, &id, e);
	if (rc == 0)
		*ret = TAKE(full);
	return rc < 0 ? rc : 0;
}

int image_unlist(struct db *db, const char *ref, bool force, struct strv *report, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	auto_free char *by_name = NULL;
	int r;

	TRY(db_begin(db, e));
	r = image_need(db, ref, &row, e);
	if (r >= 0)
		r = name_in_use(db, ref, &by_name, e);
	if (r >= 0)
		r = remove_in_transaction(db, ref, row.id, by_name, force, report, e);
	if (r >= 0)
		r = db_commit(db, e);
	if (r < 0) {
		db_rollback(db);
		strv_clear(report);
		return r;
	}
	return db_sync(db, e);
}

int image_remove(struct db *db, const char *ref, bool force, struct strv *report, struct err *e)
{
	TRY(image_unlist(db, ref, force, report, e));
	return image_collect(db, report, e);
}

int image_layers_lock(const struct dirs *d, bool to_remove, int *ret_fd, struct err *e)
{
	auto_free char *path = dirs_root(d, "images/layers.lock");

	return file_lock(path, !to_remove, !to_remove, ret_fd, e);
}

int image_tmp_make(const struct dirs *d, char name[IMAGE_TMP_NAME + 1], char **ret_path, struct err *e)
{
	enum { TRIES = 100 };
	auto_free char *parent = dirs_root(d, "images/tmp");

	TRY(file_mkdir_p(parent, 0700, e));
	for (int i = 0; i < TRIES; i++) {
		char random[IMAGE_TMP_NAME + 1];
		auto_close int fd = -1;
		struct stat st;

		id_hex(random, IMAGE_TMP_NAME);
		auto_free char *path = path_join(parent, random);

		if (mkdir(path, 0700) < 0)
			return err_sys(e, "make '%s'", path);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		/* A collector may have come between; then it is gone, or will be. */
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0 || st.st_nlink == 0)
			continue;
		if (name)
			memcpy(name, random, sizeof(random));
		*ret_path = TAKE(path);
		return TAKE_FD(fd);
	}
	return err_set(e, EAGAIN, "no temporary folder can be kept in '%s'", parent);
}

void image_tmp_done(int fd, char *path)
{
	AUTO_ERR(left);

	/* what stays is removed with the rest of tmp/ */
	if (path && file_remove_tree_path(path, &left) < 0)
		log_debug("%s", err_text(&left));
	if (fd >= 0)
		close(fd);
	free(path);
}
