/* SPDX-License-Identifier: MIT
 *
 * Left behind without a row, or by a row that promises more than there is:
 *   containers/ID without a row    its transaction was not committed. Folders are made while the writers' ticket is held, so with the ticket
 *                                  in hand nobody is just making one. One that has run (it has a log) is never touched: its row is lost, and
 *                                  db_rebuild's matter
 *   sandbox without a container    the container's row went, the release did not come
 *   links, nft elements without a row  network_gc
 *   volume row without a folder    made again
 *   trash/                         may always go
 */
#include "plan/sweep.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/volume/volume.h"
#include "net/network.h"
#include "net/sandbox.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/network_store.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* ---- containers ---- */

static int is_left(struct db *db, const char *id, struct err *e)
{
	AUTO_DONE(ctr_row_done) struct ctr_row row = { 0 };
	auto_free char *log = dirs_root(db_dirs(db), "containers/%s/json.log", id);
	int r;

	if (!id_is(id) || file_exists(log))
		return 0;
	TRY(r = ctr_get(db, id, &row, e));
	return r == 1;
}

static int move_left(struct db *db, DIR *dir, struct err *e)
{
	struct dirent *ent;

	while ((ent = readdir(dir))) {
		auto_free char *from = dirs_root(db_dirs(db), "containers/%s", ent->d_name);
		auto_free char *to = dirs_root(db_dirs(db), "trash/container-%s", ent->d_name);
		int r = is_left(db, ent->d_name, e);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		log_debug("'%s' has no row: a command was killed while making it", from);
		if (rename(from, to) < 0)
			return err_sys(e, "move '%s' to the trash", from);
	}
	return 0;
}

static int sweep_containers(struct db *db, struct err *e)
{
	auto_free char *path = dirs_root(db_dirs(db), "containers");
	DIR *dir = opendir(path);
	int r;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(e, "read '%s'", path);
	r = db_begin(db, e);
	if (r >= 0)
		r = db_end(db, move_left(db, dir, e), e);
	closedir(dir);
	return r;
}

static int sweep_trash(struct db *db, struct err *e)
{
	auto_free char *path = dirs_root(db_dirs(db), "trash");
	DIR *dir = opendir(path);
	struct dirent *ent;

	while (dir && (ent = readdir(dir))) {
		AUTO_ERR(why);

		if (ent->d_name[0] != '.' && file_remove_tree(dirfd(dir), ent->d_name, &why) < 0)
			log_debug("trash: %s", err_text(&why));
	}
	if (dir)
		closedir(dir);
	(void)e;
	return 0;
}

/* ---- rows ---- */

static int sweep_sandboxes(struct db *db, const char *project, struct err *e)
{
	AUTO_STRV(ids);

	TRY(sandbox_left(db, project, &ids, e));
	for (size_t i = 0; i < ids.n; i++)
		TRY(net_sandbox_release(db, ids.v[i], e));
	return 0;
}

static int heal_volume(struct db *db, const char *name, struct err *e)
{
	AUTO_DONE(volume_row_done) struct volume_row row = { 0 };
	auto_free char *json = dirs_root(db_dirs(db), "volumes/%s/volume.json", name);
	int r;

	if (file_exists(json))
		return 0;
	TRY(r = volume_get(db, name, &row, e));
	return r == 0 && !row.deleting ? volume_create(db, &row, e) : 0;
}

static int heal_volumes(struct db *db, const char *project, struct err *e)
{
	AUTO_DONE(volume_uses_done) struct volume_uses uses = { 0 };
	AUTO_DONE(volume_rows_done) struct volume_rows own = { 0 };

	TRY(volume_list(db, project, &own, e));
	for (size_t i = 0; i < own.n; i++)
		TRY(heal_volume(db, own.v[i].name, e));
	TRY(volume_uses_of_project(db, project, &uses, e));
	for (size_t i = 0; i < uses.n; i++)
		TRY(heal_volume(db, uses.v[i].volume, e));
	return 0;
}

/* ---- the mark ---- */

static int sweep(struct db *db, const char *project, struct err *e)
{
	TRY(sweep_containers(db, e));
	TRY(sweep_sandboxes(db, project, e));
	TRY(network_gc(db, e));
	return sweep_trash(db, e);
}

int sweep_begin(struct db *db, const char *project, bool starts, struct err *e)
{
	auto_free char *mark = dirs_run(db_dirs(db), "p/%s/dirty", project);
	auto_close int fd = open(mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno != EEXIST)
		return errno == ENOENT ? 0 : err_sys(e, "make '%s'", mark); /* no folder: nobody took the project's lock */
	if (fd < 0 && sweep(db, project, e) < 0)
		return err_wrap(e, "clean up after a command that was killed");
	FP("plan.swept", e);
	return starts ? heal_volumes(db, project, e) : 0;
}

void sweep_end(struct db *db, const char *project)
{
	auto_free char *mark = dirs_run(db_dirs(db), "p/%s/dirty", project);

	(void)unlink(mark);
}
