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
#include "cli/progress.h"
#include "compose/project.h"
#include "engine/build/build.h"
#include "engine/build/context.h"
#include "engine/image/store.h"
#include "plan/lower_build.h"

struct run {
	struct app *app;
	const struct build_services *b;
	struct build_set set;
	struct strv added;        /* services, as the set's items */
	struct strv busy;         /* those whose needs are being added */
	struct strv texts;        /* what options borrow */
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

static int add_options(struct run *r, const struct service *s, struct build_options *o, struct err *e)
{
	AUTO_STRV(warnings);

	TRY(lower_build(r->app->project, s, &r->app->environ, o, &warnings, e));
	for (size_t i = 0; i < warnings.n && !(r->app->cmd->flags & CMD_STARTS); i++) /* `up` has told them, with their positions */
		log_warning("%s", warnings.v[i]);
	if (!o->dockerfile_text && s->build->dockerfile && *s->build->dockerfile) {
		strv_add_take(&r->texts, path_join(context_is_remote(o->context) ? "" : o->context, s->build->dockerfile));
		o->dockerfile = r->texts.v[r->texts.n - 1];
	}
	for (size_t i = 0; r->b->args && i < r->b->args->n; i++) {
		const char *kv = r->b->args->v[i], *eq = strchr(kv, '=');
		auto_free char *key = xstrndup(kv, (size_t)(eq - kv));

		strv_env_set(&o->args, key, eq + 1);
	}
	for (size_t i = 0; r->b->ssh && i < r->b->ssh->n; i++)
		TRY(lower_ssh(r->b->ssh->v[i], &r->app->environ, o, e));
	o->no_cache |= r->b->no_cache;
	o->pull |= r->b->pull;
	o->check_only = r->b->check;
	return 0;
}

static void add_need(struct run *r, struct build_item *item, const char *name)
{
	for (size_t i = 0; i < r->added.n; i++)
		if (streq(r->added.v[i], name))
			item->needs[item->nneeds++] = i;
}

/* S, after what its contexts say (service:x). */
static int add_service(struct run *r, const struct service *s, struct err *e)
{
	struct build_item *item;
	AUTO_STRV(needs);

	if (strv_has(&r->added, s->name))
		return 0;
	if (strv_has(&r->busy, s->name))
		return err_set(e, ELOOP, "service '%s': its build contexts need each other", s->name);
	strv_add(&r->busy, s->name);
	lower_build_needs(s, &needs);
	for (size_t i = 0; i < needs.n; i++) {
		const struct service *other = project_service(r->app->project, needs.v[i]);

		if (other && other->build)
			TRY(add_service(r, other, e));
	}
	item = build_set_add(&r->set);
	item->service = s->name;
	item->needs = xcalloc(needs.n + 1, sizeof(*item->needs));
	for (size_t i = 0; i < needs.n; i++)
		add_need(r, item, needs.v[i]);
	strv_add(&r->added, s->name);
	return add_options(r, s, &item->o, e);
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

static int add_wanted(struct run *r, struct err *e)
{
	const struct project *p = r->app->project;
	AUTO_STRV(names);

	for (size_t i = 0; i < p->services.n; i++) {
		const struct service *s = &p->services.v[i];

		if (s->disabled || !is_named(r, s->name))
			continue;
		strv_add_unique(&names, s->name);
		if (r->b->with_deps)
			add_deps(p, s, &names);
	}
	for (size_t i = 0; i < names.n; i++) {
		const struct service *s = project_service(p, names.v[i]);
		int want = s ? wanted(r, s, e) : 0;

		TRY(want);
		if (want)
			TRY(add_service(r, s, e));
	}
	return 0;
}

static void tell_built(const struct app *app, const char *image, bool first)
{
	auto_free char *id = xasprintf("Image %s", image);

	if (app->progress == PROGRESS_JSON)
		progress_print_json(id, PROGRESS_DONE, "Built");
	else
		fprintf(stderr, "%s %s  Built\n", first ? "\n" : "", id);
}

static int build_all(struct run *r, struct err *e)
{
	const struct project *p = r->app->project;
	bool any = false;

	TRY(add_wanted(r, e));
	if (!r->set.n)
		return 0;
	TRY(build_view_run(r->app, &r->set, r->b->quiet, e));
	for (size_t i = 0; i < r->set.n; i++) {
		const char *name = r->added.v[i];

		if (!r->set.v[i].id)
			continue;
		if (!r->b->quiet && r->app->progress != PROGRESS_QUIET)
			tell_built(r->app, service_image(project_service(p, name)), !any);
		any = true;
		if (r->b->built)
			strv_add(r->b->built, name);
	}
	return 0;
}

int build_services(struct app *app, const struct build_services *b, struct err *e)
{
	struct run r = { .app = app, .b = b };
	int rc = build_all(&r, e);

	build_set_done(&r.set);
	strv_done(&r.added);
	strv_done(&r.busy);
	strv_done(&r.texts);
	return rc;
}
