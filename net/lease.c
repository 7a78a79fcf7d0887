/* SPDX-License-Identifier: MIT
 *
 * Leases: what a sandbox's container asks for -> rows. Runs within the caller's transaction, so two commands at once never lease the same
 * address or port; touches no kernel object. A sandbox that exists keeps what still fits: address, MAC and chosen ports survive a recreate.
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "net/driver.h"
#include "net/firewall.h"
#include "net/ipam.h"
#include "net/netlink.h"
#include "net/port.h"
#include "net/reserve.h"
#include "net/sandbox.h"
#include "state/db.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ENDPOINTS_MAX = 64, SUBNETS_MAX = 16, EPHEMERAL_TRIES = 400, PORTS_MAX = 20000 };

/* A wanted endpoint and its network. */
struct join {
	const struct net_endpoint_want *want;
	struct network_row net;
	const struct net_driver *driver;
	struct net_options opt;
	struct endpoint_row row;    /* id 0: not there yet */
	bool has4, has6;            /* subnets with a gateway */
};
struct lease {
	struct db *db;
	const struct net_want *want;
	struct join *joins;
	size_t n;
	struct endpoint_rows old;
};

static void lease_done(struct lease *l)
{
	for (size_t i = 0; i < l->n; i++) {
		network_row_done(&l->joins[i].net);
		endpoint_row_done(&l->joins[i].row);
	}
	free(l->joins);
	endpoint_rows_done(&l->old);
}

/* Higher priority first, then by name: the first one is eth0. */
static int by_priority(const void *a, const void *b)
{
	const struct join *x = a, *y = b;

	if (x->want->priority != y->want->priority)
		return x->want->priority > y->want->priority ? -1 : 1;
	return strcmp(x->want->network, y->want->network);
}

static int open_join(struct lease *l, const struct net_endpoint_want *w, struct err *e)
{
	struct join *j = &l->joins[l->n];
	int r = network_by_name(l->db, w->network, &j->net, e);

	TRY(r);
	if (r == 1)
		return err_set(e, ENOENT, "network '%s' not found", w->network);
	j->want = w;
	l->n++;
	j->driver = net_driver_find(j->net.driver, e);
	if (!j->driver)
		return -ENOTSUP;
	if (!j->driver->endpoints)
		return err_set(e, EINVAL, "network '%s' (driver %s): a container cannot join it beside others; use network_mode: %s", w->network,
			       j->driver->name, j->driver->name);
	TRY(net_options_read(j->driver->name, j->net.options, &j->opt, NULL, e));
	for (size_t i = 0; i < j->net.nsubnets; i++) {
		bool v6 = strchr(j->net.subnets[i].cidr, ':');

		j->has4 |= !v6 && j->net.subnets[i].gateway;
		j->has6 |= v6 && j->net.subnets[i].gateway;
	}
	return 0;
}

static int open_joins(struct lease *l, struct err *e)
{
	if (l->want->nendpoints > ENDPOINTS_MAX)
		return err_set(e, E2BIG, "more than %d networks", ENDPOINTS_MAX);
	l->joins = xcalloc(l->want->nendpoints + 1, sizeof(*l->joins));
	for (size_t i = 0; i < l->want->nendpoints; i++)
		TRY(open_join(l, &l->want->endpoints[i], e));
	qsort(l->joins, l->n, sizeof(*l->joins), by_priority);
	return 0;
}

/* Addresses of one family that NETWORK's endpoints have, without those of the endpoint EXCEPT. */
static int used_addresses(struct db *db, int64_t network, int64_t except, unsigned family, struct addr **ret, size_t *ret_n, struct err *e)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };
	struct addr *v;
	size_t n = 0;

	TRY(endpoint_by_network(db, network, &eps, e));
	v = xcalloc(eps.n + 1, sizeof(*v));
	for (size_t i = 0; i < eps.n; i++) {
		const char *text = family == 4 ? eps.v[i].ipv4 : eps.v[i].ipv6;
		AUTO_ERR(t);

		if (text && eps.v[i].id != except && addr_parse(text, &v[n], &t) >= 0)
			n++;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}

