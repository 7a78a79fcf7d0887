/* SPDX-License-Identifier: MIT */
#include "engine/image/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/blob.h"
#include "engine/image/change.h"
#include "engine/image/load_priv.h"
#include "engine/image/manifest.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "engine/image/tree.h"
#include "engine/image/trees.h"
#include "engine/image/wire.h"
#include "state/blob_store.h"
#include "state/db.h"

enum { JOBS_MOST = 4 };

void new_layer_free(void *p)
{
	struct new_layer *l = p;

	free(l->parent);
	free(l->dir);
	free(l->blob);
	free(l->tree);
	free(l);
}

/* ---- the temporary folder and the program -------------------------------------------------------------------------------------------------------- */

int load_program(int tmp, int input, int out, int *ret_sock, pid_t *ret_pid, struct err *e)
{
	auto_free char *path = NULL;
	char sock[16], folder[16], in[16];
	int pair[2], r;

	TRY(dirs_program("gantry-image", &path, e));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	snprintf(sock, sizeof(sock), "%d", pair[1]);
	snprintf(folder, sizeof(folder), "%d", tmp);
	snprintf(in, sizeof(in), "%d", input);

	char *const argv[] = { (char *)"gantry-image", sock, folder, in, NULL };
	const int fds[] = { pair[1], tmp, input, out > 2 ? out : -1, -1 };
	const struct proc_spawn spawn = { .path = path, .argv = argv, .fds = fds, .setsid = true };
	int pidfd = -1;

	r = proc_spawn(&spawn, ret_pid, &pidfd, e);
	close(pair[1]);
	if (pidfd >= 0)
		close(pidfd);
	if (r < 0) {
		close(pair[0]);
		return err_wrap(e, "start gantry-image");
	}
	*ret_sock = pair[0];
	return 0;
}

uint64_t load_layer_max(const struct image_source *src)
{
	const char *text = getenv("GANTRY_MAX_LAYER");
	int64_t bytes;
	AUTO_ERR(ignored);

	if (src->max_bytes)
		return src->max_bytes;
	return text && num_bytes(text, &bytes, &ignored) >= 0 && bytes > 0 ? (uint64_t)bytes : LAYER_MAX_DEFAULT;
}

static int send_request(struct load *l, const char *op, const struct image_source *src, bool is_dir, struct err *e)
{
	AUTO(json_free) struct cJSON *request = json_object();
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	json_add_str(request, "op", op);
	json_add_bool(request, "is_dir", is_dir);
	json_add_str(request, "what", src->what);
	json_add_int(request, "form", image_driver_form(l->driver));
	json_add_int(request, "max_bytes", (int64_t)MIN(load_layer_max(src), (uint64_t)INT64_MAX));
	json_add_int(request, "max_entries", ENTRIES_DEFAULT);
	json_add_int(request, "jobs", MAX(1, MIN(cpus, JOBS_MOST)));
	return wire_send(l->sock, request, e);
}

int load_prepare(struct load *l, struct err *e)
{
	auto_free char *why = NULL;

	TRY(image_collect(l->db, NULL, e));
	TRY(image_driver(l->dirs, &l->driver, &why, e));
	TRY(image_driver_fits(l->db, l->driver, NULL, e));
	TRY(image_layers_lock(l->dirs, false, &l->layers_lock, e));
	l->tmp = image_tmp_make(l->dirs, NULL, &l->tmp_path, e);
	return MIN(l->tmp, 0);
}

int load_open(struct load *l, int input, struct err *e)
{
	TRY(load_prepare(l, e));
	return load_program(l->tmp, input, l->out, &l->sock, &l->pid, e);
}

static int load_start(struct load *l, const char *op, const struct image_source *src, struct err *e)
{
	struct stat st;

	if (fstat(src->fd, &st) < 0)
		return err_sys(e, "'%s'", src->what);
	TRY(load_open(l, src->fd, e));
	return send_request(l, op, src, S_ISDIR(st.st_mode), e);
}

