/* SPDX-License-Identifier: MIT
 *
 * What `up` and `create` do, by compose.md §34: images, networks, volumes, then per service (dependencies first) which containers stay, which
 * are made anew and why, which are missing, which are too many; then what has to be started, and what that waits for.
 */
#include "plan/plan_build.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include <errno.h>

/* ---- images ---- */

static int image_missing(struct builder *b, struct view *v, const char *ref, const char *policy, struct err *e)
{
	if (streq(policy, "never")) {
		err_set(e, ENOENT, "service '%s': image '%s' is not present, and pull_policy is 'never'", v->name, ref);
		err_hint(e, "fetch it once with 'gantry image pull %s', or bring it with 'gantry image load'", ref);
		return -ENOENT;
	}
	v->image_op = plan_add_image(b, OP_IMAGE_PULL, v->s, ref, "not present");
	return 0;
}

/* Why V's image is to be built; NULL: it is not. As cli/build_services.c does it. */
static const char *build_due(const struct builder *b, const struct view *v, const char *ref, const char *policy)
{
	if (!v->s->build || !b->opt->builds || b->opt->no_build)
		return NULL;
	if (b->opt->build)
		return "--build";
	if (streq(policy, "build"))
		return "pull_policy: build";
	return map_has(&b->o->images, ref) || (v->s->image && streq(policy, "always")) ? NULL : "not present";
}

static int plan_image(struct builder *b, struct view *v, struct err *e)
{
	const char *ref = service_image(v->s), *policy = pull_policy_of(b, v->s), *due = build_due(b, v, ref, policy);

	if (due) {
		v->image_op = plan_add_image(b, OP_IMAGE_BUILD, v->s, ref, due);
		return 0;
	}
	if (!map_has(&b->o->images, ref))
		return image_missing(b, v, ref, policy, e);
	due = b->opt->pulled || v->s->build ? NULL : pull_due(b, ref, policy);
	if (due)
		v->image_op = plan_add_image(b, OP_IMAGE_PULL, v->s, ref, due);
	return 0;
}

/* ---- networks and volumes ---- */

/* The containers on NET must be off before it can be made anew. Their services recreate them later (lost_network). */
static void network_replace(struct builder *b, const struct network *n, const struct network_row *row, const char *cause)
{
	int rm = plan_add(b, OP_NETWORK_REMOVE, PHASE_CLEAR, row->name, cause);

	plan_op(b, rm)->network_id = row->id;
	plan_op(b, rm)->network = n;
	for (size_t i = 0; i < b->o->nctrs; i++) {
		const struct observed_ctr *c = &b->o->ctrs[i];

		for (size_t k = 0; k < c->nnetworks; k++)
			if (c->networks[k] == row->id && observed_running(c))
				plan_dep(b, rm, plan_add_ctr(b, OP_CTR_STOP, PHASE_CLEAR, c,
							     arena_printf(b->a, "network %s is replaced", row->name)), false);
	}
}

static int plan_network(struct builder *b, const struct network *n, struct err *e)
{
	const struct network_row *row = observed_network(b->o, n->name);
	char hash[PROJECT_HASH_MAX];
	const char *cause = "not there";

	if (n->external) {
		if (row)
			return 0;
		err_set(e, ENOENT, "network %s declared as external, but could not be found", n->name);
		err_hint(e, "make it with 'gantry network create %s', or drop 'external'", n->name);
		return -ENOENT;
	}
	TRY(project_hash_network(b->p, n, hash, e));
	if (row && !row->deleting) {
		if (!streq0(row->project, b->p->name)) {
			strv_addf(&b->plan->warnings, "a network with name %s exists but was not created by this project; "
				  "set 'external: true' to use an existing network", n->name);
			return 0;
		}
		if (!row->hash || streq(row->hash, hash))
			return 0;
	}
	if (row) {
		cause = row->deleting ? "its removal was interrupted" : "configuration changed";
		network_replace(b, n, row, cause);
	}
	plan_op(b, plan_add(b, OP_NETWORK_CREATE, PHASE_CREATE, n->name, cause))->network = n;
	return 0;
}

