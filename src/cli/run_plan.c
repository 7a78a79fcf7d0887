/* SPDX-License-Identifier: MIT */
#include "cli/run_plan.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "compose/project.h"
#include "engine/container/spec.h"
#include "engine/kernel/cgroup.h"
#include "plan/apply.h"
#include "net/network.h"
#include "plan/observe.h"
#include "plan/op_labels.h"
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

enum { TICK_NS = 100000000, EXIT_ENGINE = 125, EXIT_NOT_FOUND = 127, FAILURES_TOLD = 32 };

static int on_signal(struct watch *w, uint32_t events)
{
	struct plan_runner *r = CONTAINER_OF(w, struct plan_runner, signals);
	struct signalfd_siginfo si;

	if (read(w->fd, &si, sizeof si) != sizeof si)
		return 0;
	r->interrupted = true;
	if (r->on_interrupt)
		return r->on_interrupt(r->arg);
	if (r->apply)
		apply_cancel(r->apply);
	return 0;
}

static int on_tick(struct watch *w, uint32_t events)
{
	struct plan_runner *r = CONTAINER_OF(w, struct plan_runner, tick);

	if (r->progress)
		progress_tick(r->progress);
	watch_arm(w, TICK_NS);
	return 0;
}

int plan_runner_init(struct plan_runner *r, struct app *app, struct err *e)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP, 0 };

	*r = (struct plan_runner){ .app = app, .loop = loop_new(e) };
	if (!r->loop)
		return -e->code;
	TRY(watch_signals(r->loop, &r->signals, sigs, on_signal, e));
	return watch_timer(r->loop, &r->tick, on_tick, e);
}

void plan_runner_done(struct plan_runner *r)
{
	watch_done(&r->signals);
	watch_done(&r->tick);
	progress_free(r->progress);
	strv_done(&r->failures);
	loop_free(r->loop);
}

/* One is the command's error; the others are told before it. */
static void tell_failures(struct plan_runner *r, const struct err *e)
{
	for (size_t i = 0; i < r->failures.n; i++)
		if (!streq(r->failures.v[i], err_text(e)))
			log_warning("%s", r->failures.v[i]);
	strv_clear(&r->failures);
}

static void report(void *arg, const struct op *op, enum apply_state state, const char *id, const char *text)
{
	static const enum progress_state shown[] = {
		[APPLY_BEGIN] = PROGRESS_WORKING, [APPLY_TEXT] = PROGRESS_WORKING, [APPLY_FIGURE] = PROGRESS_WORKING, [APPLY_DONE] = PROGRESS_DONE,
		[APPLY_WARNING] = PROGRESS_WARNING, [APPLY_FAILED] = PROGRESS_ERROR, [APPLY_SKIPPED] = PROGRESS_WARNING,
	};
	struct plan_runner *r = arg;

	if (state == APPLY_FAILED && text && r->failures.n < FAILURES_TOLD)
		strv_add_unique(&r->failures, text);
	if (state == APPLY_FIGURE && !progress_animated(r->progress) && r->app->progress != PROGRESS_JSON)
		return;
	progress_event(r->progress, id, shown[state], state == APPLY_FAILED ? "Error" : text);
	if (state == APPLY_WARNING && text && r->app->progress != PROGRESS_QUIET) {
		progress_pause(r->progress);
		log_warning("%s: %s", id, text);
	}
}

/* Limits that this machine's cgroups do not have, where docker warns and goes on too. Once a service. */
static void warn_ignored(const struct plan *p)
{
	const struct service *last = NULL;
	const struct cgroup_layout *l;
	AUTO_ERR(none);

	if (cgroup_layout(&l, &none) < 0)
		return; /* the start will say so */
	for (size_t i = 0; i < p->n; i++) {
		const struct service *s = p->ops[i].service;
		struct cgroup_limits limits = CGROUP_LIMITS_NONE;
		const char *names[CGROUP_IGNORED];

		if ((p->ops[i].kind != OP_CTR_CREATE && p->ops[i].kind != OP_CTR_RECREATE) || !s || s == last)
			continue;
		last = s;
		limits.swappiness = s->mem_swappiness > 0 ? s->mem_swappiness : -1;
		limits.oom_kill_disable = s->oom_kill_disable;
		(void)cgroup_limits_ignored(l->v2, &limits, names);
		if (s->logging && ctr_log_driver_foreign(s->logging->driver))
			log_warning("service '%s': there is no logging driver '%s' here, its output is kept as by json-file", s->name,
				    s->logging->driver);
		for (size_t k = 0; names[k]; k++)
			log_warning("service '%s': %s has no effect: cgroups v2 have no such thing", s->name, names[k]);
	}
}

