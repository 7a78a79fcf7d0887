/* SPDX-License-Identifier: MIT
 *
 * `down`, and the commands that only turn what is there on and off: stop, start, restart, kill, pause, unpause, rm.
 */
#include "plan/plan_build.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include <errno.h>

/* ---- down ---- */

/* Of a named service, or of any; without a file every container of the project is meant, with one those of its services, but for profiles that
 * are not on. */
static bool goes_down(const struct builder *b, const struct observed_ctr *c)
{
	const char *service = str0(c->row.service);
	const struct service *s = b->p ? project_service(b->p, service) : NULL;

	return builder_named(b, service) && (builder_names(b) || !b->p || b->opt->remove_orphans || s);
}

/* Stops in reverse order: what depends on a service ends before it does. */
static void order_stops(struct builder *b)
{
	for (size_t i = 0; i < b->nviews; i++)
		for (size_t k = 0; k < b->views[i].ndeps; k++) {
			const struct view *v = &b->views[i], *on = b->views[i].deps[k].on;

			for (size_t m = 0; on && m < on->nstops; m++)
				for (size_t j = 0; j < v->nstops; j++)
					plan_dep(b, on->stops[m], v->stops[j], false);
		}
}

static void add_stop(struct builder *b, struct view *v, int op)
{
	if (v)
		plan_list(b, &v->stops, &v->nstops, &v->stops_cap, op);
}

struct removal {
	const struct observed_ctr *c;
	int op;
};

static struct removal down_container(struct builder *b, struct view *v, const struct observed_ctr *c)
{
	const char *cause = b->p && !v ? "orphan" : "down";
	int stop = observed_running(c) ? plan_add_ctr(b, OP_CTR_STOP, PHASE_CREATE, c, cause) : OP_NONE;
	int rm = plan_add_ctr(b, OP_CTR_REMOVE, PHASE_CREATE, c, cause);

	if (stop != OP_NONE)
		add_stop(b, v, stop);
	plan_op(b, rm)->volumes = b->opt->volumes;
	plan_dep(b, rm, stop, false);
	return (struct removal){ c, rm };
}

static size_t down_containers(struct builder *b, struct removal *out)
{
	size_t n = 0;

	for (size_t i = 0; i < b->o->nctrs; i++) /* orphans: nothing depends on them */
		if (goes_down(b, &b->o->ctrs[i]) && !builder_view(b, str0(b->o->ctrs[i].row.service)))
			out[n++] = down_container(b, NULL, &b->o->ctrs[i]);
	for (size_t k = b->nviews; k-- > 0;)
		for (size_t i = 0; i < b->o->nctrs; i++)
			if (goes_down(b, &b->o->ctrs[i]) && streq(b->views[k].name, str0(b->o->ctrs[i].row.service)))
				out[n++] = down_container(b, &b->views[k], &b->o->ctrs[i]);
	return n;
}

static bool removed(const struct removal *l, size_t n, const struct observed_ctr *c)
{
	for (size_t i = 0; i < n; i++)
		if (l[i].c == c)
			return true;
	return false;
}

static bool uses(const struct service *s, const struct network *net, const struct volume *vol)
{
	for (size_t i = 0; net && i < s->networks.n; i++)
		if (streq(s->networks.v[i].name, net->key))
			return true;
	for (size_t i = 0; vol && i < s->volumes.n; i++)
		if (s->volumes.v[i].type == MOUNT_VOLUME && streq0(s->volumes.v[i].source, vol->key))
			return true;
	return false;
}

/* Used by services of profiles that are not on, and by no other. */
static bool only_off(const struct builder *b, const struct network *net, const struct volume *vol)
{
	bool off = false;

	for (size_t i = 0; i < b->p->services.n; i++) {
		const struct service *s = &b->p->services.v[i];

		if (!builder_named(b, s->name) && !builder_names(b))
			off = off || uses(s, net, vol);
		else if (uses(s, net, vol))
			return false;
	}
	return off;
}

