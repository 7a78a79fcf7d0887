/* SPDX-License-Identifier: MIT
 *
 * Rows and a container's spec -> net_plan. Reads only.
 */
#include "net/plan.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/fail.h"
#include "base/json.h"
#include "base/str.h"
#include "net/firewall.h"
#include "net/ipam.h"
#include "net/linkname.h"
#include "net/network.h"
#include "net/port.h"
#include "state/db.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The first interface's index, chosen before the interfaces exist so that addresses go into the same batch. Above all that the kernel puts into a
 * new namespace by itself (tunl0, sit0, …), and above all that the host has: kernels before 6.13 look for a wanted index in the namespace of the
 * socket, not of the new link, and say EEXIST. */
enum { FIRST_INDEX = 1 << 30, LINK_LOCAL_MAX = 64 };

void net_plan_free(struct net_plan *p)
{
	if (!p)
		return;
	free(p->id);
	free(p->hostname);
	free(p->domainname);
	free(p->legs);
	free(p->ports);
	nat_elems_done(&p->elems);
	free(p->link_local);
	free(p->link_local_leg);
	strv_done(&p->sysctls);
	resolv_done(&p->resolv);
	strv_done(&p->extra_hosts);
	free(p->resolv_json);
	free(p);
}

const char *net_plan_resolv(const struct net_plan *p)
{
	return p->resolv_json;
}

const struct addr *plan_leg_addr(const struct leg *l, unsigned family)
{
	const struct addr *a = family == 4 ? &l->v4 : &l->v6;

	return a->family ? a : NULL;
}

/* Address, prefix and gateway of one family. */
static int leg_address(const struct network_row *n, const struct net_driver *d, const char *text, struct addr *a, unsigned *len, struct addr *gw,
		       struct err *e)
{
	if (!text)
		return 0;
	TRY(addr_parse(text, a, e));
	for (size_t i = 0; i < n->nsubnets; i++) {
		struct ipam_subnet s;

		TRY(ipam_subnet_read(&n->subnets[i], d->gateway, &s, e));
		if (!cidr_has(&s.net, a))
			continue;
		*len = s.net.len;
		*gw = s.dflt_gw.family ? s.dflt_gw : s.gateway;
		return 0;
	}
	return err_set(e, EINVAL, "address %s is in none of the subnets of network '%s'", text, n->name);
}

