/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "cli/commands.h"
#include "state/container_store.h"
#include "state/lock.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>

struct wait_opts {
	bool down;
};
static const struct opt wait_rows[] = {
	OPT_REFUSE(0, "down-project", NULL, "not there yet: run 'gantry down' after 'gantry wait'"),
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
			fprintf(stderr, "container \"%s\" exited with status code %" PRId64 "\n", c->name, c->exit_code);
		}
	}
	ctr_rows_done(&rows);
	return open;
}

static int wait_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	AUTO_STRV(told);
	int64_t code = 0;
	auto_close int fd = gen_watch(&app->dirs, app->name, e);
	int open;

	if (fd < 0)
		return fd;
	while ((open = look(app, args, &told, &code, e)) > 0) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (poll(&p, 1, -1) > 0)
			gen_drain(fd);
	}
	return open < 0 ? open : (int)(code & 255);
}

const struct cmd cmd_wait = { "wait", wait_run, CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ALL_PROFILES, wait_rows, sizeof(struct wait_opts),
			      "SERVICE [SERVICE...]", "Wait until containers end; the first one's status is the exit code", 1, -1, NULL, NULL,
			      NULL, true };
