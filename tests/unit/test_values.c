/* SPDX-License-Identifier: MIT
 *
 * The recorded values: one attribute of one service, written one way; and rows of our own for what is not recorded.
 */
#include "tests/unit/compose_world.h"
#include "compose/node.h"

/* Outcomes that differ on purpose; docs/COMPAT.md says why. */
static const char *const different[] = {
	"val0056",            /* 443.0, which our JSON prints as 443 */
	"val0326", "val0368", /* a size with a fraction and no unit: dropped in silence there, an error here */
	"val0569",            /* cpu_percent: 0.5 */
	"val0849", "val0857", /* "0440" is octal; the newest docker compose prints it as text, the recorded one takes it for decimal */
	"val0872",            /* env_file format raw: known by now */
	"val0905",            /* its JSON of build.ssh fails */
	NULL,
};

/* Attributes whose value lies deeper than their name says. */
static char *body_of(const char *attr, const char *value)
{
	AUTO_STR(b, 1 << 20);
	AUTO_STRV(parts);

	strv_split(&parts, attr, ".");
	if (streq(attr, "tmpfs.size"))
		return xasprintf("\"volumes\": [{\"type\": \"tmpfs\", \"target\": \"/t\", \"tmpfs\": {\"size\": %s}}]", value);
	if (str_starts(attr, "blkio_config."))
		return xasprintf("\"blkio_config\": {\"%s\": [{\"path\": \"/dev/a\", \"%s\": %s}]}", parts.v[1], parts.v[2], value);
	if (streq(attr, "ports") || streq(attr, "volumes"))
		return xasprintf("\"%s\": [%s]", attr, value);
	for (size_t i = 0; i < parts.n; i++)
		str_addf(&b, "%s\"%s\": ", i ? "{" : "", parts.v[i]);
	str_add(&b, value);
	for (size_t i = 1; i < parts.n; i++)
		str_add(&b, "}");
	return str_take(&b);
}

/* What the attribute became: of the service, below ATTR's name. */
static const struct node *result_of(const struct node *tree, const char *attr)
{
	const struct node *n = node_get(node_get(tree, "services"), "a");
	AUTO_STRV(parts);

	strv_split(&parts, attr, ".");
	if (streq(attr, "tmpfs.size"))
		return node_get(n, "volumes");
	if (streq(attr, "env_file"))
		return node_get(n, "environment");
	if (str_starts(attr, "blkio_config."))
		return node_get(n, "blkio_config");
	for (size_t i = 0; i < parts.n; i++)
		n = node_get(n, parts.v[i]);
	return n;
}

/* The releases differ in whether it is printed; whether it is meant is compared elsewhere. */
static void drop_create_host_path(struct node *n)
{
	for (size_t i = 0; i < n->n; i++)
		drop_create_host_path(n->items[i]);
	if (node_is_map(n))
		(void)node_remove(n, "create_host_path");
}

static bool same(struct world *w, const struct node *got, const struct cJSON *want)
{
	auto_free char *text = NULL, *here = NULL, *place = NULL;
	struct node *tree;

	if (!json_is_object(want))
		return false;
	if (json_get(want, "err"))
		return w->e.code != 0;
	if (w->e.code)
		return false;
	if (json_get(want, "ok_absent") || json_is_null(json_get(want, "ok")))
		return node_is_null(got);
	text = json_text(json_get(want, "ok"), false);
	here = replace_all(text, "@DIR@", w->dir);
	place = replace_all(here, "/tmp/gw/t", "/tmp");
	tree = tree_of(w->a, place);
	drop_create_host_path(tree);
	return got && node_equal(got, tree);
}

static void put_project(struct world *w, const char *attr, const char *body)
{
	auto_free char *text = xasprintf(
		"{\"name\": \"proj\", \"services\": {\"a\": {%s%s}, \"b\": {\"image\": \"y\"}},\n"
		"\"networks\": {\"n1\": {}, \"n2\": {}}, \"volumes\": {\"data\": {}, \"da\": {}},\n"
		"\"secrets\": {\"s1\": {\"file\": \"./s1\"}, \"s2\": {\"environment\": \"X\"}}, \"configs\": {\"c1\": {\"file\": \"./c1\"}}}\n",
		streq(attr, "image") || streq(attr, "build") ? "" : "\"image\": \"x\", ", body);

	put(w, "compose.yaml", text);
	put(w, "a.env", "K=\"v 1\"\nX=${K}\n");
	put(w, "b.env", "K=2\n");
}

static void one_value(const struct cJSON *c)
{
	struct world w;
	const char *attr = json_str(c, "attr"), *id = json_str(c, "id");
	auto_free char *value = json_text(json_get(c, "value"), false);
	auto_free char *body = body_of(attr, value);
	AUTO_STR(out, 1 << 20);
	auto_free char *single = NULL;
	const struct node *got = NULL;
	struct project *p;

	world_init(&w);
	w.o.drive_letters = true; /* what was recorded is the output of config */
	strv_add(&w.o.profiles, "*");
	put_project(&w, attr, body);
	p = load(&w);
	if (p) {
		struct node *tree;

		emit_project(p, EMIT_JSON, false, &out);
		tree = tree_of(w.a, out.s);
		drop_create_host_path(tree);
		got = result_of(tree, attr);
	}
	if (!same(&w, got, json_get(c, "newest")) && !same(&w, got, json_get(c, "v2_26_1")) && !str_in(id, different)) {
		auto_free char *want = json_text(json_get(c, "newest"), false);

		fail_msg("%s: %s: %s\nwant %s\ngot  %s", id, attr, value, want, p ? out.s : err_text(&w.e));
	}
	world_done(&w);
}

