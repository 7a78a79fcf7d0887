/* SPDX-License-Identifier: MIT
 *
 * What opening does, cheapest first: stat, open, one PRAGMA (which reads page 1 and the WAL's index). Everything else is done when it is first
 * needed: synchronous and the ticket before the first write, statements when they are first used.
 *
 * The WAL stays when the last connection closes (no checkpoint on close: it costs three syncs), so a missing WAL beside a database tells that
 * somebody else took it away, and db_sync() and a read-only root always find it. Checkpoints happen every WAL_PAGES pages of writing.
 *
 * state.db itself is never opened here while a connection is open: closing any descriptor of it drops SQLite's POSIX locks.
 */
#include "state/db.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "state/db_priv.h"
#include "state/lock.h"
#include "state/schema.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
	BUSY_MS = 5000,
	WAL_PAGES = 200,            /* 800 KiB: what the next opener has to read again at most */
	WAL_ALLOCATED = 1 << 20,
	RESERVE_SIZE = 1 << 20,
	RESERVE_NEED = 256 << 10,   /* less than this free: the reserve goes (DB_RESERVE) */
	RESERVE_PLENTY = 64 << 20,  /* more than this free: the reserve is made */
};

/* ---- errors ---- */

static const struct {
	int sqlite, sys;
} codes[] = {
	{ SQLITE_BUSY, EBUSY }, { SQLITE_LOCKED, EBUSY }, { SQLITE_FULL, ENOSPC }, { SQLITE_READONLY, EROFS },
	{ SQLITE_CORRUPT, EUCLEAN }, { SQLITE_NOTADB, EUCLEAN }, { SQLITE_PERM, EPERM }, { SQLITE_TOOBIG, EFBIG },
};

int db_error(struct db *db, const char *what, struct err *e)
{
	int code = sqlite3_errcode(db->sq), ext = sqlite3_extended_errcode(db->sq), sys = sqlite3_system_errno(db->sq);
	int out = EIO;

	if (code == SQLITE_NOMEM)
		BUG("out of memory");
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].sqlite == code)
			out = codes[i].sys;
	if (ext == SQLITE_CONSTRAINT_UNIQUE || ext == SQLITE_CONSTRAINT_PRIMARYKEY)
		out = EEXIST;
	else if (code == SQLITE_CONSTRAINT)
		out = EBUSY;
	else if ((code == SQLITE_IOERR || code == SQLITE_CANTOPEN) && sys)
		out = sys;
	if (out == ENOSPC || out == EDQUOT) {
		err_set(e, out, "no space left on the disk of '%s'", db->dirs->root);
		err_hint(e, "free some there: 'gantry down', 'rm' and 'image rm' still work");
		return -out;
	}
	err_set(e, out, "database '%s': %s%s", db->path, what, sqlite3_errmsg(db->sq));
	if (out == EUCLEAN)
		err_hint(e, "stop what uses it and move the file away: it is rebuilt from what is in '%s'", db->dirs->root);
	return -out;
}

/* ---- opening ---- */

/* One statement without a result, or the integer of its first row. */
static int sql_one(struct db *db, const char *text, int64_t *ret, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(db->sq, text, -1, &s, NULL);

	if (rc == SQLITE_OK) {
		while ((rc = sqlite3_step(s)) == SQLITE_ROW)
			if (ret)
				*ret = sqlite3_column_int64(s, 0);
		sqlite3_finalize(s);
	}
	return rc == SQLITE_OK || rc == SQLITE_DONE ? 0 : db_error(db, "", e);
}

static void connection_close(struct db *db)
{
	for (size_t i = 0; i < SQL_COUNT; i++) {
		sqlite3_finalize(db->stmts[i].s);
		db->stmts[i].s = NULL;
	}
	sqlite3_close(db->sq);
	db->sq = NULL;
	db->write_ready = false;
}

