/* SPDX-License-Identifier: MIT */
#include "engine/image/change.h"

#include <errno.h>
#include <string.h>
#include <stdbool.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strv.h"

enum { CHANGE_MAX = 64 << 10 };

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* Words with quotes and backslashes as the Dockerfile's ENV and LABEL have them. */
static int split_words(const char *s, struct strv *ret, struct err *e)
{
	for (s = skip_blanks(s); *s; s = skip_blanks(s)) {
		AUTO_STR(word, CHANGE_MAX);
		char quote = 0;

		for (; *s && (quote || (*s != ' ' && *s != '\t')); s++) {
			if (*s == '\\' && s[1] && quote != '\'')
				str_addc(&word, *++s);
			else if (quote ? *s == quote : *s == '"' || *s == '\'')
				quote = quote ? 0 : *s;
			else
				str_addc(&word, *s);
		}
		if (quote)
			return err_set(e, EINVAL, "a quote (%c) is not closed", quote);
		TRY(str_check(&word, "a word", e));
		strv_add_take(ret, str_take(&word));
	}
	return 0;
}

/* ["a", "b"]: 1, text that is not a JSON list of strings: 0. */
static int json_list(const char *s, struct strv *ret)
{
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_ERR(not_json);

	s = skip_blanks(s);
	if (*s != '[' || json_parse(s, strlen(s), "list", &j, &not_json) < 0 || !json_is_array(j))
		return 0;
	for (const struct cJSON *c = json_first(j); c; c = json_next(c)) {
		if (!json_value_str(c))
			return 0;
		strv_add(ret, json_value_str(c));
	}
	return 1;
}

static void replace_list(struct cJSON *config, const char *key, const struct strv *l)
{
	json_remove(config, key);
	json_add_strv(config, key, l);
}

static int set_command(struct cJSON *config, const char *key, const char *args, struct err *e)
{
	AUTO_STRV(argv);

	if (!json_list(args, &argv)) {
		strv_clear(&argv);
		strv_add(&argv, "/bin/sh");
		strv_add(&argv, "-c");
		strv_add(&argv, args);
	}
	replace_list(config, key, &argv);
	return 0;
}

static int change_cmd(struct cJSON *config, const char *args, struct err *e)
{
	return set_command(config, "Cmd", args, e);
}

static int change_entrypoint(struct cJSON *config, const char *args, struct err *e)
{
	return set_command(config, "Entrypoint", args, e);
}

/* "A=b C=d", or the old form "A b and the rest". */
static int split_pairs(const char *args, struct strv *ret, struct err *e)
{
	AUTO_STRV(words);

	TRY(split_words(args, &words, e));
	if (words.n && !strchr(words.v[0], '=')) {
		size_t n = strcspn(args, " \t");

		if (words.n < 2)
			return err_set(e, EINVAL, "a value is missing");
		strv_addf(ret, "%.*s=%s", (int)n, args, skip_blanks(args + n));
		return 0;
	}
	for (size_t i = 0; i < words.n; i++) {
		if (!strchr(words.v[i], '=') || *words.v[i] == '=')
			return err_set(e, EINVAL, "'%s' is not KEY=VALUE", words.v[i]);
		strv_add(ret, words.v[i]);
	}
	return 0;
}

static int change_env(struct cJSON *config, const char *args, struct err *e)
{
	AUTO_STRV(pairs);
	AUTO_STRV(env);

	TRY(split_pairs(args, &pairs, e));
	json_strv(config, "Env", &env);
	for (size_t i = 0; i < pairs.n; i++) {
		char *equals = strchr(pairs.v[i], '=');

		*equals = '\0';
		strv_env_set(&env, pairs.v[i], equals + 1);
	}
	replace_list(config, "Env", &env);
	return 0;
}

static struct cJSON *object_in(struct cJSON *config, const char *key)
{
	struct cJSON *o = json_get(config, key);

	return o ? o : json_add_object(config, key);
}

static int change_label(struct cJSON *config, const char *args, struct err *e)
{
	AUTO_STRV(pairs);
	struct cJSON *labels = object_in(config, "Labels");

	TRY(split_pairs(args, &pairs, e));
	for (size_t i = 0; i < pairs.n; i++) {
		char *equals = strchr(pairs.v[i], '=');

		*equals = '\0';
		json_remove(labels, pairs.v[i]);
		json_add_str(labels, pairs.v[i], equals + 1);
	}
	return 0;
}

static int check_port(const char *port, struct err *e)
{
	const char *slash = strchr(port, '/');
	auto_free char *numbers = xstrndup(port, slash ? (size_t)(slash - port) : strlen(port));
	char *dash = strchr(numbers, '-');
	uint64_t n;

	if (slash && !streq(slash, "/tcp") && !streq(slash, "/udp") && !streq(slash, "/sctp"))
		return err_set(e, EINVAL, "'%s': the protocol is tcp, udp or sctp", port);
	if (dash) {
		*dash = '\0';
		TRY(num_uint(dash + 1, 65535, &n, e));
	}
	return num_uint(numbers, 65535, &n, e);
}

static int change_expose(struct cJSON *config, const char *args, struct err *e)
{
	struct cJSON *ports = object_in(config, "ExposedPorts");
	AUTO_STRV(words);

	TRY(split_words(args, &words, e));
	for (size_t i = 0; i < words.n; i++) {
		auto_free char *port = xasprintf("%s%s", words.v[i], strchr(words.v[i], '/') ? "" : "/tcp");

		TRY(check_port(port, e));
		json_remove(ports, port);
		json_add_object(ports, port);
	}
	return 0;
}

