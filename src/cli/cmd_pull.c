/* SPDX-License-Identifier: MIT
 *
 * pull, and image pull: plans of nothing but fetching
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/run_plan.h"
#include "compose/project.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "plan/apply.h"
#include "plan/observe.h"
#include "plan/plan.h"
#include <errno.h>

struct pull_opts {
	bool ignore_buildable, ignore_failures, include_deps, quiet;
	const char *policy;
};
static const char *const policies[] = { "missing", "always", NULL };
static const struct opt pull_rows[] = {
	OPT(0, "ignore-buildable", OPT_BOOL, struct pull_opts, ignore_buildable, NULL, "Leave out images that can be built"),
	OPT(0, "ignore-pull-failures", OPT_BOOL, struct pull_opts, ignore_failures, NULL, "Fetch what can be fetched, and do not fail"),
	OPT(0, "include-deps", OPT_BOOL, struct pull_opts, include_deps, NULL, "Also what the services depend on"),
	OPT_CHOICE(0, "policy", struct pull_opts, policy, "POLICY", "missing: only what is not here; always", policies),
	OPT('q', "quiet", OPT_BOOL, struct pull_opts, quiet, NULL, "Fetch without progress"),
	OPT_END
};

static int run(struct app *app, const struct plan *plan, bool quiet, struct err *e)
{
	struct plan_runner r;
	int res;

	if (quiet && app->progress != PROGRESS_JSON)
		app->progress = PROGRESS_QUIET;
	TRY(plan_runner_init(&r, app, e));
	res = plan_runner_run(&r, plan, "Pulling", e);
	plan_runner_done(&r);
	return res;
}

/* Those that can be made where they cannot be had. */
static void tell_buildable(struct app *app, const struct strv *names)
{
	AUTO_STRV(build);

	for (size_t i = 0; i < app->project->services.n; i++) {
		const struct service *s = &app->project->services.v[i];
		AUTO_DONE(ref_done) struct ref ref = { 0 };
		auto_free char *full = NULL, *id = NULL;
		AUTO_ERR(ignored);

		if (s->disabled || !s->build || !s->image || (names->n && !strv_has(names, s->name)) || ref_parse_tagged(s->image, &ref, &ignored) < 0)
			continue;
		full = ref_text(&ref);
		if (image_name_get(app->db, full, &id, &ignored) > 0)
			strv_add(&build, s->name);
	}
	if (!build.n)
		return;
	auto_free char *all = strv_join(&build, " ");

	log_warning("what cannot be fetched can be built: gantry build %s", all);
}

static int pull_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct pull_opts *o = opts;
	struct plan_options opt = PLAN_OPTIONS_INIT;
	AUTO(observed_free) struct observed *seen = NULL;
	AUTO(plan_free) struct plan *plan = NULL;
	int r;

	opt.services = args;
	opt.pull = o->policy;
	opt.include_deps = o->include_deps;
	opt.ignore_buildable = o->ignore_buildable;
	opt.carry_on = true; /* one that cannot be had does not hold up the others */
	TRY(observe(app->db, app->name, app->project, 0, &seen, e));
	TRY(plan_pull(app->project, seen, &opt, &plan, e));
	r = run(app, plan, o->quiet, e);
	if (r < 0 && !e->exit)
		tell_buildable(app, args);
	if (r < 0 && o->ignore_failures && !e->exit) {
		log_warning("%s", err_text(e));
		err_clear(e);
		return 0;
	}
	return r;
}

const struct cmd cmd_pull = { "pull", pull_run, CMD_PROJECT | CMD_STATE | CMD_ROOT, pull_rows, sizeof(struct pull_opts), "[OPTIONS] [SERVICE...]",
			      "Fetch the images of services", 0, -1, NULL, NULL, NULL, true };

/* ---- image pull ---- */

struct image_pull_opts {
	bool quiet;
	const char *platform;
};
static const struct opt image_pull_rows[] = {
	OPT(0, "platform", OPT_STR, struct image_pull_opts, platform, "OS/ARCH", "Not the image for this machine, but for that one"),
	OPT('q', "quiet", OPT_BOOL, struct image_pull_opts, quiet, NULL, "Fetch without progress"),
	OPT_REFUSE('a', "all-tags", NULL, "name the tags that are wanted"),
	OPT_END
};

static int image_pull_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct image_pull_opts *o = opts;
	AUTO(plan_free) struct plan *plan = NULL;

	for (size_t i = 0; i < args->n; i++) {
		AUTO_DONE(ref_done) struct ref ref = { 0 };

		TRY(ref_parse_tagged(args->v[i], &ref, e));
		if (!ref.digest && !strchr(args->v[i] + strlen(args->v[i]) - MIN(strlen(args->v[i]), strlen(ref.tag) + 1), ':') && !o->quiet)
			fprintf(stderr, "Using default tag: latest\n");
	}
	plan = plan_pull_refs(args, o->platform);
	TRY(run(app, plan, o->quiet, e));
	for (size_t i = 0; i < args->n; i++) {
		AUTO_DONE(ref_done) struct ref ref = { 0 };
		auto_free char *full = NULL;

		TRY(ref_parse_tagged(args->v[i], &ref, e));
		full = ref_text(&ref);
		printf("%s\n", full);
	}
	return 0;
}

const struct cmd cmd_image_pull = { "pull", image_pull_run, CMD_STATE | CMD_ROOT, image_pull_rows, sizeof(struct image_pull_opts),
				    "[OPTIONS] IMAGE [IMAGE...]", "Fetch images from registries", 1, -1 };
