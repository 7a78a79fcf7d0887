/* SPDX-License-Identifier: MIT */
#include "net/network.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/str.h"
#include "base/strv.h"
#include "base/time.h"
#include "net/driver.h"
#include "net/firewall.h"
#include "net/ipam.h"
#include "net/link.h"
#include "net/linkname.h"
#include "net/netopt.h"
#include "net/resolv.h"
#include "net/sysctl.h"
#include "state/db.h"
#include <errno.h>
#include <string.h>

static const struct net_driver *const drivers[] = { &driver_bridge, &driver_none, &driver_host, &driver_macvlan, &driver_ipvlan };

const struct net_driver *net_driver_find(const char *name, struct err *e)
{
	AUTO_STR(all, 200);

	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		if (streq(drivers[i]->name, name))
			return drivers[i];
		str_addf(&all, "%s%s", i ? ", " : "", drivers[i]->name);
	}
	err_set(e, ENOTSUP, "network driver '%s': not known", name);
	err_hint(e, "gantry has %s; drivers that are plugins or need several hosts (overlay) are not supported", all.s);
	return NULL;
}

int network_driver_check(const char *driver, struct err *e)
{
	return net_driver_find(driver, e) ? 0 : -ENOTSUP;
}

int network_options_check(const char *driver, const char *options, struct strv *ret_warnings, struct err *e)
{
	const struct net_driver *d = net_driver_find(driver ? driver : "bridge", e);
	struct net_options o;

	if (!d)
		return -ENOTSUP;
	TRY(net_options_read(d->name, options, &o, ret_warnings, e));
	return d->check ? d->check(&o, e) : 0;
}

/* Subnets that must not be chosen: ours, whatever the host has a route to, its name servers. */
static int taken_subnets(struct netlink *rt, const struct network_rows *nets, struct cidr_list *taken, struct err *e)
{
	AUTO_DONE(resolv_done) struct resolv host = { 0 };

	TRY(link_routes(rt, taken, e));
	for (size_t i = 0; i < nets->n; i++)
		for (size_t k = 0; k < nets->v[i].nsubnets; k++) {
			struct cidr c;
			AUTO_ERR(t);

			if (cidr_parse(nets->v[i].subnets[k].cidr, &c, &t) >= 0)
				cidr_list_add(taken, &c);
		}
	resolv_read_host(&host);
	for (size_t i = 0; i < host.servers.n; i++) {
		struct cidr c;
		AUTO_ERR(t);

		if (addr_parse(host.servers.v[i], &c.a, &t) < 0)
			continue;
		c.len = addr_size(&c.a) * 8;
		cidr_list_add(taken, &c);
	}
	return 0;
}

/* The user's subnet against our networks, and against what the host itself is part of. */
static int check_overlap(struct netlink *rt, const struct net_driver *drv, const struct net_options *o, const struct cidr *c,
			 const struct network_rows *nets, struct err *e)
{
	AUTO_DONE(cidr_list_done) struct cidr_list own = { 0 };
	char text[CIDR_TEXT], other[CIDR_TEXT];

	for (size_t i = 0; drv->gateway && i < nets->n; i++)
		for (size_t k = 0; k < nets->v[i].nsubnets; k++) {
			struct cidr have;
			AUTO_ERR(t);

			if (!streq(nets->v[i].driver, "bridge") || cidr_parse(nets->v[i].subnets[k].cidr, &have, &t) < 0 ||
			    !cidr_overlaps(c, &have))
				continue;
			return err_set(e, EEXIST, "invalid pool request: Pool overlaps with other one on this address space (%s with %s of "
				       "network '%s')", cidr_text(c, text), nets->v[i].subnets[k].cidr, nets->v[i].name);
		}
	if (!drv->gateway || o->bridge[0]) /* a LAN's subnet, or the user's own bridge, is the host's too */
		return 0;
	TRY(link_addresses(rt, &own, e));
	for (size_t i = 0; i < own.n; i++)
		if (cidr_overlaps(c, &own.v[i])) {
			err_set(e, EEXIST, "subnet %s overlaps with %s, in which this host has an address", cidr_text(c, text),
				cidr_text(&own.v[i], other));
			err_hint(e, "choose another ipam.config.subnet, or leave it out and gantry takes a free one");
			return -EEXIST;
		}
	return 0;
}

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = xstrdup(text);
}

