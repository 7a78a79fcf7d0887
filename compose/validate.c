/* SPDX-License-Identifier: MIT
 *
 * compose/validate.c - see validate.h
 */
#include "compose/validate.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "compose/faults.h"
#include "compose/graph.h"
#include "compose/project.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* "compose.yaml:3:5: service "web" …", at KEY of the service, or at the service. */
static int service_err(const struct service *s, const char *key, struct err *e, const char *fmt, ...)
{
	const struct node *at = key ? node_key(s->node, key) : NULL;
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	(void)vasprintf(&text, fmt, ap);
	va_end(ap);
	return node_err(e, at ? at : s->node, "service \"%s\" %s", s->name, str0(text));
}

/* ---- the service itself ---- */

static int check_source(const struct project *p, const struct service *s, struct err *e)
{
	const struct build *b = s->build;

	(void)p;
	if (!b && !s->provider && !str0(s->image)[0]) {
		(void)service_err(s, NULL, e, "has neither an image nor a build context specified");
		err_hint(e, "give it 'image: NAME' or 'build: FOLDER'%s", node_key(s->node, "image") ? ": the image's name is empty" : "");
		return -EINVAL;
	}
	if (!b)
		return 0;
	if (str0(b->dockerfile)[0] && str0(b->dockerfile_inline)[0])
		return service_err(s, "build", e, "declares mutually exclusive dockerfile and dockerfile_inline");
	if (b->platforms.n && str0(s->platform)[0] && !strs_has(&b->platforms, s->platform))
		return service_err(s, "platform", e, "build.platforms must include platform \"%s\"", s->platform);
	return 0;
}

static int check_contexts(const struct project *p, const struct service *s, struct err *e)
{
	for (size_t i = 0; s->build && i < s->build->additional_contexts.n; i++) {
		const struct kv *kv = &s->build->additional_contexts.v[i];
		const char *name = str_after(str0(kv->value), "service:");
		const struct service *other = name ? project_service(p, name) : NULL;

		if (!name)
			continue;
		if (!other || other->disabled)
			return service_err(s, "build", e, "declares unknown service \"%s\" as additional contexts %s", name, kv->key);
		if (!other->build)
			return service_err(s, "build", e, "declares non-buildable service \"%s\" as additional contexts %s", name, kv->key);
	}
	return 0;
}

static int check_replicas(const struct project *p, const struct service *s, struct err *e)
{
	(void)p;
	if (s->scale.set && s->deploy && s->deploy->replicas.set && s->scale.v != s->deploy->replicas.v)
		return service_err(s, "scale", e, "can't set distinct values on 'scale' and 'deploy.replicas'");
	if (s->scale.set && s->scale.v < 0)
		return service_err(s, "scale", e, "scale: must be greater than or equal to 0");
	if (s->deploy && s->deploy->replicas.set && s->deploy->replicas.v < 0)
		return service_err(s, "deploy", e, "deploy.replicas: must be greater than or equal to 0");
	if (str0(s->container_name)[0] && service_replicas(s) > 1)
		return service_err(s, "container_name", e, "can't set container_name and %s: a container's name must be unique",
				   s->scale.set ? "scale" : "deploy.replicas");
	return 0;
}

/* Two ways to say one thing must agree. */
static int check_limits(const struct project *p, const struct service *s, struct err *e)
{
	const struct resource_limits *l = s->deploy ? s->deploy->resources.limits : NULL;
	const struct resource_limits *r = s->deploy ? s->deploy->resources.reservations : NULL;
	const struct {
		const char *key, *other;
		bool differ;
	} pairs[] = {
		{ "cpus", "limits.cpus", l && s->cpus != 0 && (float)s->cpus != (float)l->cpus },
		{ "mem_limit", "limits.memory", l && s->mem_limit && s->mem_limit != l->memory },
		{ "pids_limit", "limits.pids", l && s->pids_limit && s->pids_limit != l->pids },
		{ "mem_reservation", "reservations.memory", r && s->mem_reservation && s->mem_reservation != r->memory },
	};

	(void)p;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (pairs[i].differ)
			return service_err(s, pairs[i].key, e, "can't set distinct values on '%s' and 'deploy.resources.%s'", pairs[i].key,
					   pairs[i].other);
	return 0;
}

