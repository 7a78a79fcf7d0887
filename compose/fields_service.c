/* SPDX-License-Identifier: MIT
 *
 * compose/fields_service.c - rows of a service (compose.md §2, §4, §5, §9, §10), in the order in which `config` prints them
 *
 * F_HASH: part of what makes a container what it is; the rows without it (build, depends_on, scale, …) recreate nobody.
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "compose/ftypes.h"
#include <errno.h>

#define WINDOWS "it only means something on Windows"
#define PLAIN(what_, type_, fields_)                                                               \
	{                                                                                          \
		OBJECT(what_, type_, fields_), .node = NO_MEMBER, .name = NO_MEMBER, .null = NO_MEMBER \
	}
#define WITH_NODE(what_, type_, fields_)                                                           \
	OBJECT(what_, type_, fields_), .node = offsetof(type_, node), .name = NO_MEMBER, .null = NO_MEMBER
#define NAMED(what_, type_, fields_)                                                               \
	OBJECT(what_, type_, fields_), .node = offsetof(type_, node), .name = offsetof(type_, name)

/* ---- blkio_config ---- */

static const struct field blkio_weight_fields[] = {
	FIELD("path",   ft_string, struct blkio_weight, path,   NULL, F_HASH | F_CAPITAL),
	FIELD("weight", ft_int,    struct blkio_weight, weight, NULL, F_HASH | F_CAPITAL),
	FIELD_EXT(struct blkio_weight),
	FIELD_END,
};
static const struct field blkio_rate_fields[] = {
	FIELD("path", ft_string, struct blkio_rate, path, NULL, F_HASH | F_CAPITAL),
	FIELD("rate", ft_bytes,  struct blkio_rate, rate, NULL, F_HASH | F_CAPITAL | F_KEEP),
	FIELD_EXT(struct blkio_rate),
	FIELD_END,
};
static const struct object_type blkio_weight_item = PLAIN("weight", struct blkio_weight, blkio_weight_fields);
static const struct object_type blkio_rate_item = PLAIN("rate", struct blkio_rate, blkio_rate_fields);
static const struct field blkio_fields[] = {
	FIELD("weight",            ft_int,  struct blkio, weight,            NULL,               F_HASH),
	FIELD("weight_device",     ft_list, struct blkio, weight_device,     &blkio_weight_item, F_HASH),
	FIELD("device_read_bps",   ft_list, struct blkio, device_read_bps,   &blkio_rate_item,   F_HASH),
	FIELD("device_read_iops",  ft_list, struct blkio, device_read_iops,  &blkio_rate_item,   F_HASH),
	FIELD("device_write_bps",  ft_list, struct blkio, device_write_bps,  &blkio_rate_item,   F_HASH),
	FIELD("device_write_iops", ft_list, struct blkio, device_write_iops, &blkio_rate_item,   F_HASH),
	FIELD_EXT(struct blkio),
	FIELD_END,
};
static const struct object_type blkio_object = { WITH_NODE("blkio_config", struct blkio, blkio_fields) };

/* ---- depends_on ---- */

static const char *const conditions[] = {
	[DEP_STARTED] = "service_started", [DEP_HEALTHY] = "service_healthy", [DEP_COMPLETED] = "service_completed_successfully", NULL,
};

static int dependency_shorthand(struct fctx *c, struct node **n, struct err *e)
{
	struct node *m = node_map(c->arena, (*n)->pos);

	(void)e;
	FIELD_SET(c, m, "condition", node_str(c->arena, (*n)->pos, conditions[DEP_STARTED]));
	FIELD_SET(c, m, "required", node_scalar(c->arena, (*n)->pos, SCALAR_BOOL, "true"));
	*n = m;
	return 0;
}

static int dependency_finish(struct fctx *c, const struct node *n, void *obj, struct err *e)
{
	struct dependency *d = obj;

	(void)c, (void)e;
	for (size_t i = 0; conditions[i]; i++)
		if (streq(d->condition_text, conditions[i]))
			d->condition = (enum dep_condition)i;
	if (!node_get(n, "required"))
		d->required = true;
	return 0;
}

