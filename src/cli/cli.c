/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tty.h"
#include "cli/commands.h"
#include "compose/faults.h"
#include "compose/load.h"
#include "compose/project.h"
#include "engine/kernel/rlimit.h"
#include "engine/kernel/selfexe.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/lock.h"
#include "state/project_store.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

extern char **environ;

static const char *const ansi_names[] = { "auto", "never", "always", NULL };
static const char *const progress_names[] = { "auto", "tty", "plain", "json", "quiet", NULL };

#define DRY_RUN_ROW OPT(0, "dry-run", OPT_BOOL, struct global_opts, dry_run, NULL, "Print what would be done, change nothing")
/* docker compose takes it behind the command too. */
static const struct opt anywhere_rows[] = { DRY_RUN_ROW, OPT_END };
const struct opt cli_global_rows[] = {
	OPT('f', "file", OPT_LIST, struct global_opts, files, "FILE", "Compose file, repeatable, merged in order; - reads standard input"),
	OPT('p', "project-name", OPT_STR, struct global_opts, project_name, "NAME", "Project name"),
	OPT(0, "profile", OPT_LIST, struct global_opts, profiles, "NAME", "Profile to activate, repeatable; * means all"),
	OPT(0, "env-file", OPT_LIST, struct global_opts, env_files, "FILE", "File with variables for interpolation instead of .env, repeatable"),
	OPT(0, "project-directory", OPT_STR, struct global_opts, project_dir, "DIR", "Where relative paths and .env start"),
	OPT_CHOICE(0, "ansi", struct global_opts, ansi, "WHEN", "Colours and cursor movement: auto, never, always", ansi_names),
	OPT_CHOICE(0, "progress", struct global_opts, progress, "STYLE", "Progress as auto, tty, plain, json, quiet", progress_names),
	OPT(0, "parallel", OPT_INT, struct global_opts, parallel, "N", "Operations at the same time, -1 for no limit"),
	OPT_REFUSE(0, "compatibility", NULL, "names with _ as docker-compose v1 made them are not made here"),
	DRY_RUN_ROW,
	OPT(0, "all-resources", OPT_BOOL, struct global_opts, all_resources, NULL, "Keep networks, volumes and configs that no service uses"),
	OPT(0, "root", OPT_STR, struct global_opts, root, "DIR", "Where images, volumes and state are kept (GANTRY_ROOT, /var/lib/gantry)"),
	OPT(0, "run", OPT_STR, struct global_opts, run, "DIR", "Where sockets and locks are kept (GANTRY_RUN, /run/gantry)"),
	OPT(0, "debug", OPT_BOOL, struct global_opts, debug, NULL, "Show the steps, and where errors arise"),
	OPT('v', "version", OPT_BOOL, struct global_opts, version, NULL, "Print the version"),
	OPT_HIDE('D', "verbose", OPT_BOOL, struct global_opts, debug, NULL, ""),
	OPT_HIDE(0, "no-ansi", OPT_BOOL, struct global_opts, no_ansi, NULL, ""),
	OPT_HIDE(0, "workdir", OPT_STR, struct global_opts, workdir, "DIR", ""),
	OPT_END
};

/* --- finding the command ----------------------------------------------------------------------------------- */

static bool has_alias(const struct cmd *c, const char *name)
{
	AUTO_STRV(all);

	if (!c->aliases)
		return false;
	strv_split(&all, c->aliases, " ");
	return strv_has(&all, name);
}

const struct cmd *cli_find(const struct cmd *const *list, const char *name)
{
	for (; *list; list++)
		if (streq((*list)->name, name) || has_alias(*list, name))
			return *list;
	return NULL;
}

/* Commands of docker compose that are not here, and why; "alpha x" is told like x. */
static const struct {
	const char *name, *why, *hint;
} elsewhere[] = {
	{ "watch", "watching sources is not there yet", "'gantry up -d --build' brings changes in" },
	{ "publish", "projects are not published to registries", "'gantry push' uploads images, 'gantry config -o FILE' writes the project" },
	{ "bridge", "projects are not turned into other formats", "'gantry config --format json' is what other tools can read" },
	{ "viz", "no pictures are made", "'gantry plan' shows services in their order" },
	{ "generate", "no file is made from containers", "'gantry inspect NAME' shows a container" },
	{ "dry-run", "--dry-run is an option of every command", "gantry up --dry-run" },
};

