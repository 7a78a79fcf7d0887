/* SPDX-License-Identifier: MIT */
#include "engine/image/hosts.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"

enum { DOC_MAX = 1 << 20, CERT_MAX = 1 << 20 };

void registry_hosts_done(struct registry_hosts *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->v[i].url);
		free(h->v[i].name);
		free(h->v[i].tls.ca);
		free(h->v[i].tls.cert);
		if (h->v[i].tls.key)
			explicit_bzero(h->v[i].tls.key, strlen(h->v[i].tls.key));
		free(h->v[i].tls.key);
	}
	free(h->v);
	strv_done(&h->token_hosts);
	*h = (struct registry_hosts){ 0 };
}

bool registry_is_loopback(const char *host)
{
	const char *rest = str_after(host, "localhost");
	size_t n = strcspn(host, ":");

	if (!rest)
		rest = str_after(host, "[::1]");
	if (rest)
		return !*rest || *rest == ':';
	return str_starts(host, "127.") && strspn(host, "0123456789.") == n;
}

/* ---- what the documents say ------------------------------------------------------------------------------------------------------------------------ */

static bool in_insecure_list(const struct cJSON *list, const char *host)
{
	for (const struct cJSON *c = json_first(list); c; c = json_next(c)) {
		const char *pattern = json_value_str(c), *plain = pattern ? strstr(pattern, "://") : NULL;

		if (pattern && fnmatch(plain ? plain + 3 : pattern, host, 0) == 0)
			return true;
	}
	return false;
}

static bool is_insecure(const struct cJSON *const *docs, size_t n, const char *host)
{
	if (streq(host, "docker.io"))
		return false;
	for (size_t i = 0; i < n; i++)
		if (docs[i] && (in_insecure_list(json_get(docs[i], "insecure"), host) ||
				in_insecure_list(json_get(docs[i], "insecure-registries"), host) ||
				json_bool(json_get(json_get(docs[i], "registries"), host), "insecure", false)))
			return true;
	return registry_is_loopback(host);
}

static struct registry_host *add(struct registry_hosts *h, char *url_take, char *name_take)
{
	size_t n = strlen(url_take);

	while (n && url_take[n - 1] == '/')
		url_take[--n] = '\0';
	xgrow(&h->v, h->n, &h->cap, sizeof(*h->v));
	h->v[h->n] = (struct registry_host){ .url = url_take, .name = name_take };
	return &h->v[h->n++];
}

static int add_mirror(const struct cJSON *const *docs, size_t n, const struct cJSON *c, struct registry_hosts *ret, struct err *e)
{
	const char *text = json_value_str(c) ? json_value_str(c) : json_str(c, "url"), *scheme = text ? strstr(text, "://") : NULL, *rest;
	struct registry_host *h;
	char *name;
	bool plain;

	if (!text || !*text)
		return err_set(e, EINVAL, "a mirror is an address, or {\"url\": …}");
	if (scheme && !str_starts(text, "http://") && !str_starts(text, "https://"))
		return err_set(e, EINVAL, "mirror '%s': only http and https", text);
	if (strpbrk(text, "@?# "))
		return err_set(e, EINVAL, "mirror '%s': neither user nor query", text);
	if (ret->n >= REGISTRY_MIRRORS_MAX)
		return err_set(e, E2BIG, "more than %d mirrors", REGISTRY_MIRRORS_MAX);
	rest = scheme ? scheme + 3 : text;
	name = xstrndup(rest, strcspn(rest, "/"));
	plain = str_starts(text, "http://");
	h = add(ret, scheme ? xstrdup(text) : xasprintf("https://%s", text), name);
	h->mirror = true;
	/* Who writes http:// means it. */
	h->insecure = plain || json_bool(c, "insecure", false) || is_insecure(docs, n, name);
	return 0;
}

static int add_mirrors(const struct cJSON *const *docs, size_t n, const char *host, struct registry_hosts *ret, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct cJSON *registry = json_get(json_get(docs[i], "registries"), host);
		const struct cJSON *list = json_get(registry, "mirrors");

		if (!registry && streq(host, "docker.io"))
			list = json_get(docs[i], "registry-mirrors");
		for (const struct cJSON *c = json_first(list); c; c = json_next(c))
			TRY(add_mirror(docs, n, c, ret, e));
		json_strv(registry, "token_hosts", &ret->token_hosts);
		if (registry || list)
			return 0;
	}
	return 0;
}

