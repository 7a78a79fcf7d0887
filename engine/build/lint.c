/* SPDX-License-Identifier: MIT
 *
 * The build checks that look at the words of the file (dockerfile.md 10); others are where the facts are (instr_apply.c, dockerfile.c).
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/build/build_priv.h"
#include "engine/build/glob.h"

static bool has_case(const char *s, int (*is)(int))
{
	for (; *s; s++)
		if (is((unsigned char)*s))
			return true;
	return false;
}

static void lint_from(struct df_warnings *w, const struct instr *i)
{
	bool upper = !has_case(i->word, islower), lower = !has_case(i->word, isupper);

	if (i->args.n < 3)
		return;
	if ((upper && has_case(i->args.v[1], islower)) || (lower && has_case(i->args.v[1], isupper)))
		df_warn(w, "FromAsCasing", i->line, "'%s' and '%s' keywords' casing do not match", i->args.v[1], i->word);
	if (has_case(i->args.v[2], isupper))
		df_warn(w, "StageNameCasing", i->line, "Stage name '%s' should be lowercase", i->args.v[2]);
	if (strcasecmp(i->args.v[2], "scratch") == 0 || strcasecmp(i->args.v[2], "context") == 0)
		df_warn(w, "ReservedStageName", i->line, "Stage name should not use the same name as reserved stage \"%s\"", i->args.v[2]);
}

/* A word of NAME, split at '_', that tells of a secret, and none that says otherwise. */
static bool looks_secret(const char *name)
{
	static const char *const secret[] = { "apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token",
					      NULL };
	static const char *const harmless[] = { "public", "file", "version", NULL };
	AUTO_STRV(words);
	bool yes = false;

	strv_split(&words, name, "_");
	for (size_t i = 0; i < words.n; i++) {
		str_lower(words.v[i]);
		if (str_in(words.v[i], harmless))
			return false;
		yes |= str_in(words.v[i], secret);
	}
	return yes;
}

static void lint_secret(struct df_warnings *w, const struct instr *i)
{
	for (size_t k = 0; k < i->args.n; k++) {
		auto_free char *name = xstrndup(i->args.v[k], strcspn(i->args.v[k], "="));

		if (looks_secret(name))
			df_warn(w, "SecretsUsedInArgOrEnv", i->line,
				"Do not use ARG or ENV instructions for sensitive data (%s \"%s\")", instr_name(i->kind), name);
	}
}

/* Earlier CMD, ENTRYPOINT, HEALTHCHECK of the same stage. */
static void lint_repeated(struct df_warnings *w, const struct dockerfile *d, size_t at)
{
	const struct instr *i = &d->v[at];

	for (size_t k = at + 1; k < d->n && d->v[k].kind != INSTR_FROM; k++)
		if (d->v[k].kind == i->kind) {
			df_warn(w, "MultipleInstructionsDisallowed", i->line,
				"Multiple %s instructions should not be used in the same stage because only the last one will be used", instr_name(i->kind));
			return;
		}
}

static void lint_names(struct build *b)
{
	for (size_t i = 0; i < b->stages.n; i++)
		for (size_t k = 0; k < i; k++)
			if (b->stages.v[i].name && streq0(b->stages.v[i].name, b->stages.v[k].name)) {
				df_warn(&b->df.warnings, "DuplicateStageName", b->stages.v[i].from->line, "Duplicate stage name \"%s\", stage names should be unique",
					b->stages.v[i].name);
				break;
			}
}

static void lint_casing(struct df_warnings *w, const struct dockerfile *d)
{
	size_t lower = 0, upper = 0;

	for (size_t i = 0; i < d->n; i++) {
		lower += !has_case(d->v[i].word, isupper);
		upper += !has_case(d->v[i].word, islower);
	}
	for (size_t i = 0; i < d->n; i++)
		if (has_case(d->v[i].word, upper >= lower ? islower : isupper))
			df_warn(w, "ConsistentInstructionCasing", d->v[i].line, "Command '%s' should match the case of the command majority (%s)", d->v[i].word,
				upper >= lower ? "uppercase" : "lowercase");
}

static void lint_workdir(struct df_warnings *w, const struct dockerfile *d)
{
	bool absolute = false;

	for (size_t i = 0; i < d->n; i++) {
		if (d->v[i].kind == INSTR_FROM)
			absolute = false;
		if (d->v[i].kind != INSTR_WORKDIR || !d->v[i].args.n)
			continue;
		if (*d->v[i].args.v[0] == '/' || *d->v[i].args.v[0] == '$')
			absolute = true;
		else if (!absolute)
			df_warn(w, "WorkdirRelativePath", d->v[i].line, "Relative workdir \"%s\" can have unexpected results if the base image changes",
				d->v[i].args.v[0]);
	}
}

