/* SPDX-License-Identifier: MIT */
#include "cli/push_view.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "base/strv.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "engine/image/remote.h"

static void on_progress(void *arg, const char *layer, const char *text, bool over)
{
	struct progress *p = arg;
	auto_free char *id = xasprintf("Layer %s", layer);

	if (!over && !progress_animated(p) && str_starts(text, "Pushing "))
		return; /* percentages are for terminals */
	progress_event(p, id, over ? PROGRESS_DONE : PROGRESS_WORKING, text);
}

static int push_one(struct app *app, struct progress *p, const char *ref, struct err *e)
{
	const struct image_push_options o = { on_progress, p, (int)app->g.parallel };
	auto_free char *id = xasprintf("Image %s", ref), *digest = NULL;
	int r;

	progress_event(p, id, PROGRESS_WORKING, "Pushing");
	r = image_push(app->db, ref, &o, &digest, e);
	progress_event(p, id, r < 0 ? PROGRESS_ERROR : PROGRESS_DONE, r < 0 ? "Error" : r > 0 ? "Up to date" : "Pushed");
	if (r >= 0)
		printf("%s: digest: %s\n", ref, digest);
	return r < 0 ? r : 0;
}

int push_images(struct app *app, const struct strv *refs, bool quiet, struct err *e)
{
	AUTO(progress_free) struct progress *p = NULL;

	if (quiet && app->progress != PROGRESS_JSON)
		app->progress = PROGRESS_QUIET;
	p = progress_new(app, "Pushing");
	for (size_t i = 0; i < refs->n; i++) {
		AUTO_ERR(failure);

		if (push_one(app, p, refs->v[i], &failure) >= 0)
			continue;
		if (!e->code)
			err_move(e, &failure);
		else
			log_warning("%s", err_text(&failure));
	}
	return e->code ? -e->code : 0;
}
