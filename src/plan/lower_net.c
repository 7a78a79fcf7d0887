/* SPDX-License-Identifier: MIT
 *
 * compose.md §10 (networks of a service), §11 (ports), §38 (shared namespaces).
 */
#include "plan/lower.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/map.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/container/spec.h"
#include "engine/image/store.h"
#include <errno.h>

static void endpoint(const struct lower *l, struct ctr_spec *c, const struct service_network *n, const char *name, bool service_alias)
{
	struct endpoint_spec *ep = ctr_spec_add_endpoint(c);

	ep->network = xstrdup(name);
	if (service_alias && !l->oneoff)
		strv_add_unique(&ep->aliases, l->s->name);
	if (!n)
		return;
	for (size_t i = 0; i < n->aliases.n; i++)
		strv_add_unique(&ep->aliases, n->aliases.v[i]);
	ep->ipv4 = xstrdup0(n->ipv4_address);
	ep->ipv6 = xstrdup0(n->ipv6_address);
	ep->mac = xstrdup0(n->mac_address);
	ep->ifname = xstrdup0(n->interface_name);
	lower_strs(&ep->link_local, &n->link_local_ips);
	ep->priority = n->priority;
	ep->gw_priority = n->gw_priority;
	lower_kvs(&ep->driver_opts, &n->driver_opts);
}

/* Highest priority first, ties by name: they are sorted by name already, so a stable selection keeps that. */
static int lower_endpoints(const struct lower *l, struct ctr_spec *c, struct err *e)
{
	const struct service *s = l->s;
	bool *done = xcalloc(s->networks.n + 1, sizeof *done);
	int r = 0;

	for (size_t k = 0; k < s->networks.n && r == 0; k++) {
		const struct service_network *best = NULL;
		const struct network *net;

		for (size_t i = 0; i < s->networks.n; i++)
			if (!done[i] && (!best || s->networks.v[i].priority > best->priority))
				best = &s->networks.v[i];
		done[best - s->networks.v] = true;
		net = project_network(l->p, best->name);
		if (net)
			endpoint(l, c, best, net->name, true);
		else
			r = err_set(e, ENOENT, "networks: '%s' is not defined", best->name);
	}
	free(done);
	return r;
}

static int primary_mac(const struct service *s, struct ctr_spec *c, struct err *e)
{
	if (!s->mac_address || c->nendpoints == 0)
		return 0;
	if (c->endpoints[0].mac && !streq(c->endpoints[0].mac, s->mac_address))
		return err_set(e, EINVAL, "mac_address '%s' differs from that of network '%s': '%s'", s->mac_address, c->endpoints[0].network,
			       c->endpoints[0].mac);
	free(c->endpoints[0].mac);
	c->endpoints[0].mac = xstrdup(s->mac_address);
	return 0;
}

static void lower_ports(const struct service *s, struct ctr_spec *c)
{
	for (size_t i = 0; i < s->ports.n; i++) {
		const struct port *p = &s->ports.v[i];
		struct port_spec *to = ctr_spec_add_port(c);

		to->proto = xstrdup(p->protocol ? p->protocol : "tcp");
		to->host_ip = xstrdup(str0(p->host_ip));
		to->ctr_port = (uint16_t)p->target;
		to->host_port = p->published_from;
		to->host_port_last = p->published_to > p->published_from ? p->published_to : 0;
	}
}

/* "80", "7000-7002/udp" of expose; what is no port is passed over, as it has no effect. */
static void add_exposed(struct ctr_spec *c, struct map *seen, const char *text)
{
	auto_free char *ports = xstrndup(text, strcspn(text, "/"));
	const char *proto = strchr(text, '/');
	char *dash = strchr(ports, '-');
	uint64_t from, to;
	AUTO_ERR(ignored);

	if (dash)
		*dash++ = '\0';
	if (num_uint(ports, UINT16_MAX, &from, &ignored) < 0 || !from)
		return;
	to = from;
	if (dash && num_uint(dash, UINT16_MAX, &to, &ignored) < 0)
		return;
	for (; from <= to; from++) {
		auto_free char *one = xasprintf("%u/%s", (unsigned)from, proto ? proto + 1 : "tcp");

		if (map_set(seen, one, c))
			strv_add(&c->expose, one);
	}
}