static int not_here(const char *name, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
		if (!streq(elsewhere[i].name, name))
			continue;
		err_set(e, ENOTSUP, "'%s' is not here: %s", name, elsewhere[i].why);
		err_hint(e, "%s", elsewhere[i].hint);
		return err_exit(e, 1);
	}
	return 0;
}

static int unknown_cmd(const struct cmd *const *list, const char *group, const char *name, struct err *e)
{
	const char *names[128];
	size_t n = 0;

	for (; *list && n < ARRAY_LEN(names); list++)
		names[n++] = (*list)->name;
	const char *near = str_nearest(name, names, n, sizeof names[0]);

	err_set(e, EINVAL, "unknown command '%s%s%s'", group ? group : "", group ? " " : "", name);
	err_hint(e, "%s%s%s'gantry --help' lists the commands", near ? "did you mean '" : "", near ? near : "", near ? "'? " : "");
	return err_exit(e, 16);
}

static void print_commands(const struct cmd *const *list, FILE *out)
{
	for (; *list; list++)
		if (!((*list)->flags & CMD_HIDDEN))
			fprintf(out, "  %-12s %s\n", (*list)->name, (*list)->summary);
}

static void print_main_help(FILE *out)
{
	fprintf(out, "Usage: gantry [OPTIONS] COMMAND\n\nCompose for Linux without Docker\n\nOptions:\n");
	opts_help(cli_global_rows, out);
	fprintf(out, "\nCommands:\n");
	print_commands(commands, out);
	fprintf(out, "\n'gantry COMMAND --help' tells more about a command.\n");
}

static void print_cmd_help(const struct cmd *group, const struct cmd *c, FILE *out)
{
	fprintf(out, "Usage: gantry %s%s%s%s%s\n\n%s\n", group ? group->name : "", group ? " " : "", c->name,
		c->usage && *c->usage ? " " : "", str0(c->usage), c->summary);
	if (c->aliases)
		fprintf(out, "\nAliases: %s\n", c->aliases);
	if (c->sub) {
		fprintf(out, "\nCommands:\n");
		print_commands(c->sub, out);
	}
	if (c->opts && !OPT_IS_END(c->opts)) {
		fprintf(out, "\nOptions:\n");
		opts_help(c->opts, out);
	}
}

/* --- preconditions ----------------------------------------------------------------------------------------- */

void app_load_opts(const struct app *app, const struct strv *services, struct load_opts *o)
{
	*o = (struct load_opts){ 0 };
	strv_copy(&o->files, &app->g.files);
	strv_copy(&o->env_files, &app->g.env_files);
	strv_copy(&o->profiles, &app->g.profiles);
	o->every_profile = app->cmd->flags & CMD_ALL_PROFILES;
	o->project_name = app->g.project_name;
	o->project_dir = app->g.project_dir ? app->g.project_dir : app->g.workdir;
	o->environ = strv_v(&app->environ);
	o->all_resources = app->g.all_resources;
	o->no_deps = app->no_deps;
	if (services)
		strv_copy(&o->services, services);
}

void app_load_opts_done(struct load_opts *o)
{
	strv_done(&o->files);
	strv_done(&o->env_files);
	strv_done(&o->profiles);
	strv_done(&o->services);
}

/* Each warning once; what has no effect here only by commands that start something. */
void app_print_notes(const struct app *app, const struct notes *notes)
{
	for (size_t i = 0; i < notes->n; i++) {
		const struct note *n = &notes->v[i];

		if (n->kind == NOTE_REFUSED || (n->kind != NOTE_WARNING && !(app->cmd->flags & CMD_STARTS)))
			continue;
		if (n->pos.src && n->kind != NOTE_WARNING)
			fprintf(stderr, "%s:%d:%d: warning: %s\n", n->pos.src->path, n->pos.line, n->pos.col, n->text);
		else
			log_warning("%s", n->text);
	}
}

