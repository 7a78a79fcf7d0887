/* SPDX-License-Identifier: MIT */
#include "tests/unit/compose_cases.h"
#include "engine/image/manifest.h"
#include "engine/image/store.h"
#include <errno.h>
#include <string.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEX2 "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DESC(type) "{\"mediaType\":\"" type "\",\"digest\":\"sha256:" HEX "\",\"size\":7}"
#define CONFIG DESC("application/vnd.oci.image.config.v1+json")
#define LAYER DESC("application/vnd.oci.image.layer.v1.tar+gzip")

static const struct manifest_case {
	const char *text, *want_err; /* NULL: fine */
} cases[] = {
	{ "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER "," LAYER "]}", NULL },
	{ "{\"config\":" CONFIG ",\"layers\":[]}", NULL },
	{ "{\"schemaVersion\":2,\"manifests\":[" DESC("x") "]}", NULL },
	{ "{\"schemaVersion\":2,\"manifests\":[]}", NULL },
	{ "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}", NULL },
	{ "{\"schemaVersion\":1,\"fsLayers\":[]}", "image format of 2015" },
	{ "{\"manifests\":[],\"config\":" CONFIG ",\"layers\":[]}", "both as an index and as a manifest" },
	{ "{\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"config\":" CONFIG ",\"layers\":[]}", "says that it is an index" },
	{ "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"manifests\":[]}", "media type says otherwise" },
	{ "{\"layers\":[],\"layers\":[],\"config\":" CONFIG "}", "key 'layers' is there twice" },
	{ "{\"config\":{\"digest\":\"sha256:../../../x\",\"size\":1},\"layers\":[]}", "not a sha256 or sha512 digest" },
	{ "{\"config\":{\"size\":1},\"layers\":[]}", "without a digest" },
	{ "{\"config\":{\"digest\":\"sha256:" HEX "\"},\"layers\":[]}", "without a size" },
	{ "{\"config\":" CONFIG ",\"layers\":[" DESC("application/vnd.oci.image.layer.v1.tar+gzip+encrypted") "]}", "layer 1 of 1" },
	{ "{\"config\":" DESC("application/vnd.docker.plugin.v1+json") ",\"layers\":[]}", "docker plugin" },
	{ "{\"config\":" CONFIG ",\"layers\":{}}", "neither an index nor a manifest" },
	{ "[]", "neither an index nor a manifest" },
	{ "null", "neither an index nor a manifest" },
	{ "{", "" },
	{ "", "" },
};

static void manifests(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_DONE(manifest_done) struct manifest m = { 0 };
		AUTO_ERR(e);
		int r = manifest_parse(cases[i].text, strlen(cases[i].text), "the manifest", &m, &e);

		if (!cases[i].want_err && r < 0)
			fail_msg("%s: %s", cases[i].text, err_text(&e));
		if (cases[i].want_err && (r >= 0 || !strstr(err_text(&e), cases[i].want_err)))
			fail_msg("%s: %s", cases[i].text, r >= 0 ? "accepted" : err_text(&e));
	}
}

static void limits(void **state)
{
	AUTO_STR(text, MANIFEST_MAX + 100);
	AUTO_DONE(manifest_done) struct manifest m = { 0 };
	AUTO_ERR(e);
	AUTO_ERR(e2);

	str_add(&text, "{\"config\":" CONFIG ",\"layers\":[");
	for (int i = 0; i <= LAYERS_MAX; i++)
		str_addf(&text, "%s%s", i ? "," : "", LAYER);
	str_add(&text, "]}");
	assert_true(manifest_parse(text.s, text.len, "m", &m, &e) < 0);
	assert_non_null(strstr(err_text(&e), "501 layers, more than 500"));
	while (text.len <= MANIFEST_MAX)
		str_addc(&text, ' ');
	assert_true(manifest_parse(text.s, text.len, "m", &m, &e2) < 0);
	assert_non_null(strstr(err_text(&e2), "larger than 4 MiB"));
}

