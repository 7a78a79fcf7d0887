/* SPDX-License-Identifier: MIT
 *
 * What is wrong with an instruction by itself, before anything is expanded.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/build/stage.h"

static int none_given(const struct instr *i, const char *what, struct err *e)
{
	return err_set(e, EINVAL, "%s requires %s", instr_name(i->kind), what);
}

static int check_some(const struct instr *i, struct err *e)
{
	return i->args.n ? 0 : none_given(i, "at least one argument", e);
}

static int check_one(const struct instr *i, struct err *e)
{
	return i->args.n == 1 ? 0 : none_given(i, "exactly one argument", e);
}

static int check_copy(const struct instr *i, struct err *e)
{
	size_t n = i->args.n;

	if (n < 2)
		return err_set(e, EINVAL, "%s requires at least two arguments, but only one was provided. Destination could not be determined",
			instr_name(i->kind));
	if (i->ndocs && strstr(i->args.v[n - 1], "<<"))
		return err_set(e, EINVAL, "%s cannot accept a heredoc as a destination", instr_name(i->kind));
	return 0;
}

static bool stage_name_ok(const char *s)
{
	if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z')))
		return false;
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] == '\0';
}

static int check_from(const struct instr *i, struct err *e)
{
	if (i->args.n != 1 && !(i->args.n == 3 && strcasecmp(i->args.v[1], "as") == 0))
		return err_set(e, EINVAL, "FROM requires either one or three arguments");
	if (i->args.n == 3 && !stage_name_ok(i->args.v[2]))
		return err_set(e, EINVAL, "invalid name for build stage: \"%s\", name can't start with a number or contain symbols", i->args.v[2]);
	return 0;
}

static int check_names(const struct instr *i, struct err *e)
{
	TRY(check_some(i, e));
	for (size_t k = 0; k < i->args.n; k++)
		if (*i->args.v[k] == '=')
			return err_set(e, EINVAL, "%s names can not be blank", instr_name(i->kind));
	return 0;
}

static int check_shell(const struct instr *i, struct err *e)
{
	if (i->args.n && !i->json)
		return err_set(e, EINVAL, "SHELL requires the arguments to be in JSON form");
	return check_some(i, e);
}

static int check_volume(const struct instr *i, struct err *e)
{
	TRY(check_some(i, e));
	for (size_t k = 0; k < i->args.n; k++)
		if (!i->args.v[k][strspn(i->args.v[k], " \t")])
			return err_set(e, EINVAL, "VOLUME specified can not be an empty string");
	return 0;
}

static int check_interval(const struct instr *i, const char *flag, struct err *e)
{
	const char *v = instr_flag_value(i, flag);
	AUTO_ERR(bad);
	int64_t ns;

	if (!v)
		return 0;
	if (num_duration(v, &ns, &bad) < 0)
		return err_set(e, EINVAL, "time: invalid duration \"%s\"", v);
	if (ns != 0 && ns < 1000000)
		return err_set(e, EINVAL, "Interval \"%s\" cannot be less than 1ms", flag);
	return 0;
}

static int check_health(const struct instr *i, struct err *e)
{
	static const char *const intervals[] = { "interval", "timeout", "start-period", "start-interval" };
	const char *type = i->args.n ? i->args.v[0] : "", *retries = instr_flag_value(i, "retries");
	int64_t n;

	TRY(check_some(i, e));
	if (strcasecmp(type, "NONE") == 0)
		return i->args.n > 1 ? err_set(e, EINVAL, "HEALTHCHECK NONE takes no arguments") : 0;
	for (size_t k = 0; k < ARRAY_LEN(intervals); k++)
		TRY(check_interval(i, intervals[k], e));
	if (strcasecmp(type, "CMD") != 0) {
		auto_free char *upper = xstrdup(type);

		for (char *p = upper; *p; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		return err_set(e, EINVAL, "Unknown type \"%s\" in HEALTHCHECK (try CMD)", upper);
	}
	if (i->args.n < 2)
		return err_set(e, EINVAL, "Missing command after HEALTHCHECK CMD");
	if (!retries)
		return 0;
	TRY(num_int(retries, INT32_MIN, INT32_MAX, &n, e));
	return n < 0 ? err_set(e, EINVAL, "--retries cannot be negative (%lld)", (long long)n) : 0;
}

static int check_onbuild(const struct instr *i, struct err *e)
{
	size_t n;

	TRY(check_some(i, e));
	n = strcspn(i->args.v[0], " \t\v\f\r\n");

	/* what is no instruction fails when it is used, not here */
	auto_free char *word = xstrndup(i->args.v[0], n);
	enum instr_kind kind = instr_find(word, NULL);

	if (kind == INSTR_ONBUILD)
		return err_set(e, EINVAL, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	if (kind == INSTR_FROM || kind == INSTR_MAINTAINER)
		return err_set(e, EINVAL, "%s isn't allowed as an ONBUILD trigger", instr_name(kind));
	return 0;
}

static int check_run(const struct instr *i, struct err *e)
{
	const char *network = instr_flag_value(i, "network"), *security = instr_flag_value(i, "security");
	AUTO_STRV(mounts);

	if (network && !streq(network, "none") && !streq(network, "host") && !streq(network, "default"))
		return err_set(e, EINVAL, "invalid network mode \"%s\"", network);
	if (security && !streq(security, "sandbox") && !streq(security, "insecure"))
		return err_set(e, EINVAL, "security \"%s\" is not valid", security);
	instr_flag_list(i, "mount", &mounts);
	for (size_t k = 0; k < mounts.n; k++) {
		struct run_mount m = { 0 };
		auto_free char *from = NULL;
		int r = run_mount_parse(mounts.v[k], "/", false, &m, &from, e);

		run_mount_done(&m);
		if (r < 0)
			return r;
		if (from && strchr(from, '$'))
			return err_set(e, EINVAL, "'from' doesn't support variable expansion, define alias stage instead");
	}
	return 0;
}

static int check_nothing(const struct instr *i, struct err *e)
{
	(void)i;
	(void)e;
	return 0;
}

int instr_check(const struct instr *i, struct err *e)
{
	static int (*const checks[INSTR_KINDS])(const struct instr *, struct err *) = {
		[INSTR_ADD] = check_copy, [INSTR_ARG] = check_names, [INSTR_CMD] = check_nothing, [INSTR_COPY] = check_copy,
		[INSTR_ENTRYPOINT] = check_nothing, [INSTR_ENV] = check_names, [INSTR_EXPOSE] = check_some, [INSTR_FROM] = check_from,
		[INSTR_HEALTHCHECK] = check_health, [INSTR_LABEL] = check_names, [INSTR_MAINTAINER] = check_one,
		[INSTR_ONBUILD] = check_onbuild, [INSTR_RUN] = check_run, [INSTR_SHELL] = check_shell, [INSTR_STOPSIGNAL] = check_one,
		[INSTR_USER] = check_one, [INSTR_VOLUME] = check_volume, [INSTR_WORKDIR] = check_one,
	};
	int r = instr_flags_check(i, e);

	if (r >= 0)
		r = checks[i->kind](i, e);
	return r < 0 ? err_wrap(e, "dockerfile parse error on line %d", i->line) : 0;
}
