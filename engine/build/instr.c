/* SPDX-License-Identifier: MIT */
#include "engine/build/instr.h"

#include <errno.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/build/dockerfile.h"

static const struct instr_flag no_flags[] = { { NULL, 0 } };
static const struct instr_flag add_flags[] = {
	{ "chown", FLAG_STRING }, { "chmod", FLAG_STRING }, { "link", FLAG_BOOL }, { "checksum", FLAG_STRING }, { "keep-git-dir", FLAG_BOOL },
	{ "unpack", FLAG_BOOL }, { "exclude", FLAG_LIST }, { NULL, 0 }
};
static const struct instr_flag copy_flags[] = {
	{ "from", FLAG_STRING }, { "chown", FLAG_STRING }, { "chmod", FLAG_STRING }, { "link", FLAG_BOOL }, { "parents", FLAG_BOOL },
	{ "exclude", FLAG_LIST }, { NULL, 0 }
};
static const struct instr_flag from_flags[] = { { "platform", FLAG_STRING }, { NULL, 0 } };
static const struct instr_flag health_flags[] = {
	{ "interval", FLAG_STRING }, { "timeout", FLAG_STRING }, { "start-period", FLAG_STRING }, { "start-interval", FLAG_STRING },
	{ "retries", FLAG_STRING }, { NULL, 0 }
};
static const struct instr_flag run_flags[] = {
	{ "mount", FLAG_LIST }, { "network", FLAG_STRING }, { "security", FLAG_STRING }, { "device", FLAG_LIST }, { NULL, 0 }
};

/* clang-format off */
const struct instr_info instr_infos[INSTR_KINDS] = {
	[INSTR_ADD]         = { "ADD",         ARGS_JSON_OR_LIST, true,  false, add_flags },
	[INSTR_ARG]         = { "ARG",         ARGS_NAMES,        false, true,  no_flags },
	[INSTR_CMD]         = { "CMD",         ARGS_JSON_OR_TEXT, false, false, no_flags },
	[INSTR_COPY]        = { "COPY",        ARGS_JSON_OR_LIST, true,  false, copy_flags },
	[INSTR_ENTRYPOINT]  = { "ENTRYPOINT",  ARGS_JSON_OR_TEXT, false, false, no_flags },
	[INSTR_ENV]         = { "ENV",         ARGS_PAIRS,        false, false, no_flags },
	[INSTR_EXPOSE]      = { "EXPOSE",      ARGS_LIST,         false, false, no_flags },
	[INSTR_FROM]        = { "FROM",        ARGS_LIST,         false, false, from_flags },
	[INSTR_HEALTHCHECK] = { "HEALTHCHECK", ARGS_HEALTH,       false, false, health_flags },
	[INSTR_LABEL]       = { "LABEL",       ARGS_PAIRS,        false, false, no_flags },
	[INSTR_MAINTAINER]  = { "MAINTAINER",  ARGS_TEXT,         false, false, no_flags },
	[INSTR_ONBUILD]     = { "ONBUILD",     ARGS_NESTED,       true,  false, no_flags },
	[INSTR_RUN]         = { "RUN",         ARGS_JSON_OR_TEXT, true,  false, run_flags },
	[INSTR_SHELL]       = { "SHELL",       ARGS_JSON_OR_TEXT, false, false, no_flags },
	[INSTR_STOPSIGNAL]  = { "STOPSIGNAL",  ARGS_TEXT,         false, true,  no_flags },
	[INSTR_USER]        = { "USER",        ARGS_TEXT,         false, false, no_flags },
	[INSTR_VOLUME]      = { "VOLUME",      ARGS_JSON_OR_LIST, false, false, no_flags },
	[INSTR_WORKDIR]     = { "WORKDIR",     ARGS_TEXT,         false, false, no_flags },
};
/* clang-format on */

const char *instr_name(enum instr_kind kind)
{
	return instr_infos[kind].name;
}

enum instr_kind instr_find(const char *word, const char **ret_near)
{
	auto_free char *upper = xstrdup(word);

	for (char *p = upper; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	for (int i = 0; i < INSTR_KINDS; i++)
		if (streq(instr_infos[i].name, upper))
			return (enum instr_kind)i;
	if (ret_near)
		*ret_near = str_nearest(upper, &instr_infos[0].name, INSTR_KINDS, sizeof(instr_infos[0]));
	return INSTR_KINDS;
}

/* "--name=value": the length of the name. */
static size_t name_len(const char *flag)
{
	return strcspn(flag + 2, "=");
}

static const struct instr_flag *find(const struct instr_info *info, const char *flag)
{
	size_t n = name_len(flag);

	for (const struct instr_flag *f = info->flags; f->name; f++)
		if (strlen(f->name) == n && memcmp(f->name, flag + 2, n) == 0)
			return f;
	return NULL;
}

static int unknown(const struct instr_info *info, const char *flag, struct err *e)
{
	auto_free char *name = xstrndup(flag + 2, name_len(flag));
	size_t n = 0;
	const char *near;

	while (info->flags[n].name)
		n++;
	near = n ? str_nearest(name, &info->flags[0].name, n, sizeof(info->flags[0])) : NULL;
	if (near)
		return err_set(e, EINVAL, "unknown flag: --%s (did you mean %s?)", name, near);
	return err_set(e, EINVAL, "unknown flag: --%s", name);
}

int instr_flags_check(const struct instr *i, struct err *e)
{
	const struct instr_info *info = &instr_infos[i->kind];

	if (info->no_flags || (i->kind == INSTR_HEALTHCHECK && i->args.n == 1 && strcasecmp(i->args.v[0], "NONE") == 0))
		return 0;
	for (size_t k = 0; k < i->flags.n; k++) {
		const char *flag = i->flags.v[k], *value = flag + 2 + name_len(flag);
		const struct instr_flag *f = find(info, flag);

		if (!f)
			return unknown(info, flag, e);
		for (size_t j = 0; f->type != FLAG_LIST && j < k; j++)
			if (find(info, i->flags.v[j]) == f)
				return err_set(e, EINVAL, "duplicate flag specified: --%s", f->name);
		if (f->type == FLAG_BOOL ? streq(value, "=") : !*value)
			return err_set(e, EINVAL, "missing a value on flag: --%s", f->name);
		if (f->type == FLAG_BOOL && *value && strcasecmp(value + 1, "true") != 0 && strcasecmp(value + 1, "false") != 0)
			return err_set(e, EINVAL, "expecting boolean value for flag --%s, not: %s", f->name, value + 1);
	}
	return 0;
}

const char *instr_flag(const struct instr *i, const char *name)
{
	for (size_t k = 0; k < i->flags.n; k++) {
		const char *rest = str_after(i->flags.v[k] + 2, name);

		if (rest && (*rest == '=' || !*rest))
			return *rest ? rest + 1 : rest;
	}
	return NULL;
}

const char *instr_flag_value(const struct instr *i, const char *name)
{
	const char *v = instr_flag(i, name);

	return v && *v ? v : NULL;
}

bool instr_flag_bool(const struct instr *i, const char *name, bool dflt)
{
	const char *v = instr_flag(i, name);

	return v ? !*v || strcasecmp(v, "true") == 0 : dflt;
}

void instr_flag_list(const struct instr *i, const char *name, struct strv *ret)
{
	for (size_t k = 0; k < i->flags.n; k++) {
		const char *rest = str_after(i->flags.v[k] + 2, name);

		if (rest && *rest == '=')
			strv_add(ret, rest + 1);
	}
}