static const struct field dependency_fields[] = {
	FIELD("condition", ft_word, struct dependency, condition_text, conditions, F_REQUIRED),
	FIELD("restart",   ft_bool, struct dependency, restart,        NULL,       0),
	FIELD("required",  ft_bool, struct dependency, required,       NULL,       F_KEEP),
	FIELD_EXT(struct dependency),
	FIELD_END,
};
static const struct object_type dependency_item = {
	NAMED("service", struct dependency, dependency_fields), .null = NO_MEMBER, .shorthand = dependency_shorthand,
	.finish = dependency_finish,
};

/* ---- healthcheck ---- */

static const struct field healthcheck_fields[] = {
	FIELD("test",           ft_test,     struct healthcheck, test,           NULL,            F_HASH),
	FIELD("timeout",        ft_duration, struct healthcheck, timeout,        NULL,            F_HASH),
	FIELD("interval",       ft_duration, struct healthcheck, interval,       NULL,            F_HASH),
	FIELD("retries",        ft_optint,   struct healthcheck, retries,        &range_unsigned, F_HASH | F_FRACTION),
	FIELD("start_period",   ft_duration, struct healthcheck, start_period,   NULL,            F_HASH),
	FIELD("start_interval", ft_duration, struct healthcheck, start_interval, NULL,            F_HASH),
	FIELD("disable",        ft_bool,     struct healthcheck, disable,        NULL,            F_HASH),
	FIELD_EXT(struct healthcheck),
	FIELD_END,
};
static const struct object_type healthcheck_object = { WITH_NODE("healthcheck", struct healthcheck, healthcheck_fields) };

/* ---- networks ---- */

static const struct field service_network_fields[] = {
	FIELD("priority",       ft_int,     struct service_network, priority,       NULL, F_HASH | F_NUMBER_ONLY | F_FRACTION),
	FIELD("gw_priority",    ft_int,     struct service_network, gw_priority,    NULL, F_HASH | F_NUMBER_ONLY | F_FRACTION | F_NEWER),
	FIELD("aliases",        ft_strings, struct service_network, aliases,        NULL, F_HASH | F_UNIQUE),
	FIELD("interface_name", ft_string,  struct service_network, interface_name, NULL, F_HASH | F_NEWER),
	FIELD("ipv4_address",   ft_string,  struct service_network, ipv4_address,   NULL, F_HASH),
	FIELD("ipv6_address",   ft_string,  struct service_network, ipv6_address,   NULL, F_HASH),
	FIELD("link_local_ips", ft_strings, struct service_network, link_local_ips, NULL, F_HASH | F_UNIQUE),
	FIELD("mac_address",    ft_string,  struct service_network, mac_address,    NULL, F_HASH),
	FIELD("driver_opts",    ft_options, struct service_network, driver_opts,    NULL, F_HASH),
	FIELD_EXT(struct service_network),
	FIELD_END,
};
static const struct object_type service_network_item = {
	NAMED("network", struct service_network, service_network_fields), .null = offsetof(struct service_network, null),
};

/* ---- models, provider, logging, credential_spec ---- */

static const struct field service_model_fields[] = {
	FIELD("endpoint_var", ft_string, struct service_model, endpoint_var, NULL, F_HASH),
	FIELD("model_var",    ft_string, struct service_model, model_var,    NULL, F_HASH),
	FIELD_EXT(struct service_model),
	FIELD_END,
};
static const struct object_type service_model_item = {
	NAMED("model", struct service_model, service_model_fields), .null = offsetof(struct service_model, null),
};

static const struct field provider_fields[] = {
	FIELD("type",    ft_string,       struct provider, type,    NULL, F_REQUIRED),
	FIELD("options", ft_option_lists, struct provider, options, NULL, 0),
	FIELD_EXT(struct provider),
	FIELD_END,
};
static const struct object_type provider_object = { WITH_NODE("provider", struct provider, provider_fields) };

static const struct field logging_fields[] = {
	FIELD("driver",  ft_string,  struct logging, driver,  NULL, F_HASH),
	FIELD("options", ft_options, struct logging, options, "string number null", F_HASH),
	FIELD_EXT(struct logging),
	FIELD_END,
};
static const struct object_type logging_object = { WITH_NODE("logging", struct logging, logging_fields) };

