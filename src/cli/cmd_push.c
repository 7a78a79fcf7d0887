/* SPDX-License-Identifier: MIT
 *
 * push, and image push
 */
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/push_view.h"
#include "compose/project.h"

struct push_opts {
	bool ignore_failures, include_deps, quiet;
};
static const struct opt push_rows[] = {
	OPT(0, "ignore-push-failures", OPT_BOOL, struct push_opts, ignore_failures, NULL, "Push what can be pushed, and do not fail"),
	OPT(0, "include-deps", OPT_BOOL, struct push_opts, include_deps, NULL, "Also what the services depend on"),
	OPT('q', "quiet", OPT_BOOL, struct push_opts, quiet, NULL, "Push without progress"),
	OPT_END
};

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
	r = push_images(app, &refs, o->quiet, e);
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
	return push_images(app, args, ((const struct image_push_opts *)opts)->quiet, e);
}

const struct cmd cmd_image_push = { "push", image_push_run, CMD_STATE | CMD_ROOT, image_push_rows, sizeof(struct image_push_opts),
				    "[OPTIONS] IMAGE [IMAGE...]", "Send images to their registries", 1, -1 };
