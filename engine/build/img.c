/* SPDX-License-Identifier: MIT */
#include "engine/build/stage.h"

#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void img_done(struct img *i)
{
	struct strv *const lists[] = { &i->env, &i->entrypoint, &i->cmd, &i->shell, &i->onbuild, &i->volumes, &i->exposed, &i->labels };

	for (size_t k = 0; k < ARRAY_LEN(lists); k++)
		strv_done(lists[k]);
	free(i->user);
	free(i->cwd);
	free(i->stop_signal);
	free(i->author);
	free(i->os);
	free(i->arch);
	free(i->variant);
	json_free(i->health);
	json_free(i->history);
	*i = (struct img){ 0 };
}

static void keys_of(const struct cJSON *o, struct strv *ret)
{
	for (const struct cJSON *c = json_first(o); c; c = json_next(c))
		if (json_key(c))
			strv_add_unique(ret, json_key(c));
}

int img_parse(const char *text, struct img *ret, struct err *e)
{
	AUTO(json_free) struct cJSON *doc = NULL;
	const struct cJSON *c, *health, *history;
	struct img i = { 0 };

	TRY(json_parse(text, strlen(text), "image config", &doc, e));
	c = json_get(doc, "config");
	json_strv(c, "Env", &i.env);
	json_strv(c, "Entrypoint", &i.entrypoint);
	json_strv(c, "Cmd", &i.cmd);
	json_strv(c, "Shell", &i.shell);
	json_strv(c, "OnBuild", &i.onbuild);
	json_map_strv(c, "Labels", &i.labels);
	keys_of(json_get(c, "Volumes"), &i.volumes);
	keys_of(json_get(c, "ExposedPorts"), &i.exposed);
	i.user = xstrdup0(json_str(c, "User"));
	if (json_str(c, "WorkingDir") && *json_str(c, "WorkingDir"))
		i.cwd = path_clean(json_str(c, "WorkingDir"));
	i.stop_signal = xstrdup0(json_str(c, "StopSignal"));
	i.author = xstrdup0(json_str(doc, "author"));
	i.os = xstrdup0(json_str(doc, "os"));
	i.arch = xstrdup0(json_str(doc, "architecture"));
	i.variant = xstrdup0(json_str(doc, "variant"));
	i.args_escaped = json_bool(c, "ArgsEscaped", false);
	health = json_get(c, "Healthcheck");
	history = json_get(doc, "history");
	i.health = json_is_object(health) ? json_copy(health) : NULL;
	i.history = json_is_array(history) ? json_copy(history) : json_array();
	if (!strv_env_get(&i.env, "PATH"))
		strv_add(&i.env, "PATH=" DEFAULT_PATH);
	*ret = i;
	return 0;
}

void img_copy(struct img *to, const struct img *from)
{
	*to = (struct img){ .user = xstrdup0(from->user), .cwd = xstrdup0(from->cwd), .stop_signal = xstrdup0(from->stop_signal),
			    .author = xstrdup0(from->author), .os = xstrdup0(from->os), .arch = xstrdup0(from->arch),
			    .variant = xstrdup0(from->variant), .health = from->health ? json_copy(from->health) : NULL,
			    .args_escaped = from->args_escaped, .history = json_copy(from->history) };
	strv_copy(&to->env, &from->env);
	strv_copy(&to->entrypoint, &from->entrypoint);
	strv_copy(&to->cmd, &from->cmd);
	strv_copy(&to->shell, &from->shell);
	strv_copy(&to->onbuild, &from->onbuild);
	strv_copy(&to->volumes, &from->volumes);
	strv_copy(&to->exposed, &from->exposed);
	strv_copy(&to->labels, &from->labels);
}

static void add_list(struct cJSON *o, const char *key, const struct strv *l)
{
	if (l->n)
		json_add_strv(o, key, l);
}

/* As Go writes a map: keys sorted. */
static void add_set(struct cJSON *o, const char *key, const struct strv *l)
{
	AUTO_STRV(sorted);
	struct cJSON *set;

	if (!l->n)
		return;
	strv_copy(&sorted, l);
	strv_sort(&sorted);
	set = json_add_object(o, key);
	for (size_t i = 0; i < sorted.n; i++)
		json_add_object(set, sorted.v[i]);
}

static void add_text(struct cJSON *o, const char *key, const char *s)
{
	if (s && *s)
		json_add_str(o, key, s);
}

static void add_config(struct cJSON *c, const struct img *i)
{
	AUTO_STRV(labels);

	add_text(c, "User", i->user);
	add_set(c, "ExposedPorts", &i->exposed);
	add_list(c, "Env", &i->env);
	add_list(c, "Entrypoint", &i->entrypoint);
	add_list(c, "Cmd", &i->cmd);
	add_set(c, "Volumes", &i->volumes);
	add_text(c, "WorkingDir", i->cwd);
	strv_copy(&labels, &i->labels);
	strv_sort(&labels);
	if (labels.n)
		json_add_map(c, "Labels", &labels);
	add_text(c, "StopSignal", i->stop_signal);
	if (i->args_escaped)
		json_add_bool(c, "ArgsEscaped", true);
	if (i->health)
		json_add(c, "Healthcheck", json_copy(i->health));
	add_list(c, "OnBuild", &i->onbuild);
	add_list(c, "Shell", &i->shell);
}

struct cJSON *img_document(const struct img *i)
{
	struct cJSON *doc = json_object();

	json_add_str(doc, "architecture", i->arch);
	add_text(doc, "author", i->author);
	add_config(json_add_object(doc, "config"), i);
	json_add(doc, "history", json_copy(i->history));
	json_add_str(doc, "os", i->os);
	add_text(doc, "variant", i->variant);
	return doc;
}