#define ENTRY(digest, os, arch, variant) \
	"{\"digest\":\"sha256:" digest "\",\"size\":1,\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\",\"variant\":\"" variant "\"}}"
static const char index_text[] = "{\"manifests\":["
	ENTRY(HEX, "unknown", "unknown", "") ","
	ENTRY(HEX, "windows", "amd64", "") ","
	ENTRY(HEX, "linux", "386", "") ","
	ENTRY(HEX, "linux", "amd64", "v3") ","
	ENTRY(HEX, "linux", "amd64", "") ","
	ENTRY(HEX, "linux", "arm", "v5") ","
	ENTRY(HEX, "linux", "arm", "v7") ","
	ENTRY(HEX, "linux", "arm64", "v8") "]}";
static const struct select_case {
	const char *platform;
	int want;     /* < 0: none */
	int skip;     /* then: the next best */
} select_cases[] = {
	{ "linux/amd64", 4, 2 },
	{ "linux/x86_64/v4", 3, 4 },
	{ "linux/arm64", 7, 6 },
	{ "linux/aarch64", 7, 6 },
	{ "linux/arm/v7", 6, 5 },
	{ "linux/armhf", 6, 5 },
	{ "linux/arm/v6", 5, -1 },
	{ "linux/386", 2, -1 },
	{ "linux/riscv64", -1, -1 },
	{ "windows/amd64", 1, -1 },
};

static void platforms(void **state)
{
	AUTO_DONE(manifest_done) struct manifest m = { 0 };
	AUTO_ERR(e);

	assert_int_equal(manifest_parse(index_text, strlen(index_text), "index", &m, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(select_cases); i++) {
		const struct select_case *c = &select_cases[i];
		bool skip[8] = { false };
		struct platform p;
		size_t got = 99;
		AUTO_ERR(none);
		AUTO_ERR(none2);

		assert_int_equal(platform_parse(c->platform, &p, &e), 0);
		if (c->want < 0) {
			assert_int_equal(manifest_select(&m, &p, skip, &got, &none), -ENOENT);
			assert_non_null(strstr(err_text(&none), "there are: windows/amd64, linux/386, linux/amd64/v3, linux/amd64"));
			continue;
		}
		assert_int_equal(manifest_select(&m, &p, NULL, &got, &none), 0);
		if ((int)got != c->want)
			fail_msg("%s: %zu", c->platform, got);
		skip[got] = true;
		if (c->skip < 0) {
			assert_int_equal(manifest_select(&m, &p, skip, &got, &none2), -ENOENT);
		} else {
			assert_int_equal(manifest_select(&m, &p, skip, &got, &none2), 0);
			assert_int_equal(got, c->skip);
		}
	}
	struct platform p;
	AUTO_ERR(bad);

	assert_true(platform_parse("nope", &p, &bad) < 0);
	err_clear(&bad);
	/* one half: the other is this machine's */
	assert_int_equal(platform_parse("arm", &p, &bad), 0);
	assert_string_equal(p.os, "linux");
	assert_string_equal(p.variant, "v7");
	assert_int_equal(platform_parse("linux", &p, &bad), 0);
	assert_true(*p.arch);
}

static void saved(void **state)
{
	static const char good[] = "[{\"Config\":\"a.json\",\"RepoTags\":[\"b:1\",\"b:2\"],\"Layers\":[\"x/layer.tar\"]},"
				   "{\"Config\":\"c.json\",\"RepoTags\":null,\"Layers\":[]}]";
	static const char *const bad[] = { "{}", "[]", "[{}]", "[{\"Config\":\"a\"}]", "[{\"Config\":\"a\",\"Layers\":[1]}]",
					   "[{\"Config\":\"a\",\"Config\":\"b\",\"Layers\":[]}]" };
	AUTO_DONE(saved_images_done) struct saved_images l = { 0 };
	AUTO_ERR(e);

	assert_int_equal(saved_images_parse(good, strlen(good), &l, &e), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.v[0].config, "a.json");
	assert_int_equal(l.v[0].tags.n, 2);
	assert_string_equal(l.v[0].layers.v[0], "x/layer.tar");
	assert_int_equal(l.v[1].tags.n, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct saved_images none = { 0 };
		AUTO_ERR(why);

		assert_true(saved_images_parse(bad[i], strlen(bad[i]), &none, &why) < 0);
	}
}

static void configs(void **state)
{
	static const char good[] = "{\"architecture\":\"arm64\",\"variant\":\"v8\",\"created\":\"2020-01-01T00:00:00Z\",\"os\":\"linux\","
				   "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" HEX "\",\"sha256:" HEX2 "\"]}}";
	static const struct {
		const char *text, *want;
	} bad[] = {
		{ "{\"os\":\"windows\"}", "for windows, not for linux" },
		{ "{\"rootfs\":{\"type\":\"dirs\"}}", "type 'dirs' is not known" },
		{ "{\"rootfs\":{\"diff_ids\":[\"sha256:abc\"]}}", "not a sha256 digest" },
		{ "{\"rootfs\":{\"diff_ids\":[7]}}", "not text" },
		{ "[]", "not an object" },
	};
	AUTO_DONE(config_info_done) struct config_info c = { 0 };
	AUTO_STRV(chain);
	AUTO_ERR(e);

	assert_int_equal(config_info_parse(good, strlen(good), &c, &e), 0);
	assert_string_equal(c.platform.arch, "arm64");
	assert_string_equal(c.platform.variant, "");
	assert_int_equal(c.created_ns, 1577836800000000000);
	chain_ids(&c.diff_ids, &chain);
	assert_string_equal(chain.v[0], "sha256:" HEX);
	/* printf 'sha256:… sha256:…' | sha256sum */
	assert_string_equal(chain.v[1], "sha256:866e7292eaf8db008b008bee9881ffa5fff7b832c8e48b3dd34c8e6c294ca772");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct config_info none = { 0 };
		AUTO_ERR(why);

		assert_true(config_info_parse(bad[i].text, strlen(bad[i].text), &none, &why) < 0);
		if (!strstr(err_text(&why), bad[i].want))
			fail_msg("%s: %s", bad[i].text, err_text(&why));
	}
}

