/* SPDX-License-Identifier: MIT
 *
 * compose/ftypes_mount.c - volumes, devices, secrets and configs of a service, env files (compose.md §7, §8, §18)
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "compose/emit.h"
#include "compose/ftypes.h"
#include <errno.h>
#include <stdlib.h>

/* ---- volumes ---- */

static struct node *str_at(struct fctx *c, const struct node *n, const char *s)
{
	return node_str(c->arena, n->pos, s);
}

static struct node *true_at(struct fctx *c, const struct node *n)
{
	return node_scalar(c->arena, n->pos, SCALAR_BOOL, "true");
}

static bool is_letter(char ch)
{
	return (ch | 32) >= 'a' && (ch | 32) <= 'z';
}

/* Splits at ':' but not behind a drive letter at the start of a section. Returns the number of sections, < 0: too many. */
static int split_volume(char *s, char *ret[3])
{
	int n = 0;
	char *start = s;

	for (char *p = s;; p++) {
		if (*p == ':' && p == start + 1 && is_letter(*start))
			continue;
		if (*p && *p != ':')
			continue;
		if (n == 3)
			return -1;
		ret[n++] = start;
		if (!*p)
			return n;
		*p = '\0';
		start = p + 1;
	}
}

/* A path of the host rather than the name of a volume. */
static bool is_host_path(const char *s)
{
	return *s == '.' || *s == '/' || *s == '~' || (s[0] == '\\' && s[1] == '\\') || (is_letter(s[0]) && s[1] == ':' && s[2]);
}

static void volume_option(struct fctx *c, const struct node *n, struct node *m, struct node **bind, struct node **volume, const char *o)
{
	static const char *const propagations[] = { "rprivate", "private", "rshared", "shared", "rslave", "slave", NULL };

	if (streq(o, "ro")) {
		FIELD_SET(c, m, "read_only", true_at(c, n));
	} else if (streq(o, "rw")) {
		(void)node_remove(m, "read_only");
	} else if (streq(o, "nocopy")) {
		*volume = *volume ? *volume : node_map(c->arena, n->pos);
		FIELD_SET(c, *volume, "nocopy", true_at(c, n));
	} else if (str_in(o, propagations) || streq(o, "z") || streq(o, "Z")) {
		*bind = *bind ? *bind : node_map(c->arena, n->pos);
		node_set(c->arena, *bind, (o[0] | 32) == 'z' ? "selinux" : "propagation", str_at(c, n, arena_strdup(c->arena, o)));
	}
	/* everything else is ignored, as docker compose does: cached, delegated, … */
}

static void volume_options(struct fctx *c, const struct node *n, struct node *m, char *options, struct node **bind, struct node **volume)
{
	char *save = options, *comma;

	for (;;) {
		comma = strchr(save, ',');
		if (comma)
			*comma = '\0';
		volume_option(c, n, m, bind, volume, save);
		if (!comma)
			return;
		save = comma + 1;
	}
}

/* "v:/data[:ro]" is a volume with a name of one letter: as a drive it would have no target inside. Returns the number of parts. */
static int letter_volume(const struct fctx *c, char *part[3], int parts)
{
	char *s = part[0];

	if (c->flags & FCTX_DRIVES || parts < 1 || parts > 2 || !is_letter(s[0]) || s[1] != ':' || s[2] != '/' || (parts == 2 && (*part[1] == '/' || (*part[1] && part[1][1] == ':'))))
		return parts;
	s[1] = '\0';
	part[2] = part[1];
	part[1] = s + 2;
	return parts + 1;
}

