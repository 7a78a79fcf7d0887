/* SPDX-License-Identifier: MIT */
#include "tests/unit/compose_world.h"
#include "base/arena.h"
#include "base/map.h"
#include "base/path.h"
#include "base/strv.h"
#include "base/time.h"
#include "compose/emit.h"
#include "compose/load.h"
#include "compose/yaml.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- which files ---- */

static void test_search(void **state)
{
	struct world w;
	struct load_env env;
	auto_free char *sub = NULL;

	world_init(&w);
	sub = path_join(w.dir, "a/b");
	put(&w, "a/b/.keep", "");
	w.o.cwd = sub;
	assert_string_equal(found(&w, &env), "");
	assert_int_equal(compose_env(&w.o, w.a, false, &w.notes, &env, &w.e), -ENOENT);
	assert_int_equal(w.e.exit, 14);
	put(&w, "docker-compose.yaml", "services: {}\n");
	assert_string_equal(found(&w, &env), "docker-compose.yaml");
	assert_string_equal(env.dir, w.dir);
	put(&w, "docker-compose.yml", "services: {}\n");
	assert_string_equal(found(&w, &env), "docker-compose.yml");
	assert_true(noted(&w, "Found multiple config files"));
	put(&w, "compose.yaml", "services: {}\n");
	put(&w, "docker-compose.override.yml", "services: {}\n");
	put(&w, "compose.override.yaml", "services: {}\n");
	assert_string_equal(found(&w, &env), "compose.yaml");
	assert_int_equal(env.files.n, 2);
	assert_string_equal(path_base(env.files.v[1]), "compose.override.yaml");
	put(&w, "a/compose.yml", "services: {}\n"); /* nearer: wins, and the other override does not count */
	assert_string_equal(found(&w, &env), "compose.yml");
	assert_int_equal(env.files.n, 1);
	assert_true(str_ends(env.dir, "/a"));
	world_done(&w);
}

static void test_compose_file(void **state)
{
	struct world w;
	struct load_env env;

	world_init(&w);
	put(&w, "x/one.yaml", "");
	put(&w, ".env", "COMPOSE_FILE=x/one.yaml;two.yaml\nCOMPOSE_PATH_SEPARATOR=;\nA=first\n");
	put(&w, "x/.env", "A=second\nB=second\nCOMPOSE_PROJECT_NAME=named\n");
	assert_string_equal(found(&w, &env), "one.yaml");
	assert_int_equal(env.files.n, 2);
	assert_true(str_ends(env.dir, "/x"));
	assert_string_equal(map_get(env.env, "A"), "first"); /* both .env files count, the first read wins */
	assert_string_equal(map_get(env.env, "B"), "second");
	assert_string_equal(env.name, "named");
	strv_env_set(&w.env, "COMPOSE_FILE", "shell.yaml");
	assert_string_equal(found(&w, &env), "shell.yaml");
	strv_add(&w.o.files, "given.yaml");
	assert_string_equal(found(&w, &env), "given.yaml");
	strv_clear(&w.o.files);
	strv_env_set(&w.env, "COMPOSE_FILE", "a.yaml;");
	strv_env_set(&w.env, "COMPOSE_PATH_SEPARATOR", ";");
	assert_null(found(&w, &env));
	world_done(&w);
}

static void test_env_files(void **state)
{
	struct world w;
	struct load_env env;

	world_init(&w);
	put(&w, ".env", "A=default\n");
	put(&w, "one.env", "A=one\nB=one\n");
	put(&w, "two.env", "B=two\nC=${A}\nSHELL=file\n");
	strv_env_set(&w.env, "SHELL", "sh");
	assert_non_null(found(&w, &env));
	assert_string_equal(map_get(env.env, "A"), "default");
	strv_env_set(&w.env, "COMPOSE_DISABLE_ENV_FILE", "true");
	assert_non_null(found(&w, &env));
	assert_null(map_get(env.env, "A"));
	strv_env_set(&w.env, "COMPOSE_DISABLE_ENV_FILE", "maybe");
	assert_null(found(&w, &env));
	strv_env_set(&w.env, "COMPOSE_ENV_FILES", "one.env,two.env"); /* and then the other variable is not asked */
	assert_non_null(found(&w, &env));
	assert_string_equal(map_get(env.env, "A"), "one");
	assert_string_equal(map_get(env.env, "B"), "two");
	assert_string_equal(map_get(env.env, "C"), "one");
	assert_string_equal(map_get(env.env, "SHELL"), "sh");
	assert_int_equal(env.env_files.n, 2);
	strv_add(&w.o.env_files, "two.env");
	assert_non_null(found(&w, &env));
	assert_null(map_get(env.env, "A"));
	strv_add(&w.o.env_files, "gone.env");
	assert_null(found(&w, &env));
	assert_int_equal(w.e.exit, 1);
	world_done(&w);
}

