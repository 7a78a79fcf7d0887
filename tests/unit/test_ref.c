/* SPDX-License-Identifier: MIT */
#include "tests/unit/compose_cases.h"
#include "engine/image/ref.h"
#include <string.h>

#define HEX32 "0123456789abcdef0123456789abcdef"
#define SHA256 "sha256:" HEX32 HEX32
#define SHA512 "sha512:" HEX32 HEX32 HEX32 HEX32

static const struct ref_case {
	const char *in, *want, *familiar; /* want NULL: refused with a text that has FAMILIAR in it */
} cases[] = {
	{ "nginx", "docker.io/library/nginx:latest", "nginx" },
	{ "bitnami/redis:7", "docker.io/bitnami/redis:7", "bitnami/redis" },
	{ "docker.io/nginx", "docker.io/library/nginx:latest", "nginx" },
	{ "index.docker.io/nginx", "docker.io/library/nginx:latest", "nginx" },
	{ "registry-1.docker.io/library/nginx", "registry-1.docker.io/library/nginx:latest", "registry-1.docker.io/library/nginx" },
	{ "localhost/x", "localhost/x:latest", "localhost/x" },
	{ "localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x" },
	{ "localhost:5000", "docker.io/library/localhost:5000", "localhost" },
	{ "myhost/x", "docker.io/myhost/x:latest", "myhost/x" },
	{ "myhost:5000/x", "myhost:5000/x:latest", "myhost:5000/x" },
	{ "Myhost/x", "Myhost/x:latest", "Myhost/x" },
	{ "[2001:db8::1]:5000/x", "[2001:db8::1]:5000/x:latest", "[2001:db8::1]:5000/x" },
	{ "a/b@" SHA256, "docker.io/a/b@" SHA256, "a/b" },
	{ "a:1@" SHA256, "docker.io/library/a@" SHA256, "a" },
	{ "a@" SHA512, "docker.io/library/a@" SHA512, "a" },
	{ "library/foo/bar", "docker.io/library/foo/bar:latest", "library/foo/bar" },
	{ "a--b/a__b/a---b/a.b-c_d", "docker.io/a--b/a__b/a---b/a.b-c_d:latest", "a--b/a__b/a---b/a.b-c_d" },
	{ "a:_.-", "docker.io/library/a:_.-", "a" },
	{ "", NULL, "name is empty" },
	{ ":tag", NULL, "no name before the tag" },
	{ "@" SHA256, NULL, "no name before the tag" },
	{ "https://host/x", NULL, "no scheme" },
	{ HEX32 HEX32, NULL, "cannot specify 64-byte hexadecimal strings" },
	{ "Nginx:1", NULL, "repository name (library/Nginx) must be lowercase" },
	{ "myhost./x", NULL, "not a host name" },
	{ "a.b:0x/x", NULL, "not a host name" },
	{ "a.b:123456/x", NULL, "not a host name" },
	{ "[fe80::1%eth0]:5000/x", NULL, "not a host name" },
	{ "a..b", NULL, "invalid reference format" },
	{ "a._b", NULL, "invalid reference format" },
	{ "a___b", NULL, "invalid reference format" },
	{ "-a", NULL, "invalid reference format" },
	{ "a-", NULL, "invalid reference format" },
	{ "a//b", NULL, "invalid reference format" },
	{ "a/", NULL, "invalid reference format" },
	{ "a:", NULL, "invalid reference format" },
	{ "a:.x", NULL, "invalid reference format" },
	{ "a:b:c", NULL, "invalid reference format" },
	{ "a b", NULL, "invalid reference format" },
	{ "a\n", NULL, "invalid reference format" },
	{ "../a", NULL, "not a host name" },
	{ "a@sha256:" HEX32, NULL, "invalid checksum digest" },
	{ "a@md5:" HEX32, NULL, "unsupported digest algorithm" },
	{ "a@sha256:" HEX32 "0123456789ABCDEF0123456789abcdef", NULL, "invalid checksum digest" },
};

static void table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_DONE(ref_done) struct ref r = { 0 };
		AUTO_ERR(e);
		int rc = ref_parse_tagged(cases[i].in, &r, &e);

		if (!cases[i].want) {
			assert_true(rc < 0);
			if (!strstr(err_text(&e), cases[i].familiar))
				fail_msg("'%s': '%s'", cases[i].in, err_text(&e));
			continue;
		}
		if (rc < 0)
			fail_msg("'%s': %s", cases[i].in, err_text(&e));
		auto_free char *text = ref_text(&r), *familiar = ref_familiar_name(&r);

		assert_string_equal(text, cases[i].want);
		assert_string_equal(familiar, cases[i].familiar);
	}
}