static const struct field credential_fields[] = {
	FIELD("config",   ft_string, struct credential_spec, config,   NULL, F_HASH),
	FIELD("file",     ft_string, struct credential_spec, file,     NULL, F_HASH),
	FIELD("registry", ft_string, struct credential_spec, registry, NULL, F_HASH),
	FIELD_EXT(struct credential_spec),
	FIELD_END,
};
static const struct object_type credential_object = PLAIN("credential_spec", struct credential_spec, credential_fields);

/* ---- words ---- */

static const char *const cgroup_words[] = { "host", "private", NULL };

/* never, always, missing, if_not_present, build, refresh, daily, weekly, every_12h: compose.md §34 */
static bool is_pull_policy(const char *s)
{
	static const char *const words[] = { "always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly", NULL };
	const char *rest = str_after(s, "every_");
	size_t digits;

	if (!rest)
		return str_in(s, words);
	do {
		digits = strspn(rest, "0123456789");
		if (!digits || !rest[digits] || !strchr("wdhms", rest[digits]))
			return false;
		rest += digits + 1;
	} while (*rest);
	return true;
}
static const struct pattern pull_policy = { is_pull_policy, "a pull policy: always, missing, never, build, daily, weekly, every_12h",
					    "^(always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+)$" };

/* ---- the service ---- */

