/* SPDX-License-Identifier: MIT
 *
 * compose/ftypes_scalar.c - types of one value: text, words, booleans, numbers, sizes, durations, modes, paths
 *
 * What YAML made of a plain scalar decides which forms are accepted (compose.md §2 "forms"); the value itself is read at decode,
 * so a string that an interpolated variable gave is as good as the number itself.
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "compose/emit.h"
#include "compose/ftypes.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const struct range range_unsigned = { 0, INT64_MAX };
const struct range range_percent = { 0, 100 };
const struct range range_weight = { 10, 1000 };
const struct range range_oom = { -1000, 1000 };
const struct range range_port = { 1, 65535 };

/* ---- what YAML scalars mean: yaml.c left their canonical text ---- */

static bool is_type(const struct node *n, enum scalar_type t)
{
	return node_is_scalar(n) && n->type == t;
}

bool scalar_int(const struct node *n, int64_t *ret)
{
	char *end;

	if (!is_type(n, SCALAR_INT))
		return false;
	errno = 0;
	*ret = strtoll(n->text, &end, 10);
	return !errno && end != n->text && !*end;
}

bool scalar_double(const struct node *n, double *ret)
{
	char *end;

	if (!is_type(n, SCALAR_FLOAT) && !is_type(n, SCALAR_INT))
		return false;
	*ret = strtod(n->text, &end); /* knows +Inf and NaN too */
	return end != n->text && !*end;
}

bool scalar_true(const struct node *n)
{
	return n->text[0] == 't';
}

/* ---- strings ---- */

static int string_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	(void)f;
	if (node_is_null(*n) || is_type(*n, SCALAR_STR))
		return 0;
	if (is_type(*n, SCALAR_TIME)) { /* an unquoted date: the text is what was meant */
		*n = field_str_at(c, *n, (*n)->text);
		return 0;
	}
	(void)field_type_err(c, *n, "string", e);
	if (node_is_scalar(*n))
		err_hint(e, "put it in quotes: \"%s\"", (*n)->text);
	return -EINVAL;
}

static int need_scalar(struct fctx *c, const struct field *f, const struct node *n, struct err *e)
{
	return node_is_scalar(n) ? 0 : field_type_err(c, n, f->type->name, e);
}

static int string_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	TRY(need_scalar(c, f, n, e));
	*(const char **)member = n->text;
	return 0;
}

static bool string_emit(const struct field *f, const void *member, struct emitter *out)
{
	const char *s = *(const char *const *)member;

	if (!s || (!*s && !(f->flags & F_KEEP)))
		return false;
	emit_str(out, s);
	return true;
}

const struct ftype ft_string = { .name = "string", .canon = string_canon, .decode = string_decode, .emit = string_emit };

static int text_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	(void)f;
	if (node_is_null(*n) || is_type(*n, SCALAR_STR))
		return 0;
	if (!node_is_scalar(*n))
		return field_type_err(c, *n, "string or number", e);
	if (!(c->flags & FCTX_RAW))
		*n = field_str_at(c, *n, (*n)->text);
	return 0;
}

const struct ftype ft_text = { .name = "string", .canon = text_canon, .decode = string_decode, .emit = string_emit };

static int word_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	const char *const *words = f->detail;
	size_t count = 0;
	const char *near;
	char list[256] = "";
	size_t len = 0;

	TRY(need_scalar(c, f, n, e));
	if (str_in(n->text, words)) {
		*(const char **)member = n->text;
		return 0;
	}
	for (; words[count]; count++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "", words[count]);
	near = str_nearest(n->text, words, count, sizeof(*words));
	(void)field_err(c, n, e, "'%s' is not one of %s", n->text, list);
	if (near)
		err_hint(e, "did you mean '%s'?", near);
	return -EINVAL;
}

const struct ftype ft_word = { .name = "string", .canon = string_canon, .decode = word_decode, .emit = string_emit };