static int change_volume(struct cJSON *config, const char *args, struct err *e)
{
	struct cJSON *volumes = object_in(config, "Volumes");
	AUTO_STRV(words);

	if (!json_list(args, &words)) {
		strv_clear(&words);
		TRY(split_words(args, &words, e));
	}
	for (size_t i = 0; i < words.n; i++) {
		if (!*words.v[i])
			return err_set(e, EINVAL, "a path is empty");
		json_remove(volumes, words.v[i]);
		json_add_object(volumes, words.v[i]);
	}
	return 0;
}

static int set_word(struct cJSON *config, const char *key, const char *args, struct err *e)
{
	AUTO_STRV(words);

	TRY(split_words(args, &words, e));
	if (words.n != 1)
		return err_set(e, EINVAL, "it takes exactly one argument");
	json_remove(config, key);
	json_add_str(config, key, words.v[0]);
	return 0;
}

static int change_user(struct cJSON *config, const char *args, struct err *e)
{
	return set_word(config, "User", args, e);
}

static int change_stopsignal(struct cJSON *config, const char *args, struct err *e)
{
	int sig;

	TRY(proc_signal_parse(args, &sig, e));
	return set_word(config, "StopSignal", args, e);
}

/* A relative one goes below the one before. */
static int change_workdir(struct cJSON *config, const char *args, struct err *e)
{
	const char *before = json_str(config, "WorkingDir");
	auto_free char *path = *args == '/' ? xstrdup(args) : xasprintf("%s/%s", before ? before : "", args);

	json_remove(config, "WorkingDir");
	json_add_str(config, "WorkingDir", path);
	return 0;
}

static int change_onbuild(struct cJSON *config, const char *args, struct err *e)
{
	AUTO_STRV(list);

	json_strv(config, "OnBuild", &list);
	strv_add(&list, args);
	replace_list(config, "OnBuild", &list);
	return 0;
}

static const struct health_option {
	const char *name, *key;
	bool is_count;
} health_options[] = {
	{ "--interval=", "Interval", false },
	{ "--timeout=", "Timeout", false },
	{ "--start-period=", "StartPeriod", false },
	{ "--start-interval=", "StartInterval", false },
	{ "--retries=", "Retries", true },
};

static int health_option(struct cJSON *health, const char *word, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(health_options); i++) {
		const char *value = str_after(word, health_options[i].name);
		int64_t n;

		if (!value)
			continue;
		TRY(health_options[i].is_count ? num_int(value, 0, 1000000, &n, e) : num_duration(value, &n, e));
		json_add_int(health, health_options[i].key, n);
		return 0;
	}
	return err_set(e, EINVAL, "'%s' is not one of its options", word);
}

static int change_healthcheck(struct cJSON *config, const char *args, struct err *e)
{
	AUTO(json_free) struct cJSON *health = json_object();
	AUTO_STRV(test);
	AUTO_STRV(argv);

	while (str_starts(args, "--")) {
		size_t n = strcspn(args, " \t");
		auto_free char *word = xstrndup(args, n);

		TRY(health_option(health, word, e));
		args = skip_blanks(args + n);
	}
	if (strcasecmp(args, "NONE") == 0) {
		strv_add(&test, "NONE");
	} else if (strncasecmp(args, "CMD", 3) == 0 && (args[3] == ' ' || args[3] == '\t' || args[3] == '[')) {
		args = skip_blanks(args + 3);
		strv_add(&test, json_list(args, &argv) ? "CMD" : "CMD-SHELL");
		if (streq(test.v[0], "CMD"))
			strv_copy(&test, &argv);
		else
			strv_add(&test, args);
	} else {
		return err_set(e, EINVAL, "after the options comes CMD or NONE");
	}
	json_add_strv(health, "Test", &test);
	json_remove(config, "Healthcheck");
	json_add(config, "Healthcheck", TAKE(health));
	return 0;
}

static const struct change {
	const char *name;
	int (*apply)(struct cJSON *config, const char *args, struct err *e);
} changes_known[] = {
	{ "CMD", change_cmd },           { "ENTRYPOINT", change_entrypoint },
	{ "ENV", change_env },           { "EXPOSE", change_expose },
	{ "HEALTHCHECK", change_healthcheck }, { "LABEL", change_label },
	{ "ONBUILD", change_onbuild },   { "STOPSIGNAL", change_stopsignal },
	{ "USER", change_user },         { "VOLUME", change_volume },
	{ "WORKDIR", change_workdir },
};

static int change_one(struct cJSON *config, const char *text, struct err *e)
{
	const char *name = skip_blanks(text), *args;
	size_t n = strcspn(name, " \t");

	args = skip_blanks(name + n);
	if (!*args)
		return err_set(e, EINVAL, "it has no argument");
	for (size_t i = 0; i < ARRAY_LEN(changes_known); i++)
		if (strlen(changes_known[i].name) == n && strncasecmp(name, changes_known[i].name, n) == 0)
			return changes_known[i].apply(config, args, e);
	return err_set(e, EINVAL, "only CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR can be set");
}

int image_changes(struct cJSON *config, const struct strv *changes, struct err *e)
{
	for (size_t i = 0; i < changes->n; i++)
		if (strlen(changes->v[i]) > CHANGE_MAX || change_one(config, changes->v[i], e) < 0) {
			if (!e->code)
				err_set(e, E2BIG, "longer than %d bytes", CHANGE_MAX);
			return err_wrap(e, "change '%.200s'", changes->v[i]);
		}
	return 0;
}