static void image_configs(void **state)
{
	static const char text[] = "{\"config\":{\"Env\":[\"A=1\",\"SECRET\",\"=x\",\"B=\"],\"Cmd\":[\"sh\"],\"Entrypoint\":null,\"User\":\"app\","
				   "\"ExposedPorts\":{\"80/tcp\":{}},\"Volumes\":{\"/data\":{}},\"Labels\":{\"a\":\"b\"},\"WorkingDir\":\"\","
				   "\"StopSignal\":\"SIGUSR1\",\"Healthcheck\":{\"Test\":[\"NONE\"]},\"Unknown\":[1]}}";
	AUTO_DONE(image_config_done) struct image_config c = { 0 };
	AUTO_DONE(image_config_done) struct image_config none = { 0 };
	AUTO_ERR(e);

	assert_int_equal(image_config_parse(text, &c, &e), 0);
	assert_int_equal(c.env.n, 2);
	assert_string_equal(c.env.v[0], "A=1");
	assert_string_equal(c.env.v[1], "B=");
	assert_int_equal(c.entrypoint.n, 0);
	assert_string_equal(c.cmd.v[0], "sh");
	assert_string_equal(c.exposed_ports.v[0], "80/tcp");
	assert_string_equal(c.volumes.v[0], "/data");
	assert_string_equal(c.labels.v[0], "a=b");
	assert_string_equal(c.user, "app");
	assert_null(c.cwd);
	assert_string_equal(c.stop_signal, "SIGUSR1");
	assert_non_null(c.healthcheck);
	assert_int_equal(image_config_parse("{\"config\":null}", &none, &e), 0);
	assert_int_equal(none.env.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manifests), cmocka_unit_test(limits), cmocka_unit_test(platforms),
		cmocka_unit_test(saved), cmocka_unit_test(configs), cmocka_unit_test(image_configs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
