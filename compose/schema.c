/* SPDX-License-Identifier: MIT
 *
 * One function a type of attribute, and the rows do the rest. A value that may hold a variable may be a string, whatever it is in the
 * end. What only the whole project can know (that a network exists) is no matter of a schema.
 */
#include "compose/schema.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"
#include "compose/emit.h"
#include "compose/ftypes.h"

#define NAME_PATTERN "^[a-zA-Z0-9._-]+$"

static void object(struct emitter *x, const struct object_type *o, const struct field *table, const char *types);

/* ---- pieces: keys of a schema that is open ---- */

static void add_str(struct emitter *x, const char *key, const char *value)
{
	emit_key(x, key);
	emit_str(x, value);
}

static void add_words(struct emitter *x, const char *key, const char *const *words)
{
	emit_key(x, key);
	emit_list(x);
	for (; *words; words++)
		emit_str(x, *words);
	emit_end(x);
}

/* "string integer": one type, or several. */
static void add_type(struct emitter *x, const char *types)
{
	AUTO_STRV(names);

	strv_split(&names, types, " ");
	if (names.n == 1)
		add_str(x, "type", types);
	else
		add_words(x, "type", (const char *const *)strv_v(&names));
}

static void type_only(struct emitter *x, const char *types)
{
	emit_map(x);
	add_type(x, types);
	emit_end(x);
}

static void any_of(struct emitter *x)
{
	emit_key(x, "anyOf");
	emit_list(x);
}

/* What items of a list, values of a mapping are. They bind lists and mappings alone, so several forms need no anyOf, and a mistake is
 * told where it is. */
static void add_items(struct emitter *x, const char *types)
{
	emit_key(x, "items");
	type_only(x, types);
}

static void add_values(struct emitter *x, const char *types)
{
	emit_key(x, "additionalProperties");
	type_only(x, types);
}

static void add_flag(struct emitter *x, const char *key, bool on)
{
	emit_key(x, key);
	emit_bool(x, on);
}

/* ---- types ---- */

static void string_schema(struct emitter *x, const struct field *f)
{
	(void)f;
	add_type(x, "string");
}

static void text_schema(struct emitter *x, const struct field *f)
{
	(void)f;
	add_type(x, "string number boolean");
}

static void variable(struct emitter *x)
{
	emit_map(x);
	add_str(x, "type", "string");
	add_str(x, "pattern", "\\$");
	add_str(x, "description", "with a variable");
	emit_end(x);
}

static void word_schema(struct emitter *x, const struct field *f)
{
	any_of(x);
	emit_map(x);
	add_words(x, "enum", f->detail);
	emit_end(x);
	variable(x);
	emit_end(x);
}

static void pattern_schema(struct emitter *x, const struct field *f)
{
	const struct pattern *p = f->detail;

	any_of(x);
	emit_map(x);
	add_str(x, "type", "string");
	add_str(x, "pattern", p->regex);
	emit_end(x);
	variable(x);
	emit_end(x);
}

static void bool_schema(struct emitter *x, const struct field *f)
{
	(void)f;
	add_type(x, "boolean string");
}

static void external_schema(struct emitter *x, const struct field *f)
{
	(void)f;
	add_type(x, "boolean string object");
	emit_key(x, "properties");
	emit_map(x);
	emit_key(x, "name");
	emit_map(x);
	add_type(x, "string");
	add_flag(x, "deprecated", true);
	emit_end(x);
	emit_end(x);
	add_flag(x, "additionalProperties", false);
}

static void number(struct emitter *x, const struct field *f, const char *kind)
{
	AUTO_STR(types, 64);

	if (!(f->flags & F_STRING_ONLY))
		str_add(&types, kind);
	if (!(f->flags & F_NUMBER_ONLY))
		str_addf(&types, "%sstring", types.len ? " " : "");
	add_type(x, types.s);
}

static void int_schema(struct emitter *x, const struct field *f)
{
	const struct range *r = f->detail;

	number(x, f, f->flags & F_FRACTION ? "number" : "integer");
	if (r && r->min > INT64_MIN) {
		emit_key(x, "minimum");
		emit_int(x, r->min);
	}
	if (r && r->max < INT64_MAX) {
		emit_key(x, "maximum");
		emit_int(x, r->max);
	}
}

static void number_schema(struct emitter *x, const struct field *f)
{
	number(x, f, "number");
}

static void version_schema(struct emitter *x, const struct field *f)
{
	(void)f;
	add_type(x, "string");
	add_flag(x, "deprecated", true);
}

static void any_schema(struct emitter *x, const struct field *f)
{
	(void)x, (void)f;
}

