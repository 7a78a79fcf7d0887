/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "base/tty.h"
#include "cli/cli.h"
#include <inttypes.h>
#include <stdio.h>

enum { REDRAW_MIN_NS = 40000000 };

struct item {
	char *id, *text;
	enum progress_state state;
	int64_t start_ns, end_ns;
};
struct progress {
	enum progress_mode mode; /* resolved: never AUTO */
	bool color;
	const char *what;
	struct item *v;
	size_t n, cap;
	size_t drawn;            /* lines on the screen that belong to us */
	int64_t last_ns;
};

static const char *const marks[] = {
	[PROGRESS_DONE] = "\033[32m✔\033[0m", [PROGRESS_WARNING] = "\033[33m!\033[0m", [PROGRESS_ERROR] = "\033[31m✘\033[0m",
};
static const char *const spinner[] = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" };

struct progress *progress_new(const struct app *app, const char *what)
{
	struct progress *p = xcalloc(1, sizeof *p);

	*p = (struct progress){ .mode = app->progress, .what = what, .color = app_ansi(app, STDERR_FILENO) };
	if (p->mode == PROGRESS_AUTO)
		p->mode = tty_is(STDERR_FILENO) && p->color ? PROGRESS_TTY : PROGRESS_PLAIN;
	return p;
}

/* --- drawing ------------------------------------------------------------------------------------------------ */

static void erase(struct progress *p)
{
	if (p->drawn)
		fprintf(stderr, "\033[%zuA\r\033[J", p->drawn);
	p->drawn = 0;
}

static void draw_item(const struct item *it, size_t width, unsigned short cols, int64_t now)
{
	double secs = (double)((it->end_ns ? it->end_ns : now) - it->start_ns) / 1e9;
	const char *mark = it->state == PROGRESS_WORKING ? spinner[now / 100000000 % (int64_t)ARRAY_LEN(spinner)] : marks[it->state];
	int room = (int)cols - 14 - (int)width;

	fprintf(stderr, " %s %-*s  %-*.*s %5.1fs\n", mark, (int)width, it->id, room > 12 ? 12 : MAX(room, 1), MAX(room, 1), it->text, secs);
}

/* The newest lines that fit on the screen; what is done scrolls out first. */
static void draw(struct progress *p)
{
	unsigned short rows = 24, cols = 80;
	size_t width = 0, done = 0, first, lines;
	int64_t now = time_mono_ns();

	(void)tty_size(STDERR_FILENO, &rows, &cols);
	for (size_t i = 0; i < p->n; i++) {
		width = MAX(width, strlen(p->v[i].id));
		done += p->v[i].state != PROGRESS_WORKING;
	}
	lines = MIN(p->n, rows > 3 ? (size_t)rows - 2 : 1);
	first = p->n - lines;
	width = MIN(width, cols > 40 ? (size_t)cols - 30 : 10);
	erase(p);
	fprintf(stderr, "[+] %s %zu/%zu\n", p->what, done, p->n);
	for (size_t i = first; i < p->n; i++)
		draw_item(&p->v[i], width, cols, now);
	p->drawn = lines + 1;
	p->last_ns = now;
	fflush(stderr);
}

void progress_print_json(const char *id, enum progress_state state, const char *text)
{
	static const char *const levels[] = { "working", "done", "warning", "error" };
	AUTO(json_free) struct cJSON *o = json_object();

	json_add_str(o, "id", id);
	json_add_str(o, "status", text);
	json_add_str(o, "state", levels[state]);
	auto_free char *line = json_text(o, false);

	fprintf(stderr, "%s\n", line);
}

static struct item *item_of(struct progress *p, const char *id)
{
	for (size_t i = 0; i < p->n; i++)
		if (streq(p->v[i].id, id))
			return &p->v[i];
	xgrow(&p->v, p->n, &p->cap, sizeof *p->v);
	p->v[p->n] = (struct item){ .id = xstrdup(id), .start_ns = time_mono_ns() };
	return &p->v[p->n++];
}

void progress_event(struct progress *p, const char *id, enum progress_state state, const char *text)
{
	struct item *it = item_of(p, id);
	bool same = it->text && streq(it->text, text) && it->state == state;

	free(it->text);
	it->text = xstrdup(text);
	it->state = state;
	it->end_ns = state == PROGRESS_WORKING ? 0 : time_mono_ns();
	if (same && p->mode != PROGRESS_TTY)
		return;
	switch (p->mode) {
	case PROGRESS_TTY:
		if (state != PROGRESS_WORKING || time_mono_ns() - p->last_ns > REDRAW_MIN_NS)
			draw(p);
		break;
	case PROGRESS_JSON:
		progress_print_json(id, state, text);
		break;
	case PROGRESS_QUIET:
		break;
	default:
		fprintf(stderr, " %s  %s\n", id, text);
	}
}

void progress_tick(struct progress *p)
{
	if (p->mode == PROGRESS_TTY && p->n)
		draw(p);
}

bool progress_animated(const struct progress *p)
{
	return p->mode == PROGRESS_TTY;
}

void progress_pause(struct progress *p)
{
	p->drawn = 0;
}

void progress_free(struct progress *p)
{
	if (!p)
		return;
	if (p->mode == PROGRESS_TTY && p->n)
		draw(p);
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].id);
		free(p->v[i].text);
	}
	free(p->v);
	free(p);
}
