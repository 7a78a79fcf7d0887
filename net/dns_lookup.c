/* SPDX-License-Identifier: MIT */
#include "net/dns_lookup.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "state/network_store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct place {
	int64_t network, gw_priority;
	char *name;      /* of the network */
	bool internal;
	int gateways;
};
struct places {
	struct place *v;
	size_t n;
};

void dns_where_done(struct dns_where *w)
{
	strv_done(&w->links);
}

static void places_done(struct places *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].name);
	free(p->v);
}

/* As plan.c chooses the default route. */
static int by_route(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->gw_priority != y->gw_priority)
		return x->gw_priority > y->gw_priority ? -1 : 1;
	if (x->internal != y->internal)
		return x->internal ? 1 : -1;
	if (x->gateways != y->gateways)
		return x->gateways > y->gateways ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int load(struct db *db, const char *sandbox, struct places *p, struct err *e)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };

	TRY(endpoint_by_sandbox(db, sandbox, &eps, e));
	p->v = xcalloc(eps.n + 1, sizeof(*p->v));
	for (size_t i = 0; i < eps.n; i++) {
		AUTO_DONE(network_row_done) struct network_row n = { 0 };
		int r = network_get(db, eps.v[i].network, &n, e);

		TRY(r);
		if (r == 1)
			continue;
		p->v[p->n] = (struct place){ .network = n.id, .gw_priority = eps.v[i].gw_priority, .name = xstrdup(n.name), .internal = n.internal };
		for (size_t k = 0; k < n.nsubnets; k++)
			p->v[p->n].gateways += n.subnets[k].gateway != NULL;
		p->n++;
	}
	qsort(p->v, p->n, sizeof(*p->v), by_route);
	return 0;
}

static void take(const struct strv *found, struct dns_packet *answer)
{
	for (size_t i = 0; i < found->n && answer->count < DNS_ADDRS; i++) {
		AUTO_ERR(t);

		if (addr_parse(found->v[i], &answer->addr[answer->count], &t) >= 0)
			answer->count++;
	}
}

/* 0: known there, 1: not. */
static int ask_network(struct db *db, const struct dns_where *w, const struct place *p, const char *name, uint16_t type, struct dns_packet *answer,
		       struct err *e)
{
	AUTO_STRV(found);
	int r = dns_addresses(db, p->network, w->project, name, type == DNS_AAAA ? 6 : 4, &found, e);

	if (r == 0 && (type == DNS_A || type == DNS_AAAA))
		take(&found, answer);
	return r;
}

/* NAME on any network; then cut at each dot from the right: the rest may be a network's name. */
static int ask_everywhere(struct db *db, const struct dns_where *w, const struct places *p, const char *name, uint16_t type,
			  struct dns_packet *answer, struct err *e)
{
	const char *link = strv_env_get(&w->links, name);
	auto_free char *head = xstrdup(name);
	char *dot;

	for (size_t i = 0; link && i < p->n; i++) {
		int r = ask_network(db, w, &p->v[i], link, type, answer, e);

		if (r != 1)
			return r;
	}
	for (size_t i = 0; i < p->n; i++) {
		int r = ask_network(db, w, &p->v[i], name, type, answer, e);

		if (r != 1)
			return r;
	}
	while ((dot = strrchr(head, '.'))) {
		*dot = '\0';
		for (size_t i = 0; i < p->n; i++) {
			int r;

			if (strcasecmp(p->v[i].name, name + (dot - head) + 1) != 0)
				continue;
			r = ask_network(db, w, &p->v[i], head, type, answer, e);
			if (r != 1)
				return r;
		}
	}
	return 1;
}

static int reverse_on(struct db *db, const struct place *p, const char *text, struct dns_packet *answer, struct err *e)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };

	TRY(endpoint_by_network(db, p->network, &eps, e));
	for (size_t i = 0; i < eps.n; i++) {
		AUTO(json_free) struct cJSON *j = NULL;
		const char *names = eps.v[i].names, *first;
		AUTO_ERR(t);

		if (!streq0(eps.v[i].ipv4, text) && !streq0(eps.v[i].ipv6, text))
			continue;
		if (!names || json_parse(names, strlen(names), "names", &j, &t) < 0 || !json_first(j))
			return 1;
		first = json_value_str(json_first(j));
		snprintf(answer->name, sizeof(answer->name), "%s.%s", str0(first), p->name);
		return 0;
	}
	return 1;
}

static int reverse(struct db *db, const struct places *p, const char *name, struct dns_packet *answer, struct err *e)
{
	struct addr a;
	char text[ADDR_TEXT];

	if (!dns_ptr_addr(name, &a))
		return 1;
	addr_text(&a, text);
	for (size_t i = 0; i < p->n; i++) {
		int r = reverse_on(db, &p->v[i], text, answer, e);

		if (r != 1)
			return r;
	}
	return 1;
}

int dns_lookup(struct db *db, const struct dns_where *w, const char *name, uint16_t type, struct dns_packet *answer, struct err *e)
{
	AUTO_DONE(places_done) struct places p = { 0 };
	int r;

	TRY(load(db, w->sandbox, &p, e));
	r = type == DNS_PTR ? reverse(db, &p, name, answer, e) : ask_everywhere(db, w, &p, name, type, answer, e);
	TRY(r);
	answer->status = DNS_S_LOCAL;
	if (r == 1 && (type == DNS_PTR || !w->ndots || strchr(name, '.')))
		answer->status = DNS_S_FORWARD;
	return 0;
}
