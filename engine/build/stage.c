/* SPDX-License-Identifier: MIT */
#include "engine/build/stage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/build/context.h"
#include "engine/build/expand.h"
#include "engine/image/platform.h"
#include "engine/image/ref.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { STAGES_MAX = 1000 };

/* ---- release ------------------------------------------------------------------------------------------------------------------------------------- */

static void step_free(struct step *t)
{
	struct strv *const lists[] = { &t->env, &t->argv, &t->sources, &t->urls, &t->gits, &t->excludes, &t->doc_names, &t->doc_texts };
	char *const texts[] = { t->label, t->cwd, t->user, t->network, t->script_name, t->script, t->dest, t->chown, t->chmod, t->checksum };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		strv_done(lists[i]);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	for (size_t i = 0; i < t->nmounts; i++)
		run_mount_done(&t->mounts[i]);
	free(t->mounts);
	source_done(&t->from);
	free(t);
}

void stages_done(struct stages *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct stage *st = &s->v[i];

		for (size_t k = 0; k < st->nsteps; k++)
			step_free(st->steps[k]);
		free(st->steps);
		free(st->name);
		free(st->platform);
		free(st->base_id);
		source_done(&st->base);
		img_done(&st->img);
		strv_done(&st->scope);
		strv_done(&st->args);
		strv_done(&st->layers);
	}
	free(s->v);
	for (size_t i = 0; i < s->ntriggers; i++)
		dockerfile_done(&s->triggers[i]);
	free(s->triggers);
	strv_done(&s->global);
	df_warnings_done(&s->warnings);
	*s = (struct stages){ 0 };
}

/* ---- helpers of instr_apply.c -------------------------------------------------------------------------------------------------------------------- */

int instr_expand(struct stages *s, struct stage *st, const struct instr *i, const char *word, char **ret, struct err *e)
{
	char escape = i->trigger ? '\\' : s->df->escape;
	AUTO_STRV(unset);

	TRY(expand_word(word, escape, st ? &st->scope : &s->global, 0, &unset, ret, e));
	for (size_t k = 0; k < unset.n; k++)
		if (st && !i->trigger && !strv_has(&st->args, unset.v[k]))
			df_warn(&s->warnings, "UndefinedVar", i->line, "Usage of undefined variable '$%s'", unset.v[k]);
	return 0;
}

char *stage_path(const struct stage *st, const char *path)
{
	auto_free char *joined = path_join(st->img.cwd ? st->img.cwd : "/", path), *clean = path_clean(joined);
	bool slash = str_ends(path, "/") || str_ends(path, "/.") || streq(path, ".") || !*path;

	return slash && !streq(clean, "/") ? xasprintf("%s/", clean) : xstrdup(clean);
}

size_t stage_history(struct stage *st, bool layer, const char *fmt, ...)
{
	struct cJSON *h = json_add_object(st->img.history, NULL);
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	json_add_str(h, "created_by", text);
	json_add_str(h, "comment", "buildkit.dockerfile.v0");
	if (!layer)
		json_add_bool(h, "empty_layer", true);
	return json_count(st->img.history) - 1;
}

void stage_shell(const struct stage *st, struct strv *ret)
{
	if (st->img.shell.n) {
		strv_copy(ret, &st->img.shell);
		return;
	}
	strv_add(ret, "/bin/sh");
	strv_add(ret, "-c");
}

void stage_no_place(struct stages *s)
{
	s->place = (struct df_place){ 0, 0 };
}

struct step *stage_step(struct stage *st, enum step_kind kind, const struct instr *i, struct err *e)
{
	struct step *t = xcalloc(1, sizeof(*t));

	(void)e;
	*t = (struct step){ .kind = kind, .stage = st->index, .number = (int)st->nsteps + 1, .line = i->line, .last = i->last, .unpack = -1 };
	t->label = xasprintf("%s%s", i->trigger ? "ONBUILD " : "", i->text);
	t->cwd = xstrdup(st->img.cwd ? st->img.cwd : "/");
	t->user = xstrdup0(st->img.user);
	st->steps = xreallocarray(st->steps, st->nsteps + 1, sizeof(*st->steps));
	st->steps[st->nsteps++] = t;
	return t;
}

/* ---- names of stages, contexts, images ----------------------------------------------------------------------------------------------------------- */

static const char *named_context(const struct stages *s, const char *name)
{
	return s->o->contexts ? strv_env_get(s->o->contexts, name) : NULL;
}