static int plan_volume(struct builder *b, const struct volume *v, struct err *e)
{
	const struct volume_row *row = observed_volume(b->o, v->name);
	char hash[PROJECT_HASH_MAX];
	const char *cause = "not there";

	if (v->external) {
		if (row)
			return 0;
		err_set(e, ENOENT, "external volume \"%s\" not found", v->name);
		err_hint(e, "make it with 'gantry volume create %s', or drop 'external'", v->name);
		return -ENOENT;
	}
	TRY(project_hash_volume(b->p, v, hash, e));
	if (row && !row->deleting) {
		if (v->outside)
			return 0;
		if (!streq0(row->project, b->p->name))
			strv_addf(&b->plan->warnings, "volume \"%s\" already exists but was not created by this project; "
				  "use 'external: true' to use an existing volume", v->name);
		else if (row->hash && !streq(row->hash, hash))
			strv_addf(&b->plan->warnings, "volume \"%s\" exists but does not match its configuration; it is used as it is: "
				  "to make it anew, remove it first (its data is lost)", v->name);
		return 0;
	}
	if (row) {
		cause = "its removal was interrupted";
		plan_add(b, OP_VOLUME_REMOVE, PHASE_CLEAR, v->name, cause);
	}
	plan_op(b, plan_add(b, OP_VOLUME_CREATE, PHASE_CREATE, v->name, cause))->volume = v;
	return 0;
}

static int plan_resources(struct builder *b, struct err *e)
{
	for (size_t i = 0; i < b->p->networks.n; i++)
		if (b->p->networks.v[i].used)
			TRY(plan_network(b, &b->p->networks.v[i], e));
	for (size_t i = 0; i < b->p->volumes.n; i++)
		if (b->p->volumes.v[i].used)
			TRY(plan_volume(b, &b->p->volumes.v[i], e));
	return 0;
}

/* Is NAME replaced or made by this plan? */
static bool made_here(const struct builder *b, enum op_kind kind, const char *name)
{
	for (size_t i = 0; i < b->nresources; i++)
		if (b->plan->ops[i].kind == kind && streq(b->plan->ops[i].name, name))
			return true;
	return false;
}

/* ---- why a container has to be made anew ---- */

static const char *lost_network(struct builder *b, const struct view *v, const struct observed_ctr *c)
{
	for (size_t i = 0; i < v->s->networks.n; i++) {
		const struct network *n = project_network(b->p, v->s->networks.v[i].name);
		const struct network_row *row = n ? observed_network(b->o, n->name) : NULL;
		bool joined = false;

		for (size_t k = 0; row && k < c->nnetworks; k++)
			joined = joined || c->networks[k] == row->id;
		if (n && (!joined || made_here(b, OP_NETWORK_CREATE, n->name)))
			return arena_printf(b->a, "network %s", n->name);
	}
	return NULL;
}

static const char *lost_volume(struct builder *b, const struct view *v, const struct observed_ctr *c)
{
	for (size_t i = 0; i < v->s->volumes.n; i++) {
		const struct mount *m = &v->s->volumes.v[i];
		const struct volume *vol = m->type == MOUNT_VOLUME && m->source ? project_volume(b->p, m->source) : NULL;

		if (vol && (!strv_has(&c->volumes, vol->name) || made_here(b, OP_VOLUME_CREATE, vol->name)))
			return arena_printf(b->a, "volume %s", vol->name);
	}
	return NULL;
}

/* Namespaces and mounts that come from another service's container are its id's, not its name's. The network is not among them: the
 * sandbox survives a recreate. */
