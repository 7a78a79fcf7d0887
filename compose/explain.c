/* SPDX-License-Identifier: MIT
 *
 * Two trees are walked together: what `config` prints (values, with what normalizing adds) and the merged tree (positions). What is
 * in the first alone was written by nobody.
 */
#include "compose/explain.h"
#include "compose/explain_walk.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"
#include "compose/dotenv.h"
#include "compose/emit.h"
#include "compose/interp.h"
#include "compose/project.h"
#include "compose/yaml.h"
#include <ctype.h>
#include <errno.h>

enum { OUTPUT_MAX = 64 << 20, CHAIN_MAX = 64 };

struct explaining {
	const struct project *p;
	const struct trace *trace;
	struct arena *arena;
	struct explanation *ret;
	struct explain_at at; /* where PATH leads */
	const char *name;  /* of the variable */
};

/* ---- places ---- */

static const char *source_line(struct arena *a, struct pos pos)
{
	size_t n;
	const char *s = source_line_of(pos.src, pos.line, &n);

	return s ? arena_strndup(a, s, MIN(n, 400u)) : NULL;
}

static bool holds(const struct node *n, struct pos pos)
{
	if (pos_equal(n->pos, pos))
		return true;
	for (size_t i = 0; i < n->n; i++)
		if (holds(n->items[i], pos))
			return true;
	return false;
}

/* Says through which services POS came to NAME; false: not by extending. */
static bool add_chain(const struct trace *t, const char *name, struct pos pos, size_t depth, struct str *out)
{
	for (size_t i = 0; i < t->bases.n && depth < CHAIN_MAX; i++) {
		const struct trace_base *b = &t->bases.v[i];
		size_t before = out->len;

		if (!streq(b->service, name))
			continue;
		str_addf(out, "%s '%s' (%s:%d:%d)", depth ? ", which extends" : "service", b->base, b->at.src->path, b->at.line, b->at.col);
		if (add_chain(t, b->base, pos, depth + 1, out) || holds(b->body, pos))
			return true;
		str_trunc(out, before);
	}
	return false;
}

static const char *extends_detail(const struct explaining *x, struct pos pos)
{
	AUTO_STR(out, 4096);

	return x->at.service && add_chain(x->trace, x->at.service, pos, 0, &out) ? arena_strdup(x->arena, out.s) : NULL;
}

static struct explain_place place_of(const struct explaining *x, struct pos pos)
{
	struct explain_place r = { .layer = LAYER_DEFAULT };
	const struct trace_source *s;

	if (!pos.src)
		return r;
	s = trace_source_of(x->trace, pos.src);
	r.layer = s ? s->layer : LAYER_FILE;
	r.path = pos.src->path;
	r.line = pos.line;
	r.col = pos.col;
	r.detail = extends_detail(x, pos);
	if (r.detail)
		r.layer = LAYER_EXTENDS;
	else if (s && s->at.src)
		r.detail = arena_printf(x->arena, "named at %s:%d:%d", s->at.src->path, s->at.line, s->at.col);
	return r;
}

static const char *shown(const struct explaining *x, const char *path)
{
	auto_free char *cwd = path_cwd();
	const char *rest = cwd ? str_after(path, cwd) : NULL;

	return arena_strdup(x->arena, rest && *rest == '/' && rest[1] ? rest + 1 : path);
}

/* ---- variables ---- */

static const struct dotenv_var *var_in(const struct dotenv_vars *vars, const char *name)
{
	for (size_t i = 0; i < vars->n; i++)
		if (streq(vars->v[i].name, name))
			return &vars->v[i];
	return NULL;
}

static struct explain_place var_place(const struct explaining *x, const struct trace_env *t, const struct dotenv_var *v)
{
	return (struct explain_place){ .layer = t->layer, .path = shown(x, t->path), .line = v->line, .col = 1 };
}