static int volume_shorthand(struct fctx *c, struct node **np, struct err *e)
{
	const struct node *n = *np;
	auto_free char *copy = NULL;
	char *part[3] = { NULL };
	int parts;
	struct node *m, *bind = NULL, *volume = NULL;
	bool is_bind;

	if (n->type != SCALAR_STR)
		return field_type_err(c, n, "string or mapping", e);
	if (!*n->text)
		return field_err(c, n, e, "invalid empty volume spec");
	m = field_map_at(c, n);
	copy = xstrdup(n->text);
	parts = strlen(copy) <= 2 ? (part[0] = copy, 1) : letter_volume(c, part, split_volume(copy, part));
	if (parts < 0)
		return field_err(c, n, e, "invalid spec: %s: too many colons", n->text);
	for (int i = 0; i < parts; i++)
		if (!*part[i])
			return field_err(c, n, e, "invalid spec: %s: empty section between colons", n->text);
	is_bind = parts > 1 && is_host_path(part[0]);
	FIELD_SET(c, m, "type", str_at(c, n, is_bind ? "bind" : "volume"));
	if (parts > 1)
		FIELD_SET(c, m, "source", str_at(c, n, arena_strdup(c->arena, part[0])));
	FIELD_SET(c, m, "target", str_at(c, n, arena_strdup(c->arena, part[parts > 1])));
	if (parts == 3)
		volume_options(c, n, m, part[2], &bind, &volume);
	if (is_bind) {
		bind = bind ? bind : node_map(c->arena, n->pos);
		FIELD_SET(c, bind, "create_host_path", true_at(c, n));
	} else if (strlen(n->text) > 2) {
		volume = volume ? volume : node_map(c->arena, n->pos);
	}
	if (bind)
		FIELD_SET(c, m, "bind", bind);
	if (volume)
		FIELD_SET(c, m, "volume", volume);
	*np = m;
	return 0;
}

/* Targets are cleaned as text: `/a/../b/` is `/b`. */
static int volume_check(struct fctx *c, struct node *n, struct err *e)
{
	const struct node *target = node_get(n, "target");

	(void)e;
	if (node_is_scalar(target) && *target->text && !field_raw(c, target))
		FIELD_SET(c, n, "target", field_str_at(c, target, path_clean_in(c, target->text)));
	return 0;
}

static const char *target_key(struct fctx *c, const struct node *n)
{
	const struct node *t = node_get(n, "target");

	(void)c;
	return node_is_scalar(t) ? t->text : NULL;
}

/* Only the source of a bind is a path. */
static int mount_paths(struct fctx *c, struct node *n, struct err *e)
{
	static const struct field source = { "source", &ft_path, 0, NULL, F_PATH | F_PATH_UNIX, SUPPORT_FULL, NULL };
	const struct node *type = node_get(n, "type");
	struct node *src = node_get(n, "source");

	if (!node_is_scalar(type) || !streq(type->text, "bind") || !node_is_scalar(src))
		return 0;
	TRY(ft_path.paths(c, &source, &src, e));
	FIELD_SET(c, n, "source", src);
	return 0;
}

static const char *const mount_words[] = { "volume", "bind", "tmpfs", "image", "cluster", "npipe", NULL };

static int mount_finish(struct fctx *c, const struct node *n, void *obj, struct err *e)
{
	static const struct {
		const char *type, *key;
	} blocks[] = { { "bind", "bind" }, { "volume", "volume" }, { "tmpfs", "tmpfs" }, { "image", "image" } };
	struct mount *m = obj;

	for (size_t i = 0; mount_words[i]; i++)
		if (streq(m->type_text, mount_words[i]))
			m->type = (enum mount_kind)i;
	if (!m->target || !*m->target)
		return field_err(c, n, e, "a volume has no target: the mount point is missing");
	if (m->type == MOUNT_BIND && (!m->source || !*m->source))
		return field_err(c, n, e, "invalid mount config for type \"bind\": field Source must not be empty");
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		if (node_get(n, blocks[i].key) && !streq(m->type_text, blocks[i].type))
			field_warn(c, node_key(n, blocks[i].key), "mount of type `%s` should not define `%s` option", m->type_text,
				   blocks[i].key);
	return 0;
}

static const char *const recursive_words[] = { "enabled", "disabled", "writable", "readonly", NULL };
static const char *const selinux_words[] = { "z", "Z", NULL };

