/* SPDX-License-Identifier: MIT */
#include "engine/image/cred.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/time.h"

enum { CONFIG_MAX = 1 << 20, HELPER_TEXT_MAX = 256 << 10, HELPER_SECONDS = 10, SECRET_MAX = 64 << 10 };
static const char hub_key[] = "https://index.docker.io/v1/";

void credential_done(struct credential *c)
{
	if (c->secret)
		explicit_bzero(c->secret, strlen(c->secret));
	free(c->user);
	free(c->secret);
	free(c->identity);
	free(c->registry_token);
	free(c->source);
	*c = (struct credential){ 0 };
}

const char *credential_key(const char *host)
{
	return streq(host, "docker.io") || streq(host, "index.docker.io") ? hub_key : host;
}

/* ---- base64, RFC 4648 ------------------------------------------------------------------------------------------------------------------------------ */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *base64(const char *s, size_t n)
{
	char *out = xmalloc((n + 2) / 3 * 4 + 1), *p = out;

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)(unsigned char)s[i] << 16 | (i + 1 < n ? (unsigned)(unsigned char)s[i + 1] << 8 : 0) |
			(i + 2 < n ? (unsigned char)s[i + 2] : 0);

		*p++ = digits[v >> 18];
		*p++ = digits[v >> 12 & 63];
		*p++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*p++ = i + 2 < n ? digits[v & 63] : '=';
	}
	*p = '\0';
	return out;
}

/* NULL: it is none. */
static char *unbase64(const char *s, size_t *ret_n)
{
	size_t n = strlen(s), len = 0;
	auto_free char *out = xmalloc(n / 4 * 3 + 4);
	unsigned v = 0, bits = 0;

	while (n && s[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++) {
		const char *at = strchr(digits, s[i]);

		if (!at || !*at)
			return NULL;
		v = v << 6 | (unsigned)(at - digits);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[len++] = (char)(v >> bits);
		}
	}
	out[len] = '\0';
	*ret_n = len;
	return TAKE(out);
}

char *credential_basic(const char *user, const char *secret)
{
	auto_free char *both = xasprintf("%s:%s", user, secret), *text = base64(both, strlen(both));

	return xasprintf("Basic %s", text);
}

/* ---- one document ---------------------------------------------------------------------------------------------------------------------------------- */

/* "https://host/v1/" -> "host" */
static bool key_names_host(const char *key, const char *host)
{
	const char *p = strstr(key, "://");
	size_t n;

	p = p ? p + 3 : key;
	n = strcspn(p, "/");
	return strlen(host) == n && strncmp(p, host, n) == 0 && (streq(p + n, "") || streq(p + n, "/") || streq(p + n, "/v1/") || streq(p + n, "/v2/") ||
		streq(p + n, "/v1") || streq(p + n, "/v2"));
}

