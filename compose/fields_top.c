/* SPDX-License-Identifier: MIT
 *
 * compose/fields_top.c - rows of the top level: networks, volumes, secrets, configs, models, and the project itself
 * (compose.md §1, §14 to §16)
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "compose/ftypes.h"
#include <errno.h>
#include <stdio.h>

#define PLAIN(what_, type_, fields_)                                                               \
	{                                                                                          \
		OBJECT(what_, type_, fields_), .node = NO_MEMBER, .name = NO_MEMBER, .null = NO_MEMBER \
	}
#define NAMED(what_, type_, fields_)                                                               \
	OBJECT(what_, type_, fields_), .node = offsetof(type_, node), .name = offsetof(type_, key), .null = NO_MEMBER

/* external: {name: x} is the old way to say external: true and name: x. */
static int external_check(struct fctx *c, struct node *n, struct err *e)
{
	const struct node *ext = node_get(n, "external"), *old, *name;

	if (!node_is_map(ext))
		return 0;
	old = node_get(ext, "name");
	name = node_get(n, "name");
	if (ext->n > !!old)
		return field_err(c, ext, e, "external: only 'name' can be given here");
	if (old && !node_is_scalar(old))
		return field_type_err(c, old, "string", e);
	if (old && node_is_scalar(name) && !streq(name->text, old->text))
		return field_err(c, old, e, "name and external.name conflict; only use name");
	if (old && !name)
		field_warn(c, old, "external.name is deprecated. Please set name and external: true");
	if (old)
		FIELD_SET(c, n, "name", (struct node *)(uintptr_t)old);
	FIELD_SET(c, n, "external", node_scalar(c->arena, ext->pos, SCALAR_BOOL, "true"));
	return 0;
}

/* ---- networks ---- */

static const struct field ipam_fields[] = {
	FIELD("driver",    ft_string,  struct ipam, driver,  NULL,            F_RESOURCE_HASH),
	FIELD("config",    ft_list,    struct ipam, config,  &ipam_pool_item, F_RESOURCE_HASH),
	FIELD_S("options", ft_options, struct ipam, options, "string",        F_RESOURCE_HASH, NONE, "no address manager here has options"),
	FIELD_EXT(struct ipam),
	FIELD_END,
};
static const struct object_type ipam_object = PLAIN("ipam", struct ipam, ipam_fields);

const struct field network_fields[] = {
	FIELD("name",         ft_string,   struct network, name,        NULL,         F_RESOURCE_HASH),
	FIELD("driver",       ft_string,   struct network, driver,      NULL,         F_RESOURCE_HASH),
	FIELD("driver_opts",  ft_options,  struct network, driver_opts, NULL,         F_RESOURCE_HASH),
	FIELD("ipam",         ft_embed,    struct network, ipam,        &ipam_object, F_RESOURCE_HASH | F_JSON_EMPTY | F_NULL),
	FIELD("external",     ft_external, struct network, external,    NULL,         0),
	FIELD("internal",     ft_bool,     struct network, internal,    NULL,         F_RESOURCE_HASH),
	FIELD_S("attachable", ft_bool,     struct network, attachable,  NULL,         F_RESOURCE_HASH, NONE, "every network here can be joined"),
	FIELD("labels",       ft_kvs,      struct network, labels,      NULL,         F_RESOURCE_HASH),
	FIELD("enable_ipv4",  ft_tri,      struct network, enable_ipv4, NULL,         F_RESOURCE_HASH | F_NEWER),
	FIELD("enable_ipv6",  ft_tri,      struct network, enable_ipv6, NULL,         F_RESOURCE_HASH),
	FIELD_EXT(struct network),
	FIELD_END,
};
static const struct object_type network_object = { NAMED("network", struct network, network_fields), .any_name = true, .check = external_check };

/* ---- volumes ---- */

/* A local volume that binds a folder: the folder's path starts from the project directory. */
static int volume_paths(struct fctx *c, struct node *n, struct err *e)
{
	static const struct field device = { "device", &ft_path, 0, NULL, F_PATH | F_PATH_UNIX, SUPPORT_FULL, NULL };
	const struct node *driver = node_get(n, "driver"), *opts = node_get(n, "driver_opts"), *o = node_get(opts, "o");
	struct node *path = node_get(opts, "device"), *own;

	if (!node_is_scalar(driver) || !streq(driver->text, "local") || !node_is_scalar(o) || !streq(o->text, "bind") ||
	    !node_is_scalar(path))
		return 0;
	TRY(ft_path.paths(c, &device, &path, e));
	own = field_own(c, opts);
	FIELD_SET(c, own, "device", path);
	FIELD_SET(c, n, "driver_opts", own);
	return 0;
}

const struct field volume_fields[] = {
	FIELD("name",        ft_string,   struct volume, name,        NULL, F_RESOURCE_HASH),
	FIELD("driver",      ft_string,   struct volume, driver,      NULL, F_RESOURCE_HASH),
	FIELD("driver_opts", ft_options,  struct volume, driver_opts, NULL, F_RESOURCE_HASH),
	FIELD("external",    ft_external, struct volume, external,    NULL, 0),
	FIELD("labels",      ft_kvs,      struct volume, labels,      NULL, F_RESOURCE_HASH),
	FIELD_EXT(struct volume),
	FIELD_END,
};
/* What is made elsewhere is not described here. Unlike networks, where docker compose tolerates it. */
static int volume_finish(struct fctx *c, const struct node *n, void *obj, struct err *e)
{
	const struct volume *v = obj;

	for (size_t i = 0; v->external && i < n->n; i++) {
		const char *key = n->keys[i]->text;

		if (!streq(key, "external") && !streq(key, "name") && !str_starts(key, "x-"))
			return field_err(c, n->keys[i], e, "conflicting parameters \"external\" and \"%s\" specified", key);
	}
	return 0;
}

