/* SPDX-License-Identifier: MIT
 *
 * compose/fields_deploy.c - rows of `deploy`, device requests (compose.md §6)
 *
 * What only a cluster can do is read, printed and said once to have no effect.
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "compose/ftypes.h"
#include <errno.h>
#include <limits.h>

#define NO_CLUSTER "there is one host only"

/* ---- devices ---- */

static int request_finish(struct fctx *c, const struct node *n, void *obj, struct err *e)
{
	struct device_request *r = obj;

	if (node_get(n, "count") && node_get(n, "device_ids"))
		return field_err(c, node_get(n, "count"), e, "\"count\" and \"device_ids\" attributes are exclusive");
	if (!r->count.set && !r->device_ids.n)
		r->count = (struct opt_int){ true, -1 };
	return 0;
}

/* gpus: all */
static int gpus_shorthand(struct fctx *c, struct node **n, struct err *e)
{
	struct node *m;

	if ((*n)->type != SCALAR_STR || !streq((*n)->text, "all"))
		return field_err(c, *n, e, "'%s' is not 'all' or a list of devices", (*n)->text);
	m = field_map_at(c, *n);
	FIELD_SET(c, m, "count", node_scalar(c->arena, (*n)->pos, SCALAR_INT, "-1"));
	*n = m;
	return 0;
}

#define REQUEST_FIELDS(capabilities_flags)                                                         \
	FIELD("capabilities", ft_strings, struct device_request, capabilities, NULL, F_HASH | F_DISTINCT | (capabilities_flags)), \
	FIELD("driver",       ft_string,  struct device_request, driver,       NULL, F_HASH),      \
	FIELD("count",        ft_count,   struct device_request, count,        NULL, F_HASH),      \
	FIELD("device_ids",   ft_strings, struct device_request, device_ids,   NULL, F_HASH | F_DISTINCT), \
	FIELD("options",      ft_kvs,     struct device_request, options,      NULL, F_HASH),      \
	FIELD_EXT(struct device_request), FIELD_END

static const struct field request_fields[] = { REQUEST_FIELDS(F_REQUIRED) };
static const struct field gpu_fields[] = { REQUEST_FIELDS(0) };

const struct object_type device_request_item = {
	OBJECT("device", struct device_request, request_fields), .node = offsetof(struct device_request, node), .name = NO_MEMBER,
	.null = NO_MEMBER, .finish = request_finish,
};
const struct object_type gpu_item = {
	OBJECT("device", struct device_request, gpu_fields), .node = offsetof(struct device_request, node), .name = NO_MEMBER,
	.null = NO_MEMBER, .shorthand = gpus_shorthand, .finish = request_finish,
};

#define PLAIN(what_, type_, fields_)                                                               \
	{                                                                                          \
		OBJECT(what_, type_, fields_), .node = NO_MEMBER, .name = NO_MEMBER, .null = NO_MEMBER \
	}

/* discrete_resource_spec lives in the item itself: there is no other kind. */
static const struct field discrete_fields[] = {
	FIELD("kind",  ft_string, struct discrete_resource, kind,  NULL, F_HASH),
	FIELD("value", ft_int,    struct discrete_resource, value, NULL, F_HASH),
	FIELD_EXT(struct discrete_resource),
	FIELD_END,
};
static const struct object_type discrete_object = PLAIN("resource", struct discrete_resource, discrete_fields);
static const struct field generic_fields[] = {
	FIELD("discrete_resource_spec", ft_object, struct generic_resource, discrete, &discrete_object, F_HASH),
	FIELD_EXT(struct generic_resource),
	FIELD_END,
};
static const struct object_type generic_item = PLAIN("resource", struct generic_resource, generic_fields);

/* ---- resources ---- */

static const struct range range_pids = { -1, INT64_MAX };

static const struct field limits_fields[] = {
	FIELD("cpus",   ft_float, struct resource_limits, cpus,   NULL,        F_HASH),
	FIELD("memory", ft_bytes, struct resource_limits, memory, NULL,        F_HASH | F_STRING_ONLY),
	FIELD("pids",   ft_int,   struct resource_limits, pids,   &range_pids, F_HASH),
	FIELD_EXT(struct resource_limits),
	FIELD_END,
};
static const struct field reservations_fields[] = {
	FIELD_S("cpus",              ft_float, struct resource_limits, cpus,              NULL,                 F_HASH, NONE, NO_CLUSTER),
	FIELD("memory",              ft_bytes, struct resource_limits, memory,            NULL,                 F_HASH | F_STRING_ONLY),
	FIELD_S("devices",           ft_list,  struct resource_limits, devices,           &device_request_item, F_HASH, REFUSED, "GPUs and the like are not handed to containers yet"),
	FIELD_S("generic_resources", ft_list,  struct resource_limits, generic_resources, &generic_item,        F_HASH, NONE, NO_CLUSTER),
	FIELD_EXT(struct resource_limits),
	FIELD_END,
};
#define LIMITS(what_, fields_)                                                                     \
	{                                                                                          \
		OBJECT(what_, struct resource_limits, fields_), .node = offsetof(struct resource_limits, node), .name = NO_MEMBER, \
		.null = NO_MEMBER                                                                  \
	}
