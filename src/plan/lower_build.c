/* SPDX-License-Identifier: MIT */
#include "plan/lower_build.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "compose/project.h"
#include "engine/build/build.h"
#include "engine/build/context.h"
#include <errno.h>
#include <stdlib.h>

/* ---- secrets, agents ---- */

static int add_file(struct build_options *o, const char *id, const char *path, struct err *e)
{
	auto_free char *text = NULL;
	size_t n;

	if (file_read(path, SECRET_MAX, &text, &n, e) < 0)
		return err_wrap(e, "secret '%s'", id);
	build_options_secret(o, id, text, n);
	explicit_bzero(text, n);
	return 0;
}

int lower_secret(const char *text, const struct strv *environ, struct build_options *o, struct err *e)
{
	const char *id = NULL, *src = NULL, *env = NULL, *type = NULL, *value;
	AUTO_STRV(parts);

	strv_split(&parts, text, ",");
	for (size_t i = 0; i < parts.n; i++) {
		const char *eq = strchr(parts.v[i], '=');
		auto_free char *key = eq ? xstrndup(parts.v[i], (size_t)(eq - parts.v[i])) : NULL;

		if (!eq)
			return err_set(e, EINVAL, "invalid secret '%s': '%s' is not KEY=VALUE", text, parts.v[i]);
		if (streq(key, "id"))
			id = eq + 1;
		else if (streq(key, "src") || streq(key, "source"))
			src = eq + 1;
		else if (streq(key, "env"))
			env = eq + 1;
		else if (streq(key, "type"))
			type = eq + 1;
		else
			return err_set(e, EINVAL, "invalid secret '%s': unexpected key '%s'", text, key);
	}
	if (!id)
		return err_set(e, EINVAL, "invalid secret '%s': it has no id", text);
	if (type && streq(type, "env") && !env)
		env = src ? src : id;
	if (!src && !env && strv_env_get(environ, id))
		env = id;
	if (!env)
		return add_file(o, id, src ? src : id, e);
	value = strv_env_get(environ, env);
	if (!value)
		return err_set(e, ENOENT, "secret '%s': the variable %s is not set", id, env);
	build_options_secret(o, id, value, strlen(value));
	return 0;
}

int lower_ssh(const char *text, const struct strv *environ, struct build_options *o, struct err *e)
{
	const char *eq = strchr(text, '='), *sock = eq ? eq + 1 : strv_env_get(environ, "SSH_AUTH_SOCK");
	auto_free char *id = xstrndup(text, eq ? (size_t)(eq - text) : strlen(text));

	if (!sock || !*sock) {
		err_set(e, EINVAL, "ssh '%s': SSH_AUTH_SOCK is not set", id);
		err_hint(e, "start an ssh-agent, or name its socket: %s=SOCKET", id);
		return -EINVAL;
	}
	strv_env_set(&o->ssh, id, sock);
	return 0;
}

static int secrets_of(const struct project *p, const struct service *s, struct build_options *o, struct err *e)
{
	for (size_t i = 0; i < s->build->secrets.n; i++) {
		const struct file_ref *r = &s->build->secrets.v[i];
		const struct file_object *f = project_secret(p, r->source);
		const char *id = r->target && *r->target ? path_base(r->target) : r->source;

		if (!f || f->external || (!f->file && !f->environment && !f->value))
			return err_set(e, EINVAL, "build.secrets only supports environment or file-based secrets: \"%s\"", r->source);
		if (f->file)
			TRY(add_file(o, id, f->file, e));
		else /* a variable that is not set: an empty secret, which a build may do without (BuildKit's secrets provider) */
			build_options_secret(o, id, str0(f->value), strlen(str0(f->value)));
	}
	return 0;
}

/* ---- the rest ---- */

static void copy_strs(struct strv *to, const struct strs *from)
{
	for (size_t i = 0; i < from->n; i++)
		strv_add(to, from->v[i]);
}

static void copy_kvs(struct strv *to, const struct kvs *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (from->v[i].value)
			strv_addf(to, "%s=%s", from->v[i].key, from->v[i].value);
}

static bool is_remote(const char *s)
{
	return context_is_remote(s) || strstr(s, "://");
}

static int context_of(const struct build *b, struct build_options *o, struct err *e)
{
	if (is_remote(b->context) && !context_is_remote(b->context)) {
		err_set(e, ENOTSUP, "build context '%s' cannot be read", b->context);
		err_hint(e, "there are folders, http(s)://… and git repositories");
		return -ENOTSUP;
	}
	if (!is_remote(b->context) && !file_exists(b->context)) {
		err_set(e, ENOENT, "build context '%s': no such folder", b->context);
		err_hint(e, "create it, or correct 'build.context'");
		return -ENOENT;
	}
	o->context = b->context;
	return 0;
}

