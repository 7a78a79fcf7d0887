/* SPDX-License-Identifier: MIT
 *
 * cli/cmd_config.c - `config`: loads the project and prints it, or a part of it
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/map.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/config_explain.h"
#include "cli/pin.h"
#include "compose/emit.h"
#include "compose/faults.h"
#include "compose/field.h"
#include "compose/load.h"
#include "compose/project.h"
#include "compose/schema.h"
#include <errno.h>

enum { OUTPUT_MAX = 1 << 30 };

struct config_opts {
	const char *explain, *format, *hash, *output;
	bool environment, images, models, networks, profiles, quiet, schema, services, strict, support, variables, volumes;
	bool lock_digests, resolve_digests;
	bool no_consistency, no_env_resolution, no_interpolate, no_normalize, no_path_resolution;
};
static const char *const formats[] = { "yaml", "json", NULL };
static const struct opt config_rows[] = {
	OPT(0, "environment", OPT_BOOL, struct config_opts, environment, NULL, "Variables that the files are interpolated with"),
	OPT(0, "explain", OPT_STR, struct config_opts, explain, "PATH", "Where a value (services.web.ports[0]) or variable (TAG) comes from"),
	OPT_CHOICE(0, "format", struct config_opts, format, "FORMAT", "yaml or json", formats),
	OPT(0, "hash", OPT_STR, struct config_opts, hash, "SERVICES", "Configuration hash of these services (a,b), or of all (*)"),
	OPT(0, "images", OPT_BOOL, struct config_opts, images, NULL, "Only names of images"),
	OPT(0, "lock-image-digests", OPT_BOOL, struct config_opts, lock_digests, NULL, "Only an override file that pins each image to its digest"),
	OPT(0, "models", OPT_BOOL, struct config_opts, models, NULL, "Only names of models"),
	OPT(0, "networks", OPT_BOOL, struct config_opts, networks, NULL, "Only names of networks"),
	OPT(0, "no-consistency", OPT_BOOL, struct config_opts, no_consistency, NULL, "Do not check references between parts"),
	OPT(0, "no-env-resolution", OPT_BOOL, struct config_opts, no_env_resolution, NULL, "Do not read the services' env files"),
	OPT(0, "no-interpolate", OPT_BOOL, struct config_opts, no_interpolate, NULL, "Leave variables as they are"),
	OPT(0, "no-normalize", OPT_BOOL, struct config_opts, no_normalize, NULL, "Leave out what goes without saying: names, default network"),
	OPT(0, "no-path-resolution", OPT_BOOL, struct config_opts, no_path_resolution, NULL, "Leave paths relative"),
	OPT('o', "output", OPT_STR, struct config_opts, output, "FILE", "Write to a file"),
	OPT(0, "profiles", OPT_BOOL, struct config_opts, profiles, NULL, "Only names of profiles"),
	OPT('q', "quiet", OPT_BOOL, struct config_opts, quiet, NULL, "Print nothing, only check"),
	OPT(0, "resolve-image-digests", OPT_BOOL, struct config_opts, resolve_digests, NULL, "Pin each image to the digest that its tag stands for now"),
	OPT(0, "schema", OPT_BOOL, struct config_opts, schema, NULL, "JSON schema of the Compose file, for editors"),
	OPT(0, "services", OPT_BOOL, struct config_opts, services, NULL, "Only names of services"),
	OPT(0, "strict", OPT_BOOL, struct config_opts, strict, NULL, "Fail on what gantry does not do in full"),
	OPT(0, "support", OPT_BOOL, struct config_opts, support, NULL, "What gantry does with each attribute of the Compose file"),
	OPT(0, "variables", OPT_BOOL, struct config_opts, variables, NULL, "Variables that the files name, with their defaults"),
	OPT(0, "volumes", OPT_BOOL, struct config_opts, volumes, NULL, "Only names of volumes"),
	OPT_END
};

/* One run of the command. */
struct config {
	struct app *app;
	const struct config_opts *o;
	struct load_opts load;
	struct notes notes;
	struct str out;
};

/* ---- what needs no project ---- */

static void add_support(struct str *out, const struct field *table, const char *prefix, int depth)
{
	for (const struct field *f = table; f->key; f++) {
		const struct field *below = field_below(f);
		auto_free char *path = xasprintf("%s%s%s", prefix, *prefix ? "." : "", f->key);
		auto_free char *next = xasprintf("%s%s", path, f->type->shape == SHAPE_LIST ? "[]" : f->type->shape == SHAPE_MAP ? ".*" : "");

		if (f->flags & F_INLINE)
			str_addf(out, "%-60s full\n", path);
		else if (f->support != SUPPORT_FULL)
			str_addf(out, "%-60s %s: %s\n", path, support_name((int)f->support), f->reason);
		else if (!below)
			str_addf(out, "%-60s full\n", path);
		if (below && f->support == SUPPORT_FULL && depth < 8)
			add_support(out, below, next, depth + 1);
	}
}