/* What gantry-image says, with the name of what it was reading. */
static int hear(struct load *l, struct cJSON **ret, struct err *e)
{
	int r = wire_recv(l->sock, ret, e);

	if (r == -ENOSPC)
		err_hint(e, "make room where '%s' is ('gantry image prune' removes unused images), or choose another folder with --root", l->dirs->root);
	return r < 0 ? err_wrap(e, "%s", l->src->what) : r;
}

void load_done(struct load *l)
{
	AUTO_ERR(ignored);
	int status;

	if (l->sock >= 0)
		close(l->sock); /* it ends, if it has not yet */
	if (l->pid > 0) {
		kill(l->pid, SIGKILL);
		(void)proc_wait(l->pid, &status, &ignored);
	}
	image_tmp_done(l->tmp, l->tmp_path);
	if (l->layers_lock >= 0)
		close(l->layers_lock);
	map_done(&l->layers);
}

/* ---- what is in it, and what of it is missing ---------------------------------------------------------------------------------------------------- */

bool load_layer_is_there(struct load *l, const char *chain)
{
	AUTO_DONE(layer_row_done) struct layer_row row = { 0 };
	auto_free char *path = layer_path(l->dirs, chain);
	AUTO_ERR(ignored);

	return layer_get(l->db, chain, &row, &ignored) == 0 && streq(row.driver, l->driver) && file_exists(path);
}

struct new_layer *load_layer_new(struct load *l, const char *chain, const char *diff, const char *parent)
{
	struct new_layer *n = xcalloc(1, sizeof(*n));

	snprintf(n->chain, sizeof(n->chain), "%s", chain);
	snprintf(n->diff, sizeof(n->diff), "%s", diff);
	n->parent = xstrdup0(parent);
	map_set(&l->layers, chain, n);
	return n;
}

static int image_wants(struct load *l, const struct cJSON *image, int64_t number, struct cJSON *want, struct err *e)
{
	const char *config = str0(json_str(image, "config"));
	AUTO_DONE(config_info_done) struct config_info info = { 0 };
	AUTO_STRV(chain);

	TRY(config_info_parse(config, strlen(config), &info, e));
	if (info.diff_ids.n != json_count(json_get(image, "layers")))
		return err_set(e, EPROTO, "its layers are not those of its config");
	chain_ids(&info.diff_ids, &chain);
	for (size_t i = 0; i < chain.n; i++) {
		struct cJSON *pair;

		if (map_has(&l->layers, chain.v[i]) || load_layer_is_there(l, chain.v[i]))
			continue;
		load_layer_new(l, chain.v[i], info.diff_ids.v[i], i ? chain.v[i - 1] : NULL);
		pair = json_add_array(want, NULL);
		json_add_int(pair, NULL, number);
		json_add_int(pair, NULL, (int64_t)i);
	}
	return 0;
}

static int send_wants(struct load *l, const struct cJSON *plan, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = json_object();
	struct cJSON *want = json_add_array(answer, "want");
	int64_t number = 0;

	for (const struct cJSON *c = json_first(json_get(plan, "images")); c; c = json_next(c))
		TRY(image_wants(l, c, number++, want, e));
	return wire_send(l->sock, answer, e);
}

static void layer_note(struct load *l, const struct new_layer *n)
{
	auto_free char *size = num_size_text((uint64_t)n->size);
	auto_free char *text = xasprintf("layer %zu of %zu: %.12s unpacked, %s", ++l->arrived, l->layers.n, digest_hex_part(n->diff), size);

	if (l->src->note)
		l->src->note(l->src->arg, text);
}

static const struct { const char *kind, *type; } blob_types[] = {
	{ "gzip", TYPE_LAYER "+gzip" },
	{ "zstd", TYPE_LAYER "+zstd" },
	{ "plain", TYPE_LAYER },
};

