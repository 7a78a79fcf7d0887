/* SPDX-License-Identifier: MIT
 *
 * fuzz_auth: what registries say about who may what (challenges, Retry-After, refusals), and what config.json, hosts.toml, registries.conf and NO_PROXY say
 */
#include "tests/fuzz/fuzz.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/image/auth.h"
#include "engine/image/challenge.h"
#include "engine/image/cred.h"
#include "engine/image/hosts_priv.h"
#include "engine/image/http.h"
#include "engine/image/proxy.h"
#include "engine/image/ref.h"
#include "engine/image/registry_error.h"
#include "engine/image/retry.h"
#include "engine/image/toml.h"
#include <string.h>

static void as_challenge(const char *text)
{
	AUTO_DONE(challenges_done) struct challenges l = { 0 };
	AUTO_STRV(scopes);
	AUTO_ERR(e);
	const struct challenge *c;

	if (challenges_parse(text, &l, &e) < 0)
		return;
	BUG_ON(l.n > CHALLENGES_MAX);
	c = challenges_best(&l);
	if (c) {
		auto_free char *query = NULL;

		BUG_ON(c->scheme == CHALLENGE_OTHER || (c->scheme == CHALLENGE_BEARER && !c->realm));
		query = auth_query(c, &scopes, false);
		BUG_ON(strpbrk(query, " \r\n") != NULL); /* it goes into a request line */
	}
}

static void as_config(const char *text, size_t n)
{
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_ERR(no_json);
	static const char *const hosts[] = { "docker.io", "a.example" };

	if (json_parse(text, n, "config", &j, &no_json) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		AUTO_DONE(credential_done) struct credential c = { 0 };
		AUTO_DONE(registry_hosts_done) struct registry_hosts h = { 0 };
		const struct cJSON *const docs[] = { j };
		auto_free char *helper = NULL;
		AUTO_ERR(e1);
		AUTO_ERR(e2);

		if (credential_in(j, hosts[i], "team/web", &c, &helper, &e1) == 0)
			BUG_ON(!c.user && !c.identity && !c.registry_token);
		if (registry_hosts_from(docs, 1, hosts[i], false, &h, &e2) >= 0)
			BUG_ON(h.n == 0 || h.v[h.n - 1].mirror || (streq(hosts[i], "docker.io") && h.v[h.n - 1].insecure));
	}
}

/* hosts.toml and registries.conf, from what a file says to the list of hosts. */
static void as_toml(const char *text, size_t n)
{
	AUTO(json_free) struct cJSON *doc = NULL;
	AUTO_ERR(e);
	const struct cJSON *const none[] = { NULL };
	const char *const names[] = { "conf" };
	char host[] = "a.example", path[] = "team/web", tag[] = "1";
	const struct ref ref = { .host = host, .path = path, .tag = tag };

	if (toml_parse(text, n, "toml", &doc, &e) < 0)
		return;
	for (int i = 0; i < 2; i++) {
		AUTO_DONE(registry_hosts_done) struct registry_hosts h = { 0 };
		const struct cJSON *const docs[] = { doc };
		AUTO_ERR(e2);

		BUG_ON(registry_hosts_from(none, 1, host, true, &h, &e2) < 0);
		if ((i ? registry_hosts_toml(doc, "/nowhere", false, &h, &e2) : registry_hosts_containers(docs, names, 1, &ref, false, &h, &e2)) < 0)
			continue;
		BUG_ON(h.n == 0 || h.v[h.n - 1].mirror);
		for (size_t k = 0; k < h.n; k++)
			BUG_ON(!*h.v[k].name || (!str_starts(h.v[k].url, "https://") && !str_starts(h.v[k].url, "http://")));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xmalloc(size + 1), *shown = NULL, *url = NULL;
	AUTO_ERR(e);

	memcpy(text, data, size);
	text[size] = '\0';
	as_challenge(text);
	as_config(text, size);
	as_toml(text, size);
	(void)proxy_is_passed_by(text, "a.example", "443");
	(void)proxy_is_passed_by(text, "192.0.2.1", "443");
	BUG_ON(retry_after_ns(text, 0) < -1);
	shown = registry_error_text(text);
	for (const char *p = shown; p && *p; p++)
		BUG_ON((unsigned char)*p < 0x20 || *p == 0x7f); /* it goes to a terminal */
	if (http_resolve("https://registry.example/v2/x", text, &url, &e) >= 0)
		BUG_ON(!str_starts(url, "https://") && !str_starts(url, "http://"));
	return 0;
}