static void test_recorded_values(void **state)
{
	each_case("compose/value_cases.jsonl", one_value);
}

/* ---- our own ---- */

struct row {
	const char *service; /* YAML flow, the body of the service beside `image: x` */
	const char *want;    /* what `config` says of it: a part of the YAML text; NULL: error */
	const char *err;
};

static void check_row(const struct row *r)
{
	struct world w;
	auto_free char *text = xasprintf("services:\n  a: {image: x, %s}\n  b: {image: y}\nvolumes: {vol: }\nnetworks: {n: }\n", r->service);
	AUTO_STR(out, 1 << 20);
	struct project *p;

	world_init(&w);
	w.o.project_name = "p";
	put(&w, "compose.yaml", text);
	p = load(&w);
	if (p)
		emit_project(p, EMIT_YAML, true, &out);
	if (!p && r->want)
		fail_msg("%s: %s", r->service, err_text(&w.e));
	if (r->want ? !strstr(out.s, r->want) : !w.e.text || !strstr(w.e.text, r->err))
		fail_msg("%s:\nwant %s\ngot  %s", r->service, r->want ? r->want : r->err, p ? out.s : err_text(&w.e));
	if (!r->want && !w.e.positioned)
		fail_msg("%s: no position: %s", r->service, err_text(&w.e));
	world_done(&w);
}

static void test_rows(void **state)
{
	static const struct row rows[] = {
		{ "command: 'a && b'", "command:\n      - a\n", NULL },
		{ "command: ''", "command: []\n", NULL },
		{ "command: [a, b c]", "- b c\n", NULL },
		{ "command: 'x \"y'", NULL, "a quote is not closed" },
		{ "cpus: 0.7", "cpus: 0.7\n", NULL },
		{ "mem_limit: 1.5g", "mem_limit: \"1610612736\"\n", NULL },
		{ "ulimits: {nofile: {soft: 1, hard: 2}, nproc: 3}", "nproc: 3\n", NULL },
		{ "ulimits: {nofile: {soft: 1}}", NULL, "services.a.ulimits.nofile: 'hard' is missing" },
		{ "volumes: ['vol:/x:ro,z']", "read_only: true\n        bind:\n          selinux: z\n", NULL },
		{ "volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0700}}]", "mode: 448\n", NULL },
		{ "ports: ['[::1]:80:80']", "host_ip: ::1\n", NULL },
		{ "ports: ['::1:80:80']", NULL, "invalid ip address: '::1'" },
		{ "ports: ['9-3:80']", NULL, "the range ends before it begins" },
		{ "ports: [80.5]", NULL, "services.a.ports[0]: must be a number, string or mapping" },
		{ "depends_on: {b: {condition: service_helthy}}", NULL, "'service_helthy' is not one of" },
		{ "depends_on: {b: }", NULL, "services.a.depends_on.b: must be a mapping" },
		{ "network_mode: host, networks: [n]", NULL, "mutually exclusive" },
		{ "stop_grace_period: 10", NULL, "must be a duration, not a number" },
		{ "stop_grace_period: 1.5.s", NULL, "invalid duration '1.5.s'" },
		{ "healthcheck: {interval: 90s, retries: 3}", "interval: 1m30s\n", NULL },
		{ "extra_hosts: {h: [1.2.3.4, '::1']}", "- h=1.2.3.4\n      - h=::1\n", NULL },
		{ "labels: [a=b, c]", "labels:\n      a: b\n      c: \"\"\n", NULL },
		{ "environment: {A: 0x1F, B: true, C: 1.50, D: }", "A: \"31\"\n      B: \"true\"\n      C: \"1.5\"\n      D: null\n", NULL },
		{ "environment: {A: [x]}", NULL, "services.a.environment.A: must be a string, number, boolean or null, not a list" },
		{ "dns: ['', 1.1.1.1]", "dns:\n      - 1.1.1.1\n", NULL },
		{ "tmpfs: /run", "tmpfs:\n      - /run\n", NULL },
		{ "tmpfs: [/x], volumes: [/x]", NULL, "target /x already mounted as services.a.volumes[0]" },
		{ "scale: 2, deploy: {replicas: 3}", NULL, "can't set distinct values on 'scale' and 'deploy.replicas'" },
		{ "container_name: c, scale: 2", NULL, "can't set container_name and scale" },
		{ "security_opt: [a, a]", NULL, "items 0 and 1 are equal" },
		{ "privileged: yes", "privileged: true\n", NULL },
		{ "privileged: 1", NULL, "must be a boolean, not a number" },
		{ "imge: y", NULL, "unknown key 'imge'" },
		{ "x-y: [1, {a: ~}]", "x-y:\n      - 1\n      - a: null\n", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_row(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_recorded_values) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
