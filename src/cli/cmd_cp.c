/* SPDX-License-Identifier: MIT
 *
 * cp: files between the host and containers, by docker's rules:
 *
 *	destination      source a file                       source a folder
 *	not there        becomes it; error with a final '/'  becomes it
 *	a file           is replaced                         error
 *	a folder         goes into it                        goes into it; its content, when the source ends with "/."
 *
 * Both sides are descriptors: the container's root is one that path_open_in keeps everybody inside of, the host's is where we are.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "engine/container/container.h"
#include "engine/container/user.h"
#include "engine/container/view.h"
#include "engine/image/layer.h"
#include "engine/image/program.h"
#include "engine/image/store.h"
#include "state/container_store.h"
#include "state/lock.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>

enum { LINKS_MAX = 40 };

struct cp_opts {
	bool archive, follow, all;
	int64_t index;
};
static const struct opt cp_rows[] = {
	OPT(0, "all", OPT_BOOL, struct cp_opts, all, NULL, "Containers of run too"),
	OPT('a', "archive", OPT_BOOL, struct cp_opts, archive, NULL, "What is copied into a container belongs to its user"),
	OPT('L', "follow-link", OPT_BOOL, struct cp_opts, follow, NULL, "Copy what a link of the source names, not the link"),
	OPT(0, "index", OPT_INT, struct cp_opts, index, "N", "Which replica (into: all, from: the lowest)"),
	OPT_END
};

/* One end of the copy. */
struct side {
	int root;          /* of the container; -1: the host */
	const char *text;  /* as it was given, without the service */
	char *path;        /* clean, absolute in a container */
	bool slash;        /* ends with '/' or "/.": a folder is meant */
	bool content;      /* ends with "/.": what is in it is meant */
	bool read_only;    /* nothing is written to the root itself (a container that runs has it so by its mount) */
};

static bool ends_with_dot(const char *text)
{
	return streq(text, ".") || str_ends(text, "/.");
}

static void side_init(struct side *s, const char *text, bool inside)
{
	auto_free char *full = inside ? xasprintf("/%s", text) : xstrdup(text);

	*s = (struct side){ .root = -1, .text = text, .path = path_clean(full), .slash = str_ends(text, "/") || ends_with_dot(text),
			    .content = ends_with_dot(text) };
}

static void side_done(struct side *s)
{
	free(s->path);
	if (s->root >= 0)
		close(s->root);
}