static int pattern_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	const struct pattern *p = f->detail;

	TRY(need_scalar(c, f, n, e));
	if (!p->match(n->text))
		return field_err(c, n, e, "'%s' is not %s", n->text, p->want);
	*(const char **)member = n->text;
	return 0;
}

const struct ftype ft_pattern = { .name = "string", .canon = string_canon, .decode = pattern_decode, .emit = string_emit };

/* ---- booleans ---- */

int scalar_bool(struct fctx *c, const struct node *n, bool strict, bool *ret, struct err *e)
{
	static const char *const yes[] = { "y", "yes", "on", NULL }, *const no[] = { "n", "no", "off", NULL };
	char low[8] = "";

	if (!node_is_scalar(n))
		return field_type_err(c, n, "boolean", e);
	if (n->type == SCALAR_BOOL) {
		*ret = scalar_true(n);
		return 0;
	}
	if (strict || n->type != SCALAR_STR)
		return field_type_err(c, n, "boolean", e);
	for (size_t i = 0; n->text[i] && i + 1 < sizeof(low); i++)
		low[i] = (char)(n->text[i] >= 'A' && n->text[i] <= 'Z' ? n->text[i] + 32 : n->text[i]);
	if (strlen(n->text) >= sizeof(low))
		low[0] = '\0';
	if (streq(low, "true") || streq(low, "false")) {
		*ret = low[0] == 't';
		return 0;
	}
	if (str_in(low, yes) || str_in(low, no)) {
		*ret = str_in(low, yes);
		field_warn(c, n, "'%s' for boolean is not supported by YAML 1.2, please use '%s'", n->text, *ret ? "true" : "false");
		return 0;
	}
	return field_err(c, n, e, "invalid boolean '%s', want true or false", n->text);
}

static int bool_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	if (node_is_null(*n) || is_type(*n, SCALAR_BOOL) || (is_type(*n, SCALAR_STR) && !(f->flags & F_STRICT_BOOL)))
		return 0;
	return field_type_err(c, *n, "boolean", e);
}

static int bool_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	return scalar_bool(c, n, f->flags & F_STRICT_BOOL, member, e);
}

static bool bool_emit(const struct field *f, const void *member, struct emitter *out)
{
	bool v = *(const bool *)member;

	if (!v && !(f->flags & F_KEEP))
		return false;
	emit_bool(out, v);
	return true;
}

const struct ftype ft_bool = { .name = "boolean", .canon = bool_canon, .decode = bool_decode, .emit = bool_emit };
const struct ftype ft_true = { .name = "boolean", .canon = bool_canon, .decode = bool_decode, .emit = bool_emit };

static int tri_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	bool v = false;

	TRY(scalar_bool(c, n, f->flags & F_STRICT_BOOL, &v, e));
	*(enum tri *)member = v ? TRI_TRUE : TRI_FALSE;
	return 0;
}

static bool tri_emit(const struct field *f, const void *member, struct emitter *out)
{
	enum tri v = *(const enum tri *)member;

	/* F_KEEP: false is the unusual value; otherwise as it was said */
	(void)f;
	if (v == TRI_UNSET)
		return false;
	emit_bool(out, v == TRI_TRUE);
	return true;
}

const struct ftype ft_tri = { .name = "boolean", .canon = bool_canon, .decode = tri_decode, .emit = tri_emit };

/* external: true | {name: x}; the old form moves the name up (validate_tree does, it sees the whole object). */
static int external_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	if (node_is_map(*n))
		return 0;
	return bool_canon(c, f, n, e);
}

static int external_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	if (node_is_map(n)) {
		*(bool *)member = true;
		return 0;
	}
	return bool_decode(c, f, n, member, e);
}

const struct ftype ft_external = { .name = "boolean", .canon = external_canon, .decode = external_decode, .emit = bool_emit };

/* ---- numbers ---- */