/* Who sets NAME in ENV: a file, or, NULL, the shell (or ourselves: *RET_OURS). */
static const struct trace_env *var_setter(const struct trace *t, const struct map *env, const char *name, bool *ret_ours)
{
	const struct trace_env *found = NULL;

	*ret_ours = false;
	for (size_t i = t->envs.n; i-- > 0;) {
		const struct trace_env *at = &t->envs.v[i];

		if (at->env != env)
			continue;
		if (!at->path && streq(name, "COMPOSE_PROJECT_NAME")) {
			*ret_ours = true;
			return NULL;
		}
		if (!at->path || map_has(at->base, name)) {
			env = at->base;
			continue;
		}
		if (var_in(&at->vars, name)) {
			found = at;
			break;
		}
	}
	return found;
}

static struct explain_place var_origin(const struct explaining *x, const struct map *env, const char *name)
{
	bool ours;
	const struct trace_env *t = var_setter(x->trace, env, name, &ours);

	if (t)
		return var_place(x, t, var_in(&t->vars, name));
	return (struct explain_place){ .layer = ours ? LAYER_PROJECT : LAYER_SHELL, .detail = ours ? "the project's name" : NULL };
}

/* One text, and whose variables it names. */
struct naming {
	struct explaining *x;
	const struct trace_text *text;
};

static bool uses_fallback(const struct naming *n, const char *name, const char *value)
{
	auto_free char *colon = xasprintf("${%s:-", name);

	return !value || (!*value && strstr(n->text->text, colon));
}

static void add_variable(void *arg, const char *name, char kind, const char *operand)
{
	struct naming *n = arg;
	struct explaining *x = n->x;
	struct explain_variable v = { .name = name, .value = map_get(n->text->env, name) };

	for (size_t i = 0; i < x->ret->variables.n; i++)
		if (streq(x->ret->variables.v[i].name, name))
			return;
	if (kind == '-' && uses_fallback(n, name, v.value))
		v.fallback = operand;
	if (kind == '+')
		v.alternate = operand;
	if (v.value)
		v.at = var_origin(x, n->text->env, name);
	TRACE_ADD(x->arena, x->ret->variables, v);
}

static void add_variables(struct explaining *x, struct pos pos)
{
	for (size_t i = x->trace->texts.n; i-- > 0;)
		if (pos.src && pos_equal(x->trace->texts.v[i].at, pos)) {
			struct naming n = { x, &x->trace->texts.v[i] };

			x->ret->text = n.text->text;
			interp_each(x->arena, n.text->text, add_variable, &n);
			return;
		}
}

/* ---- what it replaced ---- */

static void add_overridden(struct explaining *x, struct pos pos)
{
	const struct trace *t = x->trace;

	for (int depth = 0; depth < CHAIN_MAX; depth++) {
		const struct trace_over *found = NULL;

		for (size_t i = t->overs.n; i-- > 0 && !found;)
			if (pos_equal(t->overs.v[i].now_at, pos))
				found = &t->overs.v[i];
		if (!found)
			return;
		for (size_t i = 0; i < x->ret->overrode.n; i++)
			if (found->was == x->ret->overrode.v[i].value)
				return;
		TRACE_ADD(x->arena, x->ret->overrode, (struct explain_value){ place_of(x, found->was_at), found->was });
		pos = found->was_at;
	}
}

/* Maps and lists: one place for each other file that has a part in it. */
static void add_parts(struct explaining *x, const struct node *n)
{
	bool told = !n->pos.src || streq0(n->pos.src->path, x->ret->at.path);

	for (size_t i = 0; i < x->ret->parts.n && !told; i++)
		told = streq(x->ret->parts.v[i].path, n->pos.src->path);
	if (!told)
		TRACE_ADD(x->arena, x->ret->parts, place_of(x, n->pos));
	for (size_t i = 0; i < n->n; i++)
		add_parts(x, n->items[i]);
}

/* ---- env files of a service ---- */

static const char *env_lookup(void *arg, const char *name)
{
	const struct project *p = arg;

	return map_get(p->env, name);
}

/* The variable that the file F sets, *RET_LINE; NULL: it does not, or cannot be read. */
static const struct dotenv_var *in_env_file(const struct explaining *x, const char *path, const char *format, const char *name)
{
	struct dotenv_env env = { .lookup = env_lookup, .arg = (void *)(uintptr_t)x->p };
	struct dotenv_vars *vars = arena_alloc(x->arena, sizeof *vars);
	enum dotenv_format f = DOTENV;
	AUTO_ERR(scratch);

	if (dotenv_format_parse(str0(format), &f, &scratch) < 0 || dotenv_read(x->arena, path, f, &env, vars, &scratch) < 0)
		return NULL;
	return var_in(vars, name);
}

