/* SPDX-License-Identifier: MIT */
#include "plan/observe.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "compose/project.h"
#include "engine/container/container.h"
#include "engine/image/platform.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "state/db.h"
#include "state/lock.h"
#include <errno.h>

/* ---- depends_on from labels: "db:service_healthy:false,cache:service_started:true" ---- */

static void add_dep(struct observed_ctr *c, const char *text)
{
	AUTO_STRV(parts);
	size_t cap = c->ndeps;

	strv_split(&parts, text, ":");
	if (parts.n < 2 || !*parts.v[0])
		return;
	c->deps = xreallocarray(c->deps, cap + 1, sizeof *c->deps);
	c->deps[c->ndeps++] = (struct observed_dep){
		.service = xstrdup(parts.v[0]), .condition = xstrdup(parts.v[1]), .restart = parts.n > 2 && streq(parts.v[2], "true"),
	};
}

static void read_deps(struct db *db, struct observed_ctr *c)
{
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	AUTO_STRV(deps);
	AUTO_ERR(why);
	const char *text;

	if (container_load_spec(db_dirs(db), c->row.id, &spec, &why) < 0) {
		log_debug("container %s: %s", c->row.name, err_text(&why));
		return;
	}
	text = strv_env_get(&spec->labels, "com.docker.compose.depends_on");
	if (!text || !*text)
		return;
	strv_split(&deps, text, ",");
	for (size_t i = 0; i < deps.n; i++)
		add_dep(c, deps.v[i]);
}

/* ---- rows ---- */

static struct observed_ctr *by_id(struct observed *o, const char *id)
{
	for (size_t i = 0; i < o->nctrs; i++)
		if (streq(o->ctrs[i].row.id, id))
			return &o->ctrs[i];
	return NULL;
}

static int read_containers(struct db *db, struct observed *o, bool order, struct err *e)
{
	const struct dirs *d = db_dirs(db);
	struct ctr_rows rows = CTR_ROWS_INIT;
	bool monitor = lock_monitor_held(d, o->project);
	int r = ctr_list(db, o->project, NULL, &rows, e);

	if (r < 0) {
		ctr_rows_done(&rows);
		return r;
	}
	o->ctrs = xcalloc(rows.n ? rows.n : 1, sizeof *o->ctrs);
	for (; o->nctrs < rows.n; o->nctrs++) {
		struct observed_ctr *c = &o->ctrs[o->nctrs];

		c->row = rows.v[o->nctrs]; /* moved */
		ctr_row_correct(&c->row, d->boot_id, monitor);
		if (order)
			read_deps(db, c);
	}
	free(rows.v);
	return 0;
}

static int read_uses(struct db *db, struct observed *o, struct err *e)
{
	AUTO_DONE(volume_uses_done) struct volume_uses uses = { 0 };
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };
	struct observed_ctr *c = NULL;

	TRY(volume_uses_of_project(db, o->project, &uses, e));
	for (size_t i = 0; i < uses.n; i++) { /* sorted by container */
		if (!c || !streq(c->row.id, uses.v[i].container))
			c = by_id(o, uses.v[i].container);
		if (c)
			strv_add(&c->volumes, uses.v[i].volume);
	}
	TRY(endpoint_by_project(db, o->project, &eps, e));
	for (size_t i = 0; i < eps.n; i++)
		for (size_t k = 0; k < o->nctrs; k++) {
			c = &o->ctrs[k];
			if (!streq0(c->row.sandbox, eps.v[i].sandbox))
				continue;
			c->networks = xreallocarray(c->networks, c->nnetworks + 1, sizeof *c->networks);
			c->networks[c->nnetworks++] = eps.v[i].network;
		}
	return 0;
}

