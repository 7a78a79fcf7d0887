/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/commands.h"
#include "state/db.h"
#include "state/event_store.h"
#include "state/lock.h"
#include <errno.h>
#include <poll.h>
#include <time.h>

struct events_opts {
	bool json;
	const char *since, *until;
};
static const struct opt events_rows[] = {
	OPT(0, "json", OPT_BOOL, struct events_opts, json, NULL, "One JSON object per line"),
	OPT(0, "since", OPT_STR, struct events_opts, since, "TIME", "Events from this time on too"),
	OPT(0, "until", OPT_STR, struct events_opts, until, "TIME", "Up to this time, then end"),
	OPT_END
};

/* "2026-11-25 02:38:36.123456" in local time, as docker compose prints it */
static void time_text(int64_t ns, char *buf, size_t size)
{
	time_t t = ns / 1000000000;
	char date[32];
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(buf, size, "%s.%06d", date, (int)(ns % 1000000000 / 1000));
}

static void print_json(const struct event_row *ev)
{
	AUTO(json_free) struct cJSON *o = json_object();
	AUTO(json_free) struct cJSON *attrs = NULL;
	AUTO_ERR(ignored);
	char when[TIME_TEXT];

	json_add_str(o, "time", time_rfc3339(ev->time_ns, when));
	json_add_str(o, "type", ev->type);
	json_add_str(o, "action", ev->action);
	json_add_str(o, "service", str0(ev->service));
	json_add_str(o, "id", ev->actor);
	if (ev->attributes && json_parse(ev->attributes, strlen(ev->attributes), "event", &attrs, &ignored) >= 0)
		json_add(o, "attributes", TAKE(attrs));
	auto_free char *text = json_text(o, false);

	printf("%s\n", text);
}

static void print_plain(const struct event_row *ev)
{
	AUTO(json_free) struct cJSON *attrs = NULL;
	AUTO_ERR(ignored);
	bool more = false;
	char when[64];

	time_text(ev->time_ns, when, sizeof when);
	printf("%s %s %s %s", when, ev->type, ev->action, str0(ev->actor));
	if (ev->attributes && json_parse(ev->attributes, strlen(ev->attributes), "event", &attrs, &ignored) >= 0)
		for (const struct cJSON *a = json_first(attrs); a; a = json_next(a), more = true)
			printf("%s%s=%s", more ? ", " : " (", str0(json_key(a)), str0(json_value_str(a)));
	printf("%s\n", more ? ")" : "");
}

struct window {
	int64_t since, until, seq;
};

/* Prints what is new and in the window. 1: the window is over. */
static int print_new(struct app *app, const struct events_opts *o, const struct strv *services, struct window *w, struct err *e)
{
	struct event_rows rows = { 0 };
	int over = 0;

	TRY(event_since(app->db, app->name, w->seq, &rows, e));
	for (size_t i = 0; i < rows.n; i++) {
		const struct event_row *ev = &rows.v[i];

		w->seq = ev->seq;
		if (w->until && ev->time_ns > w->until)
			over = 1;
		if (over || ev->time_ns < w->since || (services->n && !strv_has(services, str0(ev->service))))
			continue;
		if (o->json)
			print_json(ev);
		else
			print_plain(ev);
	}
	event_rows_done(&rows);
	fflush(stdout);
	return over || ferror(stdout); /* or the reader went away */
}

static int events_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct events_opts *o = opts;
	struct window w = { .since = time_now_ns() };
	auto_close int fd = gen_watch(&app->dirs, app->name, e);
	int r;

	if (fd < 0)
		return fd;
	if (o->since)
		TRY(time_parse(o->since, w.since, &w.since, e));
	if (o->until)
		TRY(time_parse(o->until, time_now_ns(), &w.until, e));
	while ((r = print_new(app, o, args, &w, e)) == 0) {
		int64_t left = w.until ? (w.until - time_now_ns()) / 1000000 : -1;
		struct pollfd p = { fd, POLLIN, 0 };

		if (w.until && left <= 0)
			break;
		if (poll(&p, 1, (int)MIN(left, INT32_MAX)) > 0)
			gen_drain(fd);
	}
	return r < 0 ? r : 0;
}

const struct cmd cmd_events = { "events", events_run, CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ALL_PROFILES, events_rows,
				sizeof(struct events_opts), "[OPTIONS] [SERVICE...]", "Follow what happens to containers", 0, -1, NULL, NULL,
				NULL, true };