int plan_runner_run(struct plan_runner *r, const struct plan *p, const char *what, struct err *e)
{
	struct app *app = r->app;
	struct apply_options o = { .report = report, .arg = r, .parallel = (int)app->g.parallel, .layers = (int)app->g.parallel,
				   .renew_anon_volumes = r->renew_anon_volumes };
	int res;

	for (size_t i = 0; i < p->warnings.n; i++)
		log_warning("%s", p->warnings.v[i]);
	warn_ignored(p);
	if (app->g.dry_run) {
		auto_free char *text = plan_text(p);

		fputs(text, stdout);
		return 0;
	}
	progress_free(r->progress);
	r->progress = progress_new(app, what);
	if (progress_animated(r->progress))
		watch_arm(&r->tick, TICK_NS);
	for (size_t i = 0; i < p->kept.n; i++) {
		auto_free char *id = xasprintf("Container %s", p->kept.v[i]);

		progress_event(r->progress, id, PROGRESS_DONE, "Running");
	}
	r->apply = apply_new(app->db, r->loop, app->project, p, &o);
	res = apply_run(r->apply, e);
	apply_free(TAKE(r->apply));
	watch_arm(&r->tick, INT64_MAX);
	progress_free(TAKE(r->progress));
	tell_failures(r, e);
	if (res == -ECANCELED && r->interrupted) {
		if (!e->code)
			err_set(e, ECANCELED, "interrupted");
		err_exit(e, 130);
	} else if (res < 0 && e->exit >= EXIT_ENGINE && e->exit <= EXIT_NOT_FOUND) {
		err_exit(e, 1); /* 125-127 are what one program ends with; here many are started, and docker compose says 1 */
	}
	return res;
}

struct maker {
	plan_fn *make;       /* NULL: plan_services(kind) */
	enum op_kind kind;
};

static int run_made(struct app *app, const struct maker *m, const struct plan_options *opt, const char *what, struct err *e)
{
	AUTO(observed_free) struct observed *o = NULL;
	AUTO(plan_free) struct plan *plan = NULL;
	struct plan_runner r;
	int res;

	TRY(observe(app->db, app->name, app->project, OBSERVE_ORDER, &o, e));
	if (m->make)
		TRY(m->make(app->project, o, opt, &plan, e));
	else
		TRY(plan_services(m->kind, app->project, o, opt, &plan, e));
	TRY(plan_runner_init(&r, app, e));
	res = plan_runner_run(&r, plan, what, e);
	plan_runner_done(&r);
	return res;
}

int run_plan(struct app *app, plan_fn *make, const struct plan_options *opt, const char *what, struct err *e)
{
	return run_made(app, &(struct maker){ .make = make }, opt, what, e);
}

int run_plan_services(struct app *app, enum op_kind kind, const struct plan_options *opt, const char *what, struct err *e)
{
	return run_made(app, &(struct maker){ .kind = kind }, opt, what, e);
}

int plan_fetch_due(struct app *app, struct plan_options *opt, bool quiet, struct err *e)
{
	AUTO(observed_free) struct observed *seen = NULL;
	AUTO(plan_free) struct plan *plan = NULL;
	struct plan_options due = *opt;
	enum progress_mode mode = app->progress;
	struct plan_runner r;
	int res = 0;

	if (app->g.dry_run)
		return 0;
	due.only_due = due.include_deps = true;
	opt->pulled = true;
	TRY(observe(app->db, app->name, app->project, 0, &seen, e));
	TRY(plan_pull(app->project, seen, &due, &plan, e));
	if (plan->n == 0)
		return 0;
	if (quiet)
		app->progress = PROGRESS_QUIET;
	TRY(plan_runner_init(&r, app, e));
	res = plan_runner_run(&r, plan, "Pulling", e);
	plan_runner_done(&r);
	app->progress = mode;
	return res;
}

int plan_check_networks(const struct project *p, struct err *e)
{
	for (size_t i = 0; i < p->networks.n; i++) {
		const struct network *n = &p->networks.v[i];
		auto_free char *options = op_json_of(&n->driver_opts);
		AUTO_STRV(warnings);

		if (n->external || !n->used)
			continue;
		if (network_options_check(n->driver, options, &warnings, e) < 0)
			return err_wrap(e, "network '%s'", n->key);
		for (size_t k = 0; k < warnings.n; k++)
			log_warning("network '%s': %s", n->key, warnings.v[k]);
	}
	return 0;
}

int scale_parse(const struct app *app, const struct strv *words, struct plan_scale **ret, size_t *ret_n, struct strv *names, struct err *e)
{
	auto_free struct plan_scale *v = xcalloc(words->n + 1, sizeof *v);

	for (size_t i = 0; i < words->n; i++) {
		const char *eq = strchr(words->v[i], '=');

		if (!eq || eq == words->v[i])
			return err_set(e, EINVAL, "invalid scale specifier \"%s\": use SERVICE=NUMBER", words->v[i]);
		strv_add_take(names, xstrndup(words->v[i], (size_t)(eq - words->v[i])));
		if (num_int(eq + 1, 0, 10000, &v[i].n, e) < 0)
			return err_wrap(e, "invalid scale specifier \"%s\"", words->v[i]);
	}
	for (size_t i = 0; i < words->n; i++) {
		v[i].service = names->v[i];
		if (!project_service(app->project, v[i].service)) {
			err_set(e, ENOENT, "no such service: %s", v[i].service);
			return err_exit(e, 1);
		}
	}
	*ret_n = words->n;
	*ret = TAKE(v);
	return 0;
}

int64_t timeout_ns(int64_t seconds)
{
	return seconds < 0 ? -1 : seconds * 1000000000;
}