static const char *lost_parent(struct builder *b, const struct view *v)
{
	const char *const modes[] = { v->s->pid, v->s->ipc };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		const char *name = modes[i] ? str_after(modes[i], "service:") : NULL;
		struct view *on = builder_view(b, name);

		if (on && on->recreated)
			return arena_printf(b->a, "%s is recreated", name);
	}
	for (size_t i = 0; i < v->s->volumes_from.n; i++) {
		auto_free char *name = xstrdup(v->s->volumes_from.v[i]);
		struct view *on;

		name[strcspn(name, ":")] = '\0';
		on = builder_view(b, name);
		if (on && on->recreated)
			return arena_printf(b->a, "%s is recreated", name);
	}
	return NULL;
}

static const char *config_cause(struct builder *b, const struct view *v, const struct observed_ctr *c)
{
	auto_free char *diff = NULL;

	if (!c->row.hash)
		return "its configuration is not known";
	if (streq(c->row.hash, v->hash))
		return NULL;
	diff = c->row.config ? service_diff(b->p, v->s, c->row.config) : NULL;
	return diff && *diff ? arena_strdup(b->a, diff) : "configuration";
}

static const char *diverged(struct builder *b, const struct view *v, const struct observed_ctr *c)
{
	const char *id = map_get(&b->o->images, service_image(v->s));
	const char *cause = config_cause(b, v, c);

	if (!cause && v->image_op == OP_NONE && id && !streq0(c->row.image_id, id))
		cause = "image";
	if (!cause)
		cause = lost_network(b, v, c);
	if (!cause)
		cause = lost_volume(b, v, c);
	if (!cause)
		cause = lost_parent(b, v);
	return cause;
}

/* NULL: stays. */
static const char *recreate_cause(struct builder *b, const struct view *v, const struct observed_ctr *c)
{
	const struct plan_options *o = b->opt;

	if (v->named ? o->force_recreate : o->always_recreate_deps)
		return v->named ? "--force-recreate" : "--always-recreate-deps";
	if (o->no_recreate)
		return NULL;
	return diverged(b, v, c);
}

/* ---- containers of a service ---- */

static int64_t wanted_scale(const struct builder *b, const struct service *s)
{
	for (size_t i = 0; i < b->opt->nscale; i++)
		if (streq(b->opt->scale[i].service, s->name))
			return b->opt->scale[i].n;
	return service_replicas(s);
}

static const char *container_name(struct builder *b, const struct service *s, int64_t number)
{
	if (s->container_name)
		return s->container_name;
	return arena_printf(b->a, "%s-%s-%lld", b->p->name, s->name, (long long)number);
}

/* "<12 hex>_<name>": the new one of a recreate that did not come to its end (compose.md §33). */
static bool is_temporary(const struct observed_ctr *c)
{
	return strspn(c->row.name, "0123456789abcdef") == 12 && c->row.name[12] == '_';
}

static bool is_going(const struct observed_ctr *c)
{
	return c->row.state == CTR_REMOVING || c->row.state == CTR_DEAD;
}

/* Is the one that C was to replace still whole? If not, C is what is left of the two, with its volumes. */
static bool same_number(const struct view *v, const struct observed_ctr *c)
{
	for (size_t i = 0; i < v->nctrs; i++)
		if (v->ctrs[i] != c && v->ctrs[i]->row.number == c->row.number && !is_temporary(v->ctrs[i]) && !is_going(v->ctrs[i]))
			return true;
	return false;
}

/* Stop (when it runs) and remove. */
static void plan_remove(struct builder *b, const struct observed_ctr *c, enum op_phase phase, const char *cause)
{
	int stop = observed_running(c) ? plan_add_ctr(b, OP_CTR_STOP, phase, c, cause) : OP_NONE;

	plan_dep(b, plan_add_ctr(b, OP_CTR_REMOVE, phase, c, cause), stop, false);
}

/* Left over from an interrupted recreate or removal: goes, and counts for nothing. */
static const char *leftover_cause(const struct view *v, const struct observed_ctr *c)
{
	if (is_going(c))
		return "its removal was interrupted";
	if (is_temporary(c) && same_number(v, c))
		return "left over from an interrupted recreate";
	return NULL;
}

