/* SPDX-License-Identifier: MIT */
#include "state/network_store.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"
#include "state/db.h"
#include "state/sql.h"
#include "state/stmt.h"
#include <errno.h>

/* ---- networks ---- */

void network_row_done(struct network_row *n)
{
	free(n->name);
	free(n->project);
	free(n->key);
	free(n->driver);
	free(n->options);
	free(n->labels);
	free(n->hash);
	for (size_t i = 0; i < n->nsubnets; i++) {
		free(n->subnets[i].cidr);
		free(n->subnets[i].gateway);
		free(n->subnets[i].ip_range);
		free(n->subnets[i].aux);
	}
	free(n->subnets);
	*n = (struct network_row){ 0 };
}

void network_rows_done(struct network_rows *l)
{
	for (size_t i = 0; i < l->n; i++)
		network_row_done(&l->v[i]);
	free(l->v);
	*l = (struct network_rows){ 0 };
}

static void network_read(struct stmt *s, struct network_row *n)
{
	*n = (struct network_row){
		.id = stmt_int(s, 0), .name = stmt_dup(s, 1), .project = stmt_dup(s, 2), .key = stmt_dup(s, 3), .driver = stmt_dup(s, 4),
		.options = stmt_dup(s, 5), .labels = stmt_dup(s, 6), .hash = stmt_dup(s, 7), .internal = stmt_int(s, 8),
		.attachable = stmt_int(s, 9), .ipv6 = stmt_int(s, 10), .ipv4 = stmt_int(s, 11), .deleting = stmt_int(s, 12),
		.created_ns = stmt_int(s, 13),
	};
}

static int subnets_read(struct db *db, struct network_row *n, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_SUBNET_LIST, e, V(n->id));
	size_t cap = 0;
	int r;

	while ((r = stmt_step(s, e)) == 1) {
		xgrow(&n->subnets, n->nsubnets, &cap, sizeof *n->subnets);
		n->subnets[n->nsubnets++] = (struct subnet_row){
			.cidr = stmt_dup(s, 0), .gateway = stmt_dup(s, 1), .ip_range = stmt_dup(s, 2), .aux = stmt_dup(s, 3),
		};
	}
	return r;
}

static int subnet_insert(struct db *db, int64_t network, size_t position, const struct subnet_row *sub, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_SUBNET_INSERT, e, V(network), V(position), V(sub->cidr), V(sub->gateway), V(sub->ip_range), V(sub->aux));

	return stmt_run(s, e);
}

static int insert_network(struct db *db, struct network_row *n, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_NET_INSERT, e, V(n->name), V(n->project), V(n->key), V(n->driver), V(n->options), V(n->labels),
				V(n->hash), V(n->internal), V(n->attachable), V(n->ipv6), V(n->ipv4), V(n->deleting), V(n->created_ns));
	int r = stmt_run(s, e);

	if (r == -EEXIST)
		return err_instead(e, EEXIST, "network name '%s' is in use", n->name);
	TRY(r);
	n->id = db_last_id(db);
	for (size_t i = 0; i < n->nsubnets; i++)
		TRY(subnet_insert(db, n->id, i, &n->subnets[i], e));
	db_touch(db, n->project);
	return 0;
}

int network_insert(struct db *db, struct network_row *n, struct err *e)
{
	TRY(db_begin(db, e));
	return db_end(db, insert_network(db, n, e), e);
}

/* The one row that S finds, with its subnets. */
static int network_one(struct db *db, struct stmt *s, struct network_row *ret, struct err *e)
{
	AUTO_DONE(network_row_done) struct network_row n = { 0 };
	int r = stmt_step(s, e);

	if (r <= 0)
		return r < 0 ? r : 1;
	network_read(s, &n);
	stmt_reset(s);
	TRY(subnets_read(db, &n, e));
	*ret = n;
	n = (struct network_row){ 0 };
	return 0;
}

int network_get(struct db *db, int64_t id, struct network_row *ret, struct err *e)
{
	return network_one(db, DB_STMT(db, SQL_NET_GET, e, V(id)), ret, e);
}

int network_by_name(struct db *db, const char *name, struct network_row *ret, struct err *e)
{
	return network_one(db, DB_STMT(db, SQL_NET_BY_NAME, e, V(name)), ret, e);
}

