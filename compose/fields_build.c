/* SPDX-License-Identifier: MIT
 *
 * compose/fields_build.c - rows of `build`, `develop` and hooks (compose.md §3, §12, §17)
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "compose/ftypes.h"
#include <errno.h>

static int build_shorthand(struct fctx *c, struct node **n, struct err *e)
{
	struct node *m;

	if (!node_is_scalar(*n) || (*n)->type != SCALAR_STR)
		return field_type_err(c, *n, "string or mapping", e);
	m = field_map_at(c, *n);
	FIELD_SET(c, m, "context", field_str_at(c, *n, (*n)->text));
	node_get(m, "context")->tag = TAG_NONE;
	*n = m;
	return 0;
}

/* provenance, sbom: true is "true". */
static const struct field build_fields[] = {
	/*    key                    type         struct        member               detail              flags */
	FIELD("context",             ft_path,     struct build, context,             NULL,               F_PATH_CONTEXT),
	FIELD("dockerfile",          ft_string,   struct build, dockerfile,          NULL,               0),
	FIELD("dockerfile_inline",   ft_string,   struct build, dockerfile_inline,   NULL,               0),
	FIELD("entitlements",        ft_strings,  struct build, entitlements,        NULL,               0),
	FIELD("args",                ft_args,     struct build, args,                NULL,               0),
	FIELD_S("provenance",        ft_text,     struct build, provenance,          NULL,               F_NEWER, NONE, "attestations are not made"),
	FIELD_S("sbom",              ft_text,     struct build, sbom,                NULL,               F_NEWER, NONE, "attestations are not made"),
	FIELD("ssh",                 ft_ssh,      struct build, ssh,                 NULL,               F_PATH),
	FIELD("labels",              ft_kvs,      struct build, labels,              NULL,               0),
	FIELD_S("cache_from",        ft_strings,  struct build, cache_from,          NULL,               0, NONE, "the cache of builds is this host's own"),
	FIELD_S("cache_to",          ft_strings,  struct build, cache_to,            NULL,               0, NONE, "the cache of builds is this host's own"),
	FIELD("no_cache",            ft_bool,     struct build, no_cache,            NULL,               0),
	FIELD("no_cache_filter",     ft_strings,  struct build, no_cache_filter,     NULL,               F_SCALAR_LIST | F_NEWER),
	FIELD("additional_contexts", ft_contexts, struct build, additional_contexts, NULL,               F_PATH_CONTEXT),
	FIELD("pull",                ft_bool,     struct build, pull,                NULL,               0),
	FIELD("extra_hosts",         ft_extra_hosts, struct build, extra_hosts,      NULL,               0),
	FIELD_S("isolation",         ft_string,   struct build, isolation,           NULL,               0, NONE, "it only means something on Windows"),
	FIELD("network",             ft_string,   struct build, network,             NULL,               0),
	FIELD("target",              ft_string,   struct build, target,              NULL,               0),
	FIELD("secrets",             ft_list,     struct build, secrets,             &build_secret_item, 0),
	FIELD("shm_size",            ft_bytes,    struct build, shm_size,            NULL,               0),
	FIELD("tags",                ft_strings,  struct build, tags,                NULL,               F_UNIQUE),
	FIELD("ulimits",             ft_ulimit,   struct build, ulimits,             &ulimit_item,       0),
	FIELD("platforms",           ft_strings,  struct build, platforms,           NULL,               0),
	FIELD("privileged",          ft_bool,     struct build, privileged,          NULL,               0),
	FIELD_EXT(struct build),
	FIELD_END,
};
const struct object_type build_object = {
	OBJECT("build", struct build, build_fields), .node = offsetof(struct build, node), .name = NO_MEMBER, .null = NO_MEMBER,
	.shorthand = build_shorthand,
};

/* ---- hooks ---- */

