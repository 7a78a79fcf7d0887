/* SPDX-License-Identifier: MIT
 *
 * `extends` (compose.md §23): the base, with its paths from where its file lies, then the service over it. Only the bases that are
 * asked for are looked at; whatever else is in their files is not our business.
 */
#include "compose/unit.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "compose/trace.h"
#include <errno.h>

/* A file in which services extend: the document at hand, or one that a `file:` names. */
struct extended {
	const char *path;         /* absolute, or "-" */
	const struct source *src;
	const char *dir;          /* what its `file:` starts from: the unit's directory, or the file's own when it is foreign */
	struct node *services;    /* bodies by name, NULL: no such section */
	struct resets resets;
	bool foreign;             /* named by a `file:`: bodies are canonical only once they were used */
	struct node *ready;       /* foreign: names of the canonical bodies */
	struct extended *next;
};

/* Who is being resolved, from the inside out. */
struct chain {
	const struct extended *file;
	const char *service;
	const struct chain *up;
	size_t depth;
};

struct ref {
	const struct node *node; /* of `extends` */
	const char *service;
	const struct node *file; /* NULL: the same file */
};

static struct fpath in_services(const struct fpath *services, const char *name)
{
	return (struct fpath){ services, name, 0 };
}

/* ---- what `extends` says ---- */

static int read_ref(const char *name, const struct node *n, struct ref *ret, struct err *e)
{
	const struct node *service;

	*ret = (struct ref){ .node = n };
	if (node_is_scalar(n) && n->type == SCALAR_STR) {
		ret->service = n->text;
		return 0;
	}
	if (!node_is_map(n))
		return node_err(e, n, "services.%s.extends: must be a service's name or a mapping, not a %s", name,
				node_kind_name(n));
	for (size_t i = 0; i < n->n; i++)
		if (!streq(n->keys[i]->text, "service") && !streq(n->keys[i]->text, "file")) {
			node_err(e, n->keys[i], "services.%s.extends: unknown key '%s'", name, n->keys[i]->text);
			err_hint(e, "'service' and 'file' are the keys of extends");
			return -EINVAL;
		}
	service = node_get(n, "service");
	if (!node_is_scalar(service))
		return node_err(e, n, "extends.%s.service is required", name);
	ret->service = service->text;
	ret->file = node_get(n, "file");
	if (ret->file && !node_is_scalar(ret->file))
		return node_err(e, ret->file, "services.%s.extends.file: must be a string, not a %s", name,
				node_kind_name(ret->file));
	return 0;
}

/* ---- other files ---- */

static int open_docs(struct unit *u, const struct unit_file *f, struct extended *x, struct err *e)
{
	struct fctx c = unit_fctx(u);

	for (size_t i = 0; i < f->docs.n; i++) {
		struct node *doc = f->docs.v[i], *services;
		struct resets r = { 0 };

		if (node_is_null(doc))
			continue;
		if (!node_is_map(doc))
			return node_err(e, doc, "top-level object must be a mapping, not a %s", node_kind_name(doc));
		reset_take(u->shared->arena, doc, &r);
		services = node_get(doc, "services");
		if (!services)
			continue;
		if (!node_is_map(services))
			return node_err(e, services, "services: must be a mapping, not a %s", node_kind_name(services));
		TRY(unit_interp(u, doc, e));
		if (!x->services) {
			x->services = services;
			x->resets = r;
			continue;
		}
		/* Several documents: rare enough to make all of them canonical at once. */
		reset_apply(&r, doc, u->shared->trace);
		TRY(fields_canon(&c, project_fields, doc, e));
		TRY(fields_merge(&c, project_fields, f->docs.v[0], doc, e));
	}
	return 0;
}

static int open_extended(struct unit *u, const struct extended *from, const struct ref *ref, struct extended **ret,
			 struct err *e)
{
	struct arena *a = u->shared->arena;
	const char *path = unit_join(a, from->dir, ref->file->text);
	struct unit_file f;
	struct extended *x;

	if (strstr(ref->file->text, "://")) {
		node_err(e, ref->file, "'%s' is a remote resource, which gantry does not fetch", ref->file->text);
		err_hint(e, "clone it, and extend the file by its path");
		return -EINVAL;
	}
	for (x = u->extended; x; x = x->next)
		if (streq(x->path, path)) {
			*ret = x;
			return 0;
		}
	TRY(unit_read(u, path, ref->file, &f, e));
	trace_source(u->shared->trace, f.src, LAYER_EXTENDS, ref->file);
	x = arena_alloc(a, sizeof *x);
	x->path = path;
	x->src = f.src;
	x->dir = f.src->dir;
	x->foreign = true;
	x->ready = node_map(a, (struct pos){ f.src, 1, 1 });
	TRY(open_docs(u, &f, x, e));
	x->next = u->extended;
	u->extended = x;
	*ret = x;
	return 0;
}

/* Makes a body of a foreign file canonical, its paths ours. */
static int make_ready(struct unit *u, struct extended *x, const char *name, struct node *body, struct err *e)
{
	struct fctx c = unit_fctx(u);
	struct fpath services = { NULL, "services", 0 }, at = in_services(&services, name);

	if (!x->foreign || node_get(x->ready, name) || node_is_null(body))
		return 0;
	c.at = &at;
	TRY(fields_canon(&c, service_fields, body, e));
	c.dir = unit_path_dir(u, x->src->dir);
	TRY(fields_paths(&c, service_fields, body, e));
	node_set(u->shared->arena, x->ready, name, body);
	return 0;
}

