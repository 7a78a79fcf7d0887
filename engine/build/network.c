/* SPDX-License-Identifier: MIT
 *
 * The network of RUN: the engine's own bridge, one address a stage, given back at the end of the build.
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/build/build_priv.h"
#include "net/network.h"
#include "net/sandbox.h"
#include "state/db.h"
#include "state/network_store.h"

#define BUILD_LABELS "{\"gantry.build\":\"1\"}"
#define OWNER "build-" /* and the name of the build's folder in images/tmp, which is locked as long as it lives */

/* The last build that uses a bridge which a build made takes it away. */
static int ensure_bridge(struct build *b, struct err *e)
{
	static const struct network_want want = { .name = "bridge", .driver = "bridge", .labels = BUILD_LABELS, .ipv4 = true };
	struct network_row row = { 0 };
	int r = network_by_name(b->db, "bridge", &row, e);

	if (r == 1)
		r = network_create(b->db, &want, &row, e);
	if (r == 1) /* another build made it meanwhile */
		r = network_by_name(b->db, "bridge", &row, e);
	if (r == 0 && streq(str0(row.labels), BUILD_LABELS))
		b->bridge = row.id;
	network_row_done(&row);
	return MIN(r, 0);
}

/* The row says which build it belongs to, for when that is killed. */
static int lease(struct build *b, const char *id, struct err *e)
{
	const struct net_endpoint_want ep = { .network = "bridge" };
	auto_free char *owner = xasprintf(OWNER "%s", b->all->tmp_name);
	const struct net_want want = { .sandbox_id = id, .service = owner, .container_name = "buildkitsandbox", .container_id = id, .hostname = "buildkitsandbox",
				       .mode = "private", .endpoints = &ep, .nendpoints = 1 };

	TRY(ensure_bridge(b, e));
	TRY(db_begin(b->db, e));
	return db_end(b->db, net_sandbox_lease(b->db, &want, e), e);
}

/* Builds make and remove the bridge one after the other, or one would find what another is still making. */
static int lock(struct db *db, int *ret_fd, struct err *e)
{
	auto_free char *path = dirs_run(db_dirs(db), "build-net.lock");

	return file_lock(path, false, true, ret_fd, e);
}

int build_net(struct build *b, int stage, const struct net_plan **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *spec = json_object();
	auto_close int fd = -1;
	char id[ID_BUF];

	if (!b->plans) {
		b->plans = xcalloc(b->stages.n + 1, sizeof(*b->plans));
		b->sandboxes = xcalloc(b->stages.n + 1, sizeof(*b->sandboxes));
	}
	if (!b->plans[stage]) {
		id_new(id);
		json_add_str(spec, "hostname", "buildkitsandbox");
		TRY(lock(b->db, &fd, e));
		TRY(lease(b, id, e));
		b->sandboxes[stage] = xstrdup(id);
		TRY(net_sandbox_prepare(b->db, id, e));
		TRY(net_plan_load(b->db, id, spec, &b->plans[stage], e));
	}
	*ret = b->plans[stage];
	return 0;
}

static void release(struct db *db, const char *id)
{
	AUTO_ERR(e);

	if (net_sandbox_cleared(db, id, &e) < 0 || db_begin(db, &e) < 0 || db_end(db, net_sandbox_release(db, id, &e), &e) < 0)
		log_debug("build's network: %s", err_text(&e));
}

static bool is_left(struct db *db, const char *id)
{
	AUTO_DONE(sandbox_row_done) struct sandbox_row row = { 0 };
	auto_free char *folder = NULL;
	const char *name;
	AUTO_ERR(ignored);

	if (sandbox_get(db, id, &row, &ignored) != 0 || !(name = str_after(str0(row.service), OWNER)))
		return false;
	folder = dirs_root(db_dirs(db), "images/tmp/%s", name);
	return !file_exists(folder);
}

int build_net_collect(struct db *db, struct err *e)
{
	AUTO_DONE(network_row_done) struct network_row row = { 0 };
	auto_close int fd = -1;
	AUTO_STRV(ids);
	AUTO_ERR(used);
	int r;

	TRY(r = network_by_name(db, "bridge", &row, e));
	if (r || !streq(str0(row.labels), BUILD_LABELS))
		return 0;
	TRY(lock(db, &fd, e));
	TRY(sandbox_left(db, NULL, &ids, e));
	for (size_t i = 0; i < ids.n; i++)
		if (is_left(db, ids.v[i]))
			release(db, ids.v[i]);
	if (network_remove(db, &row.id, 1, &used) < 0)
		log_debug("network 'bridge' stays: %s", err_text(&used));
	return 0;
}

void build_net_done(struct build *b)
{
	for (size_t i = 0; b->plans && i < b->stages.n; i++) {
		net_plan_free(b->plans[i]);
		if (b->sandboxes[i])
			release(b->db, b->sandboxes[i]);
		free(b->sandboxes[i]);
	}
	free(b->plans);
	free(b->sandboxes);
	/* made for builds, and no other uses it */
	if (b->bridge) {
		auto_close int fd = -1;
		AUTO_ERR(used);

		if (lock(b->db, &fd, &used) < 0 || network_remove(b->db, &b->bridge, 1, &used) < 0)
			log_debug("network 'bridge' stays: %s", err_text(&used));
	}
}
