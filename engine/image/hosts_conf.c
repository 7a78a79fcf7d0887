/* SPDX-License-Identifier: MIT
 *
 * registries.conf, as podman, buildah and skopeo read it (containers-registries.conf(5), version 2): the [[registry]] with the longest prefix decides;
 * its mirrors in order, then its location. Short names are docker's here, so unqualified-search-registries and aliases have no say.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/image/hosts_priv.h"
#include "engine/image/ref.h"
#include "engine/image/toml.h"

enum { FILES_MAX = 256 };

/* Bytes of NAME that PREFIX covers, 0: not at all. A prefix ends where a part of the name ends. */
static size_t covers(const char *prefix, const char *name)
{
	size_t n = strlen(prefix), host = strcspn(name, "/");

	if (str_starts(prefix, "*.")) { /* any host below it, then the same */
		size_t suffix = strcspn(prefix + 1, "/");

		if (host <= suffix || strncmp(name + host - suffix, prefix + 1, suffix) != 0 || strncmp(name + host, prefix + 1 + suffix, n - 1 - suffix) != 0)
			return 0;
		n = host + n - 1 - suffix;
	} else if (n == 0 || strncmp(name, prefix, n) != 0) {
		return 0;
	}
	return strlen(name) == n || strchr("/:@", name[n]) ? n : 0;
}

static const char *prefix_of(const struct cJSON *registry)
{
	const char *prefix = json_str(registry, "prefix");

	return prefix && *prefix ? prefix : str0(json_str(registry, "location"));
}

static const struct cJSON *longest(const struct cJSON *const *docs, size_t n, const char *name, size_t *ret_doc)
{
	const struct cJSON *best = NULL;

	for (size_t i = 0; i < n; i++)
		for (const struct cJSON *c = json_first(json_get(docs[i], "registry")); c; c = json_next(c))
			/* the last of equals: a drop-in corrects the file before it */
			if (covers(prefix_of(c), name) && (!best || strlen(prefix_of(c)) >= strlen(prefix_of(best)))) {
				best = c;
				*ret_doc = i;
			}
	return best;
}

/* LOCATION instead of the first DONE bytes of NAME: its host, and its repository. */
static int rewrite(const char *location, const char *name, size_t done, char **ret_host, char **ret_repo, struct err *e)
{
	auto_free char *all = xasprintf("%s%s", location, name + done), *shown = str_visible(location, strnlen(location, 200));
	char *slash, *end;

	if (!*location || strstr(location, "://") || strpbrk(location, " ?#\r\n"))
		return err_set(e, EINVAL, "location '%s': host[:port][/path], without a scheme", shown);
	end = strchr(all, '@');
	if (end)
		*end = '\0';
	slash = strrchr(all, '/');
	if (!slash)
		return err_set(e, EINVAL, "location '%s' leaves no repository for '%s'", shown, name);
	if (strchr(slash, ':'))
		*strchr(slash, ':') = '\0';
	slash = strchr(all, '/');
	*ret_repo = xstrdup(slash + 1);
	*ret_host = xstrndup(all, (size_t)(slash - all));
	return 0;
}

static int add_mirror(const struct cJSON *c, bool digests_only, const char *name, size_t done, struct registry_hosts *hosts, struct err *e)
{
	const char *when = json_str(c, "pull-from-mirror");
	char *host = NULL, *repo = NULL;
	struct registry_host *h;

	if (when && !streq(when, "all") && !streq(when, "digest-only") && !streq(when, "tag-only"))
		return err_set(e, EINVAL, "pull-from-mirror is all, digest-only or tag-only, not '%.40s'", when);
	TRY(rewrite(str0(json_str(c, "location")), name, done, &host, &repo, e));
	h = registry_mirror_add(hosts, xasprintf("https://%s", host), host, e);
	if (!h) {
		free(repo);
		return -e->code;
	}
	h->repo = repo;
	h->insecure = json_bool(c, "insecure", false) || registry_is_loopback(host);
	h->no_tags = digests_only || (when && streq(when, "digest-only"));
	h->no_digests = when && streq(when, "tag-only");
	return 0;
}

static int relocate(const char *location, const char *name, size_t done, struct registry_host *own, struct err *e)
{
	char *host = NULL, *repo = NULL;

	TRY(rewrite(location, name, done, &host, &repo, e));
	if (!streq(host, own->name)) {
		free(own->url);
		free(own->name);
		own->url = xasprintf("https://%s", streq(host, "docker.io") ? "registry-1.docker.io" : host);
		own->name = host;
		own->insecure = registry_is_loopback(host);
	} else {
		free(host);
	}
	free(own->repo);
	own->repo = repo;
	return 0;
}

