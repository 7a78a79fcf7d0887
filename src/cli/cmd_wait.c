/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "cli/commands.h"
#include "cli/run_plan.h"
#include "state/container_store.h"
#include "state/lock.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>

struct wait_opts {
	bool down;
};
static const struct opt wait_rows[] = {
	OPT(0, "down-project", OPT_BOOL, struct wait_opts, down, NULL, "Stop and remove the project's containers when the first one ends"),
	OPT_END
};

static bool has_ended(const struct ctr_row *c)
{
	return c->state == CTR_EXITED || c->state == CTR_DEAD;
}

/* Prints each status as its container ends. Returns the number of containers that have not ended. */
static int look(struct app *app, const struct strv *services, struct strv *told, int64_t *code, struct err *e)
{
	struct ctr_rows rows = CTR_ROWS_INIT;
	int open = 0;

	TRY(app_containers(app, services, false, &rows, e));
	if (!rows.n) {
		err_set(e, ENOENT, "no containers for project \"%s\"", app->name);
		return err_exit(e, 1);
	}
	for (size_t i = 0; i < rows.n; i++) {
		struct ctr_row *c = &rows.v[i];

		if (!has_ended(c)) {
			open++;
		} else if (!strv_has(told, c->id)) {
			if (!told->n)
				*code = c->exit_code;
			strv_add(told, c->id);
			printf("container \"%s\" exited with status code %" PRId64 "\n", c->id, c->exit_code);
			fflush(stdout);
		}
	}
	ctr_rows_done(&rows);
	return open;
}

/* As `down` without options, of which we hold no lock while we wait. */
static int take_down(struct app *app, struct err *e)
{
	struct plan_options p = PLAN_OPTIONS_INIT;
	AUTO_STRV(all);

	TRY(lock_project(&app->dirs, app->name, NULL, NULL, &app->lock, e));
	p.services = &all;
	p.stop_timeout_ns = -1;
	p.remove_orphans = !app->project;
	return run_plan(app, plan_down, &p, "Running", e);
}

static int wait_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct wait_opts *o = opts;
	AUTO_STRV(told);
	int64_t code = 0;
	auto_close int fd = gen_watch(&app->dirs, app->name, e);
	int open;

	if (fd < 0)
		return fd;
	while ((open = look(app, args, &told, &code, e)) > 0 && !(o->down && told.n)) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (poll(&p, 1, -1) > 0)
			gen_drain(fd);
	}
	if (open < 0)
		return open;
	if (o->down)
		TRY(take_down(app, e));
	return (int)(code & 255);
}

const struct cmd cmd_wait = { "wait", wait_run, CMD_PROJECT_NAME | CMD_STATE | CMD_ROOT | CMD_ALL_PROFILES, wait_rows, sizeof(struct wait_opts),
			      "[OPTIONS] SERVICE [SERVICE...]", "Wait until containers end; the first one's status is the exit code", 1, -1, NULL, NULL,
			      NULL, true };
