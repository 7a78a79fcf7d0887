/* SPDX-License-Identifier: MIT
 *
 * RUN --mount: one CSV record of key=value (dockerfile.md 3.1)
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/names.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/build/stage.h"

static const char *const kind_names[MOUNT_KINDS] = {
	[MOUNT_BIND] = "bind", [MOUNT_CACHE] = "cache", [MOUNT_TMPFS] = "tmpfs", [MOUNT_SECRET] = "secret", [MOUNT_SSH] = "ssh",
};
static const char *const sharing_names[SHARINGS] = { [SHARING_SHARED] = "shared", [SHARING_PRIVATE] = "private", [SHARING_LOCKED] = "locked" };
DEFINE_NAMES_SCOPE(static, kind, kind_names)
DEFINE_NAMES_SCOPE(static, sharing, sharing_names)

void source_done(struct source *s)
{
	free(s->name);
	*s = (struct source){ 0 };
}

void run_mount_done(struct run_mount *m)
{
	free(m->target);
	free(m->source);
	free(m->id);
	free(m->env);
	source_done(&m->from);
	*m = (struct run_mount){ 0 };
}

/* encoding/csv: fields may be quoted as a whole, "" in them is a quote. */
static int csv_fields(const char *s, struct strv *ret, struct err *e)
{
	for (;;) {
		AUTO_STR(field, 64 << 10);

		if (*s == '"') {
			for (s++; *s && !(*s == '"' && s[1] != '"'); s++) {
				s += *s == '"';
				str_addc(&field, *s);
			}
			if (*s++ != '"' || (*s && *s != ','))
				return err_set(e, EINVAL, "failed to parse csv mounts: a quote is not closed or stands in a field");
		} else {
			size_t n = strcspn(s, ",");

			str_addn(&field, s, n);
			s += n;
		}
		strv_add(ret, field.s);
		if (!*s)
			return 0;
		s++;
	}
}

static int flag_value(const char *key, const char *value, bool *ret, struct err *e)
{
	AUTO_ERR(bad);

	*ret = true;
	if (value && num_bool(value, ret, &bad) < 0)
		return err_set(e, EINVAL, "invalid value for %s: %s", key, value);
	return 0;
}

static int number(const char *key, const char *value, bool octal, uint32_t *ret, struct err *e)
{
	AUTO_ERR(bad);
	uint64_t n = 0;

	if (octal ? num_octal(value, 07777777, ret, &bad) < 0 : num_uint(value, UINT32_MAX - 1, &n, &bad) < 0)
		return err_set(e, EINVAL, "invalid value %s for %s", value, key);
	if (!octal)
		*ret = (uint32_t)n;
	return 0;
}

/* Caller frees. */
static char *lowered(const char *s)
{
	char *out = xstrdup(s);

	str_lower(out);
	return out;
}

static void set(char **place, const char *value)
{
	free(*place);
	*place = xstrdup(value);
}

static int set_sharing(struct run_mount *m, const char *value, struct err *e)
{
	int i = sharing_parse(value);

	if (m->kind != MOUNT_CACHE)
		return m->kind == MOUNT_SECRET ? err_set(e, EINVAL, "secret mount should not define sharing") :
						 err_set(e, EINVAL, "invalid cache sharing set for %s mount", kind_name(m->kind));
	if (i < 0) {
		const char *near = str_nearest(value, sharing_names, ARRAY_LEN(sharing_names), sizeof(*sharing_names));

		return near ? err_set(e, EINVAL, "unsupported sharing value \"%s\" (did you mean %s?)", value, near) :
			      err_set(e, EINVAL, "unsupported sharing value \"%s\"", value);
	}
	m->sharing = (enum sharing)i;
	return 0;
}

static int set_size(struct run_mount *m, const char *field, const char *value, struct err *e)
{
	if (m->kind != MOUNT_TMPFS)
		return err_set(e, EINVAL, "unexpected key 'size' for mount type '%s'", kind_name(m->kind));
	return num_bytes(value, &m->size, e) < 0 ? err_wrap(e, "invalid value for '%s'", field) : 0;
}

/* The rest of the keys: 0, or not known. */
static int set_ids(struct run_mount *m, const char *key, const char *value, struct err *e)
{
	bool mode = streq(key, "mode");

	if (m->kind == MOUNT_BIND || m->kind == MOUNT_TMPFS)
		return err_set(e, EINVAL, "%s not allowed for \"%s\" type mounts", key, kind_name(m->kind));
	if (mode) {
		m->has_mode = true;
		return number(key, value, true, &m->mode, e);
	}
	m->has_ids = true;
	return number(key, value, false, streq(key, "uid") ? &m->uid : &m->gid, e);
}

static int unknown_key(const char *key, const char *field, struct err *e)
{
	static const char *const keys[] = { "type", "from", "source", "target", "readonly", "id", "sharing", "required", "size", "mode", "uid", "gid", "env" };
	const char *near = str_nearest(key, keys, ARRAY_LEN(keys), sizeof(*keys));

	return near ? err_set(e, EINVAL, "unexpected key '%s' in '%s' (did you mean %s?)", key, field, near) :
		      err_set(e, EINVAL, "unexpected key '%s' in '%s'", key, field);
}

