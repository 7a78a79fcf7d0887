/* SPDX-License-Identifier: MIT
 *
 * compose/ftypes_net.c - ports, extra_hosts, address pools (compose.md §2, §11, §14)
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "compose/emit.h"
#include "compose/faults.h"
#include "compose/ftypes.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- ports ---- */

enum { PORT_RANGE_MAX = 65536 };

struct port_range {
	unsigned from, to;
	bool set;
};

static bool is_address(const char *s)
{
	unsigned char buf[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, s, buf) == 1 || inet_pton(AF_INET6, s, buf) == 1;
}

/* "80" or "80-90"; "" leaves it unset. */
static int parse_range(struct fctx *c, const struct node *n, const char *s, const char *what, struct port_range *ret, struct err *e)
{
	auto_free char *copy = xstrdup(s);
	char *dash = strchr(copy, '-'), *more = dash ? strchr(dash + 1, '-') : NULL;
	AUTO_ERR(scratch);
	uint64_t from, to;

	ret->set = *s != '\0';
	if (!*s)
		return 0;
	if (more)
		*more = '\0'; /* "1-2-3" is 1-2 */
	if (dash)
		*dash++ = '\0';
	if (num_uint(copy, 65535, &from, &scratch) < 0 || (dash && num_uint(dash, 65535, &to, &scratch) < 0))
		return field_err(c, n, e, "invalid %s '%s', want a number up to 65535 or a range", what, s);
	if (!dash)
		to = from;
	if (to < from)
		return field_err(c, n, e, "invalid %s '%s': the range ends before it begins", what, s);
	ret->from = (unsigned)from;
	ret->to = (unsigned)to;
	return 0;
}

struct port_spec_text {
	char *ip, *host, *ctr, *proto;
};

/* [[IP:][HOST]:]CTR[/PROTO]; points into COPY. */
static int split_port(struct fctx *c, const struct node *n, char *copy, struct port_spec_text *t, struct err *e)
{
	char *slash = strchr(copy, '/'), *colon;

	*t = (struct port_spec_text){ .ip = copy + strlen(copy), .host = copy + strlen(copy), .ctr = copy, .proto = NULL };
	if (slash) {
		*slash = '\0';
		t->proto = slash + 1;
		t->proto[strcspn(t->proto, "/")] = '\0';
		t->ip = t->host = copy + strlen(copy);
	}
	colon = strrchr(copy, ':');
	if (!colon)
		return 0;
	t->ctr = colon + 1;
	*colon = '\0';
	t->ip = copy + strlen(copy);
	colon = strrchr(copy, ':');
	if (!colon) {
		t->host = copy;
		return 0;
	}
	t->host = colon + 1;
	*colon = '\0';
	t->ip = copy;
	if (t->ip[0] == '[') {
		size_t len = strlen(t->ip);

		if (t->ip[len - 1] != ']')
			return field_err(c, n, e, "invalid port '%s': a bracket is not closed", n->text);
		t->ip[len - 1] = '\0';
		t->ip++;
	} else if (strchr(t->ip, ':')) {
		(void)field_err(c, n, e, "invalid ip address: '%s'", t->ip);
		err_hint(e, "an IPv6 address stands in brackets: [::1]:8080:80");
		return -EINVAL;
	}
	if (*t->ip && !is_address(t->ip))
		return field_err(c, n, e, "invalid ip address: '%s'", t->ip);
	return 0;
}

static struct node *one_port(struct fctx *c, const struct node *n, unsigned target, const char *published, const struct port_spec_text *t,
			     const char *proto)
{
	struct node *m = field_map_at(c, n);

	m->tag = TAG_NONE;
	FIELD_SET(c, m, "mode", node_str(c->arena, n->pos, "ingress"));
	if (*t->ip)
		FIELD_SET(c, m, "host_ip", node_str(c->arena, n->pos, arena_strdup(c->arena, t->ip)));
	FIELD_SET(c, m, "target", node_scalar(c->arena, n->pos, SCALAR_INT, arena_printf(c->arena, "%u", target)));
	if (published)
		FIELD_SET(c, m, "published", node_str(c->arena, n->pos, published));
	FIELD_SET(c, m, "protocol", node_str(c->arena, n->pos, proto));
	return m;
}

/* docker compose sorts the ports of one item by the text "port/proto". */
static int by_target_text(const void *a, const void *b)
{
	const struct node *const *x = a, *const *y = b;

	return strcmp(node_get(*x, "target")->text, node_get(*y, "target")->text);
}

static int expand_ranges(struct fctx *c, const struct node *n, struct node *list, const struct port_spec_text *t, const char *proto,
			 const struct port_range *host, const struct port_range *ctr, struct err *e)
{
	unsigned count = ctr->to - ctr->from + 1, hosts = host->to - host->from + 1;
	size_t first = list->n;

	if (host->set && hosts != count && count != 1)
		return field_err(c, n, e, "invalid ranges specified for container and host ports: %u-%u and %u-%u", ctr->from, ctr->to,
				 host->from, host->to);
	for (unsigned i = 0; i < count; i++) {
		const char *published = NULL;

		if (host->set && hosts != count)
			published = arena_printf(c->arena, "%u-%u", host->from, host->to);
		else if (host->set)
			published = arena_printf(c->arena, "%u", host->from + i);
		node_append(c->arena, list, one_port(c, n, ctr->from + i, published, t, proto));
	}
	if (count > 1)
		qsort(list->items + first, count, sizeof(*list->items), by_target_text);
	return 0;
}