static int number_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	const struct node *v = *n;

	if (node_is_null(v))
		return 0;
	if (is_type(v, SCALAR_STR) && !(f->flags & F_NUMBER_ONLY))
		return 0;
	if ((is_type(v, SCALAR_INT) || is_type(v, SCALAR_FLOAT)) && !(f->flags & F_STRING_ONLY))
		return 0;
	return field_type_err(c, v, f->flags & F_STRING_ONLY ? "string" : f->type->name, e);
}

/* Whole number of a scalar: YAML number, or a strictly decimal string. */
static int whole(struct fctx *c, const struct field *f, const struct node *n, int64_t *ret, struct err *e)
{
	const struct range *r = f->detail;
	AUTO_ERR(scratch);
	double d;

	TRY(need_scalar(c, f, n, e));
	if (n->type == SCALAR_STR) {
		const char *s = n->text[0] == '+' ? n->text + 1 : n->text;

		if (num_int(s, INT64_MIN, INT64_MAX, ret, &scratch) < 0)
			return field_err(c, n, e, "'%s' is not a whole number", n->text);
	} else if (!scalar_int(n, ret)) {
		if (!scalar_double(n, &d) || !(fabs(d) < 9e18) || (d != floor(d) && !(f->flags & F_FRACTION)))
			return field_err(c, n, e, "must be an integer, not %s", n->text);
		*ret = (int64_t)d;
	}
	if (r && *ret < r->min)
		return field_err(c, n, e, "must be greater than or equal to %" PRId64 ", not %" PRId64, r->min, *ret);
	if (r && *ret > r->max)
		return field_err(c, n, e, "must be less than or equal to %" PRId64 ", not %" PRId64, r->max, *ret);
	return 0;
}

static int int_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	return whole(c, f, n, member, e);
}

static bool int_emit(const struct field *f, const void *member, struct emitter *out)
{
	int64_t v = *(const int64_t *)member;

	if (v == 0 && !(f->flags & F_KEEP))
		return false;
	emit_int(out, v);
	return true;
}

const struct ftype ft_int = { .name = "number", .canon = number_canon, .decode = int_decode, .emit = int_emit };

static int optint_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	struct opt_int o = { true, 0 };

	TRY(whole(c, f, n, &o.v, e));
	*(struct opt_int *)member = o;
	return 0;
}

static bool optint_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct opt_int *o = member;

	(void)f;
	if (!o->set)
		return false;
	emit_int(out, o->v);
	return true;
}

const struct ftype ft_optint = { .name = "number", .canon = number_canon, .decode = optint_decode, .emit = optint_emit };

static int count_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	struct opt_int o = { true, -1 };
	AUTO_ERR(scratch);

	TRY(need_scalar(c, f, n, e));
	if (n->type == SCALAR_STR && !streq(n->text, "all") && num_int(n->text, INT64_MIN, INT64_MAX, &o.v, &scratch) < 0)
		return field_err(c, n, e, "invalid value \"%s\", the only value allowed is 'all' or a number", n->text);
	if (n->type != SCALAR_STR)
		TRY(whole(c, f, n, &o.v, e));
	*(struct opt_int *)member = o;
	return 0;
}

static bool count_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct opt_int *o = member;

	return o->v != 0 && optint_emit(f, member, out);
}

const struct ftype ft_count = { .name = "number or string", .canon = number_canon, .decode = count_decode, .emit = count_emit };

static int double_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	const struct range *r = f->detail;
	AUTO_ERR(scratch);
	double d = 0;

	TRY(need_scalar(c, f, n, e));
	if (n->type == SCALAR_STR ? num_double(n->text, &d, &scratch) < 0 : !scalar_double(n, &d))
		return field_err(c, n, e, "'%s' is not a number", n->text);
	if (r && (d < (double)r->min || d > (double)r->max))
		return field_err(c, n, e, "%s is not between %" PRId64 " and %" PRId64, n->text, r->min, r->max);
	*(double *)member = d;
	return 0;
}