int network_list(struct db *db, const char *project, struct network_rows *ret, struct err *e)
{
	struct stmt *s = project ? DB_STMT(db, SQL_NET_BY_PROJECT, e, V(project)) : db_stmt(db, SQL_NET_ALL, e);
	size_t first = ret->n;
	int r;

	while ((r = stmt_step(s, e)) == 1) {
		xgrow(&ret->v, ret->n, &ret->cap, sizeof *ret->v);
		network_read(s, &ret->v[ret->n++]);
	}
	TRY(r);
	for (size_t i = first; i < ret->n; i++)
		TRY(subnets_read(db, &ret->v[i], e));
	return 0;
}

int network_set_deleting(struct db *db, int64_t id, struct err *e)
{
	return stmt_do_project(DB_STMT(db, SQL_NET_SET_DELETING, e, V(id)), e);
}

int network_delete(struct db *db, int64_t id, struct err *e)
{
	int r = stmt_do_project(DB_STMT(db, SQL_NET_DELETE, e, V(id)), e);

	if (r == -EBUSY)
		return err_instead(e, EBUSY, "network is in use: containers have an address in it");
	return r;
}

/* ---- sandboxes ---- */

void sandbox_row_done(struct sandbox_row *s)
{
	free(s->id);
	free(s->project);
	free(s->service);
	free(s->mode);
	free(s->boot_id);
	*s = (struct sandbox_row){ 0 };
}

int sandbox_insert(struct db *db, const struct sandbox_row *b, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_BOX_INSERT, e, V(b->id), V(b->project), V(b->service), V(b->number), V(b->mode), V(b->boot_id));

	TRY(stmt_run(s, e));
	db_touch(db, b->project);
	return 0;
}

int sandbox_get(struct db *db, const char *id, struct sandbox_row *ret, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_BOX_GET, e, V(id));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
	*ret = (struct sandbox_row){
		.id = stmt_dup(s, 0), .project = stmt_dup(s, 1), .service = stmt_dup(s, 2), .number = stmt_int(s, 3),
		.mode = stmt_dup(s, 4), .boot_id = stmt_dup(s, 5),
	};
	stmt_reset(s);
	return 0;
}

int sandbox_set_boot(struct db *db, const char *id, const char *boot_id, struct err *e)
{
	return stmt_do_project(DB_STMT(db, SQL_BOX_SET_BOOT, e, V(id), V(boot_id)), e);
}

int sandbox_members(struct db *db, const char *id, int64_t *ret_n, struct err *e)
{
	return stmt_count(DB_STMT(db, SQL_BOX_MEMBERS, e, V(id)), ret_n, e);
}

int sandbox_left(struct db *db, const char *project, struct strv *ret_ids, struct err *e)
{
	return stmt_strings(DB_STMT(db, SQL_BOX_LEFT, e, V(project)), ret_ids, e);
}

int sandbox_delete(struct db *db, const char *id, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_BOX_DELETE, e, V(id));
	int r = stmt_do_project(s, e);

	if (r == -EBUSY)
		return err_instead(e, EBUSY, "sandbox %.12s is in use by containers", id);
	return r;
}

/* ---- endpoints ---- */

void endpoint_row_done(struct endpoint_row *ep)
{
	free(ep->sandbox);
	free(ep->ifname);
	free(ep->ipv4);
	free(ep->ipv6);
	free(ep->mac);
	free(ep->names);
	free(ep->options);
	*ep = (struct endpoint_row){ 0 };
}

void endpoint_rows_done(struct endpoint_rows *l)
{
	for (size_t i = 0; i < l->n; i++)
		endpoint_row_done(&l->v[i]);
	free(l->v);
	*l = (struct endpoint_rows){ 0 };
}

/* Replaces the text of a uniqueness failure: which value, and who has it. */
static int endpoint_taken(struct db *db, const struct endpoint_row *ep, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_EP_HOLDER, e, V(ep->network), V(ep->ipv4), V(ep->ipv6), V(ep->mac), V(ep->id));
	const char *what, *kind;
	int r;

	TRY(r = stmt_step(s, e));
	if (r == 0)
		return err_set(e, EADDRINUSE, "address is in use on this network");
	what = stmt_int(s, 0) && ep->ipv4 ? ep->ipv4 : stmt_int(s, 1) && ep->ipv6 ? ep->ipv6 : ep->mac;
	kind = what == ep->mac ? "MAC address" : "address";
	r = err_set(e, EADDRINUSE, "%s %s is in use by service '%s' of project '%s'", kind, str0(what), str0(stmt_str(s, 3)),
		    str0(stmt_str(s, 2)));
	stmt_reset(s);
	return r;
}

