/* SPDX-License-Identifier: MIT
 *
 * tests/unit/compose_world.h - a folder with compose files, loaded; outcomes compared with recorded ones
 */
#pragma once
#include "tests/unit/compose_cases.h"
#include "base/arena.h"
#include "base/path.h"
#include "base/strv.h"
#include "compose/emit.h"
#include "compose/load.h"
#include "compose/yaml.h"

/* ---- a folder of its own ---- */

struct world {
	char dir[64];
	struct strv env;
	struct load_opts o;
	struct arena *a;
	struct notes notes;
	struct err e;
};

static inline void world_init(struct world *w)
{
	*w = (struct world){ .dir = "/tmp/gantry-load.XXXXXX" };
	assert_non_null(mkdtemp(w->dir));
	w->a = arena_new();
	strv_add(&w->env, "HOME=/root");
	w->o.cwd = w->dir;
}

static inline void world_done(struct world *w)
{
	AUTO_ERR(e);

	assert_true(file_remove_tree_path(w->dir, &e) >= 0);
	arena_free(w->a);
	strv_done(&w->env);
	strv_done(&w->o.files);
	strv_done(&w->o.env_files);
	strv_done(&w->o.profiles);
	strv_done(&w->o.services);
	err_clear(&w->e);
}

static inline void put(const struct world *w, const char *name, const char *text)
{
	auto_free char *path = path_join(w->dir, name);
	auto_free char *dir = path_parent(path);
	AUTO_ERR(e);

	assert_true(file_mkdir_p(dir, 0755, &e) >= 0);
	assert_true(file_replace(path, text, strlen(text), 0644, false, &e) >= 0);
}

static inline void again(struct world *w)
{
	err_clear(&w->e);
	w->e = ERR_INIT;
	w->notes = (struct notes){ 0 };
	w->o.environ = strv_v(&w->env);
}

static inline struct project *load(struct world *w)
{
	struct project *p;

	again(w);
	return compose_load(&w->o, w->a, &w->notes, &p, &w->e) < 0 ? NULL : p;
}

/* compose_env() alone; the name of the first file, "" when there is none. */
static inline const char *found(struct world *w, struct load_env *ret)
{
	again(w);
	if (compose_env(&w->o, w->a, true, &w->notes, ret, &w->e) < 0)
		return NULL;
	return ret->files.n ? path_base(ret->files.v[0]) : "";
}

static inline bool noted(const struct world *w, const char *part)
{
	for (size_t i = 0; i < w->notes.n; i++)
		if (strstr(w->notes.v[i].text, part))
			return true;
	return false;
}

static inline struct node *tree_of(struct arena *a, const char *json)
{
	struct source *src = arena_alloc(a, sizeof *src);
	struct yaml_docs docs;
	AUTO_ERR(e);

	*src = (struct source){ .path = "json", .dir = "/", .text = arena_strdup(a, json), .len = strlen(json) };
	if (yaml_parse(a, src, &docs, &e) < 0)
		fail_msg("%s in\n%s", err_text(&e), json);
	return docs.v[0];
}

static inline char *replace_all(const char *s, const char *from, const char *to)
{
	AUTO_STR(out, 16 << 20);

	for (const char *at; (at = strstr(s, from)); s = at + strlen(from)) {
		str_addn(&out, s, (size_t)(at - s));
		str_add(&out, to);
	}
	str_add(&out, s);
	return str_take(&out);
}

/* 1 as wanted, 0 not, -1: nothing is recorded */
static inline int matches(struct world *w, const struct project *p, const struct cJSON *want)
{
	AUTO_STR(out, 16 << 20);
	auto_free char *text = NULL;
	auto_free char *here = NULL;

	if (!json_is_object(want))
		return -1;
	if (!json_get(want, "ok"))
		return p == NULL;
	if (!p)
		return 0;
	text = json_text(json_get(want, "ok"), false);
	here = replace_all(text, "@DIR@", w->dir);
	emit_project(p, EMIT_JSON, true, &out);
	return node_equal(tree_of(w->a, out.s), tree_of(w->a, here));
}