static void lower_expose(const struct lower *l, struct ctr_spec *c)
{
	AUTO_MAP(seen, NULL); /* ranges have thousands */

	for (size_t i = 0; i < l->config->exposed_ports.n; i++)
		add_exposed(c, &seen, l->config->exposed_ports.v[i]);
	for (size_t i = 0; i < l->s->expose.n; i++)
		add_exposed(c, &seen, l->s->expose.v[i]);
}

/* What makes no sense in somebody else's network namespace (the engine's "conflicting options"). */
static int check_shared(const struct service *s, struct err *e)
{
	const struct {
		const char *key;
		bool given;
	} keys[] = {
		{ "ports", s->ports.n > 0 },	       { "hostname", s->hostname != NULL },	 { "dns", s->dns.n > 0 },
		{ "dns_search", s->dns_search.n > 0 }, { "extra_hosts", s->extra_hosts.n > 0 }, { "links", s->links.n > 0 },
		{ "mac_address", s->mac_address != NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].given)
			return err_set(e, EINVAL, "%s: conflicts with network_mode '%s'", keys[i].key, s->network_mode);
	return 0;
}

static int lower_links(const struct lower *l, struct ctr_spec *c, struct err *e)
{
	const struct service *s = l->s;

	for (size_t i = 0; i < s->links.n; i++) {
		auto_free char *service = xstrdup(s->links.v[i]);
		char *colon = strchr(service, ':');
		const char *alias = colon ? colon + 1 : service;
		AUTO_STRV(names);

		if (colon)
			*colon = '\0';
		TRY(l->names_of(l->arg, service, &names, e));
		for (size_t k = 0; k < names.n; k++)
			strv_addf(&c->links, "%s:%s", names.v[k], alias);
	}
	for (size_t i = 0; i < s->external_links.n; i++) {
		const char *link = s->external_links.v[i];

		if (strchr(link, ':'))
			strv_add(&c->links, link);
		else
			strv_addf(&c->links, "%s:%s", link, link);
	}
	return 0;
}

/* Who shares a network shares its names: the engine gives both the same hosts, resolv.conf, hostname and domainname. */
static int share_names(const struct lower *l, struct ctr_spec *c, struct err *e)
{
	const char *id = str_after(c->network_mode, "container:");
	const struct ctr_spec *from;
	char name[CTR_HOSTNAME];

	TRY(l->spec_of(l->arg, id, &from, e));
	if (!str0(c->uts)[0]) { /* a UTS namespace of others has its name already */
		free(c->hostname);
		c->hostname = xstrdup(ctr_spec_hostname(from, name));
		free(c->domainname);
		c->domainname = xstrdup0(from->domainname);
	}
	const struct {
		struct strv *to;
		const struct strv *from;
	} lists[] = {
		{ &c->dns, &from->dns }, { &c->dns_search, &from->dns_search }, { &c->dns_opt, &from->dns_opt },
		{ &c->extra_hosts, &from->extra_hosts }, { &c->links, &from->links },
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		strv_copy(lists[i].to, lists[i].from);
	return 0;
}

static int lower_mode(const struct lower *l, struct ctr_spec *c, struct err *e)
{
	const char *mode = l->s->network_mode;

	free(c->network_mode);
	c->network_mode = NULL;
	if (!mode || !*mode) {
		c->network_mode = xstrdup("private");
		return lower_endpoints(l, c, e);
	}
	if (streq(mode, "host") || streq(mode, "none")) {
		c->network_mode = xstrdup(mode);
		return 0;
	}
	if (str_starts(mode, "service:") || str_starts(mode, "container:")) {
		TRY(check_shared(l->s, e));
		TRY(lower_namespace(l, mode, "network", &c->network_mode, e));
		return share_names(l, c, e);
	}
	/* "bridge", "default" (the engine's own network), or a network by its name: no service alias there */
	c->network_mode = xstrdup("private");
	endpoint(l, c, NULL, streq(mode, "default") ? "bridge" : mode, false);
	return 0;
}

int lower_network(const struct lower *l, struct ctr_spec *c, struct err *e)
{
	const struct service *s = l->s;

	TRY(lower_mode(l, c, e));
	TRY(primary_mac(s, c, e));
	if (streq(c->network_mode, "private"))
		lower_ports(s, c); /* in the host's network a port is published as it is */
	lower_expose(l, c);
	lower_strs(&c->dns, &s->dns);
	lower_strs(&c->dns_search, &s->dns_search);
	lower_strs(&c->dns_opt, &s->dns_opt);
	lower_strs(&c->extra_hosts, &s->extra_hosts);
	return lower_links(l, c, e);
}
