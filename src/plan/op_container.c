/* SPDX-License-Identifier: MIT
 *
 * Create, recreate, remove: rows and folders, by this process. What runs is op_run.c's, through the monitor.
 *
 * Recreate, so that nothing is lost whenever it ends early (compose.md §34):
 *   1 make the new one, its row named "<12 hex of the old id>_<name>" (its spec has the final name), with the old one's sandbox and
 *     anonymous volumes
 *   2 stop the old one                       fails: the new one goes, the old one goes on
 *   3 lease what the new configuration wants in the sandbox
 *   4 remove the old one, rename the new one killed in between: the next `up` finds the temporary name and does it again
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/fail.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/container/container.h"
#include "engine/monitor/control.h"
#include "engine/volume/volume.h"
#include "net/network.h"
#include "net/sandbox.h"
#include "plan/apply_task.h"
#include "plan/lower.h"
#include "plan/op_image.h"
#include "plan/op_run.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/project_store.h"
#include <errno.h>

/* What is under way for one new container. */
struct making {
	struct task *t;
	char id[ID_BUF];
	char *name, *files_dir;
	struct ctr_spec *spec;
	char *sandbox;              /* NULL: the host's network */
	bool own_sandbox, kept_sandbox;
	struct ctr_row old;         /* recreate: the one that goes; id NULL: none */
	struct ctr_spec *old_spec;
	struct strv volumes;        /* anonymous ones that were made for it */
	struct map borrowed;        /* ids and specs given out to lower_service: key -> making_ref */
	struct lower lower;
	char hash[PROJECT_HASH_MAX];
};
struct making_ref {
	char *id;
	struct ctr_spec *spec;
};

static void ref_free(void *p)
{
	struct making_ref *r = p;

	free(r->id);
	ctr_spec_free(r->spec);
	free(r);
}

static void making_free(void *p)
{
	struct making *m = p;

	if (!m)
		return;
	free(m->name);
	free(m->files_dir);
	ctr_spec_free(m->spec);
	free(m->sandbox);
	ctr_row_done(&m->old);
	ctr_spec_free(m->old_spec);
	strv_done(&m->volumes);
	map_done(&m->borrowed);
	free(m);
}

/* ---- what lower_service asks for ---- */

static struct making_ref *borrow(struct making *m, const char *key)
{
	struct making_ref *r = map_get(&m->borrowed, key);

	if (!r) {
		r = xcalloc(1, sizeof *r);
		map_set(&m->borrowed, key, r);
	}
	return r;
}

/* The containers of SERVICE, the lowest number first, without one-off ones. */
static int service_rows(struct apply *a, const char *service, struct ctr_rows *ret, struct err *e)
{
	size_t k = 0;

	TRY(ctr_list(a->db, a->p->name, service, ret, e));
	for (size_t i = 0; i < ret->n; i++) {
		if (ret->v[i].oneoff || ret->v[i].state == CTR_REMOVING)
			ctr_row_done(&ret->v[i]);
		else
			ret->v[k++] = ret->v[i];
	}
	ret->n = k;
	return 0;
}

static int container_of(void *arg, const char *service, bool external, const char **ret_id, struct err *e)
{
	struct making *m = arg;
	struct making_ref *ref = borrow(m, service);
	int r;

	if (!ref->id && external) {
		AUTO_DONE(ctr_row_done) struct ctr_row row = { 0 };

		TRY(r = ctr_find(m->t->a->db, service, &row, e));
		if (r == 0)
			ref->id = TAKE(row.id);
	} else if (!ref->id) {
		AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;

		TRY(service_rows(m->t->a, service, &rows, e));
		if (rows.n)
			ref->id = xstrdup(rows.v[0].id);
	}
	if (!ref->id)
		return err_set(e, ENOENT, "container missing");
	*ret_id = ref->id;
	return 0;
}

static int names_of(void *arg, const char *service, struct strv *ret, struct err *e)
{
	struct making *m = arg;
	AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;

	TRY(service_rows(m->t->a, service, &rows, e));
	for (size_t i = 0; i < rows.n; i++)
		strv_add(ret, rows.v[i].name);
	return 0;
}

static int spec_of(void *arg, const char *id, const struct ctr_spec **ret, struct err *e)
{
	struct making *m = arg;
	struct making_ref *ref = borrow(m, id);

	if (!ref->spec)
		TRY(container_load_spec(db_dirs(m->t->a->db), id, &ref->spec, e));
	*ret = ref->spec;
	return 0;
}

