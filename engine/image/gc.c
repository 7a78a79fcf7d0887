/* SPDX-License-Identifier: MIT */
#include "engine/image/gc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"
#include "base/time.h"
#include "base/usage.h"
#include "engine/image/blob.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "state/build_store.h"
#include "state/db.h"

static const char *const kind_names[] = { [GC_TEMPORARY] = "temporary", [GC_LAYER] = "layer", [GC_BLOB] = "blob", [GC_DOWNLOAD] = "download",
	[GC_CACHE] = "cache mount", [GC_TRASH] = "trash" };

const char *gc_kind_name(int kind)
{
	return kind_names[kind];
}

void gc_done(struct gc *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->v[i].name);
	free(g->v);
	map_done(&g->gone);
	g->v = NULL;
	g->n = g->cap = 0;
}

int64_t gc_bytes(const struct gc *g)
{
	int64_t total = 0;

	for (size_t i = 0; i < g->n; i++)
		total += g->v[i].bytes;
	return total;
}

void gc_add(struct gc *g, enum gc_kind kind, int dirfd, const char *entry, const char *name)
{
	xgrow(&g->v, g->n, &g->cap, sizeof(*g->v));
	g->v[g->n++] = (struct gc_found){ kind, xstrdup(name), g->measure ? usage_of(dirfd, entry) : 0 };
}

static int names_in(const char *path, struct strv *ret, struct err *e)
{
	DIR *dir = opendir(path);
	struct dirent *ent;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(e, "read '%s'", path);
	while ((ent = readdir(dir)))
		if (!streq(ent->d_name, ".") && !streq(ent->d_name, ".."))
			strv_add(ret, ent->d_name);
	closedir(dir);
	return 0;
}

/* ---- layers ---------------------------------------------------------------------------------------------------------------------------------------- */

/* A folder of layers/ leaves under a name of its own; what is in the trash may be deleted at any time. */
static int to_trash(const struct dirs *d, const char *hex, struct err *e)
{
	char random[17];
	auto_free char *from = dirs_root(d, "images/layers/%s", hex), *to = NULL;

	id_hex(random, 16);
	to = dirs_root(d, "trash/layer-%.16s-%s", hex, random);
	FP("image.layer.trash", e);
	if (rename(from, to) < 0 && errno != ENOENT)
		return err_sys(e, "move '%s' away", from);
	return 0;
}

static int layer_goes(const struct dirs *d, struct gc *g, const char *hex, const char *name, struct err *e)
{
	auto_free char *path = dirs_root(d, "images/layers/%s", hex), *lack = layer_lack_path(d, hex);

	gc_add(g, GC_LAYER, AT_FDCWD, path, name);
	if (g->dry_run)
		return 0;
	(void)unlink(lack);
	return to_trash(d, hex, e);
}

/* A layer that is the parent of one in use stays, also when no image mounts it (it is below an opaque root). */
static int delete_unused(struct db *db, const struct gc *g, struct strv *gone, struct err *e)
{
	AUTO_STRV(unused);

	if (g->cache_before_ns)
		TRY(build_cache_prune(db, g->cache_before_ns, e));
	if (g->cache_max >= 0)
		TRY(build_cache_trim(db, g->cache_max, e));
	TRY(layer_unused(db, &unused, e));
	for (size_t i = 0; i < unused.n; i++) {
		AUTO_ERR(why);
		int r = layer_delete(db, unused.v[i], &why);

		if (r == -EBUSY)
			continue;
		if (r < 0)
			return err_move(e, &why);
		strv_add(gone, unused.v[i]);
	}
	return 0;
}

/* A root that is just being made: by a container that is created, without layers.lock. */
static bool is_being_made(const char *path, const char *name)
{
	enum { HOUR = 3600 };
	struct stat st;

	return str_starts(name, ".new-") && lstat(path, &st) == 0 && time_now_ns() / 1000000000 - (int64_t)st.st_ctime < HOUR;
}

/* Roots of the btrfs driver of layers that are no more. */
static int collect_flat(const struct dirs *d, const struct map *known, struct gc *g, struct err *e)
{
	auto_free char *path = dirs_root(d, "images/flat");
	AUTO_STRV(there);

	TRY(names_in(path, &there, e));
	for (size_t i = 0; i < there.n; i++) {
		auto_free char *one = path_join(path, there.v[i]);

		if (map_has(known, there.v[i]) || is_being_made(one, there.v[i]))
			continue;
		gc_add(g, GC_LAYER, AT_FDCWD, one, there.v[i]);
		if (!g->dry_run)
			TRY(file_remove_tree_path(one, e));
	}
	return 0;
}

/* Lists of files of layers that are no more. */
static int collect_lists(const struct dirs *d, const struct strv *rows, struct gc *g, struct err *e)
{
	auto_free char *path = dirs_root(d, "images/trees");
	AUTO_MAP(known, NULL);
	AUTO_STRV(there);

	for (size_t i = 0; i < rows->n; i++)
		map_set(&known, digest_hex_part(rows->v[i]), path);
	TRY(collect_flat(d, &known, g, e));
	if (g->dry_run)
		return 0;
	TRY(names_in(path, &there, e));
	for (size_t i = 0; i < there.n; i++) {
		auto_free char *list = path_join(path, there.v[i]);

		if (!map_has(&known, there.v[i]) && unlink(list) < 0)
			log_debug("'%s' is left: %s", list, strerror(errno));
	}
	return 0;
}

