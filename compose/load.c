/* SPDX-License-Identifier: MIT */
#include "compose/load.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "compose/discover.h"
#include "compose/env.h"
#include "compose/field.h"
#include "compose/graph.h"
#include "compose/interp.h"
#include "compose/normalize.h"
#include "compose/profiles.h"
#include "compose/trace.h"
#include "compose/unit.h"
#include "compose/validate.h"
#include <errno.h>

enum { EXIT_NOT_FOUND = 14, EXIT_WRONG_FILE = 15 };

/* One load: the unit of the project's files, and what was found out before. */
struct loading {
	const struct load_opts *o;
	struct load_env env;
	struct unit_shared shared;
	struct unit unit;
	struct unit_file *files;
	const char *name;
};

/* ---- files and name ---- */

static int read_files(struct loading *l, struct err *e)
{
	l->files = arena_alloc(l->shared.arena, l->env.files.n * sizeof *l->files);
	for (size_t i = 0; i < l->env.files.n; i++) {
		TRY(unit_read(&l->unit, l->env.files.v[i], NULL, &l->files[i], e));
		trace_source(l->o->trace, l->files[i].src, i ? LAYER_OVERRIDE : LAYER_FILE, NULL);
	}
	return 0;
}

/* The last `name:` of all documents, with its variables replaced; NULL: none. */
static int name_in_files(struct loading *l, const char **ret, struct err *e)
{
	for (size_t i = 0; i < l->env.files.n; i++)
		for (size_t k = 0; k < l->files[i].docs.n; k++) {
			struct node *name = node_get(l->files[i].docs.v[k], "name");

			if (!node_is_scalar(name) || !*name->text)
				continue;
			name = node_copy(l->shared.arena, name);
			TRY(unit_interp(&l->unit, name, e));
			if (*name->text)
				*ret = name->text;
		}
	return 0;
}

static int settle_name(struct loading *l, struct err *e)
{
	const char *from_file = NULL;

	if (l->env.name) {
		l->name = l->env.name;
	} else {
		TRY(name_in_files(l, &from_file, e));
		TRY(discover_name(l->shared.arena, from_file, l->env.dir, l->shared.notes, &l->name, e));
	}
	if (l->o->trace) {
		l->o->trace->name_from = !l->env.name ? from_file ? NULL : "the folder's name" :
					 l->o->project_name && *l->o->project_name ? "-p" : "COMPOSE_PROJECT_NAME";
		l->o->trace->given_env = l->env.env;
	}
	l->unit.env = env_with(l->shared.arena, l->env.env, "COMPOSE_PROJECT_NAME", l->name);
	trace_env(l->o->trace, l->unit.env, l->env.env, LAYER_PROJECT, NULL, NULL);
	return 0;
}

static int loading_begin(struct loading *l, const struct load_opts *o, struct arena *a, struct notes *notes,
			 struct err *e)
{
	TRY(compose_env(o, a, false, notes, &l->env, e));
	l->shared = (struct unit_shared){
		.arena = a,
		.notes = notes,
		.cwd = l->env.cwd,
		.trace = o->trace,
		.root = l->env.dir,
		.home = map_get(l->env.env, "HOME"),
		.no_interpolate = o->no_interpolate, .drive_letters = o->drive_letters,
		.no_paths = o->no_path_resolution,
	};
	l->unit = (struct unit){ .shared = &l->shared, .dir = l->env.dir, .env = l->env.env };
	return read_files(l, e);
}

static void loading_done(struct loading *l)
{
	map_done(&l->shared.told);
}

/* ---- the tree ---- */

static int build_tree(struct loading *l, struct err *e)
{
	struct fctx c;
	struct node *name;

	TRY(settle_name(l, e));
	for (size_t i = 0; i < l->env.files.n; i++)
		TRY(unit_add(&l->unit, &l->files[i], e));
	if (!l->unit.tree || l->unit.tree->n == 0)
		return l->files[0].src ? pos_err(e, (struct pos){ l->files[0].src, 1, 1 }, "empty compose file") : 0;
	c = unit_fctx(&l->unit);
	TRY(normalize_tree(&c, l->unit.tree, e));
	if (!l->o->no_path_resolution)
		TRY(fields_paths(&c, project_fields, l->unit.tree, e));
	name = l->env.name ? NULL : node_get(l->unit.tree, "name");
	name = node_str(l->shared.arena, name ? name->pos : (struct pos){ 0 }, l->name);
	node_remove(l->unit.tree, "name");
	node_set(l->shared.arena, l->unit.tree, "name", name);
	return 0;
}

/* ---- the project ---- */

static struct project *new_project(struct loading *l)
{
	struct project *p = arena_alloc(l->shared.arena, sizeof *p);

	p->arena = l->shared.arena;
	p->name = l->name;
	p->dir = l->env.dir;
	p->files = l->env.files;
	p->env_files = l->env.env_files;
	p->env = l->unit.env;
	p->tree = l->unit.tree;
	return p;
}