#define HOOK_FIELDS(command_flags)                                                                 \
	FIELD("command",     ft_command, struct hook, command,     NULL, F_HASH | F_JSON_NULL | (command_flags)), \
	FIELD("user",        ft_string,  struct hook, user,        NULL, F_HASH),                   \
	FIELD("privileged",  ft_bool,    struct hook, privileged,  NULL, F_HASH),                   \
	FIELD("working_dir", ft_string,  struct hook, working_dir, NULL, F_HASH),                   \
	FIELD("environment", ft_env,     struct hook, environment, NULL, F_HASH)

static const struct field hook_fields[] = {
	HOOK_FIELDS(F_REQUIRED),
	FIELD_EXT(struct hook),
	FIELD_END,
};
/* develop.watch[].exec: printed as {"command": null} when it is not given, so that is read too. */
static const struct field exec_fields[] = {
	HOOK_FIELDS(F_NULL),
	FIELD_EXT(struct hook),
	FIELD_END,
};
static const struct object_type exec_object = {
	OBJECT("hook", struct hook, exec_fields), .node = offsetof(struct hook, node), .name = NO_MEMBER, .null = NO_MEMBER,
};
const struct object_type hook_item = {
	OBJECT("hook", struct hook, hook_fields), .node = offsetof(struct hook, node), .name = NO_MEMBER, .null = NO_MEMBER,
};

static const struct field pre_start_fields[] = {
	HOOK_FIELDS(0),
	FIELD("image",         ft_string, struct hook, image,       NULL, F_HASH),
	FIELD_S("per_replica", ft_bool,   struct hook, per_replica, NULL, F_HASH, REFUSED, "pre_start hooks run once a service"),
	FIELD_EXT(struct hook),
	FIELD_END,
};
const struct object_type pre_start_item = {
	OBJECT("hook", struct hook, pre_start_fields), .node = offsetof(struct hook, node), .name = NO_MEMBER, .null = NO_MEMBER,
};

/* ---- develop ---- */

static const char *const watch_actions[] = { "rebuild", "sync", "restart", "sync+restart", "sync+exec", NULL };

static const struct field watch_fields[] = {
	FIELD("path",         ft_path,    struct watch_rule, path,         NULL,          F_HASH | F_PATH | F_PATH_LINKS | F_KEEP),
	FIELD("action",       ft_word,    struct watch_rule, action,       watch_actions, F_HASH | F_KEEP | F_REQUIRED),
	FIELD("target",       ft_string,  struct watch_rule, target,       NULL,          F_HASH),
	FIELD("exec",         ft_object,  struct watch_rule, exec,         &exec_object,  F_HASH | F_JSON_EMPTY),
	FIELD("include",      ft_strings, struct watch_rule, include,      NULL,          F_HASH | F_SCALAR_LIST),
	FIELD("ignore",       ft_strings, struct watch_rule, ignore,       NULL,          F_HASH | F_SCALAR_LIST),
	FIELD("initial_sync", ft_bool,    struct watch_rule, initial_sync, NULL,          F_HASH | F_STRICT_BOOL | F_NEWER),
	FIELD_EXT(struct watch_rule),
	FIELD_END,
};

static int watch_finish(struct fctx *c, const struct node *n, void *obj, struct err *e)
{
	const struct watch_rule *w = obj;

	if (!w->path || !*w->path)
		return field_err(c, node_get(n, "path") ? node_get(n, "path") : n, e, "path: value can't be blank");
	return 0;
}

static const struct object_type watch_item = {
	OBJECT("watch rule", struct watch_rule, watch_fields), .node = offsetof(struct watch_rule, node), .name = NO_MEMBER, .null = NO_MEMBER,
	.finish = watch_finish,
};
static const struct field develop_fields[] = {
	FIELD("watch", ft_list, struct develop, watch, &watch_item, F_HASH),
	FIELD_EXT(struct develop),
	FIELD_END,
};
const struct object_type develop_object = {
	OBJECT("develop", struct develop, develop_fields), .node = offsetof(struct develop, node), .name = NO_MEMBER, .null = NO_MEMBER,
};