static int set_key(struct run_mount *m, const char *key, const char *value, const char *field, char **from, struct err *e)
{
	if (streq(key, "type"))
		return 0;
	if (streq(key, "from")) {
		if (m->kind == MOUNT_SECRET)
			return err_set(e, EINVAL, "secret mount should not have a from");
		set(from, value);
		return 0;
	}
	if (streq(key, "source") || streq(key, "src")) {
		if (m->kind == MOUNT_SSH)
			return err_set(e, EINVAL, "ssh does not support source");
		if (m->kind == MOUNT_SECRET && m->id)
			return err_set(e, EINVAL, "both source and id can't be set");
		set(m->kind == MOUNT_SECRET ? &m->id : &m->source, value);
		return 0;
	}
	if (streq(key, "target") || streq(key, "dst") || streq(key, "destination")) {
		set(&m->target, value);
		return 0;
	}
	if (streq(key, "id")) {
		if (m->kind == MOUNT_SECRET && m->id)
			return err_set(e, EINVAL, "both source and id can't be set");
		set(&m->id, value);
		return 0;
	}
	if (streq(key, "sharing"))
		return set_sharing(m, value, e);
	if (streq(key, "mode") || streq(key, "uid") || streq(key, "gid"))
		return set_ids(m, key, value, e);
	if (streq(key, "size"))
		return set_size(m, field, value, e);
	if (streq(key, "env") && m->kind == MOUNT_SECRET) {
		set(&m->env, value);
		return 0;
	}
	return unknown_key(key, field, e);
}

static int add_field(struct run_mount *m, const char *field, char **from, struct err *e)
{
	const char *eq = strchr(field, '=');
	auto_free char *given = xstrndup(field, eq ? (size_t)(eq - field) : strlen(field)), *key = lowered(given);
	bool yes;

	if (streq(key, "ro") || streq(key, "readonly") || streq(key, "rw") || streq(key, "readwrite")) {
		TRY(flag_value(key, eq ? eq + 1 : NULL, &yes, e));
		m->has_ro = true;
		m->read_only = *key == 'r' && key[1] == 'w' ? !yes : streq(key, "readwrite") ? !yes : yes;
		return 0;
	}
	if (streq(key, "required")) {
		if (m->kind != MOUNT_SECRET && m->kind != MOUNT_SSH)
			return err_set(e, EINVAL, "unexpected key '%s' for mount type '%s'", key, kind_name(m->kind));
		return flag_value(key, eq ? eq + 1 : NULL, &m->required, e);
	}
	if (!eq)
		return err_set(e, EINVAL, "invalid field '%s' must be a key=value pair", field);
	return set_key(m, key, eq + 1, field, from, e);
}

static int find_kind(const struct strv *fields, struct run_mount *m, struct err *e)
{
	for (size_t i = 0; i < fields->n; i++) {
		const char *v = strncasecmp(fields->v[i], "type=", 5) == 0 ? fields->v[i] + 5 : NULL, *near;
		auto_free char *lower = v ? lowered(v) : NULL;
		int kind = v ? kind_parse(lower) : MOUNT_BIND;

		if (!v)
			continue;
		near = kind < 0 ? str_nearest(v, kind_names, ARRAY_LEN(kind_names), sizeof(*kind_names)) : NULL;
		if (kind < 0)
			return near ? err_set(e, EINVAL, "unsupported mount type \"%s\" (did you mean %s?)", v, near) :
				      err_set(e, EINVAL, "unsupported mount type \"%s\"", v);
		m->kind = (enum mount_kind)kind;
	}
	return 0;
}

/* What follows from the rest. */
static int complete(struct run_mount *m, const char *cwd, struct err *e)
{
	if (m->kind == MOUNT_SECRET) {
		if (!m->id && !m->target)
			return err_set(e, EINVAL, "invalid secret mount. one of source, target required");
		if (!m->id)
			m->id = xstrdup(path_base(m->target));
		if (!m->target && !m->env)
			m->target = xasprintf("/run/secrets/%s", path_base(m->id));
	}
	if (m->kind == MOUNT_SSH && !m->id)
		m->id = xstrdup("default");
	if (!m->target && (m->kind == MOUNT_SSH || m->env))
		return 0;

	/* without a target it is the working folder */
	auto_free char *joined = path_join(cwd, str0(m->target)), *clean = path_clean(joined);

	if (streq(clean, "/"))
		return err_set(e, EINVAL, "invalid mount target \"/\"");
	free(m->target);
	m->target = TAKE(clean);
	if (m->kind == MOUNT_CACHE && !m->id)
		m->id = xstrdup(m->target);
	if (!m->has_mode)
		m->mode = m->kind == MOUNT_SECRET ? 0400 : m->kind == MOUNT_SSH ? 0600 : 0755;
	if (!m->has_ro)
		m->read_only = m->kind == MOUNT_BIND;
	return 0;
}

int run_mount_parse(const char *text, const char *cwd, bool final, struct run_mount *ret, char **ret_from, struct err *e)
{
	AUTO_STRV(fields);

	*ret = (struct run_mount){ 0 };
	TRY(csv_fields(text, &fields, e));
	if (!final) {
		for (size_t i = 0; i < fields.n; i++)
			if (str_starts(fields.v[i], "from="))
				set(ret_from, fields.v[i] + 5);
		return 0;
	}
	TRY(find_kind(&fields, ret, e));
	for (size_t i = 0; i < fields.n; i++)
		TRY(add_field(ret, fields.v[i], ret_from, e));
	return complete(ret, cwd, e);
}