static const char *network_of(const struct build *b, struct err *e)
{
	const char *n = b->network && *b->network ? b->network : "default";

	if (streq(n, "none") || streq(n, "host") || streq(n, "default") || streq(n, "bridge"))
		return streq(n, "bridge") ? "default" : n;
	err_set(e, ENOTSUP, "build.network '%s': a build's steps use default, none or host", n);
	return NULL;
}

static int contexts_of(const struct project *p, const struct build *b, struct build_options *o, struct err *e)
{
	for (size_t i = 0; i < b->additional_contexts.n; i++) {
		const struct kv *kv = &b->additional_contexts.v[i];
		const char *name = kv->value ? str_after(kv->value, "service:") : NULL;
		const struct service *other = name ? project_service(p, name) : NULL;

		if (name && !other)
			return err_set(e, ENOENT, "build.additional_contexts.%s: no such service: %s", kv->key, name);
		if (other)
			strv_addf(&o->contexts, "%s=docker-image://%s", kv->key, service_image(other));
		else
			strv_addf(&o->contexts, "%s=%s", kv->key, str0(kv->value));
	}
	return 0;
}

static void notes_of(const struct service *s, struct strv *warnings)
{
	const struct build *b = s->build;

	if (b->cache_from.n || b->cache_to.n)
		strv_addf(warnings, "service '%s': build.cache_from and cache_to have no effect, the cache is this host's own", s->name);
	if (b->provenance && !streq(b->provenance, "false"))
		strv_addf(warnings, "service '%s': build.provenance has no effect", s->name);
	if (b->sbom && !streq(b->sbom, "false"))
		strv_addf(warnings, "service '%s': build.sbom has no effect", s->name);
}

static int platform_of(const struct service *s, struct build_options *o, struct err *e)
{
	const struct build *b = s->build;

	if (b->platforms.n > 1)
		return err_set(e, ENOTSUP, "build.platforms: one platform can be built at a time, and %zu are named", b->platforms.n);
	o->platform = b->platforms.n ? b->platforms.v[0] : s->platform && *s->platform ? s->platform : NULL;
	return 0;
}

static int lower_one(const struct project *p, const struct service *s, const struct strv *environ, struct build_options *o, struct strv *warnings,
	struct err *e)
{
	const struct build *b = s->build;
	const char *epoch = strv_env_get(environ, "SOURCE_DATE_EPOCH");

	TRY(context_of(b, o, e));
	o->dockerfile_text = b->dockerfile_inline && *b->dockerfile_inline ? b->dockerfile_inline : NULL;
	o->target = b->target;
	o->network = network_of(b, e);
	if (!o->network)
		return -e->code;
	TRY(platform_of(s, o, e));
	copy_kvs(&o->args, &b->args);
	if (epoch && !strv_env_get(&o->args, "SOURCE_DATE_EPOCH"))
		strv_env_set(&o->args, "SOURCE_DATE_EPOCH", epoch);
	strv_addf(&o->labels, "com.docker.compose.project=%s", p->name);
	strv_addf(&o->labels, "com.docker.compose.service=%s", s->name);
	copy_kvs(&o->labels, &b->labels);
	strv_add(&o->tags, service_image(s));
	copy_strs(&o->tags, &b->tags);
	copy_strs(&o->extra_hosts, &b->extra_hosts);
	copy_strs(&o->no_cache_filter, &b->no_cache_filter);
	TRY(contexts_of(p, b, o, e));
	for (size_t i = 0; i < b->ssh.n; i++) {
		auto_free char *text = b->ssh.v[i].value && *b->ssh.v[i].value ? xasprintf("%s=%s", b->ssh.v[i].key, b->ssh.v[i].value) :
										   xstrdup(b->ssh.v[i].key);

		TRY(lower_ssh(text, environ, o, e));
	}
	o->ulimits = xcalloc(b->ulimits.n + 1, sizeof *o->ulimits);
	for (size_t i = 0; i < b->ulimits.n; i++)
		o->ulimits[o->nulimits++] =
			(struct build_ulimit){ xstrdup(b->ulimits.v[i].name), b->ulimits.v[i].soft, b->ulimits.v[i].hard };
	o->shm_size = b->shm_size;
	o->no_cache = b->no_cache;
	o->pull = b->pull;
	o->allow_insecure = b->privileged || strs_has(&b->entitlements, "security.insecure");
	o->allow_host = streq(o->network, "host") || strs_has(&b->entitlements, "network.host");
	notes_of(s, warnings);
	return secrets_of(p, s, o, e);
}

int lower_build(const struct project *p, const struct service *s, const struct strv *environ, struct build_options *o, struct strv *warnings,
	struct err *e)
{
	return lower_one(p, s, environ, o, warnings, e) < 0 ? err_wrap(e, "service '%s'", s->name) : 0;
}

void lower_build_needs(const struct service *s, struct strv *ret)
{
	for (size_t i = 0; s->build && i < s->build->additional_contexts.n; i++) {
		const char *value = s->build->additional_contexts.v[i].value, *name = value ? str_after(value, "service:") : NULL;

		if (name)
			strv_add(ret, name);
	}
}