static int context_source(const char *value, const char *name, struct source *ret, struct err *e)
{
	const char *image = str_after(value, "docker-image://");

	if (image) {
		*ret = (struct source){ SOURCE_IMAGE, 0, xstrdup(image) };
		return 0;
	}
	if (!context_is_remote(value) && (strstr(value, "://") || str_starts(value, "target:"))) {
		err_set(e, ENOTSUP, "build context '%s': '%s' cannot be read", name, value);
		err_hint(e, "there are folders, docker-image://NAME, http(s)://…, git repositories and (in compose files) service:NAME");
		return -ENOTSUP;
	}
	*ret = (struct source){ SOURCE_FOLDER, 0, xstrdup(value) };
	return 0;
}

/* The stage called NAME: the last of the file, or (BEFORE >= 0, exact) the latest one before. -1: none. */
static int find_stage(const struct stages *s, const char *name, int before)
{
	for (int i = (before >= 0 ? before : (int)s->n) - 1; i >= 0; i--)
		if (s->v[i].name && (before >= 0 ? streq(s->v[i].name, name) : strcasecmp(s->v[i].name, name) == 0))
			return i;
	return -1;
}

static int image_source(const char *name, struct source *ret, struct err *e)
{
	AUTO_DONE(ref_done) struct ref r = { 0 };

	if (ref_parse(name, &r, e) < 0)
		return err_wrap(e, "failed to parse stage name \"%s\"", name);
	*ret = (struct source){ SOURCE_IMAGE, 0, xstrdup(name) };
	return 0;
}

int stage_source(struct stages *s, struct stage *st, const char *name, bool index, struct source *ret, struct err *e)
{
	const char *context = named_context(s, name), *digits = name + (*name == '-');
	int at;

	if (context)
		return context_source(context, name, ret, e);
	if (streq(name, "scratch")) {
		*ret = (struct source){ .kind = SOURCE_SCRATCH };
		return 0;
	}
	at = find_stage(s, name, -1);
	if (at < 0 && index && *digits && strspn(digits, "0123456789") == strlen(digits)) {
		at = strlen(name) < 6 ? (int)strtol(name, NULL, 10) : (int)s->n;
		if (at >= (int)s->n || at < 0) {
			stage_no_place(s);
			return err_set(e, EINVAL, "invalid stage index %s", name);
		}
	}
	if (at < 0)
		return image_source(name, ret, e);
	if (at >= st->index) {
		if (!index)
			return err_set(e, EINVAL, "cannot mount from stage \"%s\", stage needs to be defined before current command", name);
		return err_set(e, EINVAL, "cannot copy from stage \"%s\", it needs to be defined before current stage \"%s\"", name,
			str0(st->name));
	}
	TRY(stage_convert(s, at, e));
	*ret = (struct source){ .kind = SOURCE_STAGE, .stage = at };
	return 0;
}

/* ---- one stage ----------------------------------------------------------------------------------------------------------------------------------- */

static int scratch(struct stages *s, struct img *ret, struct err *e)
{
	struct platform p;

	platform_host(&p);
	if (s->o->platform)
		TRY(platform_parse(s->o->platform, &p, e));
	*ret = (struct img){ .cwd = xstrdup("/"), .os = xstrdup(p.os), .arch = xstrdup(p.arch), .variant = *p.variant ? xstrdup(p.variant) : NULL,
			     .history = json_array() };
	strv_add(&ret->env, "PATH=" DEFAULT_PATH);
	return 0;
}

static int from_platform(struct stages *s, const struct instr *i, char **ret, struct err *e)
{
	const char *flag = instr_flag_value(i, "platform");
	struct platform p;

	if (!flag) {
		*ret = xstrdup0(s->o->platform);
		return 0;
	}
	TRY(instr_expand(s, NULL, i, flag, ret, e));
	if (!**ret)
		return err_set(e, EINVAL, "empty platform value from expression %s", flag);
	if (platform_parse(*ret, &p, e) < 0)
		return err_wrap(e, "failed to parse platform %s", *ret);
	return 0;
}

static int start_from_stage(struct stages *s, struct stage *st, struct err *e)
{
	struct stage *base;

	TRY(stage_convert(s, st->base.stage, e));
	base = &s->v[st->base.stage];
	img_copy(&st->img, &base->img);
	strv_copy(&st->scope, &base->scope); /* its ARGs too, though RUN's history does not name them */
	return 0;
}

static int start_from_image(struct stages *s, struct stage *st, struct err *e)
{
	auto_free char *config = NULL;

	TRY(s->o->base_image(s->o->arg, st->base.name, st->platform, &config, &st->base_id, e));
	TRY(img_parse(config, &st->img, e));
	strv_copy(&st->scope, &st->img.env);
	return 0;
}

