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
#include "base/proc.h"
#include "base/str.h"
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

/* Shell form: SHELL and the text, which may be empty; JSON: as it is. */
static void command_of(const struct stage *st, const struct instr *i, struct strv *ret)
{
	if (i->json) {
		strv_copy(ret, &i->args);
		return;
	}
	stage_shell(st, ret);
	strv_add(ret, i->args.n ? i->args.v[0] : "");
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
		auto_free char *raw = xstrndup(i->args.v[k], eq ? (size_t)(eq - i->args.v[k]) : strlen(i->args.v[k])), *name = NULL, *value = NULL;

		TRY(instr_expand(s, st, i, raw, &name, e));
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

/* "8000-8003": FIRST and LAST. */
static int port_range(const char *text, uint64_t *first, uint64_t *last)
{
	const char *dash = strchr(text, '-');
	auto_free char *low = xstrndup(text, dash ? (size_t)(dash - text) : strlen(text));
	AUTO_ERR(bad);

	if (num_uint(low, 65535, first, &bad) < 0)
		return -EINVAL;
	*last = *first;
	if (dash && num_uint(dash + 1, 65535, last, &bad) < 0)
		return -EINVAL;
	return *last < *first ? -EINVAL : 0;
}

/* "IP:HOST:80-81/tcp": only the container's ports count. What follows a second '/' is not looked at (go-connections/nat). */
static int add_ports(struct strv *ret, const char *word, struct err *e)
{
	auto_free char *spec = xstrdup(word), *proto = NULL;
	uint64_t first, last, ignored;
	char *slash, *colon, *host = NULL;

	colon = strrchr(spec, ':');
	slash = strchr(colon ? colon : spec, '/');
	proto = slash ? xstrndup(slash + 1, strcspn(slash + 1, "/")) : xstrdup("");
	if (slash)
		*slash = '\0';
	for (char *p = proto; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	if (*proto && !streq(proto, "tcp") && !streq(proto, "udp") && !streq(proto, "sctp"))
		return err_set(e, EINVAL, "invalid port: \"%s\": invalid proto: %s", word, proto);
	if (port_range(colon ? colon + 1 : spec, &first, &last) < 0)
		return err_set(e, EINVAL, "invalid containerPort: %s", colon ? colon + 1 : spec);
	if (colon) {
		*colon = '\0';
		host = strrchr(spec, ':');
		host = host ? host + 1 : spec;
		if (*host && port_range(host, &ignored, &ignored) < 0)
			return err_set(e, EINVAL, "invalid hostPort: %s", host);
	}
	for (uint64_t n = first; n <= last; n++)
		strv_addf(ret, "%llu/%s", (unsigned long long)n, *proto ? proto : "tcp");
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

/* Docker's names: real-time ones up to RTMIN+15 and down to RTMAX-14. */
static bool signal_is_known(const char *name)
{
	enum { ABOVE_RTMIN = 15, BELOW_RTMAX = 14 };
	const char *bare = strncasecmp(name, "SIG", 3) == 0 ? name + 3 : name;
	AUTO_ERR(bad);
	uint64_t n = 0;
	int sig;

	if (strncasecmp(bare, "RTMIN+", 6) == 0)
		return num_uint(bare + 6, ABOVE_RTMIN, &n, &bad) >= 0 && n;
	if (strncasecmp(bare, "RTMAX-", 6) == 0)
		return num_uint(bare + 6, BELOW_RTMAX, &n, &bad) >= 0 && n;
	return proc_signal_parse(name, &sig, &bad) >= 0;
}

static int apply_stopsignal(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	auto_free char *text = NULL;
	AUTO_ERR(bad);
	int64_t n;

	TRY(instr_expand(s, st, i, i->args.v[0], &text, e));
	if (num_int(text, INT32_MIN, INT32_MAX, &n, &bad) >= 0 ? n == 0 : !signal_is_known(text))
		return err_set(e, EINVAL, "invalid signal: %s", text);
	stage_history(st, false, "STOPSIGNAL %s", text);
	replace(&st->img.stop_signal, TAKE(text));
	return 0;
}

static int apply_health(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	static const struct {
		const char *flag, *key;
	} times[] = { { "interval", "Interval" }, { "timeout", "Timeout" }, { "start-period", "StartPeriod" }, { "start-interval", "StartInterval" } };
	struct cJSON *health = json_object();
	const char *retries = instr_flag_value(i, "retries");
	bool none = strcasecmp(i->args.v[0], "NONE") == 0;
	AUTO_STR(text, TEXT_MAX);
	AUTO_STRV(test);
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
		const char *v = none ? NULL : instr_flag_value(i, times[k].flag);
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

	auto_free char *quoted = go_quoted_char(n);

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

int instr_apply(struct stages *s, struct stage *st, const struct instr *i, struct err *e)
{
	static int (*const appliers[INSTR_KINDS])(struct stages *, struct stage *, const struct instr *, struct err *) = {
		[INSTR_ADD] = instr_apply_copy, [INSTR_ARG] = apply_arg, [INSTR_CMD] = apply_cmd, [INSTR_COPY] = instr_apply_copy,
		[INSTR_ENTRYPOINT] = apply_entrypoint, [INSTR_ENV] = apply_env, [INSTR_EXPOSE] = apply_expose,
		[INSTR_HEALTHCHECK] = apply_health, [INSTR_LABEL] = apply_label, [INSTR_MAINTAINER] = apply_maintainer,
		[INSTR_ONBUILD] = apply_onbuild, [INSTR_RUN] = instr_apply_run, [INSTR_SHELL] = apply_shell, [INSTR_STOPSIGNAL] = apply_stopsignal,
		[INSTR_USER] = apply_user, [INSTR_VOLUME] = apply_volume, [INSTR_WORKDIR] = instr_apply_workdir,
	};

	if (!appliers[i->kind])
		return err_set(e, EINVAL, "%s cannot stand here", instr_name(i->kind));
	return appliers[i->kind](s, st, i, e);
}