/* Keys that the engine cannot do yet and that change what a service means: starting it without them would be wrong. */
static int check_refused(const struct app *app, struct err *e)
{
	const struct notes *notes = &app->project->notes;
	struct faults faults = FAULTS_INIT;

	if (!(app->cmd->flags & CMD_STARTS))
		return 0;
	for (size_t i = 0; i < notes->n; i++) {
		const struct note *n = &notes->v[i];

		if (n->kind == NOTE_REFUSED && pos_err(e, n->pos, "%s", n->text) < 0 && !faults_keep(&faults, e)) {
			faults_drop(&faults, e);
			return err_exit(e, 1);
		}
	}
	if (faults_raise(&faults, e) >= 0)
		return 0;
	err_hint(e, "'gantry config --support' lists what each attribute does");
	return err_exit(e, 1);
}

/* Works by the project's name alone when there is no file: -p or COMPOSE_PROJECT_NAME. */
static int name_only(struct app *app, const struct load_opts *o, bool *ret_only, struct err *e)
{
	struct load_env env = { 0 };
	struct notes notes = { 0 };

	TRY(compose_env(o, app->arena, true, &notes, &env, e));
	*ret_only = env.files.n == 0 && env.name;
	if (*ret_only)
		app->name = env.name;
	return 0;
}

int app_load_project(struct app *app, const struct strv *services, bool required, struct err *e)
{
	struct load_opts o;
	struct notes notes = { 0 };
	bool only = false;
	int r = 0;

	if (app->project)
		return 0;
	app->arena = app->arena ? app->arena : arena_new();
	app_load_opts(app, services, &o);
	if (!required)
		r = name_only(app, &o, &only, e);
	if (r >= 0 && !only)
		r = compose_load(&o, app->arena, &notes, &app->project, e);
	app_load_opts_done(&o);
	app_print_notes(app, app->project ? &app->project->notes : &notes);
	if (r < 0)
		return r;
	if (only)
		return 0;
	app->name = app->project->name;
	return check_refused(app, e);
}

static int need_root(const struct cmd *c, struct err *e)
{
	if (geteuid() == 0)
		return 0;
	err_set(e, EPERM, "'gantry %s' needs root: it makes namespaces, mounts and networks", c->name);
	err_hint(e, "run it with sudo");
	return err_exit(e, 1);
}

static void tell_waiting(int pid, void *arg)
{
	fprintf(stderr, "gantry: project '%s' is being changed by another command (pid %d), waiting\n", (const char *)arg, pid);
}

static int open_state(struct app *app, struct err *e)
{
	unsigned flags = app->cmd->flags;

	if (!(flags & (CMD_STATE | CMD_STATE_READ)))
		return 0;
	TRY(need_root(app->cmd, e));
	TRY(dirs_prepare(&app->dirs, e));
	/* on a full disk: what starts nothing may use the reserve, so that stop, down and rm work */
	return db_open(&app->dirs, !(flags & CMD_STATE) ? DB_READONLY : flags & CMD_STARTS ? 0 : DB_RESERVE, &app->db, e);
}

static int prepare(struct app *app, const struct strv *args, struct err *e)
{
	const struct cmd *c = app->cmd;
	const struct strv *services = c->args_are_services ? args : NULL;
	AUTO_STRV(first);

	if (c->flags & (CMD_ROOT | CMD_STATE | CMD_STATE_READ))
		rlimit_lift();
	if (c->flags & CMD_ONE_SERVICE && args->n) {
		strv_add(&first, args->v[0]);
		services = &first;
	}
	if (c->flags & (CMD_PROJECT | CMD_PROJECT_NAME))
		TRY(app_load_project(app, services, c->flags & CMD_PROJECT, e));
	if (c->flags & CMD_ROOT)
		TRY(need_root(c, e));
	TRY(open_state(app, e));
	if (c->flags & CMD_LOCK)
		TRY(lock_project(&app->dirs, app->name, tell_waiting, (void *)app->name, &app->lock, e));
	if (services && services->n)
		TRY(app_check_services(app, services, e));
	return 0;
}

