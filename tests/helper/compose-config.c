/* SPDX-License-Identifier: MIT
 *
 * tests/helper/compose-config.c - loads a project and prints it, without the rest of gantry:
 *
 *   compose-config [-f FILE] [-p NAME] [--profile P] [--env-file F] [--project-directory D] config [--format json|yaml] [-q]
 *                  [--no-interpolate] [--no-normalize] [--no-path-resolution] [--no-consistency]
 *                  [--services|--volumes|--images|--profiles|--variables] [SERVICE...]
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "base/strv.h"
#include "compose/emit.h"
#include "compose/load.h"
#include "compose/project.h"
#include <errno.h>
#include <stdio.h>

extern char **environ;

struct args {
	struct load_opts load;
	const char *format, *list;
	bool quiet;
};

enum arg_kind { ARG_LIST, ARG_STR, ARG_BOOL, ARG_WHAT };
static const struct arg {
	const char *name;
	enum arg_kind kind;
	size_t offset;
} args[] = {
	{ "-f", ARG_LIST, offsetof(struct args, load.files) },
	{ "--file", ARG_LIST, offsetof(struct args, load.files) },
	{ "-p", ARG_STR, offsetof(struct args, load.project_name) },
	{ "--project-name", ARG_STR, offsetof(struct args, load.project_name) },
	{ "--profile", ARG_LIST, offsetof(struct args, load.profiles) },
	{ "--env-file", ARG_LIST, offsetof(struct args, load.env_files) },
	{ "--project-directory", ARG_STR, offsetof(struct args, load.project_dir) },
	{ "--format", ARG_STR, offsetof(struct args, format) },
	{ "-q", ARG_BOOL, offsetof(struct args, quiet) },
	{ "--no-interpolate", ARG_BOOL, offsetof(struct args, load.no_interpolate) },
	{ "--no-normalize", ARG_BOOL, offsetof(struct args, load.no_normalize) },
	{ "--no-path-resolution", ARG_BOOL, offsetof(struct args, load.no_path_resolution) },
	{ "--no-consistency", ARG_BOOL, offsetof(struct args, load.no_consistency) },
	{ "--services", ARG_WHAT, offsetof(struct args, list) },
	{ "--volumes", ARG_WHAT, offsetof(struct args, list) },
	{ "--images", ARG_WHAT, offsetof(struct args, list) },
	{ "--profiles", ARG_WHAT, offsetof(struct args, list) },
	{ "--variables", ARG_WHAT, offsetof(struct args, list) },
};

static const struct arg *find_arg(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		if (streq(args[i].name, name))
			return &args[i];
	return NULL;
}

static int read_args(struct args *a, char **argv, struct err *e)
{
	bool command = false;

	for (char **s = argv + 1; *s; s++) {
		const struct arg *x = find_arg(*s);
		char *member = x ? (char *)a + x->offset : NULL;

		if (x && x->kind <= ARG_STR && !s[1])
			return err_set(e, EINVAL, "%s needs a value", *s);
		if (x && x->kind == ARG_LIST)
			strv_add((struct strv *)member, *++s);
		else if (x && x->kind == ARG_STR)
			*(const char **)member = *++s;
		else if (x && x->kind == ARG_BOOL)
			*(bool *)member = true;
		else if (x)
			*(const char **)member = *s + 2;
		else if (**s == '-')
			return err_set(e, EINVAL, "unknown flag: %s", *s);
		else if (command)
			strv_add(&a->load.services, *s);
		else if (streq(*s, "config") || streq(*s, "convert"))
			command = true;
		else
			return err_set(e, EINVAL, "unknown command: %s", *s);
	}
	return 0;
}

static void print_notes(const struct notes *notes)
{
	for (size_t i = 0; i < notes->n; i++) {
		const struct note *n = &notes->v[i];

		if (n->pos.src)
			fprintf(stderr, "%s:%d:%d: warning: %s\n", n->pos.src->path, n->pos.line, n->pos.col, n->text);
		else
			fprintf(stderr, "warning: %s\n", n->text);
	}
}

static void list_profiles(const struct project *p, struct str *out)
{
	AUTO_STRV(names);

	for (size_t i = 0; i < p->services.n; i++)
		for (size_t k = 0; k < p->services.v[i].profiles.n; k++)
			strv_add_unique(&names, p->services.v[i].profiles.v[k]);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		str_addf(out, "%s\n", names.v[i]);
}

static void list(const struct project *p, const char *what, struct str *out)
{
	if (streq(what, "profiles"))
		list_profiles(p, out);
	for (size_t i = 0; i < p->services.n; i++) {
		if (p->services.v[i].disabled)
			continue;
		if (streq(what, "services"))
			str_addf(out, "%s\n", p->services.v[i].name);
		else if (streq(what, "images"))
			str_addf(out, "%s\n", service_image(&p->services.v[i]));
	}
	for (size_t i = 0; streq(what, "volumes") && i < p->volumes.n; i++)
		if (p->volumes.v[i].used)
			str_addf(out, "%s\n", p->volumes.v[i].key);
}

static int variables(const struct args *x, struct arena *a, struct notes *notes, struct str *out, struct err *e)
{
	struct load_variables vars;

	TRY(compose_variables(&x->load, a, notes, &vars, e));
	str_addf(out, "%-20s%-20s%-20s%s\n", "NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE");
	for (size_t i = 0; i < vars.list.n; i++) {
		const struct load_variable *v = &vars.list.v[i];

		str_addf(out, "%-20s%-20s%-20s%s\n", v->name, v->required ? "true" : "false", str0(v->dflt),
			 str0(v->alternate));
	}
	return 0;
}

static int run(struct args *x, struct arena *a, struct notes *notes, struct str *out, struct err *e)
{
	enum emit_format format = x->format && streq(x->format, "json") ? EMIT_JSON : EMIT_YAML;
	struct project *p;
	struct node *tree;

	if (x->format && !streq(x->format, "json") && !streq(x->format, "yaml"))
		return err_set(e, EINVAL, "unsupported format \"%s\"", x->format);
	if (x->list && streq(x->list, "variables"))
		return variables(x, a, notes, out, e);
	if (x->load.no_interpolate && !x->list) {
		TRY(compose_load_tree(&x->load, a, notes, &tree, e));
		emit_tree(tree, format, out);
		return 0;
	}
	x->load.unselected_resources = true;
	TRY(compose_load(&x->load, a, notes, &p, e));
	if (x->list)
		list(p, x->list, out);
	else if (!x->quiet)
		emit_project(p, format, true, out);
	return 0;
}

int main(int argc, char **argv)
{
	AUTO(arena_free) struct arena *a = arena_new();
	struct args x = { .load.environ = environ };
	struct notes notes = { 0 };
	AUTO_STR(out, 256 << 20);
	AUTO_ERR(e);
	int r = read_args(&x, argv, &e);

	(void)argc;
	if (r >= 0)
		r = run(&x, a, &notes, &out, &e);
	print_notes(&notes);
	if (r < 0)
		log_err(&e);
	else
		fputs(out.s, stdout);
	strv_done(&x.load.files);
	strv_done(&x.load.env_files);
	strv_done(&x.load.profiles);
	strv_done(&x.load.services);
	return r < 0 ? (e.exit ? e.exit : 1) : 0;
}
