/* SPDX-License-Identifier: MIT
 *
 * compose/normalize.c - see normalize.h
 */
#include "compose/normalize.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "compose/dotenv.h"
#include "compose/field.h"
#include "compose/ftypes.h"
#include <errno.h>
#include <stdlib.h>

/* ---- on the tree ---- */

static void set_default(struct fctx *c, struct node *map, const char *key, const char *value)
{
	if (!node_get(map, key))
		node_set(c->arena, map, key, node_str(c->arena, map->pos, value));
}

/* An own copy of MAP's child KEY; NULL when there is none of that kind. */
static struct node *own_child(struct fctx *c, struct node *map, const char *key, enum node_kind kind)
{
	struct node *n = node_get(map, key);

	if (!n || n->kind != kind)
		return NULL;
	n = field_own(c, n);
	node_set(c->arena, map, key, n);
	return n;
}

static void default_ports(struct fctx *c, struct node *ports)
{
	for (size_t i = 0; ports && i < ports->n; i++) {
		if (!node_is_map(ports->items[i]))
			continue;
		ports->items[i] = field_own(c, ports->items[i]);
		set_default(c, ports->items[i], "mode", "ingress");
		set_default(c, ports->items[i], "protocol", "tcp");
	}
}

static void default_secrets(struct fctx *c, struct node *secrets)
{
	for (size_t i = 0; secrets && i < secrets->n; i++) {
		const struct node *source = node_get(secrets->items[i], "source");

		if (!node_is_scalar(source) || node_get(secrets->items[i], "target"))
			continue;
		secrets->items[i] = field_own(c, secrets->items[i]);
		set_default(c, secrets->items[i], "target", arena_printf(c->arena, "/run/secrets/%s", source->text));
	}
}

/* Said by everyone who does not say otherwise; only now, since an override without it leaves an earlier one as it was. */
static void default_required(struct fctx *c, struct node *all)
{
	for (size_t i = 0; all && i < all->n; i++) {
		if (!node_is_map(all->items[i]) || node_get(all->items[i], "required"))
			continue;
		all->items[i] = field_own(c, all->items[i]);
		FIELD_SET(c, all->items[i], "required", node_scalar(c->arena, all->items[i]->pos, SCALAR_BOOL, "true"));
	}
}

int normalize_tree(struct fctx *c, struct node *tree, struct err *e)
{
	struct node *services = own_child(c, tree, "services", NODE_MAP);

	(void)e;
	for (size_t i = 0; services && i < services->n; i++) {
		struct node *s = services->items[i], *build;

		if (!node_is_map(s))
			continue;
		s = services->items[i] = field_own(c, s);
		build = own_child(c, s, "build", NODE_MAP);
		if (build)
			set_default(c, build, "context", ".");
		default_ports(c, own_child(c, s, "ports", NODE_LIST));
		default_secrets(c, own_child(c, s, "secrets", NODE_LIST));
		default_required(c, own_child(c, s, "depends_on", NODE_MAP));
		default_required(c, own_child(c, s, "env_file", NODE_LIST));
	}
	return 0;
}

/* ---- implied dependencies ---- */

/* service[:alias] */
static const char *link_service(struct arena *a, const char *link)
{
	const char *colon = strchr(link, ':');

	return colon && !strchr(colon + 1, ':') ? arena_strndup(a, link, (size_t)(colon - link)) : link;
}

static const char *const space_keys[] = { "network_mode", "ipc", "pid", "uts", "cgroup" };

/* ---- on a tree that stays one ---- */

static bool raw_join_default(struct fctx *c, struct node *s)
{
	const struct node *networks = node_get(s, "networks");
	struct node *m;

	if (networks && networks->n)
		return node_key(networks, "default") != NULL;
	if (!node_is_null(node_get(s, "network_mode")) || node_get(s, "provider"))
		return false;
	m = node_map(c->arena, s->pos);
	FIELD_SET(c, m, "default", node_null(c->arena, s->pos));
	FIELD_SET(c, s, "networks", m);
	return true;
}

static void raw_names(struct fctx *c, struct node *tree, const char *section, const char *project)
{
	struct node *all = own_child(c, tree, section, NODE_MAP);

	for (size_t i = 0; all && i < all->n; i++) {
		const char *key = all->keys[i]->text;
		struct node *m = node_is_map(all->items[i]) ? field_own(c, all->items[i]) : node_map(c->arena, all->items[i]->pos);
		const struct node *external = node_get(m, "external");

		all->items[i] = m;
		set_default(c, m, "name", node_is_scalar(external) && streq(external->text, "true") ? key :
						  arena_printf(c->arena, "%s_%s", project, key));
	}
}