static int port_expand(struct fctx *c, const struct node *n, struct node *list, struct err *e)
{
	static const char *const protocols[] = { "tcp", "udp", "sctp", NULL };
	auto_free char *copy = NULL;
	struct port_spec_text t;
	struct port_range host = { 0 }, ctr = { 0 };
	char proto[8] = "tcp";

	if (!node_is_scalar(n) || n->type == SCALAR_BOOL || n->type == SCALAR_FLOAT || n->type == SCALAR_TIME) {
		(void)field_type_err(c, n, "number, string or mapping", e);
		if (node_is_scalar(n))
			err_hint(e, "put it in quotes: \"%s\"", n->text);
		return -EINVAL;
	}
	copy = xstrdup(n->text);
	TRY(split_port(c, n, copy, &t, e));
	if (!*t.ctr)
		return field_err(c, n, e, "no port specified: %s<empty>", n->text);
	if (t.proto && *t.proto) {
		size_t len = strlen(t.proto);

		for (size_t i = 0; i <= len && len < sizeof(proto); i++)
			proto[i] = (char)(t.proto[i] >= 'A' && t.proto[i] <= 'Z' ? t.proto[i] + 32 : t.proto[i]);
		if (len >= sizeof(proto))
			proto[0] = '\0';
		if (!str_in(proto, protocols))
			return field_err(c, n, e, "invalid protocol '%s', want tcp, udp or sctp", t.proto);
	}
	TRY(parse_range(c, n, t.ctr, "container port", &ctr, e));
	if (!ctr.from)
		return field_err(c, n, e, "invalid container port '0'");
	TRY(parse_range(c, n, t.host, "host port", &host, e));
	return expand_ranges(c, n, list, &t, proto, &host, &ctr, e);
}

static const char *scalar_or(const struct node *map, const char *key, const char *dflt)
{
	const struct node *v = node_get(map, key);

	return node_is_scalar(v) ? v->text : dflt;
}

/* The key of compose-go; a published number and a published string count as one here (compose.md §11). */
static const char *port_key(struct fctx *c, const struct node *n)
{
	return arena_printf(c->arena, "%s:%s:%s/%s", scalar_or(n, "host_ip", "0.0.0.0"), scalar_or(n, "published", ""),
			    scalar_or(n, "target", ""), scalar_or(n, "protocol", "tcp"));
}

static int port_finish(struct fctx *c, const struct node *n, void *obj, struct err *e)
{
	struct port *p = obj;
	struct port_range r = { 0 };
	AUTO_ERR(scratch);

	if (!node_get(n, "target"))
		return field_err(c, n, e, "a port has no target");
	if (p->host_ip && *p->host_ip && !is_address(p->host_ip))
		return field_err(c, node_get(n, "host_ip"), e, "invalid ip address: '%s'", p->host_ip);
	/* what is no port number is refused when the service is to start (validate_values), as docker compose does */
	if (parse_range(c, node_get(n, "published"), str0(p->published), "host port", &r, &scratch) < 0)
		p->bad = true;
	p->bad |= p->target < 1 || p->target > 65535;
	p->published_from = (uint16_t)r.from;
	p->published_to = (uint16_t)r.to;
	return 0;
}

static const struct field port_fields[] = {
	FIELD_S("name", ft_string, struct port, name, NULL, F_HASH, FULL, NULL),
	FIELD("mode", ft_string, struct port, mode, NULL, F_HASH),
	FIELD("host_ip", ft_string, struct port, host_ip, NULL, F_HASH),
	FIELD("target", ft_int, struct port, target, NULL, F_HASH),
	FIELD("published", ft_text, struct port, published, NULL, F_HASH),
	FIELD("protocol", ft_string, struct port, protocol, NULL, F_HASH),
	FIELD("app_protocol", ft_string, struct port, app_protocol, NULL, F_HASH),
	FIELD_EXT(struct port),
	FIELD_END,
};

const struct object_type port_item = {
	OBJECT("port", struct port, port_fields), .node = offsetof(struct port, node), .name = NO_MEMBER, .null = NO_MEMBER,
	.expand = port_expand, .key = port_key, .finish = port_finish,
};

/* ---- extra_hosts ---- */

/* NAME and one or more addresses -> "name=ip" items. */
static int add_host(struct fctx *c, const struct node *n, struct node *l, const char *name, const char *ips, struct err *e)
{
	if (!*name || strchr(name, ':') || strchr(name, '='))
		return field_err(c, n, e, "bad host name '%s'", name);
	for (const char *p = ips;;) {
		size_t len = strcspn(p, ",");
		const char *ip = p;
		size_t iplen = len;

		if (iplen > 1 && ip[0] == '[' && ip[iplen - 1] == ']') {
			ip++;
			iplen -= 2;
		}
		node_append(c->arena, l, node_str(c->arena, n->pos, arena_printf(c->arena, "%s=%.*s", name, (int)iplen, ip)));
		if (!p[len])
			return 0;
		p += len + 1;
	}
}