static int image_of(void *arg, const char *image, const char **ret_id, struct err *e)
{
	struct making *m = arg;
	const struct apply_image *i;

	TRY(apply_image(m->t->a, image, &i, e));
	*ret_id = i->row.id;
	return 0;
}

/* The old container's volume on the same target, else a new name, for which insert() makes the row. */
static char *anonymous(void *arg, const char *target)
{
	struct making *m = arg;
	char id[ID_BUF];

	for (size_t i = 0; m->old_spec && !m->t->a->o.renew_anon_volumes && i < m->old_spec->nmounts; i++) {
		const struct mount_spec *mount = &m->old_spec->mounts[i];

		if (mount->type == MNT_VOLUME && mount->anonymous && streq(mount->target, target))
			return xstrdup(mount->source);
	}
	id_new(id);
	strv_add(&m->volumes, id);
	return xstrdup(id);
}

/* ---- steps ---- */

static int lower(struct making *m, struct err *e)
{
	struct apply *a = m->t->a;
	const struct op *op = m->t->op;
	const struct apply_image *image;
	const char *driver = NULL;
	auto_free char *why = NULL;
	AUTO_STRV(env_files);
	auto_free char *env_text = NULL;
	int r;

	TRY(apply_image(a, service_image(op->service), &image, e));
	TRY(image_driver(db_dirs(a->db), &driver, &why, e));
	TRY(image_driver_fits(a->db, driver, image->row.id, e));
	TRY(project_hash_service(a->p, op->service, m->hash, e));
	lower_strs(&env_files, &a->p->env_files);
	env_text = strv_join(&env_files, ",");
	m->lower = (struct lower){
		.p = a->p, .s = op->service, .id = m->id, .name = op->name, .number = op->number, .oneoff = op->oneoff, .hash = m->hash, .image = &image->row,
		.config = &image->config, .image_driver = driver, .files_dir = m->files_dir, .env_files = env_files.n ? env_text : NULL,
		.container_of = container_of, .names_of = names_of, .spec_of = spec_of, .anonymous = anonymous, .image_of = image_of,
		.arg = m,
	};
	r = lower_service(&m->lower, &m->spec, e);
	m->lower.env_files = NULL; /* not needed any more */
	return r;
}

/* Its own, the kept one of the container it replaces, or another container's. */
static int choose_sandbox(struct making *m, struct err *e)
{
	AUTO_DONE(sandbox_row_done) struct sandbox_row box = { 0 };
	AUTO_DONE(ctr_row_done) struct ctr_row other = { 0 };
	const char *mode = m->spec->network_mode, *joined = str_after(mode, "container:");
	char id[ID_BUF];
	int r;

	if (streq(mode, "host"))
		return 0;
	if (joined) {
		TRY(r = ctr_get(m->t->a->db, joined, &other, e));
		if (r == 1)
			return err_set(e, ENOENT, "cannot share the network of container %.12s: it is gone", joined);
		m->sandbox = TAKE(other.sandbox);
		return 0;
	}
	m->own_sandbox = true;
	if (m->old.sandbox) {
		TRY(r = sandbox_get(m->t->a->db, m->old.sandbox, &box, e));
		if (r == 0 && streq0(box.service, m->spec->service) && box.number == m->spec->number && streq(box.mode, mode)) {
			m->sandbox = xstrdup(m->old.sandbox);
			m->kept_sandbox = true;
			return 0;
		}
	}
	id_new(id);
	m->sandbox = xstrdup(id);
	return 0;
}

static int lease(struct making *m, struct err *e)
{
	const struct ctr_spec *s = m->spec;
	struct net_endpoint_want *eps = xcalloc(s->nendpoints + 1, sizeof *eps);
	struct net_port_want *ports = xcalloc(s->nports + 1, sizeof *ports);
	int r;

	for (size_t i = 0; i < s->nendpoints; i++) {
		const struct endpoint_spec *ep = &s->endpoints[i];

		eps[i] = (struct net_endpoint_want){
			.network = ep->network, .aliases = &ep->aliases, .ipv4 = ep->ipv4, .ipv6 = ep->ipv6, .mac = ep->mac,
			.ifname = ep->ifname, .link_local = &ep->link_local, .driver_opts = &ep->driver_opts, .priority = ep->priority,
			.gw_priority = ep->gw_priority,
		};
	}
	for (size_t i = 0; i < s->nports; i++)
		ports[i] = (struct net_port_want){
			.proto = s->ports[i].proto, .host_ip = s->ports[i].host_ip, .ctr_port = s->ports[i].ctr_port,
			.host_port = s->ports[i].host_port, .host_port_last = s->ports[i].host_port_last,
		};

	const struct net_want want = {
		.sandbox_id = m->sandbox, .project = s->project, .service = s->service, .container_name = m->t->op->name,
		.container_id = m->id, .hostname = s->hostname, .number = s->number, .mode = s->network_mode, .endpoints = eps,
		.nendpoints = s->nendpoints, .ports = ports, .nports = s->nports,
	};

	r = net_sandbox_lease(m->t->a->db, &want, e);
	free(eps);
	free(ports);
	return r;
}

