/* SPDX-License-Identifier: MIT */
#include "cli/build_view.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/strv.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/run_plan.h"
#include "engine/build/build.h"
#include "engine/image/remote.h"
#include "plan/plan.h"

enum { LINE_MAX_SHOWN = 64 << 10 };

struct vertex {
	int64_t started_ns;
	char *name;               /* json */
	struct str line;          /* unfinished */
};
struct view {
	struct app *app;
	bool quiet, json;
	struct vertex *v;         /* by number */
	size_t n, cap;
	int last;                 /* whose line was printed last */
	int warnings;
};
struct view_item {
	struct view *view;
	const char *service, *image; /* NULL */
};

/* A line of another vertex than the last one's begins after an empty one. */
static void turn_to(struct view *w, int n)
{
	if (w->last && w->last != n)
		fputc('\n', stderr);
	w->last = n;
}

static void on_begin(void *arg, int n, const char *name)
{
	struct view *w = ((struct view_item *)arg)->view;

	while (w->n <= (size_t)n) {
		xgrow(&w->v, w->n, &w->cap, sizeof(*w->v));
		w->v[w->n++] = (struct vertex){ .line = STR_INIT(LINE_MAX_SHOWN) };
	}
	w->v[n].started_ns = time_mono_ns();
	w->v[n].name = xstrdup(name);
	if (w->quiet)
		return;
	if (w->json) {
		progress_print_json(name, PROGRESS_WORKING, "Building");
		return;
	}
	turn_to(w, n);
	fprintf(stderr, "#%d %s\n", n, name);
}

static void flush_line(struct view *w, int n)
{
	struct vertex *v = &w->v[n];
	auto_free char *shown = str_visible_line(str0(v->line.s), v->line.len);

	if (w->json) {
		progress_print_json(v->name, PROGRESS_WORKING, shown);
	} else {
		turn_to(w, n);
		fprintf(stderr, "#%d %.3f %s\n", n, (double)(time_mono_ns() - v->started_ns) / 1e9, shown);
	}
	str_reset(&v->line);
}

static void on_output(void *arg, int n, const char *p, size_t len)
{
	struct view *w = ((struct view_item *)arg)->view;
	struct vertex *v = &w->v[n];

	for (size_t i = 0; i < len && !w->quiet; i++) {
		if (p[i] == '\n' || v->line.len >= LINE_MAX_SHOWN - 1)
			flush_line(w, n);
		if (p[i] != '\n')
			str_addc(&v->line, p[i]);
	}
}

static void on_end(void *arg, int n, bool cached, int64_t ns, const char *failure)
{
	struct view *w = ((struct view_item *)arg)->view;

	if (w->quiet)
		return;
	if (w->v[n].line.len)
		flush_line(w, n);
	if (w->json) {
		progress_print_json(w->v[n].name, failure ? PROGRESS_ERROR : PROGRESS_DONE, failure ? failure : cached ? "CACHED" : "DONE");
		return;
	}
	turn_to(w, n);
	if (failure && streq(failure, "CANCELED"))
		fprintf(stderr, "#%d CANCELED\n", n);
	else if (failure)
		fprintf(stderr, "#%d ERROR: %s\n", n, failure);
	else if (cached)
		fprintf(stderr, "#%d CACHED\n", n);
	else
		fprintf(stderr, "#%d DONE %.1fs\n", n, (double)ns / 1e9);
}

/* Names the image: of several builds it says whose file this is. */
static void on_warning(void *arg, const char *rule, const char *file, int line, const char *text)
{
	const struct view_item *i = arg;

	i->view->warnings++;
	if (i->view->quiet)
		return;
	if (i->service)
		log_warning("service '%s': %s: %s (%s:%d)", i->service, rule, text, file, line);
	else
		log_warning("%s%s%s: %s (%s:%d)", str0(i->image), i->image ? ": " : "", rule, text, file, line);
}

/* A plan of nothing but these images. */
static int fetch(void *arg, const struct strv *refs, const char *platform, struct err *e)
{
	struct view *w = arg;
	AUTO(plan_free) struct plan *plan = NULL;
	struct plan_runner r;
	int res;

	plan = plan_pull_refs(refs, platform);
	TRY(plan_runner_init(&r, w->app, e));
	res = plan_runner_run(&r, plan, "Pulling", e);
	plan_runner_done(&r);
	return res;
}

static void tell_failure(const struct build_failure *f)
{
	fflush(stdout);
	if (f->step) {
		fprintf(stderr, "------\n > %s:\n", f->step);
		if (f->output && *f->output)
			fprintf(stderr, "%s%s", f->output, str_ends(f->output, "\n") ? "" : "\n");
		fprintf(stderr, "------\n");
	}
	if (f->excerpt)
		fprintf(stderr, "%s", f->excerpt);
}

/* The answer of a mere check: also warnings make it fail, as docker's. */
static int tell_check(const struct view *w, struct err *e)
{
	if (w->warnings) {
		err_set(e, EINVAL, "the check found %d warning%s", w->warnings, w->warnings == 1 ? "" : "s");
		return err_exit(e, 1);
	}
	if (!w->quiet)
		puts("Check complete, no warnings found.");
	return 0;
}

/* Signals become a descriptor that ends the builds in order. */
static int run_interruptible(struct app *app, struct build_set *set, struct build_failure *failure, struct err *e)
{
	struct signalfd_siginfo si;
	sigset_t signals, before;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, &before);

	auto_close int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);

	set->interrupt_fd = fd;
	r = build_images(app->db, set, failure, e);
	while (read(fd, &si, sizeof(si)) > 0) /* else it would end us now */
		;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

int build_view_run(struct app *app, struct build_set *set, bool quiet, struct err *e)
{
	struct view w = { .app = app, .quiet = quiet || app->progress == PROGRESS_QUIET, .json = app->progress == PROGRESS_JSON };
	auto_free struct view_item *items = xcalloc(set->n + 1, sizeof(*items));
	struct build_failure failure = { 0 };
	int r;

	for (size_t i = 0; i < set->n; i++) {
		items[i] = (struct view_item){ &w, set->v[i].service, set->v[i].o.tags.n ? set->v[i].o.tags.v[0] : NULL };
		set->v[i].o.events = (struct build_events){ on_begin, on_output, on_end, on_warning, &items[i] };
	}
	set->parallel = app->g.parallel;
	set->fetch = fetch;
	set->fetch_arg = &w;
	r = run_interruptible(app, set, &failure, e);
	if (r == -ECANCELED) {
		err_exit(e, 130);
	} else if (r < 0) {
		tell_failure(&failure);
		err_wrap(e, "failed to solve");
		if (failure.service)
			err_wrap(e, "service '%s'", failure.service);
	} else if (set->n && set->v[0].o.check_only) {
		r = tell_check(&w, e);
	}
	build_failure_done(&failure);
	for (size_t i = 0; i < w.n; i++) {
		str_done(&w.v[i].line);
		free(w.v[i].name);
	}
	free(w.v);
	return r;
}
