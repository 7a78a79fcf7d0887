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
#include "engine/image/hosts_priv.h"
#include "engine/image/ref.h"
#include "engine/image/toml.h"

void registry_host_done(struct registry_host *h)
{
	free(h->url);
	free(h->name);
	free(h->repo);
	free(h->from);
	strv_done(&h->headers);
	free(h->tls.ca);
	free(h->tls.cert);
	if (h->tls.key)
		explicit_bzero(h->tls.key, strlen(h->tls.key));
	free(h->tls.key);
	*h = (struct registry_host){ 0 };
}

void registry_hosts_done(struct registry_hosts *h)
{
	for (size_t i = 0; i < h->n; i++)
		registry_host_done(&h->v[i]);
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

struct registry_host *registry_host_add(struct registry_hosts *h, char *url_take, char *name_take)
{
	size_t n = strlen(url_take);

	while (n && url_take[n - 1] == '/')
		url_take[--n] = '\0';
	xgrow(&h->v, h->n, &h->cap, sizeof(*h->v));
	h->v[h->n] = (struct registry_host){ .url = url_take, .name = name_take };
	return &h->v[h->n++];
}

struct registry_host *registry_mirror_add(struct registry_hosts *h, char *url_take, char *name_take, struct err *e)
{
	struct registry_host last;

	if (h->n > REGISTRY_MIRRORS_MAX) {
		free(url_take);
		free(name_take);
		err_set(e, E2BIG, "more than %d mirrors", REGISTRY_MIRRORS_MAX);
		return NULL;
	}
	registry_host_add(h, url_take, name_take)->mirror = true;
	last = h->v[h->n - 2];
	h->v[h->n - 2] = h->v[h->n - 1];
	h->v[h->n - 1] = last;
	return &h->v[h->n - 2];
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
	h = registry_host_add(ret, scheme ? xstrdup(text) : xasprintf("https://%s", text), name);
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
		while (all.n)
			registry_host_done(&all.v[--all.n]);
	h = registry_host_add(&all, hub ? xstrdup("https://registry-1.docker.io") : xasprintf("https://%s", host), xstrdup(host));
	h->insecure = is_insecure(docs, n, host);
	*ret = all;
	return 0;
}

/* ---- certs.d --------------------------------------------------------------------------------------------------------------------------------------- */

int registry_pem_add(const char *path, char **text, struct err *e)
{
	auto_free char *more = NULL, *before = *text;

	*text = NULL;
	TRY(file_read(path, REGISTRY_CERT_MAX, &more, NULL, e));
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
	TRY(file_read(cert_path, REGISTRY_CERT_MAX, &tls->cert, NULL, e));
	return file_read(key_path, REGISTRY_CERT_MAX, &tls->key, NULL, e);
}

/* Where a port is written with underscores, too: some file systems have no ':' in names. NULL: HOST has no port. */
static char *spelled_otherwise(const char *host)
{
	const char *colon = strrchr(host, ':');

	return colon && !strchr(colon, ']') ? xasprintf("%.*s_%s_", (int)(colon - host), host, colon + 1) : NULL;
}

static int certs_in(const char *dir, struct http_tls *tls, struct err *e)
{
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
			TRY(registry_pem_add(path, &tls->ca, e));
		else if (str_ends(names.v[i], ".cert"))
			TRY(client_pair(dir, names.v[i], tls, e));
	}
	return 0;
}

static int certs_of(const char *base, const char *name, struct http_tls *tls, struct err *e)
{
	auto_free char *dir = xasprintf("%s/%s", base, name), *other = spelled_otherwise(name), *other_dir = xasprintf("%s/%s", base, str0(other));

	TRY(certs_in(dir, tls, e));
	return other ? certs_in(other_dir, tls, e) : 0;
}

static const char *const bases[] = { "/etc/gantry/certs.d", "/etc/docker/certs.d", "/etc/containers/certs.d", "/etc/containerd/certs.d" };
enum { CERT_BASES = 3 }; /* the last has hosts.toml only */