static bool is_text(const struct node *n)
{
	return node_is_scalar(n) && n->type == SCALAR_STR;
}

static int host_line(struct fctx *c, const struct node *item, struct node *l, struct err *e)
{
	const char *s = item->text, *sep;

	if (!node_is_scalar(item))
		return field_type_err(c, item, "string", e);
	sep = strchr(s, '=');
	if (!sep)
		sep = strchr(s, ':');
	if (!sep)
		return field_err(c, item, e, "invalid additional host, missing IP: %s", s);
	return add_host(c, item, l, arena_strndup(c->arena, s, (size_t)(sep - s)), sep + 1, e);
}

static int host_entry(struct fctx *c, const struct node *key, const struct node *v, struct node *l, struct err *e)
{
	if (is_text(v))
		return add_host(c, v, l, key->text, v->text, e);
	if (!node_is_list(v))
		return field_type_err(c, node_is_null(v) ? key : v, "string or list", e);
	for (size_t i = 0; i < v->n; i++) {
		if (!is_text(v->items[i]))
			return field_type_err(c, v->items[i], "string", e);
		TRY(add_host(c, v->items[i], l, key->text, v->items[i]->text, e));
	}
	return 0;
}

static int extra_hosts_to_list(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	const struct node *v = *n;
	struct node *l;

	(void)f;
	if (node_is_null(v))
		return 0;
	if (node_is_scalar(v))
		return field_type_err(c, v, "mapping or list", e);
	l = field_list_at(c, v);
	for (size_t i = 0; i < v->n; i++) {
		int r;
		struct fpath at = { c->at, node_is_map(v) ? v->keys[i]->text : NULL, i };

		c->at = &at;
		if (field_raw(c, v->items[i]))
			r = (node_append(c->arena, l, node_is_map(v) ? node_str(c->arena, v->items[i]->pos,
				     arena_printf(c->arena, "%s=%s", v->keys[i]->text, v->items[i]->text)) : v->items[i]), 0);
		else
			r = node_is_map(v) ? host_entry(c, v->keys[i], v->items[i], l, e) : host_line(c, v->items[i], l, e);
		c->at = at.up;
		if (r < 0 && !faults_keep(c->faults, e))
			return r;
	}
	*n = l;
	return 0;
}

/* Not interpolated: checked, and printed as it is. */
static int extra_hosts_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	struct node *scratch = *n;

	return extra_hosts_to_list(c, f, c->flags & FCTX_RAW ? &scratch : n, e);
}

/* Appends what is not there yet. */
static int extra_hosts_merge(struct fctx *c, const struct field *f, struct node **base, const struct node *over, struct err *e)
{
	struct node *l, *o = (struct node *)(uintptr_t)over;

	if (c->flags & FCTX_RAW) {
		TRY(extra_hosts_to_list(c, f, base, e));
		TRY(extra_hosts_to_list(c, f, &o, e));
	}
	over = o;
	l = field_own(c, *base);
	for (size_t i = 0; i < over->n; i++) {
		bool have = false;

		for (size_t j = 0; j < l->n && !have; j++)
			have = node_equal(l->items[j], over->items[i]);
		if (!have)
			node_append(c->arena, l, over->items[i]);
	}
	*base = l;
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int extra_hosts_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	struct strs *l = member;

	TRY(ft_strings.decode(c, f, n, member, e));
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), by_text);
	return 0;
}

static bool extra_hosts_emit(const struct field *f, const void *member, struct emitter *out)
{
	return ft_strings.emit(f, member, out);
}

const struct ftype ft_extra_hosts = {
	.name = "mapping or list", .canon = extra_hosts_canon, .merge = extra_hosts_merge, .decode = extra_hosts_decode,
	.emit = extra_hosts_emit,
};

/* ---- address pools of a network: one per subnet ---- */

static const struct field pool_fields[] = {
	FIELD("subnet", ft_string, struct ipam_pool, subnet, NULL, F_RESOURCE_HASH),
	FIELD("gateway", ft_string, struct ipam_pool, gateway, NULL, F_RESOURCE_HASH),
	FIELD("ip_range", ft_string, struct ipam_pool, ip_range, NULL, F_RESOURCE_HASH),
	FIELD("aux_addresses", ft_options, struct ipam_pool, aux_addresses, "string", F_RESOURCE_HASH),
	FIELD_EXT(struct ipam_pool),
	FIELD_END,
};
static const char *pool_key(struct fctx *c, const struct node *n)
{
	(void)c;
	return scalar_or(n, "subnet", NULL);
}

const struct object_type ipam_pool_item = {
	OBJECT("address pool", struct ipam_pool, pool_fields), .node = offsetof(struct ipam_pool, node), .name = NO_MEMBER, .null = NO_MEMBER,
	.merge_key = pool_key,
};
