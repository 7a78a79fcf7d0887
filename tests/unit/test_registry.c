/* SPDX-License-Identifier: MIT
 *
 * The parts of the registry client that need no network: challenges, credentials, hosts, retries, addresses, refusals.
 */
#include "tests/unit/compose_cases.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/image/auth.h"
#include "engine/image/challenge.h"
#include "engine/image/cred.h"
#include "engine/image/hosts.h"
#include "engine/image/hosts_priv.h"
#include "engine/image/http.h"
#include "engine/image/proxy.h"
#include "engine/image/ref.h"
#include "engine/image/registry_error.h"
#include "engine/image/retry.h"
#include "engine/image/toml.h"
#include <errno.h>
#include <string.h>

static const int64_t second = 1000000000;

/* ---- challenges ---- */

static const struct {
	const char *in;
	enum challenge_scheme scheme; /* of the best */
	const char *realm, *service, *scope;
	size_t n;
} challenge_cases[] = {
	{ "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull,push\"", CHALLENGE_BEARER,
	  "https://auth.docker.io/token", "registry.docker.io", "repository:a/b:pull,push", 1 },
	{ "bearer Realm=\"x\" , SERVICE=\"y\"", CHALLENGE_BEARER, "x", "y", NULL, 1 },
	{ "Basic realm=\"a, \\\"b\\\"\"", CHALLENGE_BASIC, "a, \"b\"", NULL, NULL, 1 },
	{ "Basic realm=\"x\", Bearer realm=\"y\",service=\"z\"", CHALLENGE_BEARER, "y", "z", NULL, 2 },
	{ "Bearer realm=\"y\", Basic realm=\"x\"", CHALLENGE_BEARER, "y", NULL, NULL, 2 },
	{ "Bearer realm=https://h/token?foo=1,service=s", CHALLENGE_BEARER, "https://h/token?foo=1", "s", NULL, 1 },
	{ "Negotiate, Basic realm=\"x\"", CHALLENGE_BASIC, "x", NULL, NULL, 2 },
	{ "Basic", CHALLENGE_BASIC, NULL, NULL, NULL, 1 },
	{ "Bearer service=\"no realm\"", CHALLENGE_OTHER, NULL, NULL, NULL, 1 },
	{ "Bearer realm=\"a\",realm=\"b\",error=\"insufficient_scope\"", CHALLENGE_BEARER, "a", NULL, NULL, 1 },
	{ "", CHALLENGE_OTHER, NULL, NULL, NULL, 0 },
};

static void test_challenges(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(challenge_cases); i++) {
		AUTO_DONE(challenges_done) struct challenges l = { 0 };
		AUTO_ERR(e);
		const struct challenge *c;

		assert_int_equal(challenges_parse(challenge_cases[i].in, &l, &e), 0);
		assert_int_equal(l.n, challenge_cases[i].n);
		c = challenges_best(&l);
		if (challenge_cases[i].scheme == CHALLENGE_OTHER) {
			assert_null(c);
			continue;
		}
		assert_non_null(c);
		assert_int_equal(c->scheme, challenge_cases[i].scheme);
		assert_true(streq0(c->realm, challenge_cases[i].realm));
		assert_true(streq0(c->service, challenge_cases[i].service));
		assert_true(streq0(c->scope, challenge_cases[i].scope));
	}
}

static void test_challenges_refused(void **state)
{
	static const char *const bad[] = { "realm=\"x\"", "Bearer realm=\"x", "\"x\"", "Bearer realm=\"a\x01\"" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_DONE(challenges_done) struct challenges l = { 0 };
		AUTO_ERR(e);

		assert_int_equal(challenges_parse(bad[i], &l, &e), -EINVAL);
	}
	for (size_t n = 1; n < 40; n++) { /* many challenges: a bound, no error */
		AUTO_DONE(challenges_done) struct challenges l = { 0 };
		AUTO_STR(b, 1000);
		AUTO_ERR(e);

		for (size_t k = 0; k < n; k++)
			str_add(&b, "Basic realm=\"x\", ");
		assert_int_equal(challenges_parse(b.s, &l, &e), 0);
		assert_true(l.n <= CHALLENGES_MAX);
	}
}

