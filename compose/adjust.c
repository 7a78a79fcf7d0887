/* SPDX-License-Identifier: MIT */
#include "compose/adjust.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "compose/dotenv.h"
#include "compose/field.h"
#include "compose/normalize.h"
#include <errno.h>

/* ---- by the rows of the file's attributes ---- */

/* VALUE as the attribute KEY of a service: its member in RET. */
static int decode_as(struct project *p, const char *dir, const char *key, struct node *value, struct service *ret, struct err *e)
{
	struct fctx c = { .arena = p->arena, .dir = dir, .env = p->env, .notes = &p->notes };
	struct node *service = node_map(p->arena, value->pos), *all = node_map(p->arena, value->pos), *tree = node_map(p->arena, value->pos);

	c.home = p->env ? map_get(p->env, "HOME") : NULL;
	node_set(p->arena, service, key, value);
	node_set(p->arena, all, "x", service);
	node_set(p->arena, tree, "services", all);
	TRY(fields_canon(&c, service_fields, service, e));
	TRY(normalize_tree(&c, tree, e));
	TRY(fields_paths(&c, service_fields, service, e));
	TRY(fields_decode(&c, service_fields, service, ret, e));
	return 0;
}

static struct node *list_of(struct project *p, const char *text)
{
	struct node *l = node_list(p->arena, (struct pos){ 0 });

	node_append(p->arena, l, node_str(p->arena, (struct pos){ 0 }, arena_strdup(p->arena, text)));
	return l;
}

int service_set_ports(struct project *p, struct service *s, const struct strv *texts, struct err *e)
{
	struct port *v = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < texts->n; i++) {
		struct service one = { 0 };

		if (decode_as(p, p->dir, "ports", list_of(p, texts->v[i]), &one, e) < 0)
			return err_wrap(e, "port '%s'", texts->v[i]);
		for (size_t k = 0; k < one.ports.n; k++) {
			if (one.ports.v[k].bad)
				return err_set(e, EINVAL, "port '%s': not a port number", texts->v[i]);
			if (n == cap)
				arena_grow(p->arena, &v, n, &cap, sizeof *v);
			v[n++] = one.ports.v[k];
		}
	}
	s->ports.v = v;
	s->ports.n = n;
	return 0;
}

static void add_mount(struct project *p, struct service *s, const struct mount *m)
{
	struct mount *v = arena_alloc(p->arena, (s->volumes.n + 1) * sizeof *v);
	size_t n = 0;

	for (size_t i = 0; i < s->volumes.n; i++)
		if (!streq0(s->volumes.v[i].target, m->target))
			v[n++] = s->volumes.v[i];
	v[n++] = *m;
	s->volumes.v = v;
	s->volumes.n = n;
}

/* A volume that the file does not declare is the engine's, under the name as it is. */
static struct volume *add_outside(struct project *p, const char *name)
{
	struct volume *v = arena_alloc(p->arena, (p->volumes.n + 1) * sizeof *v);

	for (size_t i = 0; i < p->volumes.n; i++)
		v[i] = p->volumes.v[i];
	v[p->volumes.n] = (struct volume){ .key = name, .name = name, .outside = true };
	p->volumes.v = v;
	return &v[p->volumes.n++];
}

int service_add_volumes(struct project *p, struct service *s, const struct strv *texts, const char *cwd, struct err *e)
{
	for (size_t i = 0; i < texts->n; i++) {
		struct service one = { 0 };

		if (decode_as(p, cwd, "volumes", list_of(p, texts->v[i]), &one, e) < 0)
			return err_wrap(e, "volume '%s'", texts->v[i]);
		for (size_t k = 0; k < one.volumes.n; k++) {
			const struct mount *m = &one.volumes.v[k];
			struct volume *vol = m->type == MOUNT_VOLUME && m->source ? project_volume(p, m->source) : NULL;

			if (m->type == MOUNT_VOLUME && m->source && !vol)
				vol = add_outside(p, m->source);
			if (vol)
				vol->used = true;
			add_mount(p, s, m);
		}
	}
	return 0;
}

int service_set_entrypoint(struct project *p, struct service *s, const char *text, struct err *e)
{
	struct service one = { 0 };

	if (decode_as(p, p->dir, "entrypoint", node_str(p->arena, (struct pos){ 0 }, arena_strdup(p->arena, text)), &one, e) < 0)
		return err_wrap(e, "entrypoint '%s'", text);
	s->entrypoint = one.entrypoint;
	return 0;
}

void service_set_command(struct project *p, struct service *s, char *const *argv, size_t n)
{
	s->command.v = arena_alloc(p->arena, (n + 1) * sizeof *s->command.v);
	s->command.n = n;
	for (size_t i = 0; i < n; i++)
		s->command.v[i] = arena_strdup(p->arena, argv[i]);
}

/* ---- keys and values ---- */

/* The list stays sorted; it may be shared with others, so it is never changed in place. */
static void put(struct project *p, struct kvs *l, const char *key, const char *value)
{
	struct kv *v = arena_alloc(p->arena, (l->n + 1) * sizeof *v);
	size_t n = 0, i = 0;

	for (; i < l->n && strcmp(l->v[i].key, key) < 0; i++)
		v[n++] = l->v[i];
	v[n++] = (struct kv){ arena_strdup(p->arena, key), value ? arena_strdup(p->arena, value) : NULL };
	if (i < l->n && streq(l->v[i].key, key))
		i++;
	for (; i < l->n; i++)
		v[n++] = l->v[i];
	*l = (struct kvs){ v, n };
}

void service_add_env(struct project *p, struct service *s, const struct strv *texts)
{
	for (size_t i = 0; i < texts->n; i++) {
		const char *eq = strchr(texts->v[i], '=');
		auto_free char *key = eq ? xstrndup(texts->v[i], (size_t)(eq - texts->v[i])) : xstrdup(texts->v[i]);

		put(p, &s->environment, key, eq ? eq + 1 : p->env ? map_get(p->env, key) : NULL);
	}
}

static const char *env_lookup(void *arg, const char *name)
{
	const struct project *p = arg;

	return p->env ? map_get(p->env, name) : NULL;
}

int service_add_env_file(struct project *p, struct service *s, const char *path, struct err *e)
{
	const struct dotenv_env env = { .lookup = env_lookup, .arg = p, .given = true };
	struct dotenv_vars vars;

	if (dotenv_read(p->arena, path, DOTENV, &env, &vars, e) < 0)
		return err_wrap(e, "environment file '%s'", path);
	for (size_t i = 0; i < vars.n; i++)
		if (*vars.v[i].name)
			put(p, &s->environment, vars.v[i].name, vars.v[i].value);
	return 0;
}

void service_add_labels(struct project *p, struct service *s, const struct strv *texts)
{
	for (size_t i = 0; i < texts->n; i++) {
		const char *eq = strchr(texts->v[i], '=');
		auto_free char *key = eq ? xstrndup(texts->v[i], (size_t)(eq - texts->v[i])) : xstrdup(texts->v[i]);

		put(p, &s->labels, key, eq ? eq + 1 : "");
	}
}