static int read_certs(struct registry_host *h, struct err *e)
{
	const char *own = getenv("GANTRY_CERTS_DIR");

	if (own && *own)
		TRY(certs_of(own, h->name, &h->tls, e));
	for (size_t i = 0; i < CERT_BASES; i++)
		TRY(certs_of(bases[i], h->name, &h->tls, e));
	/* Who installed an authority wants it asked for, on loopback too. */
	if (h->tls.ca && registry_is_loopback(h->name))
		h->insecure = false;
	h->tls.insecure = h->tls.insecure || h->insecure;
	return 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------------------------------------------ */

/* 1: it is not there, or not for us. */
static int read_text(const char *path, char **ret, size_t *ret_n, struct err *e)
{
	AUTO_ERR(failure);
	int r = file_read(path, REGISTRY_DOC_MAX, ret, ret_n, &failure);

	if (r == -ENOENT || r == -ENOTDIR || (r == -EACCES && geteuid() != 0)) /* a login is anybody's, the folder is root's */
		return 1;
	return r < 0 ? err_move(e, &failure) : 0;
}

static int read_doc(const char *path, struct cJSON **ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t n;
	int r = read_text(path, &text, &n, e);

	if (r)
		return MIN(r, 0);
	TRY(json_parse(text, n, path, ret, e));
	return json_is_object(*ret) ? 0 : err_set(e, EINVAL, "'%s': not a JSON object", path);
}

/* 0: it was there, and is in H. */
static int toml_in(const char *base, const char *folder, bool push, struct registry_hosts *h, struct err *e)
{
	auto_free char *dir = xasprintf("%s/%s", base, folder), *path = xasprintf("%s/hosts.toml", dir), *text = NULL;
	AUTO(json_free) struct cJSON *doc = NULL;
	size_t n;
	int r = read_text(path, &text, &n, e);

	if (r)
		return r;
	TRY(toml_parse(text, n, path, &doc, e));
	if (registry_hosts_toml(doc, dir, push, h, e) < 0)
		return err_wrap(e, "%s", path);
	for (size_t i = 0; i < h->n; i++)
		h->v[i].from = xstrdup(path);
	return 0;
}

static int read_toml(const char *host, bool push, struct registry_hosts *h, struct err *e)
{
	auto_free char *other = spelled_otherwise(host);
	const char *const folders[] = { host, other ? other : host, "_default" }, *own = getenv("GANTRY_CERTS_DIR");

	for (size_t f = 0; f < ARRAY_LEN(folders); f++)
		for (size_t i = 0; i <= ARRAY_LEN(bases); i++) {
			const char *base = i ? bases[i - 1] : own;
			int r = base && *base ? toml_in(base, folders[f], push, h, e) : 1;

			if (r <= 0)
				return r;
		}
	return 1;
}

enum { DOC_OWN, DOC_ETC, DOC_DAEMON, DOCS };

/* Which document decides about HOST, DOCS: none. */
static size_t who_mentions(struct cJSON *const *docs, const char *host)
{
	for (size_t i = 0; i < DOC_DAEMON; i++)
		if (json_get(json_get(docs[i], "registries"), host))
			return i;
	return streq(host, "docker.io") && json_get(docs[DOC_DAEMON], "registry-mirrors") ? DOC_DAEMON : DOCS;
}

static int collect(struct cJSON *const *docs, const char *const *paths, const struct ref *ref, bool push, struct registry_hosts *h, struct err *e)
{
	size_t who = who_mentions(docs, ref->host);
	int r = 1;

	/* First without mirrors: whoever decides adds them. */
	TRY(registry_hosts_from((const struct cJSON *const *)docs, DOCS, ref->host, true, h, e));
	if (who >= DOC_DAEMON)
		TRY(r = read_toml(ref->host, push, h, e));
	if (r > 0 && who == DOCS)
		return registry_hosts_containers_read(ref, push, h, e);
	if (r == 0)
		return 0;
	registry_hosts_done(h);
	TRY(registry_hosts_from((const struct cJSON *const *)docs, DOCS, ref->host, push, h, e));
	for (size_t i = 0; i < h->n; i++)
		h->v[i].from = xstrdup(paths[who]);
	return 0;
}

int registry_hosts_read(const char *root, const struct ref *ref, bool push, struct registry_hosts *ret, struct err *e)
{
	auto_free char *own = xasprintf("%s/registries.json", root);
	const char *const paths[DOCS] = { own, "/etc/gantry/registries.json", "/etc/docker/daemon.json" };
	struct cJSON *docs[DOCS] = { NULL };
	struct registry_hosts h = { 0 };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < DOCS; i++)
		r = read_doc(paths[i], &docs[i], e);
	if (r >= 0)
		r = collect(docs, paths, ref, push, &h, e);
	for (size_t i = 0; i < DOCS; i++)
		json_free(docs[i]);
	for (size_t i = 0; r >= 0 && i < h.n; i++)
		r = read_certs(&h.v[i], e);
	if (r < 0) {
		registry_hosts_done(&h);
		return r;
	}
	*ret = h;
	return 0;
}