/* Networks of the project (declared ones when there is a file) go when nobody stays on them; who stays is told. */
static void down_networks(struct builder *b, const struct removal *l, size_t n)
{
	for (size_t i = 0; i < b->o->networks.n; i++) {
		const struct network_row *row = &b->o->networks.v[i];
		const struct network *net = b->p && row->key ? project_network(b->p, row->key) : NULL;
		bool used = false;
		int op;

		if (!streq0(row->project, b->o->project) || (net && (net->external || only_off(b, net, NULL))))
			continue;
		if (b->p && !net && !b->opt->remove_orphans)
			continue;
		for (size_t k = 0; k < b->o->nctrs; k++)
			for (size_t m = 0; m < b->o->ctrs[k].nnetworks; m++)
				used = used || (b->o->ctrs[k].networks[m] == row->id && !removed(l, n, &b->o->ctrs[k]));
		if (used) {
			strv_addf(&b->plan->warnings, "network %s: resource is still in use", row->name);
			continue;
		}
		op = plan_add(b, OP_NETWORK_REMOVE, PHASE_LAST, row->name, "down");
		plan_op(b, op)->network_id = row->id;
		plan_op(b, op)->network = net;
		for (size_t k = 0; k < n; k++)
			for (size_t m = 0; m < l[k].c->nnetworks; m++)
				if (l[k].c->networks[m] == row->id)
					plan_dep(b, op, l[k].op, false);
	}
}

static void down_volumes(struct builder *b, const struct removal *l, size_t n)
{
	for (size_t i = 0; b->opt->volumes && i < b->o->volumes.n; i++) {
		const struct volume_row *row = &b->o->volumes.v[i];
		const struct volume *vol = b->p && row->key ? project_volume(b->p, row->key) : NULL;
		bool used = false;
		int op;

		if (!streq0(row->project, b->o->project) || row->anonymous || (vol && (vol->external || only_off(b, NULL, vol))) || (b->p && !vol))
			continue;
		for (size_t k = 0; k < b->o->nctrs; k++)
			used = used || (strv_has(&b->o->ctrs[k].volumes, row->name) && !removed(l, n, &b->o->ctrs[k]));
		if (used) {
			strv_addf(&b->plan->warnings, "volume %s: resource is still in use", row->name);
			continue;
		}
		op = plan_add(b, OP_VOLUME_REMOVE, PHASE_LAST, row->name, "--volumes");
		plan_op(b, op)->volume = vol;
		for (size_t k = 0; k < n; k++)
			if (strv_has(&l[k].c->volumes, row->name))
				plan_dep(b, op, l[k].op, false);
	}
}

/* Is REF a name that nobody chose: that of an image built for SERVICE? */
static bool is_local_image(const struct builder *b, const char *ref, const char *service)
{
	return service && streq(ref, arena_printf(b->a, "%s-%s", b->o->project, service));
}

static void down_image(struct builder *b, const char *ref, const char *service, const struct removal *l, size_t n)
{
	int op;

	if (!ref || (streq(b->opt->rmi, "local") && !is_local_image(b, ref, service)))
		return;
	for (size_t i = 0; i < b->plan->n; i++)
		if (b->plan->ops[i].kind == OP_IMAGE_REMOVE && streq(b->plan->ops[i].name, ref))
			return;
	op = plan_add(b, OP_IMAGE_REMOVE, PHASE_LAST, ref, streq(b->opt->rmi, "local") ? "--rmi local" : "--rmi all");
	for (size_t k = 0; k < n; k++)
		plan_dep(b, op, l[k].op, false);
}

static int down_images(struct builder *b, const struct removal *l, size_t n, struct err *e)
{
	if (!b->opt->rmi)
		return 0;
	if (!streq(b->opt->rmi, "all") && !streq(b->opt->rmi, "local"))
		return err_set(e, EINVAL, "--rmi '%s': must be 'all' or 'local'", b->opt->rmi);
	for (size_t i = 0; b->p && i < b->nviews; i++)
		if (builder_named(b, b->views[i].name) && map_has(&b->o->images, service_image(b->views[i].s)))
			down_image(b, service_image(b->views[i].s), b->views[i].name, l, n);
	for (size_t i = 0; i < n; i++)
		down_image(b, l[i].c->row.image_ref, l[i].c->row.service, l, n);
	return 0;
}

