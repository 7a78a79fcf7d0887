/* SPDX-License-Identifier: MIT
 *
 * What each instruction does to a stage: its config, its history, a step. One function an instruction.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/build/copy.h"
#include "engine/build/expand.h"
#include "engine/build/gofmt.h"
#include "engine/build/stage.h"

enum { TEXT_MAX = 8 << 20, PORTS_MAX = 65536 };

static void replace(char **place, char *value)
{
	free(*place);
	*place = value;
}

static void replace_list(struct strv *to, const struct strv *from)
{
	AUTO_STRV(copy);

	strv_copy(&copy, from);
	strv_clear(to);
	strv_copy(to, &copy);
}

/* Shell form: SHELL and the text; JSON: as it is. */
static void command_of(const struct stage *st, const struct instr *i, struct strv *ret)
{
	if (!i->json && i->args.n) {
		if (st->img.shell.n) {
			strv_copy(ret, &st->img.shell);
		} else {
			strv_add(ret, "/bin/sh");
			strv_add(ret, "-c");
		}
	}
	strv_copy(ret, &i->args);
}

/* ---- ENV, LABEL, ARG ----------------------------------------------------------------------------------------------------------------------------- */

/* All pairs see what was before the line. */
static int expand_pairs(struct stages *s, struct stage *st, const struct instr *i, struct strv *keys, struct strv *values, struct err *e)
{
	for (size_t k = 0; k < i->args.n; k++) {
		const char *eq = strchr(i->args.v[k], '=');
		auto_free char *raw = xstrndup(i->args.v[k], (size_t)(eq - i->args.v[k])), *key = NULL, *value = NULL;

		TRY(instr_expand(s, st, i, raw, &key, e));
		TRY(instr_expand(s, st, i, eq + 1, &value, e));
		if (!*key)
			return err_set(e, EINVAL, "%s names can not be blank", instr_name(i->kind));
		strv_add_take(keys, TAKE(key));
		strv_add_take(values, TAKE(value));
	}
	return 0;
}

static void pairs_history(struct stage *st, const struct instr *i, const struct strv *keys, const struct strv *values)
{
	AUTO_STR(text, TEXT_MAX);

	for (size_t k = 0; k < keys->n; k++)
		str_addf(&text, " %s=%s", keys->v[k], values->v[k]);
	stage_history(st, false, "%s%s", instr_name(i->kind), text.s);
}

static int apply_env(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	AUTO_STRV(keys);
	AUTO_STRV(values);

	if (i->legacy)
		df_warn(&s->warnings, "LegacyKeyValueFormat", i->line, "\"ENV key=value\" should be used instead of legacy \"ENV key value\" format");
	TRY(expand_pairs(s, st, i, &keys, &values, e));
	for (size_t k = 0; k < keys.n; k++) {
		strv_env_set(&st->img.env, keys.v[k], values.v[k]);
		strv_env_set(&st->scope, keys.v[k], values.v[k]);
	}
	pairs_history(st, i, &keys, &values);
	return 0;
}

static int apply_label(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	AUTO_STRV(keys);
	AUTO_STRV(values);

	if (i->legacy)
		df_warn(&s->warnings, "LegacyKeyValueFormat", i->line, "\"LABEL key=value\" should be used instead of legacy \"LABEL key value\" format");
	TRY(expand_pairs(s, st, i, &keys, &values, e));
	for (size_t k = 0; k < keys.n; k++)
		strv_env_set(&st->img.labels, keys.v[k], values.v[k]);
	pairs_history(st, i, &keys, &values);
	return 0;
}

static const char *arg_given(const struct stages *s, const char *name)
{
	return s->o->args ? strv_env_get(s->o->args, name) : NULL;
}

