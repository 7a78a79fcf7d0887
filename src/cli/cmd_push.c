/* SPDX-License-Identifier: MIT
 *
 * push, and image push
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "compose/project.h"
#include "engine/image/ref.h"
#include "engine/image/remote.h"
#include <errno.h>

struct push_opts {
	bool ignore_failures, include_deps, quiet;
};
static const struct opt push_rows[] = {
	OPT(0, "ignore-push-failures", OPT_BOOL, struct push_opts, ignore_failures, NULL, "Push what can be pushed, and do not fail"),
	OPT(0, "include-deps", OPT_BOOL, struct push_opts, include_deps, NULL, "Also what the services depend on"),
	OPT('q', "quiet", OPT_BOOL, struct push_opts, quiet, NULL, "Push without progress"),
	OPT_END
};

struct shown {
	struct progress *progress;
	const char *image;
};

static void on_progress(void *arg, const char *layer, const char *text, bool over)
{
	struct shown *s = arg;
	auto_free char *id = xasprintf("Layer %s", layer);

	if (!over && !progress_animated(s->progress) && str_starts(text, "Pushing "))
		return; /* percentages are for terminals */
	progress_event(s->progress, id, over ? PROGRESS_DONE : PROGRESS_WORKING, text);
}

static int push_one(struct app *app, struct progress *p, const char *ref, struct err *e)
{
	struct shown s = { p, ref };
	const struct image_push_options o = { on_progress, &s, (int)app->g.parallel };
	auto_free char *id = xasprintf("Image %s", ref), *digest = NULL;
	int r;

	progress_event(p, id, PROGRESS_WORKING, "Pushing");
	r = image_push(app->db, ref, &o, &digest, e);
	progress_event(p, id, r < 0 ? PROGRESS_ERROR : PROGRESS_DONE, r < 0 ? "Error" : r > 0 ? "Up to date" : "Pushed");
	if (r >= 0)
		printf("%s: digest: %s\n", ref, digest);
	return r < 0 ? r : 0;
}

/* Goes on after a failure, and keeps the first. */
static int push_all(struct app *app, const struct strv *refs, bool quiet, struct err *e)
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

/* What the named services depend on, too. */
static void add_dependencies(const struct project *p, struct strv *names)
{
	for (size_t i = 0; i < names->n; i++) {
		const struct service *s = project_service(p, names->v[i]);

		for (size_t k = 0; s && k < s->depends_on.n; k++)
			strv_add_unique(names, s->depends_on.v[k].name);
	}
}

static int push_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct push_opts *o = opts;
	const struct project *p = app->project;
	AUTO_STRV(names);
	AUTO_STRV(refs);
	int r;

	strv_copy(&names, args);
	if (o->include_deps)
		add_dependencies(p, &names);
	for (size_t i = 0; i < p->services.n; i++) {
		const struct service *s = &p->services.v[i];

		/* as docker compose: what is built here and has a name of its own */
		if (!s->disabled && s->build && s->image && (!names.n || strv_has(&names, s->name)))
			strv_add_unique(&refs, s->image);
		else if (args->n && strv_has(args, s->name))
			log_warning("service '%s': not pushed: %s", s->name, s->build ? "it has no 'image'" : "it has no 'build'");
	}
	r = push_all(app, &refs, o->quiet, e);
	if (r < 0 && o->ignore_failures) {
		log_warning("%s", err_text(e));
		err_clear(e);
		return 0;
	}
	return r;
}

const struct cmd cmd_push = { "push", push_run, CMD_PROJECT | CMD_STATE | CMD_ROOT, push_rows, sizeof(struct push_opts), "[OPTIONS] [SERVICE...]",
			      "Send the images of services to their registries", 0, -1, NULL, NULL, NULL, true };

struct image_push_opts {
	bool quiet;
};
static const struct opt image_push_rows[] = {
	OPT('q', "quiet", OPT_BOOL, struct image_push_opts, quiet, NULL, "Push without progress"),
	OPT_REFUSE('a', "all-tags", NULL, "name the tags that are wanted"),
	OPT_END
};

static int image_push_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	return push_all(app, args, ((const struct image_push_opts *)opts)->quiet, e);
}

const struct cmd cmd_image_push = { "push", image_push_run, CMD_STATE | CMD_ROOT, image_push_rows, sizeof(struct image_push_opts),
				    "[OPTIONS] IMAGE [IMAGE...]", "Send images to their registries", 1, -1 };