static const struct object_type limits_object = LIMITS("limits", limits_fields);
static const struct object_type reservations_object = LIMITS("reservations", reservations_fields);
static const struct field resources_fields[] = {
	FIELD("limits",       ft_object, struct resources, limits,       &limits_object,       F_HASH),
	FIELD("reservations", ft_object, struct resources, reservations, &reservations_object, F_HASH),
	FIELD_EXT(struct resources),
	FIELD_END,
};
static const struct object_type resources_object = PLAIN("resources", struct resources, resources_fields);

/* ---- updates, restart, placement ---- */

static const char *const update_orders[] = { "start-first", "stop-first", NULL };

static const struct field update_fields[] = {
	FIELD("parallelism",       ft_optint,   struct update_config, parallelism,       &range_unsigned, F_HASH),
	FIELD("delay",             ft_duration, struct update_config, delay,             NULL,            F_HASH),
	FIELD("failure_action",    ft_string,   struct update_config, failure_action,    NULL,            F_HASH),
	FIELD("monitor",           ft_duration, struct update_config, monitor,           NULL,            F_HASH),
	FIELD("max_failure_ratio", ft_float,    struct update_config, max_failure_ratio, NULL,            F_HASH),
	FIELD("order",             ft_word,     struct update_config, order,             update_orders,   F_HASH),
	FIELD_EXT(struct update_config),
	FIELD_END,
};
static const struct object_type update_object = PLAIN("update_config", struct update_config, update_fields);

static const struct field restart_fields[] = {
	FIELD("condition",    ft_string,   struct deploy_restart, condition,    NULL,            F_HASH),
	FIELD("delay",        ft_duration, struct deploy_restart, delay,        NULL,            F_HASH),
	FIELD("max_attempts", ft_optint,   struct deploy_restart, max_attempts, &range_unsigned, F_HASH),
	FIELD("window",       ft_duration, struct deploy_restart, window,       NULL,            F_HASH),
	FIELD_EXT(struct deploy_restart),
	FIELD_END,
};
static const struct object_type restart_object = PLAIN("restart_policy", struct deploy_restart, restart_fields);

static const struct field preference_fields[] = {
	FIELD("spread", ft_string, struct placement_preference, spread, NULL, F_HASH),
	FIELD_EXT(struct placement_preference),
	FIELD_END,
};
static const struct object_type preference_item = PLAIN("preference", struct placement_preference, preference_fields);
static const struct field placement_fields[] = {
	FIELD("constraints",           ft_strings, struct placement, constraints,           NULL,             F_HASH),
	FIELD("preferences",           ft_list,    struct placement, preferences,           &preference_item, F_HASH),
	FIELD("max_replicas_per_node", ft_int,     struct placement, max_replicas_per_node, NULL,             F_HASH),
	FIELD_EXT(struct placement),
	FIELD_END,
};
static const struct object_type placement_object = PLAIN("placement", struct placement, placement_fields);

/* ---- deploy ---- */

static const struct field deploy_fields[] = {
	FIELD_S("mode",            ft_string, struct deploy, mode,            NULL,              F_HASH, NONE, NO_CLUSTER),
	FIELD("replicas",          ft_optint, struct deploy, replicas,        NULL,              0),
	FIELD_S("labels",          ft_kvs,    struct deploy, labels,          NULL,              F_HASH, NONE, "labels of a service reach no container"),
	FIELD_S("update_config",   ft_object, struct deploy, update_config,   &update_object,    F_HASH, NONE, NO_CLUSTER),
	FIELD_S("rollback_config", ft_object, struct deploy, rollback_config, &update_object,    F_HASH, NONE, NO_CLUSTER),
	FIELD("resources",         ft_embed,  struct deploy, resources,       &resources_object, F_HASH | F_JSON_EMPTY),
	FIELD("restart_policy",    ft_object, struct deploy, restart_policy,  &restart_object,   F_HASH),
	FIELD_S("placement",       ft_embed,  struct deploy, placement,       &placement_object, F_HASH | F_JSON_EMPTY, NONE, NO_CLUSTER),
	FIELD_S("endpoint_mode",   ft_string, struct deploy, endpoint_mode,   NULL,              F_HASH, NONE, NO_CLUSTER),
	FIELD_EXT(struct deploy),
	FIELD_END,
};
const struct object_type deploy_object = {
	OBJECT("deploy", struct deploy, deploy_fields), .node = offsetof(struct deploy, node), .name = NO_MEMBER, .null = NO_MEMBER,
};
