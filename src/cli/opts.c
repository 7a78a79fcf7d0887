/* SPDX-License-Identifier: MIT */
#include "cli/opts.h"

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include <errno.h>
#include <inttypes.h>

struct parse {
	const struct opt *rows;
	char *obj;
	const struct opts_also *also;
	struct err *e;
};

static const struct opt *find_long(const struct opt *rows, const char *name, size_t len)
{
	for (const struct opt *o = rows; !OPT_IS_END(o); o++)
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

static const struct opt *find_letter(const struct opt *rows, char letter)
{
	for (const struct opt *o = rows; !OPT_IS_END(o); o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

static bool is_bool(const struct opt *o)
{
	return o->type == OPT_BOOL || o->type == OPT_UNBOOL;
}

static int check_choice(const struct opt *o, const char *value, struct err *e)
{
	AUTO_STRV(names);

	if (!o->choices || str_in(value, o->choices))
		return 0;
	strv_add_all(&names, (char *const *)o->choices);
	auto_free char *list = strv_join(&names, ", ");
	return err_set(e, EINVAL, "invalid value \"%s\" for --%s: expected one of %s", value, o->name, list);
}

static char *owner_of(const struct parse *p, const struct opt *o)
{
	return p->also && o == find_long(p->also->rows, o->name, strlen(o->name)) ? p->also->obj : p->obj;
}

static int bad_value(struct parse *p, const struct opt *o)
{
	(void)err_wrap(p->e, "invalid argument for --%s", o->name);
	return err_exit(p->e, 16);
}

static int opt_set(struct parse *p, const struct opt *o, const char *value)
{
	void *at = owner_of(p, o) + o->offset;
	int64_t n;
	bool b;

	if (o->flags & OPT_REFUSED)
		return err_set(p->e, ENOTSUP, "--%s: %s", o->name, o->help);
	TRY(check_choice(o, value, p->e));
	switch (o->type) {
	case OPT_BOOL:
	case OPT_UNBOOL:
		if (num_bool(value, &b, p->e) < 0)
			return bad_value(p, o);
		*(bool *)at = o->type == OPT_BOOL ? b : !b;
		return 0;
	case OPT_STR:
		*(const char **)at = value;
		return 0;
	case OPT_LIST:
		strv_add(at, value);
		return 0;
	case OPT_INT:
		if (num_int(value, INT64_MIN, INT64_MAX, &n, p->e) < 0)
			return bad_value(p, o);
		*(int64_t *)at = n;
		return 0;
	case OPT_TYPES:
		break;
	}
	BUG("option --%s has no type", o->name);
}

/* "--name", "--name=value", "--name value". Returns how many further words were used. */
static int parse_long(struct parse *p, char *word, char *next)
{
	size_t len = strcspn(word + 2, "=");
	const struct opt *o = find_long(p->rows, word + 2, len);
	const char *value = word[2 + len] == '=' ? word + 2 + len + 1 : NULL;

	if (!o && p->also)
		o = find_long(p->also->rows, word + 2, len);
	if (!o) {
		size_t n = 0;

		while (!OPT_IS_END(&p->rows[n]))
			n++;
		auto_free char *name = strndup(word + 2, len);
		const char *near = str_nearest(name, &p->rows[0].name, n, sizeof p->rows[0]);

		err_set(p->e, EINVAL, "unknown flag: --%s", name);
		if (near)
			err_hint(p->e, "did you mean --%s?", near);
		return err_exit(p->e, 16);
	}
	if (value)
		return opt_set(p, o, value);
	if (is_bool(o))
		return opt_set(p, o, "true");
	if (!next) {
		err_set(p->e, EINVAL, "flag needs an argument: --%s", o->name);
		return err_exit(p->e, 16);
	}
	int r = opt_set(p, o, next);

	return r < 0 ? r : 1;
}

/* "-d", "-dT", "-n5", "-n=5", "-n 5" */
static int parse_letters(struct parse *p, char *word, char *next)
{
	for (char *c = word + 1; *c; c++) {
		const struct opt *o = find_letter(p->rows, *c);

		if (!o) {
			err_set(p->e, EINVAL, "unknown shorthand flag: '%c' in %s", *c, word);
			return err_exit(p->e, 16);
		}
		if (is_bool(o)) {
			if (c[1] == '=')
				return opt_set(p, o, c + 2);
			TRY(opt_set(p, o, "true"));
			continue;
		}
		if (c[1])
			return opt_set(p, o, c[1] == '=' ? c + 2 : c + 1);
		if (!next) {
			err_set(p->e, EINVAL, "flag needs an argument: '%c' in %s", *c, word);
			return err_exit(p->e, 16);
		}
		int r = opt_set(p, o, next);

		return r < 0 ? r : 1;
	}
	return 0;
}

static bool wants_help(const struct opt *rows, const char *word)
{
	return streq(word, "--help") || (streq(word, "-h") && !find_letter(rows, 'h'));
}

int opts_parse(const struct opt *rows, void *obj, const struct opts_also *also, int argc, char **argv, unsigned flags, struct strv *rest,
	       struct err *e)
{
	struct parse p = { rows, obj, also, e };
	int i = 1;

	for (; i < argc; i++) {
		char *w = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
		int used;

		if (streq(w, "--")) {
			i++;
			break;
		}
		if (w[0] != '-' || !w[1]) {
			if (flags & OPTS_STOP)
				break;
			strv_add(rest, w);
			continue;
		}
		if (wants_help(rows, w))
			return OPTS_HELP;
		used = w[1] == '-' ? parse_long(&p, w, next) : parse_letters(&p, w, next);
		if (used < 0)
			return used;
		i += used;
	}
	for (; i < argc; i++)
		strv_add(rest, argv[i]);
	return 0;
}

void opts_done(const struct opt *rows, void *obj)
{
	for (const struct opt *o = rows; !OPT_IS_END(o); o++)
		if (o->type == OPT_LIST && !(o->flags & OPT_REFUSED))
			strv_done((void *)((char *)obj + o->offset));
}

static int opt_width(const struct opt *o)
{
	return (int)(strlen(o->name) + (o->arg ? strlen(o->arg) + 1 : 0));
}

void opts_help(const struct opt *rows, FILE *out)
{
	int width = 0;

	for (const struct opt *o = rows; !OPT_IS_END(o); o++)
		if (!o->flags)
			width = MAX(width, opt_width(o));
	for (const struct opt *o = rows; !OPT_IS_END(o); o++) {
		if (o->flags)
			continue;
		if (o->letter)
			fprintf(out, "  -%c, --%s", o->letter, o->name);
		else
			fprintf(out, "      --%s", o->name);
		if (o->arg)
			fprintf(out, " %s", o->arg);
		fprintf(out, "%*s   %s\n", width - opt_width(o), "", o->help);
	}
}
