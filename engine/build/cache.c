/* SPDX-License-Identifier: MIT */
#include "engine/build/cache.h"

#include "base/strv.h"
#include "engine/build/step.h"
#include <string.h>

/* Another one where a step gives something else than before. */
enum { KEY_VERSION = 2 };

static void hash_list(struct hash *h, const struct strv *l)
{
	hash_num(h, l->n);
	for (size_t i = 0; i < l->n; i++)
		hash_text(h, l->v[i]);
}

static const char *last(const struct strv *layers)
{
	return layers->n ? layers->v[layers->n - 1] : "";
}

/* Not in it: secrets' values, keys, contents and ids of caches, limits. */
static void hash_mount(struct hash *h, const struct run_mount *m, const struct step_source *from)
{
	hash_num(h, m->kind);
	hash_text(h, m->target);
	hash_num(h, m->read_only);
	hash_num(h, m->kind == MOUNT_TMPFS ? (uint64_t)m->size : 0);
	hash_text(h, m->env);
	if (m->kind == MOUNT_SECRET || m->kind == MOUNT_SSH) {
		hash_text(h, m->id);
		hash_num(h, m->mode);
		hash_num(h, m->uid);
		hash_num(h, m->gid);
		hash_num(h, m->required);
	}
	if (m->kind == MOUNT_CACHE && m->has_from)
		hash_text(h, last(&from->layers));
}

static void hash_run(struct hash *h, const struct step_env *s)
{
	static const char *const proxies[] = { "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY",
					       "FTP_PROXY", "NO_PROXY", "ALL_PROXY", NULL };
	const struct step *t = s->t;

	hash_list(h, &t->argv);
	for (size_t i = 0; i < t->env.n; i++) {
		const char *kv = t->env.v[i];
		bool proxy = false;

		for (size_t k = 0; proxies[k]; k++)
			proxy |= strncmp(kv, proxies[k], strlen(proxies[k])) == 0 && kv[strlen(proxies[k])] == '=';
		if (!proxy || s->declared_proxies)
			hash_text(h, kv);
	}
	hash_text(h, t->cwd);
	hash_text(h, t->user);
	hash_text(h, strv_env_get(&s->o->args, "BUILDKIT_SANDBOX_HOSTNAME"));
	hash_text(h, s->network);
	hash_num(h, t->insecure);
	hash_text(h, t->script_name);
	hash_text(h, t->script);
	for (size_t i = 0; i < s->o->nulimits; i++) {
		hash_text(h, s->o->ulimits[i].name);
		hash_num(h, (uint64_t)s->o->ulimits[i].soft);
		hash_num(h, (uint64_t)s->o->ulimits[i].hard);
	}
	for (size_t i = 0; i < s->o->extra_hosts.n; i++)
		hash_add(h, s->o->extra_hosts.v[i], strcspn(s->o->extra_hosts.v[i], "=:") + 1);
	for (size_t i = 0; i < t->nmounts; i++)
		hash_mount(h, &t->mounts[i], &s->mounts[i]);
}

static void hash_copy(struct hash *h, const struct step_env *s)
{
	const struct step *t = s->t;

	hash_num(h, t->add);
	hash_num(h, (uint64_t)(t->unpack + 1));
	hash_num(h, t->link);
	hash_num(h, t->parents);
	hash_num(h, s->from.folder);
	hash_text(h, t->dest);
	hash_text(h, t->chown);
	hash_text(h, t->chmod);
	hash_text(h, t->checksum);
	hash_num(h, t->sources.n);
	hash_list(h, &t->urls);
	hash_list(h, &t->gits);
	hash_num(h, t->keep_git_dir);
	hash_list(h, &t->doc_names);
	hash_list(h, &t->doc_texts);
}

void step_key(const struct step_env *s, const char *content, char ret[HASH_TEXT])
{
	struct hash h;

	hash_init(&h);
	hash_num(&h, KEY_VERSION);
	hash_num(&h, s->t->kind);
	hash_text(&h, last(s->layers));
	hash_num(&h, (uint64_t)s->epoch);
	hash_text(&h, content);
	if (s->t->kind == STEP_RUN) {
		hash_run(&h, s);
	} else if (s->t->kind == STEP_COPY) {
		hash_copy(&h, s);
	} else {
		hash_text(&h, s->t->dest);
		hash_text(&h, s->t->user);
	}
	hash_end(&h, ret);
}

bool step_needs_content(const struct step_env *s)
{
	if (s->t->kind == STEP_COPY)
		return true;
	for (size_t i = 0; i < s->t->nmounts; i++)
		if (s->t->mounts[i].kind == MOUNT_BIND)
			return true;
	return false;
}