void app_unlock(struct app *app)
{
	if (app->lock >= 0)
		close(app->lock);
	app->lock = -1;
}

/* --- what commands share ------------------------------------------------------------------------------------ */

int app_check_services(struct app *app, const struct strv *services, struct err *e)
{
	for (size_t i = 0; i < services->n; i++) {
		const char *name = services->v[i], *near = NULL;
		struct ctr_rows rows = CTR_ROWS_INIT;
		size_t n = 0;

		if (app->project && project_service(app->project, name))
			continue;
		if (app->db) {
			TRY(ctr_list(app->db, app->name, name, &rows, e));
			n = rows.n;
			ctr_rows_done(&rows);
		}
		if (n)
			continue;
		if (app->project && app->project->services.n)
			near = str_nearest(name, &app->project->services.v[0].name, app->project->services.n,
					   sizeof app->project->services.v[0]);
		err_set(e, ENOENT, "no such service: %s", name);
		if (near)
			err_hint(e, "did you mean '%s'?", near);
		return err_exit(e, 1);
	}
	return 0;
}

/* A living monitor's rows are right, but for those of an earlier boot that it is about to correct: no process is looked at then. */
int app_rows(struct app *app, const char *project, const char *service, struct ctr_rows *ret, struct err *e)
{
	const char *boot = app->dirs.boot_id;
	bool watched;

	TRY(ctr_list(app->db, project, service, ret, e));
	watched = ret->n && lock_monitor_held(&app->dirs, project);
	for (size_t i = 0; i < ret->n; i++)
		if (!watched || (ret->v[i].pid.pid && !streq0(ret->v[i].boot_id, boot)))
			ctr_row_correct(&ret->v[i], boot, watched);
	return 0;
}

int app_containers(struct app *app, const struct strv *services, bool oneoff, struct ctr_rows *ret, struct err *e)
{
	struct ctr_rows all = CTR_ROWS_INIT, keep = CTR_ROWS_INIT;
	int r = app_rows(app, app->name, NULL, &all, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < all.n; i++) {
		struct ctr_row *c = &all.v[i];

		if ((c->oneoff && !oneoff) || (services && services->n && !strv_has(services, str0(c->service)))) {
			ctr_row_done(c);
			continue;
		}
		xgrow(&keep.v, keep.n, &keep.cap, sizeof *keep.v);
		keep.v[keep.n++] = *c;
	}
	free(all.v);
	*ret = keep;
	return 0;
}

static bool is_off(const struct app *app, const char *service)
{
	const struct service *s = app->project ? project_service(app->project, service) : NULL;

	return s && s->off;
}

int app_meant_containers(struct app *app, const struct strv *services, bool oneoff, struct ctr_rows *ret, struct err *e)
{
	struct ctr_rows keep = CTR_ROWS_INIT, all = CTR_ROWS_INIT;

	TRY(app_containers(app, services, oneoff, &all, e));
	for (size_t i = 0; i < all.n; i++) {
		if (!services->n && is_off(app, str0(all.v[i].service))) {
			ctr_row_done(&all.v[i]);
			continue;
		}
		xgrow(&keep.v, keep.n, &keep.cap, sizeof *keep.v);
		keep.v[keep.n++] = all.v[i];
	}
	free(all.v);
	*ret = keep;
	return 0;
}