int registry_hosts_containers(const struct cJSON *const *docs, const char *const *names, size_t n, const struct ref *ref, bool push,
	struct registry_hosts *hosts, struct err *e)
{
	auto_free char *name = xasprintf("%s/%s%s%s", ref->host, str0(ref->path), ref->digest ? "@" : ref->tag ? ":" : "",
		ref->digest ? ref->digest : str0(ref->tag));
	struct registry_host *own = &hosts->v[hosts->n - 1];
	size_t doc = 0, done;
	const struct cJSON *r = longest(docs, n, name, &doc);
	const char *location = json_str(r, "location");
	bool insecure;

	if (!r)
		return 1;
	done = covers(prefix_of(r), name);
	if (json_bool(r, "blocked", false)) {
		auto_free char *shown = str_visible(prefix_of(r), strnlen(prefix_of(r), 200));

		return err_set(e, EACCES, "'%s' is blocked by '%s'", shown, names[doc]);
	}
	insecure = json_bool(r, "insecure", false) && !streq(own->name, "docker.io");
	if (!push && location && *location && *str0(ref->path) && relocate(location, name, done, own, e) < 0)
		return err_wrap(e, "%s", names[doc]);
	hosts->v[hosts->n - 1].insecure |= insecure;
	for (const struct cJSON *c = push || !*str0(ref->path) ? NULL : json_first(json_get(r, "mirror")); c; c = json_next(c))
		if (add_mirror(c, json_bool(r, "mirror-by-digest-only", false), name, done, hosts, e) < 0)
			return err_wrap(e, "%s: mirror", names[doc]);
	for (size_t i = 0; i < hosts->n; i++)
		if (!hosts->v[i].from)
			hosts->v[i].from = xstrdup(names[doc]);
	return 0;
}

/* ---- the files ------------------------------------------------------------------------------------------------------------------------------------------- */

static int read_one(const char *path, struct strv *names, struct cJSON **docs, size_t *n, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	AUTO_ERR(failure);
	int r = file_read(path, REGISTRY_DOC_MAX, &text, &len, &failure);

	if (r == -ENOENT || r == -ENOTDIR || r == -EACCES || *n >= FILES_MAX)
		return 0;
	if (r < 0)
		return err_move(e, &failure);
	TRY(toml_parse(text, len, path, &docs[*n], e));
	strv_add(names, path);
	(*n)++;
	return 0;
}

static int read_drop_ins(const char *dir, struct strv *names, struct cJSON **docs, size_t *n, struct err *e)
{
	DIR *d = opendir(dir);
	AUTO_STRV(found);
	struct dirent *ent;

	if (!d)
		return 0;
	while ((ent = readdir(d)))
		if (str_ends(ent->d_name, ".conf"))
			strv_addf(&found, "%s/%s", dir, ent->d_name);
	closedir(d);
	strv_sort(&found);
	for (size_t i = 0; i < found.n; i++)
		TRY(read_one(found.v[i], names, docs, n, e));
	return 0;
}

/* The user's file instead of the system's; drop-ins of both. */
static int read_all(struct strv *names, struct cJSON **docs, size_t *n, struct err *e)
{
	const char *only = getenv("CONTAINERS_REGISTRIES_CONF"), *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	auto_free char *user = config && *config ? xasprintf("%s/containers", config) : xasprintf("%s/.config/containers", str0(home));
	auto_free char *own = xasprintf("%s/registries.conf", user), *own_dir = xasprintf("%s/registries.conf.d", user);

	if (only && *only)
		return read_one(only, names, docs, n, e);
	TRY(read_one(own, names, docs, n, e));
	if (!*n)
		TRY(read_one("/etc/containers/registries.conf", names, docs, n, e));
	TRY(read_drop_ins("/etc/containers/registries.conf.d", names, docs, n, e));
	return read_drop_ins(own_dir, names, docs, n, e);
}

int registry_hosts_containers_read(const struct ref *ref, bool push, struct registry_hosts *h, struct err *e)
{
	AUTO_STRV(names);
	struct cJSON **docs = xcalloc(FILES_MAX, sizeof(*docs));
	size_t n = 0;
	int r = read_all(&names, docs, &n, e);

	if (r >= 0)
		r = registry_hosts_containers((const struct cJSON *const *)docs, (const char *const *)names.v, n, ref, push, h, e);
	for (size_t i = 0; i < n; i++)
		json_free(docs[i]);
	free(docs);
	return r;
}