static const struct cJSON *auth_entry(const struct cJSON *auths, const char *host, const char *repository)
{
	const char *key = credential_key(host);
	const struct cJSON *c;
	auto_free char *full = repository ? xasprintf("%s/%s", host, repository) : NULL;

	/* podman: the longest of host/a/b, host/a, host */
	for (char *slash; full; ) {
		c = json_get(auths, full);
		if (c)
			return c;
		slash = strrchr(full, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	c = json_get(auths, key);
	if (c)
		return c;
	for (c = json_first(auths); c; c = json_next(c))
		if (key_names_host(str0(json_key(c)), streq(key, hub_key) ? "index.docker.io" : host))
			return c;
	return NULL;
}

static int split_auth(const char *auth, struct credential *ret, struct err *e)
{
	size_t n = 0;
	auto_free char *both = strlen(auth) < SECRET_MAX ? unbase64(auth, &n) : NULL;
	char *colon = both ? strchr(both, ':') : NULL;

	if (!colon || colon == both)
		return err_set(e, EINVAL, "\"auth\" is not the base64 of USER:SECRET");
	*colon = '\0';
	ret->user = xstrdup(both);
	ret->secret = xstrdup(colon + 1); /* trailing NULs end here */
	explicit_bzero(both, n);
	return 0;
}

static int entry_decode(const struct cJSON *c, struct credential *ret, struct err *e)
{
	const char *auth = json_str(c, "auth");

	if (auth && *auth)
		TRY(split_auth(auth, ret, e));
	if (!ret->user) {
		ret->user = xstrdup0(json_str(c, "username"));
		ret->secret = xstrdup0(json_str(c, "password"));
	}
	ret->identity = xstrdup0(json_str(c, "identitytoken"));
	ret->registry_token = xstrdup0(json_str(c, "registrytoken"));
	return ret->user || ret->identity || ret->registry_token ? 0 : 1;
}

int credential_in(const struct cJSON *config, const char *host, const char *repository, struct credential *ret, char **ret_helper, struct err *e)
{
	const struct cJSON *entry;
	const char *helper = json_str(json_get(config, "credHelpers"), credential_key(host));
	struct credential c = { 0 };
	int r;

	if (!helper && streq(host, "docker.io"))
		helper = json_str(json_get(config, "credHelpers"), host);
	if (!helper)
		helper = json_str(config, "credsStore");
	if (helper && *helper) {
		*ret_helper = xstrdup(helper);
		return 2;
	}
	entry = auth_entry(json_get(config, "auths"), host, repository);
	if (!entry)
		return 1;
	r = entry_decode(entry, &c, e);
	if (r) {
		credential_done(&c);
		return r < 0 ? err_wrap(e, "credentials of '%s'", host) : r;
	}
	*ret = c;
	return 0;
}

/* ---- helpers: docker-credential-NAME ----------------------------------------------------------------------------------------------------------------- */

static int helper_path(const char *name, char **ret, struct err *e)
{
	const char *path = getenv("PATH");
	AUTO_STRV(dirs);

	if (strchr(name, '/') || *name == '.' || strlen(name) > NAME_MAX / 2)
		return err_set(e, EINVAL, "'%s' is not a name of a credential helper", name);
	strv_split(&dirs, path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ":");
	for (size_t i = 0; i < dirs.n; i++) {
		auto_free char *p = xasprintf("%s/docker-credential-%s", dirs.v[i], name);

		if (path_is_abs(p) && access(p, X_OK) == 0) {
			*ret = TAKE(p);
			return 0;
		}
	}
	err_set(e, ENOENT, "the credential helper 'docker-credential-%s' is not in PATH", name);
	err_hint(e, "install it, or take it out of docker's config.json");
	return -ENOENT;
}

static int read_answer(int fd, pid_t pid, char **ret, size_t *ret_n, struct err *e)
{
	AUTO_STR(b, HELPER_TEXT_MAX);
	int64_t end = time_mono_ns() + HELPER_SECONDS * INT64_C(1000000000);

	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		int64_t left = end - time_mono_ns();
		char part[4096];
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)(left / 1000000) + 1) == 0) {
			kill(pid, SIGKILL);
			return err_set(e, ETIMEDOUT, "no answer within %d s", HELPER_SECONDS);
		}
		n = read(fd, part, sizeof(part));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		str_addn(&b, part, (size_t)n);
	}
	*ret_n = b.len;
	*ret = str_take(&b);
	return 0;
}

/* Runs it; its answer, and how it ended. */
static int helper_run(const char *name, const char *action, const char *input, char **ret, int *ret_status, struct err *e)
{
	auto_free char *path = NULL;
	int in[2], out[2], r, pidfd = -1;
	pid_t pid = 0;
	size_t n = 0;

	TRY(helper_path(name, &path, e));
	TRY(fd_pipe(in, e));
	if (fd_pipe(out, e) < 0) {
		close(in[0]);
		close(in[1]);
		return -e->code;
	}
	char *const argv[] = { path, (char *)action, NULL };
	const int stdio[] = { in[0], out[1], -1 };
	const struct proc_spawn spawn = { .path = path, .argv = argv, .stdio = stdio };
	AUTO_ERR(broken);

	r = proc_spawn(&spawn, &pid, &pidfd, e);
	close(in[0]);
	close(out[1]);
	if (pidfd >= 0)
		close(pidfd);
	if (r >= 0) {
		(void)fd_write_all(in[1], input, strlen(input), &broken); /* one that does not read it answers all the same */
		close(TAKE_FD(in[1]));
		r = read_answer(out[0], pid, ret, &n, e);
		if (r < 0) {
			AUTO_ERR(ignored);

			(void)proc_wait(pid, ret_status, &ignored);
		} else {
			r = proc_wait(pid, ret_status, e);
		}
	}
	if (in[1] >= 0)
		close(in[1]);
	close(out[0]);
	return r < 0 ? err_wrap(e, "docker-credential-%s", name) : r;
}

static int helper_failed(const char *name, const char *text, struct err *e)
{
	size_t n = strcspn(text, "\r\n");
	auto_free char *shown = str_visible(text, MIN(n, 300u));

	return err_set(e, EACCES, "docker-credential-%s: %s", name, *shown ? shown : "it failed without a word");
}

