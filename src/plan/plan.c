/* SPDX-License-Identifier: MIT
 *
 * Building a plan: operations, views of services, the waits between them. What is wanted is in plan_up.c and plan_down.c.
 */
#include "plan/plan_build.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "compose/graph.h"

static const struct op_words words[OP_KINDS] = {
	[OP_IMAGE_PULL] = { "image", "pull", "Pulling", "Pulled" },
	[OP_IMAGE_BUILD] = { "image", "build", "Building", "Built" },
	[OP_IMAGE_REMOVE] = { "image", "remove", "Removing", "Removed" },
	[OP_NETWORK_CREATE] = { "network", "create", "Creating", "Created" },
	[OP_NETWORK_REMOVE] = { "network", "remove", "Removing", "Removed" },
	[OP_VOLUME_CREATE] = { "volume", "create", "Creating", "Created" },
	[OP_VOLUME_REMOVE] = { "volume", "remove", "Removing", "Removed" },
	[OP_CTR_CREATE] = { "container", "create", "Creating", "Created" },
	[OP_CTR_RECREATE] = { "container", "recreate", "Recreate", "Recreated" },
	[OP_CTR_START] = { "container", "start", "Starting", "Started" },
	[OP_CTR_STOP] = { "container", "stop", "Stopping", "Stopped" },
	[OP_CTR_RESTART] = { "container", "restart", "Restarting", "Started" },
	[OP_CTR_KILL] = { "container", "kill", "Killing", "Killed" },
	[OP_CTR_PAUSE] = { "container", "pause", "Pausing", "Paused" },
	[OP_CTR_UNPAUSE] = { "container", "unpause", "Unpausing", "Unpaused" },
	[OP_CTR_REMOVE] = { "container", "remove", "Removing", "Removed" },
	[OP_WAIT] = { "service", "wait", "Waiting", "Healthy" },
	[OP_PROJECT_REMOVE] = { "project", "forget", "Removing", "Removed" },
};

const struct op_words *op_words(enum op_kind kind)
{
	return &words[kind];
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	strv_done(&p->kept);
	strv_done(&p->warnings);
	arena_free(p->arena);
	free(p);
}

/* ---- operations ---- */

int plan_add(struct builder *b, enum op_kind kind, enum op_phase phase, const char *name, const char *cause)
{
	struct plan *p = b->plan;
	int i = (int)p->n;

	if (p->n == p->cap)
		arena_grow(b->a, &p->ops, p->n, &p->cap, sizeof *p->ops);
	p->ops[p->n++] = (struct op){
		.index = i, .kind = kind, .phase = phase, .name = arena_strdup(b->a, name), .cause = arena_strdup(b->a, cause),
		.make = OP_NONE,
	};
	return i;
}

int plan_add_ctr(struct builder *b, enum op_kind kind, enum op_phase phase, const struct observed_ctr *c, const char *cause)
{
	int i = plan_add(b, kind, phase, c->row.name, cause);
	struct op *op = plan_op(b, i);

	op->ctr = arena_strdup(b->a, c->row.id);
	op->service_name = c->row.service ? arena_strdup(b->a, c->row.service) : NULL;
	op->number = c->row.number;
	op->service = b->p && op->service_name ? project_service(b->p, op->service_name) : NULL;
	return i;
}

void plan_dep(struct builder *b, int op, int on, bool optional)
{
	struct op *o = plan_op(b, op);

	if (on == OP_NONE || on == op)
		return;
	for (size_t i = 0; i < o->ndeps; i++)
		if (o->deps[i].op == on) {
			o->deps[i].optional = o->deps[i].optional && optional;
			return;
		}
	if (o->ndeps == o->deps_cap)
		arena_grow(b->a, &o->deps, o->ndeps, &o->deps_cap, sizeof *o->deps);
	o->deps[o->ndeps++] = (struct op_dep){ .op = on, .optional = optional };
}

void plan_list(struct builder *b, int **v, size_t *n, size_t *cap, int op)
{
	if (*n == *cap)
		arena_grow(b->a, v, *n, cap, sizeof **v);
	(*v)[(*n)++] = op;
}

/* ---- views ---- */

struct view *builder_view(struct builder *b, const char *name)
{
	for (size_t i = 0; name && i < b->nviews; i++)
		if (streq(b->views[i].name, name))
			return &b->views[i];
	return NULL;
}

bool builder_names(const struct builder *b)
{
	return b->opt->services && b->opt->services->n;
}

bool builder_named(const struct builder *b, const char *service)
{
	const struct service *s;

	if (builder_names(b))
		return strv_has(b->opt->services, service);
	s = b->p ? project_service(b->p, service) : NULL;
	return !s || !s->off || b->opt->host;
}

