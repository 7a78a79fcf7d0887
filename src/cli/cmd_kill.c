/* SPDX-License-Identifier: MIT
 *
 * kill, pause, unpause: one request to each container's monitor
 */
#include "base/err.h"
#include "base/proc.h"
#include "cli/commands.h"
#include "cli/each.h"
#include "compose/project.h"
#include "state/container_store.h"
#include <errno.h>
#include <string.h>

struct kill_opts {
	const char *signal;
	bool remove_orphans;
};
static const struct opt kill_rows[] = {
	OPT('s', "signal", OPT_STR, struct kill_opts, signal, "SIGNAL", "Which signal, by name or number (SIGKILL)"),
	OPT(0, "remove-orphans", OPT_BOOL, struct kill_opts, remove_orphans, NULL, "Containers of undeclared services too"),
	OPT_END
};

static int is_alive(const struct ctr_row *c)
{
	return ctr_state_live(c->state);
}

/* The paused ones among them too: pausing twice is an error, as with docker. */
static int is_up(const struct ctr_row *c)
{
	return c->state == CTR_RUNNING || c->state == CTR_PAUSED;
}

static int on_services(struct app *app, const struct strv *services, bool orphans, const struct each *x, struct err *e)
{
	struct ctr_rows rows = CTR_ROWS_INIT;
	int r = app_meant_containers(app, services, orphans, &rows, e);

	if (r >= 0)
		r = each_container(app, &rows, x, e);
	ctr_rows_done(&rows);
	return r;
}

static int kill_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct kill_opts *o = opts;
	struct each x = { .op = "kill", .doing = "Killing", .done = "Killed", .signal = o->signal ? o->signal : "SIGKILL", .wants = is_alive,
			  .none = "no container to kill" };
	int sig;

	if (proc_signal_parse(x.signal, &sig, e) < 0)
		return err_wrap(e, "--signal");
	return on_services(app, args, o->remove_orphans, &x, e);
}

static int pause_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	static const struct each x = { .op = "pause", .doing = "Pausing", .done = "Paused", .wants = is_up };

	return on_services(app, args, false, &x, e);
}

static int unpause_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	static const struct each x = { .op = "unpause", .doing = "Unpausing", .done = "Unpaused", .wants = is_up };

	return on_services(app, args, false, &x, e);
}

enum { KILL_FLAGS = CMD_PROJECT_NAME | CMD_STATE | CMD_ROOT | CMD_ALL_PROFILES };
const struct cmd cmd_kill = { "kill", kill_run, KILL_FLAGS, kill_rows, sizeof(struct kill_opts), "[OPTIONS] [SERVICE...]",
			      "Send a signal to containers, SIGKILL unless -s says otherwise", 0, -1, NULL, NULL, NULL, true };
const struct cmd cmd_pause = { "pause", pause_run, KILL_FLAGS, NULL, 0, "[SERVICE...]", "Freeze all processes of containers", 0, -1, NULL,
			       NULL, NULL, true };
const struct cmd cmd_unpause = { "unpause", unpause_run, KILL_FLAGS, NULL, 0, "[SERVICE...]", "Let frozen containers go on", 0, -1, NULL,
				 NULL, NULL, true };
