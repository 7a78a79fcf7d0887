/* SPDX-License-Identifier: MIT
 *
 * plan/plan_build.h - what plan_up.c and plan_down.c share: adding operations, the services as one view whether a file is there or not
 */
#pragma once
#include "plan/observe.h"
#include "plan/plan.h"

struct view_dep {
	struct view *on;             /* NULL: not there (disabled) */
	enum dep_condition condition;
	bool required, restart;
	bool keeps_running;          /* shares the network namespace, which survives a recreate: no restart needed */
};
/* A service: of the file, or (by name alone) what containers' labels tell. */
struct view {
	const char *name;
	const struct service *s;     /* NULL: no file */
	bool active, named;
	struct view_dep *deps;
	size_t ndeps;
	const struct observed_ctr **ctrs; /* its containers, without one-off ones */
	size_t nctrs;
	/* what the plan does with it */
	char hash[PROJECT_HASH_MAX];
	int64_t scale;
	int image_op;                /* OP_NONE */
	bool recreated;
	int *makes, *starts, *stops; /* operations */
	size_t nmakes, nstarts, nstops, makes_cap, starts_cap, stops_cap;
	int waits[3];                /* by enum op_condition */
	bool visiting, visited;
};
struct builder {
	const struct project *p;     /* NULL: by name */
	const struct observed *o;
	const struct plan_options *opt;
	struct plan *plan;
	struct arena *a;
	struct view *views;          /* dependencies first */
	size_t nviews;
	size_t nresources;           /* operations [0..n) are those on images, networks, volumes */
};
int builder_init(struct builder *b, const struct project *p, const struct observed *o, const struct plan_options *opt, struct err *e);
/* Hands out the plan, or frees it when R < 0. Returns R. */
int builder_end(struct builder *b, int r, struct plan **ret);
int plan_add(struct builder *b, enum op_kind kind, enum op_phase phase, const char *name, const char *cause);
int plan_add_ctr(struct builder *b, enum op_kind kind, enum op_phase phase, const struct observed_ctr *c, const char *cause);
static inline struct op *plan_op(struct builder *b, int i)
{
	return &b->plan->ops[i];
}
void plan_dep(struct builder *b, int op, int on, bool optional); /* ON may be OP_NONE */
void plan_list(struct builder *b, int **v, size_t *n, size_t *cap, int op);
struct view *builder_view(struct builder *b, const char *name); /* NULL: no such service */
bool builder_names(const struct builder *b); /* whether any service is named on the command line */
/* Also when none is named, unless it is of a profile that is not on. */
bool builder_named(const struct builder *b, const char *service);
/* The operation that waits until V is so; made once. Depends on V's starts. */
int plan_wait(struct builder *b, struct view *v, enum op_condition condition, enum op_phase phase);
/* Start operations of V come after those of what V depends on; WAITS: and after the conditions (healthy, completed). */
void plan_start_deps(struct builder *b, struct view *v, bool waits);
/* "" when nothing says otherwise. */
const char *pull_policy_of(const struct builder *b, const struct service *s);
/* Why the image REF, which is here, has to be asked for again; NULL: it has not. */
const char *pull_due(const struct builder *b, const char *ref, const char *policy);
/* KIND: a pull or a build. One operation for all services that use it. */
int plan_add_image(struct builder *b, enum op_kind kind, const struct service *s, const char *ref, const char *cause);