static int connection_open(struct db *db, const char *uri, int flags, struct err *e)
{
	int rc;

	(void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD); /* no threads of ours; refused, harmlessly, once initialised */
	rc = sqlite3_open_v2(uri, &db->sq, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(db->sq, BUSY_MS);
		sqlite3_db_config(db->sq, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
		sqlite3_db_config(db->sq, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_wal_autocheckpoint(db->sq, WAL_PAGES);
		return 0;
	}
	rc = db_error(db, "", e);
	connection_close(db);
	return rc;
}

static bool fs_free(const struct db *db, uint64_t *ret)
{
	struct statvfs v;

	if (statvfs(db->dirs->root, &v) < 0)
		return false;
	*ret = (uint64_t)(geteuid() == 0 ? v.f_bfree : v.f_bavail) * v.f_frsize;
	return true;
}

/* The WAL's blocks are there before it needs them: up to its usual size a commit never asks the disk for more. */
static void wal_allocate(struct db *db)
{
	auto_free char *wal = xasprintf("%s-wal", db->path);
	auto_close int fd = open(wal, O_WRONLY | O_CLOEXEC | O_NOFOLLOW); /* nobody's locks are on this file */

	if (fd >= 0)
		(void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, WAL_ALLOCATED);
}

/* The reserve: made while there is plenty, given back when there is nothing left and the command is one that frees space. */
static void reserve_keep(struct db *db)
{
	auto_free char *path = dirs_root(db->dirs, "reserve");
	uint64_t space;

	wal_allocate(db);

	if (!fs_free(db, &space))
		return;
	if (space < RESERVE_NEED && db->flags & DB_RESERVE) {
		if (unlink(path) == 0)
			log_debug("disk full: '%s' given back", path);
	} else if (space > RESERVE_PLENTY && !file_exists(path)) {
		auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd >= 0 && posix_fallocate(fd, 0, RESERVE_SIZE) != 0)
			(void)unlink(path);
	}
}

static int sync_dir(const char *path, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, "sync '%s'", path);
	return 0;
}

static int migrate_from(struct db *db, int64_t version, struct err *e)
{
	for (; version < schema_version; version++) {
		char pragma[64];

		FP("state.migrate", e);
		if (sqlite3_exec(db->sq, schema_migrations[version], NULL, NULL, NULL) != SQLITE_OK)
			return db_error(db, "migration: ", e);
		snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", (int)version + 1);
		TRY(sql_one(db, pragma, NULL, e));
	}
	return 0;
}

/* Under the ticket: another process may have done it meanwhile. A new file gets its schema into the database itself, not only into the WAL, so
 * that a lost WAL never looks like a database without tables. */
static int migrate(struct db *db, bool fresh, struct err *e)
{
	int64_t version = 0;
	int r;

	TRY(db_begin(db, e));
	r = sql_one(db, "PRAGMA user_version", &version, e);
	if (r >= 0)
		r = migrate_from(db, version, e);
	TRY(db_end(db, r, e));
	if (!fresh)
		return 0;
	sqlite3_wal_checkpoint_v2(db->sq, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return sync_dir(db->dirs->root, e);
}

static int ticket_take(struct db *db, struct err *e);
static void ticket_drop(struct db *db);

/* Makes the file and its WAL mode; the mode needs the file alone, so only one process may try. */
static int create_file(struct db *db, struct err *e)
{
	int fd, r;

	TRY(ticket_take(db, e));
	fd = open(db->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600); /* SQLite gives the WAL the same mode */
	if (fd < 0) {
		r = err_sys(e, "make '%s'", db->path);
	} else {
		(void)fchmod(fd, 0600);
		close(fd);
		r = connection_open(db, db->path, SQLITE_OPEN_READWRITE, e);
		if (r >= 0)
			r = sql_one(db, "PRAGMA journal_mode = WAL", NULL, e);
	}
	ticket_drop(db);
	return r;
}

/* The damaged file moves aside, with its WAL; the name says when. */
static int set_aside(struct db *db, struct err *e)
{
	int64_t now = time_now_ns() / 1000000000;
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	auto_free char *to = xasprintf("%s.corrupt-%lld", db->path, (long long)now);

	TRY(ticket_take(db, e));
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		auto_free char *a = xasprintf("%s%s", db->path, suffixes[i]);
		auto_free char *b = xasprintf("%s%s", to, suffixes[i]);

		if (rename(a, b) < 0 && errno != ENOENT) {
			int r = err_sys(e, "move '%s' aside", a);

			ticket_drop(db);
			return r;
		}
	}
	ticket_drop(db);
	free(db->notice);
	db->notice = xasprintf("the database was damaged: it is now '%s', and was rebuilt from what is in '%s'", to, db->dirs->root);
	return 0;
}

static bool missing_or_empty(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 || st.st_size == 0;
}

