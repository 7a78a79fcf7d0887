/* SPDX-License-Identifier: MIT
 *
 * gantry commit: what a container has changed becomes a layer on its image. It is paused while that is copied.
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "engine/container/container.h"
#include "engine/image/commit.h"
#include "engine/image/store.h"
#include "engine/monitor/control.h"
#include "state/container_store.h"

struct commit_opts {
	bool pause;
	const char *author, *message;
	int64_t index;
	struct strv change;
};
static const struct opt commit_rows[] = {
	OPT('a', "author", OPT_STR, struct commit_opts, author, "NAME", "Author of the image"),
	OPT('c', "change", OPT_LIST, struct commit_opts, change, "INSTRUCTION", "Apply a Dockerfile instruction to the image's config"),
	OPT(0, "index", OPT_INT, struct commit_opts, index, "N", "Which replica (the lowest)"),
	OPT('m', "message", OPT_STR, struct commit_opts, message, "TEXT", "Comment of the image"),
	OPT('p', "pause", OPT_BOOL, struct commit_opts, pause, NULL, "Pause the container meanwhile (default)"),
	OPT_END
};

static void commit_init(void *opts)
{
	((struct commit_opts *)opts)->pause = true;
}

/* ---- the image's config ---- */

/* ARGV is complete; as far as it begins with the image's entrypoint that stays one. */
static void add_command(struct cJSON *o, const struct strv *argv, const struct strv *entrypoint)
{
	AUTO_STRV(cmd);
	size_t same = 0;

	while (same < entrypoint->n && same < argv->n && streq(entrypoint->v[same], argv->v[same]))
		same++;
	if (!entrypoint->n || same < entrypoint->n) {
		json_add_null(o, "Entrypoint");
		same = 0;
	}
	for (size_t i = same; i < argv->n; i++)
		strv_add(&cmd, argv->v[i]);
	if (cmd.n)
		json_add_strv(o, "Cmd", &cmd);
	else
		json_add_null(o, "Cmd");
}

static int config_of(struct db *db, const struct ctr_spec *s, struct cJSON *o, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_DONE(image_config_done) struct image_config image = { 0 };

	TRY(image_need(db, str0(s->image_id), &row, e));
	TRY(image_config_parse(row.config, &image, e));
	add_command(o, &s->argv, &image.entrypoint);
	json_add_strv(o, "Env", &s->env);
	json_add_map(o, "Labels", &s->labels);
	json_add_str(o, "User", str0(s->user));
	json_add_str(o, "WorkingDir", str0(s->cwd));
	json_add_str(o, "StopSignal", s->stop_signal);
	return 0;
}

/* ---- pausing ---- */

static int ask_monitor(struct app *app, const struct ctr_row *c, const char *op, struct err *e)
{
	AUTO(json_free) struct cJSON *req = monitor_request(op, c->id);

	return monitor_call(&app->dirs, c->project, req, NULL, e);
}

static int commit_one(struct app *app, const struct commit_opts *o, const struct ctr_row *c, const struct ctr_spec *spec, const char *ref, char **ret_id,
		      struct err *e)
{
	AUTO(json_free) struct cJSON *config = json_object();
	auto_free char *path = dirs_root(&app->dirs, "containers/%s", c->id), *command = strv_join(&spec->argv, " ");
	AUTO_STRV(stubs);
	bool pause = o->pause && c->state == CTR_RUNNING;
	AUTO_ERR(second);
	int r;

	TRY(config_of(app->db, spec, config, e));
	container_mount_points(&stubs);

	const struct image_commit how = { .base = spec->image_id, .folder = path, .layers = &spec->layers, .driver = spec->layers_driver, .stubs = &stubs, .config = config, .changes = &o->change, .ref = ref,
					  .author = o->author, .message = o->message, .created_by = command };

	if (pause)
		TRY(ask_monitor(app, c, "pause", e));
	r = image_commit(app->db, &how, ret_id, e);
	if (pause && ask_monitor(app, c, "unpause", &second) < 0)
		log_warning("container '%s' is still paused: %s", c->name, err_text(&second));
	return r;
}

static int commit_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct commit_opts *o = opts;
	AUTO_DONE(ctr_row_done) struct ctr_row c = { 0 };
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	AUTO(progress_free) struct progress *p = NULL;
	auto_free char *id = NULL, *what = NULL, *done = NULL;
	int r = 0;

	TRY(app_replica(app, args->v[0], o->index, false, &c, e));
	TRY(container_load_spec(&app->dirs, c.id, &spec, e));
	what = xasprintf("Container %s", c.name);
	p = progress_new(app, "Running");
	progress_event(p, what, PROGRESS_WORKING, "Committing");
	if (!app->g.dry_run)
		r = commit_one(app, o, &c, spec, args->n > 1 ? args->v[1] : NULL, &id, e);
	done = xasprintf("Committed%s%s", id ? " as " : "", str0(id));
	progress_event(p, what, r < 0 ? PROGRESS_ERROR : PROGRESS_DONE, r < 0 ? "Error" : done);
	return r < 0 ? err_wrap(e, "container '%s'", c.name) : 0;
}

/* The project's lock: nobody starts, removes or recreates it meanwhile. */
const struct cmd cmd_commit = { "commit", commit_run, CMD_PROJECT_NAME | CMD_STATE | CMD_LOCK | CMD_ROOT | CMD_ALL_PROFILES, commit_rows,
				sizeof(struct commit_opts), "[OPTIONS] SERVICE [REPOSITORY[:TAG]]", "Make an image of a container's changes", 1, 2,
				NULL, NULL, commit_init, false, NULL };
