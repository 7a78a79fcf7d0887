/* SPDX-License-Identifier: MIT
 *
 * The table of attributes: every attribute of the specification has a row, rows are whole, what is printed loads again to the same,
 * hashes cover what they should.
 */
#include "tests/unit/compose_world.h"
#include "compose/field.h"
#include "compose/ftypes.h"
#include "compose/graph.h"
#include "compose/node.h"

/* ---- rows ---- */

static void check_table(const struct field *table, const char *path, int depth)
{
	for (const struct field *f = table; f->key; f++) {
		auto_free char *here = xasprintf("%s.%s", path, f->key);

		if (!f->type)
			fail_msg("%s: no type", here);
		if (f->support != SUPPORT_FULL && !f->reason)
			fail_msg("%s: no reason", here);
		if (f->support == SUPPORT_FULL && f->reason)
			fail_msg("%s: a reason, for what?", here);
		if (!(f->flags & F_INLINE) && !f->type->decode)
			fail_msg("%s: is not decoded", here);
		for (const struct field *g = table; g < f; g++)
			if (streq(f->key, g->key))
				fail_msg("%s: two rows", here);
		if (field_below(f) && depth < 6)
			check_table(field_below(f), here, depth + 1);
	}
}

static void test_rows_are_whole(void **state)
{
	check_table(project_fields, "", 0);
}

/* Names of the tables of the specification page, by heading; a cell may name several ("a / b"). */
static const struct {
	const char *heading, *path;
} pages[] = {
	{ "## 1. Top level", "" },
	{ "## 2. Service attributes", "services" },
	{ "## 3. build.*", "services.build" },
	{ "## 4. blkio_config.*", "services.blkio_config" },
	{ "## 5. depends_on.<service>.*", "services.depends_on" },
	{ "## 9. healthcheck.*", "services.healthcheck" },
	{ "## 10. networks.<n>.* under a service", "services.networks" },
	{ "## 11. ports[]", "services.ports" },
	{ "## 14. Top-level networks.<n>.*", "networks" },
	{ "## 15. Top-level volumes.<v>.*", "volumes" },
	{ "## 16. Top-level configs.<c>.* and secrets.<s>.*", "secrets" },
	{ "## 17. develop.watch[]", "services.develop.watch" },
};

static const struct field *table_at(const char *path)
{
	const struct field *t = project_fields;
	AUTO_STRV(parts);

	if (*path)
		strv_split(&parts, path, ".");
	for (size_t i = 0; t && i < parts.n; i++) {
		const struct field *f = field_find(t, parts.v[i]);

		t = f ? field_below(f) : NULL;
	}
	return t;
}

static bool known(const struct field *table, char *name)
{
	AUTO_STRV(parts);
	const struct field *f = NULL;

	name[strcspn(name, "[(")] = '\0';
	strv_split(&parts, name, ".");
	for (size_t i = 0; i < parts.n; i++) {
		if (streq(parts.v[i], "configs") && i == 0 && parts.n > 1)
			return true;
		f = table ? field_find(table, parts.v[i]) : NULL;
		if (!f)
			return false;
		table = field_below(f);
	}
	return true;
}

static void check_cell(const char *path, char *cell)
{
	const struct field *table = table_at(path);
	AUTO_STRV(names);

	if (!table)
		fail_msg("no table for %s", path);
	strv_split(&names, cell, "/,");
	for (size_t i = 0; i < names.n; i++) {
		char *name = names.v[i];

		name += strspn(name, " ");
		name[strcspn(name, " ")] = '\0';
		if (!*name || str_starts(name, "(") || str_starts(name, "x-"))
			continue;
		/* configs have `content`, secrets the drivers */
		if (!known(table, name) && !(streq(path, "secrets") && known(config_fields, name)))
			fail_msg("%s.%s has no row", path, name);
	}
}