static void test_names(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "My App.v2", "myappv2" }, { "_-x_-", "x_-" }, { "...", "" }, { "Ünïcode", "ncode" }, { "a", "a" },
	};
	static const char *const bad[] = { "", "A", "-a", "_a", "a.b", "a b", "../x", "a/b" };
	static const char *const good[] = { "a", "0", "a-b_c", "9x" };
	AUTO(arena_free) struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(project_name_normalize(a, rows[i].in), rows[i].want);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_ERR(e);
		assert_true(project_name_check(bad[i], &e) < 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		AUTO_ERR(e);
		assert_true(project_name_check(good[i], &e) >= 0);
	}
}

/* ---- what is refused ---- */

static void test_not_a_file(void **state)
{
	struct world w;
	auto_free char *fifo = NULL;
	static const char *const paths[] = { "fifo", "/dev/zero", "/dev/tty", ".", "gone.yaml" };
	int64_t start = time_mono_ns();

	world_init(&w);
	fifo = path_join(w.dir, "fifo");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		strv_clear(&w.o.files);
		strv_add(&w.o.files, paths[i]);
		assert_null(load(&w));
	}
	strv_clear(&w.o.files);
	put(&w, "compose.yaml", "include: [fifo]\nservices: {a: {image: b}}\n");
	assert_null(load(&w));
	assert_non_null(strstr(err_text(&w.e), "compose.yaml:1:11: read "));
	put(&w, "compose.yaml", "services: {a: {image: b, env_file: fifo}}\n");
	assert_null(load(&w));
	put(&w, "compose.yaml", "services: {a: {image: b, env_file: /dev/fd/0}}\n");
	assert_true(time_mono_ns() - start < 1000000000);
	world_done(&w);
}

static void test_many_files(void **state)
{
	struct world w;
	AUTO_STR(text, 1 << 20);

	world_init(&w);
	put(&w, "x.yaml", "services: {x: {image: x}}\n");
	str_add(&text, "services: {a: {image: a}}\ninclude:\n");
	for (int i = 0; i < 1500; i++)
		str_add(&text, "  - x.yaml\n");
	put(&w, "compose.yaml", text.s);
	assert_null(load(&w));
	assert_non_null(strstr(err_text(&w.e), "more than 1000 files"));
	str_reset(&text);
	str_add(&text, "services:\n  s0: {image: a}\n");
	for (int i = 1; i < 2000; i++)
		str_addf(&text, "  s%d: {extends: s%d}\n", i, i + 1 < 2000 ? i + 1 : 0);
	put(&w, "compose.yaml", text.s);
	assert_null(load(&w));
	assert_non_null(strstr(err_text(&w.e), "deep"));
	world_done(&w);
}

static void test_linear(void **state)
{
	struct world w;
	struct project *p;
	AUTO_STR(text, 8 << 20);
	int64_t start;

	world_init(&w);
	str_add(&text, "services:\n  s0: {image: x}\n");
	for (int i = 1; i < 2000; i++)
		str_addf(&text, "  s%d: {image: \"i:${V:-1}\", depends_on: [s%d], ports: [\"%d:80\"]}\n", i, i / 2, 1000 + i);
	put(&w, "compose.yaml", text.s);
	start = time_mono_ns();
	p = load(&w);
	assert_non_null(p);
	assert_int_equal(p->services.n, 2000);
	assert_true(time_mono_ns() - start < 2000000000);
	world_done(&w);
}