static int subnets_of(const struct join *j, unsigned family, struct ipam_subnet **ret, size_t *ret_n, struct err *e)
{
	struct ipam_subnet *v = xcalloc(j->net.nsubnets + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < j->net.nsubnets; i++) {
		int r = ipam_subnet_read(&j->net.subnets[i], j->driver->gateway, &v[n], e);

		if (r < 0) {
			free(v);
			return r;
		}
		n += v[n].net.a.family == family;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}

/* The address of one family: the wanted one, the one it had, or the lowest free one. *TEXT is the row's. */
static int settle_address(struct lease *l, struct join *j, unsigned family, const char *want, char **text, struct err *e)
{
	auto_free struct ipam_subnet *subnets = NULL;
	auto_free struct addr *used = NULL;
	size_t n, nused;
	struct addr a;
	char buf[ADDR_TEXT];
	AUTO_ERR(last);

	TRY(subnets_of(j, family, &subnets, &n, e));
	if (!want && *text && addr_parse(*text, &a, &last) >= 0)
		for (size_t i = 0; i < n; i++) {
			AUTO_ERR(t);

			if (ipam_check_address(&subnets[i], &a, &t) >= 0)
				return 0;
		}
	err_clear(&last);
	free(TAKE(*text));
	if (want) {
		TRY(addr_parse(want, &a, e));
		if (a.family != family || addr_is_any(&a))
			return err_set(e, EINVAL, "ipv%u_address '%s': not an IPv%u address of a host", family, want, family);
		for (size_t i = 0; i < n; i++)
			if (cidr_has(&subnets[i].net, &a)) {
				TRY(ipam_check_address(&subnets[i], &a, e));
				*text = xstrdup(addr_text(&a, buf));
				return 0;
			}
		return err_set(e, EINVAL, "no configured subnet contains IP address %s", want);
	}
	TRY(used_addresses(l->db, j->net.id, j->row.id, family, &used, &nused, e));
	for (size_t i = 0; i < n; i++) {
		err_clear(&last);
		if (ipam_choose_address(&subnets[i], used, nused, &a, &last) >= 0) {
			*text = xstrdup(addr_text(&a, buf));
			return 0;
		}
	}
	return last.code ? err_move(e, &last) : 0;
}

static int settle_mac(struct join *j, struct err *e)
{
	uint8_t mac[MAC_LEN];
	char text[MAC_TEXT];

	if (j->want->mac) {
		TRY(mac_parse(j->want->mac, mac, e));
		free(j->row.mac);
		j->row.mac = xstrdup(mac_text(mac, text));
	} else if (!j->row.mac) {
		mac_random(mac);
		j->row.mac = xstrdup(mac_text(mac, text));
	}
	return 0;
}

static void add_unique(struct strv *l, const char *s)
{
	if (s && *s)
		strv_add_unique(l, s);
}

/* Which names answer on this network; the first is the one of reverse lookups. */
static char *names_json(const struct net_want *w, const struct net_endpoint_want *ep)
{
	AUTO(json_free) struct cJSON *j = json_object();
	AUTO_STRV(names);
	char short_id[ID_SHORT + 1] = "";
	struct cJSON *list;

	if (w->container_id)
		snprintf(short_id, sizeof(short_id), "%.*s", ID_SHORT, w->container_id);
	add_unique(&names, w->container_name);
	for (size_t i = 0; ep->aliases && i < ep->aliases->n; i++)
		add_unique(&names, ep->aliases->v[i]);
	add_unique(&names, short_id);
	add_unique(&names, w->hostname);
	json_add_strv(j, "names", &names);
	list = json_get(j, "names");
	return json_text(list, false);
}

static char *options_json(const struct net_endpoint_want *w)
{
	AUTO(json_free) struct cJSON *j = json_object();

	if (w->driver_opts && w->driver_opts->n)
		json_add_map(j, "driver_opts", w->driver_opts);
	if (w->link_local && w->link_local->n)
		json_add_strv(j, "link_local_ips", w->link_local);
	return json_text(j, false);
}

static int check_ifname(const char *s, struct err *e)
{
	size_t n = strlen(s);

	if (!n || n > 15 || strpbrk(s, "/ \t\n:%") || streq(s, "lo") || streq(s, ".") || streq(s, ".."))
		return err_set(e, EINVAL, "interface_name '%.40s': must be 1 to 15 characters without '/', ':', '%%' or blanks, and not lo", s);
	return 0;
}

/* Wanted names first, then prefix + lowest free number in order of connection. */
static int settle_ifnames(struct lease *l, struct err *e)
{
	AUTO_STRV(taken);

	for (size_t i = 0; i < l->n; i++) {
		free(TAKE(l->joins[i].row.ifname));
		if (!l->joins[i].want->ifname)
			continue;
		TRY(check_ifname(l->joins[i].want->ifname, e));
		if (strv_has(&taken, l->joins[i].want->ifname))
			return err_set(e, EINVAL, "interface_name '%s': on two networks", l->joins[i].want->ifname);
		strv_add(&taken, l->joins[i].want->ifname);
		l->joins[i].row.ifname = xstrdup(l->joins[i].want->ifname);
	}
	for (size_t i = 0; i < l->n; i++)
		for (unsigned k = 0; !l->joins[i].row.ifname; k++) {
			auto_free char *name = xasprintf("%.10s%u", l->joins[i].opt.prefix, k);

			if (strv_has(&taken, name))
				continue;
			strv_add(&taken, name);
			l->joins[i].row.ifname = TAKE(name);
		}
	return 0;
}

static int settle_endpoint(struct lease *l, struct join *j, struct err *e)
{
	struct endpoint_row *row = &j->row;

	if (j->want->ipv4 || j->net.ipv4)
		TRY(settle_address(l, j, 4, j->want->ipv4, &row->ipv4, e));
	if (j->want->ipv6 || j->net.ipv6)
		TRY(settle_address(l, j, 6, j->want->ipv6, &row->ipv6, e));
	TRY(settle_mac(j, e));
	free(row->names);
	free(row->options);
	row->names = names_json(l->want, j->want);
	row->options = options_json(j->want);
	row->priority = j->want->priority;
	row->gw_priority = j->want->gw_priority;
	FP("net.lease.address", e);
	return row->id ? endpoint_update(l->db, row, e) : endpoint_insert(l->db, row, e);
}

/* Takes over rows of networks that stay; deletes the others first, as their addresses may be wanted now. */
static int match_old(struct lease *l, struct err *e)
{
	for (size_t i = 0; i < l->old.n; i++) {
		bool kept = false;

		for (size_t k = 0; k < l->n && !kept; k++) {
			if (l->joins[k].net.id != l->old.v[i].network || l->joins[k].row.id)
				continue;
			l->joins[k].row = l->old.v[i];
			l->old.v[i] = (struct endpoint_row){ 0 };
			kept = true;
		}
		if (!kept)
			TRY(endpoint_delete(l->db, l->old.v[i].id, e));
	}
	for (size_t k = 0; k < l->n; k++)
		if (!l->joins[k].row.id) {
			l->joins[k].row.sandbox = xstrdup(l->want->sandbox_id);
			l->joins[k].row.network = l->joins[k].net.id;
		}
	return 0;
}

/* Where published ports lead: the leg with the default route, if it can have any. */
static const struct join *port_leg(const struct lease *l)
{
	const struct join *best = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct join *j = &l->joins[i];

		if (!j->driver->firewall || j->net.internal)
			continue;
		if (!best || j->want->gw_priority > best->want->gw_priority ||
		    (j->want->gw_priority == best->want->gw_priority &&
		     (j->has4 + j->has6 > best->has4 + best->has6 ||
		      (j->has4 + j->has6 == best->has4 + best->has6 && strcmp(j->net.name, best->net.name) < 0))))
			best = j;
	}
	return best;
}

