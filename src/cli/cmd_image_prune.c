/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/image_filter.h"
#include "cli/object_view.h"
#include "engine/image/gc.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "state/container_store.h"
#include "state/db.h"
#include <errno.h>

struct prune_opts {
	bool all, force;
	struct strv filter;
};
static const struct opt prune_rows[] = {
	OPT('a', "all", OPT_BOOL, struct prune_opts, all, NULL, "Also images that have a name but no container"),
	OPT(0, "filter", OPT_LIST, struct prune_opts, filter, "KEY=VALUE", IMAGE_FILTER_PRUNE),
	OPT('f', "force", OPT_BOOL, struct prune_opts, force, NULL, "Do not ask"),
	OPT_END
};

/* An image that two commands want gone is gone for both. */
static int prune_one(struct db *db, const char *id, bool all, const struct image_filter *filter, struct strv *report, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_DONE(ctr_rows_done) struct ctr_rows users = CTR_ROWS_INIT;
	AUTO_STRV(names);
	AUTO_ERR(why);
	int r;

	TRY(r = image_get(db, id, &row, e));
	if (r > 0)
		return 0;
	TRY(image_names_of(db, id, &names, e));
	TRY(ctr_by_image(db, id, &users, e));
	if (users.n || (!all && names.n) || !image_filter_passes(filter, &row, names.n ? names.v[0] : ""))
		return 0;
	/* not by force: a container may have come meanwhile */
	for (size_t i = names.n; r >= 0 && i > 1; i--)
		r = image_unlist(db, names.v[i - 1], false, report, &why);
	if (r >= 0)
		r = image_unlist(db, id, false, report, &why);
	return r >= 0 || err_is(&why, EBUSY) || err_is(&why, ENOENT) ? 0 : err_move(e, &why);
}

static void print_report(const struct strv *images, const struct gc *g)
{
	auto_free char *size = num_size_text((uint64_t)gc_bytes(g));

	if (images->n)
		printf("Deleted Images:\n");
	for (size_t i = 0; i < images->n; i++)
		printf("%c%s\n", images->v[i][0] == 'U' ? 'u' : 'd', images->v[i] + 1);
	for (size_t i = 0; images->n && i < g->n; i++)
		if (g->v[i].kind == GC_LAYER && digest_is_valid(g->v[i].name))
			printf("deleted: %s\n", g->v[i].name);
	printf("%sTotal reclaimed space: %s\n", images->n ? "\n" : "", size);
}

static int prune_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct prune_opts *o = opts;
	AUTO_DONE(image_filter_done) struct image_filter filter = { 0 };
	AUTO_DONE(gc_done) struct gc g = GC_INIT;
	AUTO_STRV(all);
	AUTO_STRV(report);
	bool named;

	(void)args;
	TRY(image_filter_parse(app->db, &o->filter, IMAGE_FILTER_PRUNE, &filter, e));
	/* dangling=false is docker's older --all, dangling=true its default */
	named = o->all || filter.dangling == DANGLING_NO;
	filter.dangling = DANGLING_ANY;
	if (!o->force && !object_agreed(named ?
		"WARNING! This will remove all images without at least one container associated to them.\nAre you sure you want to continue?" :
		"WARNING! This will remove all dangling images.\nAre you sure you want to continue?"))
		return 0;
	TRY(image_list(app->db, &all, e));
	for (size_t i = 0; i < all.n; i++)
		TRY(prune_one(app->db, all.v[i], named, &filter, &report, e));
	g.measure = true;
	TRY(image_gc(app->db, &g, e));
	print_report(&report, &g);
	return 0;
}

const struct cmd cmd_image_prune = { "prune", prune_run, CMD_STATE | CMD_ROOT, prune_rows, sizeof(struct prune_opts), "[OPTIONS]",
				     "Remove images that nobody uses", 0, 0 };
