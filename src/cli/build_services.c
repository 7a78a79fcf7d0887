/* SPDX-License-Identifier: MIT */
#include "cli/build_services.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"
#include "cli/build_view.h"
#include "cli/cli.h"
#include "compose/project.h"
#include "engine/build/build.h"
#include "engine/build/context.h"
#include "engine/image/store.h"
#include "plan/lower_build.h"

struct run {
	struct app *app;
	const struct build_services *b;
	struct strv built, busy;  /* services */
};

static int wanted(struct run *r, const struct service *s, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	int there;

	if (!s->build)
		return 0;
	if (r->b->all || (s->pull_policy && streq(s->pull_policy, "build")))
		return 1;
	TRY(there = image_resolve(r->app->db, service_image(s), &row, e));
	return there == 1 && !s->image ? 1 : there == 1 && !(s->pull_policy && streq(s->pull_policy, "always"));
}

static int build_one(struct run *r, const struct service *s, struct err *e)
{
	AUTO_DONE(build_options_done) struct build_options o = { .interrupt_fd = -1 };
	auto_free char *id = NULL, *file = NULL;
	AUTO_STRV(warnings);

	TRY(lower_build(r->app->project, s, &r->app->environ, &o, &warnings, e));
	for (size_t i = 0; i < warnings.n && !(r->app->cmd->flags & CMD_STARTS); i++) /* `up` has told them, with their positions */
		log_warning("%s", warnings.v[i]);
	if (!o.dockerfile_text && s->build->dockerfile && *s->build->dockerfile)
		o.dockerfile = file = path_join(context_is_remote(o.context) ? "" : o.context, s->build->dockerfile);
	for (size_t i = 0; r->b->args && i < r->b->args->n; i++) {
		const char *kv = r->b->args->v[i], *eq = strchr(kv, '=');
		auto_free char *key = xstrndup(kv, (size_t)(eq - kv));

		strv_env_set(&o.args, key, eq + 1);
	}
	for (size_t i = 0; r->b->ssh && i < r->b->ssh->n; i++)
		TRY(lower_ssh(r->b->ssh->v[i], &r->app->environ, &o, e));
	o.no_cache |= r->b->no_cache;
	o.pull |= r->b->pull;
	o.check_only = r->b->check;
	if (build_view_run(r->app, &o, r->b->quiet, &id, e) < 0)
		return err_wrap(e, "service '%s'", s->name);
	if (!r->b->quiet && id)
		fprintf(stderr, "\n %s  Built\n", service_image(s));
	return 0;
}

/* What a context says (service:x) comes first. */
static int build_after(struct run *r, const struct service *s, struct err *e)
{
	AUTO_STRV(needs);

	if (strv_has(&r->built, s->name))
		return 0;
	if (strv_has(&r->busy, s->name))
		return err_set(e, ELOOP, "service '%s': its build contexts need each other", s->name);
	strv_add(&r->busy, s->name);
	lower_build_needs(s, &needs);
	for (size_t i = 0; i < needs.n; i++) {
		const struct service *other = project_service(r->app->project, needs.v[i]);

		if (other && other->build)
			TRY(build_after(r, other, e));
	}
	strv_add(&r->built, s->name);
	return build_one(r, s, e);
}

static bool is_named(const struct run *r, const char *name)
{
	return !r->b->services || !r->b->services->n || strv_has(r->b->services, name);
}

static void add_deps(const struct project *p, const struct service *s, struct strv *names)
{
	for (size_t i = 0; i < s->depends_on.n; i++) {
		const struct service *on = project_service(p, s->depends_on.v[i].name);

		if (on && !strv_has(names, on->name)) {
			strv_add(names, on->name);
			add_deps(p, on, names);
		}
	}
}

int build_services(struct app *app, const struct build_services *b, struct err *e)
{
	struct run r = { .app = app, .b = b };
	const struct project *p = app->project;
	AUTO_STRV(names);
	int rc = 0;

	for (size_t i = 0; i < p->services.n; i++) {
		const struct service *s = &p->services.v[i];

		if (s->disabled || !is_named(&r, s->name))
			continue;
		strv_add_unique(&names, s->name);
		if (b->with_deps)
			add_deps(p, s, &names);
	}
	for (size_t i = 0; rc >= 0 && i < names.n; i++) {
		const struct service *s = project_service(p, names.v[i]);

		rc = s ? wanted(&r, s, e) : 0;
		if (rc > 0)
			rc = build_after(&r, s, e);
	}
	strv_done(&r.built);
	strv_done(&r.busy);
	return MIN(rc, 0);
}