static int names_set(struct db *db, int64_t id, int64_t network, const char *names, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_EP_NAMES_CLEAR, e, V(id));

	TRY(stmt_run(s, e));
	if (!names)
		return 0;
	s = DB_STMT(db, SQL_EP_NAMES_ADD, e, V(network), V(id), V(names));
	return stmt_run(s, e);
}

static int touch_sandbox(struct db *db, const char *sandbox, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_EP_PROJECT, e, V(sandbox));
	int r = stmt_step(s, e);

	if (r == 1)
		db_touch(db, stmt_str(s, 0));
	stmt_reset(s);
	return r < 0 ? r : 0;
}

static int insert_endpoint(struct db *db, struct endpoint_row *ep, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_EP_INSERT, e, V(ep->sandbox), V(ep->network), V(ep->ifname), V(ep->ipv4), V(ep->ipv6), V(ep->mac),
				V(ep->names), V(ep->options), V(ep->priority), V(ep->gw_priority));
	int r = stmt_run(s, e);

	if (r == -EEXIST) {
		err_clear(e);
		return endpoint_taken(db, ep, e);
	}
	TRY(r);
	ep->id = db_last_id(db);
	TRY(names_set(db, ep->id, ep->network, ep->names, e));
	return touch_sandbox(db, ep->sandbox, e);
}

int endpoint_insert(struct db *db, struct endpoint_row *ep, struct err *e)
{
	ep->id = 0;
	TRY(db_begin(db, e));
	return db_end(db, insert_endpoint(db, ep, e), e);
}

static int update_endpoint(struct db *db, const struct endpoint_row *ep, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_EP_UPDATE, e, V(ep->id), V(ep->ifname), V(ep->ipv4), V(ep->ipv6), V(ep->mac), V(ep->names),
				V(ep->options), V(ep->priority), V(ep->gw_priority));
	int r = stmt_run(s, e);

	if (r == -EEXIST) {
		err_clear(e);
		return endpoint_taken(db, ep, e);
	}
	TRY(r);
	TRY(names_set(db, ep->id, ep->network, ep->names, e));
	return touch_sandbox(db, ep->sandbox, e);
}

int endpoint_update(struct db *db, const struct endpoint_row *ep, struct err *e)
{
	TRY(db_begin(db, e));
	return db_end(db, update_endpoint(db, ep, e), e);
}

int endpoint_delete(struct db *db, int64_t id, struct err *e)
{
	return stmt_do(DB_STMT(db, SQL_EP_DELETE, e, V(id)), e);
}

static int endpoint_list(struct stmt *s, struct endpoint_rows *ret, struct err *e)
{
	int r;

	while ((r = stmt_step(s, e)) == 1) {
		xgrow(&ret->v, ret->n, &ret->cap, sizeof *ret->v);
		ret->v[ret->n++] = (struct endpoint_row){
			.id = stmt_int(s, 0), .sandbox = stmt_dup(s, 1), .network = stmt_int(s, 2), .ifname = stmt_dup(s, 3),
			.ipv4 = stmt_dup(s, 4), .ipv6 = stmt_dup(s, 5), .mac = stmt_dup(s, 6), .names = stmt_dup(s, 7),
			.options = stmt_dup(s, 8), .priority = stmt_int(s, 9), .gw_priority = stmt_int(s, 10),
		};
	}
	return r;
}

int endpoint_by_sandbox(struct db *db, const char *sandbox, struct endpoint_rows *ret, struct err *e)
{
	return endpoint_list(DB_STMT(db, SQL_EP_BY_SANDBOX, e, V(sandbox)), ret, e);
}

int endpoint_by_network(struct db *db, int64_t network, struct endpoint_rows *ret, struct err *e)
{
	return endpoint_list(DB_STMT(db, SQL_EP_BY_NETWORK, e, V(network)), ret, e);
}

int endpoint_by_project(struct db *db, const char *project, struct endpoint_rows *ret, struct err *e)
{
	return endpoint_list(DB_STMT(db, SQL_EP_BY_PROJECT, e, V(project)), ret, e);
}

