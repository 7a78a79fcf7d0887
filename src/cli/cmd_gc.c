/* SPDX-License-Identifier: MIT
 *
 * gantry gc: what killed commands left and what nobody needs. Every command that loads, pulls or builds collects the most of it on its way; this one does all
 * at once, says what it is, and takes the build cache by age and size.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/commands.h"
#include "engine/build/build.h"
#include "engine/image/gc.h"
#include <errno.h>

struct gc_opts {
	bool dry_run, blobs, quiet;
	const char *age, *size;
};
static const struct opt gc_rows[] = {
	OPT(0, "blobs", OPT_BOOL, struct gc_opts, blobs, NULL, "Also archives of layers that their registry has, or that can be packed again"),
	OPT(0, "cache-age", OPT_STR, struct gc_opts, age, "DURATION", "Build cache of no use for so long (default 30d)"),
	OPT(0, "cache-size", OPT_STR, struct gc_opts, size, "BYTES", "Keep at most so much build cache, what was used last (default: no limit)"),
	OPT('n', "dry-run", OPT_BOOL, struct gc_opts, dry_run, NULL, "Only say what would go"),
	OPT('q', "quiet", OPT_BOOL, struct gc_opts, quiet, NULL, "Only the sum"),
	OPT_END
};
#define AGE_DEFAULT "30d"

static int limits(const struct gc_opts *o, struct gc *g, struct err *e)
{
	int64_t age = 0;

	if (num_duration(o->age ? o->age : AGE_DEFAULT, &age, e) < 0 || age < 0)
		return e->code ? err_wrap(e, "--cache-age") : err_set(e, EINVAL, "--cache-age '%s': is before the beginning", o->age);
	g->cache_before_ns = time_now_ns() - age;
	if (o->size && num_bytes(o->size, &g->cache_max, e) < 0)
		return err_wrap(e, "--cache-size");
	return 0;
}

static int gc_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct gc_opts *o = opts;
	AUTO_DONE(gc_done) struct gc g = GC_INIT;
	auto_free char *total = NULL;

	(void)args;
	g.dry_run = o->dry_run;
	g.blobs = o->blobs;
	g.measure = g.all_parts = true;
	TRY(limits(o, &g, e));
	TRY(image_gc(app->db, &g, e));
	if (!o->dry_run)
		TRY(build_net_collect(app->db, e));
	for (size_t i = 0; !o->quiet && i < g.n; i++) {
		auto_free char *size = num_size_text((uint64_t)g.v[i].bytes);

		printf("%s: %s (%s)\n", gc_kind_name((int)g.v[i].kind), g.v[i].name, size);
	}
	total = num_size_text((uint64_t)gc_bytes(&g));
	printf("Total %s space: %s\n", o->dry_run ? "reclaimable" : "reclaimed", total);
	if (g.busy)
		log_warning("images are loaded, pulled, saved or built just now: their layers and blobs are left for the next time");
	return 0;
}

const struct cmd cmd_gc = { "gc", gc_run, CMD_STATE | CMD_ROOT, gc_rows, sizeof(struct gc_opts), "[OPTIONS]",
			    "Remove what killed commands left and nobody needs", 0, 0 };