static void raw_imply_one(struct fctx *c, struct node *s, const char *name, bool restart)
{
	struct node *deps = own_child(c, s, "depends_on", NODE_MAP), *d;

	if (node_key(deps, name))
		return;
	if (!deps) {
		deps = node_map(c->arena, s->pos);
		FIELD_SET(c, s, "depends_on", deps);
	}
	d = node_map(c->arena, s->pos);
	FIELD_SET(c, d, "condition", node_str(c->arena, s->pos, "service_started"));
	FIELD_SET(c, d, "required", node_scalar(c->arena, s->pos, SCALAR_BOOL, "true"));
	FIELD_SET(c, d, "restart", node_scalar(c->arena, s->pos, SCALAR_BOOL, restart ? "true" : "false"));
	node_set(c->arena, deps, name, d);
}

static void raw_imply(struct fctx *c, struct node *s)
{
	const struct node *links = node_get(s, "links"), *from = node_get(s, "volumes_from");

	for (size_t i = 0; node_is_list(links) && i < links->n; i++)
		raw_imply_one(c, s, link_service(c->arena, links->items[i]->text), true);
	for (size_t i = 0; i < ARRAY_LEN(space_keys); i++) {
		const struct node *v = node_get(s, space_keys[i]);
		const char *name = node_is_scalar(v) ? str_after(v->text, "service:") : NULL;

		if (name)
			raw_imply_one(c, s, name, true);
	}
	for (size_t i = 0; node_is_list(from) && i < from->n; i++)
		if (!str_starts(from->items[i]->text, "container:"))
			raw_imply_one(c, s, arena_strndup(c->arena, from->items[i]->text, strcspn(from->items[i]->text, ":")), false);
}

void normalize_raw(struct fctx *c, struct node *tree, const char *project)
{
	struct node *services = own_child(c, tree, "services", NODE_MAP), *networks;
	bool used = false;

	for (size_t i = 0; services && i < services->n; i++) {
		struct node *s = services->items[i], *build;

		if (!node_is_map(s))
			continue;
		s = services->items[i] = field_own(c, s);
		used |= raw_join_default(c, s);
		build = own_child(c, s, "build", NODE_MAP);
		if (build && !node_get(build, "dockerfile_inline"))
			set_default(c, build, "dockerfile", "Dockerfile");
		raw_imply(c, s);
	}
	networks = own_child(c, tree, "networks", NODE_MAP);
	if (used && !networks) {
		networks = node_map(c->arena, tree->pos);
		FIELD_SET(c, tree, "networks", networks);
	}
	if (used && !node_key(networks, "default"))
		FIELD_SET(c, networks, "default", node_map(c->arena, tree->pos));
	raw_names(c, tree, "networks", project);
	raw_names(c, tree, "volumes", project);
	raw_names(c, tree, "secrets", project);
	raw_names(c, tree, "configs", project);
}

/* ---- environment ---- */

/* Values of bare keys come from the loading environment. DROP: what is not set there goes away, else it stays NULL. */
static void resolve_bare(const struct project *p, struct kvs *l, bool drop)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct kv kv = l->v[i];

		if (!kv.value && p->env && map_has(p->env, kv.key))
			kv.value = map_get(p->env, kv.key);
		if (kv.value || !drop)
			l->v[n++] = kv;
	}
	l->n = n;
}

static void file_values(const struct project *p, struct file_object *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].content)
			v[i].value = v[i].content;
		else if (v[i].environment && p->env)
			v[i].value = map_get(p->env, v[i].environment);
	}
}

void normalize_values(struct project *p)
{
	file_values(p, p->secrets.v, p->secrets.n);
	file_values(p, p->configs.v, p->configs.n);
}

/* ---- names ---- */

static const char *resource_name(const struct project *p, const char *key, const char *name, bool external)
{
	if (name) /* also "": an external name that an unset variable gave */
		return name;
	return external ? key : arena_printf(p->arena, "%s_%s", p->name, key);
}

static void set_names(struct project *p)
{
#define NAMES(list)                                                                                \
	for (size_t i = 0; i < p->list.n; i++)                                                     \
		p->list.v[i].name = resource_name(p, p->list.v[i].key, p->list.v[i].name, p->list.v[i].external)
	NAMES(networks);
	NAMES(volumes);
	NAMES(secrets);
	NAMES(configs);
#undef NAMES
}

/* ---- the default network ---- */

static void join_default(struct project *p, struct service *s)
{
	if (s->networks.n || s->network_mode || s->provider)
		return;
	s->networks.v = arena_alloc(p->arena, sizeof(*s->networks.v));
	s->networks.n = 1;
	s->networks.v[0] = (struct service_network){ .name = "default", .node = s->node, .null = true };
}