/* The files from the last to the first: the one that counts, then those that it overrode. */
static void add_env_files(struct explaining *x, const struct service *s)
{
	bool environment = streq0(x->at.section, "environment"), labels = streq0(x->at.section, "labels");
	size_t n = environment ? s->env_file.n : labels ? s->label_file.n : 0;
	bool found = x->at.tree != NULL;

	while (n-- > 0) {
		const char *path = environment ? s->env_file.v[n].path : s->label_file.v[n];
		const struct dotenv_var *v = in_env_file(x, path, environment ? s->env_file.v[n].format : NULL, x->at.name);
		struct explain_place at = { .layer = LAYER_ENV_FILE, .path = shown(x, path), .line = v ? v->line : 0, .col = 1 };

		if (!v)
			continue;
		if (labels)
			at.detail = "label_file";
		if (!found)
			x->ret->at = at;
		else
			TRACE_ADD(x->arena, x->ret->overrode, (struct explain_value){ at, node_str(x->arena, (struct pos){ 0 }, v->value) });
		found = true;
	}
}

/* ---- the answers ---- */

static bool is_variable(const struct explaining *x, const char *path)
{
	if (*path == '$')
		return true;
	if (!(isalpha((unsigned char)*path) || *path == '_') || node_key(x->at.tree, path) || node_key(x->at.printed, path))
		return false;
	for (; *path; path++)
		if (!(isalnum((unsigned char)*path) || *path == '_'))
			return false;
	return true;
}

struct use {
	struct explaining *x;
	const struct trace_text *text;
	bool found;
};

static void note_use(void *arg, const char *name, char kind, const char *operand)
{
	struct use *u = arg;

	(void)kind, (void)operand;
	u->found |= streq(name, u->x->name);
}

static void add_uses(struct explaining *x)
{
	AUTO_MAP(told, NULL); /* places: an alias brings them more than once */

	for (size_t i = 0; i < x->trace->texts.n; i++) {
		struct use u = { x, &x->trace->texts.v[i], false };
		auto_free char *place = NULL;

		interp_each(x->arena, u.text->text, note_use, &u);
		if (!u.found)
			continue;
		place = xasprintf("%s:%d:%d", u.text->at.src->path, u.text->at.line, u.text->at.col);
		if (map_set(&told, place, NULL))
			TRACE_ADD(x->arena, x->ret->uses, (struct explain_use){ place_of(x, u.text->at), u.text->text });
	}
}

/* All other files that set it, from the last to the first. */
static void add_other_setters(struct explaining *x, const struct trace_env *winner)
{
	for (size_t i = x->trace->envs.n; i-- > 0;) {
		const struct trace_env *t = &x->trace->envs.v[i];
		const struct dotenv_var *v = t == winner ? NULL : var_in(&t->vars, x->name);

		if (v)
			TRACE_ADD(x->arena, x->ret->overrode, (struct explain_value){ var_place(x, t, v), node_str(x->arena, (struct pos){ 0 }, v->value) });
	}
}

static void add_name(void *arg, const char *name, char kind, const char *operand)
{
	(void)kind, (void)operand;
	strv_add_unique(arg, name);
}

static int no_variable(const struct explaining *x, struct err *e)
{
	const char *near;
	AUTO_STRV(names);

	for (size_t i = 0; i < x->trace->texts.n; i++)
		interp_each(x->arena, x->trace->texts.v[i].text, add_name, &names);
	for (size_t i = 0; i < x->p->env->n; i++)
		strv_add_unique(&names, x->p->env->v[i].key);
	for (size_t i = 0; i < x->at.tree->n; i++)
		strv_add_unique(&names, x->at.tree->keys[i]->text);
	near = str_nearest(x->name, names.v, names.n, sizeof *names.v);
	err_set(e, ENOENT, "nothing at '%s': no file names such a variable, nothing sets it, and the project has no such part", x->ret->path);
	if (near)
		err_hint(e, "did you mean '%s'?", near);
	else
		err_hint(e, "give a path such as services.NAME.image, or a variable");
	return -ENOENT;
}

