/* SPDX-License-Identifier: MIT
 *
 * The instructions that become steps: WORKDIR, COPY, ADD, RUN.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/build/copy.h"
#include "engine/build/expand.h"
#include "engine/build/git.h"
#include "engine/build/glob.h"
#include "engine/build/stage.h"

enum { TEXT_MAX = 8 << 20 };

/* ---- steps --------------------------------------------------------------------------------------------------------------------------------------- */

/* An absolute path stays as it is written, as in BuildKit. */
int instr_apply_workdir(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	auto_free char *path = NULL, *joined = NULL;
	struct step *t;

	TRY(instr_expand(s, st, i, i->args.v[0], &path, e));
	joined = path_join(st->img.cwd ? st->img.cwd : "/", path);
	free(st->img.cwd);
	st->img.cwd = *path == '/' ? TAKE(path) : path_clean(joined);
	if (streq(st->img.cwd, "/")) {
		stage_history(st, false, "WORKDIR /");
		return 0;
	}
	t = stage_step(st, STEP_WORKDIR, i, e);
	t->dest = path_clean(st->img.cwd);
	t->history = stage_history(st, true, "WORKDIR %s", st->img.cwd);
	return 0;
}

static bool is_url(const char *s)
{
	return str_starts(s, "http://") || str_starts(s, "https://");
}

static int copy_source(struct stages *s, struct step *t, const struct instr *i, const char *src, struct err *e)
{
	/* the context is asked for by all patterns at once: no line is to blame */
	if (t->from.kind == SOURCE_CONTEXT && !is_url(src) && !git_is_url(src) && glob_check(src, e) < 0) {
		stage_no_place(s);
		return err_wrap(e, "invalid includepatterns: [%s]", src);
	}
	if (i->kind == INSTR_COPY && git_is_url(src) && !is_url(src))
		return err_set(e, EINVAL, "source can't be a git ref for COPY");
	if (i->kind == INSTR_COPY && is_url(src))
		return err_set(e, EINVAL, "source can't be a URL for COPY");
	if (git_is_url(src)) {
		AUTO_DONE(git_url_done) struct git_url u = { 0 };

		strv_add(&t->gits, src);
		return git_url_parse(src, &u, e);
	}
	strv_add(is_url(src) ? &t->urls : &t->sources, src);
	return 0;
}

static int add_doc(struct stage *st, struct step *t, const struct heredoc *h, struct err *e)
{
	auto_free char *text = heredoc_text(h), *done = NULL;

	if (h->expand)
		TRY(expand_word(text, '\\', &st->scope, EXPAND_RAW_QUOTES, NULL, &done, e));
	strv_add(&t->doc_names, h->name);
	strv_add(&t->doc_texts, done ? done : text);
	return 0;
}

static int copy_words(struct stages *s, struct stage *st, const struct instr *i, struct step *t, struct str *history, struct err *e)
{
	auto_free char *dest = NULL;

	for (size_t k = 0; k + 1 < i->args.n; k++) {
		auto_free char *src = NULL;

		if (heredoc_is_named(i, i->args.v[k]))
			continue;
		TRY(instr_expand(s, st, i, i->args.v[k], &src, e));
		TRY(copy_source(s, t, i, src, e));
		str_addf(history, " %s", src);
	}
	for (size_t k = 0; k < i->ndocs; k++) {
		TRY(add_doc(st, t, &i->docs[k], e));
		str_addf(history, " <<%s", i->docs[k].name);
	}
	TRY(instr_expand(s, st, i, i->args.v[i->args.n - 1], &dest, e));
	str_addf(history, " %s", dest);
	t->dest = stage_path(st, dest);
	return 0;
}

static int copy_flags(struct stages *s, struct stage *st, const struct instr *i, struct step *t, struct str *history, struct err *e)
{
	const char *chown = instr_flag_value(i, "chown"), *chmod = instr_flag_value(i, "chmod"), *from = instr_flag_value(i, "from");
	const char *sum = instr_flag_value(i, "checksum");

	t->parents = instr_flag_bool(i, "parents", false);
	t->link = instr_flag_bool(i, "link", false);
	t->keep_git_dir = instr_flag_bool(i, "keep-git-dir", false);
	if (instr_flag(i, "unpack"))
		t->unpack = instr_flag_bool(i, "unpack", false);
	instr_flag_list(i, "exclude", &t->excludes);
	if (t->parents)
		str_add(history, " --parents");
	if (chown) {
		TRY(instr_expand(s, st, i, chown, &t->chown, e));
		str_addf(history, " --chown=%s", t->chown);
	}
	if (chmod) {
		TRY(instr_expand(s, st, i, chmod, &t->chmod, e));
		TRY(chmod_check(t->chmod, e));
		str_addf(history, " --chmod=%s", t->chmod);
	}
	if (sum)
		TRY(instr_expand(s, st, i, sum, &t->checksum, e));
	if (!from)
		return 0;
	if (strchr(from, '$'))
		return err_set(e, EINVAL, "variable expansion is not supported for --from, define a new stage with FROM using ARG from global "
			"scope as a workaround");
	return stage_source(s, st, from, true, &t->from, e);
}