static bool fits(const struct port_row *have, const struct net_port_want *w, const char *host_ip)
{
	uint16_t last = w->host_port_last ? w->host_port_last : w->host_port;

	return strcasecmp(have->proto, w->proto) == 0 && streq(str0(have->host_ip), host_ip) && have->ctr_port == w->ctr_port &&
	       (!w->host_port || (have->host_port >= w->host_port && have->host_port <= last));
}

static int insert_port(struct lease *l, const struct join *leg, const struct net_port_want *w, const char *host_ip, uint16_t host_port, struct err *e)
{
	struct port_row p = { .sandbox = (char *)l->want->sandbox_id, .proto = (char *)port_proto_name(port_proto(w->proto)),
			      .host_ip = (char *)host_ip, .host_port = host_port, .ctr_port = w->ctr_port, .endpoint = leg->row.id };

	return port_insert(l->db, &p, e);
}

/* One of a range, or of the ephemeral ones: the first that no row and no program of the host has. */
static int choose_port(struct lease *l, const struct join *leg, const struct net_port_want *w, const char *host_ip, struct err *e)
{
	unsigned first = w->host_port, last = w->host_port_last, tries = 0, start = 0;

	if (!first) { /* not always the lowest: another root, and programs that connect, would be after the same ones */
		reserve_ephemeral(&first, &last);
		start = (unsigned)strtoul(l->want->sandbox_id + ID_LEN - 7, NULL, 16);
	}
	for (unsigned i = 0, n = last - first + 1; i < n && tries < EPHEMERAL_TRIES; i++) {
		unsigned p = first + (start + i) % n;
		AUTO_ERR(t);
		int r;

		if (!reserve_free(port_proto(w->proto), host_ip, (uint16_t)p))
			continue;
		tries++;
		r = insert_port(l, leg, w, host_ip, (uint16_t)p, &t);
		if (r != -EADDRINUSE)
			return r < 0 ? err_move(e, &t) : 0;
	}
	err_set(e, EADDRINUSE, "published port for %u/%s: all ports from %u to %u are in use", w->ctr_port, w->proto, first, last);
	return -EADDRINUSE;
}