/* ---- published ports ---- */

void port_row_done(struct port_row *p)
{
	free(p->sandbox);
	free(p->proto);
	free(p->host_ip);
	*p = (struct port_row){ 0 };
}

void port_rows_done(struct port_rows *l)
{
	for (size_t i = 0; i < l->n; i++)
		port_row_done(&l->v[i]);
	free(l->v);
	*l = (struct port_rows){ 0 };
}

/* 1: the very same row is there; 0: free. */
static int port_check(struct db *db, const struct port_row *p, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_PORT_CONFLICT, e, V(p->sandbox), V(p->proto), V(p->host_port), V(str0(p->host_ip)), V(p->ctr_port),
				V(p->endpoint));
	const char *ip;
	int r = stmt_step(s, e);

	if (r <= 0)
		return r;
	if (!stmt_int(s, 0)) {
		ip = stmt_str(s, 1);
		r = err_set(e, EADDRINUSE, "port %s%s%d/%s is in use by container '%s' (service '%s' of project '%s')", ip, *ip ? ":" : "",
			    p->host_port, p->proto, str0(stmt_str(s, 4)), str0(stmt_str(s, 3)), str0(stmt_str(s, 2)));
	}
	stmt_reset(s);
	return r;
}

static int insert_port(struct db *db, const struct port_row *p, struct err *e)
{
	int r = port_check(db, p, e);
	struct stmt *s;

	if (r != 0)
		return r < 0 ? r : 0;
	s = DB_STMT(db, SQL_PORT_INSERT, e, V(p->sandbox), V(p->proto), V(str0(p->host_ip)), V(p->host_port), V(p->ctr_port), V(p->endpoint));
	TRY(stmt_run(s, e));
	return touch_sandbox(db, p->sandbox, e);
}

int port_insert(struct db *db, const struct port_row *p, struct err *e)
{
	TRY(db_begin(db, e));
	return db_end(db, insert_port(db, p, e), e);
}

int port_by_sandbox(struct db *db, const char *sandbox, struct port_rows *ret, struct err *e)
{
	struct stmt *s = sandbox ? DB_STMT(db, SQL_PORT_BY_SANDBOX, e, V(sandbox)) : db_stmt(db, SQL_PORT_ALL, e);
	int r;

	while ((r = stmt_step(s, e)) == 1) {
		xgrow(&ret->v, ret->n, &ret->cap, sizeof *ret->v);
		ret->v[ret->n++] = (struct port_row){
			.sandbox = stmt_dup(s, 0), .proto = stmt_dup(s, 1), .host_ip = stmt_dup(s, 2), .host_port = stmt_int(s, 3),
			.ctr_port = stmt_int(s, 4), .endpoint = stmt_int(s, 5),
		};
	}
	return r;
}

int port_delete_of(struct db *db, const char *sandbox, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_PORT_DELETE_OF, e, V(sandbox));
	int r = stmt_run(s, e);

	if (r > 0)
		return touch_sandbox(db, sandbox, e);
	return r < 0 ? r : 0;
}

/* ---- names ---- */

/* Addresses of NAME; those of PROJECT alone when there are any (or when ONLY). */
static int dns_find(struct db *db, int64_t network, const char *project, const char *name, bool only, int family, struct strv *ret,
		    struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_DNS_FIND, e, V(network), V(name), V(project));
	bool found = false, own = only;
	int r;

	while ((r = stmt_step(s, e)) == 1) {
		const char *ip = stmt_str(s, family == 6 ? 1 : 0);

		own = own || stmt_int(s, 2); /* own project first: the order of the rows */
		if (own && !stmt_int(s, 2))
			continue;
		found = true;
		if (ip)
			strv_add(ret, ip);
	}
	return r < 0 ? r : !found;
}

int dns_addresses(struct db *db, int64_t network, const char *project, const char *name, int family, struct strv *ret, struct err *e)
{
	const char *dot = strrchr(name, '.');
	auto_free char *service = NULL;
	int r = dns_find(db, network, project, name, false, family, ret, e);

	if (r != 1 || !dot || dot == name || !dot[1])
		return r;
	service = xstrndup(name, (size_t)(dot - name)); /* service.project */
	return dns_find(db, network, dot + 1, service, true, family, ret, e);
}