static int build_down(struct builder *b, struct err *e)
{
	struct removal *l = arena_alloc(b->a, (b->o->nctrs + 1) * sizeof *l);
	size_t n = down_containers(b, l), before;
	bool all = n == b->o->nctrs;

	order_stops(b);
	before = b->plan->n;
	if (!b->opt->services || b->opt->services->n == 0 || all)
		down_networks(b, l, n);
	down_volumes(b, l, n);
	TRY(down_images(b, l, n, e));
	if (all && b->plan->n) {
		int op = plan_add(b, OP_PROJECT_REMOVE, PHASE_LAST, b->o->project, "nothing is left of it");

		for (size_t i = 0; i < n; i++)
			plan_dep(b, op, l[i].op, false);
		for (size_t i = before; i < b->plan->n; i++)
			plan_dep(b, op, (int)i, false);
	}
	return 0;
}

int plan_down(const struct project *p, const struct observed *o, const struct plan_options *opt, struct plan **ret, struct err *e)
{
	struct builder b;
	int r = builder_init(&b, p, o, opt, e);

	b.plan->carry_on = true;
	if (r >= 0)
		r = build_down(&b, e);
	return builder_end(&b, r, ret);
}

/* ---- stop, start, restart, kill, pause, unpause, rm ---- */

static bool is_running(const struct observed_ctr *c)
{
	return observed_running(c);
}
static bool is_stopped(const struct observed_ctr *c)
{
	return !observed_running(c);
}
static bool is_any(const struct observed_ctr *c)
{
	return c->row.state != CTR_REMOVING;
}
static bool is_paused(const struct observed_ctr *c)
{
	return c->row.state == CTR_PAUSED;
}
static bool is_active(const struct observed_ctr *c)
{
	return observed_running(c) && c->row.state != CTR_PAUSED;
}

enum direction { ANY_ORDER, FORWARD, BACKWARD };
static const struct {
	bool (*wants)(const struct observed_ctr *c);
	enum direction order;
	const char *cause;
} kinds[OP_KINDS] = {
	[OP_CTR_STOP] = { is_running, BACKWARD, "running" },
	[OP_CTR_START] = { is_stopped, FORWARD, "not running" },
	[OP_CTR_RESTART] = { is_any, FORWARD, "restart" },
	[OP_CTR_KILL] = { is_running, ANY_ORDER, "running" },
	[OP_CTR_PAUSE] = { is_active, ANY_ORDER, "running" },
	[OP_CTR_UNPAUSE] = { is_paused, ANY_ORDER, "paused" },
	[OP_CTR_REMOVE] = { is_stopped, ANY_ORDER, "stopped" },
};

static void order_starts(struct builder *b, bool waits)
{
	for (size_t i = 0; i < b->nviews; i++)
		plan_start_deps(b, &b->views[i], waits);
}

static bool is_off(const struct view *v)
{
	return v->s && v->s->off;
}

/* `restart S` takes along those that asked for it: depends_on S with restart: true. */
static bool goes_with(const struct builder *b, const struct view *v)
{
	for (size_t i = 0; !b->opt->no_deps && i < v->ndeps; i++)
		if (v->deps[i].restart && v->deps[i].on && v->deps[i].on->named)
			return true;
	return false;
}

static void select_restarts(struct builder *b)
{
	for (size_t i = 0; i < b->nviews; i++) /* dependencies come first, so one pass carries it on */
		if (b->views[i].active && !is_off(&b->views[i]) && !b->views[i].named && goes_with(b, &b->views[i]))
			b->views[i].named = true;
}