static void lint_platform(struct df_warnings *w, const struct instr *i)
{
	const char *p = instr_flag_value(i, "platform");
	AUTO_STRV(parts);

	if (!p)
		return;
	if (streq(p, "$TARGETPLATFORM") || streq(p, "${TARGETPLATFORM}"))
		df_warn(w, "RedundantTargetPlatform", i->line,
			"Setting platform to predefined %s in FROM is redundant as this is the default behavior", p);
	if (strchr(p, '$'))
		return;
	strv_split(&parts, p, "/");
	for (size_t k = 0; i->args.n == 3 && k < parts.n; k++)
		if (*parts.v[k] && strcasestr(i->args.v[2], parts.v[k]))
			return;
	df_warn(w, "FromPlatformFlagConstDisallowed", i->line, "FROM --platform flag should not use constant value \"%s\"", p);
}

static void lint_expose(struct df_warnings *w, const struct instr *i)
{
	for (size_t k = 0; k < i->args.n; k++) {
		const char *port = i->args.v[k], *proto = strchr(port, '/');

		if (strchr(port, ':'))
			df_warn(w, "ExposeInvalidFormat", i->line,
				"EXPOSE instruction should not define an IP address or host-port mapping, found '%s'", port);
		if (proto && has_case(proto, isupper) && !strchr(port, '$'))
			df_warn(w, "ExposeProtoCasing", i->line, "Defined protocol '%s' in EXPOSE instruction should be lowercase", port);
	}
}

/* Sources that .dockerignore leaves out; with exceptions in it nobody can say by the name alone. */
static void lint_copy(struct build *b, const struct instr *i)
{
	AUTO(ignore_free) struct ignore *g = NULL;
	AUTO_ERR(bad);

	if (!b->ignore || i->json || instr_flag_value(i, "from") || ignore_parse(b->ignore, b->ignore_len, &g, &bad) < 0 || ignore_has_exceptions(g))
		return;
	for (size_t k = 0; k + 1 < i->args.n; k++) {
		auto_free char *joined = path_join("/", i->args.v[k]), *clean = path_clean(joined);

		if (!heredoc_is_named(i, i->args.v[k]) && clean[1] && ignore_has(g, clean + 1))
			df_warn(&b->df.warnings, "CopyIgnoredFile", i->line, "Attempting to %s file \"%s\" that is excluded by .dockerignore",
				i->kind == INSTR_ADD ? "Add" : "Copy", i->args.v[k]);
	}
}

/* ---- which of them are told ---------------------------------------------------------------------------------------------------------------------- */

void lint_rules_done(struct lint_rules *r)
{
	strv_done(&r->skip);
}

int lint_rules_parse(const char *text, struct lint_rules *ret, struct err *e)
{
	AUTO_STRV(parts);

	strv_split(&parts, str0(text), ";");
	for (size_t i = 0; i < parts.n; i++) {
		const char *part = parts.v[i] + strspn(parts.v[i], " \t"), *list = str_after(part, "skip="), *error = str_after(part, "error=");
		AUTO_ERR(bad);

		if (list)
			strv_split(&ret->skip, list, ",");
		else if (error ? num_bool(error, &ret->error, &bad) < 0 : *part && !str_starts(part, "experimental="))
			return err_set(e, EINVAL, "invalid check option \"%s\"", part);
	}
	return 0;
}

static bool skips(const struct lint_rules *r, const char *rule)
{
	return strv_has(&r->skip, "all") || strv_has(&r->skip, rule);
}

bool lint_wanted(const struct lint_rules *r, const struct dockerfile *d, const struct df_warning *w)
{
	for (size_t i = 0; i < d->n; i++) {
		AUTO_DONE(lint_rules_done) struct lint_rules own = { 0 };
		AUTO_ERR(bad);

		if (d->v[i].check && w->line >= d->v[i].line && w->line <= d->v[i].last && lint_rules_parse(d->v[i].check, &own, &bad) >= 0 &&
			skips(&own, w->rule))
			return false;
	}
	return !skips(r, w->rule);
}

void build_lint(struct build *b)
{
	struct df_warnings *w = &b->df.warnings;

	lint_casing(w, &b->df);
	for (size_t i = 0; i < b->df.n; i++) {
		const struct instr *in = &b->df.v[i];

		if (in->kind == INSTR_FROM) {
			lint_from(w, in);
			lint_platform(w, in);
		}
		if (in->kind == INSTR_EXPOSE)
			lint_expose(w, in);
		if (in->kind == INSTR_COPY || in->kind == INSTR_ADD)
			lint_copy(b, in);
		if (in->kind == INSTR_ARG || in->kind == INSTR_ENV)
			lint_secret(w, in);
		if (in->kind == INSTR_CMD || in->kind == INSTR_ENTRYPOINT || in->kind == INSTR_HEALTHCHECK)
			lint_repeated(w, &b->df, i);
	}
	lint_names(b);
	lint_workdir(w, &b->df);
}