/* -errno without a text: the caller knows what it means. */
static int open_on(const struct side *s, const char *path, int flags)
{
	AUTO_ERR(t);
	int fd;

	if (s->root >= 0) {
		fd = path_open_in(s->root, path, flags | O_CLOEXEC, 0, &t);
		return fd < 0 ? -t.code : fd;
	}
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int no_source(const struct side *s, int code, struct err *e)
{
	return code == -ENOENT ? err_set(e, ENOENT, "'%s': no such file or directory", s->text) : err_code(e, -code, "open '%s'", s->text);
}

static int open_source(const struct side *s, bool follow, struct stat *st, struct err *e)
{
	int fd = open_on(s, s->path, O_PATH | (follow || s->slash ? 0 : O_NOFOLLOW));

	if (fd < 0)
		return no_source(s, fd, e);
	if (fstat(fd, st) < 0 || (s->slash && !S_ISDIR(st->st_mode))) {
		close(fd);
		return err_set(e, ENOTDIR, "'%s': not a directory", s->text);
	}
	return fd;
}

/* ---- the destination -------------------------------------------------------------------------------------------------- */

struct target {
	int dir;           /* where something is to be made */
	char *name;        /* in it; NULL: DIR itself is the destination, a folder */
	bool there;        /* NAME is there already, and no folder */
};

static void target_done(struct target *t)
{
	if (t->dir >= 0)
		close(t->dir);
	free(t->name);
}

/* The link at *PATH names another path; 1: it is none. */
static int follow_link(const struct side *s, char **path)
{
	char text[PATH_MAX];
	auto_close int fd = open_on(s, *path, O_PATH | O_NOFOLLOW);
	auto_free char *parent = NULL, *joined = NULL;
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", text, sizeof(text) - 1);

	if (n <= 0)
		return 1;
	text[n] = '\0';
	parent = path_parent(*path);
	joined = path_join(parent, text);
	free(*path);
	*path = path_clean(joined);
	return 0;
}

static int no_parent(const struct side *s, int code, struct err *e)
{
	auto_free char *parent = path_parent(s->path);

	if (code == -ENOENT)
		return err_set(e, ENOENT, "'%s': directory '%s' does not exist", s->text, parent);
	return err_code(e, -code, "open '%s'", parent);
}

static int find_target(const struct side *s, struct target *ret, struct err *e)
{
	auto_free char *path = xstrdup(s->path), *parent = NULL;
	auto_close int fd = -1;
	struct stat st;
	int links = 0;

	while (follow_link(s, &path) == 0)
		if (++links > LINKS_MAX)
			return err_code(e, ELOOP, "'%s'", s->text);
	fd = open_on(s, path, O_PATH | O_NOFOLLOW);
	if (fd < 0 && fd != -ENOENT)
		return err_code(e, -fd, "open '%s'", s->text);
	if (fd < 0 && s->slash)
		return err_set(e, ENOENT, "'%s': no such directory", s->text);
	if (fd >= 0 && fstat(fd, &st) < 0)
		return err_sys(e, "open '%s'", s->text);
	if (fd >= 0 && S_ISDIR(st.st_mode)) {
		ret->dir = TAKE_FD(fd);
		return 0;
	}
	if (fd >= 0 && s->slash)
		return err_set(e, ENOTDIR, "'%s': not a directory", s->text);
	parent = path_parent(path);
	ret->there = fd >= 0;
	ret->dir = open_on(s, parent, O_PATH | O_DIRECTORY);
	if (ret->dir < 0)
		return no_parent(s, ret->dir, e);
	ret->name = xstrdup(path_base(path));
	return 0;
}

static bool same_mount(int a, int b)
{
	struct statx x = { 0 }, y = { 0 };

	return statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) == 0 && statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID, &y) == 0 &&
	       x.stx_mnt_id == y.stx_mnt_id;
}

static int check_writable(const struct side *s, const struct target *t, struct err *e)
{
	if (!s->read_only || !same_mount(s->root, t->dir))
		return 0;
	err_set(e, EROFS, "the container's root is read-only");
	err_hint(e, "copy into one of its volumes");
	return -EROFS;
}

/* ---- the copy --------------------------------------------------------------------------------------------------------- */

/* The name that a source keeps in a folder; NULL: its content goes there. */
static const char *own_name(const struct side *s, char **absolute)
{
	auto_free char *cwd = NULL, *joined = NULL;
	const char *base;

	if (s->content || streq(s->path, "/"))
		return NULL;
	base = path_base(s->path);
	if (!streq(base, ".") && !streq(base, ".."))
		return base;
	cwd = path_cwd();
	joined = path_join(cwd, s->path);
	*absolute = path_clean(joined);
	base = path_base(*absolute);
	return *base ? base : NULL;
}

static int copy(const struct side *from, const struct side *to, bool follow, struct file_copy_how *how, struct err *e)
{
	AUTO_DONE(target_done) struct target t = { .dir = -1 };
	auto_free char *absolute = NULL;
	struct stat st;
	auto_close int source = open_source(from, follow, &st, e);
	const char *name;

	if (source < 0)
		return source;
	TRY(find_target(to, &t, e));
	if (t.there && S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "cannot copy directory '%s' to file '%s'", from->text, to->text);
	TRY(check_writable(to, &t, e));
	name = t.name ? t.name : own_name(from, &absolute);
	how->merge = how->replace = true;
	how->keep_root = !name;
	return file_copy_object(source, t.dir, name ? name : ".", how, e);
}

/* ---- archives --------------------------------------------------------------------------------------------------------- */

