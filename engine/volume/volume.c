/* SPDX-License-Identifier: MIT */
#include "engine/volume/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "state/db.h"
#include "state/event_store.h"

enum { NAME_MAX_BYTES = 200, USERS_SHOWN = 3, MOUNTS_MAX = 16 << 20 };

char *volume_path(const struct dirs *d, const char *name)
{
	return dirs_root(d, "volumes/%s/data", name);
}

static int event(struct db *db, const char *action, const struct volume_row *v, struct err *e)
{
	struct event_row ev = { .type = (char *)"volume", .action = (char *)action, .project = v->project, .actor = v->name };

	return event_add(db, &ev, e);
}

/* ---- creation ------------------------------------------------------------------------------------------------------------------------------------ */

static int check_name(const char *name, struct err *e)
{
	int r;

	if (strlen(name) < 2)
		return err_set(e, EINVAL, "volume name '%s' is too short, names should be at least two alphanumeric characters", name);
	if (strlen(name) > NAME_MAX_BYTES)
		return err_set(e, ENAMETOOLONG, "volume name '%.40s…' has more than %d characters", name, NAME_MAX_BYTES);
	if (name_is_container(name))
		return 0;
	r = err_set(e, EINVAL, "'%s' includes invalid characters for a local volume name, only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
	err_hint(e, "if a folder of the host is meant, write an absolute path");
	return r;
}

static int check_row(const struct volume_row *v, struct err *e)
{
	AUTO_DONE(volume_mount_done) struct volume_mount m = { 0 };

	TRY(check_name(v->name, e));
	if (v->driver && *v->driver && !streq(v->driver, "local"))
		return err_set(e, ENOTSUP, "volume '%s': there is no volume driver '%s', only local", v->name, v->driver);
	if (volume_mount_args(v->options, &m, e) < 0)
		return err_wrap(e, "volume '%s'", v->name);
	return 0;
}

/* Its folder, as the row says it must be there; may be repeated. */
static int folder_make(const struct dirs *d, const struct volume_row *v, struct err *e)
{
	auto_free char *path = dirs_root(d, "volumes/%s", v->name), *json = dirs_root(d, "volumes/%s/volume.json", v->name);
	auto_free char *data = volume_path(d, v->name), *all = dirs_root(d, "volumes");
	auto_close int fd = -1;

	TRY(file_mkdir_p(path, 0700, e));
	if (mkdir(data, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "make '%s'", data);
	FP("volume.folder", e);
	if (!file_exists(json)) {
		auto_free char *text = volume_row_json(v);

		TRY(file_replace(json, text, strlen(text), 0600, true, e));
	}
	fd = open(all, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? err_sys(e, "write '%s' to disk", all) : 0;
}

static int row_make(struct db *db, const struct volume_row *v, struct err *e)
{
	int r;

	TRY(db_begin(db, e));
	r = volume_insert(db, v, e);
	if (r == 0)
		r = event(db, "create", v, e);
	if (r < 0 || db_commit(db, e) < 0) {
		db_rollback(db);
		return -e->code;
	}
	TRY(db_sync(db, e));
	return r;
}

int volume_create(struct db *db, const struct volume_row *v, struct err *e)
{
	AUTO_DONE(volume_row_done) struct volume_row there = { 0 };
	int r;

	TRY(check_row(v, e));
	r = volume_get(db, v->name, &there, e);
	if (r == 0 && there.deleting)
		r = volume_remove(db, v->name, e) < 0 ? -e->code : 1;
	if (r < 0)
		return r;
	r = r == 0 ? 1 : row_make(db, v, e);
	if (r < 0)
		return r;
	FP("volume.row", e);
	TRY(folder_make(db_dirs(db), r && there.name ? &there : v, e));
	return r;
}

/* ---- removal ------------------------------------------------------------------------------------------------------------------------------------- */

static int check_unused(struct db *db, const char *name, struct err *e)
{
	AUTO_STRV(users);
	AUTO_STR(text, 1024);
	int r;

	TRY(volume_user_names(db, name, &users, e));
	if (users.n == 0)
		return 0;
	for (size_t i = 0; i < users.n && i < USERS_SHOWN; i++)
		str_addf(&text, "%s%s", i ? ", " : "", users.v[i]);
	r = err_set(e, EBUSY, "volume '%s' is in use by container %s%s", name, text.s, users.n > USERS_SHOWN ? ", …" : "");
	err_hint(e, "remove %s first", users.n > 1 ? "these containers" : "the container");
	return r;
}

/* Somebody mounted something below it on the host: deleting would go through. */
static int check_unmounted(const struct dirs *d, const char *name, struct err *e)
{
	auto_free char *path = dirs_root(d, "volumes/%s", name), *text = NULL;
	AUTO_STRV(lines);
	size_t n = strlen(path);

	if (file_read("/proc/self/mountinfo", MOUNTS_MAX, &text, NULL, e) < 0) {
		err_clear(e);
		return 0; /* file_remove_tree refuses to cross mounts anyway */
	}
	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		AUTO_STRV(fields);

		strv_split(&fields, lines.v[i], " ");
		if (fields.n > 4 && strncmp(fields.v[4], path, n) == 0 && (fields.v[4][n] == '\0' || fields.v[4][n] == '/'))
			return err_set(e, EBUSY, "volume '%s': '%s' is mounted", name, fields.v[4]);
	}
	return 0;
}

static int set_deleting(struct db *db, const struct volume_row *v, struct err *e)
{
	TRY(db_begin(db, e));
	/* In the same transaction: a container that is made meanwhile would not find it. */
	if (check_unused(db, v->name, e) < 0 || volume_set_deleting(db, v->name, e) < 0 || db_commit(db, e) < 0) {
		db_rollback(db);
		return -e->code;
	}
	return db_sync(db, e);
}

/* The folder under a name that cannot be mistaken for a volume; then it may be deleted at any time. */
static int to_trash(const struct dirs *d, const char *name, char **ret, struct err *e)
{
	char random[17];
	auto_free char *from = dirs_root(d, "volumes/%s", name), *to = NULL;

	id_hex(random, 16);
	to = dirs_root(d, "trash/volume-%s", random);
	if (rename(from, to) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_sys(e, "move '%s' away", from);
	}
	*ret = TAKE(to);
	return 0;
}

static int delete_row(struct db *db, const struct volume_row *v, struct err *e)
{
	TRY(db_begin(db, e));
	if (volume_delete(db, v->name, e) < 0 || event(db, "destroy", v, e) < 0 || db_commit(db, e) < 0) {
		db_rollback(db);
		return -e->code;
	}
	return db_sync(db, e);
}

int volume_remove(struct db *db, const char *name, struct err *e)
{
	AUTO_DONE(volume_row_done) struct volume_row v = { 0 };
	auto_free char *trash = NULL;
	int r = volume_get(db, name, &v, e);

	if (r)
		return r;
	if (!v.deleting) {
		TRY(check_unmounted(db_dirs(db), name, e));
		TRY(set_deleting(db, &v, e));
	}
	FP("volume.deleting", e);
	TRY(to_trash(db_dirs(db), name, &trash, e));
	FP("volume.trash", e);
	if (trash)
		TRY(file_remove_tree_path(trash, e));
	FP("volume.deleted", e);
	return delete_row(db, &v, e);
}

static int empty_trash(const struct dirs *d, struct err *e)
{
	auto_free char *path = dirs_root(d, "trash");
	DIR *dir = opendir(path);
	struct dirent *ent;
	int r = 0;

	while (dir && r >= 0 && (ent = readdir(dir)))
		if (str_starts(ent->d_name, "volume-"))
			r = file_remove_tree(dirfd(dir), ent->d_name, e);
	if (dir)
		closedir(dir);
	return MIN(r, 0);
}

int volume_collect(struct db *db, struct err *e)
{
	AUTO_DONE(volume_rows_done) struct volume_rows all = { 0 };

	TRY(volume_list(db, NULL, &all, e));
	for (size_t i = 0; i < all.n; i++)
		if (all.v[i].deleting)
			TRY(volume_remove(db, all.v[i].name, e));
	return empty_trash(db_dirs(db), e);
}
