/* SPDX-License-Identifier: MIT
 *
 * gantry export: a container's root as a tar archive, running or not; what is mounted on it (volumes, /proc, …) is not in it, as with docker.
 */
#include "base/err.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "engine/container/container.h"
#include "engine/container/view.h"
#include "engine/image/program.h"
#include "state/container_store.h"
#include "state/lock.h"

struct export_opts {
	int64_t index;
	const char *output;
};
static const struct opt export_rows[] = {
	OPT(0, "index", OPT_INT, struct export_opts, index, "N", "Which replica (the lowest)"),
	OPT('o', "output", OPT_STR, struct export_opts, output, "FILE", "Write to this file, not to standard output"),
	OPT_END
};

static int pack(struct app *app, const struct ctr_row *c, int out, struct err *e)
{
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	AUTO(json_free) struct cJSON *answer = NULL;
	auto_close int lock = -1, root = -1;

	TRY(container_load_spec(&app->dirs, c->id, &spec, e));
	if (!ctr_row_alive(c, app->dirs.boot_id)) /* nobody starts it meanwhile */
		TRY(lock_project(&app->dirs, c->project, NULL, NULL, &lock, e));
	root = ctr_root_open(&app->dirs, c, spec, e);
	if (root < 0)
		return -e->code;
	return image_program("pack", root, out, "", &answer, e);
}

static int export_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct export_opts *o = opts;
	AUTO_DONE(ctr_row_done) struct ctr_row c = { 0 };
	AUTO_DONE(output_free) struct output out = OUTPUT_INIT;
	int r;

	TRY(app_replica(app, args->v[0], o->index, false, &c, e));
	if (app->g.dry_run)
		return 0;
	TRY(output_open(o->output, &out, e));
	r = pack(app, &c, out.fd, e);
	return r < 0 ? err_wrap(e, "container '%s'", c.name) : output_end(&out, r, e);
}

const struct cmd cmd_export = { "export", export_run, CMD_ENTERS | CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ROOT | CMD_ALL_PROFILES, export_rows,
				sizeof(struct export_opts), "[OPTIONS] SERVICE", "Write a container's files as a tar archive", 1, 1, NULL, NULL,
				NULL, true };