/* `start S` takes along what S depends on, as far as it has containers. */
static void select_starts(struct builder *b)
{
	for (size_t i = b->nviews; i-- > 0;) /* dependencies come first, so one pass from the end carries it on */
		for (size_t k = 0; b->views[i].named && k < b->views[i].ndeps; k++) {
			struct view *on = b->views[i].deps[k].on;

			if (on && on->active && !is_off(on) && on->nctrs)
				on->named = true;
		}
}

static int add_one(struct builder *b, enum op_kind kind, struct view *v, const struct observed_ctr *c)
{
	int op = OP_NONE, stop = OP_NONE;

	if (kind == OP_CTR_REMOVE && b->opt->stop && observed_running(c)) {
		stop = plan_add_ctr(b, OP_CTR_STOP, PHASE_CREATE, c, "--stop");
		add_stop(b, v, stop);
	} else if (!kinds[kind].wants(c)) {
		return OP_NONE;
	}
	op = plan_add_ctr(b, kind, PHASE_START, c, kinds[kind].cause);
	plan_dep(b, op, stop, false);
	plan_op(b, op)->volumes = b->opt->volumes;
	plan_op(b, op)->signal = b->opt->signal;
	if (kind == OP_CTR_STOP)
		add_stop(b, v, op);
	else if (kind == OP_CTR_START || kind == OP_CTR_RESTART)
		plan_list(b, &v->starts, &v->nstarts, &v->starts_cap, op);
	return op;
}

/* `start` needs something to start. */
static int check_start(const struct builder *b, const struct view *v, struct err *e)
{
	if (!v->s || v->nctrs || v->s->provider || service_replicas(v->s) == 0)
		return 0;
	err_set(e, ENOENT, "service \"%s\" has no container to start", v->name);
	err_hint(e, "'gantry up -d %s' makes it", v->name);
	(void)b;
	return -ENOENT;
}

/* rm is how they go, and with the host they end as everything does. */
static void add_oneoffs(struct builder *b, enum op_kind kind)
{
	for (size_t i = 0; i < b->o->nctrs; i++) {
		const struct observed_ctr *c = &b->o->ctrs[i];
		struct view *v = builder_view(b, c->row.service);

		if (c->row.oneoff && v && v->named)
			add_one(b, kind, v, c);
	}
}

static int build_services(struct builder *b, enum op_kind kind, struct err *e)
{
	if (kind == OP_CTR_RESTART)
		select_restarts(b);
	else if (kind == OP_CTR_START)
		select_starts(b);
	for (size_t i = 0; i < b->nviews; i++) {
		/* what is listed last goes first, so that the text reads in the order of things */
		struct view *v = &b->views[kinds[kind].order == BACKWARD ? b->nviews - 1 - i : i];

		if (!v->named)
			continue;
		if (kind == OP_CTR_START)
			TRY(check_start(b, v, e));
		for (size_t k = 0; k < v->nctrs; k++)
			if (!b->opt->ids || strv_has(b->opt->ids, v->ctrs[k]->row.id))
				add_one(b, kind, v, v->ctrs[k]);
	}
	if (kind == OP_CTR_REMOVE || (kind == OP_CTR_STOP && b->opt->host))
		add_oneoffs(b, kind);
	if (kinds[kind].order == FORWARD)
		order_starts(b, kind == OP_CTR_START);
	else
		order_stops(b);
	for (size_t i = 0; kind == OP_CTR_START && b->opt->wait && i < b->nviews; i++)
		if (b->views[i].named && b->views[i].nctrs)
			plan_op(b, plan_wait(b, &b->views[i], WAIT_STARTED, PHASE_LAST))->optional = false;
	return 0;
}

int plan_services(enum op_kind kind, const struct project *p, const struct observed *o, const struct plan_options *opt, struct plan **ret,
		  struct err *e)
{
	struct builder b;
	int r;

	if (!kinds[kind].wants)
		BUG("no such command");
	r = builder_init(&b, p, o, opt, e);
	b.plan->carry_on = true;
	if (r >= 0)
		r = build_services(&b, kind, e);
	return builder_end(&b, r, ret);
}
