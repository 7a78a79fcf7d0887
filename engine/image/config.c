/* SPDX-License-Identifier: MIT
 *
 * What a container takes from an image's config (registry spec 6.4). null and absent are the same; what is unknown never fails.
 */
#include "engine/image/store.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/alloc.h"
#include "base/str.h"

enum { CONFIG_MAX = 8 << 20 };

void image_config_done(struct image_config *c)
{
	strv_done(&c->entrypoint);
	strv_done(&c->cmd);
	strv_done(&c->env);
	strv_done(&c->shell);
	strv_done(&c->volumes);
	strv_done(&c->exposed_ports);
	strv_done(&c->labels);
	free(c->user);
	free(c->cwd);
	free(c->stop_signal);
	json_free(c->healthcheck);
	*c = (struct image_config){ 0 };
}

/* {"80/tcp": {}, …} */
static void keys_add(const struct cJSON *object, struct strv *ret)
{
	for (const struct cJSON *c = json_first(object); c; c = json_next(c))
		if (json_key(c) && *json_key(c))
			strv_add(ret, json_key(c));
}

/* Only KEY=VALUE: an engine that took a bare KEY would hand the host's value to the image (CVE-2026-57231). */
static void env_add(const struct cJSON *config, struct strv *ret)
{
	for (const struct cJSON *c = json_first(json_get(config, "Env")); c; c = json_next(c)) {
		const char *text = json_value_str(c);

		if (text && strchr(text, '=') && *text != '=')
			strv_add(ret, text);
	}
}

static char *text_of(const struct cJSON *config, const char *key)
{
	const char *s = json_str(config, key);

	return s && *s ? xstrdup(s) : NULL;
}

int image_config_parse(const char *config_json, struct image_config *ret, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	const struct cJSON *config, *health;
	struct image_config c = { 0 };
	size_t n = strlen(config_json);

	if (n > CONFIG_MAX)
		return err_set(e, EFBIG, "image config: larger than %d MiB", CONFIG_MAX >> 20);
	TRY(json_parse(config_json, n, "image config", &j, e));
	config = json_get(j, "config");
	health = json_get(config, "Healthcheck");
	json_strv(config, "Entrypoint", &c.entrypoint);
	json_strv(config, "Cmd", &c.cmd);
	json_strv(config, "Shell", &c.shell);
	env_add(config, &c.env);
	keys_add(json_get(config, "Volumes"), &c.volumes);
	keys_add(json_get(config, "ExposedPorts"), &c.exposed_ports);
	json_map_strv(config, "Labels", &c.labels);
	c.user = text_of(config, "User");
	c.cwd = text_of(config, "WorkingDir");
	c.stop_signal = text_of(config, "StopSignal");
	if (json_is_object(health))
		c.healthcheck = json_copy(health);
	*ret = c;
	return 0;
}
