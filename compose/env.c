/* SPDX-License-Identifier: MIT */
#include "compose/env.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "compose/dotenv.h"
#include "compose/project.h"
#include <errno.h>
#include <sys/stat.h>

/* The map lives as long as its load and nobody frees it, so all of it goes into the arena. M is used up. */
static const struct map *in_arena(struct arena *a, struct map *m)
{
	struct map *f = arena_alloc(a, sizeof *f);

	*f = *m;
	f->cap = m->n;
	f->v = arena_alloc(a, (m->n + 1) * sizeof *f->v);
	for (size_t i = 0; i < m->n; i++)
		f->v[i] = (struct map_entry){ arena_strdup(a, m->v[i].key), m->v[i].value };
	if (m->index) {
		f->index = arena_alloc(a, m->index_size * sizeof *f->index);
		memcpy(f->index, m->index, m->index_size * sizeof *f->index);
	}
	map_done(m);
	return f;
}

static struct map copy_of(const struct map *base)
{
	struct map m = MAP_INIT(NULL);

	for (size_t i = 0; i < base->n; i++)
		map_set(&m, base->v[i].key, base->v[i].value);
	return m;
}

const struct map *env_of(struct arena *a, char *const *vars)
{
	struct map m = MAP_INIT(NULL);

	for (; vars && *vars; vars++) {
		const char *eq = strchr(*vars, '=');

		if (eq && eq > *vars)
			map_set(&m, arena_strndup(a, *vars, (size_t)(eq - *vars)), arena_strdup(a, eq + 1));
	}
	return in_arena(a, &m);
}

const struct map *env_with(struct arena *a, const struct map *base, const char *key, const char *value)
{
	struct map m = copy_of(base);

	map_set(&m, key, arena_strdup(a, value));
	return in_arena(a, &m);
}

void env_warn(struct arena *a, struct notes *notes, const char *text)
{
	if (!notes)
		return;
	if (notes->n == notes->cap)
		arena_grow(a, &notes->v, notes->n, &notes->cap, sizeof *notes->v);
	notes->v[notes->n++] = (struct note){ .kind = NOTE_WARNING, .text = arena_strdup(a, text) };
}

/* ---- env files ---- */

struct files {
	struct arena *arena;
	struct notes *notes;
	const struct map *base;
	struct map added;
	bool given;
	const struct env_trace *trace;
	const struct map *out; /* what will be returned */
};

static const char *lookup(void *arg, const char *name)
{
	const struct files *f = arg;
	const char *v = map_get(f->base, name);

	return v ? v : map_get(&f->added, name);
}

static void warn(void *arg, const char *text)
{
	struct files *f = arg;

	env_warn(f->arena, f->notes, text);
}

static int add_file(struct files *f, const char *path, struct err *e)
{
	struct dotenv_env env = { lookup, warn, f, f->given };
	struct dotenv_vars vars = { 0 };
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? err_set(e, ENOENT, "couldn't find env file: %s", path) :
					 err_sys(e, "stat %s", path);
	if (S_ISDIR(st.st_mode))
		return err_set(e, EISDIR, "%s is a directory", path);
	TRY(dotenv_read(f->arena, path, DOTENV, &env, &vars, e));
	trace_env(f->trace->trace, f->out, f->base, f->trace->layer, path, &vars);
	for (size_t i = 0; i < vars.n; i++)
		map_set(&f->added, vars.v[i].name, (char *)(uintptr_t)vars.v[i].value);
	return 0;
}

int env_with_files(struct arena *a, const struct map *base, const struct strv *files, bool given, struct notes *notes,
		   const struct env_trace *trace, const struct map **ret, struct err *e)
{
	struct map *out = arena_alloc(a, sizeof *out);
	struct files f = { a, notes, base, MAP_INIT(NULL), given, trace, out };
	struct map all;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < files->n; i++)
		r = add_file(&f, files->v[i], e);
	if (r >= 0) {
		all = copy_of(base);
		for (size_t i = 0; i < f.added.n; i++)
			if (!map_has(base, f.added.v[i].key))
				map_set(&all, f.added.v[i].key, f.added.v[i].value);
		*out = *in_arena(a, &all);
		*ret = out;
	}
	map_done(&f.added);
	return r;
}