static int check_sum(const struct step *t, struct err *e)
{
	if (!t->checksum)
		return 0;
	if (t->sources.n + t->urls.n + t->gits.n > 1)
		return err_set(e, EINVAL, "checksum can't be specified for multiple sources");
	return t->urls.n + t->gits.n == 1 ? 0 : err_set(e, EINVAL, "checksum requires HTTP(S) or Git sources");
}

int instr_apply_copy(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	AUTO_STR(history, TEXT_MAX);
	struct step *t = stage_step(st, STEP_COPY, i, e);

	t->add = i->kind == INSTR_ADD;
	TRY(copy_flags(s, st, i, t, &history, e));
	TRY(copy_words(s, st, i, t, &history, e));
	TRY(check_sum(t, e));
	t->history = stage_history(st, true, "%s%s # buildkit", instr_name(i->kind), history.s);
	return 0;
}

/* Names in order of declaration, again when declared again (as BuildKit 0.13 has it). */
static void add_args(const struct stage *st, struct str *out)
{
	if (!st->args.n)
		return;
	str_addf(out, " |%zu", st->args.n);
	for (size_t k = 0; k < st->args.n; k++)
		str_addf(out, " %s=%s", st->args.v[k], str0(strv_env_get(&st->scope, st->args.v[k])));
}

/* One heredoc and nothing else is the command itself; others are the shell's. */
static void run_text(const struct instr *i, struct step *t, struct str *text)
{
	const char *line = i->args.n ? i->args.v[0] : "";
	size_t words = strcspn(line, " \t");

	if (i->ndocs == 1 && str_starts(line, "<<") && !line[words + strspn(line + words, " \t")]) {
		char *body = heredoc_text(&i->docs[0]);

		if (!str_starts(body, "#!")) {
			str_add(text, body);
			free(body);
			return;
		}
		t->script = body;
		t->script_name = xstrdup(i->docs[0].name);
		str_addf(text, "/dev/pipes/%s", i->docs[0].name);
		return;
	}
	str_add(text, line);
	for (size_t k = 0; k < i->ndocs; k++)
		str_addf(text, "\n%s%s", i->docs[k].body, i->docs[k].name);
}

static int add_mount(struct stages *s, struct stage *st, const struct instr *i, struct step *t, const char *raw, struct err *e)
{
	auto_free char *text = NULL, *from = NULL;
	struct run_mount *m;

	TRY(instr_expand(s, st, i, raw, &text, e));
	t->mounts = xreallocarray(t->mounts, t->nmounts + 1, sizeof(*t->mounts));
	m = &t->mounts[t->nmounts++];
	TRY(run_mount_parse(text, t->cwd, true, m, &from, e));
	if (!from)
		return 0;
	m->has_from = true;
	return stage_source(s, st, from, false, &m->from, e);
}

static int run_flags(struct stages *s, struct stage *st, const struct instr *i, struct step *t, struct err *e)
{
	const char *network = instr_flag_value(i, "network"), *security = instr_flag_value(i, "security");
	AUTO_STRV(mounts);
	AUTO_STRV(devices);

	instr_flag_list(i, "device", &devices);
	if (devices.n)
		return err_set(e, ENOTSUP, "--device=%s: devices of the host cannot be given to a build", devices.v[0]);
	if (network && !streq(network, "default"))
		t->network = xstrdup(network);
	if (network && streq(network, "host") && !s->o->allow_host) {
		stage_no_place(s);
		err_set(e, EPERM, "network.host is not allowed");
		err_hint(e, "allow it: --allow network.host, or 'entitlements: [network.host]'");
		return -EPERM;
	}
	t->insecure = security && streq(security, "insecure");
	if (t->insecure && !s->o->allow_insecure) {
		stage_no_place(s);
		err_set(e, EPERM, "security.insecure is not allowed");
		err_hint(e, "allow it: --allow security.insecure, or 'privileged: true' in the compose file's build section");
		return -EPERM;
	}
	instr_flag_list(i, "mount", &mounts);
	for (size_t k = 0; k < mounts.n; k++)
		TRY(add_mount(s, st, i, t, mounts.v[k], e));
	return 0;
}

int instr_apply_run(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	AUTO_STR(text, TEXT_MAX);
	AUTO_STR(args, TEXT_MAX);
	struct step *t = stage_step(st, STEP_RUN, i, e);

	TRY(run_flags(s, st, i, t, e));
	if (i->json) {
		strv_copy(&t->argv, &i->args);
	} else {
		run_text(i, t, &text);
		stage_shell(st, &t->argv);
		strv_add(&t->argv, text.s);
	}
	if (!t->argv.n) {
		stage_no_place(s);
		return err_set(e, EINVAL, "RUN requires at least one argument");
	}
	strv_copy(&t->env, &st->scope);
	add_args(st, &args);

	auto_free char *joined = strv_join(&t->argv, " ");

	t->history = stage_history(st, true, "RUN%s %s # buildkit", args.s, joined);
	return 0;
}