/* The project's own by its rows; others (external, of another name) by name. */
static int read_networks(struct db *db, struct observed *o, const struct project *p, struct err *e)
{
	TRY(network_list(db, o->project, &o->networks, e));
	for (size_t i = 0; p && i < p->networks.n; i++) {
		const char *name = p->networks.v[i].name;
		struct network_row n;
		int r;

		if (observed_network(o, name))
			continue;
		TRY(r = network_by_name(db, name, &n, e));
		if (r == 1)
			continue;
		xgrow(&o->networks.v, o->networks.n, &o->networks.cap, sizeof *o->networks.v);
		o->networks.v[o->networks.n++] = n;
	}
	return 0;
}

static int read_volumes(struct db *db, struct observed *o, const struct project *p, struct err *e)
{
	TRY(volume_list(db, o->project, &o->volumes, e));
	for (size_t i = 0; p && i < p->volumes.n; i++) {
		const char *name = p->volumes.v[i].name;
		struct volume_row v;
		int r;

		if (observed_volume(o, name))
			continue;
		TRY(r = volume_get(db, name, &v, e));
		if (r == 1)
			continue;
		xgrow(&o->volumes.v, o->volumes.n, &o->volumes.cap, sizeof *o->volumes.v);
		o->volumes.v[o->volumes.n++] = v;
	}
	return 0;
}

static int when_checked(struct db *db, struct observed *o, const char *ref, struct err *e)
{
	AUTO_DONE(image_remote_done) struct image_remote remote = { 0 };
	AUTO_DONE(ref_done) struct ref name = { 0 };
	AUTO_ERR(an_id);
	auto_free char *full = NULL;
	int r;

	if (ref_parse_tagged(ref, &name, &an_id) < 0)
		return 0;
	full = ref_text(&name);
	r = image_remote_get(db, full, &remote, e);
	if (r == 0)
		map_set(&o->image_checked, ref, xmemdup(&remote.checked_ns, sizeof remote.checked_ns));
	return r < 0 ? r : 0;
}

/* An image for another machine than the service wants is as good as none. What cannot be told counts as right. */
static bool is_for(const struct image_row *row, const char *platform)
{
	struct platform want, has;
	AUTO_ERR(unclear);

	if (!platform || !*platform || platform_parse(platform, &want, &unclear) < 0)
		return true;
	platform_set(&has, row->os, row->architecture, row->variant);
	return !*has.arch || platform_is(&want, &has);
}

static int resolve_image(struct db *db, struct observed *o, const char *ref, const char *platform, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	int r;

	if (!ref || map_has(&o->images, ref))
		return 0;
	r = image_resolve(db, ref, &row, e);
	if (r < 0)
		return err_wrap(e, "image '%s'", ref);
	if (r > 0 || !is_for(&row, platform))
		return 0;
	map_set(&o->images, ref, TAKE(row.id));
	return when_checked(db, o, ref, e);
}

static int read_images(struct db *db, struct observed *o, const struct project *p, struct err *e)
{
	for (size_t i = 0; p && i < p->services.n; i++) {
		const struct service *s = &p->services.v[i];

		if (s->disabled || s->provider)
			continue;
		TRY(resolve_image(db, o, service_image(s), s->platform, e));
		for (size_t k = 0; k < s->volumes.n; k++)
			if (s->volumes.v[k].type == MOUNT_IMAGE)
				TRY(resolve_image(db, o, s->volumes.v[k].source, NULL, e));
	}
	return 0;
}

int observe(struct db *db, const char *project, const struct project *p, unsigned flags, struct observed **ret, struct err *e)
{
	AUTO(observed_free) struct observed *o = xcalloc(1, sizeof *o);

	o->project = xstrdup(project);
	o->images = o->image_checked = MAP_INIT(free);
	o->now_ns = time_now_ns();
	FP("plan.observe", e);
	TRY(read_containers(db, o, (flags & OBSERVE_ORDER) && !p, e)); /* a file tells the order better than labels */
	TRY(read_uses(db, o, e));
	TRY(read_networks(db, o, p, e));
	TRY(read_volumes(db, o, p, e));
	TRY(read_images(db, o, p, e));
	*ret = TAKE(o);
	return 0;
}
