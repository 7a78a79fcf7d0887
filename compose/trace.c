/* SPDX-License-Identifier: MIT */
#include "compose/trace.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

const char *trace_layer_name(int layer)
{
	static const char *const names[] = {
		[LAYER_DEFAULT] = "default", [LAYER_FILE] = "base file", [LAYER_OVERRIDE] = "override file", [LAYER_INCLUDE] = "include",
		[LAYER_EXTENDS] = "extends", [LAYER_ENV_FILE] = "env_file", [LAYER_SHELL] = "shell environment", [LAYER_DOTENV] = ".env",
		[LAYER_GIVEN] = "--env-file", [LAYER_PROJECT] = "project",
	};

	return layer >= 0 && (size_t)layer < ARRAY_LEN(names) ? names[layer] : "?";
}

void trace_over(struct trace *t, const struct node *was, const struct node *now)
{
	if (!t || !was || was == now || pos_equal(was->pos, now->pos))
		return;
	TRACE_ADD(t->arena, t->overs, (struct trace_over){ .was_at = was->pos, .now_at = now->pos, .was = node_copy(t->arena, was) });
}

void trace_drop(struct trace *t, const char *const *keys, size_t n, const struct node *was, const struct node *now)
{
	AUTO_STR(path, 4096);

	if (!t || now->tag != TAG_RESET)
		return;
	for (size_t i = 0; i < n; i++)
		str_addf(&path, "%s%s", i ? "." : "", keys[i]);
	TRACE_ADD(t->arena, t->drops, (struct trace_drop){ arena_strdup(t->arena, path.s), now->pos, was ? was->pos : (struct pos){ 0 } });
}

void trace_texts(struct trace *t, const struct node *tree, const struct map *env)
{
	if (!t)
		return;
	if (tree->kind == NODE_SCALAR && tree->type == SCALAR_STR && strchr(tree->text, '$'))
		TRACE_ADD(t->arena, t->texts, (struct trace_text){ .at = tree->pos, .text = tree->text, .env = env });
	for (size_t i = 0; i < tree->n; i++)
		trace_texts(t, tree->items[i], env);
}

void trace_source(struct trace *t, const struct source *src, enum trace_layer layer, const struct node *at)
{
	if (t)
		TRACE_ADD(t->arena, t->sources, (struct trace_source){ .src = src, .layer = layer, .at = at ? at->pos : (struct pos){ 0 } });
}

void trace_base(struct trace *t, const char *service, const char *base, const struct node *at, const struct node *body)
{
	if (t)
		TRACE_ADD(t->arena, t->bases, (struct trace_base){ service, base, at->pos, node_copy(t->arena, body) });
}

void trace_env(struct trace *t, const struct map *env, const struct map *base, enum trace_layer layer, const char *path,
	       const struct dotenv_vars *vars)
{
	if (t)
		TRACE_ADD(t->arena, t->envs, (struct trace_env){ env, base, path ? arena_strdup(t->arena, path) : NULL, layer,
						 vars ? *vars : (struct dotenv_vars){ NULL, 0 } });
}

const struct trace_source *trace_source_of(const struct trace *t, const struct source *src)
{
	for (size_t i = 0; i < t->sources.n; i++)
		if (t->sources.v[i].src == src)
			return &t->sources.v[i];
	return NULL;
}