static int apply_arg(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	AUTO_STR(text, TEXT_MAX);
	AUTO_STRV(names);
	AUTO_STRV(pairs);

	for (size_t k = 0; k < i->args.n; k++) {
		const char *eq = strchr(i->args.v[k], '='), *given;
		auto_free char *name = xstrndup(i->args.v[k], eq ? (size_t)(eq - i->args.v[k]) : strlen(i->args.v[k])), *value = NULL;

		/* the history tells what the file says, not what was given */
		if (eq)
			TRY(instr_expand(s, st, i, eq + 1, &value, e));
		str_addf(&text, value ? " %s=%s" : " %s", name, value);
		given = arg_given(s, name);
		if (!given && !value)
			given = strv_env_get(&s->global, name);
		if (given) {
			free(value);
			value = xstrdup(given);
		}
		strv_add(&names, name);
		if (value)
			strv_addf(&pairs, "%s=%s", name, value);
	}
	strv_copy(&st->args, &names);
	for (size_t k = 0; k < names.n; k++) {
		const char *value = strv_env_get(&pairs, names.v[k]);

		if (value)
			strv_env_set(&st->scope, names.v[k], value);
	}
	stage_history(st, false, "ARG%s", text.s);
	return 0;
}

/* ---- what only changes the config ---------------------------------------------------------------------------------------------------------------- */

static int apply_cmd(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	AUTO_STRV(argv);

	(void)e;
	command_of(st, i, &argv);
	if (!i->json && !st->img.shell.n)
		df_warn(&s->warnings, "JSONArgsRecommended", i->line,
			"JSON arguments recommended for CMD to prevent unintended behavior related to OS signals");
	replace_list(&st->img.cmd, &argv);
	st->img.args_escaped = true;
	st->cmd_seen = true;

	auto_free char *text = go_quoted_list(&argv);

	stage_history(st, false, "CMD %s", text);
	return 0;
}

static int apply_entrypoint(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	AUTO_STRV(argv);

	(void)e;
	command_of(st, i, &argv);
	if (!i->json && !st->img.shell.n)
		df_warn(&s->warnings, "JSONArgsRecommended", i->line,
			"JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals");
	replace_list(&st->img.entrypoint, &argv);
	if (!st->cmd_seen)
		strv_clear(&st->img.cmd);

	auto_free char *text = go_quoted_list(&argv);

	stage_history(st, false, "ENTRYPOINT %s", text);
	return 0;
}

static int apply_shell(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	auto_free char *text = go_list(&i->args);

	(void)s;
	(void)e;
	replace_list(&st->img.shell, &i->args);
	stage_history(st, false, "SHELL %s", text);
	return 0;
}

static int apply_maintainer(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	(void)e;
	df_warn(&s->warnings, "MaintainerDeprecated", i->line, "Maintainer instruction is deprecated in favor of using label");
	replace(&st->img.author, xstrdup(i->args.v[0]));
	stage_history(st, false, "MAINTAINER %s", i->args.v[0]);
	return 0;
}