static void test_specification(void **state)
{
	const char *src = getenv("srcdir"), *shared = getenv("GANTRY_SHARED");
	auto_free char *path = shared ? xasprintf("%s/spec/compose.md", shared) : xasprintf("%s/../shared/spec/compose.md", src ? src : ".");
	auto_free char *text = NULL;
	const char *at = NULL;
	size_t cells = 0;
	AUTO_ERR(e);

	if (!file_exists(path)) {
		print_message("skipped: no %s\n", path);
		return;
	}
	assert_true(file_read(path, 1 << 20, &text, NULL, &e) >= 0);
	for (char *line = text, *nl; (nl = strchr(line, '\n')); line = nl + 1) {
		*nl = '\0';
		if (str_starts(line, "## "))
			at = NULL;
		for (size_t i = 0; i < ARRAY_LEN(pages); i++)
			if (str_starts(line, pages[i].heading))
				at = pages[i].path;
		if (!at || !str_starts(line, "| ") || str_starts(line, "| name") || str_starts(line, "|--"))
			continue;
		line += 2;
		line[strcspn(line, "|")] = '\0';
		check_cell(at, line);
		cells++;
	}
	assert_true(cells > 150);
}

/* ---- all attributes at once ---- */

static char *all_attributes(void)
{
	const char *src = getenv("srcdir");
	auto_free char *path = xasprintf("%s/tests/cases/compose/all-attributes/compose.yaml", src ? src : ".");
	char *text = NULL;
	AUTO_ERR(e);

	if (file_read(path, 1 << 20, &text, NULL, &e) < 0)
		fail_msg("%s", err_text(&e));
	return text;
}

/* Every row that is printed is used somewhere in the file. */
static void check_used(const struct field *table, const struct node *const *maps, size_t n, const char *path, int depth)
{
	for (const struct field *f = table; f->key; f++) {
		auto_free char *here = xasprintf("%s.%s", path, f->key);
		const struct node *below[64];
		size_t found = 0, m = 0;

		if (f->flags & (F_INLINE | F_GONE) || f->type == &ft_extends) /* needs a second file: the case extends-empty */
			continue;
		for (size_t i = 0; i < n; i++) {
			const struct node *v = node_get(maps[i], f->key);

			found += v != NULL;
			if (v && f->type->shape == SHAPE_OBJECT && m < ARRAY_LEN(below))
				below[m++] = v;
			for (size_t j = 0; v && f->type->shape > SHAPE_OBJECT && j < v->n; j++)
				if (m < ARRAY_LEN(below))
					below[m++] = v->items[j];
		}
		if (!found)
			fail_msg("%s is not in tests/cases/compose/all-attributes", here);
		if (field_below(f) && m && depth < 6)
			check_used(field_below(f), below, m, here, depth + 1);
	}
}

static void test_prints_and_loads_again(void **state)
{
	struct world w;
	auto_free char *text = all_attributes();
	AUTO_STR(yaml, 1 << 20);
	AUTO_STR(json, 1 << 20);
	AUTO_STR(again_yaml, 1 << 20);
	AUTO_STR(again_json, 1 << 20);
	struct project *p;
	const struct node *top;

	world_init(&w);
	w.o.project_name = "p";
	w.o.all_resources = true;
	strv_add(&w.env, "SECRET=s3");
	put(&w, "compose.yaml", text);
	put(&w, "a.env", "FROM_FILE=1\n");
	put(&w, "l.env", "from.file=1\n");
	p = load(&w);
	if (!p)
		fail_msg("%s", err_text(&w.e));
	top = p->tree;
	check_used(project_fields, &top, 1, "", 0);
	emit_project(p, EMIT_YAML, true, &yaml);
	emit_project(p, EMIT_JSON, true, &json);

	put(&w, "compose.yaml", yaml.s);
	p = load(&w);
	if (!p)
		fail_msg("%s", err_text(&w.e));
	emit_project(p, EMIT_YAML, true, &again_yaml);
	emit_project(p, EMIT_JSON, true, &again_json);
	assert_string_equal(again_yaml.s, yaml.s);
	assert_string_equal(again_json.s, json.s);
	world_done(&w);
}