int app_replica(struct app *app, const char *service, int64_t index, bool must_run, struct ctr_row *ret, struct err *e)
{
	struct ctr_rows rows = CTR_ROWS_INIT;
	struct ctr_row *found = NULL;

	TRY(app_rows(app, app->name, service, &rows, e));
	for (size_t i = 0; i < rows.n && !found; i++) {
		struct ctr_row *c = &rows.v[i];

		if (c->oneoff || (index > 0 && c->number != index))
			continue;
		if (!must_run || index > 0 || c->state == CTR_RUNNING || c->state == CTR_PAUSED)
			found = c;
	}
	if (found && must_run && found->state != CTR_RUNNING && found->state != CTR_PAUSED)
		found = NULL;
	if (!found) {
		if (index > 0)
			err_set(e, ESRCH, "service \"%s\" is not running container #%" PRId64, service, index);
		else
			err_set(e, ESRCH, "service \"%s\" is not running", service);
		err_hint(e, "'gantry ps -a' shows what there is, 'gantry up -d %s' starts it", service);
		ctr_rows_done(&rows);
		return err_exit(e, 1);
	}
	*ret = *found;
	*found = (struct ctr_row){ 0 };
	ctr_rows_done(&rows);
	return 0;
}

bool app_ansi(const struct app *app, int fd)
{
	const char *no_color = strv_env_get(&app->environ, "NO_COLOR");

	if (app->ansi == ANSI_AUTO)
		return tty_is(fd) && !(no_color && *no_color);
	return app->ansi == ANSI_ALWAYS;
}

int app_flush(struct err *e)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	if (errno == EPIPE) /* the reader went away: `gantry logs | head` */
		return 0;
	return err_sys(e, "write to standard output");
}

/* --- a run ------------------------------------------------------------------------------------------------- */

static int list_index(const char *const *names, const char *s)
{
	for (int i = 0; names[i]; i++)
		if (streq(names[i], s))
			return i;
	return -1;
}

static int set_modes(struct app *app, struct err *e)
{
	const char *env = strv_env_get(&app->environ, "COMPOSE_ANSI"), *ansi = app->g.ansi ? app->g.ansi : env;
	const char *progress = app->g.progress ? app->g.progress : strv_env_get(&app->environ, "COMPOSE_PROGRESS");
	const char *parallel = strv_env_get(&app->environ, "COMPOSE_PARALLEL_LIMIT");

	if (ansi && *ansi && list_index(ansi_names, ansi) < 0)
		return err_set(e, EINVAL, "invalid value for --ansi: %s", ansi);
	if (ansi && *ansi)
		app->ansi = (enum ansi_mode)list_index(ansi_names, ansi);
	if (app->g.no_ansi)
		app->ansi = ANSI_NEVER;
	if (progress && *progress && list_index(progress_names, progress) < 0)
		return err_set(e, EINVAL, "unsupported --progress value \"%s\"", progress);
	if (progress && *progress)
		app->progress = (enum progress_mode)list_index(progress_names, progress);
	if (!app->g.parallel && parallel && *parallel)
		app->g.parallel = strtol(parallel, NULL, 10);
	if (!app->g.dry_run) {
		const char *dry = strv_env_get(&app->environ, "COMPOSE_DRY_RUN");

		app->g.dry_run = dry && (streq(dry, "1") || streq(dry, "true"));
	}
	return 0;
}

static int check_args(const struct cmd *c, const struct strv *args, struct err *e)
{
	if ((int)args->n < c->min_args)
		err_set(e, EINVAL, "'gantry %s' needs %s %d argument%s", c->name, c->max_args == c->min_args ? "exactly" : "at least",
			c->min_args, c->min_args == 1 ? "" : "s");
	else if (c->max_args >= 0 && (int)args->n > c->max_args)
		err_set(e, EINVAL, "'gantry %s': unexpected argument '%s'", c->name, args->v[c->max_args]);
	else
		return 0;
	err_hint(e, "usage: gantry %s %s", c->name, str0(c->usage));
	return err_exit(e, 1);
}

/* Our other programs are looked for beside the original, so its folder is handed on. */
static int enter_protected(struct app *app, struct err *e)
{
	auto_free char *program = NULL;
	AUTO_ERR(ignored);

	if (selfexe_is_protected())
		return 0;
	if (dirs_program("gantry-monitor", &program, &ignored) >= 0) {
		auto_free char *folder = path_parent(program);

		setenv("GANTRY_LIBEXEC", folder, 0);
	}
	return selfexe_protect(app->argv, e);
}