/* ROWS: those that are there afterwards. */
static int delete_rows(struct db *db, const struct gc *g, struct strv *gone, struct strv *rows, struct err *e)
{
	int r;

	TRY(db_begin(db, e));
	r = delete_unused(db, g, gone, e);
	if (r >= 0)
		r = layer_list(db, rows, e);
	if (r >= 0 && !g->dry_run)
		r = db_commit(db, e);
	if (r < 0 || g->dry_run)
		db_rollback(db);
	return r >= 0 && gone->n && !g->dry_run ? db_sync(db, e) : r;
}

/* Folders without a row, too: what a crash left between rename and row, or between row and removal. */
static int collect_layers(struct db *db, struct gc *g, struct err *e)
{
	const struct dirs *d = db_dirs(db);
	auto_free char *path = dirs_root(d, "images/layers");
	AUTO_MAP(known, NULL);
	AUTO_STRV(there);
	AUTO_STRV(gone);
	AUTO_STRV(rows);

	TRY(delete_rows(db, g, &gone, &rows, e));
	FP("image.layer.unlink", e);
	for (size_t i = 0; i < rows.n; i++)
		map_set(&known, digest_hex_part(rows.v[i]), g);
	for (size_t i = 0; i < gone.n; i++) {
		map_set(&g->gone, gone.v[i], g);
		TRY(layer_goes(d, g, digest_hex_part(gone.v[i]), gone.v[i], e));
		map_set(&known, digest_hex_part(gone.v[i]), g);
	}
	TRY(names_in(path, &there, e));
	for (size_t i = 0; i < there.n; i++)
		if (!map_has(&known, there.v[i]))
			TRY(layer_goes(d, g, there.v[i], there.v[i], e));
	return collect_lists(d, &rows, g, e);
}

/* ---- temporary folders, trash, cache mounts ------------------------------------------------------------------------------------------------------------ */

/* An entry goes when this says so. */
typedef bool goes_fn(int dirfd, const char *name, const struct gc *g, int *ret_lock);

static int sweep_folder(const struct dirs *d, const char *name, enum gc_kind kind, goes_fn *goes, struct gc *g, struct err *e)
{
	auto_free char *path = dirs_root(d, "%s", name);
	AUTO_STRV(there);
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open '%s'", path);
	TRY(names_in(path, &there, e));
	for (size_t i = 0; i < there.n; i++) {
		auto_close int lock = -1;

		if (!goes(fd, there.v[i], g, &lock))
			continue;
		gc_add(g, kind, fd, there.v[i], there.v[i]);
		if (!g->dry_run)
			TRY(file_remove_tree(fd, there.v[i], e));
	}
	return 0;
}

/* Nobody holds the lock of the folder. */
static bool is_left(int dirfd, const char *name, const struct gc *g, int *ret_lock)
{
	(void)g;
	*ret_lock = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_lock < 0 || flock(*ret_lock, LOCK_EX | LOCK_NB) == 0;
}

static bool is_layer_trash(int dirfd, const char *name, const struct gc *g, int *ret_lock)
{
	(void)dirfd, (void)g, (void)ret_lock;
	return str_starts(name, "layer-");
}

/* What a build was just making, or had for itself. Builds hold layers.lock. */
static bool is_mount_left(int dirfd, const char *name, const struct gc *g, int *ret_lock)
{
	(void)dirfd, (void)g, (void)ret_lock;
	return str_starts(name, ".new-") || str_starts(name, ".private-");
}

/* Builds look for tmp/NAME to know which folders containers/build-NAME-… live. */
static bool is_build_left(int dirfd, const char *name, const struct gc *g, int *ret_lock)
{
	const char *rest = str_after(name, "build-");
	auto_free char *lock = rest ? xasprintf("../images/tmp/%.*s", (int)strcspn(rest, "-"), rest) : NULL;

	return lock && is_left(dirfd, lock, g, ret_lock);
}

int image_gc(struct db *db, struct gc *g, struct err *e)
{
	const struct dirs *d = db_dirs(db);
	auto_close int fd = -1;
	int r;

	TRY(sweep_folder(d, "images/tmp", GC_TEMPORARY, is_left, g, e));
	TRY(r = image_layers_lock(d, true, &fd, e));
	g->busy = r > 0;
	if (g->busy)
		return 0;
	/* before the layers: those that go now are no trash that was found */
	TRY(sweep_folder(d, "trash", GC_TRASH, is_layer_trash, g, e));
	TRY(sweep_folder(d, "containers", GC_TEMPORARY, is_build_left, g, e));
	TRY(sweep_folder(d, "images/mounts", GC_CACHE, is_mount_left, g, e));
	TRY(collect_layers(db, g, e));
	TRY(blob_collect(db, g, e));
	if (!g->dry_run) {
		struct gc again = GC_INIT;

		r = sweep_folder(d, "trash", GC_TRASH, is_layer_trash, &again, e);
		gc_done(&again);
	}
	return r;
}

int image_collect(struct db *db, struct strv *report, struct err *e)
{
	AUTO_DONE(gc_done) struct gc g = GC_INIT;

	TRY(image_gc(db, &g, e));
	for (size_t i = 0; report && i < g.n; i++)
		if (g.v[i].kind == GC_LAYER && digest_is_valid(g.v[i].name))
			strv_addf(report, "Deleted: %s", g.v[i].name);
	return 0;
}