static struct cidr host_ula(const struct dirs *d)
{
	auto_free char *id = NULL;
	AUTO_ERR(t);

	return ipam_ula(file_read("/etc/machine-id", 256, &id, NULL, &t) >= 0 && *id ? id : d->root_id);
}

static struct subnet_row *add_subnet(struct network_row *n, const char *cidr)
{
	n->subnets = xreallocarray(n->subnets, n->nsubnets + 1, sizeof(*n->subnets));
	n->subnets[n->nsubnets] = (struct subnet_row){ .cidr = xstrdup(cidr) };
	return &n->subnets[n->nsubnets++];
}

/* Fills in what the user left open and checks the rest. FAMILIES: bit 0 IPv4, bit 1 IPv6 get seen. */
static int settle_subnet(struct netlink *rt, const struct dirs *d, const struct net_driver *drv, const struct net_options *o,
			 const struct network_rows *nets, struct cidr_list *taken, struct subnet_row *row, unsigned *families, struct err *e)
{
	struct cidr ula = host_ula(d), c;
	struct ipam_subnet s;
	char text[CIDR_TEXT], gw[ADDR_TEXT];
	unsigned family, len;

	if (ipam_is_any(row->cidr, &family, &len)) {
		TRY(ipam_choose_subnet(family, len, taken, &ula, &c, e));
		set_text(&row->cidr, cidr_text(&c, text));
	} else {
		if (cidr_parse(row->cidr, &c, e) < 0)
			return err_wrap(e, "invalid network config");
		TRY(check_overlap(rt, drv, o, &c, nets, e));
	}
	TRY(ipam_subnet_read(row, drv->gateway, &s, e));
	if (s.gateway.family)
		set_text(&row->gateway, addr_text(&s.gateway, gw));
	cidr_list_add(taken, &c);
	*families |= c.a.family == 4 ? 1 : 2;
	return 0;
}

static int default_subnet(const struct dirs *d, const struct net_driver *drv, struct network_row *n, unsigned family, struct cidr_list *taken,
			  struct err *e)
{
	struct cidr ula = host_ula(d), c;
	struct ipam_subnet s;
	struct subnet_row *row;
	char text[CIDR_TEXT], gw[ADDR_TEXT];

	TRY(ipam_choose_subnet(family, 0, taken, &ula, &c, e));
	row = add_subnet(n, cidr_text(&c, text));
	TRY(ipam_subnet_read(row, drv->gateway, &s, e));
	if (s.gateway.family)
		row->gateway = xstrdup(addr_text(&s.gateway, gw));
	cidr_list_add(taken, &c);
	return 0;
}

static int choose_subnets(struct db *db, const struct net_driver *drv, const struct net_options *o, struct network_row *n, struct err *e)
{
	AUTO(netlink_close) struct netlink *rt = NULL;
	AUTO_DONE(network_rows_done) struct network_rows nets = { 0 };
	AUTO_DONE(cidr_list_done) struct cidr_list taken = { 0 };
	unsigned families = 0;

	TRY(network_list(db, NULL, &nets, e));
	TRY(netlink_open(NETLINK_BUS_ROUTE, &rt, e));
	TRY(taken_subnets(rt, &nets, &taken, e));
	for (size_t i = 0; i < n->nsubnets; i++) {
		unsigned before = families;

		TRY(settle_subnet(rt, db_dirs(db), drv, o, &nets, &taken, &n->subnets[i], &families, e));
		if ((families & 2) && !n->ipv6) {
			err_set(e, EINVAL, "subnet %s is IPv6, but the network has IPv6 switched off", n->subnets[i].cidr);
			err_hint(e, "add `enable_ipv6: true` to the network");
			return -EINVAL;
		}
		if (drv->gateway && before == families)
			return err_set(e, EINVAL, "two IPv%u subnets: a bridge network has one of each family", strchr(n->subnets[i].cidr, ':') ? 6 : 4);
	}
	if (n->ipv4 && !(families & 1))
		TRY(default_subnet(db_dirs(db), drv, n, 4, &taken, e));
	if (n->ipv6 && !(families & 2))
		TRY(default_subnet(db_dirs(db), drv, n, 6, &taken, e));
	return 0;
}

