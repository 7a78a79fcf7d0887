/* SPDX-License-Identifier: MIT
 *
 * Which images are fetched: `pull`, and what `up` fetches first. compose.md §34, docker compose's pull.
 */
#include "plan/plan_build.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include <errno.h>

static const int64_t day_ns = INT64_C(86400000000000);

const char *pull_policy_of(const struct builder *b, const struct service *s)
{
	if (b->opt->pull && !streq(b->opt->pull, "policy"))
		return b->opt->pull;
	return s->pull_policy ? s->pull_policy : "";
}

/* "daily", "every_12h": how old what is here may be. < 0: not such a policy. */
static int64_t policy_age(const char *policy)
{
	const char *every = str_after(policy, "every_");
	int64_t ns;
	AUTO_ERR(ignored);

	if (streq(policy, "daily"))
		return day_ns;
	if (streq(policy, "weekly"))
		return 7 * day_ns;
	if (!every || num_duration(every, &ns, &ignored) < 0)
		return -1;
	return ns;
}

const char *pull_due(const struct builder *b, const char *ref, const char *policy)
{
	const int64_t *checked = map_get(&b->o->image_checked, ref);
	int64_t age = policy_age(policy);

	if (streq(policy, "always"))
		return "pull policy always";
	if (age < 0)
		return NULL;
	if (!checked)
		return "pull policy, never checked";
	if (b->o->now_ns - *checked < age)
		return NULL;

	auto_free char *ago = num_ago_text((b->o->now_ns - *checked) / 1000000000);

	return arena_printf(b->a, "pull policy %s, checked %s ago", policy, ago);
}

int plan_add_image(struct builder *b, enum op_kind kind, const struct service *s, const char *ref, const char *cause)
{
	int op;

	for (size_t i = 0; i < b->plan->n; i++) /* another service uses it too */
		if (b->plan->ops[i].kind == kind && streq(b->plan->ops[i].name, ref))
			return (int)i;
	op = plan_add(b, kind, PHASE_IMAGE, ref, cause);
	plan_op(b, op)->service = s;
	plan_op(b, op)->service_name = s->name;
	plan_op(b, op)->platform = s->platform;
	return op;
}

/* Services that are named, and with include_deps what they depend on. */
static bool is_meant(const struct builder *b, const struct view *v)
{
	if (!v->s || v->s->provider || v->s->disabled)
		return false;
	return b->opt->include_deps ? v->active : builder_named(b, v->name) && v->active;
}

static void plan_service(struct builder *b, const struct view *v)
{
	const char *ref = service_image(v->s), *policy = pull_policy_of(b, v->s), *due;
	bool here = map_has(&b->o->images, ref);

	if (streq(policy, "never") || streq(policy, "build") || !ref)
		return;
	if (v->s->build && (b->opt->ignore_buildable || !v->s->image))
		return;
	due = here ? pull_due(b, ref, policy) : "not present";
	if (b->opt->only_due)
		due = here && !v->s->build ? due : NULL;
	else if (!due && !streq(policy, "missing") && !streq(policy, "if_not_present"))
		due = policy_age(policy) < 0 ? "pull" : NULL;
	if (due)
		plan_add_image(b, OP_IMAGE_PULL, v->s, ref, due);
}

int plan_pull(const struct project *p, const struct observed *o, const struct plan_options *opt, struct plan **ret, struct err *e)
{
	struct builder b;
	int r = builder_init(&b, p, o, opt, e);

	for (size_t i = 0; r >= 0 && i < b.nviews; i++)
		if (is_meant(&b, &b.views[i]))
			plan_service(&b, &b.views[i]);
	if (r >= 0)
		b.plan->carry_on = opt->carry_on;
	return builder_end(&b, r, ret);
}

struct plan *plan_pull_refs(const struct strv *refs, const char *platform)
{
	struct plan *p = xcalloc(1, sizeof *p);
	struct builder b = { .plan = p };

	p->arena = b.a = arena_new();
	p->project = "";
	p->carry_on = true;
	for (size_t i = 0; i < refs->n; i++) {
		int op = plan_add(&b, OP_IMAGE_PULL, PHASE_IMAGE, refs->v[i], "pull");

		plan_op(&b, op)->platform = platform ? arena_strdup(b.a, platform) : NULL;
	}
	return p;
}