static bool double_emit(const struct field *f, const void *member, struct emitter *out)
{
	double v = *(const double *)member;

	if (v == 0)
		return false;
	emit_double(out, v, f->type == &ft_float);
	return true;
}

const struct ftype ft_double = { .name = "number", .canon = number_canon, .decode = double_decode, .emit = double_emit };
const struct ftype ft_float = { .name = "number", .canon = number_canon, .decode = double_decode, .emit = double_emit };

/* ---- sizes, durations, modes ---- */

static int bytes_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	AUTO_ERR(scratch);
	double d;

	TRY(need_scalar(c, f, n, e));
	if (n->type == SCALAR_INT && f->detail && n->text[0] == '-')
		return field_err(c, n, e, "must be greater than or equal to 0, not %s", n->text);
	if (n->type == SCALAR_INT && scalar_int(n, member))
		return 0;
	if (n->type == SCALAR_FLOAT && scalar_double(n, &d)) {
		/* docker compose drops an unquoted fraction in silence; what was meant cannot be told */
		if (d != floor(d) || fabs(d) > 9e18)
			return field_err(c, n, e, "%s is not a size", n->text);
		*(int64_t *)member = (int64_t)d;
		return 0;
	}
	if (n->text[0] == '-' && !f->detail && num_int(n->text, INT64_MIN, 0, member, &scratch) >= 0)
		return 0; /* "-1": unlimited */
	err_clear(&scratch);
	if (num_bytes(n->text, member, &scratch) < 0) {
		(void)field_err(c, n, e, "invalid size '%s'", n->text);
		err_hint(e, "want a number of bytes, or one with a unit: 512m, 1.5g, 64k");
		return -EINVAL;
	}
	return 0;
}

static bool bytes_emit(const struct field *f, const void *member, struct emitter *out)
{
	int64_t v = *(const int64_t *)member;
	char buf[24];

	if (v == 0 && !(f->flags & F_KEEP))
		return false;
	(void)snprintf(buf, sizeof(buf), "%" PRId64, v);
	emit_str(out, buf);
	return true;
}

const struct ftype ft_bytes = { .name = "number or string", .canon = number_canon, .decode = bytes_decode, .emit = bytes_emit };

static int duration_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	(void)f;
	if (node_is_null(*n) || is_type(*n, SCALAR_STR))
		return 0;
	(void)field_type_err(c, *n, "duration", e);
	if (node_is_scalar(*n))
		err_hint(e, "a duration has a unit: %ss, %sms, 1m30s", (*n)->text, (*n)->text);
	return -EINVAL;
}

static int duration_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	struct opt_int o = { true, 0 };
	AUTO_ERR(scratch);

	TRY(need_scalar(c, f, n, e));
	if (num_duration(n->text, &o.v, &scratch) < 0) {
		(void)field_err(c, n, e, "invalid duration '%s'", n->text);
		err_hint(e, "want numbers with units: 30s, 1m30s, 500ms");
		return -EINVAL;
	}
	*(struct opt_int *)member = o;
	return 0;
}

static bool duration_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct opt_int *o = member;
	auto_free char *text = NULL;

	(void)f;
	if (!o->set)
		return false;
	text = num_duration_text(o->v);
	emit_str(out, text);
	return true;
}

const struct ftype ft_duration = { .name = "string", .canon = duration_canon, .decode = duration_decode, .emit = duration_emit };

static int mode_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	struct opt_int o = { true, 0 };
	AUTO_ERR(scratch);
	uint64_t v = 0;

	TRY(need_scalar(c, f, n, e));
	if (n->type != SCALAR_STR)
		TRY(whole(c, f, n, &o.v, e));
	else if (num_uint(n->text, 07777, &v, &scratch) < 0)
		return field_err(c, n, e, "'%s' is not a file mode, want 0440", n->text);
	else
		o.v = strtol(n->text, NULL, 8);
	if (o.v < 0 || o.v > UINT32_MAX)
		return field_err(c, n, e, "'%s' is not a file mode, want 0440", n->text);
	*(struct opt_int *)member = o;
	return 0;
}