static const struct field bind_fields[] = {
	FIELD("selinux", ft_word, struct mount_bind, selinux, selinux_words, F_HASH),
	FIELD("propagation", ft_string, struct mount_bind, propagation, NULL, F_HASH),
	FIELD("create_host_path", ft_bool, struct mount_bind, create_host_path, NULL, F_HASH),
	FIELD("recursive", ft_word, struct mount_bind, recursive, recursive_words, F_HASH),
	FIELD_EXT(struct mount_bind),
	FIELD_END,
};
static const struct field mount_volume_fields[] = {
	FIELD_S("labels", ft_kvs, struct mount_volume, labels, NULL, F_HASH | F_NEWER, NONE, "volumes made for a mount get no labels"),
	FIELD("nocopy", ft_bool, struct mount_volume, nocopy, NULL, F_HASH),
	FIELD("subpath", ft_string, struct mount_volume, subpath, NULL, F_HASH),
	FIELD_EXT(struct mount_volume),
	FIELD_END,
};
static const struct field mount_tmpfs_fields[] = {
	FIELD("size", ft_bytes, struct mount_tmpfs, size, &range_unsigned, F_HASH),
	FIELD("mode", ft_tmpfs_mode, struct mount_tmpfs, mode, &range_unsigned, F_HASH),
	FIELD_EXT(struct mount_tmpfs),
	FIELD_END,
};
static const struct field mount_image_fields[] = {
	FIELD("subpath", ft_string, struct mount_image, subpath, NULL, F_HASH),
	FIELD_EXT(struct mount_image),
	FIELD_END,
};
#define PLAIN_OBJECT(what_, type_, fields_)                                                        \
	{                                                                                          \
		OBJECT(what_, type_, fields_), .node = NO_MEMBER, .name = NO_MEMBER, .null = NO_MEMBER \
	}
static const struct object_type bind_object = PLAIN_OBJECT("bind", struct mount_bind, bind_fields);
static const struct object_type mount_volume_object = PLAIN_OBJECT("volume", struct mount_volume, mount_volume_fields);
static const struct object_type mount_tmpfs_object = PLAIN_OBJECT("tmpfs", struct mount_tmpfs, mount_tmpfs_fields);
static const struct object_type mount_image_object = PLAIN_OBJECT("image", struct mount_image, mount_image_fields);

static const struct field mount_fields[] = {
	FIELD("type", ft_word, struct mount, type_text, mount_words, F_HASH | F_REQUIRED),
	FIELD("source", ft_string, struct mount, source, NULL, F_HASH),
	FIELD("target", ft_string, struct mount, target, NULL, F_HASH),
	FIELD("read_only", ft_bool, struct mount, read_only, NULL, F_HASH),
	FIELD_S("consistency", ft_string, struct mount, consistency, NULL, F_HASH, NONE, "it only means something on macOS"),
	FIELD("bind", ft_object, struct mount, bind, &bind_object, F_HASH),
	FIELD("volume", ft_object, struct mount, volume, &mount_volume_object, F_HASH),
	FIELD("tmpfs", ft_object, struct mount, tmpfs, &mount_tmpfs_object, F_HASH),
	FIELD("image", ft_object, struct mount, image, &mount_image_object, F_HASH | F_NEWER),
	FIELD_EXT(struct mount),
	FIELD_END,
};
const struct object_type mount_item = {
	OBJECT("volume", struct mount, mount_fields), .node = offsetof(struct mount, node), .name = NO_MEMBER, .null = NO_MEMBER,
	.shorthand = volume_shorthand, .check = volume_check, .paths = mount_paths, .key = target_key, .finish = mount_finish,
};

/* ---- devices ---- */

static int device_shorthand(struct fctx *c, struct node **np, struct err *e)
{
	const struct node *n = *np;
	auto_free char *copy = NULL;
	char *target, *perms = NULL;
	struct node *m;

	if (n->type != SCALAR_STR)
		return field_type_err(c, n, "string or mapping", e);
	copy = xstrdup(n->text);
	m = field_map_at(c, n);
	target = strchr(copy, ':');
	if (target) {
		*target++ = '\0';
		perms = strchr(target, ':');
	}
	if (perms) {
		*perms++ = '\0';
		if (strchr(perms, ':'))
			return field_err(c, n, e, "confusing device mapping, please use long syntax: %s", n->text);
	}
	FIELD_SET(c, m, "source", str_at(c, n, arena_strdup(c->arena, copy)));
	FIELD_SET(c, m, "target", str_at(c, n, arena_strdup(c->arena, target ? target : copy)));
	FIELD_SET(c, m, "permissions", str_at(c, n, perms ? arena_strdup(c->arena, perms) : "rwm"));
	*np = m;
	return 0;
}

static int device_finish(struct fctx *c, const struct node *n, void *obj, struct err *e)
{
	(void)obj;
	return node_get(n, "target") ? 0 : field_err(c, n, e, "a device has no target: the mount target is missing");
}