/* ---- resolving ---- */

static int check_chain(const struct node *n, const struct chain *chain, const struct extended *f, const char *service,
		       struct err *e)
{
	const struct chain *seen = chain;
	const struct chain *list[EXTENDS_MAX_DEPTH + 1];
	AUTO_STR(text, ERR_TEXT / 2);
	size_t n_list = 0;

	while (seen && (seen->file != f || !streq(seen->service, service)))
		seen = seen->up;
	if (!seen)
		return chain->depth < EXTENDS_MAX_DEPTH ?
			       0 :
			       node_err(e, n, "services extend each other more than %d deep", EXTENDS_MAX_DEPTH);
	for (const struct chain *c = chain; c; c = c->up)
		list[n_list++] = c;
	for (size_t i = n_list; i-- > 0;)
		str_addf(&text, "\n  %s%s in %s", i + 1 < n_list ? "extends " : "", list[i]->service,
			 list[i]->file->path);
	return node_err(e, n, "Circular reference:%s\n  extends %s in %s", text.s, service, f->path);
}

static int not_found(const struct extended *f, const struct extended *base, const char *name, const struct ref *ref,
		     struct err *e)
{
	const char *near = NULL;

	if (!base->services)
		return node_err(e, ref->node, "cannot extend service \"%s\" in %s: no services section", name,
				base->path);
	if (base == f)
		node_err(e, ref->node, "cannot extend service \"%s\" in %s: service \"%s\" not found", name, f->path,
			 ref->service);
	else
		node_err(e, ref->node, "cannot extend service \"%s\" in %s: service \"%s\" not found in %s", name,
			 f->path, ref->service, base->path);
	if (base->services->n) {
		const char **names = calloc(base->services->n, sizeof *names);

		for (size_t i = 0; names && i < base->services->n; i++)
			names[i] = base->services->keys[i]->text;
		if (names)
			near = str_nearest(ref->service, names, base->services->n, sizeof *names);
		if (near)
			err_hint(e, "did you mean '%s'?", near);
		free(names);
	}
	return -EINVAL;
}

static int resolve(struct unit *u, struct extended *f, const char *name, const struct chain *chain, struct node **ret,
		   struct err *e);

static int resolve_base(struct unit *u, struct extended *f, const char *name, const struct ref *ref,
			const struct chain *here, struct node **ret, struct err *e)
{
	struct extended *base = f;

	if (ref->file)
		TRY(open_extended(u, f, ref, &base, e));
	if (!base->services || !node_get(base->services, ref->service))
		return not_found(f, base, name, ref, e);
	TRY(check_chain(ref->node, here, base, ref->service, e));
	return resolve(u, base, ref->service, here, ret, e);
}

/* What docker compose leaves of an `extends` that brought nothing: it means the same from every folder. */
static struct node *full_ref(struct arena *a, const struct extended *f, const struct ref *ref)
{
	struct node *n = node_map(a, ref->node->pos);

	if (ref->file)
		node_set(a, n, "file", node_str(a, ref->file->pos, unit_join(a, f->dir, ref->file->text)));
	node_set(a, n, "service", node_str(a, ref->node->pos, ref->service));
	return n;
}

/* *RET: the body of NAME, its `extends` done; NULL when it is null. The section holds it from then on. */
static int resolve(struct unit *u, struct extended *f, const char *name, const struct chain *chain, struct node **ret,
		   struct err *e)
{
	struct arena *a = u->shared->arena;
	struct node *body = node_get(f->services, name), *base, *copy;
	const struct node *extends;
	struct chain here = { f, name, chain, chain ? chain->depth + 1 : 1 };
	struct fpath services = { NULL, "services", 0 }, at = in_services(&services, name);
	struct fctx c = unit_fctx(u);
	struct ref ref;

	*ret = NULL;
	if (node_is_null(body))
		return 0;
	if (!node_is_map(body))
		return node_err(e, body, "services.%s must be a mapping, not a %s", name, node_kind_name(body));
	TRY(make_ready(u, f, name, body, e));
	*ret = body;
	extends = node_get(body, "extends");
	if (!extends)
		return 0;
	TRY(read_ref(name, extends, &ref, e));
	TRY(resolve_base(u, f, name, &ref, &here, &base, e));
	node_remove(body, "extends");
	if (!base) {
		node_set(a, body, "extends", full_ref(a, f, &ref));
		return 0;
	}
	copy = node_copy(a, base);
	node_remove(copy, "extends");
	trace_base(u->shared->trace, name, ref.service, ref.node, copy);
	copy->pos = body->pos;
	reset_apply_service(&f->resets, name, copy, u->shared->trace);
	c.at = &at;
	TRY(fields_merge(&c, service_fields, copy, body, e));
	node_set(a, f->services, name, copy);
	if (f->foreign)
		node_set(a, f->ready, name, copy);
	*ret = copy;
	return 0;
}

int extends_apply(struct unit *u, const struct source *src, const struct resets *resets, struct node *doc,
		  struct err *e)
{
	struct extended self = { .path = src->path, .src = src, .dir = u->dir, .resets = *resets };
	struct node *body;

	self.services = node_get(doc, "services");
	if (!node_is_map(self.services))
		return 0;
	for (size_t i = 0; i < self.services->n; i++)
		if (node_get(self.services->items[i], "extends"))
			TRY(resolve(u, &self, self.services->keys[i]->text, NULL, &body, e));
	return 0;
}