const struct field service_fields[] = {
	/*    key                    type           struct          member               detail                 flags */
	FIELD("profiles",            ft_strings,    struct service, profiles,            NULL,                  F_UNIQUE),
	FIELD("annotations",         ft_kvs,        struct service, annotations,         NULL,                  F_HASH),
	FIELD("attach",              ft_tri,        struct service, attach,              NULL,                  F_HASH),
	FIELD("build",               ft_object,     struct service, build,               &build_object,         0),
	FIELD_S("develop",           ft_object,     struct service, develop,             &develop_object,       F_HASH | F_NULL, NONE, "there is no watch yet"),
	FIELD("blkio_config",        ft_object,     struct service, blkio,               &blkio_object,         F_HASH),
	FIELD("cap_add",             ft_strings,    struct service, cap_add,             NULL,                  F_HASH | F_UNIQUE_KEY),
	FIELD("cap_drop",            ft_strings,    struct service, cap_drop,            NULL,                  F_HASH | F_UNIQUE_KEY),
	FIELD("cgroup_parent",       ft_string,     struct service, cgroup_parent,       NULL,                  F_HASH),
	FIELD("cgroup",              ft_word,       struct service, cgroup,              cgroup_words,          F_HASH),
	FIELD_S("cpu_count",         ft_int,        struct service, cpu_count,           &range_unsigned,       F_HASH, NONE, WINDOWS),
	FIELD_S("cpu_percent",       ft_float,      struct service, cpu_percent,         &range_percent,        F_HASH, NONE, WINDOWS),
	FIELD("cpu_period",          ft_int,        struct service, cpu_period,          NULL,                  F_HASH | F_FRACTION),
	FIELD("cpu_quota",           ft_int,        struct service, cpu_quota,           NULL,                  F_HASH | F_FRACTION),
	FIELD("cpu_rt_period",       ft_int,        struct service, cpu_rt_period,       NULL,                  F_HASH | F_FRACTION),
	FIELD("cpu_rt_runtime",      ft_int,        struct service, cpu_rt_runtime,      NULL,                  F_HASH | F_FRACTION),
	FIELD("cpus",                ft_float,      struct service, cpus,                NULL,                  F_HASH),
	FIELD("cpuset",              ft_string,     struct service, cpuset,              NULL,                  F_HASH),
	FIELD("cpu_shares",          ft_int,        struct service, cpu_shares,          NULL,                  F_HASH | F_FRACTION),
	FIELD("command",             ft_command,    struct service, command,             NULL,                  F_HASH | F_RESET | F_JSON_NULL),
	FIELD("configs",             ft_list,       struct service, configs,             &config_item,          F_HASH),
	FIELD("container_name",      ft_string,     struct service, container_name,      NULL,                  F_HASH),
	FIELD_S("credential_spec",   ft_object,     struct service, credential_spec,     &credential_object,    F_HASH, NONE, WINDOWS),
	FIELD("depends_on",          ft_map,        struct service, depends_on,          &dependency_item,      F_SCALAR_LIST),
	FIELD("deploy",              ft_object,     struct service, deploy,              &deploy_object,        F_HASH | F_NULL),
	FIELD("device_cgroup_rules", ft_strings,    struct service, device_cgroup_rules, NULL,                  F_HASH | F_DISTINCT),
	FIELD("devices",             ft_list,       struct service, devices,             &device_item,          F_HASH),
	FIELD("dns",                 ft_strings,    struct service, dns,                 NULL,                  F_HASH | F_UNIQUE | F_SCALAR_LIST | F_DROP_EMPTY),
	FIELD("dns_opt",             ft_strings,    struct service, dns_opt,             NULL,                  F_HASH | F_UNIQUE_KEY),
	FIELD("dns_search",          ft_strings,    struct service, dns_search,          NULL,                  F_HASH | F_UNIQUE | F_SCALAR_LIST),
	FIELD("domainname",          ft_string,     struct service, domainname,          NULL,                  F_HASH),
	FIELD("entrypoint",          ft_command,    struct service, entrypoint,          NULL,                  F_HASH | F_RESET | F_JSON_NULL),
	FIELD_S("provider",          ft_object,     struct service, provider,            &provider_object,      F_NEWER, REFUSED, "services of providers are not run yet"),
	FIELD("environment",         ft_env,        struct service, environment,         NULL,                  F_HASH),
	FIELD("env_file",            ft_list,       struct service, env_file,            &env_file_item,        F_SCALAR_LIST | F_GONE),
	FIELD("expose",              ft_strings,    struct service, expose,              NULL,                  F_HASH | F_UNIQUE | F_NUMBERS),
	FIELD("extends",             ft_extends,    struct service, extends,             NULL,                  F_NULL),
	FIELD("external_links",      ft_strings,    struct service, external_links,      NULL,                  F_HASH | F_DISTINCT),
	FIELD("extra_hosts",         ft_extra_hosts, struct service, extra_hosts,        NULL,                  F_HASH),
	FIELD("group_add",           ft_strings,    struct service, group_add,           NULL,                  F_HASH | F_DISTINCT | F_NUMBERS),
	FIELD_S("gpus",              ft_list,       struct service, gpus,                &gpu_item,             F_HASH | F_SCALAR_LIST | F_NEWER, REFUSED, "GPUs are not handed to containers yet"),
	FIELD("hostname",            ft_string,     struct service, hostname,            NULL,                  F_HASH),
	FIELD("healthcheck",         ft_object,     struct service, healthcheck,         &healthcheck_object,   F_HASH),
	FIELD("image",               ft_string,     struct service, image,               NULL,                  F_HASH),
	FIELD("init",                ft_tri,        struct service, init,                NULL,                  F_HASH),
	FIELD("ipc",                 ft_string,     struct service, ipc,                 NULL,                  F_HASH),
	FIELD("isolation",           ft_string,     struct service, isolation,           NULL,                  F_HASH),
	FIELD("labels",              ft_kvs,        struct service, labels,              NULL,                  F_HASH),
	FIELD("label_file",          ft_strings,    struct service, label_file,          NULL,                  F_SCALAR_LIST | F_PATH | F_GONE | F_NEWER),
	FIELD("links",               ft_strings,    struct service, links,               NULL,                  F_HASH | F_UNIQUE_KEY),
	FIELD("logging",             ft_logging,    struct service, logging,             &logging_object,       F_HASH),
	FIELD("mem_limit",           ft_bytes,      struct service, mem_limit,           NULL,                  F_HASH),
	FIELD("mem_reservation",     ft_bytes,      struct service, mem_reservation,     NULL,                  F_HASH),
	FIELD("memswap_limit",       ft_bytes,      struct service, memswap_limit,       NULL,                  F_HASH),
	FIELD("mem_swappiness",      ft_bytes,      struct service, mem_swappiness,      NULL,                  F_HASH),
	FIELD("mac_address",         ft_string,     struct service, mac_address,         NULL,                  F_HASH),
	FIELD_S("models",            ft_map,        struct service, models,              &service_model_item,   F_HASH | F_SCALAR_LIST | F_NEWER, REFUSED, "there is no model runner"),
	FIELD("network_mode",        ft_string,     struct service, network_mode,        NULL,                  F_HASH),
	FIELD("networks",            ft_map,        struct service, networks,            &service_network_item, F_HASH | F_SCALAR_LIST),
	FIELD("oom_kill_disable",    ft_bool,       struct service, oom_kill_disable,    NULL,                  F_HASH),
	FIELD("oom_score_adj",       ft_int,        struct service, oom_score_adj,       &range_oom,            F_HASH),
	FIELD("pid",                 ft_string,     struct service, pid,                 NULL,                  F_HASH | F_NULL),
	FIELD("pids_limit",          ft_int,        struct service, pids_limit,          NULL,                  F_HASH | F_FRACTION),
	FIELD("platform",            ft_string,     struct service, platform,            NULL,                  F_HASH),
	FIELD("ports",               ft_list,       struct service, ports,               &port_item,            F_HASH),
	FIELD("privileged",          ft_bool,       struct service, privileged,          NULL,                  F_HASH),
	FIELD("pull_policy",         ft_pattern,    struct service, pull_policy,         &pull_policy,          0),
	FIELD_IGNORED("pull_refresh_after", "images are refreshed as pull_policy says"),
	FIELD("read_only",           ft_bool,       struct service, read_only,           NULL,                  F_HASH),
	FIELD("restart",             ft_string,     struct service, restart,             NULL,                  F_HASH),
	FIELD("runtime",             ft_string,     struct service, runtime,             NULL,                  F_HASH),
	FIELD("scale",               ft_optint,     struct service, scale,               NULL,                  0),
	FIELD("secrets",             ft_list,       struct service, secrets,             &secret_item,          F_HASH),
	FIELD("security_opt",        ft_strings,    struct service, security_opt,        NULL,                  F_HASH | F_DISTINCT),
	FIELD("shm_size",            ft_bytes,      struct service, shm_size,            NULL,                  F_HASH),
	FIELD("stdin_open",          ft_bool,       struct service, stdin_open,          NULL,                  F_HASH),
	FIELD("stop_grace_period",   ft_duration,   struct service, stop_grace_period,   NULL,                  F_HASH),
	FIELD("stop_signal",         ft_string,     struct service, stop_signal,         NULL,                  F_HASH),
	FIELD_S("storage_opt",       ft_options,    struct service, storage_opt,         "string number null", F_HASH, NONE, "containers have no size limits on disk"),
	FIELD("sysctls",             ft_kvs,        struct service, sysctls,             NULL,                  F_HASH),
	FIELD("tmpfs",               ft_strings,    struct service, tmpfs,               NULL,                  F_HASH | F_UNIQUE_KEY | F_SCALAR_LIST),
	FIELD("tty",                 ft_bool,       struct service, tty,                 NULL,                  F_HASH),
	FIELD("ulimits",             ft_ulimit,     struct service, ulimits,             &ulimit_item,          F_HASH | F_REPLACE),
	FIELD_S("use_api_socket",    ft_bool,       struct service, use_api_socket,      NULL,                  F_HASH | F_STRICT_BOOL | F_NEWER, REFUSED, "there is no API socket"),
	FIELD("user",                ft_string,     struct service, user,                NULL,                  F_HASH),
	FIELD("userns_mode",         ft_string,     struct service, userns_mode,         NULL,                  F_HASH),
	FIELD("uts",                 ft_string,     struct service, uts,                 NULL,                  F_HASH),
	FIELD("volumes",             ft_list,       struct service, volumes,             &mount_item,           F_HASH),
	FIELD("volumes_from",        ft_strings,    struct service, volumes_from,        NULL,                  F_HASH | F_DISTINCT),
	FIELD("working_dir",         ft_string,     struct service, working_dir,         NULL,                  F_HASH),
	FIELD_S("pre_start",         ft_list,       struct service, pre_start,           &pre_start_item,       F_HASH | F_NEWER, REFUSED, "containers that run before the service are not made yet"),
	FIELD("post_start",          ft_list,       struct service, post_start,          &hook_item,            F_HASH | F_NEWER),
	FIELD("pre_stop",            ft_list,       struct service, pre_stop,            &hook_item,            F_HASH | F_NEWER),
	FIELD_EXT(struct service),
	FIELD_END,
};