static int check_watch(const struct project *p, const struct service *s, struct err *e)
{
	(void)p;
	for (size_t i = 0; s->develop && i < s->develop->watch.n; i++) {
		const struct watch_rule *w = &s->develop->watch.v[i];

		if (!str0(w->target)[0] && !streq(w->action, "rebuild") && !streq(w->action, "restart"))
			return node_err(e, w->node, "service \"%s\" develop.watch: target is required for non-rebuild actions", s->name);
	}
	return 0;
}

/* ---- targets inside the container ---- */

static int seen_target(const struct service *s, struct map *seen, const char *target, const char *kind, size_t i, const struct node *at,
		       struct err *e)
{
	const char *before = map_get(seen, target);

	if (before)
		return node_err(e, at ? at : s->node, "services.%s.%s[%zu]: target %s already mounted as services.%s.%s", s->name, kind, i,
				target, s->name, before);
	(void)map_set(seen, target, arena_printf(s->project->arena, "%s[%zu]", kind, i));
	return 0;
}

static int check_targets(const struct project *p, const struct service *s, struct err *e)
{
	AUTO_MAP(seen, NULL);

	for (size_t i = 0; i < s->volumes.n; i++)
		TRY(seen_target(s, &seen, s->volumes.v[i].target, "volumes", i, s->volumes.v[i].node, e));
	for (size_t i = 0; i < s->tmpfs.n; i++) {
		const struct node *list = node_get(s->node, "tmpfs");
		const char *target = arena_strndup(p->arena, s->tmpfs.v[i], strcspn(s->tmpfs.v[i], ":"));

		TRY(seen_target(s, &seen, target, "tmpfs", i, node_is_list(list) && i < list->n ? list->items[i] : NULL, e));
	}
	return 0;
}

/* ---- references ---- */

/* All of them are told: to F. */
static void undefined(struct faults *f, const struct service *s, const struct node *at, const char *kind, const char *name, const char *near)
{
	AUTO_ERR(e);

	(void)node_err(&e, at && at->pos.src ? at : s->node, "service \"%s\" refers to undefined %s %s", s->name, kind, str0(name));
	if (near)
		err_hint(&e, "did you mean '%s'?", near);
	else if (!streq(kind, "service"))
		err_hint(&e, "declare it at the top level, under '%ss:'", streq(kind, "build secret") ? "secret" : kind);
	(void)faults_keep(f, &e);
}
#define NEAREST(list, member, name) \
	((list).n ? str_nearest(str0(name), &(list).v->member, (list).n, sizeof(*(list).v)) : NULL)

static int check_networks(const struct project *p, const struct service *s, struct err *e)
{
	struct faults faults = FAULTS_INIT;

	if (s->network_mode && s->networks.n) {
		(void)service_err(s, "network_mode", e, "declares mutually exclusive `network_mode` and `networks`");
		err_hint(e, "keep one of them");
		return -EINVAL;
	}
	for (size_t i = 0; i < s->networks.n; i++)
		if (!project_network(p, s->networks.v[i].name))
			undefined(&faults, s, node_key(node_get(s->node, "networks"), s->networks.v[i].name), "network", s->networks.v[i].name,
					 NEAREST(p->networks, key, s->networks.v[i].name));
	return faults_raise(&faults, e);
}

static int check_volumes(const struct project *p, const struct service *s, struct err *e)
{
	struct faults faults = FAULTS_INIT;

	for (size_t i = 0; i < s->volumes.n; i++) {
		const struct mount *m = &s->volumes.v[i];

		if (m->type == MOUNT_VOLUME && str0(m->source)[0] && !project_volume(p, m->source))
			undefined(&faults, s, m->node, "volume", m->source, NEAREST(p->volumes, key, m->source));
	}
	return faults_raise(&faults, e);
}

