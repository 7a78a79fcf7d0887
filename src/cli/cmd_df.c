/* SPDX-License-Identifier: MIT
 *
 * gantry df: what takes how much, as docker system df says it, and a line for the archives of layers.
 *
 * Bytes of images are those of their unpacked layers, each layer once. An image is active when a container was made from it. What is reclaimable is what
 * 'image prune -a', 'rm', 'volume rm' and 'gc' could free.
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/json.h"
#include "base/map.h"
#include "base/num.h"
#include "base/str.h"
#include "base/usage.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/object_view.h"
#include "engine/image/blob.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "state/blob_store.h"
#include "state/build_store.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/volume_store.h"
#include <errno.h>
#include <fcntl.h>

struct df_opts {
	bool verbose;
	const char *format;
};
static const struct opt df_rows[] = {
	OPT(0, "format", OPT_STR, struct df_opts, format, "FORMAT", "table, json or a Go template"),
	OPT('v', "verbose", OPT_BOOL, struct df_opts, verbose, NULL, "Each image, container, volume"),
	OPT_END
};
static const struct format_column sum_columns[] = {
	{ "Type", "TYPE" }, { "TotalCount", "TOTAL" }, { "Active", "ACTIVE" }, { "Size", "SIZE" }, { "Reclaimable", "RECLAIMABLE" }, { NULL, NULL }
};
static const struct format_column image_columns[] = {
	{ "Repository", "REPOSITORY" }, { "Tag", "TAG" }, { "ID", "IMAGE ID" }, { "CreatedSince", "CREATED" }, { "Size", "SIZE" },
	{ "SharedSize", "SHARED SIZE" }, { "UniqueSize", "UNIQUE SIZE" }, { "Containers", "CONTAINERS" }, { NULL, NULL }
};
static const struct format_column ctr_columns[] = {
	{ "ID", "CONTAINER ID" }, { "Image", "IMAGE" }, { "Size", "SIZE" }, { "CreatedSince", "CREATED" }, { "Status", "STATUS" }, { "Name", "NAMES" },
	{ NULL, NULL }
};
static const struct format_column volume_columns[] = { { "Name", "VOLUME NAME" }, { "Links", "LINKS" }, { "Size", "SIZE" }, { NULL, NULL } };

struct sum {
	int64_t total, active, bytes, reclaimable;
};
/* How many images need a layer, and whether a container does. */
struct layer_use {
	int64_t bytes, images;
	bool active;
};
struct df {
	struct app *app;
	struct map layers;      /* ChainID -> struct layer_use */
	struct sum images, containers, volumes, cache, blobs;
	struct format *f_images, *f_containers, *f_volumes; /* NULL unless verbose */
};

static void add_text(struct cJSON *o, const char *key, char *text)
{
	json_add_str(o, key, text);
	free(text);
}

/* ---- images ---------------------------------------------------------------------------------------------------------------------------------------- */

static int count_image(struct df *d, const char *id, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_DONE(ctr_rows_done) struct ctr_rows users = CTR_ROWS_INIT;
	int r = image_get(d->app->db, id, &row, e);

	if (r != 0)
		return MIN(r, 0);
	TRY(ctr_by_image(d->app->db, id, &users, e));
	d->images.total++;
	d->images.active += users.n > 0;
	for (size_t i = 0; i < row.layers.n; i++) {
		struct layer_use *u = map_get(&d->layers, row.layers.v[i]);

		if (!u) {
			AUTO_DONE(layer_row_done) struct layer_row layer = { 0 };

			TRY(layer_get(d->app->db, row.layers.v[i], &layer, e));
			u = xcalloc(1, sizeof(*u));
			u->bytes = layer.size;
			map_set(&d->layers, row.layers.v[i], u);
		}
		u->images++;
		u->active |= users.n > 0;
	}
	return 0;
}