static void view_init(struct view *v, const char *name)
{
	*v = (struct view){ .name = name, .scale = 1, .image_op = OP_NONE };
	for (size_t i = 0; i < ARRAY_LEN(v->waits); i++)
		v->waits[i] = OP_NONE;
}

static const char *after_service(const char *mode)
{
	return mode ? str_after(mode, "service:") : NULL;
}

static int views_of_project(struct builder *b, struct err *e)
{
	struct service **order = NULL;

	TRY(graph_order(b->p, &order, e));
	b->nviews = b->p->services.n;
	b->views = arena_alloc(b->a, b->nviews * sizeof *b->views);
	for (size_t i = 0; i < b->nviews; i++) {
		view_init(&b->views[i], order[i]->name);
		b->views[i].s = order[i];
		b->views[i].active = !order[i]->disabled;
	}
	for (size_t i = 0; i < b->nviews; i++) {
		struct view *v = &b->views[i];
		const char *net = after_service(v->s->network_mode);

		v->deps = arena_alloc(b->a, v->s->depends_on.n * sizeof *v->deps);
		for (size_t k = 0; k < v->s->depends_on.n; k++) {
			const struct dependency *d = &v->s->depends_on.v[k];

			v->deps[v->ndeps++] = (struct view_dep){
				.on = builder_view(b, d->name), .condition = d->condition, .required = d->required, .restart = d->restart,
				.keeps_running = d->implied && net && streq(net, d->name),
			};
		}
	}
	return 0;
}

static const struct {
	const char *name;
	enum dep_condition condition;
} conditions[] = {
	{ "service_started", DEP_STARTED }, { "service_healthy", DEP_HEALTHY }, { "service_completed_successfully", DEP_COMPLETED },
};

static void view_visit(struct builder *b, struct view *v)
{
	if (v->visited)
		return;
	v->visiting = true;
	for (size_t i = 0; i < v->ndeps; i++) {
		if (v->deps[i].on && v->deps[i].on->visiting)
			v->deps[i].on = NULL; /* a cycle in labels, of containers of different times: any order serves */
		if (v->deps[i].on)
			view_visit(b, v->deps[i].on);
	}
	v->visiting = false;
	v->visited = true;
	b->views[b->nviews++] = *v;
}

static struct view *view_named(struct view *views, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (streq(views[i].name, name))
			return &views[i];
	return NULL;
}

/* By name alone: one view for each service that has a container, in the order that their labels tell. */
static void views_of_labels(struct builder *b)
{
	const struct observed *o = b->o;
	struct view *found = arena_alloc(b->a, (o->nctrs + 1) * sizeof *found);
	size_t n = 0;

	for (size_t i = 0; i < o->nctrs; i++) {
		const char *service = str0(o->ctrs[i].row.service);

		if (view_named(found, n, service))
			continue;
		view_init(&found[n], arena_strdup(b->a, service));
		found[n++].active = true;
	}
	for (size_t i = 0; i < o->nctrs; i++) {
		const struct observed_ctr *c = &o->ctrs[i];
		struct view *v = view_named(found, n, str0(c->row.service));

		if (v->ndeps || !c->ndeps)
			continue;
		v->deps = arena_alloc(b->a, c->ndeps * sizeof *v->deps);
		for (size_t k = 0; k < c->ndeps; k++) {
			struct view_dep d = { .on = view_named(found, n, c->deps[k].service), .restart = c->deps[k].restart };

			for (size_t m = 0; m < ARRAY_LEN(conditions); m++)
				if (streq(conditions[m].name, c->deps[k].condition))
					d.condition = conditions[m].condition;
			v->deps[v->ndeps++] = d;
		}
	}
	b->views = arena_alloc(b->a, (n + 1) * sizeof *b->views);
	for (size_t i = 0; i < n; i++)
		view_visit(b, &found[i]);
	for (size_t i = 0; i < b->nviews; i++) /* the copies know each other, not the originals */
		for (size_t k = 0; k < b->views[i].ndeps; k++)
			if (b->views[i].deps[k].on)
				b->views[i].deps[k].on = builder_view(b, b->views[i].deps[k].on->name);
}

static void views_fill(struct builder *b)
{
	for (size_t i = 0; i < b->nviews; i++) {
		struct view *v = &b->views[i];

		v->named = v->active && builder_named(b, v->name);
		v->ctrs = arena_alloc(b->a, (b->o->nctrs + 1) * sizeof *v->ctrs);
		for (size_t k = 0; k < b->o->nctrs; k++)
			if (!b->o->ctrs[k].row.oneoff && streq(str0(b->o->ctrs[k].row.service), v->name))
				v->ctrs[v->nctrs++] = &b->o->ctrs[k];
	}
}

