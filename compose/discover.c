/* SPDX-License-Identifier: MIT
 *
 * Which files, which variables, which name: compose.md §19 to §21. Env files are read twice, because the first may name the compose
 * files, and those decide where the project directory, and with it another .env, is.
 */
#include "compose/discover.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "compose/env.h"
#include "compose/load.h"
#include "compose/unit.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static const char *const base_names[] = { "compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml" };
static const char *const override_names[] = { "compose.override.yml", "compose.override.yaml",
					      "docker-compose.override.yml", "docker-compose.override.yaml" };

struct discovery {
	const struct load_opts *o;
	struct arena *arena;
	struct notes *notes;
	const char *cwd;
	const char *start;       /* where the search and the first .env are */
	const struct map *env;
	struct strv files;       /* absolute, or "-" */
};

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

static const char *abs_path(const struct discovery *d, const char *path)
{
	return unit_join(d->arena, d->cwd, path);
}

static const char *dir_of(const struct discovery *d, const char *path)
{
	auto_free char *dir = path_parent(path);

	return arena_strdup(d->arena, dir);
}

/* --project-directory, else the folder of the first of FILES that is one, else cwd. */
static const char *working_dir(const struct discovery *d, const struct strv *files)
{
	if (d->o->project_dir && *d->o->project_dir)
		return abs_path(d, d->o->project_dir);
	for (size_t i = 0; i < files->n; i++)
		if (!streq(files->v[i], "-"))
			return dir_of(d, abs_path(d, files->v[i]));
	return d->cwd;
}

/* ---- env files ---- */

static int default_env_wanted(const struct discovery *d, bool *ret, struct err *e)
{
	const char *v = map_get(d->env, "COMPOSE_DISABLE_ENV_FILE");
	bool off = false;

	if (v && num_bool(v, &off, e) < 0)
		return err_wrap(e, "COMPOSE_DISABLE_ENV_FILE");
	*ret = !off;
	return 0;
}

static void given_env_files(const struct discovery *d, struct strv *files)
{
	const char *list = map_get(d->env, "COMPOSE_ENV_FILES"), *home = map_get(d->env, "HOME");
	AUTO_STRV(names);

	if (d->o->env_files.n)
		strv_copy(&names, &d->o->env_files);
	else if (list && *list)
		strv_split(&names, list, ",");
	for (size_t i = 0; i < names.n; i++) {
		const char *s = names.v[i];

		if (s[0] == '~' && s[1] == '/' && home && !d->o->env_files.n)
			strv_add(files, unit_join(d->arena, home, s + 2));
		else
			strv_add(files, abs_path(d, s));
	}
}

static int add_env(struct discovery *d, const struct strv *files, enum trace_layer layer, struct err *e)
{
	struct env_trace trace = { d->o->trace, layer };

	return files->n ? env_with_files(d->arena, d->env, files, true, d->notes, &trace, &d->env, e) : 0;
}

static int add_default_env(struct discovery *d, const char *dir, struct err *e)
{
	AUTO_STRV(files);
	auto_free char *path = path_join(dir, ".env");

	if (is_file(path))
		strv_add(&files, path);
	return add_env(d, &files, LAYER_DOTENV, e);
}

/* ---- compose files ---- */

static int files_of_env(struct discovery *d, const char *list, struct err *e)
{
	const char *sep = map_get(d->env, "COMPOSE_PATH_SEPARATOR"), *at;

	if (!sep || !*sep)
		sep = ":";
	for (; list; list = at ? at + strlen(sep) : NULL) {
		auto_free char *name = NULL;

		at = strstr(list, sep);
		name = at ? xstrndup(list, (size_t)(at - list)) : xstrdup(list);
		if (!*name) {
			err_set(e, EINVAL, "COMPOSE_FILE has an empty file name");
			err_hint(e, "unset it to have compose.yaml searched for");
			return -EINVAL;
		}
		strv_add(&d->files, streq(name, "-") ? name : abs_path(d, name));
	}
	return 0;
}

/* The first of NAMES in DIR; says so when there are several. */
static const char *find_one(struct discovery *d, const char *dir, const char *const *names, size_t n, const char *what)
{
	const char *first = NULL;
	AUTO_STRV(found);
	AUTO_STR(text, 4096);

	for (size_t i = 0; i < n; i++) {
		const char *path = unit_join(d->arena, dir, names[i]);

		if (!is_file(path))
			continue;
		if (!first)
			first = path;
		strv_add(&found, path);
	}
	if (found.n > 1) {
		auto_free char *all = strv_join(&found, ", ");

		str_addf(&text, "Found multiple %s files with supported names: %s", what, all);
		env_warn(d->arena, d->notes, text.s);
		str_reset(&text);
		str_addf(&text, "Using %s", first);
		env_warn(d->arena, d->notes, text.s);
	}
	return first;
}

static void search(struct discovery *d)
{
	const char *dir = d->start, *base = NULL, *over;

	for (;;) {
		base = find_one(d, dir, base_names, ARRAY_LEN(base_names), "config");
		if (base || streq(dir, "/"))
			break;
		dir = dir_of(d, dir);
	}
	if (!base)
		return;
	strv_add(&d->files, base);
	over = find_one(d, dir, override_names, ARRAY_LEN(override_names), "override");
	if (over)
		strv_add(&d->files, over);
}