static int image_lines(struct df *d, const char *id, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_DONE(ctr_rows_done) struct ctr_rows users = CTR_ROWS_INIT;
	int64_t shared = 0, alone = 0;
	AUTO_STRV(names);

	if (image_get(d->app->db, id, &row, e) != 0)
		return e->code ? -e->code : 0;
	TRY(ctr_by_image(d->app->db, id, &users, e));
	TRY(image_names_of(d->app->db, id, &names, e));
	for (size_t i = 0; i < row.layers.n; i++) {
		const struct layer_use *u = map_get(&d->layers, row.layers.v[i]);

		*(u && u->images > 1 ? &shared : &alone) += u ? u->bytes : 0;
	}
	if (names.n == 0)
		strv_add(&names, "");
	for (size_t i = 0; i < names.n; i++) {
		AUTO(json_free) struct cJSON *o = json_object();

		add_text(o, "Repository", image_repository_text(names.v[i]));
		json_add_str(o, "Tag", image_tag_text(names.v[i]));
		add_text(o, "ID", xasprintf("%.12s", digest_hex_part(id)));
		add_text(o, "CreatedSince", object_ago(row.created_ns));
		add_text(o, "Size", num_size_text((uint64_t)(shared + alone)));
		add_text(o, "SharedSize", num_size_text((uint64_t)shared));
		add_text(o, "UniqueSize", num_size_text((uint64_t)alone));
		json_add_int(o, "Containers", (int64_t)users.n);
		TRY(format_row(d->f_images, o, e));
	}
	return 0;
}

static int count_images(struct df *d, struct err *e)
{
	AUTO_STRV(all);

	TRY(image_list(d->app->db, &all, e));
	for (size_t i = 0; i < all.n; i++)
		TRY(count_image(d, all.v[i], e));
	for (size_t i = 0; i < d->layers.n; i++) {
		const struct layer_use *u = d->layers.v[i].value;

		d->images.bytes += u->bytes;
		d->images.reclaimable += u->active ? 0 : u->bytes;
	}
	for (size_t i = 0; d->f_images && i < all.n; i++)
		TRY(image_lines(d, all.v[i], e));
	return 0;
}

/* ---- containers, volumes, cache, archives -------------------------------------------------------------------------------------------------------------- */

/* What it wrote, its log and its files; with the copy driver the whole root. */
static int count_container(struct df *d, const struct ctr_row *c, struct err *e)
{
	AUTO(json_free) struct cJSON *o = json_object();
	auto_free char *path = dirs_root(db_dirs(d->app->db), "containers/%s", c->id);
	int64_t bytes = usage_of(AT_FDCWD, path);
	bool active = ctr_state_live(c->state);

	d->containers.total++;
	d->containers.active += active;
	d->containers.bytes += bytes;
	d->containers.reclaimable += active ? 0 : bytes;
	if (!d->f_containers)
		return 0;
	add_text(o, "ID", xasprintf("%.12s", c->id));
	json_add_str(o, "Image", str0(c->image_ref));
	add_text(o, "Size", num_size_text((uint64_t)bytes));
	add_text(o, "CreatedSince", object_ago(c->created_ns));
	json_add_str(o, "Status", ctr_state_name((int)c->state));
	json_add_str(o, "Name", c->name);
	return format_row(d->f_containers, o, e);
}

static int count_containers(struct df *d, struct err *e)
{
	AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;

	TRY(ctr_list(d->app->db, NULL, NULL, &rows, e));
	for (size_t i = 0; i < rows.n; i++)
		TRY(count_container(d, &rows.v[i], e));
	return 0;
}

static int count_volume(struct df *d, const struct volume_row *v, struct err *e)
{
	AUTO(json_free) struct cJSON *o = json_object();
	auto_free char *path = dirs_root(db_dirs(d->app->db), "volumes/%s", v->name);
	int64_t bytes = usage_of(AT_FDCWD, path), users = 0;

	TRY(volume_users(d->app->db, v->name, &users, e));
	d->volumes.total++;
	d->volumes.active += users > 0;
	d->volumes.bytes += bytes;
	d->volumes.reclaimable += users > 0 ? 0 : bytes;
	if (!d->f_volumes)
		return 0;
	json_add_str(o, "Name", v->name);
	json_add_int(o, "Links", users);
	add_text(o, "Size", num_size_text((uint64_t)bytes));
	return format_row(d->f_volumes, o, e);
}

static int count_volumes(struct df *d, struct err *e)
{
	AUTO_DONE(volume_rows_done) struct volume_rows rows = { 0 };

	TRY(volume_list(d->app->db, NULL, &rows, e));
	for (size_t i = 0; i < rows.n; i++)
		TRY(count_volume(d, &rows.v[i], e));
	return 0;
}

/* Steps whose layers an image has cost nothing of their own; cache mounts do. */
static int count_cache(struct df *d, struct err *e)
{
	auto_free char *mounts = dirs_root(db_dirs(d->app->db), "images/mounts");
	struct build_usage u = { 0 };
	int64_t mounted = usage_of(AT_FDCWD, mounts);

	TRY(build_cache_usage(d->app->db, &u, e));
	d->cache = (struct sum){ .total = u.steps, .active = u.steps - u.layers, .bytes = u.bytes + mounted, .reclaimable = u.bytes };
	return 0;
}

