/* SPDX-License-Identifier: MIT
 *
 * containerd's hosts.toml, which docker reads too since its images are in containerd's store: [host."URL"] tables in the order of their use, then
 * `server`. https://github.com/containerd/containerd/blob/main/docs/hosts.md
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/image/hosts_priv.h"

static char *relative(const char *dir, const char *name)
{
	return *name == '/' ? xstrdup(name) : xasprintf("%s/%s", dir, name);
}

static int add_ca(const struct cJSON *ca, const char *dir, struct http_tls *tls, struct err *e)
{
	const struct cJSON *c = json_is_array(ca) ? json_first(ca) : ca;

	for (; c; c = json_is_array(ca) ? json_next(c) : NULL) {
		auto_free char *path = json_value_str(c) ? relative(dir, json_value_str(c)) : NULL;

		if (!path)
			return err_set(e, EINVAL, "'ca' is the name of a file, or a list of such");
		TRY(registry_pem_add(path, &tls->ca, e));
	}
	return 0;
}

/* "both.pem", ["both.pem"], [["cert.pem", "key.pem"]]: the first that is there. */
static int add_client(const struct cJSON *client, const char *dir, struct http_tls *tls, struct err *e)
{
	const struct cJSON *c = json_is_array(client) ? json_first(client) : client;
	const char *cert = json_value_str(c), *key = cert;

	if (json_is_array(c)) {
		cert = json_value_str(json_first(c));
		key = json_count(c) > 1 && json_value_str(json_next(json_first(c))) ? json_value_str(json_next(json_first(c))) : cert;
	}
	if (!client)
		return 0;
	if (!cert)
		return err_set(e, EINVAL, "'client' is a file with certificate and key, or a list of pairs of files");

	auto_free char *cert_path = relative(dir, cert), *key_path = relative(dir, key);

	TRY(file_read(cert_path, REGISTRY_CERT_MAX, &tls->cert, NULL, e));
	return file_read(key_path, REGISTRY_CERT_MAX, &tls->key, NULL, e);
}

static int add_headers(const struct cJSON *header, struct strv *to, struct err *e)
{
	for (const struct cJSON *c = json_first(header); c; c = json_next(c)) {
		const struct cJSON *v = json_is_array(c) ? json_first(c) : c;

		for (; v; v = json_is_array(c) ? json_next(v) : NULL) {
			const char *text = json_value_str(v);

			if (!text || strpbrk(text, "\r\n") || strpbrk(json_key(c), "\r\n: "))
				return err_set(e, EINVAL, "'header': names with texts of one line");
			strv_addf(to, "%s: %s", json_key(c), text);
		}
	}
	return 0;
}

static bool can(const struct cJSON *host, const char *capability)
{
	const struct cJSON *list = json_get(host, "capabilities");

	for (const struct cJSON *c = json_first(list); c; c = json_next(c))
		if (json_value_str(c) && streq(json_value_str(c), capability))
			return true;
	return !list;
}

static int fill(struct registry_host *h, const struct cJSON *t, const char *dir, struct err *e)
{
	const char *timeout = json_str(t, "dial_timeout");
	int64_t ns;
	size_t n = strlen(h->url);

	/* Without override_path /v2 is added, but not twice. */
	h->exact = json_bool(t, "override_path", false);
	if (!h->exact && str_ends(h->url, "/v2"))
		h->url[n - 3] = '\0';
	h->no_tags = !can(t, "resolve");
	h->no_digests = !can(t, "pull");
	TRY(add_ca(json_get(t, "ca"), dir, &h->tls, e));
	TRY(add_client(json_get(t, "client"), dir, &h->tls, e));
	TRY(add_headers(json_get(t, "header"), &h->headers, e));
	h->tls.insecure = json_bool(t, "skip_verify", false);
	if (timeout) {
		if (num_duration(timeout, &ns, e) < 0)
			return err_wrap(e, "'dial_timeout'");
		h->connect_ms = MAX(ns / 1000000, 1);
	}
	return 0;
}

/* "https://mirror.example/x", "mirror.example"; the name is that of the credentials. */
static int address(const char *text, char **ret_url, char **ret_name, struct err *e)
{
	const char *scheme = strstr(text, "://"), *rest = scheme ? scheme + 3 : text;
	size_t n = strcspn(rest, "/");
	auto_free char *shown = str_visible(text, strnlen(text, 200));

	if (scheme && !str_starts(text, "http://") && !str_starts(text, "https://"))
		return err_set(e, EINVAL, "'%s': only http and https", shown);
	if (n == 0 || strpbrk(text, "@?# \r\n"))
		return err_set(e, EINVAL, "'%s' is no address of a registry", shown);
	*ret_url = scheme ? xstrdup(text) : xasprintf("https://%s", text);
	*ret_name = xstrndup(rest, n);
	if (streq(*ret_name, "registry-1.docker.io") || streq(*ret_name, "index.docker.io")) {
		free(*ret_name);
		*ret_name = xstrdup("docker.io");
	}
	return 0;
}

static int add_host(const struct cJSON *c, const char *dir, struct registry_hosts *hosts, struct err *e)
{
	char *url = NULL, *name = NULL;
	struct registry_host *h;

	TRY(address(json_key(c), &url, &name, e));
	h = registry_mirror_add(hosts, url, name, e);
	if (!h)
		return -e->code;
	h->insecure = str_starts(h->url, "http://") || registry_is_loopback(h->name);
	h->ns = true;
	return fill(h, c, dir, e);
}

int registry_hosts_toml(const struct cJSON *doc, const char *dir, bool push, struct registry_hosts *hosts, struct err *e)
{
	struct registry_host *own = &hosts->v[hosts->n - 1];
	const char *server = json_str(doc, "server");

	if (server && *server) {
		char *url = NULL, *name = NULL;

		TRY(address(server, &url, &name, e));
		own->ns = !streq(own->name, name);
		free(own->url);
		free(own->name);
		own->url = url;
		own->name = name;
		own->insecure = own->insecure || str_starts(url, "http://") || registry_is_loopback(name);
		while (str_ends(url, "/"))
			url[strlen(url) - 1] = '\0';
	}
	TRY(fill(own, doc, dir, e));
	for (const struct cJSON *c = push ? NULL : json_first(json_get(doc, "host")); c; c = json_next(c))
		if (add_host(c, dir, hosts, e) < 0)
			return err_wrap(e, "host");
	return 0;
}