static int lease_port(struct lease *l, const struct join *leg, const struct net_port_want *w, struct port_rows *old, struct err *e)
{
	char bind[ADDR_TEXT] = "";
	const char *host_ip = str0(w->host_ip);
	struct addr a;

	if (port_proto(w->proto) < 0)
		return err_set(e, EINVAL, "invalid proto: %s", w->proto);
	if (!w->ctr_port)
		return err_set(e, EINVAL, "invalid containerPort: 0");
	if (!*host_ip && leg->opt.host_binding.family && !addr_is_any(&leg->opt.host_binding))
		host_ip = addr_text(&leg->opt.host_binding, bind);
	if (*host_ip) {
		TRY(addr_parse(host_ip, &a, e));
		host_ip = addr_text(&a, bind);
	}
	for (size_t i = 0; i < old->n; i++)
		if (old->v[i].host_port && fits(&old->v[i], w, host_ip)) {
			uint16_t port = old->v[i].host_port;

			old->v[i].host_port = 0; /* given out */
			return insert_port(l, leg, w, host_ip, port, e);
		}
	if (w->host_port && (!w->host_port_last || w->host_port_last == w->host_port))
		return insert_port(l, leg, w, host_ip, w->host_port, e);
	return choose_port(l, leg, w, host_ip, e);
}

