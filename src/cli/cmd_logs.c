/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/log_view.h"
#include "compose/project.h"
#include "engine/container/container.h"
#include "engine/container/spec.h"
#include "state/container_store.h"
#include <errno.h>
#include <signal.h>

struct logs_opts {
	bool follow, no_color, no_prefix, timestamps;
	int64_t index;
	const char *since, *until, *tail;
};
static const struct opt logs_rows[] = {
	OPT('f', "follow", OPT_BOOL, struct logs_opts, follow, NULL, "Go on with what comes, over restarts and recreates"),
	OPT(0, "index", OPT_INT, struct logs_opts, index, "N", "Only this replica"),
	OPT(0, "no-color", OPT_BOOL, struct logs_opts, no_color, NULL, "Without colours"),
	OPT(0, "no-log-prefix", OPT_BOOL, struct logs_opts, no_prefix, NULL, "Without the name before each line"),
	OPT(0, "since", OPT_STR, struct logs_opts, since, "TIME", "From this time (2026-01-02T13:23:37Z) or so long ago (42m)"),
	OPT('n', "tail", OPT_STR, struct logs_opts, tail, "N", "The last N lines of each container, or all"),
	OPT('t', "timestamps", OPT_BOOL, struct logs_opts, timestamps, NULL, "The time before each line"),
	OPT(0, "until", OPT_STR, struct logs_opts, until, "TIME", "Up to this time or so long ago"),
	OPT_END
};

static int parse_times(const struct logs_opts *o, struct log_view_opts *v, struct err *e)
{
	int64_t now = time_now_ns();

	v->tail = -1;
	if (o->tail && !streq(o->tail, "all") && num_int(o->tail, INT64_MIN, INT64_MAX, &v->tail, e) < 0)
		return err_wrap(e, "--tail");
	if (o->since && *o->since && time_parse(o->since, now, &v->since_ns, e) < 0)
		return err_wrap(e, "--since");
	if (o->until && *o->until && time_parse(o->until, now, &v->until_ns, e) < 0)
		return err_wrap(e, "--until");
	return 0;
}

static int on_signal(struct watch *w, uint32_t events)
{
	return -EINTR;
}

static int follow(struct app *app, struct log_view_opts *v, struct err *e)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP, 0 };
	AUTO(loop_free) struct loop *loop = loop_new(e);
	AUTO(log_view_free) struct log_view *view = NULL;
	struct watch signals = { 0 };
	int r;

	if (!loop)
		return -e->code;
	TRY(watch_signals(loop, &signals, sigs, on_signal, e));
	r = log_view_new(app, loop, v, &view, e);
	if (r >= 0 && !log_view_over(view)) {
		log_view_quit_when_over(view);
		r = loop_run(loop);
	}
	watch_done(&signals);
	if (view && log_view_error(view, e) < 0)
		return -e->code;
	if (r == -EINTR && !e->code)
		return 130;
	return r < 0 ? r : 0;
}

static bool is_shown(const struct service *s)
{
	return s->attach != TRI_FALSE && !s->off;
}

/* Without names: all services but those with `attach: false` and those of profiles that are not on, which are only shown when asked for. */
static void choose(const struct app *app, const struct strv *args, struct strv *ret)
{
	const struct project *p = app->project;
	bool some = false;

	strv_copy(ret, args);
	for (size_t i = 0; p && i < p->services.n; i++)
		some |= !is_shown(&p->services.v[i]);
	for (size_t i = 0; some && !args->n && i < p->services.n; i++)
		if (is_shown(&p->services.v[i]))
			strv_add(ret, p->services.v[i].name);
}

static int check_index(struct app *app, const struct logs_opts *o, const struct strv *args, struct err *e)
{
	AUTO_DONE(ctr_row_done) struct ctr_row c = { 0 };

	if (o->index <= 0)
		return 0;
	if (args->n == 1)
		return app_replica(app, args->v[0], o->index, false, &c, e);
	err_set(e, EINVAL, "--index requires one service to be selected");
	return err_exit(e, 1);
}

/* Output that the logging driver does not keep cannot be shown; whoever asks should not think that there was none. */
static int warn_unreadable(struct app *app, const struct strv *services, struct err *e)
{
	AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;

	TRY(app_containers(app, services, false, &rows, e));
	for (size_t i = 0; i < rows.n; i++) {
		AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
		AUTO_ERR(ignored);

		if (container_load_spec(&app->dirs, rows.v[i].id, &spec, &ignored) >= 0 && streq(str0(spec->log.driver), "none"))
			log_warning("can't retrieve logs for \"%s\": logging driver 'none' keeps none", rows.v[i].name);
	}
	return 0;
}

static int logs_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct logs_opts *o = opts;
	AUTO_STRV(services);
	struct log_view_opts v = { .services = &services, .index = o->index, .follow = o->follow, .prefix = !o->no_prefix, .one_stream = true,
				   .timestamps = o->timestamps, .color = !o->no_color && app_ansi(app, STDOUT_FILENO) };
	AUTO(log_view_free) struct log_view *view = NULL;

	TRY(parse_times(o, &v, e));
	TRY(check_index(app, o, args, e));
	choose(app, args, &services);
	TRY(warn_unreadable(app, &services, e));
	if (o->follow)
		return follow(app, &v, e);
	return log_view_new(app, NULL, &v, &view, e);
}

const struct cmd cmd_logs = { "logs", logs_run, CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ALL_PROFILES, logs_rows,
			      sizeof(struct logs_opts), "[OPTIONS] [SERVICE...]", "Show the output of containers", 0, -1, NULL, NULL,
			      NULL, true };