struct candidate {
	const struct observed_ctr *c;
	const char *cause;           /* why it is to be made anew, NULL: it stays */
};

static int by_worth(const void *pa, const void *pb)
{
	const struct candidate *a = pa, *b = pb;

	if (!a->cause != !b->cause)
		return a->cause ? 1 : -1;
	return (a->c->row.number > b->c->row.number) - (a->c->row.number < b->c->row.number);
}

static void link_creation(struct builder *b, struct view *v, int op)
{
	const char *const modes[] = { v->s->network_mode, v->s->pid, v->s->ipc };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		struct view *on = builder_view(b, modes[i] ? str_after(modes[i], "service:") : NULL);

		for (size_t k = 0; on && k < on->nmakes; k++)
			plan_dep(b, op, on->makes[k], false);
	}
	for (size_t i = 0; i < v->s->volumes_from.n; i++) {
		auto_free char *name = xstrdup(v->s->volumes_from.v[i]);
		struct view *on;

		name[strcspn(name, ":")] = '\0';
		on = builder_view(b, name);
		for (size_t k = 0; on && k < on->nmakes; k++)
			plan_dep(b, op, on->makes[k], false);
	}
	for (size_t i = 0; i < b->nresources; i++) {
		const struct op *o = &b->plan->ops[i];

		if (o->kind == OP_NETWORK_CREATE)
			for (size_t k = 0; k < v->s->networks.n; k++)
				if (streq(v->s->networks.v[k].name, o->network->key))
					plan_dep(b, op, o->index, false);
		if (o->kind == OP_VOLUME_CREATE)
			for (size_t k = 0; k < v->s->volumes.n; k++)
				if (v->s->volumes.v[k].type == MOUNT_VOLUME && streq0(v->s->volumes.v[k].source, o->volume->key))
					plan_dep(b, op, o->index, false);
	}
	plan_dep(b, op, v->image_op, false);
}

static void add_make(struct builder *b, struct view *v, int op)
{
	struct op *o = plan_op(b, op);

	o->service = v->s;
	o->service_name = v->name;
	link_creation(b, v, op);
	plan_list(b, &v->makes, &v->nmakes, &v->makes_cap, op);
}

static void add_start(struct builder *b, struct view *v, int op, int make)
{
	struct op *o = plan_op(b, op);

	o->service = v->s;
	o->service_name = v->name;
	o->make = make;
	plan_dep(b, op, make, false);
	plan_list(b, &v->starts, &v->nstarts, &v->starts_cap, op);
}

static const char *start_cause(struct builder *b, const struct observed_ctr *c)
{
	if (c->row.state == CTR_EXITED)
		return c->row.exit_known ? arena_printf(b->a, "exited (%lld)", (long long)c->row.exit_code) : "exited";
	return ctr_state_name(c->row.state);
}

/* A service with `restart: true` for what is recreated here is stopped before and started again. */
static const char *restart_cause(struct builder *b, const struct view *v)
{
	for (size_t i = 0; i < v->ndeps; i++)
		if (v->deps[i].restart && !v->deps[i].keeps_running && v->deps[i].on && v->deps[i].on->recreated)
			return arena_printf(b->a, "%s is recreated", v->deps[i].on->name);
	return NULL;
}

static void stop_before_recreate(struct builder *b, struct view *v, int stop)
{
	for (size_t i = 0; i < v->ndeps; i++) {
		struct view *on = v->deps[i].on;

		if (!v->deps[i].restart || v->deps[i].keeps_running || !on)
			continue;
		for (size_t k = 0; k < on->nmakes; k++)
			if (plan_op(b, on->makes[k])->kind == OP_CTR_RECREATE)
				plan_dep(b, on->makes[k], stop, false);
	}
}