static int find_files(struct discovery *d, struct err *e)
{
	const char *list = map_get(d->env, "COMPOSE_FILE");

	for (size_t i = 0; i < d->o->files.n; i++)
		strv_add(&d->files, streq(d->o->files.v[i], "-") ? "-" : abs_path(d, d->o->files.v[i]));
	if (d->files.n)
		return 0;
	if (list)
		return files_of_env(d, list, e);
	search(d);
	return 0;
}

/* ---- the name ---- */

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || isdigit((unsigned char)c) || c == '_' || c == '-';
}

const char *project_name_normalize(struct arena *a, const char *s)
{
	char *out = arena_alloc(a, strlen(s) + 1);
	size_t n = 0;

	for (; *s; s++) {
		char c = *s >= 'A' && *s <= 'Z' ? (char)(*s | 0x20) : *s;

		if (name_char(c) && (n || (c != '_' && c != '-')))
			out[n++] = c;
	}
	return out;
}

int project_name_check(const char *name, struct err *e)
{
	bool good = *name && *name != '_' && *name != '-';

	for (const char *s = name; good && *s; s++)
		good = name_char(*s);
	if (!good)
		return err_set(e, EINVAL,
			       "invalid project name \"%s\": must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number",
			       name);
	return 0;
}

int discover_name(struct arena *a, const char *from_file, const char *dir, struct notes *notes, const char **ret,
		  struct err *e)
{
	auto_free char *target = realpath(dir, NULL);
	const char *name = project_name_normalize(a, from_file ? from_file : path_base(dir));
	AUTO_STR(text, 4096);

	if (!from_file && target && !streq(path_base(target), path_base(dir))) {
		str_addf(&text,
			 "project has been loaded without an explicit name from a symlink. Using name \"%s\"", name);
		env_warn(a, notes, text.s);
	}
	if (!*name) {
		err_set(e, EINVAL, "project name must not be empty");
		err_hint(e, "give one with -p, with COMPOSE_PROJECT_NAME, or with `name:` in the file");
		return -EINVAL;
	}
	*ret = name;
	return 0;
}

static int explicit_name(const struct discovery *d, const char **ret, struct err *e)
{
	const char *name = d->o->project_name;

	if (!name || !*name)
		name = map_get(d->env, "COMPOSE_PROJECT_NAME");
	if (!name || !*name)
		return 0;
	TRY(project_name_check(name, e));
	*ret = name;
	return 0;
}

/* ---- all together ---- */

static struct strs strs_of(struct arena *a, const struct strv *l)
{
	struct strs s = { arena_alloc(a, (l->n + 1) * sizeof *s.v), l->n };

	for (size_t i = 0; i < l->n; i++)
		s.v[i] = arena_strdup(a, l->v[i]);
	return s;
}

static int discover(struct discovery *d, bool files_optional, struct load_env *ret, struct err *e)
{
	AUTO_STRV(env_files);
	bool dotenv = false;

	given_env_files(d, &env_files);
	if (env_files.n == 0)
		TRY(default_env_wanted(d, &dotenv, e));
	d->start = working_dir(d, &d->o->files);
	TRY(dotenv ? add_default_env(d, d->start, e) : add_env(d, &env_files, LAYER_GIVEN, e));
	TRY(find_files(d, e));
	if (d->files.n == 0 && !files_optional) {
		err_set(e, ENOENT, "no configuration file provided: not found");
		err_hint(e, "go to the folder of a compose.yaml, or name one with -f");
		return err_exit(e, 14);
	}
	ret->dir = working_dir(d, &d->files);
	if (dotenv && !streq(ret->dir, d->start))
		TRY(add_default_env(d, ret->dir, e));
	ret->name = NULL;
	TRY(explicit_name(d, &ret->name, e));
	ret->cwd = d->cwd;
	ret->files = strs_of(d->arena, &d->files);
	ret->env_files = strs_of(d->arena, &env_files);
	ret->env = d->env;
	return 0;
}

/* $PWD when it is this folder (it keeps the links that the user went through), as Go's os.Getwd. */
static char *current_dir(const struct map *env)
{
	const char *pwd = map_get(env, "PWD");
	struct stat a, b;

	if (pwd && path_is_abs(pwd) && stat(pwd, &a) == 0 && stat(".", &b) == 0 && a.st_dev == b.st_dev &&
	    a.st_ino == b.st_ino)
		return path_clean(pwd);
	return path_cwd();
}

int compose_env(const struct load_opts *o, struct arena *a, bool files_optional, struct notes *notes,
		struct load_env *ret, struct err *e)
{
	struct discovery d = { .o = o, .arena = a, .notes = notes };
	auto_free char *cwd = NULL;
	int r;

	d.env = env_of(a, o->environ);
	cwd = o->cwd ? path_clean(o->cwd) : current_dir(d.env);
	if (!cwd)
		return err_sys(e, "current directory");
	d.cwd = arena_strdup(a, cwd);
	r = discover(&d, files_optional, ret, e);
	strv_done(&d.files);
	if (r < 0 && !e->exit)
		err_exit(e, 1);
	return r;
}
