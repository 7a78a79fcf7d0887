/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/blob.h"
#include "engine/image/gc.h"
#include "engine/image/manifest.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "state/blob_store.h"
#include "state/db.h"

static const int64_t part_age_ns = INT64_C(86400000000000);

static void keep(struct map *kept, const char *digest)
{
	auto_free char *name = digest && digest_is_valid(digest) ? blob_name(digest) : NULL;

	if (name)
		map_set(kept, name, kept);
}

/* A manifest, and what it names; DROP: but its layers. */
static void keep_manifest(const struct dirs *d, struct map *kept, const char *digest, bool drop)
{
	AUTO_DONE(manifest_done) struct manifest m = { 0 };
	auto_free char *text = NULL;
	size_t n = 0;
	AUTO_ERR(why);

	keep(kept, digest);
	if (!digest || drop || blob_read(d, digest, MANIFEST_MAX, &text, &n, &why) < 0 || manifest_parse(text, n, "manifest", &m, &why) < 0)
		return;
	for (size_t i = 0; m.kind == MANIFEST_IMAGE && i < m.n; i++)
		keep(kept, m.v[i].digest);
}

static int keep_all(struct db *db, struct map *kept, const struct gc *g, struct err *e)
{
	AUTO_DONE(blob_rows_done) struct blob_rows rows = { 0 };
	AUTO_STRV(ids);

	TRY(blob_list(db, &rows, e));
	for (size_t i = 0; i < rows.n; i++)
		if (!map_has(&g->gone, rows.v[i].chain_id) && (!g->blobs || streq(rows.v[i].origin, BLOB_LOADED)))
			keep(kept, rows.v[i].digest);
	TRY(image_list(db, &ids, e));
	for (size_t i = 0; i < ids.n; i++) {
		AUTO_DONE(image_row_done) struct image_row row = { 0 };
		AUTO_DONE(image_remotes_done) struct image_remotes known = { 0 };

		TRY(image_get(db, ids.v[i], &row, e));
		TRY(image_remote_of(db, ids.v[i], &known, e));
		keep_manifest(db_dirs(db), kept, row.manifest, g->blobs);
		for (size_t k = 0; k < known.n; k++) {
			keep(kept, known.v[k].digest);
			if (!streq0(known.v[k].manifest, row.manifest))
				keep_manifest(db_dirs(db), kept, known.v[k].manifest, g->blobs);
		}
	}
	return 0;
}

/* A part that nobody downloads, and nobody came back to. */
static bool is_abandoned(int dirfd, const char *name, bool any_age)
{
	auto_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
		(any_age || time_now_ns() - (int64_t)st.st_mtim.tv_sec * 1000000000 > part_age_ns);
}

int blob_collect(struct db *db, struct gc *g, struct err *e)
{
	auto_free char *path = dirs_root(db_dirs(db), "images/blobs");
	DIR *dir = opendir(path);
	AUTO_MAP(kept, NULL);
	AUTO_STRV(there);
	struct dirent *ent;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(e, "read '%s'", path);
	while ((ent = readdir(dir)))
		if (ent->d_name[0] != '.')
			strv_add(&there, ent->d_name);
	if (there.n && keep_all(db, &kept, g, e) < 0) {
		closedir(dir);
		return -e->code;
	}
	for (size_t i = 0; i < there.n; i++) {
		const char *name = there.v[i];
		bool part = str_ends(name, ".part");

		if (part ? !is_abandoned(dirfd(dir), name, g->all_parts) : map_has(&kept, name))
			continue;
		gc_add(g, part ? GC_DOWNLOAD : GC_BLOB, dirfd(dir), name, name);
		if (!g->dry_run && unlinkat(dirfd(dir), name, 0) < 0)
			log_debug("blob '%s' is left: %s", name, strerror(errno));
	}
	closedir(dir);
	return 0;
}