/* Not set for the project's own files, but for those of an include. */
static void included_value(struct explaining *x)
{
	if (!x->ret->overrode.n)
		return;
	x->ret->value = x->ret->overrode.v[0].value;
	x->ret->at = x->ret->overrode.v[0].at;
	x->ret->at.detail = "for the files of an include";
	x->ret->overrode.v++;
	x->ret->overrode.n--;
}

static int explain_variable(struct explaining *x, const char *path, struct err *e)
{
	size_t skip = path[0] != '$' ? 0 : path[1] == '{' ? 2 : 1;
	size_t len = strspn(path + skip, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
	const char *value;
	bool ours;

	x->name = arena_strndup(x->arena, path + skip, len);
	x->ret->variable = x->ret->printed = true;
	add_uses(x);
	value = map_get(x->p->env, x->name);
	add_other_setters(x, var_setter(x->trace, x->p->env, x->name, &ours));
	if (!value && !x->ret->uses.n && !x->ret->overrode.n)
		return no_variable(x, e);
	if (!value) {
		included_value(x);
		return 0;
	}
	x->ret->value = node_str(x->arena, (struct pos){ 0 }, value);
	x->ret->at = var_origin(x, x->p->env, x->name);
	return 0;
}

/* The project's name when no file says it. */
static void name_origin(struct explaining *x)
{
	if (streq0(x->trace->name_from, "COMPOSE_PROJECT_NAME") && x->trace->given_env)
		x->ret->at = var_origin(x, x->trace->given_env, x->trace->name_from);
	else
		x->ret->at.layer = LAYER_PROJECT;
	x->ret->at.detail = x->trace->name_from;
}

static void describe(struct explaining *x)
{
	const struct node *n = x->at.tree;
	const struct service *s = x->at.service && x->at.depth == 4 ? project_service(x->p, x->at.service) : NULL;
	const struct node *key = x->at.key;
	struct pos pos = n ? n->pos : (struct pos){ 0 };

	if (n && n->kind != NODE_SCALAR && key && key->pos.src == pos.src)
		pos = key->pos;
	x->ret->value = x->at.printed ? x->at.printed : n;
	x->ret->printed = x->at.printed != NULL;
	x->ret->at = place_of(x, pos);
	if (pos.src)
		x->ret->at.source = source_line(x->arena, pos);
	if (n && pos.src && key && !key->pos.src && !x->ret->at.detail)
		x->ret->at.detail = "by its short form";
	if (x->at.depth == 1 && streq(x->at.name, "name") && !pos.src)
		name_origin(x);
	if (n) {
		add_variables(x, n->pos);
		add_overridden(x, n->pos);
	}
	if (n && n->kind != NODE_SCALAR)
		add_parts(x, n);
	if (s)
		add_env_files(x, s);
}

/* What `config` prints, as a tree. */
static int printed_tree(struct explaining *x, struct err *e)
{
	struct source *src = arena_alloc(x->arena, sizeof *src);
	struct yaml_docs docs;
	AUTO_STR(out, OUTPUT_MAX);

	emit_project(x->p, EMIT_JSON, false, &out); /* says more than YAML: what is null and empty */
	TRY(str_check(&out, "output", e));
	*src = (struct source){ .path = "config", .dir = "/", .text = arena_strndup(x->arena, out.s, out.len), .len = out.len };
	TRY(yaml_parse(x->arena, src, &docs, e));
	x->at.printed = docs.n ? docs.v[0] : NULL;
	return 0;
}

int explain(const struct project *p, const struct trace *trace, const char *path, struct explanation *ret, struct err *e)
{
	struct explaining x = { .p = p, .trace = trace, .arena = p->arena, .ret = ret, .at = { .path = path, .tree = p->tree } };

	*ret = (struct explanation){ .path = path };
	if (!*path) {
		err_set(e, EINVAL, "an empty path");
		err_hint(e, "give a path such as services.NAME.image, or a variable");
		return -EINVAL;
	}
	TRY(printed_tree(&x, e));
	if (is_variable(&x, path))
		return explain_variable(&x, path, e);
	TRY(explain_walk(p->arena, trace, &x.at, e));
	describe(&x);
	return 0;
}
