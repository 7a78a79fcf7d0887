/* SPDX-License-Identifier: MIT */
#include "compose/profiles.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "compose/graph.h"
#include <errno.h>
#include <fnmatch.h>

static void add_profile(struct project *p, const char *name)
{
	const char **v;

	if (!*name || strs_has(&p->active_profiles, name))
		return;
	v = arena_alloc(p->arena, (p->active_profiles.n + 2) * sizeof *v);
	for (size_t i = 0; i < p->active_profiles.n; i++)
		v[i] = p->active_profiles.v[i];
	v[p->active_profiles.n++] = arena_strdup(p->arena, name);
	p->active_profiles.v = v;
}

void profiles_active(struct project *p, const struct strv *given)
{
	const char *all = map_get(p->env, "COMPOSE_PROFILES"), *from, *to, *comma;

	for (size_t i = 0; i < given->n; i++)
		add_profile(p, given->v[i]);
	if (given->n || !all)
		return;
	for (; all; all = comma ? comma + 1 : NULL) {
		comma = strchr(all, ',');
		from = all + strspn(all, " \t");
		to = comma ? comma : all + strlen(all);
		while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
			to--;
		if (to > from)
			add_profile(p, arena_strndup(p->arena, from, (size_t)(to - from)));
	}
}

static bool is_pattern(const char *s)
{
	return strpbrk(s, "*?[") != NULL;
}

static bool is_named(const struct service *s, const struct strv *named)
{
	for (size_t i = 0; i < named->n; i++)
		if (streq(named->v[i], s->name) ||
		    (is_pattern(named->v[i]) && fnmatch(named->v[i], s->name, 0) == 0))
			return true;
	return false;
}

static bool is_active(const struct project *p, const struct service *s)
{
	/* none being active counts as one without a name, as for docker compose */
	if (s->profiles.n == 0 || strs_has(&p->active_profiles, "*") || (p->active_profiles.n == 0 && strs_has(&s->profiles, "")))
		return true;
	for (size_t i = 0; i < s->profiles.n; i++)
		if (strs_has(&p->active_profiles, s->profiles.v[i]))
			return true;
	return false;
}

static int check_named(const struct project *p, const struct strv *named, struct err *e)
{
	for (size_t i = 0; i < named->n; i++) {
		const char *near;

		if (is_pattern(named->v[i]) || project_service(p, named->v[i]))
			continue;
		err_set(e, ENOENT, "no such service: %s", named->v[i]);
		near = str_nearest(named->v[i], &p->services.v->name, p->services.n, sizeof *p->services.v);
		if (p->services.n && near)
			err_hint(e, "did you mean '%s'?", near);
		return err_exit(e, 1);
	}
	return 0;
}

/* Somebody named S; what it needs is switched off by profiles: say which ones would help. */
static int check_needs(const struct project *p, const struct service *s, struct err *e)
{
	for (size_t i = 0; i < s->depends_on.n; i++) {
		const struct service *d = project_service(p, s->depends_on.v[i].name);
		AUTO_STR(names, 512);

		if (!d || !d->disabled || !s->depends_on.v[i].required)
			continue;
		for (size_t k = 0; k < d->profiles.n; k++)
			str_addf(&names, "%s%s", k ? " " : "", d->profiles.v[k]);
		node_err(e, s->depends_on.v[i].node,
			 "service \"%s\" is required by \"%s\" but is disabled. Can be enabled by profiles [%s]", d->name,
			 s->name, names.s);
		return -EINVAL;
	}
	return 0;
}

int profiles_apply(struct project *p, const struct strv *named, bool every, struct err *e)
{
	if (!every)
		TRY(check_named(p, named, e));
	for (size_t i = 0; i < p->services.n; i++) {
		const struct service *s = &p->services.v[i];

		if (is_named(s, named) && !is_active(p, s))
			for (size_t k = 0; k < s->profiles.n; k++)
				add_profile(p, s->profiles.v[k]);
	}
	for (size_t i = 0; i < p->services.n; i++) {
		p->services.v[i].off = !is_active(p, &p->services.v[i]);
		p->services.v[i].disabled = p->services.v[i].off && !every;
	}
	if (every)
		return 0;
	for (size_t i = 0; i < p->services.n; i++) {
		struct service *s = &p->services.v[i];

		if (s->disabled)
			continue;
		if (is_named(s, named))
			TRY(check_needs(p, s, e));
	}
	return 0;
}

int profiles_select(struct project *p, const struct strv *named, bool deps, struct err *e)
{
	auto_free bool *keep = xcalloc(p->services.n + 1, sizeof *keep);
	bool any = false;

	if (named->n == 0)
		return 0;
	for (size_t i = 0; i < p->services.n; i++)
		if (!p->services.v[i].disabled && is_named(&p->services.v[i], named)) {
			any = true;
			graph_mark(p, i, deps, keep);
		}
	if (!any) {
		err_set(e, ENOENT, "no such service: %s", named->v[0]);
		return err_exit(e, 1);
	}
	for (size_t i = 0; i < p->services.n; i++)
		if (!keep[i])
			p->services.v[i].disabled = true;
	return 0;
}