static int print_support(struct config *c, struct err *e)
{
	(void)e;
	add_support(&c->out, project_fields, "", 0);
	return 0;
}

static int print_schema(struct config *c)
{
	schema_print(c->app->arena, &c->out);
	return 0;
}

static int print_environment(struct config *c, struct err *e)
{
	struct load_env env;
	AUTO_STRV(lines);

	TRY(compose_env(&c->load, c->app->arena, true, &c->notes, &env, e));
	for (size_t i = 0; i < env.env->n; i++)
		strv_addf(&lines, "%s=%s", env.env->v[i].key, (const char *)env.env->v[i].value);
	strv_sort(&lines);
	for (size_t i = 0; i < lines.n; i++)
		str_addf(&c->out, "%s\n", lines.v[i]);
	return 0;
}

static int column(int least, size_t len)
{
	return MAX(least, (int)len + 3);
}

/* docker compose's table: columns of at least 20, three blanks between. */
static int print_variables(struct config *c, struct err *e)
{
	struct load_variables vars;
	int name = 20, dflt = 20;

	TRY(compose_variables(&c->load, c->app->arena, &c->notes, &vars, e));
	for (size_t i = 0; i < vars.list.n; i++) {
		name = column(name, strlen(vars.list.v[i].name));
		dflt = column(dflt, strlen(str0(vars.list.v[i].dflt)));
	}
	str_addf(&c->out, "%-*s%-20s%-*s%s\n", name, "NAME", "REQUIRED", dflt, "DEFAULT VALUE", "ALTERNATE VALUE");
	for (size_t i = 0; i < vars.list.n; i++) {
		const struct load_variable *v = &vars.list.v[i];

		str_addf(&c->out, "%-*s%-20s%-*s%s\n", name, v->name, v->required ? "true" : "false", dflt, str0(v->dflt), str0(v->alternate));
	}
	return 0;
}

/* ---- parts of a project ---- */

typedef int part_fn(struct config *c, const struct project *p, struct err *e);

static int print_services(struct config *c, const struct project *p, struct err *e)
{
	(void)e;
	for (size_t i = 0; i < p->services.n; i++)
		if (!p->services.v[i].disabled)
			str_addf(&c->out, "%s\n", p->services.v[i].name);
	return 0;
}

static int print_images(struct config *c, const struct project *p, struct err *e)
{
	(void)e;
	for (size_t i = 0; i < p->services.n; i++)
		if (!p->services.v[i].disabled && !p->services.v[i].provider)
			str_addf(&c->out, "%s\n", service_image(&p->services.v[i]));
	return 0;
}

static int print_profiles(struct config *c, const struct project *p, struct err *e)
{
	AUTO_STRV(names);

	(void)e;
	for (size_t i = 0; i < p->services.n; i++)
		for (size_t j = 0; j < p->services.v[i].profiles.n; j++)
			strv_add_unique(&names, p->services.v[i].profiles.v[j]);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		str_addf(&c->out, "%s\n", names.v[i]);
	return 0;
}

#define PRINT_USED(fn, list)                                                                       \
	static int fn(struct config *c, const struct project *p, struct err *e)                    \
	{                                                                                          \
		(void)e;                                                                           \
		for (size_t i = 0; i < p->list.n; i++)                                             \
			if (p->list.v[i].used)                                                     \
				str_addf(&c->out, "%s\n", p->list.v[i].key);                       \
		return 0;                                                                          \
	}
PRINT_USED(print_volumes, volumes)
PRINT_USED(print_networks, networks)
PRINT_USED(print_models, models)

static int add_hash(struct config *c, const struct project *p, const struct service *s, struct err *e)
{
	char hash[PROJECT_HASH_MAX];

	TRY(project_hash_service(p, s, hash, e));
	str_addf(&c->out, "%s %s\n", s->name, hash);
	return 0;
}

static int print_hashes(struct config *c, const struct project *p, struct err *e)
{
	AUTO_STRV(names);

	strv_split(&names, c->o->hash, ",");
	if (streq(c->o->hash, "*"))
		strv_clear(&names);
	for (size_t i = 0; i < names.n; i++) {
		const struct service *s = project_service(p, names.v[i]);

		if (!s || s->disabled)
			return err_set(e, ENOENT, "no such service: %s", names.v[i]);
		TRY(add_hash(c, p, s, e));
	}
	for (size_t i = 0; !names.n && i < p->services.n; i++)
		if (!p->services.v[i].disabled)
			TRY(add_hash(c, p, &p->services.v[i], e));
	return 0;
}

static void to_stdout(void *arg, const char *s, size_t n)
{
	(void)arg;
	fwrite(s, 1, n, stdout);
}

/* A file is replaced as a whole; standard output takes it as it comes. */
static int print_project(struct config *c, const struct project *p, struct err *e)
{
	const struct emit_sink sink = { to_stdout, NULL };

	(void)e;
	if (!c->o->quiet)
		emit_project_through(p, streq(c->o->format, "json") ? EMIT_JSON : EMIT_YAML, true, c->o->output ? NULL : &sink, &c->out);
	return 0;
}