const struct ftype ft_mode = { .name = "number or string", .canon = number_canon, .decode = mode_decode, .emit = optint_emit };

static int tmpfs_mode_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	if (is_type(n, SCALAR_STR)) {
		(void)field_err(c, n, e, "must be a number, not the string '%s'", n->text);
		err_hint(e, "leave out the quotes: 01777");
		return -EINVAL;
	}
	return whole(c, f, n, member, e);
}

const struct ftype ft_tmpfs_mode = { .name = "number", .canon = number_canon, .decode = tmpfs_mode_decode, .emit = int_emit };

/* ---- paths ---- */

const char *path_clean_in(struct fctx *c, const char *path)
{
	auto_free char *clean = path_clean(path);

	return streq(clean, path) ? path : arena_strdup(c->arena, clean);
}

/* A drive letter: absolute on the system it was written for. */
static bool is_windows_abs(const char *s)
{
	return ((s[0] | 32) >= 'a' && (s[0] | 32) <= 'z' && s[1] == ':' && (s[2] == '\\' || s[2] == '/')) ||
	       (s[0] == '\\' && s[1] == '\\');
}

static bool is_remote(const char *s)
{
	static const char *const prefixes[] = { "https://", "http://", "git://", "ssh://", "github.com/", "git@", "service:" };

	if (strstr(s, "://"))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_starts(s, prefixes[i]))
			return true;
	return false;
}

/* The longest existing part of PATH with its links resolved; watch paths are compared with what inotify tells. */
static const char *resolve_links(struct fctx *c, const char *path)
{
	char *real = realpath(path, NULL);
	const char *ret = path;

	if (real)
		ret = arena_strdup(c->arena, real);
	free(real);
	return ret;
}

const char *path_resolve(struct fctx *c, const char *path, unsigned flags)
{
	if (!*path && !(flags & F_PATH_UNIX))
		return path;
	if ((flags & F_PATH_CONTEXT) && is_remote(path))
		return path;
	if (path[0] == '~') {
		if (c->home)
			path = arena_printf(c->arena, "%s/%s", c->home, path + 1);
		path = path_clean_in(c, path);
	}
	if (path[0] != '/') {
		if ((flags & F_PATH_UNIX) && is_windows_abs(path))
			return path;
		if (c->dir)
			path = path_clean_in(c, arena_printf(c->arena, "%s/%s", c->dir, path));
	}
	return flags & F_PATH_LINKS ? resolve_links(c, path) : path;
}

static int path_paths(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	const char *s;

	(void)e;
	if (!is_type(*n, SCALAR_STR))
		return 0;
	s = path_resolve(c, (*n)->text, f->flags);
	if (s != (*n)->text)
		*n = field_str_at(c, *n, s);
	return 0;
}

const struct ftype ft_path = {
	.name = "string", .canon = string_canon, .paths = path_paths, .decode = string_decode, .emit = string_emit,
};

static int any_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	(void)c, (void)f, (void)n, (void)member, (void)e;
	return 0;
}

const struct ftype ft_version = { .name = "string", .canon = string_canon, .decode = any_decode };
const struct ftype ft_any = { .name = "value", .decode = any_decode };

/* Only what extends.c leaves: the name of a service without a body, which docker compose keeps. */
static int extends_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	(void)c, (void)f, (void)e;
	if (node_is_map(n))
		*(const struct node **)member = n;
	return 0;
}

static bool extends_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct node *n = *(const struct node *const *)member;

	(void)f;
	if (n)
		emit_node(out, n);
	return n;
}

const struct ftype ft_extends = { .name = "string or mapping", .decode = extends_decode, .emit = extends_emit };
const struct ftype ft_include = { .name = "list", .decode = any_decode };