static void test_query(void **state)
{
	struct challenge c = { .scheme = CHALLENGE_BEARER, .realm = (char *)"r", .service = (char *)"registry.x:cn 1",
			       .scope = (char *)"repository:a:pull repository:a:push" };
	AUTO_STRV(scopes);

	(void)state;
	strv_add(&scopes, "repository:a:pull");
	auto_free char *get = auth_query(&c, &scopes, false), *post = auth_query(&c, &scopes, true);

	assert_string_equal(get, "service=registry.x%3Acn%201&scope=repository%3Aa%3Apull&scope=repository%3Aa%3Apush");
	assert_string_equal(post, "service=registry.x%3Acn%201&scope=repository%3Aa%3Apull%20repository%3Aa%3Apush");
}

/* ---- whom a secret is shown (SEC-55) ---- */

static void test_may_send(void **state)
{
	static const struct {
		const char *registry, *realm;
		bool may;
	} cases[] = {
		{ "docker.io", "auth.docker.io", true }, { "quay.io", "quay.io", true }, { "registry.gitlab.com", "gitlab.com", true },
		{ "registry.cn-hangzhou.aliyuncs.com", "dockerauth.cn-hangzhou.aliyuncs.com", true }, { "reg.example.com", "evil.com", false },
		{ "team.azurecr.io", "team.azurecr.io", true }, { "ghcr.io", "ghcr.io", true }, { "europe-docker.pkg.dev", "europe-docker.pkg.dev", true },
		{ "team-registry.cn-beijing.cr.aliyuncs.com", "dockerauth-ee.cn-beijing.aliyuncs.com", true }, { "team.tencentcloudcr.com", "team.tencentcloudcr.com", true },
		{ "ccr-1-pub.cnc.bj.baidubce.com", "ccr-1-pub.cnc.bj.baidubce.com", true }, { "registry.gitlab.com", "gitlab.com.evil.org", false },
		{ "example.com", "example.com.evil.com", false }, { "a.co.uk", "b.co.uk", false }, { "x.a.co.uk", "y.a.co.uk", true },
		{ "127.0.0.1", "127.0.0.1", true }, { "127.0.0.1", "127.0.0.2", false }, { "localhost", "otherhost", false },
		{ "notexample.com", "example.com", false }, { "::1", "::2", false },
	};
	AUTO_STRV(extra);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(auth_may_send(cases[i].registry, cases[i].realm, NULL), cases[i].may);
	strv_add(&extra, "evil.com");
	assert_true(auth_may_send("reg.example.com", "evil.com", &extra));
}

/* ---- config.json ---- */

static struct cJSON *parse(const char *text)
{
	struct cJSON *j = NULL;
	AUTO_ERR(e);

	assert_int_equal(json_parse(text, strlen(text), "test", &j, &e), 0);
	return j;
}

static void test_credentials(void **state)
{
	static const char config[] =
		"{\"auths\": {\"https://index.docker.io/v1/\": {\"auth\": \"dXNlcjpwYTpzcw==\"}, \"https://a.example/v2/\": {\"auth\": \"YTpi\"},"
		"\"az.example\": {\"auth\": \"MDAwMDAwMDA6\", \"identitytoken\": \"tok\"}, \"marker.example\": {}, \"bad.example\": {\"auth\": \"%%%\"},"
		"\"reg.example/team\": {\"username\": \"t\", \"password\": \"p\"}, \"rt.example\": {\"registrytoken\": \"r\"}},"
		"\"credHelpers\": {\"gcr.io\": \"gcloud\"}}";
	static const struct {
		const char *host, *repository;
		int r;
		const char *user, *secret, *identity, *helper;
	} cases[] = {
		{ "docker.io", NULL, 0, "user", "pa:ss", NULL, NULL }, { "a.example", NULL, 0, "a", "b", NULL, NULL },
		{ "az.example", NULL, 0, "00000000", "", "tok", NULL }, { "marker.example", NULL, 1, NULL, NULL, NULL, NULL },
		{ "none.example", NULL, 1, NULL, NULL, NULL, NULL }, { "bad.example", NULL, -EINVAL, NULL, NULL, NULL, NULL },
		{ "gcr.io", NULL, 2, NULL, NULL, NULL, "gcloud" }, { "reg.example", "team/x", 0, "t", "p", NULL, NULL },
		{ "reg.example", "other/x", 1, NULL, NULL, NULL, NULL }, { "a.example:5000", NULL, 1, NULL, NULL, NULL, NULL },
	};
	AUTO(json_free) struct cJSON *j = parse(config);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_DONE(credential_done) struct credential c = { 0 };
		auto_free char *helper = NULL;
		AUTO_ERR(e);

		assert_int_equal(credential_in(j, cases[i].host, cases[i].repository, &c, &helper, &e), cases[i].r);
		assert_true(streq0(c.user, cases[i].user));
		assert_true(streq0(c.secret, cases[i].secret));
		assert_true(streq0(c.identity, cases[i].identity));
		assert_true(streq0(helper, cases[i].helper));
		if (e.code)
			assert_null(strstr(err_text(&e), "%%%")); /* never printed */
	}
	auto_free char *basic = credential_basic("user", "pa:ss");

	assert_string_equal(basic, "Basic dXNlcjpwYTpzcw==");
}