int builder_init(struct builder *b, const struct project *p, const struct observed *o, const struct plan_options *opt, struct err *e)
{
	*b = (struct builder){ .p = p, .o = o, .opt = opt, .a = arena_new() };
	b->plan = xcalloc(1, sizeof *b->plan);
	b->plan->arena = b->a;
	b->plan->project = arena_strdup(b->a, o->project);
	b->plan->host = opt->host;
	b->plan->stop_timeout_ns = opt->stop_timeout_ns;
	b->plan->wait_timeout_ns = opt->wait_timeout_ns;
	if (p)
		TRY(views_of_project(b, e));
	else
		views_of_labels(b);
	views_fill(b);
	return 0;
}

/* By phase, and within it dependencies before what needs them, else in the order of planning: so the text reads from top to bottom, and
 * apply launches in that order. */
static void sort(struct builder *b)
{
	struct plan *p = b->plan;
	struct op *out = arena_alloc(b->a, (p->n + 1) * sizeof *out);
	int *place = arena_alloc(b->a, (p->n + 1) * sizeof *place);
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		place[i] = OP_NONE;
	for (int phase = 0; phase < PHASES; phase++)
		for (bool again = true; again;) {
			again = false;
			for (size_t i = 0; i < p->n; i++) {
				const struct op *op = &p->ops[i];
				bool ready = op->phase == (enum op_phase)phase && place[i] == OP_NONE;

				for (size_t k = 0; ready && k < op->ndeps; k++)
					ready = place[op->deps[k].op] != OP_NONE;
				if (!ready)
					continue;
				place[i] = (int)n;
				out[n++] = *op;
				again = true;
			}
		}
	BUG_ON(n != p->n); /* a cycle */
	for (size_t i = 0; i < n; i++) {
		out[i].index = (int)i;
		if (out[i].make != OP_NONE)
			out[i].make = place[out[i].make];
		for (size_t k = 0; k < out[i].ndeps; k++)
			out[i].deps[k].op = place[out[i].deps[k].op];
	}
	p->ops = out;
}

int builder_end(struct builder *b, int r, struct plan **ret)
{
	if (r < 0) {
		plan_free(b->plan);
		return r;
	}
	sort(b);
	*ret = b->plan;
	return r;
}

/* ---- waits ---- */

static const char *const condition_causes[] = {
	[WAIT_STARTED] = "running or healthy", [WAIT_HEALTHY] = "healthy", [WAIT_COMPLETED] = "completed successfully",
};

int plan_wait(struct builder *b, struct view *v, enum op_condition condition, enum op_phase phase)
{
	int i = v->waits[condition];
	struct op *op;

	if (i != OP_NONE)
		return i;
	i = plan_add(b, OP_WAIT, phase, v->name, condition_causes[condition]);
	op = plan_op(b, i);
	op->condition = condition;
	op->optional = true;
	op->service = v->s;
	op->service_name = v->name;
	for (size_t k = 0; k < v->nstarts; k++)
		plan_dep(b, i, v->starts[k], false);
	v->waits[condition] = i;
	return i;
}

/* Nobody waits for a service that has no container here. */
static bool view_waited_for(const struct view *v)
{
	return v->active && v->scale > 0 && !(v->s && v->s->provider) && (v->nctrs || v->nstarts || v->nmakes);
}

void plan_start_deps(struct builder *b, struct view *v, bool waits)
{
	for (size_t k = 0; k < v->ndeps; k++) {
		const struct view_dep *d = &v->deps[k];
		struct view *on = d->on;
		bool required = d->required && !b->opt->host;
		int wait = OP_NONE;

		if (!on || !view_waited_for(on) || (on->nstarts == 0 && (v->nstarts == 0 || b->opt->host)))
			continue;
		if (waits && d->condition != DEP_STARTED)
			wait = plan_wait(b, on, d->condition == DEP_HEALTHY ? WAIT_HEALTHY : WAIT_COMPLETED, PHASE_START);
		if (wait != OP_NONE && required)
			plan_op(b, wait)->optional = false;
		for (size_t i = 0; i < v->nstarts; i++) {
			plan_dep(b, v->starts[i], wait, !required);
			for (size_t m = 0; wait == OP_NONE && m < on->nstarts; m++)
				plan_dep(b, v->starts[i], on->starts[m], !required);
		}
	}
}