static void add_default_network(struct project *p)
{
	struct network *v;
	size_t at = 0;

	if (project_network(p, "default"))
		return;
	v = arena_alloc(p->arena, (p->networks.n + 1) * sizeof(*v));
	while (at < p->networks.n && strcmp(p->networks.v[at].key, "default") < 0)
		at++;
	if (at)
		memcpy(v, p->networks.v, at * sizeof(*v));
	v[at] = (struct network){ .key = "default" };
	if (at < p->networks.n)
		memcpy(v + at + 1, p->networks.v + at, (p->networks.n - at) * sizeof(*v));
	p->networks.v = v;
	p->networks.n++;
}

static bool uses_default(const struct project *p)
{
	for (size_t i = 0; i < p->services.n; i++)
		for (size_t j = 0; j < p->services.v[i].networks.n; j++)
			if (streq(p->services.v[i].networks.v[j].name, "default"))
				return true;
	return false;
}

/* ---- implied dependencies ---- */

/* Room for what a service can imply; sorted in afterwards. */
struct implied {
	struct arena *arena;
	struct service *s;
	struct dependency *v;
	size_t n, cap;
};

static bool has_dependency(const struct dependency *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (streq(v[i].name, name))
			return true;
	return false;
}

static void imply(struct implied *x, const char *name, bool restart, const char *attribute)
{
	const struct node *node = node_get(x->s->node, attribute);

	if (has_dependency(x->s->depends_on.v, x->s->depends_on.n, name) || has_dependency(x->v, x->n, name))
		return;
	if (x->n == x->cap)
		arena_grow(x->arena, &x->v, x->n, &x->cap, sizeof(*x->v));
	x->v[x->n++] = (struct dependency){
		.name = name, .node = node ? node : x->s->node, .condition = DEP_STARTED, .condition_text = "service_started",
		.required = true, .restart = restart, .implied = true,
	};
}

static int by_dependency(const void *a, const void *b)
{
	const struct dependency *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void imply_dependencies(struct project *p, struct service *s)
{
	const char *const spaces[] = { s->network_mode, s->ipc, s->pid, s->uts, s->cgroup };
	struct implied x = { .arena = p->arena, .s = s };
	struct dependency *all;

	for (size_t i = 0; i < s->links.n; i++)
		imply(&x, link_service(p->arena, s->links.v[i]), true, "links");
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		const char *name = spaces[i] ? str_after(spaces[i], "service:") : NULL;

		if (name)
			imply(&x, name, true, space_keys[i]);
	}
	for (size_t i = 0; i < s->volumes_from.n; i++) {
		const char *from = s->volumes_from.v[i];

		if (!str_starts(from, "container:"))
			imply(&x, arena_strndup(p->arena, from, strcspn(from, ":")), false, "volumes_from");
	}
	if (!x.n)
		return;
	all = arena_alloc(p->arena, (x.n + s->depends_on.n) * sizeof(*all));
	if (s->depends_on.n)
		memcpy(all, s->depends_on.v, s->depends_on.n * sizeof(*all));
	memcpy(all + s->depends_on.n, x.v, x.n * sizeof(*all));
	s->depends_on.v = all;
	s->depends_on.n += x.n;
	qsort(all, s->depends_on.n, sizeof(*all), by_dependency);
}

/* ---- all of it ---- */

static void normalize_service(struct project *p, struct service *s)
{
	join_default(p, s);
	if (s->pull_policy && streq(s->pull_policy, "if_not_present"))
		s->pull_policy = "missing";
	if (s->build) {
		if (!s->build->dockerfile && !s->build->dockerfile_inline) /* given as "" it stays so, which means the same */
			s->build->dockerfile = "Dockerfile";
		resolve_bare(p, &s->build->args, true);
	}
	for (size_t i = 0; i < s->pre_start.n; i++)
		if (!s->pre_start.v[i].image)
			s->pre_start.v[i].image = s->image;
	imply_dependencies(p, s);
}

void normalize_replicas(struct project *p)
{
	for (size_t i = 0; i < p->services.n; i++) {
		struct service *s = &p->services.v[i];

		if (s->scale.set && s->deploy && !s->disabled)
			s->deploy->replicas = s->scale;
	}
}

int normalize_project(struct project *p, struct err *e)
{
	(void)e;
	for (size_t i = 0; i < p->services.n; i++)
		normalize_service(p, &p->services.v[i]);
	if (uses_default(p))
		add_default_network(p);
	set_names(p);
	normalize_values(p);
	return 0;
}

/* ---- env files ---- */

struct env_lookup {
	const struct project *p;
	const struct map *files; /* what the files so far gave */
};

static const char *env_lookup(void *arg, const char *name)
{
	const struct env_lookup *l = arg;

	if (l->p->env && map_has(l->p->env, name))
		return map_get(l->p->env, name);
	return map_get(l->files, name);
}

static int by_key(const void *a, const void *b)
{
	const struct kv *x = a, *y = b;

	return strcmp(x->key, y->key);
}