static void keep(struct builder *b, struct view *v, const struct candidate *k)
{
	const char *restart = restart_cause(b, v);
	int start;

	if (k->cause) {
		int op = plan_add_ctr(b, OP_CTR_RECREATE, PHASE_CREATE, k->c, k->cause);

		plan_op(b, op)->name = container_name(b, v->s, k->c->row.number);
		v->recreated = true;
		add_make(b, v, op);
		if (restart && observed_running(k->c)) { /* off before what it depends on is replaced, not only before its own turn */
			int stop = plan_add_ctr(b, OP_CTR_STOP, PHASE_CREATE, k->c, restart);

			plan_dep(b, op, stop, false);
			stop_before_recreate(b, v, stop);
		}
		if (b->opt->no_start)
			return;
		start = plan_add(b, OP_CTR_START, PHASE_START, plan_op(b, op)->name, "recreated");
		plan_op(b, start)->number = k->c->row.number;
		add_start(b, v, start, op);
		return;
	}
	if (b->opt->no_start)
		return;
	if (!observed_running(k->c)) {
		add_start(b, v, plan_add_ctr(b, OP_CTR_START, PHASE_START, k->c, start_cause(b, k->c)), OP_NONE);
	} else if (restart) {
		int stop = plan_add_ctr(b, OP_CTR_STOP, PHASE_CREATE, k->c, restart);

		stop_before_recreate(b, v, stop);
		start = plan_add_ctr(b, OP_CTR_START, PHASE_START, k->c, restart);
		plan_dep(b, start, stop, false);
		add_start(b, v, start, OP_NONE);
	} else {
		strv_add(&b->plan->kept, k->c->row.name);
	}
}

static void create(struct builder *b, struct view *v, int64_t number, const char *cause)
{
	const char *name = container_name(b, v->s, number);
	int op = plan_add(b, OP_CTR_CREATE, PHASE_CREATE, name, cause);

	plan_op(b, op)->number = number;
	add_make(b, v, op);
	if (b->opt->no_start)
		return;
	op = plan_add(b, OP_CTR_START, PHASE_START, name, "created");
	plan_op(b, op)->number = number;
	add_start(b, v, op, v->makes[v->nmakes - 1]);
}

static bool is_oneoff(const struct builder *b, const struct service *s)
{
	return b->opt->oneoff && streq(b->opt->oneoff, s->name);
}

/* Counts as a start of the service, so that it comes after what the service waits for. */
static void create_oneoff(struct builder *b, struct view *v)
{
	int op = plan_add(b, OP_CTR_CREATE, PHASE_LAST, b->opt->oneoff_name, "one-off");

	plan_op(b, op)->oneoff = true;
	add_make(b, v, op);
	plan_list(b, &v->starts, &v->nstarts, &v->starts_cap, op);
}

static int plan_containers(struct builder *b, struct view *v, struct err *e)
{
	struct candidate *l = arena_alloc(b->a, (v->nctrs + 1) * sizeof *l);
	int64_t n = 0, highest = 0;

	v->scale = wanted_scale(b, v->s);
	if (v->scale > 1 && v->s->container_name)
		return err_set(e, EINVAL, "service '%s': container_name '%s' leaves no name for more than one container (scale %lld)", v->name,
			       v->s->container_name, (long long)v->scale);
	TRY(project_hash_service(b->p, v->s, v->hash, e));
	for (size_t i = 0; i < v->nctrs; i++) {
		const struct observed_ctr *c = v->ctrs[i];
		const char *gone = leftover_cause(v, c);

		if (gone) { /* its name is free before something is made */
			plan_remove(b, c, PHASE_CLEAR, gone);
			continue;
		}
		highest = MAX(highest, c->row.number);
		l[n++] = (struct candidate){ .c = c, .cause = recreate_cause(b, v, c) };
		if (is_temporary(c) && !l[n - 1].cause)
			l[n - 1].cause = "left over from an interrupted recreate";
	}
	qsort(l, (size_t)n, sizeof *l, by_worth);
	for (int64_t i = v->scale; i < n; i++)
		plan_remove(b, l[i].c, PHASE_CREATE, arena_printf(b->a, "scale %lld -> %lld", (long long)n, (long long)v->scale));
	for (int64_t i = 0; i < MIN(n, v->scale); i++)
		keep(b, v, &l[i]);
	for (int64_t i = n; i < v->scale; i++)
		create(b, v, ++highest, n ? arena_printf(b->a, "scale %lld -> %lld", (long long)n, (long long)v->scale) : "no container");
	return 0;
}