/* Nothing but images, for `-f compose.yaml -f compose.lock.yaml`. */
static int print_lock(struct config *c, const struct project *p, struct err *e)
{
	struct emitter x;

	(void)e;
	emit_init(&x, p->arena, &c->out, streq(c->o->format, "json") ? EMIT_JSON : EMIT_YAML);
	x.escape = true;
	emit_map(&x);
	emit_key(&x, "services");
	emit_map(&x);
	for (size_t i = 0; i < p->services.n; i++) {
		if (p->services.v[i].disabled || !p->services.v[i].image)
			continue;
		emit_key(&x, p->services.v[i].name);
		emit_map(&x);
		emit_key(&x, "image");
		emit_str(&x, p->services.v[i].image);
		emit_end(&x);
	}
	emit_end(&x);
	emit_end(&x);
	str_addc(&c->out, '\n');
	return 0;
}

static part_fn *part_of(const struct config_opts *o)
{
	const struct {
		bool on;
		part_fn *fn;
	} parts[] = {
		{ o->services, print_services }, { o->volumes, print_volumes },   { o->networks, print_networks }, { o->models, print_models },
		{ o->images, print_images },     { o->profiles, print_profiles }, { o->hash != NULL, print_hashes },
		{ o->lock_digests, print_lock },
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (parts[i].on)
			return parts[i].fn;
	return print_project;
}

/* ---- the command ---- */

/* What is said once as a warning by `up` is an error here. */
static int check_strict(const struct project *p, struct err *e)
{
	struct faults faults = FAULTS_INIT;

	for (size_t i = 0; i < p->notes.n; i++)
		if (p->notes.v[i].kind != NOTE_WARNING && pos_err(e, p->notes.v[i].pos, "%s", p->notes.v[i].text) < 0 && !faults_keep(&faults, e))
			return faults_drop(&faults, e);
	return faults_raise(&faults, e);
}

static int load_and_print(struct config *c, struct err *e)
{
	struct project *p = NULL;
	struct node *tree = NULL;

	if (c->o->explain)
		return config_explain(&c->load, c->app->arena, &c->notes, c->o->explain, streq(c->o->format, "json"), &c->out, e);
	if (c->o->schema)
		return print_schema(c);
	if (c->o->support)
		return print_support(c, e);
	if (c->o->environment)
		return print_environment(c, e);
	if (c->o->variables)
		return print_variables(c, e);
	if (c->o->no_interpolate && part_of(c->o) == print_project) {
		TRY(compose_load_tree(&c->load, c->app->arena, &c->notes, &tree, e));
		if (!c->o->quiet)
			emit_tree(tree, streq(c->o->format, "json") ? EMIT_JSON : EMIT_YAML, &c->out);
		return 0;
	}
	c->load.no_interpolate = false;
	c->load.no_env_resolution |= part_of(c->o) != print_project && part_of(c->o) != print_hashes; /* names are not in env files */
	TRY(compose_load(&c->load, c->app->arena, &c->notes, &p, e));
	if (c->o->strict) {
		TRY(check_strict(p, e));
		pin_warn(p);
	}
	if (c->o->lock_digests || c->o->resolve_digests)
		TRY(pin_images(c->app, p, e));
	app_print_notes(c->app, &c->notes); /* before what it prints */
	c->notes.n = 0;
	return part_of(c->o)(c, p, e);
}

static int write_out(struct config *c, struct err *e)
{
	TRY(str_check(&c->out, "output", e));
	if (c->o->output)
		return file_replace(c->o->output, c->out.s, c->out.len, 0644, false, e);
	fwrite(c->out.s, 1, c->out.len, stdout);
	return 0;
}

static void config_init(void *opts)
{
	struct config_opts *o = opts;

	o->format = "yaml";
}

static int config_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct config_opts *o = opts;
	struct config c = { .app = app, .o = o, .out = STR_INIT(OUTPUT_MAX) };
	int r;

	app->arena = app->arena ? app->arena : arena_new();
	app_load_opts(app, args, &c.load);
	c.load.drive_letters = c.load.unselected_resources = true;
	c.load.no_consistency = o->no_consistency;
	c.load.no_env_resolution = o->no_env_resolution;
	c.load.no_interpolate = o->no_interpolate;
	c.load.no_normalize = o->no_normalize;
	c.load.no_path_resolution = o->no_path_resolution;
	r = load_and_print(&c, e);
	app_print_notes(app, &c.notes);
	if (r >= 0)
		r = write_out(&c, e);
	str_done(&c.out);
	app_load_opts_done(&c.load);
	return r < 0 ? r : 0;
}

const struct cmd cmd_config = {
	.name = "config", .run = config_run, .opts = config_rows, .opts_size = sizeof(struct config_opts), .usage = "[OPTIONS] [SERVICE...]",
	.summary = "Check the Compose file and print it in full", .max_args = -1, .aliases = "convert", .init = config_init,
};