/* Archives that only a file brought cannot be had again. */
static int count_blobs(struct df *d, struct err *e)
{
	AUTO_DONE(blob_rows_done) struct blob_rows rows = { 0 };
	AUTO_MAP(seen, NULL);

	TRY(blob_list(d->app->db, &rows, e));
	for (size_t i = 0; i < rows.n; i++) {
		const struct blob_row *b = &rows.v[i];
		auto_free char *path = blob_path(db_dirs(d->app->db), b->digest);
		int64_t bytes = usage_of(AT_FDCWD, path);

		if (!bytes || !map_set(&seen, b->digest, d))
			continue;
		d->blobs.total++;
		d->blobs.active += streq(b->origin, BLOB_LOADED);
		d->blobs.bytes += bytes;
		d->blobs.reclaimable += streq(b->origin, BLOB_LOADED) ? 0 : bytes;
	}
	return 0;
}

/* ---- printing ---------------------------------------------------------------------------------------------------------------------------------------- */

static int sum_line(struct format *f, const char *type, const struct sum *s, struct err *e)
{
	AUTO(json_free) struct cJSON *o = json_object();
	auto_free char *free_text = num_size_text((uint64_t)s->reclaimable);

	json_add_str(o, "Type", type);
	add_text(o, "TotalCount", xasprintf("%lld", (long long)s->total));
	add_text(o, "Active", xasprintf("%lld", (long long)s->active));
	add_text(o, "Size", num_size_text((uint64_t)s->bytes));
	add_text(o, "Reclaimable", s->bytes ? xasprintf("%s (%lld%%)", free_text, (long long)(s->reclaimable * 100 / s->bytes)) : xstrdup(free_text));
	return format_row(f, o, e);
}

static int print_sums(struct df *d, const char *spec, struct err *e)
{
	const struct { const char *type; const struct sum *sum; } lines[] = {
		{ "Images", &d->images }, { "Containers", &d->containers }, { "Local Volumes", &d->volumes }, { "Build Cache", &d->cache },
		{ "Layer Archives", &d->blobs },
	};
	struct format *f;
	int r = 0;

	TRY(format_new(spec, sum_columns, ARRAY_LEN(sum_columns) - 1, false, &f, e));
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(lines); i++)
		r = sum_line(f, lines[i].type, lines[i].sum, e);
	if (r < 0)
		format_free(f);
	else
		format_end(f, stdout);
	return r;
}

static void print_part(const char *title, struct format **f)
{
	printf("%s\n\n", title);
	format_end(TAKE(*f), stdout);
	printf("\n");
}

static void print_verbose(struct df *d)
{
	auto_free char *cache = num_size_text((uint64_t)d->cache.bytes), *blobs = num_size_text((uint64_t)d->blobs.bytes);

	print_part("Images space usage:", &d->f_images);
	print_part("Containers space usage:", &d->f_containers);
	print_part("Local Volumes space usage:", &d->f_volumes);
	printf("Build cache usage: %s\n\nLayer archives usage: %s\n", cache, blobs);
}

static int count_all(struct df *d, struct err *e)
{
	TRY(count_images(d, e));
	TRY(count_containers(d, e));
	TRY(count_volumes(d, e));
	TRY(count_cache(d, e));
	return count_blobs(d, e);
}

static int df_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct df_opts *o = opts;
	struct df d = { .app = app, .layers = MAP_INIT(free) };
	int r = 0;

	(void)args;
	if (o->verbose && o->format)
		return err_set(e, EINVAL, "--verbose has no other format: use --format without it");
	if (o->verbose) {
		TRY(format_new(NULL, image_columns, ARRAY_LEN(image_columns) - 1, false, &d.f_images, e));
		TRY(format_new(NULL, ctr_columns, ARRAY_LEN(ctr_columns) - 1, false, &d.f_containers, e));
		TRY(format_new(NULL, volume_columns, ARRAY_LEN(volume_columns) - 1, false, &d.f_volumes, e));
	}
	r = count_all(&d, e);
	if (r >= 0 && o->verbose)
		print_verbose(&d);
	else if (r >= 0)
		r = print_sums(&d, o->format, e);
	format_free(d.f_images);
	format_free(d.f_containers);
	format_free(d.f_volumes);
	map_done(&d.layers);
	return r;
}

const struct cmd cmd_df = { "df", df_run, CMD_STATE_READ, df_rows, sizeof(struct df_opts), "[OPTIONS]",
			    "Show what images, containers, volumes and caches take", 0, 0 };