static int write_archive(const struct side *from, bool follow, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = NULL;
	auto_free char *absolute = NULL;
	struct stat st;
	auto_close int source = open_source(from, follow, &st, e);
	const char *name;
	AUTO_DONE(output_free) struct output out = OUTPUT_INIT;

	if (source < 0)
		return source;
	TRY(output_open(NULL, &out, e));
	name = own_name(from, &absolute);
	return image_program("pack", source, out.fd, name ? name : ".", &answer, e);
}

/* Standard input, unpacked by gantry-image in its jail; whoever cleans the store removes what a killed command left of it. */
struct unpacked {
	char *path;
	int dir, files;
};

static void unpacked_done(struct unpacked *u)
{
	if (u->files >= 0)
		close(u->files);
	image_tmp_done(u->dir, u->path);
}

static int read_archive(struct app *app, struct unpacked *ret, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = NULL;
	auto_close int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);

	if (in < 0)
		return err_sys(e, "standard input");
	ret->dir = image_tmp_make(&app->dirs, NULL, &ret->path, e);
	TRY(ret->dir);
	TRY(image_program("add", ret->dir, in, NULL, &answer, e));
	if (!json_bool(answer, "archive", false))
		return err_set(e, EINVAL, "standard input is not a tar archive");
	ret->files = openat(ret->dir, "0", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return ret->files < 0 ? err_sys(e, "open what was unpacked") : 0;
}

static int copy_archive(const struct unpacked *u, const struct side *to, struct file_copy_how *how, struct err *e)
{
	AUTO_DONE(target_done) struct target t = { .dir = -1 };

	if (find_target(to, &t, e) < 0 || t.name)
		return err_instead(e, ENOTDIR, "destination '%s' must be a directory", to->text);
	TRY(check_writable(to, &t, e));
	how->merge = how->replace = how->keep_root = true;
	how->unsaid = LAYER_UNNAMED;
	return file_copy_object(u->files, t.dir, ".", how, e);
}

/* ---- containers ------------------------------------------------------------------------------------------------------- */

struct cp {
	struct app *app;
	const struct cp_opts *o;
	struct progress *progress;
	int lock;                 /* of the project, taken when one of its containers does not run */
	struct unpacked archive;
};

static int open_container(struct cp *c, const struct ctr_row *row, struct side *s, bool write, struct file_copy_how *how, struct err *e)
{
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	AUTO_DONE(ctr_user_done) struct ctr_user user = CTR_USER_INIT;

	TRY(container_load_spec(&c->app->dirs, row->id, &spec, e));
	if (!ctr_row_alive(row, c->app->dirs.boot_id) && c->lock < 0)
		TRY(lock_project(&c->app->dirs, row->project, NULL, NULL, &c->lock, e));
	s->root = ctr_view_open(&c->app->dirs, row, spec, e);
	if (s->root < 0)
		return -e->code;
	s->read_only = spec->read_only;
	if (write && c->o->archive && spec->user && *spec->user) {
		TRY(ctr_user_resolve(s->root, spec->user, &spec->group_add, &user, e));
		how->set_owner = true;
		how->uid = user.uid;
		how->gid = user.gid;
	}
	return 0;
}

static int into_one(struct cp *c, const struct ctr_row *row, const char *from_text, const char *to_text, struct err *e)
{
	AUTO_DONE(side_done) struct side from = { .root = -1 }, to = { .root = -1 };
	struct file_copy_how how = { 0 };

	side_init(&from, from_text, false);
	side_init(&to, to_text, true);
	TRY(open_container(c, row, &to, true, &how, e));
	if (streq(from_text, "-"))
		return copy_archive(&c->archive, &to, &how, e);
	return copy(&from, &to, c->o->follow, &how, e);
}

static int from_one(struct cp *c, const struct ctr_row *row, const char *from_text, const char *to_text, struct err *e)
{
	AUTO_DONE(side_done) struct side from = { .root = -1 }, to = { .root = -1 };
	struct file_copy_how how = { .set_owner = true, .uid = geteuid(), .gid = getegid() };

	side_init(&from, from_text, true);
	side_init(&to, to_text, false);
	TRY(open_container(c, row, &from, false, &how, e));
	if (streq(to_text, "-"))
		return write_archive(&from, c->o->follow, e);
	return copy(&from, &to, c->o->follow, &how, e);
}

