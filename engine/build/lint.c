/* SPDX-License-Identifier: MIT
 *
 * The build checks that look at the words of the file (dockerfile.md 10); others are where the facts are (instr_apply.c, dockerfile.c).
 */
#include <ctype.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/str.h"
#include "engine/build/build_priv.h"

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
		for (char *p = words.v[i]; *p; p++)
			*p = (char)tolower((unsigned char)*p);
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

void build_lint(struct build *b)
{
	struct df_warnings *w = &b->df.warnings;

	lint_casing(w, &b->df);
	for (size_t i = 0; i < b->df.n; i++) {
		const struct instr *in = &b->df.v[i];

		if (in->kind == INSTR_FROM)
			lint_from(w, in);
		if (in->kind == INSTR_ARG || in->kind == INSTR_ENV)
			lint_secret(w, in);
		if (in->kind == INSTR_CMD || in->kind == INSTR_ENTRYPOINT || in->kind == INSTR_HEALTHCHECK)
			lint_repeated(w, &b->df, i);
	}
	lint_names(b);
	lint_workdir(w, &b->df);
}
