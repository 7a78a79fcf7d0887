/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/image/image_blobs.h"
#include "engine/image/load_priv.h"
#include "engine/image/ref.h"
#include "engine/image/save.h"
#include "engine/image/store.h"
#include "engine/image/wire.h"
#include "state/db.h"

/* An image once, with all names under which it was asked for. */
struct choice {
	struct map names;  /* id -> struct strv, in the order of the arguments */
};

static void names_free(void *p)
{
	strv_done(p);
	free(p);
}

static struct strv *choose(struct choice *c, const char *id)
{
	struct strv *l = map_get(&c->names, id);

	if (!l) {
		l = xcalloc(1, sizeof(*l));
		map_set(&c->names, id, l);
	}
	return l;
}

/* A repository without a tag: all that it has here. 1: REF is no such thing. */
static int choose_repository(struct db *db, const char *ref, struct choice *c, struct err *e)
{
	AUTO_DONE(image_names_done) struct image_names names = { 0 };
	AUTO_DONE(ref_done) struct ref r = { 0 };
	AUTO_ERR(no_name);
	auto_free char *prefix = NULL, *name = NULL;
	int found = 1;

	if (str_starts(ref, "sha256:") || ref_parse(ref, &r, &no_name) < 0 || r.tag || r.digest)
		return 1;
	name = ref_name(&r);
	prefix = xasprintf("%s:", name);
	TRY(image_name_list(db, &names, e));
	for (size_t i = 0; i < names.n; i++)
		if (str_starts(names.v[i].ref, prefix)) {
			strv_add_unique(choose(c, names.v[i].id), names.v[i].ref);
			found = 0;
		}
	return found;
}

static int choose_one(struct db *db, const char *ref, struct choice *c, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_DONE(ref_done) struct ref r = { 0 };
	AUTO_ERR(no_name);
	auto_free char *full = NULL, *id = NULL;
	struct strv *names;
	int rc = choose_repository(db, ref, c, e);

	if (rc <= 0)
		return rc;
	TRY(image_need(db, ref, &row, e));
	names = choose(c, row.id);
	if (str_starts(ref, "sha256:") || ref_parse_tagged(ref, &r, &no_name) < 0 || r.digest)
		return 0;
	full = ref_text(&r);
	TRY(rc = image_name_get(db, full, &id, e));
	if (rc == 0)
		strv_add_unique(names, full);
	return 0;
}

static int add_images(struct db *db, const struct choice *c, struct cJSON *list, struct err *e)
{
	for (size_t i = 0; i < c->names.n; i++) {
		AUTO_DONE(image_row_done) struct image_row row = { 0 };
		AUTO_DONE(image_remotes_done) struct image_remotes known = { 0 };
		struct cJSON *o = json_add_object(list, NULL);
		int r = image_get(db, c->names.v[i].key, &row, e);

		if (r != 0)
			return r < 0 ? r : err_set(e, ENOENT, "image %s was removed meanwhile", c->names.v[i].key);
		TRY(image_remote_of(db, row.id, &known, e));
		TRY(image_blobs_request(db, &row, &known, false, o, e));
		json_add_strv(o, "names", c->names.v[i].value);
	}
	return 0;
}

static int talk(struct load *l, const struct cJSON *request, struct err *e)
{
	TRY(wire_send(l->sock, request, e));
	for (;;) {
		AUTO(json_free) struct cJSON *message = NULL;

		TRY(wire_recv(l->sock, &message, e));
		if (json_get(message, "packed"))
			TRY(image_blobs_packed(l->db, message, e));
		if (json_bool(message, "done", false))
			return 0;
	}
}

static int save(struct db *db, const struct choice *c, int fd, struct err *e)
{
	AUTO_DONE(load_done) struct load l = LOAD_INIT(db);
	AUTO(json_free) struct cJSON *request = json_object();
	auto_free char *path = dirs_root(db_dirs(db), "images");
	auto_close int images = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (images < 0)
		return err_sys(e, "open '%s'", path);
	l.out = fd;
	/* With the lock in hand nothing of it goes. */
	TRY(load_open(&l, images, e));
	json_add_str(request, "op", "save");
	json_add_int(request, "out", fd);
	TRY(add_images(db, c, json_add_array(request, "images"), e));
	return talk(&l, request, e);
}

int image_save(struct db *db, const struct strv *refs, int fd, struct err *e)
{
	struct choice c = { .names = MAP_INIT(names_free) };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < refs->n; i++)
		r = choose_one(db, refs->v[i], &c, e);
	if (r >= 0)
		r = save(db, &c, fd, e);
	map_done(&c.names);
	return r < 0 ? r : 0;
}