/* com.docker.network.endpoint.sysctls: "net.ipv4.conf.IFNAME.log_martians=1,…" */
static int leg_sysctls(struct net_plan *p, const struct leg *leg, const char *text, struct err *e)
{
	AUTO_STRV(all);

	strv_split(&all, text, ",");
	for (size_t i = 0; i < all.n; i++) {
		AUTO_STRV(word);
		const char *eq = strchr(all.v[i], '=');
		auto_free char *name = xstrndup(all.v[i], eq ? (size_t)(eq - all.v[i]) : 0);

		strv_split(&word, name, ".");
		if (!eq || word.n != 5 || !streq(word.v[0], "net") || !str_in(word.v[1], (const char *const[]){ "ipv4", "ipv6", "mpls", NULL }) ||
		    !streq(word.v[3], "IFNAME") || strspn(word.v[4], "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(word.v[4]) ||
		    strspn(word.v[2], "abcdefghijklmnopqrstuvwxyz") != strlen(word.v[2]))
			return err_set(e, EINVAL, "endpoint sysctl '%.80s': must be like net.ipv4.conf.IFNAME.log_martians=1", all.v[i]);
		strv_addf(&p->sysctls, "%s/%s/%s/%s=%s", word.v[1], word.v[2], leg->ifname, word.v[4], eq + 1);
	}
	return 0;
}

static int leg_options(struct net_plan *p, size_t at, const struct endpoint_row *ep, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_STRV(local);
	const char *sysctls;

	if (!ep->options || !*ep->options)
		return 0;
	TRY(json_parse(ep->options, strlen(ep->options), "endpoint options", &j, e));
	json_strv(j, "link_local_ips", &local);
	for (size_t i = 0; i < local.n && p->nlink_local < LINK_LOCAL_MAX; i++) {
		p->link_local = xreallocarray(p->link_local, p->nlink_local + 1, sizeof(*p->link_local));
		p->link_local_leg = xreallocarray(p->link_local_leg, p->nlink_local + 1, sizeof(*p->link_local_leg));
		TRY(addr_parse(local.v[i], &p->link_local[p->nlink_local], e));
		p->link_local_leg[p->nlink_local++] = at;
	}
	sysctls = json_str(json_get(j, "driver_opts"), "com.docker.network.endpoint.sysctls");
	return sysctls ? leg_sysctls(p, &p->legs[at], sysctls, e) : 0;
}

static int load_leg(struct net_plan *p, const struct dirs *d, const struct endpoint_row *ep, const struct network_row *n, struct err *e)
{
	struct leg *l = &p->legs[p->nlegs];

	*l = (struct leg){ .id = ep->id, .network = n->id, .index = (uint32_t)(FIRST_INDEX + p->nlegs), .internal = n->internal };
	l->driver = net_driver_find(n->driver, e);
	if (!l->driver)
		return -ENOTSUP;
	TRY(net_options_read(n->driver, n->options, &l->opt, NULL, e));
	snprintf(l->network_name, sizeof(l->network_name), "%s", n->name);
	snprintf(l->ifname, sizeof(l->ifname), "%s", str0(ep->ifname));
	if (l->driver->firewall) {
		network_bridge_name(d, n, &l->opt, l->master);
		link_name(l->host, d->root_id, LINK_VETH, ep->id);
		link_mark(l->mark, d->root_id, LINK_VETH, ep->id);
	} else {
		memcpy(l->master, l->opt.parent, sizeof(l->master));
	}
	if (ep->mac)
		TRY(mac_parse(ep->mac, l->mac, e));
	TRY(leg_address(n, l->driver, ep->ipv4, &l->v4, &l->len4, &l->gw4, e));
	TRY(leg_address(n, l->driver, ep->ipv6, &l->v6, &l->len6, &l->gw6, e));
	p->nlegs++;
	return leg_options(p, p->nlegs - 1, ep, e);
}

/* The default route's leg per family: highest gw_priority, then non-internal, then with both gateways, then by network name. */
static bool better(const struct leg *a, int64_t pa, const struct leg *b, int64_t pb)
{
	int both_a = !!a->gw4.family + !!a->gw6.family, both_b = !!b->gw4.family + !!b->gw6.family;

	if (pa != pb)
		return pa > pb;
	if (both_a != both_b)
		return both_a > both_b;
	return strcmp(a->network_name, b->network_name) < 0;
}

static void choose_defaults(struct net_plan *p, const struct endpoint_rows *eps)
{
	for (unsigned family = 4; family <= 6; family += 2) {
		size_t best = p->nlegs;

		for (size_t i = 0; i < p->nlegs; i++) {
			const struct leg *l = &p->legs[i];
			bool can = (family == 4 ? l->gw4.family && l->v4.family && !l->opt.inhibit4 : l->gw6.family && l->v6.family) && !l->internal;

			if (can && (best == p->nlegs || better(l, eps->v[i].gw_priority, &p->legs[best], eps->v[best].gw_priority)))
				best = i;
		}
		if (best < p->nlegs && family == 4)
			p->legs[best].default4 = true;
		else if (best < p->nlegs)
			p->legs[best].default6 = true;
	}
}

/* Does the host hand bridged frames to its firewall (br_netfilter)? Then a container's way to its own published port is turned round inside the
 * bridge, which gives a frame back to the port it came from only when that port is in hairpin mode. Elsewhere the packet goes
 * through the host's routing. */
static bool frames_are_filtered(unsigned family)
{
	auto_free char *text = NULL;
	AUTO_ERR(none);

	return file_read(family == 4 ? "/proc/sys/net/bridge/bridge-nf-call-iptables" : "/proc/sys/net/bridge/bridge-nf-call-ip6tables", 16,
			 &text, NULL, &none) >= 0 && *text == '1';
}

static int load_ports(struct db *db, struct net_plan *p, const struct endpoint_rows *eps, const struct network_rows *nets, struct err *e)
{
	AUTO_DONE(port_rows_done) struct port_rows rows = { 0 };

	TRY(port_by_sandbox(db, p->id, &rows, e));
	p->ports = xcalloc(rows.n + 1, sizeof(*p->ports));
	for (size_t i = 0; i < rows.n; i++)
		for (size_t k = 0; k < eps->n; k++) {
			struct plan_port *pp = &p->ports[p->nports];

			if (eps->v[k].id != rows.v[i].endpoint)
				continue;
			*pp = (struct plan_port){ .proto = port_proto(rows.v[i].proto), .host_port = rows.v[i].host_port,
						  .ctr_port = rows.v[i].ctr_port, .leg = k };
			if (*str0(rows.v[i].host_ip))
				TRY(addr_parse(rows.v[i].host_ip, &pp->host, e));
			TRY(firewall_port(&rows.v[i], &eps->v[k], &nets->v[k], &p->elems, e));
			p->nports++;
		}
	for (size_t i = 0; i < p->nports; i++) {
		struct leg *leg = &p->legs[p->ports[i].leg];

		leg->hairpin = leg->hairpin || frames_are_filtered(leg->v4.family ? 4 : 6);
	}
	nat_sort(&p->elems);
	return 0;
}

/* What gantry-dns' host side must know: where to forward, whether it may, and the names that only this container has. */
static char *resolv_json(const struct net_plan *p, const struct strv *links)
{
	AUTO(json_free) struct cJSON *j = json_object();
	struct cJSON *map = json_add_object(j, "links");
	bool out = p->nlegs == 0;

	for (size_t i = 0; i < p->nlegs; i++)
		out |= !p->legs[i].internal;
	json_add_strv(j, "servers", &p->resolv.servers);
	json_add_bool(j, "inside", p->dns_given);
	json_add_bool(j, "internal", !out);
	json_add_bool(j, "ndots", resolv_has_ndots(&p->resolv));
	for (size_t i = 0; i < links->n; i++) {
		const char *colon = strchr(links->v[i], ':');
		auto_free char *ctr = xstrndup(links->v[i], colon ? (size_t)(colon - links->v[i]) : strlen(links->v[i]));

		json_add_str(map, colon ? colon + 1 : ctr, ctr);
	}
	return json_text(j, false);
}

static void load_spec(struct net_plan *p, const struct cJSON *spec)
{
	AUTO_STRV(dns);
	AUTO_STRV(search);
	AUTO_STRV(options);
	AUTO_STRV(links);
	const char *host = json_str(spec, "hostname"), *domain = json_str(spec, "domainname"), *id = json_str(spec, "id");

	p->hostname = host && *host ? xstrdup(host) : xasprintf("%.12s", id ? id : p->id);
	p->domainname = xstrdup0(domain);
	json_strv(spec, "dns", &dns);
	json_strv(spec, "dns_search", &search);
	json_strv(spec, "dns_opt", &options);
	json_strv(spec, "links", &links);
	json_strv(spec, "extra_hosts", &p->extra_hosts);
	resolv_read_host(&p->resolv);
	resolv_override(&p->resolv, &dns, &search, &options);
	p->dns_given = dns.n > 0;
	p->resolv_json = resolv_json(p, &links);
}

static int load_legs(struct db *db, struct net_plan *p, struct err *e)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };
	AUTO_DONE(network_rows_done) struct network_rows nets = { 0 };

	TRY(endpoint_by_sandbox(db, p->id, &eps, e));
	p->legs = xcalloc(eps.n + 1, sizeof(*p->legs));
	for (size_t i = 0; i < eps.n; i++) {
		int r;

		xgrow(&nets.v, nets.n, &nets.cap, sizeof(*nets.v));
		nets.v[nets.n] = (struct network_row){ 0 };
		r = network_get(db, eps.v[i].network, &nets.v[nets.n], e);
		if (r)
			return r < 0 ? r : err_set(e, ENOENT, "its network is gone");
		nets.n++;
		TRY(load_leg(p, db_dirs(db), &eps.v[i], &nets.v[i], e));
	}
	choose_defaults(p, &eps);
	return load_ports(db, p, &eps, &nets, e);
}

