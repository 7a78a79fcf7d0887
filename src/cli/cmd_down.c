/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "cli/commands.h"
#include "cli/run_plan.h"
#include <errno.h>

struct down_opts {
	bool remove_orphans, volumes;
	const char *rmi;
	int64_t timeout;
};
static const char *const rmi_values[] = { "all", "local", NULL };
static const struct opt down_rows[] = {
	OPT(0, "remove-orphans", OPT_BOOL, struct down_opts, remove_orphans, NULL, "Containers of services that the file does not declare too"),
	OPT_CHOICE(0, "rmi", struct down_opts, rmi, "TYPE", "Remove images too: all, or local (those without a name of their own)", rmi_values),
	OPT('t', "timeout", OPT_INT, struct down_opts, timeout, "SECS", "How long a container may take to stop"),
	OPT('v', "volumes", OPT_BOOL, struct down_opts, volumes, NULL, "Remove named volumes of the file and anonymous ones too"),
	OPT_END
};

static void down_init(void *opts)
{
	((struct down_opts *)opts)->timeout = -1;
}

static int down_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct down_opts *o = opts;
	struct plan_options p = PLAN_OPTIONS_INIT;

	p.services = args;
	p.stop_timeout_ns = timeout_ns(o->timeout);
	p.volumes = o->volumes;
	p.rmi = o->rmi;
	p.remove_orphans = o->remove_orphans || !app->project;
	return run_plan(app, plan_down, &p, "Running", e);
}

const struct cmd cmd_down = { "down", down_run, CMD_PROJECT_NAME | CMD_STATE | CMD_LOCK | CMD_ROOT | CMD_ALL_PROFILES, down_rows,
			      sizeof(struct down_opts), "[OPTIONS] [SERVICE...]", "Stop and remove containers and networks", 0, -1, NULL, NULL,
			      down_init, true };
