/* SPDX-License-Identifier: MIT */
#include "compose/unit.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/path.h"
#include "base/str.h"
#include "compose/interp.h"
#include "compose/read.h"
#include "compose/trace.h"
#include <errno.h>

/* ---- paths ---- */

const char *unit_join(struct arena *a, const char *dir, const char *file)
{
	auto_free char *joined = path_join(dir, file);
	auto_free char *clean = path_clean(joined);

	return arena_strdup(a, clean);
}

const char *unit_shown(const struct unit_shared *s, const char *path)
{
	const char *rest = str_after(path, s->cwd);

	return rest && *rest == '/' && rest[1] ? rest + 1 : path;
}

/* Go's filepath.Rel of two clean absolute paths. */
static const char *relative(struct arena *a, const char *from, const char *to)
{
	size_t common = 0, i = 0;
	AUTO_STR(out, 16384);

	while (from[i] && from[i] == to[i]) {
		i++;
		if ((!from[i] || from[i] == '/') && (!to[i] || to[i] == '/'))
			common = i;
	}
	for (const char *s = from + common; *s; s++)
		if (*s == '/' && s[1])
			str_add(&out, "../");
	to += common;
	to += *to == '/';
	str_add(&out, to);
	if (out.len && out.s[out.len - 1] == '/')
		str_trunc(&out, out.len - 1);
	return out.len ? arena_strdup(a, out.s) : ".";
}

const char *unit_path_dir(const struct unit *u, const char *dir)
{
	return u->shared->no_paths ? relative(u->shared->arena, u->shared->root, dir) : dir;
}

struct fctx unit_fctx(const struct unit *u)
{
	return (struct fctx){
		.arena = u->shared->arena,
		.dir = u->dir,
		.home = u->shared->home,
		.env = u->env,
		.notes = u->shared->notes,
		.trace = u->shared->trace,
		.flags = (u->shared->no_interpolate ? FCTX_RAW : 0) | (u->shared->drive_letters ? FCTX_DRIVES : 0),
	};
}

/* ---- reading ---- */

/* An error of a file that another one names points to that place; it keeps its code. */
static int at_node(const struct node *at, struct err *e)
{
	AUTO_ERR(inner);

	if (!at || e->positioned)
		return e->code < 0 ? e->code : -e->code;
	inner = *e;
	*e = ERR_INIT;
	node_err(e, at, "%s", err_text(&inner));
	if (inner.hint)
		err_hint(e, "%s", inner.hint);
	e->code = inner.code;
	return -e->code;
}

int unit_read(struct unit *u, const char *path, const struct node *at, struct unit_file *ret, struct err *e)
{
	struct arena *a = u->shared->arena;
	auto_free char *dir = streq(path, "-") ? xstrdup(u->dir) : path_parent(path);

	if (++u->shared->files > UNIT_MAX_FILES) {
		err_set(e, E2BIG, "more than %d files are included or extended", UNIT_MAX_FILES);
		return at_node(at, e);
	}
	ret->path = path;
	if (read_source(a, path, unit_shown(u->shared, path), dir, at ? at->pos.src : NULL, &ret->src, e) < 0)
		return at_node(at, e);
	return yaml_parse(a, ret->src, &ret->docs, e);
}

/* ---- variables ---- */

static const char *lookup(void *arg, const char *name)
{
	const struct unit *u = arg;

	return map_get(u->env, name);
}

int unit_interp(struct unit *u, struct node *n, struct err *e)
{
	struct interp x = {
		.lookup = lookup,
		.arg = u,
		.arena = u->shared->arena,
		.total = u->shared->interp_total,
		.told = &u->shared->told,
	};

	if (u->shared->no_interpolate)
		return 0;
	trace_texts(u->shared->trace, n, u->env);
	TRY(interp_tree(&x, n, u->shared->notes, e));
	u->shared->interp_total = x.total;
	return 0;
}

/* ---- documents ---- */

static int drop_version(struct fctx *c, struct node *doc, struct err *e)
{
	const struct node *version = node_key(doc, "version"), *value = node_get(doc, "version");

	if (!version)
		return 0;
	if (!node_is_scalar(value) || value->type != SCALAR_STR) {
		node_err(e, value, "version must be a string, not a %s", node_kind_name(value));
		err_hint(e, "leave it out: it has no meaning any more");
		return -EINVAL;
	}
	field_warn(c, version,
		   "the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion");
	node_remove(doc, "version");
	return 0;
}

static int add_document(struct unit *u, const struct unit_file *f, struct node *doc, struct err *e)
{
	struct fctx c = unit_fctx(u);
	struct resets resets = { 0 };
	struct unit_chain here = { f->path, u->chain, u->chain ? u->chain->depth + 1 : 1 };

	if (node_is_null(doc))
		return node_err(e, doc, "empty compose file");
	if (!node_is_map(doc))
		return node_err(e, doc, "top-level object must be a mapping, not a %s", node_kind_name(doc));
	reset_take(u->shared->arena, doc, &resets);
	TRY(unit_interp(u, doc, e));
	TRY(drop_version(&c, doc, e));
	TRY(fields_canon(&c, project_fields, doc, e));
	TRY(include_apply(u, &here, &resets, &doc, e));
	if (u->tree)
		reset_apply(&resets, u->tree, u->shared->trace);
	TRY(extends_apply(u, f->src, &resets, doc, e));
	if (!u->tree)
		u->tree = doc;
	else
		TRY(fields_merge(&c, project_fields, u->tree, doc, e));
	return fields_unique(&c, project_fields, u->tree, e);
}

int unit_add(struct unit *u, const struct unit_file *f, struct err *e)
{
	for (size_t i = 0; i < f->docs.n; i++)
		TRY(add_document(u, f, f->docs.v[i], e));
	return 0;
}