static int fill_row(const struct network_want *w, const char *driver, struct network_row *n, struct err *e)
{
	if (!name_is_container(w->name) || strlen(w->name) > 120)
		return err_set(e, EINVAL, "'%.60s': not a name for a network (letters, digits, '_', '.', '-'; up to 120)", w->name);
	*n = (struct network_row){
		.name = xstrdup(w->name), .project = xstrdup0(w->project), .key = xstrdup0(w->key), .driver = xstrdup(driver),
		.options = xstrdup(w->options ? w->options : "{}"), .labels = xstrdup(w->labels ? w->labels : "{}"), .hash = xstrdup0(w->hash),
		.internal = w->internal, .attachable = w->attachable, .ipv4 = w->ipv4, .ipv6 = w->ipv6, .created_ns = time_now_ns(),
	};
	for (size_t i = 0; i < w->nsubnets; i++) {
		struct subnet_row *s = add_subnet(n, w->subnets[i].cidr ? w->subnets[i].cidr : "0.0.0.0/16");

		s->gateway = xstrdup0(w->subnets[i].gateway);
		s->ip_range = xstrdup0(w->subnets[i].ip_range);
		s->aux = xstrdup0(w->subnets[i].aux);
	}
	if (!n->ipv4 && !n->ipv6)
		return err_set(e, EINVAL, "neither IPv4 nor IPv6 is enabled");
	return 0;
}

/* Chosen and inserted in one transaction: two commands at once never get the same subnet. */
static int insert(struct db *db, const struct network_want *w, const struct net_driver *drv, const struct net_options *o, struct network_row *n,
		  struct err *e)
{
	int r;

	TRY(db_begin(db, e));
	r = network_by_name(db, w->name, n, e);
	if (r == 0) {
		db_rollback(db);
		return 1;
	}
	if (r > 0)
		r = fill_row(w, drv->name, n, e);
	if (r >= 0 && drv->endpoints)
		r = choose_subnets(db, drv, o, n, e);
	if (r >= 0)
		r = network_insert(db, n, e);
	if (r >= 0) {
		if (w->project)
			db_touch(db, w->project);
		r = db_commit(db, e);
	}
	if (r < 0)
		db_rollback(db);
	return r < 0 ? r : 0;
}

/* Isolation first: the bridge's elements stand before the bridge does. */
static int isolate(struct db *db, const struct network_row *n, struct err *e)
{
	AUTO_DONE(nat_elems_done) struct nat_elems add = { 0 };
	AUTO(netlink_close) struct netlink *nf = NULL;
	static const struct nat_elems none;
	AUTO_ERR(t);
	int r = firewall_ensure(db, e);

	if (r <= 0) /* written as a whole just now, with this one */
		return r;
	TRY(firewall_network(db_dirs(db), n, &add, e));
	nat_sort(&add);
	FP("net.isolate", e);
	TRY(netlink_open(NETLINK_BUS_FILTER, &nf, e));
	r = firewall_change(db_dirs(db), nf, &none, &add, &t);
	if (r == -ENOENT) /* the last other network went just now, and the table with it */
		return firewall_restore(db, e);
	return r < 0 ? err_move(e, &t) : 0;
}

/* Started is the last step of making it. */
static bool bridge_ready(struct netlink *rt, const struct dirs *d, const struct network_row *n, const struct net_options *o)
{
	char name[IFNAMSIZ];
	struct link_info l;
	AUTO_ERR(t);

	network_bridge_name(d, n, o, name);
	return link_look(rt, name, &l, &t) == 0 && (l.flags & IFF_UP) && !o->bridge[0];
}

