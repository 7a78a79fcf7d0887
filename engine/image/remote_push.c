/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/blob.h"
#include "engine/image/image_blobs.h"
#include "engine/image/load_priv.h"
#include "engine/image/manifest.h"
#include "engine/image/ref.h"
#include "engine/image/remote.h"
#include "engine/image/store.h"
#include "engine/image/wire.h"
#include "state/db.h"

/* Other repositories of the same registry that have it: its layers need not travel. */
static void add_sources(struct cJSON *request, const struct ref *target, const struct image_remotes *known)
{
	struct cJSON *list = json_add_array(request, "from");
	AUTO_STRV(seen);

	for (size_t i = 0; i < known->n; i++) {
		AUTO_DONE(ref_done) struct ref r = { 0 };
		AUTO_ERR(ignored);

		if (ref_parse(known->v[i].ref, &r, &ignored) < 0 || !streq(r.host, target->host) || streq(r.path, target->path) || strv_has(&seen, r.path))
			continue;
		strv_add(&seen, r.path);
		json_add_str(list, NULL, r.path);
	}
}

static void tell(const struct image_push_options *o, const struct cJSON *request, const struct cJSON *message)
{
	const struct cJSON *layer = json_first(json_get(request, "layers"));
	const char *digest;

	for (int64_t i = json_int(message, "layer", 0); layer && i > 0; i--)
		layer = json_next(layer);
	if (!layer || !o->progress)
		return;
	digest = json_str(layer, "diff");

	auto_free char *id = xstrndup(digest_hex_part(digest), 12);

	o->progress(o->arg, id, str0(json_str(message, "text")), json_bool(message, "over", false));
}

/* What was pushed is what the tag stands for now. */
static int remember(struct db *db, const char *full, const char *id, const char *digest, const char *manifest, struct err *e)
{
	const struct image_remote row = { .ref = (char *)full, .id = (char *)id, .digest = (char *)digest, .manifest = (char *)digest,
		.checked_ns = time_now_ns() };
	int r;

	TRY(blob_put(db_dirs(db), digest, manifest, strlen(manifest), e));
	TRY(db_begin(db, e));
	r = image_remote_set(db, &row, e);
	if (r >= 0)
		r = image_event(db, "push", id, full, e);
	if (r >= 0)
		r = db_commit(db, e);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	return db_sync(db, e);
}

static int talk(struct load *l, const struct cJSON *request, const struct image_push_options *o, struct cJSON **ret, struct err *e)
{
	TRY(wire_send(l->sock, request, e));
	for (;;) {
		AUTO(json_free) struct cJSON *message = NULL;

		TRY(wire_recv(l->sock, &message, e));
		if (json_str(message, "pushed")) {
			*ret = TAKE(message);
			return 0;
		}
		if (json_get(message, "packed"))
			TRY(image_blobs_packed(l->db, message, e));
		else
			tell(o, request, message);
	}
}

int image_push(struct db *db, const char *ref, const struct image_push_options *o, char **ret_digest, struct err *e)
{
	AUTO_DONE(load_done) struct load l = LOAD_INIT(db);
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_DONE(image_remotes_done) struct image_remotes known = { 0 };
	AUTO_DONE(ref_done) struct ref target = { 0 };
	AUTO(json_free) struct cJSON *request = json_object(), *answer = NULL;
	auto_free char *full = NULL, *path = dirs_root(db_dirs(db), "images");
	auto_close int images = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (images < 0)
		return err_sys(e, "open '%s'", path);
	TRY(ref_parse_tagged(ref, &target, e));
	if (target.digest)
		return err_set(e, EINVAL, "'%s': a tag can be pushed, a digest cannot", ref);
	full = ref_text(&target);
	TRY(image_need(db, ref, &row, e));
	TRY(image_remote_of(db, row.id, &known, e));
	json_add_str(request, "op", "push");
	json_add_str(request, "root", db_dirs(db)->root);
	json_add_str(request, "ref", full);
	json_add_int(request, "jobs", o->jobs);
	TRY(image_blobs_request(db, &row, &known, true, request, e));
	add_sources(request, &target, &known);
	TRY(load_open(&l, images, e));
	if (talk(&l, request, o, &answer, e) < 0)
		return str_starts(err_text(e), ref) ? -e->code : err_wrap(e, "%s", ref);
	TRY(remember(db, full, row.id, json_str(answer, "pushed"), str0(json_str(answer, "manifest")), e));
	*ret_digest = xstrdup(json_str(answer, "pushed"));
	return json_bool(answer, "same", false);
}

/* gantry-image without a folder: it asks, and keeps nothing. */
static int program_start(const struct cJSON *request, int *ret_sock, pid_t *ret_pid, struct err *e)
{
	auto_close int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (nothing < 0)
		return err_sys(e, "open '/dev/null'");
	TRY(load_program(nothing, nothing, 0, ret_sock, ret_pid, e));
	return wire_send(*ret_sock, request, e);
}

static void program_end(int sock, pid_t pid)
{
	int status;
	AUTO_ERR(ignored);

	if (sock < 0)
		return;
	close(sock);
	(void)proc_wait(pid, &status, &ignored);
}

int image_login(const char *root, const char *host, const char *user, const char *secret, char **ret_identity, struct err *e)
{
	AUTO(json_free) struct cJSON *request = json_object(), *answer = NULL;
	int sock = -1, r;
	pid_t pid = 0;

	json_add_str(request, "op", "login");
	json_add_str(request, "root", root);
	json_add_str(request, "host", host);
	json_add_str(request, "user", user);
	json_add_str(request, "secret", secret);
	r = program_start(request, &sock, &pid, e);
	if (r >= 0)
		r = wire_recv(sock, &answer, e);
	program_end(sock, pid);
	if (r >= 0)
		*ret_identity = xstrdup0(json_str(answer, "identity"));
	return r;
}

void image_digests_done(struct image_digest *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].digest);
		err_clear(&v[i].failure);
	}
}

static int take_digest(struct image_digest *v, size_t n, const struct cJSON *message, struct err *e)
{
	int64_t i = json_int(message, "image", -1);
	const char *digest = json_str(message, "digest");

	if (i < 0 || (size_t)i >= n || v[i].digest || v[i].failure.code)
		return err_set(e, EPROTO, "gantry-image speaks of an image that was not asked for");
	if (json_get(message, "failed")) {
		wire_raise(json_get(message, "failed"), &v[i].failure);
		return 0;
	}
	if (!digest || !digest_is_valid(digest))
		return err_set(e, EPROTO, "gantry-image says no digest");
	v[i].digest = xstrdup(digest);
	return 0;
}

int image_digests(const char *root, struct image_digest *v, size_t n, struct err *e)
{
	AUTO(json_free) struct cJSON *request = json_object();
	struct cJSON *list = json_add_array(request, "images");
	int sock = -1, r = 0;
	pid_t pid = 0;

	json_add_str(request, "op", "digests");
	json_add_str(request, "root", root);
	for (size_t i = 0; i < n; i++)
		json_add_str(list, NULL, v[i].ref);
	if (n)
		r = program_start(request, &sock, &pid, e);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		AUTO(json_free) struct cJSON *message = NULL;

		r = wire_recv(sock, &message, e);
		if (r >= 0)
			r = take_digest(v, n, message, e);
	}
	program_end(sock, pid);
	return r;
}