static void use_all(struct project *p)
{
	for (size_t i = 0; i < p->networks.n; i++)
		p->networks.v[i].used = true;
	for (size_t i = 0; i < p->volumes.n; i++)
		p->volumes.v[i].used = true;
	for (size_t i = 0; i < p->secrets.n; i++)
		p->secrets.v[i].used = true;
	for (size_t i = 0; i < p->configs.n; i++)
		p->configs.v[i].used = true;
	for (size_t i = 0; i < p->models.n; i++)
		p->models.v[i].used = true;
}

/* Which services are active, and whether what they refer to is there. */
static int settle_services(const struct load_opts *o, struct project *p, struct err *e)
{
	struct service **order;

	profiles_active(p, &o->profiles);
	TRY(profiles_apply(p, &o->services, o->every_profile, e));
	if (!o->no_consistency) {
		TRY(validate_project(p, e));
		TRY(graph_order(p, &order, e));
		normalize_replicas(p);
	}
	if (o->unselected_resources)
		normalize_used(p);
	return o->every_profile ? 0 : profiles_select(p, &o->services, !o->no_deps, e);
}

static int build_project(struct loading *l, struct project **ret, struct err *e)
{
	const struct load_opts *o = l->o;
	struct project *p = new_project(l);
	struct fctx c = unit_fctx(&l->unit);

	TRY(project_decode(&c, l->unit.tree, p, e));
	if (o->no_normalize)
		normalize_values(p);
	else
		TRY(normalize_project(p, e));
	TRY(settle_services(o, p, e));
	if (!o->no_env_resolution)
		TRY(normalize_env_files(p, e));
	normalize_used(p);
	if (o->all_resources)
		use_all(p);
	p->notes = *l->shared.notes;
	fields_notes(p);
	validate_values(p);
	*l->shared.notes = p->notes;
	*ret = p;
	return 0;
}

/* docker compose's exit codes, as recorded: 14 for a file that cannot be read, 15 for a wrong one, 1 for wrong options. */
static int with_exit(int r, struct err *e)
{
	if (r < 0 && !e->exit)
		err_exit(e, err_is(e, ENOENT) || err_is(e, EISDIR) || err_is(e, EACCES) ? EXIT_NOT_FOUND :
											  EXIT_WRONG_FILE);
	return r;
}

static int load(const struct load_opts *o, struct arena *a, struct notes *notes, struct project **ret, struct err *e)
{
	AUTO_DONE(loading_done) struct loading l = { .o = o };

	TRY(loading_begin(&l, o, a, notes, e));
	TRY(build_tree(&l, e));
	return build_project(&l, ret, e);
}

int compose_load(const struct load_opts *o, struct arena *a, struct notes *notes, struct project **ret, struct err *e)
{
	return with_exit(load(o, a, notes, ret, e), e);
}

static int load_tree(const struct load_opts *o, struct arena *a, struct notes *notes, struct node **ret, struct err *e)
{
	AUTO_DONE(loading_done) struct loading l = { .o = o };

	TRY(loading_begin(&l, o, a, notes, e));
	TRY(build_tree(&l, e));
	if (!o->no_normalize && node_is_map(l.unit.tree)) {
		struct fctx c = unit_fctx(&l.unit);

		normalize_raw(&c, l.unit.tree, l.name);
	}
	*ret = l.unit.tree;
	return 0;
}

int compose_load_tree(const struct load_opts *o, struct arena *a, struct notes *notes, struct node **ret,
		      struct err *e)
{
	return with_exit(load_tree(o, a, notes, ret, e), e);
}

/* ---- variables ---- */

struct variables {
	struct arena *arena;
	struct map by_name; /* -> struct load_variable */
};

/* Required as soon as one place requires it; default and alternate of the first place that has one. */
static void add_variable(void *arg, const char *name, char kind, const char *operand)
{
	struct variables *vars = arg;
	struct load_variable *v = map_get(&vars->by_name, name);

	if (!v) {
		v = arena_alloc(vars->arena, sizeof *v);
		v->name = name;
		map_set(&vars->by_name, name, v);
	}
	if (kind == '?')
		v->required = true;
	else if (kind == '-' && !v->dflt)
		v->dflt = operand;
	else if (kind == '+' && !v->alternate)
		v->alternate = operand;
}

static void add_variables(struct variables *vars, const struct node *n)
{
	if (n->kind == NODE_SCALAR && n->type == SCALAR_STR)
		interp_each(vars->arena, n->text, add_variable, vars);
	for (size_t i = 0; i < n->n; i++)
		add_variables(vars, n->items[i]);
}

int compose_variables(const struct load_opts *o, struct arena *a, struct notes *notes, struct load_variables *ret,
		      struct err *e)
{
	struct load_opts raw = *o;
	struct variables vars = { a, MAP_INIT(NULL) };
	struct node *tree;

	raw.no_interpolate = true;
	TRY(compose_load_tree(&raw, a, notes, &tree, e));
	add_variables(&vars, tree);
	map_sort(&vars.by_name);
	ret->list.n = vars.by_name.n;
	ret->list.v = arena_alloc(a, (vars.by_name.n + 1) * sizeof *ret->list.v);
	for (size_t i = 0; i < vars.by_name.n; i++)
		ret->list.v[i] = *(struct load_variable *)vars.by_name.v[i].value;
	map_done(&vars.by_name);
	return 0;
}
