/* SPDX-License-Identifier: MIT */
#include "cli/log_view.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cli.h"
#include "engine/container/log.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/lock.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>

enum { LINE_MAX_SHOWN = 16 << 20 };

/* One container: its reader, the entry that waits for its turn, and the unfinished line of each stream. */
struct source_log {
	struct log_view *view;
	char *id, *name;
	int color;
	struct log_reader *reader;
	struct watch watch;
	bool have;            /* head holds an entry */
	struct log_entry head;
	struct str part[2];
	bool ran, ended;      /* seen running; told that it ended */
	int64_t ended_ns;     /* which end that was */
	bool live;            /* may still write */
	bool gone;            /* its row is gone */
};
struct log_view {
	struct app *app;
	struct loop *loop;
	struct log_view_opts o;
	struct source_log **v;
	size_t n, cap;
	size_t width;
	int colors;
	bool quit;            /* leave the loop when it is over */
	bool first;           /* the containers of the first scan: tail and since hold for them */
	int gen_fd;
	struct watch gen;
	struct err error;
};

/* docker compose's rotation: cyan, yellow, green, magenta, blue, then their bright ones */
static const char *const palette[] = { "36", "33", "32", "35", "34", "96", "93", "92", "95", "94" };

char *log_view_name(const struct ctr_row *c)
{
	auto_free char *dflt = xasprintf("%s-%s-%" PRId64, c->project, str0(c->service), c->number);

	if (c->service && streq(c->name, dflt))
		return xasprintf("%s-%" PRId64, c->service, c->number);
	return xstrdup(c->name);
}

static void source_free(struct source_log *s)
{
	watch_done(&s->watch);
	log_reader_close(s->reader);
	str_done(&s->part[0]);
	str_done(&s->part[1]);
	free(s->id);
	free(s->name);
	free(s);
}

/* --- printing ------------------------------------------------------------------------------------------------ */

static void print_prefix(const struct log_view *v, const struct source_log *s, FILE *out)
{
	if (!v->o.prefix)
		return;
	if (v->o.color)
		fprintf(out, "\033[%sm%-*s | \033[0m", palette[s->color], (int)v->width + 1, s->name);
	else
		fprintf(out, "%-*s | ", (int)v->width + 1, s->name);
}

static void print_line(const struct log_view *v, const struct source_log *s, const struct log_entry *en, const char *text, size_t n)
{
	FILE *out = en->stream == LOG_STDERR && !v->o.one_stream ? stderr : stdout;
	char when[TIME_TEXT];

	if (v->o.printing)
		v->o.printing(v->o.arg);
	print_prefix(v, s, out);
	if (v->o.timestamps)
		fprintf(out, "%s ", time_rfc3339(en->time_ns, when));
	fwrite(text, 1, n, out);
	fputc('\n', out);
}

/* Pieces of a long line are put together; an entry that is a whole line is printed as it is. */
static void print_entry(struct source_log *s)
{
	struct str *part = &s->part[s->head.stream];

	s->have = false;
	if (s->head.complete && !part->len) {
		print_line(s->view, s, &s->head, s->head.text, s->head.len);
		return;
	}
	str_addn(part, s->head.text, s->head.len);
	if (!s->head.complete && !str_over(part))
		return;
	print_line(s->view, s, &s->head, part->s, part->len);
	str_reset(part);
}

static int fill(struct source_log *s, struct err *e)
{
	int r;

	if (s->have)
		return 1;
	r = log_reader_next(s->reader, &s->head, e);
	if (r < 0)
		return err_wrap(e, "log of '%s'", s->name);
	s->have = r > 0;
	return r;
}

/* What ended in the middle of a line is shown when the container ends. */
static void flush_parts(struct source_log *s)
{
	for (int i = 0; i < 2; i++) {
		s->head.stream = i ? LOG_STDERR : LOG_STDOUT;
		if (s->part[i].len)
			print_line(s->view, s, &s->head, s->part[i].s, s->part[i].len);
		str_reset(&s->part[i]);
	}
}

int log_view_print(struct log_view *v, struct err *e)
{
	for (;;) {
		struct source_log *next = NULL;

		for (size_t i = 0; i < v->n; i++) {
			struct source_log *s = v->v[i];
			int r = fill(s, e);

			if (r < 0)
				return r;
			if (r > 0 && (!next || s->head.time_ns < next->head.time_ns))
				next = s;
		}
		if (!next)
			break;
		print_entry(next);
	}
	if (!v->o.follow)
		for (size_t i = 0; i < v->n; i++)
			flush_parts(v->v[i]);
	fflush(stdout);
	if (v->quit && ferror(stdout)) /* the reader went away */
		loop_quit(v->loop);
	return 0;
}

/* --- who is there --------------------------------------------------------------------------------------------- */

static struct source_log *find(const struct log_view *v, const char *id)
{
	for (size_t i = 0; i < v->n; i++)
		if (streq(v->v[i]->id, id))
			return v->v[i];
	return NULL;
}

static int on_log(struct watch *w, uint32_t events);