/* A bridge that somebody deleted is made again under containers that run: their host ends are still there, without a master. */
static int reattach(struct db *db, struct netlink *rt, const struct network_row *n, const struct net_options *o, struct err *e)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };
	AUTO_DONE(link_list_done) struct link_list all = { 0 };
	const struct dirs *d = db_dirs(db);
	struct link_info bridge;
	char name[IFNAMSIZ];
	int r;

	TRY(endpoint_by_network(db, n->id, &eps, e));
	if (!eps.n)
		return 0;
	network_bridge_name(d, n, o, name);
	r = link_find(rt, name, &bridge, e);
	if (r)
		return r < 0 ? r : 0;
	TRY(link_list(rt, &all, e));
	for (size_t i = 0; i < all.n; i++) {
		char kind;
		int64_t id;

		if (all.v[i].master || !link_mark_read(all.v[i].alias, d->root_id, &kind, &id) || kind != LINK_VETH)
			continue;
		for (size_t k = 0; k < eps.n; k++)
			if (eps.v[k].id == id) {
				link_attach(rt, all.v[i].name, bridge.index, all.v[i].alias);
				if (!o->icc)
					link_isolate(rt, all.v[i].name);
			}
	}
	TRY(netlink_flush(rt, e));
	return 0;
}

static int bring_up(struct db *db, const struct network_row *n, struct err *e)
{
	const struct net_driver *drv = net_driver_find(n->driver, e);
	AUTO(netlink_close) struct netlink *rt = NULL;
	struct net_options o;
	int r;

	if (!drv)
		return -ENOTSUP;
	if (!drv->up)
		return 1;
	TRY(net_options_read(drv->name, n->options, &o, NULL, e));
	TRY(netlink_open(NETLINK_BUS_ROUTE, &rt, e));
	if (drv->firewall) {
		if (bridge_ready(rt, db_dirs(db), n, &o)) {
			r = firewall_ensure(db, e);
			return r;
		}
		TRY(isolate(db, n, e));
		if (n->ipv4 && !n->internal)
			TRY(sysctl_forwarding(4, e));
		if (n->ipv6 && !n->internal)
			TRY(sysctl_forwarding(6, e));
	}
	r = drv->up(rt, db_dirs(db), n, &o, e);
	if (r == 0 && drv->firewall)
		TRY(reattach(db, rt, n, &o, e));
	return r;
}

static int create(struct db *db, const struct network_want *w, struct network_row *n, struct err *e)
{
	const struct net_driver *drv = net_driver_find(w->driver ? w->driver : "bridge", e);
	struct net_options o;
	int r;

	if (!drv)
		return -ENOTSUP;
	TRY(net_options_read(drv->name, w->options, &o, NULL, e));
	if (drv->check)
		TRY(drv->check(&o, e));
	r = insert(db, w, drv, &o, n, e);
	if (r)
		return r;
	FP("net.row", e);
	r = bring_up(db, n, e);
	if (r < 0) { /* nothing half-made stays; what cannot be undone now is still named by the row */
		AUTO_ERR(t);

		if (network_remove(db, &n->id, 1, &t) < 0)
			log_debug("undo of network '%s': %s", w->name, err_text(&t));
		return r;
	}
	return 0;
}

int network_create(struct db *db, const struct network_want *w, struct network_row *ret, struct err *e)
{
	AUTO_DONE(network_row_done) struct network_row n = { 0 };
	int r = create(db, w, &n, e);

	if (r < 0)
		return err_wrap(e, "network '%s'", w->name);
	*ret = n;
	n = (struct network_row){ 0 };
	return r;
}

int network_up(struct db *db, const struct network_row *n, struct err *e)
{
	int r = bring_up(db, n, e);

	if (r < 0)
		return err_wrap(e, "network '%s'", n->name);
	return r;
}

int network_repair(struct db *db, const char *project, struct err *e)
{
	AUTO_DONE(network_rows_done) struct network_rows nets = { 0 };
	AUTO(netlink_close) struct netlink *rt = NULL;
	bool bridges = false;

	TRY(network_list(db, project, &nets, e));
	for (size_t i = 0; i < nets.n; i++) {
		const struct network_row *n = &nets.v[i];
		struct net_options o;

		if (!streq(n->driver, "bridge") || n->deleting)
			continue;
		bridges = true;
		TRY(net_options_read(n->driver, n->options, &o, NULL, e));
		if (!rt)
			TRY(netlink_open(NETLINK_BUS_ROUTE, &rt, e));
		if (!bridge_ready(rt, db_dirs(db), n, &o))
			TRY(network_up(db, n, e));
	}
	return bridges ? firewall_ensure(db, e) : 0;
}