static int helper_get(const char *name, const char *host, struct credential *ret, struct err *e)
{
	auto_free char *text = NULL;
	AUTO(json_free) struct cJSON *j = NULL;
	const char *user, *secret;
	int status = 0;

	TRY(helper_run(name, "get", credential_key(host), &text, &status, e));
	if (status != 0)
		return strstr(text, "credentials not found") ? 1 : helper_failed(name, text, e);
	if (json_parse(text, strlen(text), "answer", &j, e) < 0)
		return err_wrap(e, "docker-credential-%s", name);
	user = str0(json_str(j, "Username"));
	secret = str0(json_str(j, "Secret"));
	if (!*secret)
		return 1;
	if (streq(user, "<token>"))
		ret->identity = xstrdup(secret);
	else {
		ret->user = xstrdup(user);
		ret->secret = xstrdup(secret);
	}
	ret->source = xasprintf("docker-credential-%s", name);
	explicit_bzero(text, strlen(text));
	return 0;
}

/* ---- files ----------------------------------------------------------------------------------------------------------------------------------------- */

static const char *home(void)
{
	const char *h = getenv("HOME");

	return h && *h ? h : "/root";
}

static char *docker_config_path(void)
{
	const char *dir = getenv("DOCKER_CONFIG");

	return dir && *dir ? xasprintf("%s/config.json", dir) : xasprintf("%s/.docker/config.json", home());
}

/* 1: there is none. */
static int config_read(const char *path, struct cJSON **ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t n = 0;
	AUTO_ERR(failure);
	int r = file_read(path, CONFIG_MAX, &text, &n, &failure);

	if (r == -ENOENT || r == -ENOTDIR)
		return 1;
	if (r < 0)
		return err_move(e, &failure);
	if (strspn(text, " \t\r\n") == n)
		return 1;
	TRY(json_parse(text, n, path, ret, e));
	explicit_bzero(text, n);
	return json_is_object(*ret) ? 0 : err_set(e, EINVAL, "'%s': not a JSON object", path);
}

static int from_document(const struct cJSON *config, const char *source, const char *host, const char *repository, struct credential *ret, struct err *e)
{
	auto_free char *helper = NULL;
	int r = credential_in(config, host, repository, ret, &helper, e);

	if (r == 2) {
		r = helper_get(helper, host, ret, e);
		if (r == 1 && json_get(config, "auths")) { /* a login of before the helper */
			const struct cJSON *entry = auth_entry(json_get(config, "auths"), host, repository);

			r = entry ? entry_decode(entry, ret, e) : 1;
		}
	}
	if (r == 0 && !ret->source)
		ret->source = xstrdup(source);
	return r;
}

static int from_environment(const char *host, struct credential *ret, struct err *e)
{
	const char *text = getenv("DOCKER_AUTH_CONFIG");
	AUTO(json_free) struct cJSON *j = NULL;

	if (!text || !*text)
		return 1;
	if (json_parse(text, strlen(text), "document", &j, e) < 0)
		return err_wrap(e, "DOCKER_AUTH_CONFIG");
	json_remove(j, "credHelpers");
	json_remove(j, "credsStore");
	if (from_document(j, "DOCKER_AUTH_CONFIG", host, NULL, ret, e) < 0)
		return err_wrap(e, "DOCKER_AUTH_CONFIG");
	return ret->source ? 0 : 1;
}

int credential_of_helper(const char *host, struct credential *ret, struct err *e)
{
	auto_free char *path = docker_config_path(), *helper = NULL;
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_DONE(credential_done) struct credential other = { 0 };
	const char *environment = getenv("DOCKER_AUTH_CONFIG");
	int r;

	if (environment && *environment)
		return 2;
	r = config_read(path, &j, e);
	if (r)
		return r < 0 ? r : 2;
	TRY(r = credential_in(j, host, NULL, &other, &helper, e));
	return r == 2 ? helper_get(helper, host, ret, e) : 2;
}

static int from_file(const char *path, const char *host, const char *repository, struct credential *ret, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	int r = config_read(path, &j, e);

	if (r)
		return r;
	r = from_document(j, path, host, repository, ret, e);
	return r < 0 ? err_wrap(e, "%s", path) : r;
}

