/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/fail.h"
#include "base/json.h"
#include "base/str.h"
#include "net/network.h"
#include "plan/apply_task.h"
#include "plan/op_labels.h"
#include "state/container_store.h"
#include "state/db.h"
#include <errno.h>

/* ---- create ---- */

struct wanted {
	struct subnet_row *subnets;
	size_t n;
};

static void wanted_done(struct wanted *w)
{
	for (size_t i = 0; i < w->n; i++) {
		free(w->subnets[i].cidr);
		free(w->subnets[i].gateway);
		free(w->subnets[i].ip_range);
		free(w->subnets[i].aux);
	}
	free(w->subnets);
}

static void wanted_subnets(const struct network *n, struct wanted *w)
{
	w->subnets = xcalloc(n->ipam.config.n + 1, sizeof *w->subnets);
	for (size_t i = 0; i < n->ipam.config.n; i++) {
		const struct ipam_pool *p = &n->ipam.config.v[i];

		if (!p->subnet)
			continue;
		w->subnets[w->n++] = (struct subnet_row){
			.cidr = xstrdup(p->subnet), .gateway = xstrdup0(p->gateway), .ip_range = xstrdup0(p->ip_range),
			.aux = p->aux_addresses.n ? op_json_of(&p->aux_addresses) : NULL,
		};
	}
}

static int check_ipam(const struct network *n, struct err *e)
{
	if (n->ipam.driver && *n->ipam.driver && !streq(n->ipam.driver, "default"))
		return err_set(e, EOPNOTSUPP, "ipam.driver '%s' is not supported, only 'default'", n->ipam.driver);
	for (size_t i = 0; i < n->ipam.config.n; i++) {
		const struct ipam_pool *p = &n->ipam.config.v[i];

		if (!p->subnet && (p->ip_range || p->gateway))
			return err_set(e, EINVAL, "ipam.config[%zu]: ip_range and gateway need a subnet", i);
	}
	return 0;
}

static int create(struct task *t, const struct network *n)
{
	AUTO_DONE(network_row_done) struct network_row row = { 0 };
	AUTO_DONE(wanted_done) struct wanted w = { 0 };
	auto_free char *options = op_json_of(&n->driver_opts);
	char hash[PROJECT_HASH_MAX];
	auto_free char *labels = NULL;

	TRY(check_ipam(n, &t->e));
	TRY(network_driver_check(n->driver ? n->driver : "bridge", &t->e));
	TRY(project_hash_network(t->a->p, n, hash, &t->e));
	labels = op_labels(t->a->p, &n->labels, "network", n->key, hash);
	wanted_subnets(n, &w);

	const struct network_want want = {
		.name = n->name, .project = t->a->p->name, .key = n->key, .driver = n->driver, .options = options, .labels = labels,
		.hash = hash, .internal = n->internal, .attachable = n->attachable, .ipv4 = n->enable_ipv4 != TRI_FALSE,
		.ipv6 = n->enable_ipv6 == TRI_TRUE, .subnets = w.subnets, .nsubnets = w.n,
	};

	return network_create(t->a->db, &want, &row, &t->e);
}

int op_network_create(struct task *t)
{
	int r = create(t, t->op->network);

	return r < 0 ? task_wrap(t, "network", t->op->name) : TASK_DONE;
}

/* ---- remove ---- */

/* A network that is replaced: the leases of its containers, which are all off, go with it; recreating them leases anew. */
static int drop_leases(struct task *t)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };

	TRY(endpoint_by_network(t->a->db, t->op->network_id, &eps, &t->e));
	for (size_t i = 0; i < eps.n; i++) {
		AUTO_DONE(sandbox_row_done) struct sandbox_row box = { 0 };

		if (sandbox_get(t->a->db, eps.v[i].sandbox, &box, &t->e) == 0 && streq0(box.project, t->a->plan->project))
			TRY(endpoint_delete(t->a->db, eps.v[i].id, &t->e));
	}
	return t->e.code ? -t->e.code : 0;
}

/* The batch failed as a whole: once more, each by itself, so that each has its own result. */
static void remove_each(struct task **tasks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = network_remove(tasks[i]->a->db, &tasks[i]->op->network_id, 1, &tasks[i]->e);

		if (r < 0)
			task_wrap(tasks[i], "network", tasks[i]->op->name);
		task_end(tasks[i], r);
	}
}

void op_networks_remove(struct task **tasks, size_t n)
{
	int64_t *ids = xcalloc(n, sizeof *ids);
	AUTO_ERR(why);
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		int fp = fail_point("plan.network_remove");
		int r = fp < 0 ? err_code(&tasks[i]->e, -fp, "fail point 'plan.network_remove'") : 0;

		if (r >= 0 && tasks[i]->op->phase == PHASE_CLEAR)
			r = drop_leases(tasks[i]);
		if (r < 0) {
			task_end(tasks[i], r);
			continue;
		}
		ids[k] = tasks[i]->op->network_id;
		tasks[k++] = tasks[i];
	}
	if (k && network_remove(tasks[0]->a->db, ids, k, &why) < 0)
		remove_each(tasks, k);
	else
		for (size_t i = 0; i < k; i++)
			task_end(tasks[i], TASK_DONE);
	free(ids);
}