int registry_hosts_from(const struct cJSON *const *docs, size_t n, const char *host, bool push, struct registry_hosts *ret, struct err *e)
{
	struct registry_hosts all = { 0 };
	bool hub = streq(host, "docker.io");
	struct registry_host *h;

	if (add_mirrors(docs, n, host, &all, e) < 0) {
		registry_hosts_done(&all);
		return err_wrap(e, "registries of '%s'", host);
	}
	if (push)
		while (all.n) {
			free(all.v[--all.n].url);
			free(all.v[all.n].name);
		}
	h = add(&all, hub ? xstrdup("https://registry-1.docker.io") : xasprintf("https://%s", host), xstrdup(host));
	h->insecure = is_insecure(docs, n, host);
	*ret = all;
	return 0;
}

/* ---- certs.d --------------------------------------------------------------------------------------------------------------------------------------- */

static int append_pem(const char *path, char **text, struct err *e)
{
	auto_free char *more = NULL, *before = *text;

	*text = NULL;
	TRY(file_read(path, CERT_MAX, &more, NULL, e));
	*text = before ? xasprintf("%s\n%s", before, more) : TAKE(more);
	return 0;
}

static int client_pair(const char *dir, const char *cert, struct http_tls *tls, struct err *e)
{
	auto_free char *cert_path = xasprintf("%s/%s", dir, cert), *key_path = xasprintf("%s/%.*skey", dir, (int)(strlen(cert) - 4), cert);

	if (!file_exists(key_path)) {
		err_set(e, ENOENT, "the key '%s' of the client certificate '%s' is missing", key_path, cert_path);
		err_hint(e, "certificates of authorities must end in .crt");
		return -ENOENT;
	}
	if (tls->cert)
		return 0; /* the first pair, as docker */
	TRY(file_read(cert_path, CERT_MAX, &tls->cert, NULL, e));
	return file_read(key_path, CERT_MAX, &tls->key, NULL, e);
}

static int certs_of(const char *base, const char *name, struct http_tls *tls, struct err *e)
{
	auto_free char *dir = xasprintf("%s/%s", base, name);
	DIR *d = opendir(dir);
	AUTO_STRV(names);
	struct dirent *ent;

	if (!d)
		return errno == ENOENT || errno == ENOTDIR || (errno == EACCES && geteuid() != 0) ? 0 : err_sys(e, "read '%s'", dir);
	while ((ent = readdir(d)))
		strv_add(&names, ent->d_name);
	closedir(d);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *path = xasprintf("%s/%s", dir, names.v[i]);

		if (str_ends(names.v[i], ".crt"))
			TRY(append_pem(path, &tls->ca, e));
		else if (str_ends(names.v[i], ".cert"))
			TRY(client_pair(dir, names.v[i], tls, e));
	}
	return 0;
}

static int read_certs(struct registry_host *h, struct err *e)
{
	static const char *const bases[] = { "/etc/gantry/certs.d", "/etc/docker/certs.d", "/etc/containers/certs.d" };
	const char *own = getenv("GANTRY_CERTS_DIR");

	if (own && *own)
		TRY(certs_of(own, h->name, &h->tls, e));
	for (size_t i = 0; i < ARRAY_LEN(bases); i++)
		TRY(certs_of(bases[i], h->name, &h->tls, e));
	/* Who installed an authority wants it asked for, on loopback too. */
	if (h->tls.ca && registry_is_loopback(h->name))
		h->insecure = false;
	h->tls.insecure = h->insecure;
	return 0;
}

static int read_doc(const char *path, struct cJSON **ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t n;
	AUTO_ERR(failure);
	int r = file_read(path, DOC_MAX, &text, &n, &failure);

	if (r == -ENOENT || r == -ENOTDIR || (r == -EACCES && geteuid() != 0)) /* a login is anybody's, the folder is root's */
		return 0;
	if (r < 0)
		return err_move(e, &failure);
	TRY(json_parse(text, n, path, ret, e));
	return json_is_object(*ret) ? 0 : err_set(e, EINVAL, "'%s': not a JSON object", path);
}

int registry_hosts_read(const char *root, const char *host, bool push, struct registry_hosts *ret, struct err *e)
{
	auto_free char *own = xasprintf("%s/registries.json", root);
	const char *const paths[] = { own, "/etc/gantry/registries.json", "/etc/docker/daemon.json" };
	struct cJSON *docs[ARRAY_LEN(paths)] = { NULL };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(paths); i++)
		r = read_doc(paths[i], &docs[i], e);
	if (r >= 0)
		r = registry_hosts_from((const struct cJSON *const *)docs, ARRAY_LEN(docs), host, push, ret, e);
	for (size_t i = 0; i < ARRAY_LEN(docs); i++)
		json_free(docs[i]);
	for (size_t i = 0; r >= 0 && i < ret->n; i++)
		r = read_certs(&ret->v[i], e);
	return r;
}