static int lease_ports(struct lease *l, struct err *e)
{
	AUTO_DONE(port_rows_done) struct port_rows old = { 0 };
	const struct join *leg = port_leg(l);

	if (l->want->nports > PORTS_MAX)
		return err_set(e, E2BIG, "more than %d published ports", PORTS_MAX);
	TRY(port_by_sandbox(l->db, l->want->sandbox_id, &old, e));
	TRY(port_delete_of(l->db, l->want->sandbox_id, e));
	FP("net.lease.port", e);
	for (size_t i = 0; leg && i < l->want->nports; i++)
		TRY(lease_port(l, leg, &l->want->ports[i], &old, e));
	return 0;
}

/* The row of the sandbox; one that is there must be of the same kind, since members may share it. */
static int lease_sandbox(struct lease *l, struct err *e)
{
	const struct net_want *w = l->want;
	AUTO_DONE(sandbox_row_done) struct sandbox_row have = { 0 };
	struct sandbox_row s = { .id = (char *)w->sandbox_id, .project = (char *)w->project, .service = (char *)w->service,
				 .number = w->number, .mode = (char *)w->mode };
	int r = sandbox_get(l->db, w->sandbox_id, &have, e);

	TRY(r);
	if (r == 1)
		return sandbox_insert(l->db, &s, e);
	if (!streq(have.mode, w->mode))
		return err_set(e, EINVAL, "the container's network mode changed from '%s' to '%s': it needs a new sandbox", have.mode, w->mode);
	return endpoint_by_sandbox(l->db, w->sandbox_id, &l->old, e);
}

static int lease_all(struct lease *l, struct err *e)
{
	TRY(open_joins(l, e));
	TRY(lease_sandbox(l, e));
	TRY(match_old(l, e));
	TRY(settle_ifnames(l, e));
	for (size_t i = 0; i < l->n; i++)
		if (settle_endpoint(l, &l->joins[i], e) < 0)
			return err_wrap(e, "network '%s'", l->joins[i].net.name);
	return lease_ports(l, e);
}

int net_sandbox_lease(struct db *db, const struct net_want *w, struct err *e)
{
	AUTO_DONE(lease_done) struct lease l = { .db = db, .want = w };

	BUG_ON(!db_in_transaction(db));
	return lease_all(&l, e);
}

/* Elements of this sandbox's ports, as the rows have them. */
static int release_elements(struct db *db, const char *sandbox, struct err *e)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };
	AUTO_DONE(port_rows_done) struct port_rows ports = { 0 };
	AUTO_DONE(nat_elems_done) struct nat_elems del = { 0 };
	AUTO(netlink_close) struct netlink *nf = NULL;
	static const struct nat_elems none;
	AUTO_ERR(t);

	TRY(endpoint_by_sandbox(db, sandbox, &eps, e));
	TRY(port_by_sandbox(db, sandbox, &ports, e));
	for (size_t i = 0; i < ports.n; i++)
		for (size_t k = 0; k < eps.n; k++) {
			AUTO_DONE(network_row_done) struct network_row n = { 0 };

			if (eps.v[k].id != ports.v[i].endpoint)
				continue;
			if (network_get(db, eps.v[k].network, &n, e) == 0)
				TRY(firewall_port(&ports.v[i], &eps.v[k], &n, &del, e));
		}
	if (!del.n)
		return 0;
	nat_sort(&del);
	TRY(netlink_open(NETLINK_BUS_FILTER, &nf, e));
	if (firewall_change(db_dirs(db), nf, &del, &none, &t) < 0 && t.code != ENOENT)
		return err_move(e, &t);
	return 0;
}

int net_sandbox_release(struct db *db, const char *sandbox, struct err *e)
{
	AUTO_DONE(sandbox_row_done) struct sandbox_row s = { 0 };
	int64_t members;
	int r = sandbox_get(db, sandbox, &s, e);

	if (r)
		return r < 0 ? r : 0;
	TRY(sandbox_members(db, sandbox, &members, e));
	if (members)
		return 1;
	if (s.boot_id && streq(s.boot_id, db_dirs(db)->boot_id))
		TRY(release_elements(db, sandbox, e));
	FP("net.release", e);
	return sandbox_delete(db, sandbox, e);
}