static void podman_paths(struct strv *l)
{
	const char *file = getenv("REGISTRY_AUTH_FILE"), *run = getenv("XDG_RUNTIME_DIR"), *config = getenv("XDG_CONFIG_HOME");

	if (file && *file)
		strv_add(l, file);
	if (run && *run)
		strv_addf(l, "%s/containers/auth.json", run);
	if (config && *config)
		strv_addf(l, "%s/containers/auth.json", config);
	else
		strv_addf(l, "%s/.config/containers/auth.json", home());
}

int credential_get(const char *host, const char *repository, struct credential *ret, struct err *e)
{
	auto_free char *docker = docker_config_path();
	AUTO_STRV(others);
	int r = from_environment(host, ret, e);

	if (r != 1)
		return r;
	r = from_file(docker, host, NULL, ret, e);
	podman_paths(&others);
	for (size_t i = 0; r == 1 && i < others.n; i++)
		r = from_file(others.v[i], host, repository, ret, e);
	return r;
}

/* ---- login, logout --------------------------------------------------------------------------------------------------------------------------------- */

/* A config.json that is a link stays one. */
static int config_write(const char *path, const struct cJSON *j, struct err *e)
{
	auto_free char *text = json_text(j, true), *real = realpath(path, NULL), *dir = path_parent(real ? real : path);
	int r = 0;

	if (!real)
		TRY(file_mkdir_p(dir, 0700, e));
	r = file_replace(real ? real : path, text, strlen(text), 0600, true, e);
	explicit_bzero(text, strlen(text));
	return r;
}

static int helper_put(const char *name, const char *host, const struct credential *c, struct err *e)
{
	AUTO(json_free) struct cJSON *j = json_object();
	auto_free char *text = NULL, *answer = NULL;
	int status = 0;

	json_add_str(j, "ServerURL", credential_key(host));
	json_add_str(j, "Username", c->identity ? "<token>" : str0(c->user));
	json_add_str(j, "Secret", c->identity ? c->identity : str0(c->secret));
	text = json_text(j, false);
	TRY(helper_run(name, "store", text, &answer, &status, e));
	explicit_bzero(text, strlen(text));
	return status ? helper_failed(name, answer, e) : 0;
}

static struct cJSON *auths_of(struct cJSON *config)
{
	struct cJSON *auths = json_get(config, "auths");

	return auths ? auths : json_add_object(config, "auths");
}

static const char *helper_of(const struct cJSON *config, const char *host)
{
	const char *helper = json_str(json_get(config, "credHelpers"), credential_key(host));

	return helper ? helper : json_str(config, "credsStore");
}

static void entry_encode(struct cJSON *entry, const struct credential *c)
{
	auto_free char *basic = credential_basic(str0(c->user), c->identity ? "" : str0(c->secret));

	json_add_str(entry, "auth", str_after(basic, "Basic "));
	json_add_str(entry, "identitytoken", c->identity);
}

int credential_put(const char *host, const struct credential *c, char **ret_where, struct err *e)
{
	auto_free char *path = docker_config_path();
	AUTO(json_free) struct cJSON *j = NULL;
	const char *helper;
	struct cJSON *auths, *entry;

	TRY(config_read(path, &j, e));
	if (!j)
		j = json_object();
	helper = helper_of(j, host);
	auths = auths_of(j);
	json_remove(auths, credential_key(host));
	entry = json_add_object(auths, credential_key(host));
	if (helper && *helper)
		TRY(helper_put(helper, host, c, e)); /* the empty entry says: ask the helper */
	else
		entry_encode(entry, c);
	*ret_where = helper && *helper ? xasprintf("docker-credential-%s", helper) : xstrdup(path);
	return config_write(path, j, e);
}

int credential_erase(const char *host, struct err *e)
{
	auto_free char *path = docker_config_path(), *answer = NULL;
	AUTO(json_free) struct cJSON *j = NULL;
	const struct cJSON *c;
	const char *helper;
	int status = 0, r = config_read(path, &j, e);
	bool there = false;

	if (r)
		return r;
	helper = helper_of(j, host);
	if (helper && *helper) {
		TRY(helper_run(helper, "erase", credential_key(host), &answer, &status, e));
		there = status == 0;
	}
	for (c = json_first(json_get(j, "auths")); c; ) {
		auto_free char *key = xstrdup(str0(json_key(c)));

		c = json_next(c);
		if (!streq(key, credential_key(host)) && !key_names_host(key, host))
			continue;
		json_remove(json_get(j, "auths"), key);
		there = true;
	}
	if (!there)
		return 1;
	return config_write(path, j, e);
}