/* ---- variables ---- */

static void test_variables(void **state)
{
	struct world w;
	struct load_variables vars;
	AUTO_STR(out, 4096);

	world_init(&w);
	again(&w);
	put(&w, "compose.yaml",
	    "services: {a: {image: \"${B:-x${C:?m}}\", labels: {l: \"$A$B\", m: \"${D:+y}\"}}}\n");
	assert_int_equal(compose_variables(&w.o, w.a, &w.notes, &vars, &w.e), 0);
	for (size_t i = 0; i < vars.list.n; i++)
		str_addf(&out, "%s%s%s%s%s;", vars.list.v[i].name, vars.list.v[i].required ? "!" : "",
			 vars.list.v[i].dflt ? "-" : "", str0(vars.list.v[i].dflt), str0(vars.list.v[i].alternate));
	assert_string_equal(out.s, "A;B-x${C:?m};C!;Dy;");
	world_done(&w);
}

/* ---- recorded merges ---- */

/* Outcomes that differ on purpose or come from a bug of upstream's. */
static const char *const different[] = {
	"mrg061", "mrg062", /* `models` is missing from its JSON */
	"mrg176",           /* its JSON of build.ssh fails */
	NULL,
};

static void put_all(struct world *w, const struct cJSON *c)
{
	static const char *const env_names[] = { "foo.env", "bar.env", "baz.env" };

	for (size_t i = 0; i < ARRAY_LEN(env_names); i++) { /* named by some cases, not recorded with them */
		auto_free char *text = xasprintf("K=%s\n", env_names[i]);

		put(w, env_names[i], text);
	}
	for (struct cJSON *f = json_first(json_get(c, "aux_files")); f; f = json_next(f))
		put(w, json_key(f), json_value_str(f));
	put(w, "f0.yaml", json_str(c, "base"));
	strv_add(&w->o.files, "f0.yaml");
	if (json_str(c, "override")) {
		put(w, "f1.yaml", json_str(c, "override"));
		strv_add(&w->o.files, "f1.yaml");
	}
	if (json_is_array(json_get(c, "override"))) {
		int n = 1;

		for (struct cJSON *f = json_first(json_get(c, "override")); f; f = json_next(f)) {
			auto_free char *name = xasprintf("f%d.yaml", n++);

			put(w, name, json_value_str(f));
			strv_add(&w->o.files, name);
		}
	}
}

static void one_case(const struct cJSON *c)
{
	struct world w;
	const char *id = json_str(c, "id");
	struct project *p;
	AUTO_STRV(flags);
	int now, then;

	world_init(&w);
	put_all(&w, c);
	json_map_strv(c, "env", &w.env);
	json_strv(c, "config_flags", &flags);
	w.o.drive_letters = true; /* what was recorded is the output of config */
	w.o.no_consistency = strv_has(&flags, "--no-consistency");
	w.o.no_normalize = strv_has(&flags, "--no-normalize");
	strv_add(&w.o.profiles, "*");
	w.o.project_name = "proj";
	p = load(&w);
	now = matches(&w, p, json_get(c, "config_newest"));
	then = matches(&w, p, json_get(c, "config_2_26_1"));
	if (now != 1 && then != 1 && !str_in(id, different)) {
		AUTO_STR(out, 1 << 20);

		if (p)
			emit_project(p, EMIT_JSON, true, &out);
		fail_msg("%s (%s): %s", id, json_str(c, "test"), p ? out.s : err_text(&w.e));
	}
	world_done(&w);
}

static void test_recorded_merges(void **state)
{
	each_case("compose/merge_cases.jsonl", one_case);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search),     cmocka_unit_test(test_compose_file),
		cmocka_unit_test(test_env_files),  cmocka_unit_test(test_names),
		cmocka_unit_test(test_not_a_file), cmocka_unit_test(test_many_files),
		cmocka_unit_test(test_linear),     cmocka_unit_test(test_variables),
		cmocka_unit_test(test_recorded_merges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