/* BASE (of files) under L: L wins, null too. */
static void fold(struct project *p, const struct map *base, struct kvs *l)
{
	size_t n = l->n;
	struct kv *v;

	if (!base->n)
		return;
	v = arena_alloc(p->arena, (base->n + l->n) * sizeof(*v));
	if (l->n)
		memcpy(v, l->v, l->n * sizeof(*v));
	for (size_t i = 0; i < base->n; i++) {
		bool have = l->n && bsearch(&(struct kv){ base->v[i].key, NULL }, l->v, l->n, sizeof(*v), by_key) != NULL;

		if (!have)
			v[n++] = (struct kv){ arena_strdup(p->arena, base->v[i].key), base->v[i].value };
	}
	qsort(v, n, sizeof(*v), by_key);
	*l = (struct kvs){ v, n };
}

struct env_source {
	const char *path;
	const struct node *node;
	bool required;
	enum dotenv_format format;
	const char *what; /* "env file" */
};

static int read_vars(struct project *p, const struct service *s, const struct env_source *f, struct map *vars, struct err *e)
{
	struct env_lookup l = { p, vars };
	struct dotenv_env env = { .lookup = env_lookup, .arg = &l };
	struct dotenv_vars got;
	AUTO_ERR(scratch);

	if (dotenv_read(p->arena, f->path, f->format, &env, &got, &scratch) < 0) {
		if (err_is(&scratch, ENOENT) && !f->required)
			return 0;
		if (err_is(&scratch, ENOENT)) {
			node_err(e, f->node, "service '%s': %s %s not found: no such file or directory", s->name, f->what, f->path);
			if (streq(f->what, "env file"))
				err_hint(e, "make it, or let it be absent: env_file: [{path: …, required: false}]");
		} else
			node_err(e, f->node, "service '%s': %s", s->name, err_text(&scratch));
		e->code = scratch.code; /* a file that cannot be read has another exit code than a wrong one */
		return -e->code;
	}
	for (size_t i = 0; i < got.n; i++)
		if (*got.v[i].name)
			(void)map_set(vars, got.v[i].name, (void *)(uintptr_t)got.v[i].value);
	return 0;
}

static int service_env_files(struct project *p, struct service *s, struct err *e)
{
	AUTO_MAP(vars, NULL);
	AUTO_MAP(labels, NULL);

	for (size_t i = 0; i < s->env_file.n; i++) {
		const struct env_file *f = &s->env_file.v[i];
		struct env_source src = { f->path, f->node, f->required, DOTENV, "env file" };

		TRY(dotenv_format_parse(str0(f->format), &src.format, e));
		TRY(read_vars(p, s, &src, &vars, e));
	}
	resolve_bare(p, &s->environment, false);
	fold(p, &vars, &s->environment);
	for (size_t i = 0; i < s->label_file.n; i++) {
		struct env_source src = { s->label_file.v[i], node_get(s->node, "label_file"), true, DOTENV, "label file" };

		TRY(read_vars(p, s, &src, &labels, e));
	}
	fold(p, &labels, &s->labels);
	return 0;
}

int normalize_env_files(struct project *p, struct err *e)
{
	for (size_t i = 0; i < p->services.n; i++)
		if (!p->services.v[i].disabled)
			TRY(service_env_files(p, &p->services.v[i], e));
	return 0;
}

/* ---- what is used ---- */

static void use_refs(struct file_object *(*find)(const struct project *, const char *), const struct project *p, const struct file_ref *v,
		     size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct file_object *o = v[i].source ? find(p, v[i].source) : NULL;

		if (o)
			o->used = true;
	}
}

static void use_resources(struct project *p, const struct service *s)
{
	for (size_t i = 0; i < s->networks.n; i++) {
		struct network *n = project_network(p, s->networks.v[i].name);

		if (n)
			n->used = true;
	}
	for (size_t i = 0; i < s->volumes.n; i++) {
		struct volume *v = s->volumes.v[i].type == MOUNT_VOLUME && s->volumes.v[i].source ?
					   project_volume(p, s->volumes.v[i].source) : NULL;

		if (v)
			v->used = true;
	}
	for (size_t i = 0; i < s->models.n; i++) {
		struct model *m = project_model(p, s->models.v[i].name);

		if (m)
			m->used = true;
	}
	use_refs(project_secret, p, s->secrets.v, s->secrets.n);
	use_refs(project_config, p, s->configs.v, s->configs.n);
	if (s->build)
		use_refs(project_secret, p, s->build->secrets.v, s->build->secrets.n);
}

void normalize_used(struct project *p)
{
	for (size_t i = 0; i < p->services.n; i++)
		if (!p->services.v[i].disabled)
			use_resources(p, &p->services.v[i]);
}
