/* SPDX-License-Identifier: MIT */
#include "net/firewall.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/map.h"
#include "base/str.h"
#include "base/strv.h"
#include "net/driver.h"
#include "net/linkname.h"
#include "net/netopt.h"
#include "net/network.h"
#include "net/nft.h"
#include "net/port.h"
#include "state/db.h"
#include <errno.h>
#include <stdio.h>

void firewall_table(const struct dirs *d, char buf[FIREWALL_TABLE])
{
	snprintf(buf, FIREWALL_TABLE, "gantry-%.8s", d->root_id);
}

int firewall_network(const struct dirs *d, const struct network_row *n, struct nat_elems *l, struct err *e)
{
	struct nat_network net = { .internal = n->internal, .ipv4 = n->ipv4, .ipv6 = n->ipv6 };
	struct net_options o;

	if (net_options_read(n->driver, n->options, &o, NULL, e) < 0)
		return err_wrap(e, "network '%s'", n->name);
	network_bridge_name(d, n, &o, net.link);
	net.icc = o.icc;
	net.masquerade = o.masquerade;
	net.mode4 = o.mode4;
	net.mode6 = o.mode6;
	nat_add_network(l, &net);
	return 0;
}

int firewall_port(const struct port_row *p, const struct endpoint_row *ep, const struct network_row *n, struct nat_elems *l, struct err *e)
{
	struct nat_port port = { .host_port = p->host_port, .ctr_port = p->ctr_port };
	struct net_options o;
	int proto = port_proto(p->proto);

	if (proto < 0)
		return err_set(e, EINVAL, "published port %u: unknown protocol '%s'", p->host_port, p->proto);
	port.proto = (uint8_t)proto;
	TRY(net_options_read(n->driver, n->options, &o, NULL, e));
	port.mode4 = o.mode4;
	port.mode6 = o.mode6;
	if (*str0(p->host_ip))
		TRY(addr_parse(p->host_ip, &port.host, e));
	if (ep->ipv4)
		TRY(addr_parse(ep->ipv4, &port.ctr4, e));
	if (ep->ipv6)
		TRY(addr_parse(ep->ipv6, &port.ctr6, e));
	nat_add_port(l, &port);
	return 0;
}

static const struct network_row *network_of(const struct network_rows *nets, int64_t id)
{
	for (size_t i = 0; i < nets->n; i++)
		if (nets->v[i].id == id)
			return &nets->v[i];
	return NULL;
}

static int add_sandbox_ports(struct db *db, const char *sandbox, const struct network_rows *nets, struct nat_elems *l, struct err *e)
{
	AUTO_DONE(sandbox_row_done) struct sandbox_row s = { 0 };
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };
	AUTO_DONE(port_rows_done) struct port_rows ports = { 0 };
	int r = sandbox_get(db, sandbox, &s, e);

	if (r)
		return r < 0 ? r : 0;
	if (!s.boot_id || !streq(s.boot_id, db_dirs(db)->boot_id))
		return 0;
	TRY(endpoint_by_sandbox(db, sandbox, &eps, e));
	TRY(port_by_sandbox(db, sandbox, &ports, e));
	for (size_t i = 0; i < ports.n; i++)
		for (size_t k = 0; k < eps.n; k++) {
			const struct network_row *n = network_of(nets, eps.v[k].network);

			if (eps.v[k].id == ports.v[i].endpoint && n && streq(n->driver, "bridge"))
				TRY(firewall_port(&ports.v[i], &eps.v[k], n, l, e));
		}
	return 0;
}

int firewall_rows(struct db *db, struct nat_elems *ret, struct err *e)
{
	AUTO_DONE(network_rows_done) struct network_rows nets = { 0 };
	AUTO_DONE(port_rows_done) struct port_rows all = { 0 };
	AUTO_DONE(nat_elems_done) struct nat_elems l = { 0 };
	AUTO_MAP(seen, NULL);

	TRY(network_list(db, NULL, &nets, e));
	for (size_t i = 0; i < nets.n; i++)
		if (streq(nets.v[i].driver, "bridge"))
			TRY(firewall_network(db_dirs(db), &nets.v[i], &l, e));
	TRY(port_by_sandbox(db, NULL, &all, e));
	for (size_t i = 0; i < all.n; i++)
		if (map_set(&seen, all.v[i].sandbox, NULL))
			TRY(add_sandbox_ports(db, all.v[i].sandbox, &nets, &l, e));
	nat_sort(&l);
	*ret = l;
	l = (struct nat_elems){ 0 };
	return 0;
}