static int add_ports(struct strv *ret, const char *word, struct err *e)
{
	const char *slash = strrchr(word, '/'), *colon;
	auto_free char *proto = xstrdup(slash ? slash + 1 : "tcp"), *spec = xstrndup(word, slash ? (size_t)(slash - word) : strlen(word));
	uint64_t first, last;
	char *dash, *ports;
	AUTO_ERR(bad);

	for (char *p = proto; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	if (!streq(proto, "tcp") && !streq(proto, "udp") && !streq(proto, "sctp"))
		return err_set(e, EINVAL, "invalid port: \"%s\": invalid proto: %s", word, proto);
	colon = strrchr(spec, ':');
	ports = colon ? spec + (colon - spec) + 1 : spec;
	dash = strchr(ports, '-');
	if (dash)
		*dash = '\0';
	if (num_uint(ports, 65535, &first, &bad) < 0 || (dash && num_uint(dash + 1, 65535, &last, &bad) < 0) || (dash && last < first)) {
		if (dash)
			*dash = '-';
		return err_set(e, EINVAL, "invalid containerPort: %s", ports);
	}
	if (!dash)
		last = first;
	for (uint64_t n = first; n <= last; n++)
		strv_addf(ret, "%llu/%s", (unsigned long long)n, proto);
	return 0;
}

static int apply_expose(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	AUTO_STR(text, TEXT_MAX);
	AUTO_STRV(words);
	AUTO_STRV(ports);
	AUTO_STRV(unique);

	for (size_t k = 0; k < i->args.n; k++) {
		auto_free char *word = NULL;
		char *save = NULL;

		TRY(instr_expand(s, st, i, i->args.v[k], &word, e));
		for (char *p = strtok_r(word, " \t", &save); p; p = strtok_r(NULL, " \t", &save))
			strv_add(&words, p);
	}
	strv_sort(&words);
	for (size_t k = 0; k < words.n; k++)
		TRY(add_ports(&ports, words.v[k], e));
	strv_sort(&ports);
	for (size_t k = 0; k < ports.n; k++) {
		if (k && streq(ports.v[k], ports.v[k - 1]))
			continue;
		str_addf(&text, "%s%s:{}", text.len ? " " : "", ports.v[k]);
		strv_add(&unique, ports.v[k]);
	}
	strv_copy(&unique, &st->img.exposed);
	strv_sort(&unique);
	strv_clear(&st->img.exposed);
	for (size_t k = 0; k < unique.n; k++)
		if (!k || !streq(unique.v[k], unique.v[k - 1]))
			strv_add(&st->img.exposed, unique.v[k]);
	stage_history(st, false, "EXPOSE map[%s]", text.s);
	return 0;
}

static int apply_volume(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	AUTO_STRV(paths);

	for (size_t k = 0; k < i->args.n; k++) {
		auto_free char *path = NULL;

		TRY(instr_expand(s, st, i, i->args.v[k], &path, e));
		if (!*path)
			return err_set(e, EINVAL, "VOLUME specified can not be an empty string");
		strv_add(&paths, path);
		strv_add_unique(&st->img.volumes, path);
	}

	auto_free char *text = go_list(&paths);

	stage_history(st, false, "VOLUME %s", text);
	return 0;
}

static int apply_user(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	char *user = NULL;

	TRY(instr_expand(s, st, i, i->args.v[0], &user, e));
	replace(&st->img.user, user);
	stage_history(st, false, "USER %s", user);
	return 0;
}

static int apply_stopsignal(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	auto_free char *text = NULL;
	AUTO_ERR(bad);
	int64_t n;
	int sig;

	TRY(instr_expand(s, st, i, i->args.v[0], &text, e));
	if (num_int(text, INT32_MIN, INT32_MAX, &n, &bad) >= 0 ? n == 0 : (err_clear(&bad), proc_signal_parse(text, &sig, &bad) < 0))
		return err_set(e, EINVAL, "invalid signal: %s", text);
	stage_history(st, false, "STOPSIGNAL %s", text);
	replace(&st->img.stop_signal, TAKE(text));
	return 0;
}

/* Go's %q of an int: a character. */
static void quoted_char(char *buf, size_t n, int64_t c)
{
	static const char named[] = "\a\b\f\n\r\t\v\\'", letters[] = "abfnrtv\\'";
	const char *at = c > 0 && c < 128 ? strchr(named, (int)c) : NULL;

	if (at)
		snprintf(buf, n, "'\\%c'", letters[at - named]);
	else if (c >= 32 && c < 127)
		snprintf(buf, n, "'%c'", (int)c);
	else if (c < 128)
		snprintf(buf, n, "'\\x%02x'", (unsigned)c);
	else
		snprintf(buf, n, "'\\u%04x'", (unsigned)c);
}

static int apply_health(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	static const struct {
		const char *flag, *key;
	} times[] = { { "interval", "Interval" }, { "timeout", "Timeout" }, { "start-period", "StartPeriod" }, { "start-interval", "StartInterval" } };
	struct cJSON *health = json_object();
	const char *retries = instr_flag(i, "retries");
	bool none = strcasecmp(i->args.v[0], "NONE") == 0;
	AUTO_STR(text, TEXT_MAX);
	AUTO_STRV(test);
	char quoted[16];
	int64_t n = 0;

	(void)s;
	json_free(st->img.health);
	st->img.health = health;
	strv_add(&test, none ? "NONE" : i->json ? "CMD" : "CMD-SHELL");
	for (size_t k = 1; !none && k < i->args.n; k++)
		strv_add(&test, i->args.v[k]);
	json_add_strv(health, "Test", &test);

	auto_free char *list = go_quoted_list(&test);

	str_addf(&text, "HEALTHCHECK &{%s", list);
	for (size_t k = 0; k < ARRAY_LEN(times); k++) {
		const char *v = none ? NULL : instr_flag(i, times[k].flag);
		int64_t ns = 0;

		if (v)
			TRY(num_duration(v, &ns, e));
		if (ns)
			json_add_int(health, times[k].key, ns);

		auto_free char *shown = num_duration_text(ns);

		str_addf(&text, " \"%s\"", shown);
	}
	if (retries && !none)
		TRY(num_int(retries, 0, INT32_MAX, &n, e));
	if (n)
		json_add_int(health, "Retries", n);
	quoted_char(quoted, sizeof(quoted), n);
	stage_history(st, false, "%s %s}", text.s, quoted);
	return 0;
}

static int apply_onbuild(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	(void)s;
	(void)e;
	strv_add(&st->img.onbuild, i->args.v[0]);
	return 0;
}

/* ---- steps --------------------------------------------------------------------------------------------------------------------------------------- */

static int apply_workdir(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	auto_free char *path = NULL, *joined = NULL;
	struct step *t;

	TRY(instr_expand(s, st, i, i->args.v[0], &path, e));
	joined = path_join(st->img.cwd ? st->img.cwd : "/", path);
	replace(&st->img.cwd, path_clean(joined));
	if (streq(st->img.cwd, "/")) {
		stage_history(st, false, "WORKDIR /");
		return 0;
	}
	t = stage_step(st, STEP_WORKDIR, i, e);
	t->dest = xstrdup(st->img.cwd);
	t->history = stage_history(st, true, "WORKDIR %s", st->img.cwd);
	return 0;
}

static bool is_url(const char *s)
{
	return str_starts(s, "http://") || str_starts(s, "https://");
}

static bool is_git(const char *s)
{
	auto_free char *bare = xstrndup(s, strcspn(s, "#?"));

	return str_starts(s, "git://") || str_starts(s, "ssh://") || str_starts(s, "git@") || (is_url(s) && str_ends(bare, ".git"));
}

static int copy_source(struct step *t, const struct instr *i, const char *src, struct err *e)
{
	if (i->kind == INSTR_COPY && is_git(src) && !is_url(src))
		return err_set(e, EINVAL, "source can't be a git ref for COPY");
	if (i->kind == INSTR_COPY && is_url(src))
		return err_set(e, EINVAL, "source can't be a URL for COPY");
	if (is_git(src)) {
		err_set(e, ENOTSUP, "ADD '%s': git repositories cannot be read yet", src);
		err_hint(e, "clone it beforehand, and ADD or COPY the folder");
		return -ENOTSUP;
	}
	strv_add(is_url(src) ? &t->urls : &t->sources, src);
	return 0;
}

static bool doc_taken(const struct instr *i, const char *word, size_t *ret)
{
	const char *p = strstr(word, "<<");

	if (!p || i->json || strspn(word, "0123456789") != (size_t)(p - word))
		return false;
	for (size_t k = 0; k < i->ndocs; k++) {
		p = word + strcspn(word, "<") + 2;
		p += *p == '-';
		p += *p == '"' || *p == '\'';
		if (strncmp(p, i->docs[k].name, strlen(i->docs[k].name)) == 0) {
			*ret = k;
			return true;
		}
	}
	return false;
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
		size_t doc;

		if (doc_taken(i, i->args.v[k], &doc))
			continue;
		TRY(instr_expand(s, st, i, i->args.v[k], &src, e));
		TRY(copy_source(t, i, src, e));
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
	const char *chown = instr_flag(i, "chown"), *chmod = instr_flag(i, "chmod"), *from = instr_flag(i, "from"), *sum = instr_flag(i, "checksum");

	t->parents = instr_flag_bool(i, "parents", false);
	t->link = instr_flag_bool(i, "link", false);
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
	if (t->sources.n + t->urls.n > 1)
		return err_set(e, EINVAL, "checksum can't be specified for multiple sources");
	return t->urls.n == 1 ? 0 : err_set(e, EINVAL, "checksum requires HTTP(S) or Git sources");
}

static int apply_copy(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
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
	AUTO_STR(all, TEXT_MAX);

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
	const char *network = instr_flag(i, "network"), *security = instr_flag(i, "security");
	AUTO_STRV(mounts);
	AUTO_STRV(devices);

	instr_flag_list(i, "device", &devices);
	if (devices.n)
		return err_set(e, ENOTSUP, "--device=%s: devices of the host cannot be given to a build", devices.v[0]);
	if (network && !streq(network, "default"))
		t->network = xstrdup(network);
	if (network && streq(network, "host") && !s->o->allow_host) {
		err_set(e, EPERM, "network.host is not allowed");
		err_hint(e, "allow it: --allow network.host, or 'entitlements: [network.host]'");
		return -EPERM;
	}
	t->insecure = security && streq(security, "insecure");
	if (t->insecure && !s->o->allow_insecure) {
		err_set(e, EPERM, "security.insecure is not allowed");
		err_hint(e, "allow it: --allow security.insecure, or 'privileged: true' in the compose file's build section");
		return -EPERM;
	}
	instr_flag_list(i, "mount", &mounts);
	for (size_t k = 0; k < mounts.n; k++)
		TRY(add_mount(s, st, i, t, mounts.v[k], e));
	return 0;
}

static int apply_run(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	AUTO_STR(text, TEXT_MAX);
	AUTO_STR(args, TEXT_MAX);
	AUTO_STRV(words);
	struct step *t = stage_step(st, STEP_RUN, i, e);

	TRY(run_flags(s, st, i, t, e));
	if (i->json) {
		strv_copy(&t->argv, &i->args);
	} else {
		run_text(i, t, &text);
		if (st->img.shell.n) {
			strv_copy(&t->argv, &st->img.shell);
		} else {
			strv_add(&t->argv, "/bin/sh");
			strv_add(&t->argv, "-c");
		}
		strv_add(&t->argv, text.s);
	}
	if (!t->argv.n)
		return err_set(e, EINVAL, "RUN requires at least one argument");
	strv_copy(&t->env, &st->scope);
	add_args(st, &args);

	auto_free char *joined = strv_join(&t->argv, " ");

	t->history = stage_history(st, true, "RUN%s %s # buildkit", args.s, joined);
	return 0;
}

int instr_apply(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	static int (*const appliers[INSTR_KINDS])(struct stages *, struct stage *, const struct instr *, struct err *) = {
		[INSTR_ADD] = apply_copy, [INSTR_ARG] = apply_arg, [INSTR_CMD] = apply_cmd, [INSTR_COPY] = apply_copy,
		[INSTR_ENTRYPOINT] = apply_entrypoint, [INSTR_ENV] = apply_env, [INSTR_EXPOSE] = apply_expose,
		[INSTR_HEALTHCHECK] = apply_health, [INSTR_LABEL] = apply_label, [INSTR_MAINTAINER] = apply_maintainer,
		[INSTR_ONBUILD] = apply_onbuild, [INSTR_RUN] = apply_run, [INSTR_SHELL] = apply_shell, [INSTR_STOPSIGNAL] = apply_stopsignal,
		[INSTR_USER] = apply_user, [INSTR_VOLUME] = apply_volume, [INSTR_WORKDIR] = apply_workdir,
	};

	if (!appliers[i->kind])
		return err_set(e, EINVAL, "%s cannot stand here", instr_name(i->kind));
	return appliers[i->kind](s, st, i, e);
}