static const struct object_type volume_object = {
	NAMED("volume", struct volume, volume_fields), .check = external_check, .paths = volume_paths, .finish = volume_finish,
};

/* ---- secrets and configs ---- */

#define NO_STORE "there is no store of secrets but files and variables"
#define FILE_OBJECT_FIELDS                                                                         \
	FIELD("name",        ft_string,   struct file_object, name,        NULL, 0),               \
	FIELD("file",        ft_path,     struct file_object, file,        NULL, F_PATH | F_PATH_UNIX),          \
	FIELD("environment", ft_string,   struct file_object, environment, NULL, 0)
#define FILE_OBJECT_TAIL                                                                           \
	FIELD_S("external",        ft_external, struct file_object, external, NULL, 0, REFUSED, NO_STORE), \
	FIELD_S("labels",          ft_kvs,      struct file_object, labels,   NULL, 0, NONE, "nobody sees them")

const struct field secret_fields[] = {
	FILE_OBJECT_FIELDS,
	FILE_OBJECT_TAIL,
	FIELD_S("driver",          ft_string,   struct file_object, driver,          NULL, 0, REFUSED, NO_STORE),
	FIELD_S("driver_opts",     ft_options,  struct file_object, driver_opts,     NULL, 0, REFUSED, NO_STORE),
	FIELD_S("template_driver", ft_string,   struct file_object, template_driver, NULL, 0, REFUSED, "templates are a feature of clusters"),
	FIELD_EXT(struct file_object),
	FIELD_END,
};
const struct field config_fields[] = {
	FILE_OBJECT_FIELDS,
	FIELD("content",           ft_string,   struct file_object, content,         NULL, 0),
	FILE_OBJECT_TAIL,
	FIELD_S("template_driver", ft_string,   struct file_object, template_driver, NULL, 0, REFUSED, "templates are a feature of clusters"),
	FIELD_EXT(struct file_object),
	FIELD_END,
};
/* Exactly one source, unless it is made elsewhere. */
static int source_finish(struct fctx *c, const struct node *n, const char *const *sources, struct err *e)
{
	const char *given[4] = { NULL };
	size_t count = 0, all = 0;
	char list[64] = "";

	for (; sources[all]; all++) {
		(void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", all ? "|" : "", sources[all]);
		if (node_get(n, sources[all]))
			given[count++] = sources[all];
	}
	if (count > 1)
		return field_err(c, node_key(n, given[1]), e, "%s attributes are mutually exclusive", list);
	if (!count && !node_get(n, "external"))
		return field_err(c, n, e, "one of %s must be set", list);
	return 0;
}

static int secret_finish(struct fctx *c, const struct node *n, void *obj, struct err *e)
{
	static const char *const sources[] = { "file", "environment", NULL };

	(void)obj;
	return source_finish(c, n, sources, e);
}

static int config_finish(struct fctx *c, const struct node *n, void *obj, struct err *e)
{
	static const char *const sources[] = { "file", "environment", "content", NULL };

	(void)obj;
	return source_finish(c, n, sources, e);
}

static const struct object_type secret_object = { NAMED("secret", struct file_object, secret_fields), .check = external_check, .finish = secret_finish };
static const struct object_type config_object = { NAMED("config", struct file_object, config_fields), .check = external_check, .finish = config_finish };

/* ---- models ---- */

const struct field model_fields[] = {
	FIELD("name",          ft_string,  struct model, name,          NULL, 0),
	FIELD("model",         ft_string,  struct model, model,         NULL, F_REQUIRED),
	FIELD("context_size",  ft_int,     struct model, context_size,  NULL, F_NUMBER_ONLY),
	FIELD("runtime_flags", ft_strings, struct model, runtime_flags, NULL, 0),
	FIELD_EXT(struct model),
	FIELD_END,
};
static const struct object_type model_object = { NAMED("model", struct model, model_fields) };

/* ---- the project ---- */

const struct object_type service_object = {
	OBJECT("service", struct service, service_fields), .node = offsetof(struct service, node), .name = offsetof(struct service, name),
	.null = NO_MEMBER,
};

/* Not printed by the verb but by emit_project: only what is active and used. */
const struct field project_fields[] = {
	{ "version", &ft_version, 0, NULL, F_GONE, SUPPORT_FULL, NULL },
	FIELD("name",     ft_string, struct project, name,     NULL,            0),
	{ "include", &ft_include, 0, NULL, F_GONE, SUPPORT_FULL, NULL },
	FIELD("services", ft_map,    struct project, services, &service_object, 0),
	FIELD("networks", ft_map,    struct project, networks, &network_object, F_NULL),
	FIELD("volumes",  ft_map,    struct project, volumes,  &volume_object,  F_NULL),
	FIELD("secrets",  ft_map,    struct project, secrets,  &secret_object,  0),
	FIELD("configs",  ft_map,    struct project, configs,  &config_object,  0),
	FIELD_S("models", ft_map,    struct project, models,   &model_object,   F_NEWER, REFUSED, "there is no model runner"),
	FIELD_EXT(struct project),
	FIELD_END,
};

int project_decode(struct fctx *c, const struct node *tree, struct project *p, struct err *e)
{
	const char *name = p->name;

	p->tree = tree;
	TRY(fields_decode(c, project_fields, tree, p, e));
	if (name)
		p->name = name; /* derived by the caller: -p and the environment come first */
	for (size_t i = 0; i < p->services.n; i++)
		p->services.v[i].project = p;
	return 0;
}