static void strings_schema(struct emitter *x, const struct field *f)
{
	add_type(x, f->flags & F_SCALAR_LIST ? "array string" : "array");
	add_items(x, f->flags & F_DROP_EMPTY ? "string null" : f->flags & F_NUMBERS ? "string integer" : "string");
	if (f->flags & F_DISTINCT)
		add_flag(x, "uniqueItems", true);
}

static void command_schema(struct emitter *x, const struct field *f)
{
	add_type(x, f->flags & (F_RESET | F_JSON_NULL) ? "string array null" : "string array");
	add_items(x, "string");
}

static void pairs_schema(struct emitter *x, const struct field *f)
{
	(void)f;
	add_type(x, "object array");
	add_values(x, "string number boolean null");
	add_items(x, "string");
}

static void options_schema(struct emitter *x, const struct field *f)
{
	add_type(x, "object");
	add_values(x, options_kinds(f));
}

static void option_lists_schema(struct emitter *x, const struct field *f)
{
	(void)f;
	add_type(x, "object");
	emit_key(x, "additionalProperties");
	emit_map(x);
	add_type(x, "string number boolean array");
	add_items(x, "string number boolean");
	emit_end(x);
}

static void hosts_schema(struct emitter *x, const struct field *f)
{
	(void)f;
	add_type(x, "object array");
	add_items(x, "string");
	emit_key(x, "additionalProperties");
	emit_map(x);
	add_type(x, "string array");
	add_items(x, "string");
	emit_end(x);
}

static void list_schema(struct emitter *x, const struct field *f)
{
	const struct object_type *o = f->detail;

	add_type(x, f->flags & F_SCALAR_LIST ? "array string" : "array");
	emit_key(x, "items");
	emit_map(x);
	object(x, o, o->fields, o->expand ? "object string number" : o->shorthand ? "object string" : "object");
	emit_end(x);
}

static void object_schema(struct emitter *x, const struct field *f)
{
	const struct object_type *o = f->detail;

	object(x, o, o->fields, o->shorthand ? "object string" : f->flags & F_NULL ? "object null" : "object");
}

static void map_schema(struct emitter *x, const struct field *f)
{
	const struct object_type *o = f->detail;
	bool nulls = o->null >= 0 || (f->flags & F_NULL);

	add_type(x, f->flags & F_SCALAR_LIST ? "object array" : "object");
	if (f->flags & F_SCALAR_LIST) {
		add_items(x, "string");
		add_flag(x, "uniqueItems", true);
	}
	if (o->any_name) {
		emit_key(x, "additionalProperties");
	} else {
		add_flag(x, "additionalProperties", false);
		emit_key(x, "patternProperties");
		emit_map(x);
		emit_key(x, NAME_PATTERN);
	}
	emit_map(x);
	object(x, o, o->fields, f->type == &ft_ulimit ? "object integer string" : nulls ? "object null" : "object");
	emit_end(x);
	if (!o->any_name)
		emit_end(x);
}

/* One string or a mapping with KEYS, each a string or a list of them; the first one must be there. Into the schema that is open. */
static void plain_object(struct emitter *x, const char *const *keys)
{
	add_type(x, "string object");
	emit_key(x, "properties");
	emit_map(x);
	for (size_t i = 0; keys[i]; i++) {
		emit_key(x, keys[i]);
		emit_map(x);
		add_type(x, "string array");
		add_items(x, "string");
		emit_end(x);
	}
	emit_end(x);
	emit_key(x, "required");
	emit_list(x);
	emit_str(x, keys[0]);
	emit_end(x);
	add_flag(x, "additionalProperties", false);
}

static void extends_schema(struct emitter *x, const struct field *f)
{
	static const char *const keys[] = { "service", "file", NULL };

	(void)f;
	plain_object(x, keys);
}

static void include_schema(struct emitter *x, const struct field *f)
{
	static const char *const keys[] = { "path", "project_directory", "env_file", NULL };

	(void)f;
	add_type(x, "array");
	emit_key(x, "items");
	emit_map(x);
	plain_object(x, keys);
	emit_end(x);
}