/* Read-only: with the WAL as it is when there is one (its index in our own memory), else the main file alone. */
static int open_readonly(struct db *db, int64_t *ret_version, struct err *e)
{
	static const char *const modes[] = { "mode=ro&readonly_shm=1", "immutable=1" };

	db->readonly = true;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		auto_free char *uri = xasprintf("file:%s?%s", db->path, modes[i]);
		AUTO_ERR(why);

		if (connection_open(db, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, &why) >= 0 &&
		    sql_one(db, "PRAGMA user_version", ret_version, &why) >= 0)
			return 0;
		connection_close(db);
		if (i + 1 == ARRAY_LEN(modes))
			return err_move(e, &why);
	}
	return 0;
}

static bool disk_says_no(const struct err *e)
{
	return err_is(e, EROFS) || err_is(e, ENOSPC) || err_is(e, EDQUOT) || err_is(e, EACCES) || err_is(e, EPERM);
}

static int open_existing(struct db *db, int64_t *ret_version, struct err *e)
{
	AUTO_ERR(why);
	int r = connection_open(db, db->path, SQLITE_OPEN_READWRITE, &why);

	if (r >= 0)
		r = sql_one(db, "PRAGMA user_version", ret_version, &why);
	if (r >= 0 && sqlite3_db_readonly(db->sq, "main") == 1) /* SQLite opens what it cannot write without a word */
		r = err_set(&why, EROFS, "database '%s' cannot be written: read-only file system", db->path);
	if (r >= 0)
		return 0;
	connection_close(db);
	if (err_is(&why, EUCLEAN) && !(db->flags & DB_READONLY)) {
		TRY(set_aside(db, e));
		*ret_version = 0;
		return create_file(db, e);
	}
	if (!disk_says_no(&why))
		return err_move(e, &why);
	if (err_is(&why, ENOSPC) && db->flags & DB_RESERVE) {
		reserve_keep(db);
		TRY(connection_open(db, db->path, SQLITE_OPEN_READWRITE, e));
		return sql_one(db, "PRAGMA user_version", ret_version, e);
	}
	if (!(db->flags & DB_READONLY))
		return err_move(e, &why);
	return open_readonly(db, ret_version, e);
}

/* run/ does not survive a boot: the mark there says that root and rows were compared since. */
static int rebuild_if_due(struct db *db, bool due, struct err *e)
{
	auto_free char *mark = dirs_run(db->dirs, "rows.seen");
	int r;

	if (db->readonly || (!due && file_exists(mark)))
		return 0;
	r = db_rebuild(db, e);
	if (r < 0)
		return db->flags & DB_READONLY ? (err_clear(e), 0) : err_wrap(e, "rebuild the database");
	if (r > 0 && !db->notice)
		db->notice = xasprintf("%d objects in '%s' were not in the database and were registered again", r, db->dirs->root);
	return file_replace(mark, "", 0, 0600, false, e);
}

static int open_steps(struct db *db, struct err *e)
{
	auto_free char *wal = xasprintf("%s-wal", db->path);
	bool fresh = missing_or_empty(db->path), due = fresh || !file_exists(wal);
	int64_t version = 0;

	if (fresh && db->flags & DB_READONLY && access(db->dirs->root, W_OK) < 0)
		return err_sys(e, "database '%s' is missing and cannot be made", db->path);
	TRY(fresh ? create_file(db, e) : open_existing(db, &version, e));
	if (db->notice)
		fresh = due = true;
	if (version > schema_version && !(db->flags & DB_READONLY)) {
		err_set(e, EPROTO, "database '%s' is of a newer gantry (schema %lld, this one knows %d)", db->path, (long long)version,
			schema_version);
		err_hint(e, "use that gantry; this one can still show: ps, logs, inspect");
		return -EPROTO;
	}
	if (version < schema_version) {
		if (db->readonly)
			return err_set(e, EROFS, "database '%s' is of an older gantry and cannot be upgraded: nothing can be written", db->path);
		TRY(migrate(db, fresh, e));
	}
	return rebuild_if_due(db, due, e);
}

int db_open(const struct dirs *d, unsigned flags, struct db **ret, struct err *e)
{
	AUTO(db_close) struct db *db = xcalloc(1, sizeof *db);

	db->dirs = d;
	db->flags = flags;
	db->ticket = -1;
	db->path = dirs_root(d, "state.db");
	FP("state.open", e);
	TRY(open_steps(db, e));
	*ret = TAKE(db);
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	if (db->depth)
		db_rollback(db);
	connection_close(db);
	if (db->ticket >= 0)
		close(db->ticket);
	strv_done(&db->touched);
	free(db->notice);
	free(db->path);
	free(db);
}