static int lock(const struct dirs *d, struct err *e)
{
	auto_free char *path = dirs_run(d, "nft.lock");
	int fd;

	TRY(file_lock(path, false, true, &fd, e));
	return fd;
}

static int write_rows(struct db *db, struct netlink *nf, const char *table, struct err *e)
{
	AUTO_DONE(nat_elems_done) struct nat_elems l = { 0 };

	TRY(firewall_rows(db, &l, e));
	FP("net.firewall", e);
	if (l.n)
		return nft_write(nf, table, &l, e);
	TRY(nft_delete(nf, table, e));
	return 0;
}

int firewall_ensure(struct db *db, struct err *e)
{
	AUTO(netlink_close) struct netlink *nf = NULL;
	auto_close int held = -1;
	char table[FIREWALL_TABLE];
	int r;

	firewall_table(db_dirs(db), table);
	TRY(netlink_open(NETLINK_BUS_FILTER, &nf, e));
	r = nft_present(nf, table, e);
	if (r <= 0)
		return r < 0 ? r : 1;
	held = lock(db_dirs(db), e);
	TRY(held);
	return write_rows(db, nf, table, e);
}

int firewall_restore(struct db *db, struct err *e)
{
	AUTO(netlink_close) struct netlink *nf = NULL;
	auto_close int held = -1;
	char table[FIREWALL_TABLE];

	firewall_table(db_dirs(db), table);
	TRY(netlink_open(NETLINK_BUS_FILTER, &nf, e));
	held = lock(db_dirs(db), e);
	TRY(held);
	return write_rows(db, nf, table, e);
}

int firewall_change(const struct dirs *d, struct netlink *nf, const struct nat_elems *del, const struct nat_elems *add, struct err *e)
{
	auto_close int held = -1;
	char table[FIREWALL_TABLE];

	if (!del->n && !add->n)
		return 0;
	firewall_table(d, table);
	held = lock(d, e);
	TRY(held);
	return nft_change(nf, table, del, add, e);
}

static bool among(const struct network_rows *l, int64_t id)
{
	return network_of(l, id) != NULL;
}

/* Under the lock the answer lasts: whoever makes a network has its row first, and waits for the lock with its elements. */
static int needed_by_others(struct db *db, const struct network_rows *gone, struct err *e)
{
	AUTO_DONE(network_rows_done) struct network_rows nets = { 0 };

	TRY(network_list(db, NULL, &nets, e));
	for (size_t i = 0; i < nets.n; i++)
		if (streq(nets.v[i].driver, "bridge") && !among(gone, nets.v[i].id))
			return 1;
	return 0;
}

static int remove_locked(struct db *db, struct netlink *nf, const struct network_rows *gone, struct err *e)
{
	AUTO_DONE(nat_elems_done) struct nat_elems del = { 0 };
	static const struct nat_elems none;
	char table[FIREWALL_TABLE];
	AUTO_ERR(t);
	int r = needed_by_others(db, gone, e);

	TRY(r);
	firewall_table(db_dirs(db), table);
	FP("net.remove.firewall", e);
	if (r == 0)
		return nft_delete(nf, table, e);
	for (size_t i = 0; i < gone->n; i++)
		if (streq(gone->v[i].driver, "bridge"))
			TRY(firewall_network(db_dirs(db), &gone->v[i], &del, e));
	nat_sort(&del);
	if (nft_change(nf, table, &del, &none, &t) < 0 && t.code != ENOENT) /* gone as a whole is gone too */
		return err_move(e, &t);
	return 0;
}

int firewall_remove(struct db *db, const struct network_rows *gone, struct err *e)
{
	AUTO(netlink_close) struct netlink *nf = NULL;
	auto_close int held = -1;

	TRY(netlink_open(NETLINK_BUS_FILTER, &nf, e));
	held = lock(db_dirs(db), e);
	TRY(held);
	TRY(remove_locked(db, nf, gone, e));
	return 0;
}

/* A drop anywhere is final, an accept is not: our own table cannot let through what another one's policy drops. */
int network_warnings(struct strv *ret, struct err *e)
{
	AUTO(netlink_close) struct netlink *nf = NULL;
	AUTO_STRV(chains);

	TRY(netlink_open(NETLINK_BUS_FILTER, &nf, e));
	TRY(nft_forward_drops(nf, &chains, e));
	for (size_t i = 0; i < chains.n; i++)
		strv_addf(ret, "the firewall chain '%s' drops forwarded packets that no rule of it accepts; containers reach other hosts only with "
			  "rules like: nft insert rule %s iifname \"gb*\" accept; nft insert rule %s oifname \"gb*\" accept", chains.v[i],
			  chains.v[i], chains.v[i]);
	return 0;
}