static const struct schema_type {
	const struct ftype *type;
	void (*add)(struct emitter *x, const struct field *f);
	const char *note; /* of the description */
} type_rows[] = {
	{ &ft_string, string_schema, NULL },
	{ &ft_text, text_schema, NULL },
	{ &ft_word, word_schema, NULL },
	{ &ft_pattern, pattern_schema, NULL },
	{ &ft_bool, bool_schema, NULL },
	{ &ft_true, bool_schema, NULL },
	{ &ft_tri, bool_schema, NULL },
	{ &ft_external, external_schema, "made elsewhere" },
	{ &ft_int, int_schema, NULL },
	{ &ft_optint, int_schema, NULL },
	{ &ft_count, number_schema, "a number, or all" },
	{ &ft_double, number_schema, NULL },
	{ &ft_float, number_schema, NULL },
	{ &ft_bytes, number_schema, "bytes, or a size such as 64m, 1.5gb" },
	{ &ft_duration, string_schema, "a duration such as 90s, 1m30s, 500ms" },
	{ &ft_mode, number_schema, "permissions, octal: 0440" },
	{ &ft_tmpfs_mode, number_schema, "permissions, octal: 01777" },
	{ &ft_path, string_schema, "a path; relative ones start from the project directory" },
	{ &ft_version, version_schema, "obsolete: it has no meaning any more" },
	{ &ft_any, any_schema, NULL },
	{ &ft_extends, extends_schema, "the service that this one is based on" },
	{ &ft_include, include_schema, "other compose files" },
	{ &ft_strings, strings_schema, NULL },
	{ &ft_command, command_schema, "words, or a string that is split into words" },
	{ &ft_test, command_schema, "[CMD, program, argument…], [CMD-SHELL, script], [NONE], or one string for a shell" },
	{ &ft_list, list_schema, NULL },
	{ &ft_option_lists, option_lists_schema, NULL },
	{ &ft_kvs, pairs_schema, "a mapping, or a list of KEY=VALUE" },
	{ &ft_env, pairs_schema, "a mapping, or a list of KEY=VALUE; without a value: the one that gantry was started with" },
	{ &ft_args, pairs_schema, "a mapping, or a list of KEY=VALUE" },
	{ &ft_options, options_schema, NULL },
	{ &ft_contexts, pairs_schema, "a mapping, or a list of NAME=CONTEXT" },
	{ &ft_ssh, pairs_schema, "default, or ID=PATH" },
	{ &ft_object, object_schema, NULL },
	{ &ft_embed, object_schema, NULL },
	{ &ft_map, map_schema, NULL },
	{ &ft_ulimit, map_schema, "a limit for both, or soft and hard" },
	{ &ft_logging, object_schema, NULL },
	{ &ft_extra_hosts, hosts_schema, "host to address: a mapping, or a list of HOST=ADDRESS" },
};

/* ---- objects ---- */

static const struct schema_type *type_of(const struct field *f)
{
	for (size_t i = 0; i < ARRAY_LEN(type_rows); i++)
		if (type_rows[i].type == f->type)
			return &type_rows[i];
	BUG("no schema for type '%s' of '%s'", f->type->name, f->key);
}

static void describe(struct emitter *x, const struct field *f, const struct schema_type *t)
{
	AUTO_STR(text, 1024);

	if (t->note)
		str_add(&text, t->note);
	if (f->support != SUPPORT_FULL)
		str_addf(&text, "%sgantry: %s: %s", text.len ? ". " : "", support_name((int)f->support), f->reason);
	if (text.len)
		add_str(x, "description", text.s);
}

static void properties(struct emitter *x, const struct field *table)
{
	emit_key(x, "properties");
	emit_map(x);
	for (const struct field *f = table; f->key; f++) {
		if (f->flags & F_INLINE)
			continue;
		emit_key(x, f->key);
		emit_map(x);
		describe(x, f, type_of(f));
		type_of(f)->add(x, f);
		emit_end(x);
	}
	emit_end(x);
}

static void required(struct emitter *x, const struct field *table)
{
	bool any = false;

	for (const struct field *f = table; f->key; f++)
		any |= (f->flags & F_REQUIRED) != 0;
	if (!any)
		return;
	emit_key(x, "required");
	emit_list(x);
	for (const struct field *f = table; f->key; f++)
		if (f->flags & F_REQUIRED)
			emit_str(x, f->key);
	emit_end(x);
}

/* Into the schema that is open. O NULL: the project. */
static void object(struct emitter *x, const struct object_type *o, const struct field *table, const char *types)
{
	const struct field *ext = field_find(table, "x-");

	if (o)
		add_str(x, "title", o->what);
	add_type(x, types);
	properties(x, table);
	if (ext) {
		emit_key(x, "patternProperties");
		emit_map(x);
		emit_key(x, "^x-");
		emit_map(x);
		emit_end(x);
		emit_end(x);
	}
	required(x, table);
	add_flag(x, "additionalProperties", false);
}

void schema_print(struct arena *a, struct str *out)
{
	struct emitter x;

	emit_init(&x, a, out, EMIT_JSON);
	emit_map(&x);
	add_str(&x, "$schema", "http://json-schema.org/draft-07/schema#");
	add_str(&x, "title", "Compose file, as gantry reads it");
	object(&x, NULL, project_fields, "object");
	emit_end(&x);
	str_addc(out, '\n');
}