/* network_mode: bridge is the engine's own network, made when it is first wanted. */
static int engine_network(struct making *m, struct err *e)
{
	static const struct network_want want = { .name = "bridge", .driver = "bridge", .ipv4 = true };
	AUTO_DONE(network_row_done) struct network_row row = { 0 };

	for (size_t i = 0; i < m->spec->nendpoints; i++)
		if (streq(m->spec->endpoints[i].network, "bridge") && !project_network(m->t->a->p, "bridge"))
			return network_create(m->t->a->db, &want, &row, e);
	return 0;
}

static struct volume_row anonymous_row(const struct making *m, size_t i)
{
	return (struct volume_row){ .name = m->volumes.v[i], .project = m->spec->project, .driver = (char *)"local", .anonymous = true,
				    .created_ns = time_now_ns() };
}

/* Sandbox with its leases, anonymous volumes, container: one transaction, so that none is there without the others. A kept sandbox is the
 * old container's until that is off. */
static int insert(struct making *m, struct err *e)
{
	struct apply *a = m->t->a;
	auto_free char *config = service_json(a->p, m->t->op->service);
	const struct ctr_row row = {
		.id = m->id, .name = m->name, .project = m->spec->project, .service = m->spec->service, .number = m->spec->number,
		.oneoff = m->spec->oneoff, .image_ref = m->spec->image_ref, .image_id = m->spec->image_id, .hash = m->hash, .config = config, .sandbox = m->sandbox,
		.created_ns = time_now_ns(), .desired = DESIRED_CREATED, .state = CTR_CREATED, .exit_known = true,
	};

	if (m->own_sandbox && !m->kept_sandbox)
		TRY(lease(m, e));
	FP("plan.leased", e);
	for (size_t i = 0; i < m->volumes.n; i++) {
		struct volume_row v = anonymous_row(m, i);

		TRY(volume_insert(a->db, &v, e));
	}
	TRY(container_find_layers(a->db, m->spec, e));
	return container_create(a->db, m->spec, &row, e);
}

static int insert_in_transaction(struct making *m, struct err *e)
{
	TRY(db_begin(m->t->a->db, e));
	return db_end(m->t->a->db, insert(m, e), e);
}

/* What the rows promise: folders of the anonymous volumes, content of secrets and configs. */
static int make_files(struct making *m, struct err *e)
{
	FP("plan.inserted", e);
	for (size_t i = 0; i < m->volumes.n; i++) {
		struct volume_row v = anonymous_row(m, i);

		TRY(volume_create(m->t->a->db, &v, e));
	}
	return lower_write_files(&m->lower, m->spec, e);
}

/* Where the project comes from, for `ls` and for labels' readers; once a run. */
static int put_project(struct apply *a, struct err *e)
{
	AUTO_STRV(files);
	AUTO_STRV(envs);
	auto_free char *files_text = NULL;
	auto_free char *envs_text = NULL;
	struct project_row row = { .name = (char *)a->p->name, .working_dir = (char *)a->p->dir };

	if (a->project_put)
		return 0;
	lower_strs(&files, &a->p->files);
	lower_strs(&envs, &a->p->env_files);
	row.config_files = files_text = strv_join(&files, ",");
	row.environment = envs.n ? (envs_text = strv_join(&envs, ",")) : NULL;
	row.created_ns = row.updated_ns = time_now_ns();
	TRY(project_put(a->db, &row, e));
	a->project_put = true;
	return 0;
}