/* What FROM names, of every stage of the file: a mistake in it counts in a stage that nobody needs, too. */
static int find_base(struct stages *s, struct stage *st, struct err *e)
{
	auto_free char *name = NULL;
	const char *context;
	int at;

	TRY(instr_expand(s, NULL, st->from, st->from->args.v[0], &name, e));
	TRY(from_platform(s, st->from, &st->platform, e));
	if (!*name)
		return err_set(e, EINVAL, "base name (%s) should not be blank", st->from->args.v[0]);
	context = named_context(s, name);
	at = context ? -1 : find_stage(s, name, st->index);
	if (context)
		return context_source(context, name, &st->base, e);
	if (at < 0 && !streq(name, "scratch"))
		return image_source(name, &st->base, e);
	st->base = at >= 0 ? (struct source){ .kind = SOURCE_STAGE, .stage = at } : (struct source){ .kind = SOURCE_SCRATCH };
	return 0;
}

static int start(struct stages *s, struct stage *st, struct err *e)
{
	if (st->base.kind == SOURCE_FOLDER)
		return err_set(e, ENOTSUP, "the build context '%s' is a folder, a stage starts from an image", st->base.name);
	if (st->base.kind == SOURCE_STAGE)
		return start_from_stage(s, st, e);
	if (st->base.kind == SOURCE_IMAGE)
		return start_from_image(s, st, e);
	TRY(scratch(s, &st->img, e));
	strv_copy(&st->scope, &st->img.env);
	return 0;
}

/* The base's ONBUILD lines, as if they stood after FROM. */
static int run_triggers(struct stages *s, struct stage *st, struct err *e)
{
	AUTO_STRV(lines);

	strv_copy(&lines, &st->img.onbuild);
	strv_clear(&st->img.onbuild);
	for (size_t i = 0; i < lines.n; i++) {
		struct dockerfile *d;

		s->triggers = xreallocarray(s->triggers, s->ntriggers + 1, sizeof(*s->triggers));
		d = &s->triggers[s->ntriggers];
		TRY(dockerfile_parse_one(lines.v[i], d, e));
		s->ntriggers++;
		d->v[0].trigger = true;
		d->v[0].line = st->from->line;
		d->v[0].last = st->from->last;

		struct instr one = d->v[0];

		TRY(instr_check(&one, e));
		TRY(instr_apply(s, st, &one, e));
	}
	return 0;
}

static void add_proxies(struct stages *s, struct stage *st)
{
	static const char *const names[] = { "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY" };

	for (size_t k = 0; k < st->nsteps; k++) {
		struct step *t = st->steps[k];

		for (size_t i = 0; t->kind == STEP_RUN && s->o->args && i < ARRAY_LEN(names); i++) {
			auto_free char *lower = xstrdup(names[i]);
			const char *v;

			str_lower(lower);
			v = strv_env_get(s->o->args, names[i]);
			v = v ? v : strv_env_get(s->o->args, lower);
			if (!v)
				continue;
			if (!strv_env_get(&t->env, names[i]))
				strv_env_set(&t->env, names[i], v);
			if (!strv_env_get(&t->env, lower))
				strv_env_set(&t->env, lower, v);
		}
	}
}

int stage_convert(struct stages *s, int index, struct err *e)
{
	struct stage *st = &s->v[index];

	if (st->converted)
		return 0;
	st->converted = true;
	s->place = (struct df_place){ st->from->line, st->from->last };
	TRY(start(s, st, e));
	st->base_history = json_count(st->img.history);
	TRY(run_triggers(s, st, e));
	for (size_t i = 0; i < st->ninstr; i++) {
		const struct instr *in = &s->df->v[st->first + i];

		s->place = (struct df_place){ in->line, in->last };
		TRY(instr_apply(s, st, in, e));
	}
	st->total = st->nsteps + (st->base.kind == SOURCE_IMAGE);
	for (size_t i = 0; i < st->nsteps; i++)
		st->steps[i]->number = (int)(i + 1 + (st->base.kind == SOURCE_IMAGE));
	add_proxies(s, st);
	return 0;
}

/* ---- the file ------------------------------------------------------------------------------------------------------------------------------------ */