static const struct field device_fields[] = {
	FIELD("source", ft_string, struct device, source, NULL, F_HASH | F_REQUIRED),
	FIELD("target", ft_string, struct device, target, NULL, F_HASH),
	FIELD("permissions", ft_string, struct device, permissions, NULL, F_HASH),
	FIELD_EXT(struct device),
	FIELD_END,
};
const struct object_type device_item = {
	OBJECT("device", struct device, device_fields), .node = offsetof(struct device, node), .name = NO_MEMBER, .null = NO_MEMBER,
	.shorthand = device_shorthand, .key = target_key, .finish = device_finish,
};

/* ---- secrets and configs of a service ---- */

static int ref_shorthand(struct fctx *c, struct node **n, struct err *e)
{
	struct node *m;

	if ((*n)->type != SCALAR_STR)
		return field_type_err(c, *n, "string or mapping", e);
	m = field_map_at(c, *n);
	FIELD_SET(c, m, "source", str_at(c, *n, (*n)->text));
	*n = m;
	return 0;
}

static const char *ref_key(struct fctx *c, const struct node *n, const char *prefix)
{
	const struct node *target = node_get(n, "target"), *source = node_get(n, "source");

	if (node_is_scalar(target))
		return target->text;
	return node_is_scalar(source) ? arena_printf(c->arena, "%s%s", prefix, source->text) : NULL;
}

static const char *secret_key(struct fctx *c, const struct node *n)
{
	return ref_key(c, n, "/run/secrets/");
}

static const char *config_key(struct fctx *c, const struct node *n)
{
	return ref_key(c, n, "/");
}

static const struct field ref_fields[] = {
	FIELD("source", ft_string, struct file_ref, source, NULL, F_HASH),
	FIELD("target", ft_string, struct file_ref, target, NULL, F_HASH),
	FIELD("uid", ft_string, struct file_ref, uid, NULL, F_HASH),
	FIELD("gid", ft_string, struct file_ref, gid, NULL, F_HASH),
	FIELD("mode", ft_mode, struct file_ref, mode, NULL, F_HASH),
	FIELD_EXT(struct file_ref),
	FIELD_END,
};
#define REF_OBJECT(what_, key_)                                                                    \
	{                                                                                          \
		OBJECT(what_, struct file_ref, ref_fields), .node = offsetof(struct file_ref, node), .name = NO_MEMBER, .null = NO_MEMBER, \
		.shorthand = ref_shorthand, .key = key_,                                           \
	}
const struct object_type secret_item = REF_OBJECT("secret", secret_key);
const struct object_type config_item = REF_OBJECT("config", config_key);
const struct object_type build_secret_item = REF_OBJECT("secret", NULL);

/* ---- env_file ---- */

static int env_file_shorthand(struct fctx *c, struct node **n, struct err *e)
{
	struct node *m;

	if ((*n)->type != SCALAR_STR)
		return field_type_err(c, *n, "string or mapping", e);
	m = field_map_at(c, *n);
	FIELD_SET(c, m, "path", str_at(c, *n, (*n)->text));
	*n = m;
	return 0;
}

static const char *env_file_key(struct fctx *c, const struct node *n)
{
	const struct node *p = node_get(n, "path");

	(void)c;
	return node_is_scalar(p) ? p->text : NULL;
}

static int env_file_finish(struct fctx *c, const struct node *n, void *obj, struct err *e)
{
	struct env_file *f = obj;

	if (!f->path || !*f->path)
		return field_err(c, n, e, "environment path attribute is missing");
	if (!node_get(n, "required"))
		f->required = true;
	if (f->format && *f->format && !streq(f->format, "raw"))
		return field_err(c, node_get(n, "format"), e, "unsupported env_file format \"%s\"", f->format);
	return 0;
}

static const struct field env_file_fields[] = {
	FIELD("path", ft_path, struct env_file, path, NULL, F_PATH),
	FIELD("required", ft_bool, struct env_file, required, NULL, 0),
	FIELD("format", ft_string, struct env_file, format, NULL, F_NEWER),
	FIELD_END,
};
const struct object_type env_file_item = {
	OBJECT("env file", struct env_file, env_file_fields), .node = offsetof(struct env_file, node), .name = NO_MEMBER, .null = NO_MEMBER,
	.shorthand = env_file_shorthand, .key = env_file_key, .finish = env_file_finish,
};