/* The file keep-DIR, where one was kept. */
static int blob_arrived(struct new_layer *n, const struct cJSON *message, struct err *e)
{
	const char *digest = json_str(message, "blob"), *kind = str0(json_str(message, "kind"));

	if (!digest)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(blob_types); i++)
		if (streq(blob_types[i].kind, kind))
			n->blob_type = blob_types[i].type;
	if (!digest_is_valid(digest) || !n->blob_type)
		return err_set(e, EPROTO, "gantry-image does not say what it kept");
	n->blob = xstrdup(digest);
	n->blob_size = json_int(message, "blob_size", 0);
	n->origin = BLOB_LOADED;
	return 0;
}

/* A layer is unpacked: the ChainID comes from its place in the plan, never from the message. */
static int layer_arrived(struct load *l, const struct cJSON *plan, const struct cJSON *message, struct err *e)
{
	const struct cJSON *c = json_first(json_get(message, "layer")), *image = json_first(json_get(plan, "images"));
	int64_t number = 0, at = 0;
	const char *dir = json_str(message, "dir"), *config;
	AUTO_DONE(config_info_done) struct config_info info = { 0 };
	struct new_layer *n;
	AUTO_STRV(chain);

	json_value_int(c, &number);
	json_value_int(json_next(c), &at);
	while (image && number-- > 0)
		image = json_next(image);
	config = str0(json_str(image, "config"));
	TRY(config_info_parse(config, strlen(config), &info, e));
	chain_ids(&info.diff_ids, &chain);
	n = at >= 0 && (size_t)at < chain.n ? map_get(&l->layers, chain.v[at]) : NULL;
	if (!n || n->dir || !dir || strchr(dir, '/') || *dir == '.' || !streq(str0(json_str(message, "diff")), n->diff))
		return err_set(e, EPROTO, "a layer came that was not asked for");
	n->dir = xstrdup(dir);
	n->size = json_int(message, "size", 0);
	TRY(blob_arrived(n, message, e));
	layer_note(l, n);
	if (json_int(message, "left_out", 0))
		log_warning("layer %.19s: %lld attributes that only overlayfs itself may set were left out", n->chain,
			(long long)json_int(message, "left_out", 0));
	return 0;
}

static int receive_layers(struct load *l, const struct cJSON *plan, struct err *e)
{
	for (;;) {
		AUTO(json_free) struct cJSON *message = NULL;

		TRY(hear(l, &message, e));
		if (json_bool(message, "done", false))
			return 0;
		TRY(layer_arrived(l, plan, message, e));
	}
}

/* ---- into the store ------------------------------------------------------------------------------------------------------------------------------ */