static int add_source(struct log_view *v, const struct ctr_row *c, struct err *e)
{
	struct source_log *s = xcalloc(1, sizeof *s);
	int64_t tail = v->first ? v->o.tail : -1, since = v->first ? v->o.since_ns : 0;
	int r, fd;

	*s = (struct source_log){ .view = v, .id = xstrdup(c->id), .name = log_view_name(c), .color = v->colors++ % (int)ARRAY_LEN(palette) };
	s->ended = v->first && v->o.announce && c->state == CTR_EXITED; /* an end of before this command is no news */
	s->ended_ns = c->finished_ns;
	s->part[0] = s->part[1] = (struct str)STR_INIT(LINE_MAX_SHOWN);
	r = log_reader_open(db_dirs(v->app->db), c->id, tail, since, v->o.until_ns, &s->reader, e);
	if (r >= 0 && v->o.follow) {
		fd = r = log_reader_watch_fd(s->reader, e);
		if (r >= 0)
			r = watch_fd(v->loop, &s->watch, fd, EPOLLIN, on_log, e);
	}
	if (r < 0) {
		err_wrap(e, "log of '%s'", s->name);
		source_free(s);
		return r;
	}
	v->width = MAX(v->width, strlen(s->name));
	xgrow(&v->v, v->n, &v->cap, sizeof *v->v);
	v->v[v->n++] = s;
	return 0;
}

/* After its last line: tells that it ended, once an end. */
static int note_end(struct log_view *v, struct source_log *s, const struct ctr_row *c)
{
	s->live = ctr_state_live(c->state);
	if (ctr_state_runs(c->state)) {
		s->ran = true;
		s->ended = false;
		return 0;
	}
	if (!(c->state == CTR_EXITED || c->state == CTR_RESTARTING) || !(s->ran || c->finished_ns) || (s->ended && s->ended_ns == c->finished_ns))
		return 0;
	s->ended = true;
	s->ended_ns = c->finished_ns;
	flush_parts(s);
	if (v->o.announce) {
		FILE *out = stdout;

		if (v->o.printing)
			v->o.printing(v->o.arg);
		if (v->o.color)
			fprintf(out, "\033[%sm%s exited with code %" PRId64 "\033[0m\n", palette[s->color], s->name, c->exit_code);
		else
			fprintf(out, "%s exited with code %" PRId64 "\n", s->name, c->exit_code);
		fflush(out);
	}
	return v->o.ended ? v->o.ended(c, v->o.arg) : 0;
}

static void drop_gone(struct log_view *v)
{
	for (size_t i = 0; i < v->n;) {
		struct source_log *s = v->v[i];

		if (!s->gone) {
			i++;
			continue;
		}
		flush_parts(s);
		source_free(s);
		v->v[i] = v->v[--v->n];
	}
}

/* Rows again: new containers join, ended ones are told, removed ones go. Returns < 0 when `ended` ends the loop (no error then). */
static int scan(struct log_view *v, struct err *e)
{
	struct ctr_rows rows = CTR_ROWS_INIT;
	int r = app_containers(v->app, v->o.services, false, &rows, e);

	for (size_t i = 0; i < v->n; i++)
		v->v[i]->gone = true;
	for (size_t i = 0; r >= 0 && i < rows.n; i++) {
		struct ctr_row *c = &rows.v[i];
		struct source_log *s = find(v, c->id);

		if (v->o.index > 0 && c->number != v->o.index)
			continue;
		if (!s && c->state == CTR_CREATED && !v->o.follow)
			continue;
		if (!s && (r = add_source(v, c, e)) < 0)
			break;
		s = s ? s : v->v[v->n - 1];
		s->gone = c->state == CTR_REMOVING;
	}
	if (r >= 0)
		r = log_view_print(v, e);
	for (size_t i = 0; r >= 0 && i < rows.n; i++) {
		struct source_log *s = find(v, rows.v[i].id);

		if (s)
			r = note_end(v, s, &rows.v[i]);
	}
	drop_gone(v);
	ctr_rows_done(&rows);
	return r;
}

static int on_log(struct watch *w, uint32_t events)
{
	struct source_log *s = CONTAINER_OF(w, struct source_log, watch);

	log_reader_drain(s->reader);
	return log_view_print(s->view, &s->view->error);
}

static int on_gen(struct watch *w, uint32_t events)
{
	struct log_view *v = CONTAINER_OF(w, struct log_view, gen);
	int r;

	gen_drain(v->gen_fd);
	v->first = false;
	r = scan(v, &v->error);
	if (r >= 0 && v->quit && log_view_over(v))
		loop_quit(v->loop);
	return r;
}

void log_view_quit_when_over(struct log_view *v)
{
	v->quit = true;
}

bool log_view_over(const struct log_view *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->v[i]->live)
			return false;
	return true;
}

int log_view_error(struct log_view *v, struct err *e)
{
	return v->error.code ? err_move(e, &v->error) : 0;
}

int log_view_new(struct app *app, struct loop *loop, const struct log_view_opts *o, struct log_view **ret, struct err *e)
{
	struct log_view *v = xcalloc(1, sizeof *v);
	int r = 0;

	*v = (struct log_view){ .app = app, .loop = loop, .o = *o, .first = true, .gen_fd = -1 };
	if (o->follow) {
		v->gen_fd = r = gen_watch(&app->dirs, app->name, e);
		if (r >= 0)
			r = watch_fd(loop, &v->gen, v->gen_fd, EPOLLIN, on_gen, e);
	}
	if (r >= 0)
		r = scan(v, e);
	if (r < 0) {
		log_view_free(v);
		return r;
	}
	*ret = v;
	return 0;
}

void log_view_free(struct log_view *v)
{
	if (!v)
		return;
	watch_done(&v->gen);
	for (size_t i = 0; i < v->n; i++)
		source_free(v->v[i]);
	free(v->v);
	if (v->gen_fd >= 0)
		close(v->gen_fd);
	err_clear(&v->error);
	free(v);
}
