/* SPDX-License-Identifier: MIT
 *
 * src/plan/lower*.c: tests/cases/lower/NAME/{compose.yaml, image.json, expect | expect.err}. Service `a` is lowered; `expect` is its spec.json
 * (what is default is not in it). image.json: {"config": docker's image config, "old": anonymous volumes target -> name of the container that
 * is replaced}; none: an image with CMD ["run"]. @DIR@ stands for the case's folder. UPDATE=1 writes what came out.
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "compose/load.h"
#include "engine/container/spec.h"
#include "engine/image/store.h"
#include "plan/lower.h"
#include "tests/unit/case_dirs.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { TEXT_MAX = 1 << 20 };
#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

struct lcase {
	char *dir;
	struct arena *arena;
	struct project *p;
	struct cJSON *image;
	struct ctr_spec *other;     /* what service `b` is made of */
	struct image_row row;
	struct image_config config;
};

static int container_of(void *arg, const char *service, bool external, const char **ret_id, struct err *e)
{
	const struct lcase *c = arg;

	if (!external && !project_service(c->p, service))
		return err_set(e, ENOENT, "container missing");
	if (external && !streq(service, "elsewhere"))
		return err_set(e, ENOENT, "container missing");
	*ret_id = OTHER;
	return 0;
}

static int names_of(void *arg, const char *service, struct strv *ret, struct err *e)
{
	(void)arg;
	(void)e;
	strv_addf(ret, "p-%s-1", service);
	strv_addf(ret, "p-%s-2", service);
	return 0;
}

static int image_of(void *arg, const char *ref, const char **ret_id, struct err *e)
{
	(void)arg;
	if (!streq(ref, "files"))
		return err_set(e, ENOENT, "image '%s' is not present", ref);
	*ret_id = "sha256:1";
	return 0;
}

static char *anonymous(void *arg, const char *target)
{
	const struct lcase *c = arg;
	const char *old = json_str(json_get(c->image, "old"), target);
	auto_free char *name = xasprintf("new-of-%s", target);

	for (char *p = name; *p; p++)
		if (*p == '/')
			*p = '_';
	return old ? xstrdup(old) : TAKE(name);
}

static int spec_of(void *arg, const char *id, const struct ctr_spec **ret, struct err *e);

static struct lower lower_of(struct lcase *c, const char *service)
{
	return (struct lower){
		.p = c->p, .s = project_service(c->p, service), .id = ID, .name = "p-a-1", .number = 1, .hash = "1:hash", .image = &c->row,
		.config = &c->config, .image_driver = "overlay", .files_dir = "/root/containers/ID/files", .container_of = container_of,
		.names_of = names_of, .spec_of = spec_of, .anonymous = anonymous, .image_of = image_of, .arg = c,
	};
}

static int spec_of(void *arg, const char *id, const struct ctr_spec **ret, struct err *e)
{
	struct lcase *c = arg;
	struct lower l = lower_of(c, "b");

	l.id = id;
	if (!c->other && l.s) {
		TRY(lower_service(&l, &c->other, e));
	} else if (!c->other) { /* a container of elsewhere */
		c->other = ctr_spec_new();
		c->other->id = xstrdup(id);
	}
	*ret = c->other;
	return 0;
}

static int load(struct lcase *c, struct err *e)
{
	char *const environ[] = { (char *)"FROM_ENV=value-of-env", NULL };
	struct notes notes = { 0 };
	struct load_opts o = { .cwd = c->dir, .project_name = "p", .environ = environ };
	auto_free char *path = path_join(c->dir, "image.json");
	auto_free char *text = NULL;
	auto_free char *config = NULL;
	size_t n = 0;

	TRY(compose_load(&o, c->arena, &notes, &c->p, e));
	c->row = (struct image_row){ .id = (char *)"sha256:image" };
	strv_add(&c->row.layers, "sha256:layer");
	if (file_exists(path)) {
		TRY(file_read(path, TEXT_MAX, &text, &n, e));
		TRY(json_parse(text, n, "image.json", &c->image, e));
		config = json_text(c->image, false);
	}
	return image_config_parse(config ? config : "{\"config\":{\"Cmd\":[\"run\"]}}", &c->config, e);
}

/* Every DIR in TEXT becomes @DIR@. */
static char *neutral(const char *text, const char *dir)
{
	struct str out = STR_INIT(TEXT_MAX);

	for (const char *p = text; *p;) {
		if (str_starts(p, dir)) {
			str_add(&out, "@DIR@");
			p += strlen(dir);
		} else {
			str_addc(&out, *p++);
		}
	}
	return str_take(&out);
}

static int run(struct lcase *c, char **ret, struct err *e)
{
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	AUTO(json_free) struct cJSON *j = NULL;
	auto_free char *text = NULL;
	auto_free char *plain = NULL;
	struct lower l;

	TRY(load(c, e));
	l = lower_of(c, "a");
	TRY(lower_service(&l, &spec, e));
	j = ctr_spec_to_json(spec);
	text = json_text(j, true);
	plain = neutral(text, c->dir);
	*ret = xasprintf("%s\n", plain);
	return 0;
}

static void one_case(void **state)
{
	struct lcase c = { .dir = *state, .arena = arena_new() };
	struct err e = ERR_INIT;
	char *text = NULL;

	if (run(&c, &text, &e) < 0) {
		auto_free char *plain = neutral(err_text(&e), c.dir);
		auto_free char *said = xasprintf("%s\n", plain);

		case_compare(c.dir, "expect.err", said);
		err_clear(&e);
	} else {
		case_compare(c.dir, "expect", text);
	}
	free(text);
	ctr_spec_free(c.other);
	strv_done(&c.row.layers);
	image_config_done(&c.config);
	json_free(c.image);
	arena_free(c.arena);
}

int main(int argc, char **argv)
{
	return case_dirs_run("lower", argc > 1 ? argv[1] : NULL, one_case);
}