int net_plan_load(struct db *db, const char *sandbox, const struct cJSON *spec_json, struct net_plan **ret, struct err *e)
{
	AUTO(net_plan_free) struct net_plan *p = xcalloc(1, sizeof(*p));
	AUTO_DONE(sandbox_row_done) struct sandbox_row s = { 0 };
	int r = sandbox_get(db, sandbox, &s, e);

	if (r)
		return r < 0 ? r : err_set(e, ENOENT, "sandbox %.12s: there is none", sandbox);
	p->id = xstrdup(sandbox);
	p->netns = !streq(s.mode, "host");
	if (p->netns)
		TRY(load_legs(db, p, e));
	load_spec(p, spec_json);
	*ret = TAKE(p);
	return 0;
}

/* The row says that this boot may have objects of the sandbox before any is made. */
int net_sandbox_prepare(struct db *db, const char *sandbox, struct err *e)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };
	AUTO_DONE(sandbox_row_done) struct sandbox_row s = { 0 };
	const char *boot = db_dirs(db)->boot_id;
	int r = sandbox_get(db, sandbox, &s, e);

	if (r)
		return r < 0 ? r : err_set(e, ENOENT, "sandbox %.12s: there is none", sandbox);
	TRY(endpoint_by_sandbox(db, sandbox, &eps, e));
	for (size_t i = 0; i < eps.n; i++) {
		AUTO_DONE(network_row_done) struct network_row n = { 0 };

		r = network_get(db, eps.v[i].network, &n, e);
		TRY(r);
		if (r == 0)
			TRY(network_up(db, &n, e));
	}
	FP("net.prepare", e);
	return s.boot_id && streq(s.boot_id, boot) ? 0 : sandbox_set_boot(db, sandbox, boot, e);
}

int net_sandbox_cleared(struct db *db, const char *sandbox, struct err *e)
{
	AUTO_DONE(sandbox_row_done) struct sandbox_row s = { 0 };
	int r = sandbox_get(db, sandbox, &s, e);

	if (r || !s.boot_id)
		return r < 0 ? r : 0;
	return sandbox_set_boot(db, sandbox, NULL, e);
}