static void lengths(void **state)
{
	char text[600];
	AUTO_DONE(ref_done) struct ref r = { 0 };
	AUTO_ERR(e);
	AUTO_ERR(e2);

	memset(text, 'a', sizeof(text));
	text[2] = '/';
	text[255] = '\0';
	assert_int_equal(ref_parse(text, &r, &e), 0);
	ref_done(&r);
	text[255] = 'a';
	text[256] = '\0';
	assert_true(ref_parse(text, &r, &e) < 0);
	assert_non_null(strstr(err_text(&e), "must not be more than 255 characters"));
	memcpy(text, "a:", 2);
	memset(text + 2, 'b', 200);
	text[2 + REF_TAG_MAX] = '\0';
	assert_int_equal(ref_parse(text, &r, &e2), 0);
	ref_done(&r);
	text[2 + REF_TAG_MAX] = 'b';
	text[3 + REF_TAG_MAX] = '\0';
	assert_true(ref_parse(text, &r, &e2) < 0);
}

static void familiar(void **state)
{
	assert_string_equal(ref_familiar("docker.io/library/nginx:1"), "nginx:1");
	assert_string_equal(ref_familiar("docker.io/library/a/b:1"), "library/a/b:1");
	assert_string_equal(ref_familiar("docker.io/a/b"), "a/b");
	assert_string_equal(ref_familiar("docker.io/a.b/c:1"), "docker.io/a.b/c:1");
	assert_string_equal(ref_familiar("docker.io/localhost/c:1"), "docker.io/localhost/c:1");
	assert_string_equal(ref_familiar("ghcr.io/library/b"), "ghcr.io/library/b");
}

static struct cJSON *recorded(const char *name)
{
	auto_free char *path = case_path(name), *text = NULL;
	struct cJSON *j = NULL;
	size_t n;
	AUTO_ERR(e);

	if (!file_exists(path)) {
		print_message("skipped: no %s\n", path);
		if (getenv("GANTRY_TEST_STRICT"))
			fail_msg("%s is missing", path);
		return NULL;
	}
	assert_int_equal(file_read(path, 1 << 20, &text, &n, &e), 0);
	assert_int_equal(json_parse(text, n, name, &j, &e), 0);
	return j;
}

/* What distribution/reference's own tests say. */
static void peers(void **state)
{
	AUTO(json_free) struct cJSON *j = recorded("build/testdata/reference/normalize.json");

	for (struct cJSON *c = json_first(json_get(j, "valid_normalized")); c; c = json_next(c)) {
		AUTO_DONE(ref_done) struct ref r = { 0 };
		AUTO_ERR(e);

		if (ref_parse(json_value_str(c), &r, &e) < 0)
			fail_msg("'%s': %s", json_value_str(c), err_text(&e));
	}
	for (struct cJSON *c = json_first(json_get(j, "invalid_normalized")); c; c = json_next(c)) {
		AUTO_DONE(ref_done) struct ref r = { 0 };
		AUTO_ERR(e);

		if (ref_parse(json_value_str(c), &r, &e) >= 0)
			fail_msg("'%s' is accepted", json_value_str(c));
	}
	for (struct cJSON *c = json_first(json_get(j, "normalize")); c; c = json_next(c)) {
		AUTO_DONE(ref_done) struct ref r = { 0 };
		AUTO_ERR(e);

		if (!json_str(c, "FullName"))
			continue;
		assert_int_equal(ref_parse(json_str(c, "FamiliarName"), &r, &e), 0);
		auto_free char *name = ref_name(&r), *short_name = ref_familiar_name(&r);

		assert_string_equal(name, json_str(c, "FullName"));
		assert_string_equal(short_name, json_str(c, "FamiliarName"));
		assert_string_equal(r.host, json_str(c, "Domain"));
		assert_string_equal(r.path, json_str(c, "RemoteName"));
	}
	AUTO(json_free) struct cJSON *more = recorded("build/testdata/reference/more.json");

	for (struct cJSON *c = json_first(json_get(more, "TestNormalizedSplitHostname")); c; c = json_next(c)) {
		AUTO_DONE(ref_done) struct ref r = { 0 };
		AUTO_ERR(e);

		assert_int_equal(ref_parse(json_str(c, "input"), &r, &e), 0);
		assert_string_equal(r.host, json_str(c, "domain"));
		assert_string_equal(r.path, json_str(c, "path"));
	}
	for (struct cJSON *c = json_first(json_get(more, "TestParseDockerRef")); c; c = json_next(c)) {
		AUTO_DONE(ref_done) struct ref r = { 0 };
		AUTO_ERR(e);

		assert_int_equal(ref_parse_tagged(json_str(c, "input"), &r, &e), 0);
		auto_free char *text = ref_text(&r);

		assert_string_equal(text, json_str(c, "expected"));
	}
}

static void digests(void **state)
{
	assert_true(digest_is_valid(SHA256));
	assert_true(digest_is_valid(SHA512));
	assert_false(digest_is_valid("sha256:../../x"));
	assert_false(digest_is_valid("sha384:" HEX32 HEX32 HEX32));
	assert_false(digest_is_valid(SHA256 "0"));
	assert_false(digest_is_valid("SHA256:" HEX32 HEX32));
	assert_false(digest_is_valid(HEX32 HEX32));
	assert_string_equal(digest_hex_part(SHA256), HEX32 HEX32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table), cmocka_unit_test(lengths), cmocka_unit_test(familiar), cmocka_unit_test(peers), cmocka_unit_test(digests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