const struct dirs *db_dirs(const struct db *db)
{
	return db->dirs;
}

const char *db_notice(const struct db *db)
{
	return db->notice;
}

bool db_readonly(const struct db *db)
{
	return db->readonly;
}

/* ---- transactions ---- */

static int ticket_take(struct db *db, struct err *e)
{
	if (db->ticket < 0) {
		auto_free char *path = dirs_run(db->dirs, "ticket.lock");

		db->ticket = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (db->ticket < 0)
			return err_sys(e, "open '%s'", path);
	}
	return lock_ticket(db->ticket, BUSY_MS, e);
}

static void ticket_drop(struct db *db)
{
	lock_ticket_drop(db->ticket);
}

static int write_ready(struct db *db, struct err *e)
{
	if (db->readonly) {
		err_set(e, EROFS, "database '%s': cannot be written", db->path);
		err_hint(e, "is the disk of '%s' full, or mounted read-only?", db->dirs->root);
		return -EROFS;
	}
	if (db->write_ready)
		return 0;
	reserve_keep(db);
	TRY(sql_one(db, "PRAGMA synchronous = NORMAL", NULL, e));
	db->write_ready = true;
	return 0;
}

int db_begin(struct db *db, struct err *e)
{
	if (db->depth > 0) {
		db->depth++;
		return 0;
	}
	TRY(write_ready(db, e));
	FP("state.begin", e);
	TRY(ticket_take(db, e));
	if (sqlite3_exec(db->sq, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
		ticket_drop(db);
		return db_error(db, "", e);
	}
	db->depth = 1;
	return 0;
}

static void touch_gen(const struct db *db, const char *project)
{
	auto_free char *path = dirs_run(db->dirs, "gen/%s", project);
	int fd;

	if (utimensat(AT_FDCWD, path, NULL, 0) == 0 || errno != ENOENT)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)
		close(fd);
}

void db_touch(struct db *db, const char *project)
{
	if (!project || !name_is_project(project))
		return;
	if (db->depth)
		strv_add_unique(&db->touched, project);
	else
		touch_gen(db, project);
}

static int commit_now(struct db *db, struct err *e)
{
	FP("state.commit", e);
	if (sqlite3_get_autocommit(db->sq)) /* SQLite undid it at a failure that was passed over */
		return err_set(e, EIO, "database '%s': the transaction was undone", db->path);
	if (sqlite3_exec(db->sq, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		return db_error(db, "commit: ", e);
	return 0;
}

int db_commit(struct db *db, struct err *e)
{
	int r;

	BUG_ON(db->depth == 0);
	if (db->depth > 1) {
		db->depth--;
		return 0;
	}
	r = commit_now(db, e);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	db->depth = 0;
	ticket_drop(db);
	(void)fail_point("state.committed");
	for (size_t i = 0; i < db->touched.n; i++)
		touch_gen(db, db->touched.v[i]);
	strv_clear(&db->touched);
	return 0;
}

void db_rollback(struct db *db)
{
	if (db->depth == 0)
		return;
	for (size_t i = 0; i < SQL_COUNT; i++)
		if (db->stmts[i].s)
			sqlite3_reset(db->stmts[i].s);
	if (!sqlite3_get_autocommit(db->sq))
		(void)sqlite3_exec(db->sq, "ROLLBACK", NULL, NULL, NULL);
	db->depth = 0;
	strv_clear(&db->touched);
	ticket_drop(db);
}

int db_end(struct db *db, int r, struct err *e)
{
	if (r >= 0) {
		int c = db_commit(db, e);

		return c < 0 ? c : r;
	}
	if (db->depth > 1)
		db->depth--;
	else
		db_rollback(db);
	return r;
}

bool db_in_transaction(const struct db *db)
{
	return db->depth > 0;
}

int db_sync(struct db *db, struct err *e)
{
	auto_free char *wal = xasprintf("%s-wal", db->path);
	auto_close int fd = open(wal, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	FP("state.sync", e);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open '%s'", wal); /* none: nothing was ever written */
	if (fdatasync(fd) < 0)
		return err_sys(e, "sync '%s'", wal);
	return 0;
}

int64_t db_last_id(const struct db *db)
{
	return sqlite3_last_insert_rowid(db->sq);
}