/* ---- orphans ---- */

static bool is_orphan(const struct builder *b, const struct observed_ctr *c)
{
	if (c->row.oneoff)
		return c->row.state == CTR_EXITED || c->row.state == CTR_DEAD;
	return !c->row.service || !project_service(b->p, c->row.service);
}

static void plan_orphans(struct builder *b)
{
	AUTO_STR(names, 64 << 10);

	for (size_t i = 0; i < b->o->nctrs; i++) {
		const struct observed_ctr *c = &b->o->ctrs[i];

		if (!is_orphan(b, c))
			continue;
		if (b->opt->remove_orphans)
			plan_remove(b, c, PHASE_CREATE, "orphan");
		else
			str_addf(&names, "%s%s", names.len ? ", " : "", c->row.name);
	}
	if (names.len && !b->opt->ignore_orphans)
		strv_addf(&b->plan->warnings, "Found orphan containers (%s) for this project. If you removed or renamed this service in your "
			  "compose file, you can run this command with the --remove-orphans flag to clean it up.", names.s);
}

/* ---- all of it ---- */

/* What the service as a whole must be for `up --wait`: done, when another one waits for that, else running or healthy. */
static enum op_condition final_condition(const struct builder *b, const struct view *v)
{
	for (size_t i = 0; i < b->nviews; i++)
		for (size_t k = 0; b->views[i].active && k < b->views[i].ndeps; k++)
			if (b->views[i].deps[k].on == v && b->views[i].deps[k].condition == DEP_COMPLETED)
				return WAIT_COMPLETED;
	return WAIT_STARTED;
}

static void plan_final_waits(struct builder *b)
{
	for (size_t i = 0; i < b->nviews; i++) {
		struct view *v = &b->views[i];
		enum op_condition condition = final_condition(b, v);

		if (v->active && v->scale > 0 && !v->s->provider)
			plan_op(b, plan_wait(b, v, condition, PHASE_LAST))->optional = false;
	}
}

static int build(struct builder *b, struct err *e)
{
	for (size_t i = 0; i < b->opt->nscale; i++) {
		if (!project_service(b->p, b->opt->scale[i].service))
			return err_set(e, ENOENT, "no such service: %s", b->opt->scale[i].service);
	}
	for (size_t i = 0; i < b->nviews; i++)
		if (b->views[i].active && !b->views[i].s->provider &&
		    (is_oneoff(b, b->views[i].s) || wanted_scale(b, b->views[i].s) > 0))
			TRY(plan_image(b, &b->views[i], e));
	TRY(plan_resources(b, e));
	b->nresources = b->plan->n;
	plan_orphans(b);
	for (size_t i = 0; i < b->nviews; i++) {
		struct view *v = &b->views[i];

		if (!v->active || v->s->provider)
			continue;
		if (is_oneoff(b, v->s))
			create_oneoff(b, v);
		else
			TRY(plan_containers(b, v, e));
	}
	for (size_t i = 0; i < b->nviews; i++)
		if (b->views[i].active)
			plan_start_deps(b, &b->views[i], true);
	if (b->opt->wait && !b->opt->no_start)
		plan_final_waits(b);
	return 0;
}

int plan_up(const struct project *p, const struct observed *o, const struct plan_options *opt, struct plan **ret, struct err *e)
{
	struct builder b;
	int r = builder_init(&b, p, o, opt, e);

	if (r >= 0)
		r = build(&b, e);
	return builder_end(&b, r, ret);
}