static int run_cmd(struct app *app, const struct cmd *group, const struct cmd *c, int argc, char **argv, struct err *e)
{
	static const struct opt none[] = { OPT_END };
	const struct opts_also also = { anywhere_rows, &app->g };
	const struct opt *rows = c->opts ? c->opts : none;
	AUTO_STRV(args);
	auto_free void *opts = xcalloc(1, c->opts_size ? c->opts_size : 1);
	int r;

	app->cmd = c;
	if (c->flags & CMD_ENTERS && geteuid() == 0)
		TRY(enter_protected(app, e));
	if (c->init)
		c->init(opts);
	r = opts_parse(rows, opts, &also, argc, argv, c->flags & CMD_STOP ? OPTS_STOP : 0, &args, e);
	if (r == OPTS_HELP) {
		print_cmd_help(group, c, stdout);
		r = 0;
	} else {
		if (r == 0)
			r = check_args(c, &args, e);
		if (r < 0 && !e->hint)
			err_hint(e, "'gantry %s%s%s --help' shows the options", group ? group->name : "",
				 group ? " " : "", c->name);
		if (r >= 0 && c->before)
			c->before(app, opts);
		if (r >= 0)
			r = prepare(app, &args, e);
		if (r >= 0)
			r = c->run(app, opts, &args, e);
	}
	opts_done(rows, opts);
	return r;
}

/* Options of the program itself end at the command's name. */
static int dispatch(struct app *app, int argc, char **argv, struct err *e)
{
	AUTO_STRV(rest);
	const struct cmd *c, *group = NULL;
	int r = opts_parse(cli_global_rows, &app->g, NULL, argc, argv, OPTS_STOP, &rest, e), at;

	if (r < 0)
		return r;
	TRY(set_modes(app, e));
	log_setup("gantry", STDERR_FILENO, app->g.debug);
	if (app->g.version)
		return cli_find(commands, "version")->run(app, NULL, &rest, e);
	if (r == OPTS_HELP || !rest.n) {
		print_main_help(stdout);
		return 0;
	}
	at = argc - (int)rest.n;
	if (streq(rest.v[0], "help")) {
		c = rest.n > 1 ? cli_find(commands, rest.v[1]) : NULL;
		if (c)
			print_cmd_help(NULL, c, stdout);
		else
			print_main_help(stdout);
		return 0;
	}
	if (streq(rest.v[0], "alpha") && rest.n > 1)
		TRY(not_here(rest.v[1], e));
	c = cli_find(commands, rest.v[0]);
	if (!c) {
		TRY(not_here(rest.v[0], e));
		return unknown_cmd(commands, NULL, rest.v[0], e);
	}
	dirs_init(&app->dirs, app->g.root, app->g.run);
	if (c->sub) {
		if (rest.n < 2 || rest.v[1][0] == '-') {
			print_cmd_help(NULL, c, rest.n < 2 ? stderr : stdout);
			return rest.n < 2 ? 1 : 0;
		}
		group = c;
		c = cli_find(group->sub, rest.v[1]);
		if (!c)
			return unknown_cmd(group->sub, group->name, rest.v[1], e);
		at++;
	}
	return run_cmd(app, group, c, argc - at, argv + at, e);
}

static void app_done(struct app *app)
{
	app_unlock(app);
	db_close(app->db);
	arena_free(app->arena);
	opts_done(cli_global_rows, &app->g);
	strv_done(&app->environ);
	dirs_done(&app->dirs);
}

int cli_main(int argc, char **argv)
{
	struct app app = { .argv = argv, .lock = -1 };
	struct err e = ERR_INIT;
	int r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a write says EFBIG instead */
	umask(022);
	strv_add_all(&app.environ, environ);
	r = dispatch(&app, argc, argv, &e);
	if (r >= 0) {
		int flushed = app_flush(&e);

		r = flushed < 0 ? flushed : r;
	}
	if (r < 0) {
		fflush(stdout);
		log_err(&e);
		r = e.exit ? e.exit : 1;
	}
	err_clear(&e);
	app_done(&app);
	return r;
}
