/* SPDX-License-Identifier: MIT
 *
 * cli/run_plan.h - a plan on the terminal: warnings, dry run, progress, Ctrl-C
 */
#pragma once
#include "base/auto.h"
#include "base/loop.h"
#include "base/strv.h"
#include "plan/plan.h"
#include <stdbool.h>

struct app;
struct apply;
struct err;
struct progress;

/* One use of a loop by several plans (up, then stop after Ctrl-C). */
struct plan_runner {
	struct app *app;
	struct loop *loop;
	struct progress *progress;
	struct apply *apply;        /* the one that runs, NULL */
	struct watch signals, tick;
	bool interrupted;           /* SIGINT or SIGTERM came */
	int (*on_interrupt)(void *arg); /* NULL: cancels the plan; < 0 ends the loop */
	void *arg;
	bool renew_anon_volumes;
	struct strv failures;       /* what each failed step said */
};
int plan_runner_init(struct plan_runner *r, struct app *app, struct err *e);
void plan_runner_done(struct plan_runner *r);
/* With --dry-run the plan is printed instead. -ECANCELED with exit 130 when interrupted. */
int plan_runner_run(struct plan_runner *r, const struct plan *p, const char *what, struct err *e);
/* Observes the project and runs what MAKE decides. For commands that do just that. */
typedef int plan_fn(const struct project *p, const struct observed *o, const struct plan_options *opt, struct plan **ret, struct err *e);
int run_plan(struct app *app, plan_fn *make, const struct plan_options *opt, const char *what, struct err *e);
/* plan_services of one kind as run_plan. */
int run_plan_services(struct app *app, enum op_kind kind, const struct plan_options *opt, const char *what, struct err *e);
/* Before plan_up(): images that are here, but have to be asked for again, since what comes decides which containers are recreated. Sets OPT->pulled.
 * A dry run asks nobody. QUIET: without progress. */
int plan_fetch_due(struct app *app, struct plan_options *opt, bool quiet, struct err *e);
/* Wrong values of driver_opts end the command before anything is made; what the driver does not know is said, docker passes over it. */
int plan_check_networks(const struct project *p, struct err *e);
/* "SERVICE=N" words of --scale and `scale`. ret->… is borrowed from WORDS. Caller frees *ret. */
int scale_parse(const struct app *app, const struct strv *words, struct plan_scale **ret, size_t *ret_n, struct strv *names, struct err *e);
/* "2" seconds -> ns; < 0 is "not given" (-1). */
int64_t timeout_ns(int64_t seconds);
