/* SPDX-License-Identifier: MIT
 *
 * Removing networks. A link takes 20 to 45 ms to go, ten of them in one group message take no longer: so all bridges that go, and host ends of
 * containers that are left on them, get a group number and go together.
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/id.h"
#include "base/str.h"
#include "net/driver.h"
#include "net/firewall.h"
#include "net/link.h"
#include "net/linkname.h"
#include "net/network.h"
#include "state/db.h"
#include <errno.h>

static int users_of(struct db *db, const struct network_row *n, struct str *out, struct err *e)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };

	TRY(endpoint_by_network(db, n->id, &eps, e));
	for (size_t i = 0; i < eps.n; i++) {
		AUTO_DONE(sandbox_row_done) struct sandbox_row s = { 0 };
		int r = sandbox_get(db, eps.v[i].sandbox, &s, e);

		TRY(r);
		if (r == 1)
			continue;
		str_addf(out, "%s'%s%s%s'", out->len ? ", " : "", str0(s.project), s.project && s.service ? "/" : "", str0(s.service));
	}
	return (int)eps.n;
}

static int check_unused(struct db *db, const struct network_row *n, struct err *e)
{
	AUTO_STR(users, 600);
	int r = users_of(db, n, &users, e);

	if (r <= 0)
		return r;
	err_set(e, EBUSY, "network '%s': still in use by %s", n->name, users.s);
	err_hint(e, "remove these containers first (gantry down, gantry rm)");
	return -EBUSY;
}

struct pick {
	const int64_t *ids; /* networks that go */
	size_t n;
	struct db *db;      /* instead of ids: networks and endpoints without a row go */
};

static bool network_goes(const struct pick *p, int64_t id)
{
	AUTO_DONE(network_row_done) struct network_row row = { 0 };
	AUTO_ERR(t);

	for (size_t i = 0; i < p->n; i++)
		if (p->ids[i] == id)
			return true;
	return p->db && network_get(p->db, id, &row, &t) == 1;
}

static bool master_goes(const struct link_list *all, const bool *goes, uint32_t master)
{
	for (size_t i = 0; master && i < all->n; i++)
		if (all->v[i].index == master)
			return goes[i];
	return false;
}

/* Has any endpoint row this id? Asked for leftovers only. */
static bool endpoint_known(struct db *db, int64_t id)
{
	AUTO_DONE(network_rows_done) struct network_rows nets = { 0 };
	AUTO_ERR(t);

	if (network_list(db, NULL, &nets, &t) < 0)
		return true;
	for (size_t i = 0; i < nets.n; i++) {
		AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };

		if (endpoint_by_network(db, nets.v[i].id, &eps, &t) < 0)
			return true;
		for (size_t k = 0; k < eps.n; k++)
			if (eps.v[k].id == id)
				return true;
	}
	return false;
}

static int remove_links(const struct dirs *d, const struct pick *p, struct err *e)
{
	AUTO(netlink_close) struct netlink *rt = NULL;
	AUTO_DONE(link_list_done) struct link_list all = { 0 };
	auto_free bool *goes = NULL;
	char hex[9];
	uint32_t group;
	bool any = false;

	TRY(netlink_open(NETLINK_BUS_ROUTE, &rt, e));
	TRY(link_list(rt, &all, e));
	goes = xcalloc(all.n + 1, sizeof(*goes));
	for (size_t i = 0; i < all.n; i++) {
		int64_t id;
		char kind;

		if (link_mark_read(all.v[i].alias, d->root_id, &kind, &id) && kind != LINK_VETH)
			goes[i] = network_goes(p, id);
	}
	id_hex(hex, 8);
	group = (uint32_t)strtoul(hex, NULL, 16) | 0x40000000u;
	for (size_t i = 0; i < all.n; i++) {
		int64_t id;
		char kind;
		bool leg = link_mark_read(all.v[i].alias, d->root_id, &kind, &id) && kind == LINK_VETH;

		if (leg && (master_goes(&all, goes, all.v[i].master) || (p->db && !endpoint_known(p->db, id))))
			goes[i] = true;
		if (goes[i])
			link_group(rt, all.v[i].index, group);
		any |= goes[i];
	}
	if (!any)
		return 0;
	TRY(netlink_flush(rt, e));
	FP("net.remove.links", e);
	link_group_del(rt, group);
	TRY(netlink_flush(rt, e));
	return 0;
}

static int mark_deleting(struct db *db, const struct network_rows *l, struct err *e)
{
	int r = db_begin(db, e);

	for (size_t i = 0; r >= 0 && i < l->n; i++)
		r = check_unused(db, &l->v[i], e);
	for (size_t i = 0; r >= 0 && i < l->n; i++)
		r = network_set_deleting(db, l->v[i].id, e);
	if (r >= 0)
		r = db_commit(db, e);
	if (r < 0)
		db_rollback(db);
	return r;
}

static int delete_rows(struct db *db, const struct network_rows *l, struct err *e)
{
	int r = db_begin(db, e);

	for (size_t i = 0; r >= 0 && i < l->n; i++) {
		if (l->v[i].project)
			db_touch(db, l->v[i].project);
		r = network_delete(db, l->v[i].id, e);
	}
	if (r >= 0)
		r = db_commit(db, e);
	if (r < 0)
		db_rollback(db);
	return r;
}

static int load(struct db *db, const int64_t *ids, size_t n, struct network_rows *l, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct network_row row = { 0 };
		int r = network_get(db, ids[i], &row, e);

		TRY(r);
		if (r == 1)
			continue;
		xgrow(&l->v, l->n, &l->cap, sizeof(*l->v));
		l->v[l->n++] = row;
	}
	return 0;
}

int network_remove(struct db *db, const int64_t *ids, size_t n, struct err *e)
{
	AUTO_DONE(network_rows_done) struct network_rows l = { 0 };
	struct pick pick = { .ids = ids, .n = n };
	bool firewall = false;

	TRY(load(db, ids, n, &l, e));
	if (!l.n)
		return 0;
	TRY(mark_deleting(db, &l, e));
	FP("net.remove", e);
	TRY(remove_links(db_dirs(db), &pick, e));
	for (size_t i = 0; i < l.n; i++)
		firewall |= streq(l.v[i].driver, "bridge");
	if (firewall)
		TRY(firewall_remove(db, &l, e));
	FP("net.remove.row", e);
	return delete_rows(db, &l, e);
}

int network_gc(struct db *db, struct err *e)
{
	struct pick pick = { .db = db };

	TRY(remove_links(db_dirs(db), &pick, e));
	return firewall_restore(db, e);
}