/* The list of its files goes first: without its layer it is nothing, and it is replaced. A layer of a build has none yet: it is made. */
static int list_place(struct load *l, struct new_layer *n, struct err *e)
{
	auto_free char *from = xasprintf("tree-%s", n->dir), *to = tree_path(l->dirs, n->chain), *text = NULL;
	char digest[DIGEST_TEXT];
	size_t size = 0;

	if (faccessat(l->tmp, from, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_record(l->dirs, n->chain, l->tmp, n->dir, &n->tree, e);
	TRY(file_read_at(l->tmp, from, TREE_LIST_MAX, &text, &size, e));
	digest_text(text, size, digest);
	if (renameat(l->tmp, from, AT_FDCWD, to) < 0)
		return err_sys(e, "keep the list of the layer's files");
	free(n->tree);
	n->tree = xstrdup(digest);
	return 0;
}

/* The folder to its place. What is there without a row, or in another driver's form, goes to the trash. */
int load_layer_place(struct load *l, struct new_layer *n, struct err *e)
{
	auto_free char *to = layer_path(l->dirs, n->chain);
	char random[17];

	TRY(list_place(l, n, e));
	FP("image.layer.rename", e);
	if (renameat(l->tmp, n->dir, AT_FDCWD, to) == 0)
		return 0;
	if (errno != EEXIST && errno != ENOTEMPTY)
		return err_sys(e, "move layer %.19s to '%s'", n->chain, to);
	id_hex(random, 16);

	auto_free char *trash = dirs_root(l->dirs, "trash/layer-%.16s-%s", digest_hex_part(n->chain), random);

	if (rename(to, trash) < 0 && errno != ENOENT)
		return err_sys(e, "move '%s' away", to);
	if (renameat(l->tmp, n->dir, AT_FDCWD, to) < 0)
		return err_sys(e, "move layer %.19s to '%s'", n->chain, to);
	return 0;
}

/* The blob gets its name; one that is there already is as good, its digest is looked at when it is used. */
static int blob_place(struct load *l, const struct new_layer *n, struct err *e)
{
	auto_free char *from = NULL, *name = NULL, *to = NULL;

	if (!n->blob)
		return 0;
	from = xasprintf("keep-%s", n->dir);
	name = blob_name(n->blob);
	to = dirs_root(l->dirs, "images/blobs/%s", name);
	FP("image.blob.rename", e);
	if (!file_exists(to) && renameat(l->tmp, from, AT_FDCWD, to) < 0)
		return err_sys(e, "keep blob '%s'", name);
	return 0;
}

static int sync_folder(const struct load *l, const char *name, struct err *e)
{
	auto_free char *path = dirs_root(l->dirs, "images/%s", name);
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? err_sys(e, "write '%s' to disk", path) : 0;
}

int load_sync_names(const struct load *l, struct err *e)
{
	TRY(sync_folder(l, "layers", e));
	TRY(sync_folder(l, "trees", e));
	return sync_folder(l, "blobs", e);
}

/* Durable before any row says so: the data, then the names. */
int load_layers_place(struct load *l, struct err *e)
{
	if (l->layers.n == 0)
		return 0;
	if (syncfs(l->tmp) < 0)
		return err_sys(e, "write the layers to disk");
	FP("image.layer.synced", e);
	for (size_t i = 0; i < l->layers.n; i++) {
		struct new_layer *n = l->layers.v[i].value;

		if (!n->dir)
			return err_set(e, EPROTO, "layer %.19s did not come", n->chain);
		/* Another load was faster: its tree is as good. */
		if (!load_layer_is_there(l, n->chain))
			TRY(load_layer_place(l, n, e));
		TRY(blob_place(l, n, e));
	}
	return load_sync_names(l, e);
}

/* What is known of the same blob already stays: a repair reads from the archive that a pull brought. */
static int blob_row_put(struct load *l, const struct blob_row *blob, struct err *e)
{
	AUTO_DONE(blob_row_done) struct blob_row before = { 0 };
	int r = blob_get(l->db, blob->chain_id, &before, e);

	TRY(r);
	return r == 0 && streq(before.digest, blob->digest) ? 0 : blob_set(l->db, blob, e);
}

int load_layer_insert(struct load *l, const struct new_layer *n, struct err *e)
{
	const struct layer_row row = { .chain_id = (char *)n->chain, .diff_id = (char *)n->diff, .parent = n->parent, .size = n->size,
		.driver = (char *)l->driver, .tree_digest = n->tree };
	const struct blob_row blob = { .chain_id = (char *)n->chain, .digest = n->blob, .type = (char *)n->blob_type, .size = n->blob_size,
		.origin = (char *)n->origin };
	int r = layer_insert(l->db, &row, e);

	if (r > 0) { /* it was there, in another form */
		r = layer_set_driver(l->db, n->chain, l->driver, n->size, e);
		if (r >= 0 && n->tree)
			r = layer_set_tree(l->db, n->chain, n->tree, e);
	}
	return r < 0 || !n->blob ? r : blob_row_put(l, &blob, e);
}

int load_layers_insert(struct load *l, struct err *e)
{
	for (size_t i = 0; i < l->layers.n; i++)
		TRY(load_layer_insert(l, l->layers.v[i].value, e));
	return 0;
}

static int total_size(struct db *db, const struct strv *chain, int64_t *ret, struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < chain->n; i++) {
		AUTO_DONE(layer_row_done) struct layer_row row = { 0 };
		int r = layer_get(db, chain->v[i], &row, e);

		if (r > 0)
			return err_set(e, ENOENT, "layer %.19s was removed meanwhile", chain->v[i]);
		if (r < 0)
			return r;
		*ret += row.size;
	}
	return 0;
}

static int name_image(struct load *l, const char *full, const char *id, struct err *e)
{
	auto_free char *before = NULL;

	TRY(image_name_get(l->db, full, &before, e));
	if (before && !streq(before, id) && l->report)
		strv_addf(l->report, "The image %s already exists, renaming the old one with ID %s to empty string", ref_familiar(full), before);
	return image_name_set(l->db, full, id, e);
}

/* Layers that one with an opaque root hides do not belong to the image's root: overlayfs would show them. */
static void drop_hidden(struct load *l, struct strv *chain)
{
	size_t first = chain->n;

	while (first > 0 && !layer_is_opaque(l->dirs, chain->v[first - 1]))
		first--;
	for (; first > 1; first--)
		strv_remove(chain, 0);
}

/* CONFIG's row and names. ID is that of its very bytes. */
int load_insert_image(struct load *l, const char *config, const char *manifest, const struct strv *names, const char *event, char id[DIGEST_TEXT],
	struct err *e)
{
	AUTO_DONE(config_info_done) struct config_info info = { 0 };
	AUTO_DONE(strv_done) struct strv chain = STRV_INIT;

	TRY(config_info_parse(config, strlen(config), &info, e));
	chain_ids(&info.diff_ids, &chain);
	digest_text(config, strlen(config), id);

	struct image_row row = { .id = id, .config = (char *)config, .manifest = (char *)manifest, .os = info.platform.os,
		.architecture = info.platform.arch, .variant = *info.platform.variant ? info.platform.variant : NULL, .created_ns = info.created_ns,
		.layers = chain };

	TRY(total_size(l->db, &chain, &row.size, e));
	drop_hidden(l, &row.layers);
	chain = row.layers;
	TRY(image_insert(l->db, &row, e));
	for (size_t i = 0; i < names->n; i++)
		TRY(name_image(l, names->v[i], id, e));
	return image_event(l->db, event, id, names->n ? names->v[0] : NULL, e);
}

static int load_rows(struct load *l, const struct cJSON *plan, struct err *e)
{
	TRY(load_layers_insert(l, e));
	for (const struct cJSON *c = json_first(json_get(plan, "images")); c; c = json_next(c)) {
		char id[DIGEST_TEXT];
		AUTO_STRV(names);

		json_strv(c, "tags", &names);
		TRY(load_insert_image(l, str0(json_str(c, "config")), json_str(c, "manifest"), &names, "load", id, e));
		for (size_t i = 0; i < names.n; i++)
			strv_addf(l->report, "Loaded image: %s", ref_familiar(names.v[i]));
		if (names.n == 0)
			strv_addf(l->report, "Loaded image ID: %s", id);
	}
	FP("image.rows", e);
	return 0;
}

int load_finish(struct load *l, int r, struct err *e)
{
	if (r >= 0)
		r = db_commit(l->db, e);
	if (r < 0) {
		db_rollback(l->db);
		return r;
	}
	return db_sync(l->db, e);
}

/* Two loads of the same layer place it one after the other. */
int load_commit_lock(struct load *l, int *ret_fd, struct err *e)
{
	auto_free char *path = dirs_root(l->dirs, "images/commit.lock");

	return file_lock(path, false, true, ret_fd, e);
}

/* Manifests of an OCI layout: push and save give the image its digest again. */
static int documents_keep(struct load *l, const struct cJSON *plan, struct err *e)
{
	for (const struct cJSON *c = json_first(json_get(plan, "images")); c; c = json_next(c)) {
		const char *digest = json_str(c, "manifest"), *text = json_str(c, "document");

		/* base/digest.h has SHA-256 only */
		if (digest && text && str_starts(digest, "sha256:"))
			TRY(blob_put(l->dirs, digest, text, strlen(text), e));
	}
	return 0;
}

int image_load(struct db *db, const struct image_source *src, struct strv *report, struct err *e)
{
	AUTO_DONE(load_done) struct load l = LOAD_INIT(db);
	AUTO(json_free) struct cJSON *plan = NULL;
	auto_close int lock = -1;

	l.report = report;
	l.src = src;
	TRY(load_start(&l, "load", src, e));
	TRY(hear(&l, &plan, e));
	TRY(send_wants(&l, plan, e));
	TRY(receive_layers(&l, plan, e));
	TRY(load_commit_lock(&l, &lock, e));
	TRY(documents_keep(&l, plan, e));
	TRY(load_layers_place(&l, e));
	TRY(db_begin(db, e));
	return load_finish(&l, load_rows(&l, plan, e), e);
}

/* ---- import -------------------------------------------------------------------------------------------------------------------------------------- */

static int import_config(const struct image_source *src, const struct image_import *how, const char *diff, char **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *j = json_object();
	struct platform p;
	struct cJSON *rootfs, *history;
	char now[TIME_TEXT];
	auto_free char *comment = how->message ? xstrdup(how->message) : xasprintf("Imported from %s", src->what);

	platform_host(&p);
	if (how->platform)
		TRY(platform_parse(how->platform, &p, e));
	time_rfc3339(time_now_ns(), now);
	json_add_str(j, "architecture", p.arch);
	if (*p.variant)
		json_add_str(j, "variant", p.variant);
	json_add_str(j, "os", p.os);
	json_add_str(j, "created", now);
	json_add_str(j, "comment", comment);
	json_add_object(j, "config");
	if (how->changes)
		TRY(image_changes(json_get(j, "config"), how->changes, e));
	rootfs = json_add_object(j, "rootfs");
	json_add_str(rootfs, "type", "layers");
	json_add_str(json_add_array(rootfs, "diff_ids"), NULL, diff);
	history = json_add_object(json_add_array(j, "history"), NULL);
	json_add_str(history, "created", now);
	json_add_str(history, "comment", comment);
	*ret = json_text(j, false);
	return 0;
}

static int import_receive(struct load *l, char diff[DIGEST_TEXT], struct err *e)
{
	AUTO(json_free) struct cJSON *message = NULL, *done = NULL;
	struct new_layer *n;
	const char *dir, *said;

	TRY(hear(l, &message, e));
	TRY(hear(l, &done, e));
	dir = json_str(message, "dir");
	said = json_str(message, "diff");
	if (!dir || strchr(dir, '/') || *dir == '.' || !said || !digest_is_valid(said) || strlen(said) >= DIGEST_TEXT)
		return err_set(e, EPROTO, "gantry-image does not say what it unpacked");
	snprintf(diff, DIGEST_TEXT, "%s", said);
	if (load_layer_is_there(l, diff))
		return 0;
	n = load_layer_new(l, diff, diff, NULL);
	n->dir = xstrdup(dir);
	n->size = json_int(message, "size", 0);
	return blob_arrived(n, message, e);
}

int image_import(struct db *db, const struct image_source *src, const struct image_import *how, char **ret_id, struct err *e)
{
	AUTO_DONE(load_done) struct load l = LOAD_INIT(db);
	auto_free char *config = NULL;
	auto_close int lock = -1;
	char diff[DIGEST_TEXT], id[DIGEST_TEXT];
	AUTO_STRV(names);

	l.src = src;
	if (how->ref) {
		AUTO_DONE(ref_done) struct ref ref = { 0 };

		TRY(ref_parse_tagged(how->ref, &ref, e));
		strv_add_take(&names, ref_text(&ref));
	}
	/* Mistakes in the changes come out before the work. */
	TRY(import_config(src, how, "sha256:", &config, e));
	free(TAKE(config));
	TRY(load_start(&l, "import", src, e));
	TRY(import_receive(&l, diff, e));
	TRY(import_config(src, how, diff, &config, e));
	TRY(load_commit_lock(&l, &lock, e));
	TRY(load_layers_place(&l, e));
	TRY(db_begin(db, e));

	int r = load_layers_insert(&l, e);

	if (r >= 0)
		r = load_insert_image(&l, config, NULL, &names, "import", id, e);
	TRY(load_finish(&l, r, e));
	*ret_id = xstrdup(id);
	return 0;
}