/* ---- hash and difference ---- */

static struct project *load_text(struct world *w, const char *body)
{
	auto_free char *text = xasprintf("services:\n  a: {%s}\n  b: {image: y}\nsecrets: {s: {file: ./s.txt}}\nnetworks: {n: }\n", body);
	struct project *p;

	put(w, "compose.yaml", text);
	w->o.project_name = "p";
	p = load(w);
	if (!p)
		fail_msg("%s: %s", body, err_text(&w->e));
	return p;
}

static void test_hash(void **state)
{
	static const struct {
		const char *body, *differs; /* from "image: x, environment: {A: 1}, secrets: [s]" */
	} rows[] = {
		{ "environment: {A: 1}, secrets: [s], image: x", "" },
		{ "image: x, environment: [A=1], secrets: [{source: s, target: /run/secrets/s}]", "" },
		{ "image: x, environment: {A: 1}, secrets: [s], scale: 3, build: ., pull_policy: always, depends_on: [b], x-a: 1", "" },
		{ "image: x, environment: {A: 1}, secrets: [s], deploy: {replicas: 3}", "deploy" },
		{ "image: z, environment: {A: 2}, secrets: [s]", "environment, image" },
		{ "image: x, environment: {A: 1}", "secrets" },
		{ "image: x, environment: {A: 1}, secrets: [s], labels: {a: b}", "labels" },
	};
	struct world w;
	struct project *p;
	char first[PROJECT_HASH_MAX], hash[PROJECT_HASH_MAX];
	auto_free char *saved = NULL;
	AUTO_ERR(e);

	world_init(&w);
	put(&w, "s.txt", "one");
	p = load_text(&w, "image: x, environment: {A: 1}, secrets: [s]");
	saved = service_json(p, project_service(p, "a"));
	assert_true(project_hash_service(p, project_service(p, "a"), first, &e) >= 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *diff = NULL;

		p = load_text(&w, rows[i].body);
		diff = service_diff(p, project_service(p, "a"), saved);
		assert_true(project_hash_service(p, project_service(p, "a"), hash, &e) >= 0);
		assert_string_equal(diff, rows[i].differs);
		assert_int_equal(streq(hash, first), !*rows[i].differs);
	}
	put(&w, "s.txt", "two");
	p = load_text(&w, "image: x, environment: {A: 1}, secrets: [s]");
	{
		auto_free char *diff = service_diff(p, project_service(p, "a"), saved);

		assert_string_equal(diff, "secrets");
	}
	world_done(&w);
}

/* ---- order ---- */

static void test_order(void **state)
{
	struct world w;
	struct project *p;
	struct service **order, **dependents;
	bool keep[4] = { false };
	AUTO_ERR(e);

	world_init(&w);
	w.o.project_name = "p";
	put(&w, "compose.yaml", "services:\n  a: {image: x, depends_on: [c]}\n  b: {image: x}\n  c: {image: x, links: [d]}\n  d: {image: x}\n");
	p = load(&w);
	assert_non_null(p);
	assert_true(graph_order(p, &order, &e) >= 0);
	assert_string_equal(order[0]->name, "d");
	assert_string_equal(order[1]->name, "c");
	assert_string_equal(order[2]->name, "a");
	assert_string_equal(order[3]->name, "b");
	graph_mark(p, 0, true, keep);
	assert_true(keep[0] && !keep[1] && keep[2] && keep[3]);
	dependents = graph_dependents(p, project_service(p, "d"));
	assert_string_equal(dependents[0]->name, "c");
	assert_null(dependents[1]);
	put(&w, "compose.yaml", "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, network_mode: 'service:c'}\n  c: {image: x, volumes_from: [a]}\n");
	assert_null(load(&w));
	assert_non_null(strstr(err_text(&w.e), "dependency cycle detected: a -> b -> c -> a"));
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_whole), cmocka_unit_test(test_specification), cmocka_unit_test(test_prints_and_loads_again),
		cmocka_unit_test(test_hash),           cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
