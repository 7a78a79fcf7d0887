/* SPDX-License-Identifier: MIT */
#include "cli/port_view.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"
#include <stdlib.h>

enum { TEXT_MAX = 1 << 20 };

static void port_done(struct shown_port *p)
{
	free(p->ip);
	free(p->proto);
}

void shown_ports_done(struct shown_ports *l)
{
	for (size_t i = 0; i < l->n; i++)
		port_done(&l->v[i]);
	free(l->v);
	*l = (struct shown_ports){ 0 };
}

void shown_ports_add(struct shown_ports *l, const char *ip, uint16_t published, uint16_t target, const char *proto)
{
	xgrow(&l->v, l->n, &l->cap, sizeof *l->v);
	l->v[l->n++] = (struct shown_port){ .ip = xstrdup(ip), .proto = xstrdup(proto), .target = target, .published = published };
}

/* By target, address, host port, protocol; what is only exposed comes first, having no address. */
static int compare(const void *a, const void *b)
{
	const struct shown_port *x = a, *y = b;
	int r = strcmp(x->ip, y->ip);

	if (x->target != y->target)
		return x->target < y->target ? -1 : 1;
	if (r)
		return r;
	if (x->published != y->published)
		return x->published < y->published ? -1 : 1;
	return strcmp(x->proto, y->proto);
}

/* The port I is only exposed, and one of those behind it is the same. */
static bool is_told_again(const struct shown_ports *l, size_t i)
{
	for (size_t k = i + 1; !l->v[i].published && k < l->n && l->v[k].target == l->v[i].target; k++)
		if (streq(l->v[k].proto, l->v[i].proto))
			return true;
	return false;
}

void shown_ports_sort(struct shown_ports *l)
{
	size_t kept = 0;

	if (l->n)
		qsort(l->v, l->n, sizeof *l->v, compare);
	for (size_t i = 0; i < l->n; i++)
		if (is_told_again(l, i))
			port_done(&l->v[i]);
		else
			l->v[kept++] = l->v[i];
	l->n = kept;
}

/* --- text ---------------------------------------------------------------------------------------------------- */

/* "[::]:80-82->80-82/tcp", "80/tcp" */
static void add_group(struct str *b, const struct shown_port *first, uint16_t last)
{
	bool v6 = strchr(first->ip, ':') != NULL;
	bool range = last != first->target;

	str_add(b, b->len ? ", " : "");
	if (first->published) {
		str_addf(b, "%s%s%s:%u", v6 ? "[" : "", first->ip, v6 ? "]" : "", first->published);
		if (range)
			str_addf(b, "-%u", last);
		str_add(b, "->");
	}
	str_addf(b, "%u", first->target);
	if (range)
		str_addf(b, "-%u", last);
	str_addf(b, "/%s", first->proto);
}

/* Published under another number: shown by itself. */
static bool stands_alone(const struct shown_port *p)
{
	return p->published && p->published != p->target;
}

/* A run of neighbours: from FIRST to the number LAST. */
struct group {
	const struct shown_port *first;
	uint16_t last;
};

static struct group *group_of(struct group *groups, size_t n, const struct shown_port *p)
{
	for (size_t i = 0; i < n; i++)
		if (streq(groups[i].first->ip, p->ip) && streq(groups[i].first->proto, p->proto))
			return &groups[i];
	return NULL;
}

/* Runs that ended, then those that did not, then what stands alone: docker's order. */
char *shown_ports_text(const struct shown_ports *l)
{
	auto_free struct group *groups = l->n ? xcalloc(l->n, sizeof *groups) : NULL;
	struct str b = STR_INIT(TEXT_MAX);
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct shown_port *p = &l->v[i];
		struct group *g = group_of(groups, n, p);

		if (stands_alone(p))
			continue;
		if (g && p->target == g->last + 1) {
			g->last = p->target;
			continue;
		}
		if (g)
			add_group(&b, g->first, g->last);
		else
			g = &groups[n++];
		*g = (struct group){ p, p->target };
	}
	for (size_t i = 0; i < n; i++)
		add_group(&b, groups[i].first, groups[i].last);
	for (size_t i = 0; i < l->n; i++)
		if (stands_alone(&l->v[i]))
			add_group(&b, &l->v[i], l->v[i].target);
	return str_take(&b);
}

void shown_ports_json(const struct shown_ports *l, struct cJSON *list)
{
	for (size_t i = 0; i < l->n; i++) {
		struct cJSON *o = json_add_object(list, NULL);

		json_add_str(o, "URL", l->v[i].ip);
		json_add_int(o, "TargetPort", l->v[i].target);
		json_add_int(o, "PublishedPort", l->v[i].published);
		json_add_str(o, "Protocol", l->v[i].proto);
	}
}
