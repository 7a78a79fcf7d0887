/* SPDX-License-Identifier: MIT */
#include "cli/each.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "engine/monitor/control.h"
#include "state/container_store.h"
#include <errno.h>
#include <stdio.h>

/* One socket per request: the monitor answers each when it is done. */
static int send_one(struct app *app, const struct ctr_row *c, const struct each *x, int *ret_sock, struct err *e)
{
	AUTO(json_free) struct cJSON *req = monitor_request(x->op, c->id);
	auto_close int sock = -1;

	json_add_str(req, "signal", x->signal);
	TRY(monitor_connect(&app->dirs, c->project, true, &sock, e));
	TRY(monitor_send(sock, req, NULL, 0, e));
	*ret_sock = TAKE_FD(sock);
	return 0;
}

static int receive_one(const struct ctr_row *c, int sock, struct err *e)
{
	AUTO(json_free) struct cJSON *reply = NULL;
	int r = monitor_recv(sock, &reply, e);

	return r < 0 ? err_wrap(e, "container '%s'", c->name) : 0;
}

int each_container(struct app *app, const struct ctr_rows *rows, const struct each *x, struct err *e)
{
	AUTO(progress_free) struct progress *p = progress_new(app, "Running");
	auto_free int *socks = xcalloc(rows->n + 1, sizeof *socks);
	size_t meant = 0;

	for (size_t i = 0; i < rows->n; i++) {
		const struct ctr_row *c = &rows->v[i];
		auto_free char *name = xasprintf("Container %s", c->name);
		AUTO_ERR(one);

		socks[i] = -1;
		if (x->wants && !x->wants(c))
			continue;
		meant++;
		progress_event(p, name, PROGRESS_WORKING, x->doing);
		if (app->g.dry_run) {
			progress_event(p, name, PROGRESS_DONE, x->done);
		} else if (send_one(app, c, x, &socks[i], &one) < 0) {
			progress_event(p, name, PROGRESS_ERROR, "Error");
			if (!e->code)
				err_move(e, &one);
		}
	}
	for (size_t i = 0; i < rows->n; i++) {
		const struct ctr_row *c = &rows->v[i];
		auto_free char *name = xasprintf("Container %s", c->name);
		AUTO_ERR(one);

		if (socks[i] < 0)
			continue;
		if (receive_one(c, socks[i], &one) < 0) {
			progress_event(p, name, PROGRESS_ERROR, "Error");
			if (!e->code)
				err_move(e, &one);
		} else {
			progress_event(p, name, PROGRESS_DONE, x->done);
		}
		close(socks[i]);
	}
	if (!meant && x->none)
		fprintf(stderr, "%s\n", x->none);
	return e->code ? -e->code : 0;
}