static int one(struct cp *c, const struct ctr_row *row, bool into, const char *from, const char *to, struct err *e)
{
	const char *colon = into ? "" : ":";
	auto_free char *what = xasprintf("%s copy %s%s%s to %s%s%s", row->name, into ? "" : row->name, colon, from, into ? row->name : "",
					 into ? ":" : "", to);
	int r = 0;

	progress_event(c->progress, what, PROGRESS_WORKING, "Copying");
	if (!c->app->g.dry_run)
		r = into ? into_one(c, row, from, to, e) : from_one(c, row, from, to, e);
	progress_event(c->progress, what, r < 0 ? PROGRESS_ERROR : PROGRESS_DONE, r < 0 ? "Error" : "Copied");
	return r < 0 ? err_wrap(e, "container '%s'", row->name) : 0;
}

/* The service's containers, or the one that is meant. */
static int choose(struct app *app, const struct cp_opts *o, const char *service, bool into, struct ctr_rows *rows, struct err *e)
{
	AUTO_DONE(ctr_rows_done) struct ctr_rows all = CTR_ROWS_INIT;

	TRY(ctr_list(app->db, app->name, service, &all, e));
	for (size_t i = 0; i < all.n; i++) {
		struct ctr_row *c = &all.v[i];

		if ((c->oneoff && !o->all) || (o->index > 0 && (c->oneoff || c->number != o->index)) || (!into && rows->n))
			continue;
		xgrow(&rows->v, rows->n, &rows->cap, sizeof(*rows->v));
		rows->v[rows->n++] = *c;
		*c = (struct ctr_row){ 0 };
	}
	if (rows->n)
		return 0;
	if (o->index > 0 && all.n)
		err_set(e, ESRCH, "service \"%s\" is not running container #%" PRId64, service, o->index);
	else
		err_set(e, ESRCH, "no container found for service \"%s\"", service);
	err_hint(e, "'gantry ps -a' shows what there is");
	return -ESRCH;
}

/* "SERVICE:PATH": the service, owned by the caller, and *PATH; else a path of the host: NULL. */
static char *service_of(const char *arg, const char **path)
{
	const char *colon = strchr(arg, ':');

	*path = arg;
	if (!colon || *arg == '/' || *arg == '.')
		return NULL;
	*path = colon + 1;
	return xstrndup(arg, (size_t)(colon - arg));
}

static int run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const char *from, *to;
	auto_free char *source = service_of(args->v[0], &from), *dest = service_of(args->v[1], &to);
	AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;
	struct cp c = { .app = app, .o = opts, .lock = -1, .archive = { .dir = -1, .files = -1 } };
	int r;

	if (source && dest)
		return err_set(e, EINVAL, "copying between services is not supported");
	if (!source && !dest) {
		err_set(e, EINVAL, "unknown copy direction");
		err_hint(e, "one of the two is SERVICE:PATH; a path of the host with a ':' begins with './'");
		return -EINVAL;
	}
	if (!*from || !*to)
		return err_set(e, EINVAL, "'%s': no path", *from ? args->v[1] : args->v[0]);
	TRY(choose(app, opts, source ? source : dest, dest != NULL, &rows, e));
	c.progress = progress_new(app, "Copying");
	r = dest && streq(from, "-") && !app->g.dry_run ? read_archive(app, &c.archive, e) : 0;
	for (size_t i = 0; r >= 0 && i < rows.n; i++)
		r = one(&c, &rows.v[i], dest != NULL, from, to, e);
	progress_free(c.progress);
	unpacked_done(&c.archive);
	if (c.lock >= 0)
		close(c.lock);
	return r;
}

const struct cmd cmd_cp = {
	.name = "cp", .run = run, .flags = CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ROOT | CMD_ALL_PROFILES, .opts = cp_rows,
	.opts_size = sizeof(struct cp_opts), .usage = "[OPTIONS] SERVICE:PATH PATH|- | PATH|- SERVICE:PATH",
	.summary = "Copy files between the host and containers", .min_args = 2, .max_args = 2,
};