static void global_platforms(struct stages *s)
{
	static const char *const sides[] = { "TARGET", "BUILD" };

	for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
		struct platform p;
		AUTO_ERR(ignored);

		platform_host(&p);
		if (i == 0 && s->o->platform)
			(void)platform_parse(s->o->platform, &p, &ignored);

		auto_free char *text = platform_text(&p), *platform = xasprintf("%sPLATFORM", sides[i]), *os = xasprintf("%sOS", sides[i]);
		auto_free char *arch = xasprintf("%sARCH", sides[i]), *variant = xasprintf("%sVARIANT", sides[i]);
		auto_free char *version = xasprintf("%sOSVERSION", sides[i]);

		strv_env_set(&s->global, platform, text);
		strv_env_set(&s->global, os, p.os);
		strv_env_set(&s->global, arch, p.arch);
		strv_env_set(&s->global, variant, p.variant);
		strv_env_set(&s->global, version, "");
	}
}

/* ARG before the first FROM: each sees those before. */
static int global_arg(struct stages *s, const struct instr *i, struct err *e)
{
	for (size_t k = 0; k < i->args.n; k++) {
		const char *eq = strchr(i->args.v[k], '=');
		auto_free char *name = xstrndup(i->args.v[k], eq ? (size_t)(eq - i->args.v[k]) : strlen(i->args.v[k])), *value = NULL;
		const char *given = s->o->args ? strv_env_get(s->o->args, name) : NULL;

		if (given)
			value = xstrdup(given);
		else if (eq)
			TRY(instr_expand(s, NULL, i, eq + 1, &value, e));
		if (value)
			strv_env_set(&s->global, name, value);
	}
	return 0;
}

static int add_stage(struct stages *s, const struct instr *i, size_t at, struct err *e)
{
	struct stage *st;

	if (s->n >= STAGES_MAX)
		return err_set(e, E2BIG, "more than %d stages", STAGES_MAX);
	s->v = xreallocarray(s->v, s->n + 1, sizeof(*s->v));
	st = &s->v[s->n];
	*st = (struct stage){ .index = (int)s->n, .from = i, .first = at + 1 };
	s->n++;
	if (i->args.n < 3)
		return 0;
	st->name = xstrdup(i->args.v[2]);
	str_lower(st->name);
	return 0;
}

static int read_stages(struct stages *s, struct err *e)
{
	for (size_t i = 0; i < s->df->n; i++) {
		const struct instr *in = &s->df->v[i];

		s->place = (struct df_place){ in->line, in->last };
		TRY(instr_check(in, e));
		if (in->kind == INSTR_FROM)
			TRY(add_stage(s, in, i, e));
		else if (s->n)
			s->v[s->n - 1].ninstr++;
		else if (in->kind == INSTR_ARG)
			TRY(global_arg(s, in, e));
		else
			return err_set(e, EINVAL, "no build stage in current context");
	}
	if (s->n == 0) {
		stage_no_place(s);
		return err_set(e, EINVAL, "dockerfile contains no stages to build");
	}
	return 0;
}

static int find_target(struct stages *s, struct err *e)
{
	const char *want = s->o->target, *near;

	s->target = (int)s->n - 1;
	if (!want || !*want)
		return 0;
	s->place = (struct df_place){ 0, 0 };
	s->target = find_stage(s, want, -1);
	if (s->target >= 0)
		return 0;
	near = str_nearest(want, &s->v[0].name, s->n, sizeof(*s->v));
	return near ? err_set(e, ENOENT, "target stage \"%s\" could not be found (did you mean %s?)", want, near) :
		      err_set(e, ENOENT, "target stage \"%s\" could not be found", want);
}

int stages_make(const struct dockerfile *df, const struct stage_options *o, struct stages *s, struct err *e)
{
	const char *name;

	*s = (struct stages){ .df = df, .o = o };
	global_platforms(s);
	for (size_t i = 0; o->args && i < o->args->n; i++) {
		auto_free char *key = xstrndup(o->args->v[i], strcspn(o->args->v[i], "="));

		if (strv_env_get(&s->global, key))
			strv_env_set(&s->global, key, strv_env_get(o->args, key));
	}
	TRY(read_stages(s, e));
	TRY(find_target(s, e));
	name = s->v[s->target].name;
	strv_env_set(&s->global, "TARGETSTAGE", o->target && *o->target ? o->target : name ? name : "default");
	for (size_t i = 0; i < s->n; i++) {
		s->place = (struct df_place){ s->v[i].from->line, s->v[i].from->last };
		TRY(find_base(s, &s->v[i], e));
	}
	TRY(stage_convert(s, s->target, e));
	s->place = (struct df_place){ 0, 0 };
	return 0;
}
