/* SPDX-License-Identifier: MIT
 *
 * gantry inspect: whatever has that name, in docker's order (container, image, network, volume)
 */
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/object_view.h"
#include "engine/container/container.h"
#include "engine/image/inspect.h"
#include "engine/image/store.h"
#include "state/container_store.h"
#include "state/network_store.h"
#include "state/volume_store.h"
#include <errno.h>

struct inspect_opts {
	const char *format, *type;
};
/* Adds what NAME is to LIST. 1: there is none of this kind. */
typedef int look_fn(struct app *app, const char *name, struct cJSON *list, struct err *e);

static int add_container(struct app *app, const struct ctr_row *c, struct cJSON *list, struct err *e)
{
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;

	TRY(container_load_spec(&app->dirs, c->id, &spec, e));
	json_add(list, NULL, container_inspect(app->db, c, spec));
	return 0;
}

static int look_container(struct app *app, const char *name, struct cJSON *list, struct err *e)
{
	AUTO_DONE(ctr_row_done) struct ctr_row c = { 0 };
	int r = ctr_find(app->db, name, &c, e);

	return r ? r : add_container(app, &c, list, e);
}

static int look_image(struct app *app, const char *name, struct cJSON *list, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	struct cJSON *one = NULL;
	AUTO_ERR(no_name); /* what cannot be an image's name may be a container's */
	int r = image_resolve(app->db, name, &row, &no_name);

	if (r == -EINVAL)
		return 1;
	if (r < 0)
		return err_move(e, &no_name);
	if (r == 0) {
		TRY(image_inspect(app->db, &row, &one, e));
		json_add(list, NULL, one);
	}
	return r;
}

static int look_network(struct app *app, const char *name, struct cJSON *list, struct err *e)
{
	AUTO_DONE(network_row_done) struct network_row n = { 0 };
	struct cJSON *one = NULL;
	int r = network_view_find(app->db, name, &n, e);

	if (r == 0) {
		TRY(network_view(app->db, &n, &one, e));
		json_add(list, NULL, one);
	}
	return r;
}

static int look_volume(struct app *app, const char *name, struct cJSON *list, struct err *e)
{
	AUTO_DONE(volume_row_done) struct volume_row v = { 0 };
	int r = volume_get(app->db, name, &v, e);

	if (r == 0 && v.deleting)
		return 1;
	if (r == 0)
		json_add(list, NULL, volume_view(&app->dirs, &v));
	return r;
}

static const char *const types[] = { "container", "image", "network", "volume", NULL };
static look_fn *const looks[] = { look_container, look_image, look_network, look_volume };

static const struct opt inspect_rows[] = {
	OPT('f', "format", OPT_STR, struct inspect_opts, format, "FORMAT", "json or a Go template, per object"),
	OPT_CHOICE(0, "type", struct inspect_opts, type, "TYPE", "Only a container, image, network or volume of that name", types),
	OPT_END
};

static int inspect_add(struct app *app, const char *name, void *arg, struct cJSON *list, struct err *e)
{
	const char *type = arg;

	for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
		int r = type && !streq(type, types[i]) ? 1 : looks[i](app, name, list, e);

		if (r <= 0)
			return r;
	}
	err_set(e, ENOENT, "no such %s: %s", type ? type : "object", name);
	err_hint(e, "'gantry ps -a', 'gantry image ls', 'gantry network ls' and 'gantry volume ls' show what there is");
	return -ENOENT;
}

static int inspect_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct inspect_opts *o = opts;

	return object_inspect(app, args, inspect_add, (void *)o->type, o->format, e);
}

const struct cmd cmd_inspect = { "inspect", inspect_run, CMD_STATE_READ, inspect_rows, sizeof(struct inspect_opts), "[OPTIONS] NAME [NAME...]",
				 "Show all about containers, images, networks or volumes", 1, -1 };