/* ---- proxies ---- */

static void test_no_proxy(void **state)
{
	static const struct {
		const char *list, *host, *port;
		bool passed;
	} cases[] = {
		{ "", "a.example", "443", false }, { "", "localhost", "80", true }, { "", "127.9.9.9", "80", true }, { "", "::1", "80", true },
		{ "*", "a.example", "443", true }, { "b.example, *", "a.example", "443", true }, { "a.example", "a.example", "443", true },
		{ "A.Example", "x.a.example", "443", true }, { "a.example", "xa.example", "443", false }, { ".a.example", "a.example", "443", false },
		{ ".a.example", "x.a.example", "443", true }, { "*.a.example", "x.y.a.example", "443", true }, { "*.a.example", "a.example", "443", false },
		{ "a.example:5000", "a.example", "5000", true }, { "a.example:5000", "a.example", "443", false }, { "a.example:5000", "x.a.example", "5000", true },
		{ "10.0.0.0/8", "10.1.2.3", "443", true }, { "10.0.0.0/8", "11.1.2.3", "443", false }, { "10.0.0.0/8", "a.example", "443", false },
		{ "10.1.2.3", "10.1.2.3", "443", true }, { "10.1.2.3:80", "10.1.2.3", "443", false }, { "10.1.2.3:443", "10.1.2.3", "443", true },
		{ "0.0.0.0/0", "8.8.8.8", "443", true }, { "0.0.0.0/0", "2001:db8::1", "443", false }, { "2001:db8::/33", "2001:db8::1", "443", true },
		{ "2001:db8::/33", "2001:db8:8000::1", "443", false }, { "2001:db8::1", "2001:DB8:0::1", "443", true }, { "[2001:db8::1]:5000", "2001:db8::1", "5000", true },
		{ "[2001:db8::1]:5000", "2001:db8::1", "443", false }, { "10.0.0.0/33", "10.0.0.1", "443", false }, { "/8,:,::,.,*.,[", "a.example", "443", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (proxy_is_passed_by(cases[i].list, cases[i].host, cases[i].port) != cases[i].passed)
			fail_msg("'%s': %s:%s", cases[i].list, cases[i].host, cases[i].port);
}

static char *test_env(const char *name)
{
	static const char *const v[][2] = { { "HTTP_PROXY", "upper" }, { "http_proxy", "lower" }, { "ALL_PROXY", "all" }, { "no_proxy", "in.example:80" } };

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		if (streq(v[i][0], name))
			return (char *)v[i][1];
	return NULL;
}

static void test_proxy_for(void **state)
{
	(void)state;
	assert_string_equal(proxy_for(false, "a.example", "80", test_env), "upper");
	assert_string_equal(proxy_for(true, "a.example", "443", test_env), "all");
	assert_null(proxy_for(false, "in.example", "80", test_env));
	assert_string_equal(proxy_for(true, "in.example", "443", test_env), "all");
}

/* ---- toml ---- */

static void test_toml(void **state)
{
	static const struct {
		const char *text, *want, *err; /* want: JSON */
	} cases[] = {
		{ "", "{}", NULL },
		{ "\xef\xbb\xbf# only words\r\n", "{}", NULL },
		{ "a = 1\nb=-0x\n", "{\"a\":1,\"b\":\"-0x\"}", NULL },
		{ "a = \"x\\ty\\u00e9\\U0001F600\" # end", "{\"a\":\"x\\ty\303\251\360\237\230\200\"}", NULL },
		{ "a = 'C:\\x'\n\"b c\".'d'.e = true", "{\"a\":\"C:\\\\x\",\"b c\":{\"d\":{\"e\":true}}}", NULL },
		{ "a = \"\"\"\none \\\n   two\nthree\"\"\"", "{\"a\":\"one two\\nthree\"}", NULL },
		{ "a = '''\n''x'''\nb=[]", "{\"a\":\"''x\",\"b\":[]}", NULL },
		{ "a = [ 1, # first\n [\"x\", 'y'], ]\nb = {c = 1, d.e = \"f\"}", "{\"a\":[1,[\"x\",\"y\"]],\"b\":{\"c\":1,\"d\":{\"e\":\"f\"}}}", NULL },
		{ "[a]\nx=1\n[a.b]\ny=2\n[\"h.x:1\"]\n", "{\"a\":{\"x\":1,\"b\":{\"y\":2}},\"h.x:1\":{}}", NULL },
		{ "[[r]]\np=1\n[[r.m]]\nl=2\n[[r.m]]\n[[r]]\np=3", "{\"r\":[{\"p\":1,\"m\":[{\"l\":2},{}]},{\"p\":3}]}", NULL },
		{ "d = 1979-05-27T07:32:00Z\nf = 1.5", "{\"d\":\"1979-05-27T07:32:00Z\",\"f\":\"1.5\"}", NULL },
		{ "a = 1\na = 2", NULL, "x.toml:2: key 'a' is there twice" },
		{ "a = b", NULL, "x.toml:1: a value that is neither" },
		{ "a 1", NULL, "'=' is expected" },
		{ "= 1", NULL, "a key is expected" },
		{ "a = ", NULL, "a value is expected" },
		{ "\na = \"x", NULL, "x.toml:2: a string without an end" },
		{ "a = \"x\n\"", NULL, "a string without an end" },
		{ "a = '''x", NULL, "a string without an end" },
		{ "a = \"\\q\"", NULL, "an escape that is not known" },
		{ "a = \"\\ud800\"", NULL, "an escape that is no character" },
		{ "a = 1 b = 2", NULL, "more on the line" },
		{ "[a", NULL, "without its ']'" },
		{ "a = 1\n[a]", NULL, "'a' is no table" },
		{ "a = 1\n[[a]]", NULL, "both a table and a list" },
		{ "a = [1 2]", NULL, "',' or ']'" },
		{ "a = {b = 1", NULL, "',' or '}'" },
		{ "a = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1", NULL, "nested too deep" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(json_free) struct cJSON *j = NULL;
		AUTO_ERR(e);
		int r = toml_parse(cases[i].text, strlen(cases[i].text), "x.toml", &j, &e);

		if (cases[i].err) {
			assert_int_equal(r, -EINVAL);
			if (!strstr(err_text(&e), cases[i].err))
				fail_msg("%s: %s", cases[i].text, err_text(&e));
			continue;
		}
		if (r < 0)
			fail_msg("%s: %s", cases[i].text, err_text(&e));
		auto_free char *got = json_text(j, false);

		assert_string_equal(got, cases[i].want);
	}
}

/* ---- hosts ---- */

static void parse_toml(const char *text, struct cJSON **ret)
{
	AUTO_ERR(e);

	if (toml_parse(text, strlen(text), "t", ret, &e) < 0)
		fail_msg("%s", err_text(&e));
}

static void test_hosts_toml(void **state)
{
	AUTO(json_free) struct cJSON *doc = NULL, *bad = NULL;
	const struct cJSON *const none[] = { NULL };

	(void)state;
	parse_toml("server = \"https://origin.example/v2\"\n"
		   "[host.\"https://m.example/cache/v2\"]\ncapabilities = [\"pull\"]\nskip_verify = true\ndial_timeout = \"5s\"\n"
		   "  [host.\"https://m.example/cache/v2\".header]\n  X-A = [\"1\", \"2\"]\n"
		   "[host.\"http://n.example:5000/v2/x\"]\noverride_path = true\n", &doc);
	for (int push = 0; push < 2; push++) {
		AUTO_DONE(registry_hosts_done) struct registry_hosts h = { 0 };
		AUTO_ERR(e);

		assert_int_equal(registry_hosts_from(none, 1, "r.example", true, &h, &e), 0);
		assert_int_equal(registry_hosts_toml(doc, "/nowhere", push, &h, &e), 0);
		assert_int_equal(h.n, push ? 1 : 3);
		assert_string_equal(h.v[h.n - 1].url, "https://origin.example");
		assert_string_equal(h.v[h.n - 1].name, "origin.example");
		assert_true(h.v[h.n - 1].ns);
		assert_false(h.v[h.n - 1].mirror);
		if (push)
			continue;
		assert_string_equal(h.v[0].url, "https://m.example/cache");
		assert_true(h.v[0].mirror && h.v[0].no_tags && !h.v[0].no_digests && h.v[0].tls.insecure && !h.v[0].insecure);
		assert_int_equal(h.v[0].connect_ms, 5000);
		assert_int_equal(h.v[0].headers.n, 2);
		assert_string_equal(h.v[0].headers.v[1], "X-A: 2");
		assert_string_equal(h.v[1].url, "http://n.example:5000/v2/x");
		assert_true(h.v[1].exact && h.v[1].insecure);
	}
	static const char *const wrong[] = { "[host.\"ftp://x\"]", "[host.\"https://u@x\"]", "[host.\"https://x\"]\nca = 1", "[host.\"https://x\"]\nca = \"no.pem\"",
		"[host.\"https://x\"]\nclient = [1]", "[host.\"https://x\"]\ndial_timeout = \"soon\"", "[host.\"https://x\".header]\n\"a b\" = \"c\"",
		"[host.\"https://x\".header]\na = \"c\\r\\nd\"", "server = \"gopher://x\"" };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		AUTO_DONE(registry_hosts_done) struct registry_hosts h = { 0 };
		AUTO_ERR(e);

		json_free(TAKE(bad));
		parse_toml(wrong[i], &bad);
		assert_int_equal(registry_hosts_from(none, 1, "r.example", true, &h, &e), 0);
		assert_true(registry_hosts_toml(bad, "/nowhere", false, &h, &e) < 0);
	}
}

static void test_hosts_containers(void **state)
{
	static const char text[] =
		"unqualified-search-registries = [\"quay.io\"]\n"
		"[[registry]]\nprefix = \"a.example/team\"\nlocation = \"in.example:5000/x\"\ninsecure = true\n"
		"[[registry.mirror]]\nlocation = \"m.example/y\"\npull-from-mirror = \"digest-only\"\n"
		"[[registry]]\nlocation = \"a.example\"\n"
		"[[registry]]\nprefix = \"*.bad.example\"\nblocked = true\n"
		"[[registry]]\nprefix = \"docker.io\"\ninsecure = true\nmirror-by-digest-only = true\n"
		"[[registry.mirror]]\nlocation = \"hub.example\"\n";
	static const struct {
		const char *ref;
		bool push;
		int r;
		size_t n;
		const char *first, *first_repo, *last, *last_repo; /* repo NULL: the image's own */
		bool last_insecure;
	} cases[] = {
		{ "a.example/team/web:1", false, 0, 2, "https://m.example", "y/web", "https://in.example:5000", "x/web", true },
		{ "a.example/team/web@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", false, 0, 2, "https://m.example", "y/web",
		  "https://in.example:5000", "x/web", true },
		{ "a.example/team/web:1", true, 0, 1, "https://a.example", NULL, "https://a.example", NULL, true },
		{ "a.example/teams/web:1", false, 0, 1, "https://a.example", "teams/web", "https://a.example", "teams/web", false },
		{ "b.example/web", false, 1, 1, "https://b.example", NULL, "https://b.example", NULL, false },
		{ "x.bad.example/web", false, -EACCES, 0, NULL, NULL, NULL, NULL, false },
		{ "xbad.example/web", false, 1, 1, "https://xbad.example", NULL, "https://xbad.example", NULL, false },
		{ "nginx", false, 0, 2, "https://hub.example", "library/nginx", "https://registry-1.docker.io", NULL, false },
	};
	AUTO(json_free) struct cJSON *doc = NULL;
	const char *const names[] = { "registries.conf" };

	(void)state;
	parse_toml(text, &doc);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct cJSON *const none[] = { NULL }, *const docs[] = { doc };
		AUTO_DONE(registry_hosts_done) struct registry_hosts h = { 0 };
		AUTO_DONE(ref_done) struct ref ref = { 0 };
		AUTO_ERR(e);

		assert_int_equal(ref_parse_tagged(cases[i].ref, &ref, &e), 0);
		assert_int_equal(registry_hosts_from(none, 1, ref.host, true, &h, &e), 0);
		assert_int_equal(registry_hosts_containers(docs, names, 1, &ref, cases[i].push, &h, &e), cases[i].r);
		if (cases[i].r < 0) {
			assert_non_null(strstr(err_text(&e), "is blocked by 'registries.conf'"));
			continue;
		}
		assert_int_equal(h.n, cases[i].n);
		assert_string_equal(h.v[0].url, cases[i].first);
		assert_true(streq0(h.v[0].repo, cases[i].first_repo));
		assert_string_equal(h.v[h.n - 1].url, cases[i].last);
		assert_true(streq0(h.v[h.n - 1].repo, cases[i].last_repo));
		assert_int_equal(h.v[h.n - 1].insecure, cases[i].last_insecure);
		if (h.n > 1)
			assert_true(h.v[0].mirror && h.v[0].no_tags);
	}
}

static void test_hosts(void **state)
{
	AUTO(json_free) struct cJSON *own = parse("{\"registries\": {\"docker.io\": {\"mirrors\": [\"https://m1.example/\", {\"url\": \"m2.lan:5000\","
		"\"insecure\": true}, \"http://m3.lan\"]}, \"q.example\": {\"insecure\": true}}, \"insecure\": [\"*.lab\", \"http://plain.example:80\"]}");
	AUTO(json_free) struct cJSON *daemon = parse("{\"registry-mirrors\": [\"https://unused.example\"], \"insecure-registries\": [\"old.example\"]}");
	const struct cJSON *const docs[] = { own, NULL, daemon };
	static const struct {
		const char *host;
		bool push;
		size_t n;
		const char *first;
		bool first_insecure, last_insecure;
	} cases[] = {
		{ "docker.io", false, 4, "https://m1.example", false, false }, { "docker.io", true, 1, "https://registry-1.docker.io", false, false },
		{ "q.example", false, 1, "https://q.example", true, true }, { "x.lab", false, 1, "https://x.lab", true, true },
		{ "plain.example:80", false, 1, "https://plain.example:80", true, true }, { "old.example", false, 1, "https://old.example", true, true },
		{ "s.example", false, 1, "https://s.example", false, false }, { "localhost:5000", false, 1, "https://localhost:5000", true, true },
		{ "127.0.0.1:5000", false, 1, "https://127.0.0.1:5000", true, true }, { "[::1]:5000", false, 1, "https://[::1]:5000", true, true },
		{ "127.0.0.1.example", false, 1, "https://127.0.0.1.example", false, false },
		{ "localhost.example", false, 1, "https://localhost.example", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_DONE(registry_hosts_done) struct registry_hosts h = { 0 };
		AUTO_ERR(e);

		assert_int_equal(registry_hosts_from(docs, ARRAY_LEN(docs), cases[i].host, cases[i].push, &h, &e), 0);
		assert_int_equal(h.n, cases[i].n);
		assert_string_equal(h.v[0].url, cases[i].first);
		assert_int_equal(h.v[0].insecure, cases[i].first_insecure);
		assert_int_equal(h.v[h.n - 1].insecure, cases[i].last_insecure);
		assert_false(h.v[h.n - 1].mirror);
		assert_string_equal(h.v[h.n - 1].name, cases[i].host);
	}
}

/* ---- retries ---- */

static void test_retry_after(void **state)
{
	int64_t now = INT64_C(1445412480) * second; /* 2015-10-21 07:28:00 */

	(void)state;
	assert_int_equal(retry_after_ns("120", 0), 120 * second);
	assert_int_equal(retry_after_ns("Wed, 21 Oct 2015 07:28:30 GMT", now), 30 * second);
	assert_int_equal(retry_after_ns("Wed, 21 Oct 2015 07:00:00 GMT", now), 0);
	assert_int_equal(retry_after_ns("soon", now), -1);
	assert_int_equal(retry_after_ns("-1", now), -1);
	assert_int_equal(retry_after_ns(NULL, now), -1);
}

static void test_retry_delay(void **state)
{
	static const long never[] = { 400, 401, 403, 404, 415, 501 }, again[] = { 408, 429, 500, 502, 503, 504 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_int_equal(retry_delay(0, never[i], 0, -1, 0), RETRY_NEVER);
	for (size_t i = 0; i < ARRAY_LEN(again); i++)
		assert_true(retry_delay(0, again[i], 0, -1, 0) > 0);
	assert_int_equal(retry_delay(0, 429, 0, 3 * second, 0), 3 * second);
	assert_int_equal(retry_delay(0, 429, 0, 3600 * second, 0), RETRY_NEVER); /* believed, not waited for */
	assert_int_equal(retry_delay(RETRY_MOST - 1, 503, 0, -1, 0), RETRY_NEVER);
	assert_int_equal(retry_delay(0, 0, EPROTO, -1, 0), RETRY_NEVER); /* TLS does not get better */
	assert_int_equal(retry_delay(0, 200, EHOSTUNREACH, -1, 0), RETRY_NEVER);
	assert_true(retry_delay(3, 200, ECONNRESET, -1, 0) > retry_delay(0, 200, ECONNRESET, -1, 1023));
}

/* ---- addresses ---- */

static void test_addresses(void **state)
{
	static const struct {
		const char *base, *location, *want;
	} cases[] = {
		{ "https://h/v2/a/blobs/x", "/v2/y?z=1", "https://h/v2/y?z=1" }, { "https://h/v2/a", "https://cdn.example/b?sig=%2F", "https://cdn.example/b?sig=%2F" },
		{ "https://h/v2/a", "file:///etc/passwd", NULL }, { "https://h/v2/a", "gopher://x/", NULL }, { "https://h/v2/a", "", NULL },
		{ "https://h/v2/a", "https://user@x/", NULL },
		{ "http://127.0.0.1:5000/v2/", "http://127.0.0.1:5001/token", "http://127.0.0.1:5001/token" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *got = NULL;
		AUTO_ERR(e);
		int r = http_resolve(cases[i].base, cases[i].location, &got, &e);

		assert_int_equal(r < 0, cases[i].want == NULL);
		if (cases[i].want)
			assert_string_equal(got, cases[i].want);
	}
	auto_free char *a = http_origin("https://Host.Example/x"), *b = http_origin("https://host.example:443/y"), *c = http_origin("https://host.example:444/"),
		       *h = http_host("http://[::1]:5000/v2/");

	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	assert_string_equal(h, "::1");
}

/* ---- refusals ---- */

static void test_refusals(void **state)
{
	static const struct {
		long status;
		const char *body, *header;
		int code;
		const char *text;
	} cases[] = {
		{ 401, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"requested access to the resource is denied\"}]}", NULL, EACCES,
		  "pull access denied for web:1, repository does not exist or may require 'gantry login': DENIED: requested access to the resource is denied" },
		{ 404, "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\",\"detail\":{\"Tag\":\"1\"}}]}", NULL, ENOENT,
		  "web:1 not found at 'docker.io': MANIFEST_UNKNOWN: manifest unknown ({\"Tag\":\"1\"})" },
		{ 429, "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"You have reached your pull rate limit.\"}]}", "ratelimit-limit: 100;w=21600",
		  EDQUOT, "web:1: 'docker.io' limits requests (100 in 6h0m0s): TOOMANYREQUESTS: You have reached your pull rate limit." },
		{ 502, "<html><head><title>Bad \x1b[31mGateway</title></head></html>", NULL, EPROTO,
		  "web:1: 'docker.io' answers with status 502: Bad \\x1b[31mGateway; this is not a registry's answer: a proxy or a portal?" },
		{ 500, "", NULL, EPROTO, "web:1: 'docker.io' answers with status 500" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_DONE(http_request_done) struct http_request q = HTTP_REQUEST_INIT;
		AUTO_ERR(e);

		q.status = cases[i].status;
		q.text = xstrdup(cases[i].body);
		if (cases[i].header)
			strv_add(&q.reply, cases[i].header);
		assert_int_equal(registry_error(&q, "docker.io", "web:1", false, true, NULL, &e), -cases[i].code);
		assert_string_equal(err_text(&e), cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_challenges), cmocka_unit_test(test_challenges_refused), cmocka_unit_test(test_query), cmocka_unit_test(test_may_send),
		cmocka_unit_test(test_credentials), cmocka_unit_test(test_hosts), cmocka_unit_test(test_toml), cmocka_unit_test(test_no_proxy), cmocka_unit_test(test_proxy_for),
		cmocka_unit_test(test_hosts_toml), cmocka_unit_test(test_hosts_containers), cmocka_unit_test(test_retry_after), cmocka_unit_test(test_retry_delay),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