/* Undoes make(): the container and what only it has. */
static void unmake(struct making *m)
{
	struct db *db = m->t->a->db;
	AUTO_ERR(why);

	if (container_remove(db, m->id, true, NULL, &why) < 0) {
		log_debug("container %s: undo: %s", m->name, err_text(&why));
		return;
	}
	if (m->own_sandbox && !m->kept_sandbox && net_sandbox_release(db, m->sandbox, &why) < 0)
		log_debug("container %s: undo: %s", m->name, err_text(&why));
}

static int make(struct making *m, struct err *e)
{
	struct apply *a = m->t->a;
	int r;

	TRY(put_project(a, e));
	TRY(lower(m, e));
	TRY(choose_sandbox(m, e));
	TRY(engine_network(m, e));
	TRY(insert_in_transaction(m, e));
	r = make_files(m, e);
	if (r < 0) {
		unmake(m);
		return r;
	}
	free(m->t->id);
	m->t->id = xstrdup(m->id);
	return 0;
}

static struct making *making_new(struct task *t)
{
	struct making *m = xcalloc(1, sizeof *m);

	m->t = t;
	m->borrowed = MAP_INIT(ref_free);
	id_new(m->id);
	m->name = xstrdup(t->op->name);
	m->files_dir = dirs_root(db_dirs(t->a->db), "containers/%s/files", m->id);
	t->data = m;
	t->free_data = making_free;
	return m;
}

int op_ctr_create(struct task *t)
{
	struct making *m = making_new(t);

	return make(m, &t->e) < 0 ? task_wrap(t, "service", t->op->service_name) : TASK_DONE;
}

/* ---- recreate ---- */

static int replace_old(struct making *m, struct err *e)
{
	struct db *db = m->t->a->db;

	if (m->kept_sandbox) {
		TRY(db_begin(db, e));
		TRY(db_end(db, lease(m, e), e));
	}
	FP("plan.before_remove_old", e);
	TRY(container_remove(db, m->old.id, false, &m->t->a->remover, e));
	FP("plan.before_rename", e);
	TRY(ctr_rename(db, m->id, m->t->op->name, e));
	if (m->old.sandbox && !streq0(m->old.sandbox, m->sandbox))
		TRY(net_sandbox_release(db, m->old.sandbox, e));
	return 0;
}

static int finish_recreate(struct task *t)
{
	struct making *m = t->data;

	if (t->e.code || replace_old(m, &t->e) < 0) {
		AUTO_DONE(ctr_row_done) struct ctr_row old = { 0 };
		AUTO_ERR(why);

		if (ctr_get(t->a->db, m->old.id, &old, &why) == 0 && old.state != CTR_REMOVING) /* the old one is still there: it stays */
			unmake(m);
		return task_wrap(t, "service", t->op->service_name);
	}
	return TASK_DONE;
}

/* Interrupted while the old one stops: it is left to the monitor, and the new one was never used. */
static int cancel_recreate(struct task *t)
{
	unmake(t->data);
	return TASK_DONE;
}

int op_ctr_recreate(struct task *t)
{
	struct making *m = making_new(t);
	struct db *db = t->a->db;
	AUTO_ERR(why);
	int r;

	TRY(r = ctr_get(db, t->op->ctr, &m->old, &t->e));
	if (r == 1) /* gone meanwhile: there is nothing to replace */
		return make(m, &t->e) < 0 ? task_wrap(t, "service", t->op->service_name) : TASK_DONE;
	if (container_load_spec(db_dirs(db), m->old.id, &m->old_spec, &why) < 0)
		log_debug("container %s: %s", m->old.name, err_text(&why));
	free(m->name);
	m->name = xasprintf("%.12s_%s", m->old.id, t->op->name);
	if (make(m, &t->e) < 0)
		return task_wrap(t, "service", t->op->service_name);
	if (!op_row_running(&m->old, db_dirs(db)))
		return finish_recreate(t);
	t->cancel = cancel_recreate;
	return op_stop_request(t, m->old.id, finish_recreate);
}

/* ---- remove ---- */

int op_ctr_remove(struct task *t)
{
	AUTO_DONE(ctr_row_done) struct ctr_row row = { 0 };
	struct db *db = t->a->db;
	int r = ctr_get(db, t->op->ctr, &row, &t->e);

	if (r == 1)
		return TASK_DONE; /* gone already */
	if (r >= 0)
		r = container_remove(db, row.id, t->op->volumes, &t->a->remover, &t->e);
	if (r >= 0 && row.sandbox)
		r = net_sandbox_release(db, row.sandbox, &t->e);
	return r < 0 ? task_wrap(t, "container", t->op->name) : TASK_DONE;
}