static int check_files(const struct project *p, const struct service *s, struct err *e)
{
	struct faults faults = FAULTS_INIT;

	for (size_t i = 0; i < s->secrets.n; i++)
		if (!project_secret(p, str0(s->secrets.v[i].source)))
			undefined(&faults, s, s->secrets.v[i].node, "secret", s->secrets.v[i].source,
					 NEAREST(p->secrets, key, s->secrets.v[i].source));
	for (size_t i = 0; i < s->configs.n; i++)
		if (!project_config(p, str0(s->configs.v[i].source)))
			undefined(&faults, s, s->configs.v[i].node, "config", s->configs.v[i].source,
					 NEAREST(p->configs, key, s->configs.v[i].source));
	for (size_t i = 0; s->build && i < s->build->secrets.n; i++)
		if (!project_secret(p, str0(s->build->secrets.v[i].source)))
			undefined(&faults, s, s->build->secrets.v[i].node, "build secret", s->build->secrets.v[i].source,
					 NEAREST(p->secrets, key, s->build->secrets.v[i].source));
	for (size_t i = 0; i < s->models.n; i++)
		if (!project_model(p, s->models.v[i].name))
			undefined(&faults, s, s->models.v[i].node, "model", s->models.v[i].name, NEAREST(p->models, key, s->models.v[i].name));
	return faults_raise(&faults, e);
}

static int check_dependencies(const struct project *p, const struct service *s, struct err *e)
{
	struct faults faults = FAULTS_INIT;

	for (size_t i = 0; i < s->depends_on.n; i++) {
		const struct dependency *d = &s->depends_on.v[i];
		const struct service *to = project_service(p, d->name);
		const struct node *key = d->implied ? d->node : node_key(node_get(s->node, "depends_on"), d->name);
		const char *near;

		if (to && (!to->disabled || !d->required))
			continue;
		near = NEAREST(p->services, name, d->name);
		(void)node_err(e, key ? key : d->node, "service \"%s\" depends on undefined service \"%s\"", s->name, d->name);
		if (to)
			err_hint(e, "'%s' is switched off: its profile is not active", d->name);
		else if (near)
			err_hint(e, "did you mean '%s'?", near);
		if (!faults_keep(&faults, e))
			return faults_drop(&faults, e);
	}
	return faults_raise(&faults, e);
}

/* ---- the project ---- */

static int check_container_names(const struct project *p, struct err *e)
{
	AUTO_MAP(names, NULL);

	for (size_t i = 0; i < p->services.n; i++) {
		struct service *s = &p->services.v[i];
		const struct service *other;

		if (s->disabled || !str0(s->container_name)[0])
			continue;
		other = map_get(&names, s->container_name);
		if (other)
			return service_err(s, "container_name", e, "container name \"%s\" is already in use by service \"%s\"",
					   s->container_name, other->name);
		(void)map_set(&names, s->container_name, s);
	}
	return 0;
}

typedef int check_fn(const struct project *p, const struct service *s, struct err *e);
static check_fn *const checks[] = {
	check_source, check_contexts, check_networks, check_volumes, check_files, check_dependencies, check_replicas, check_limits,
	check_targets, check_watch,
};

int validate_project(const struct project *p, struct err *e)
{
	struct faults faults = FAULTS_INIT;
	struct service **order;

	for (size_t i = 0; i < p->services.n; i++)
		for (size_t j = 0; !p->services.v[i].disabled && j < ARRAY_LEN(checks); j++)
			if (checks[j](p, &p->services.v[i], e) < 0 && !faults_keep(&faults, e))
				return faults_drop(&faults, e);
	if (check_container_names(p, e) < 0 && !faults_keep(&faults, e))
		return faults_drop(&faults, e);
	TRY(faults_raise(&faults, e));
	return graph_order(p, &order, e);
}
