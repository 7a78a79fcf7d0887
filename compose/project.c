/* SPDX-License-Identifier: MIT
 *
 * compose/project.c - looking things up in a project, notes, the hash of a service and what changed in it
 */
#include "compose/project.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strv.h"
#include "compose/emit.h"
#include "compose/field.h"
#include "compose/ftypes.h"
#include <errno.h>
#include <stdlib.h>

enum { JSON_MAX = 64 << 20, FILE_MAX_HASHED = 64 << 20 };
#define HASH_VERSION "gantry 1\n"

/* ---- by name: every list is sorted by it ---- */

static void *find(const void *v, size_t n, size_t size, size_t name_at, const char *name)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const char *obj = (const char *)v + mid * size;
		int r = strcmp(name, *(const char *const *)member_at(obj, name_at));

		if (r == 0)
			return (void *)(uintptr_t)obj;
		if (r < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}
#define FIND(list, type, member, name) find((list).v, (list).n, sizeof(type), offsetof(type, member), name)

struct service *project_service(const struct project *p, const char *name)
{
	return FIND(p->services, struct service, name, name);
}

struct network *project_network(const struct project *p, const char *key)
{
	return FIND(p->networks, struct network, key, key);
}

struct volume *project_volume(const struct project *p, const char *key)
{
	return FIND(p->volumes, struct volume, key, key);
}

struct file_object *project_secret(const struct project *p, const char *key)
{
	return FIND(p->secrets, struct file_object, key, key);
}

struct file_object *project_config(const struct project *p, const char *key)
{
	return FIND(p->configs, struct file_object, key, key);
}

struct model *project_model(const struct project *p, const char *key)
{
	return FIND(p->models, struct model, key, key);
}

/* ---- values ---- */

int service_replicas(const struct service *s)
{
	int64_t n = s->scale.set ? s->scale.v : s->deploy ? opt_or(s->deploy->replicas, 1) : 1;

	return n < 0 ? 0 : n > INT32_MAX ? INT32_MAX : (int)n;
}

const char *service_image(const struct service *s)
{
	if (s->image && *s->image)
		return s->image;
	return arena_printf(s->project->arena, "%s-%s", s->project->name, s->name);
}

const char *kvs_get(const struct kvs *l, const char *key)
{
	const struct kv *kv = FIND(*l, struct kv, key, key);

	return kv ? kv->value : NULL;
}

bool strs_has(const struct strs *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (streq(l->v[i], s))
			return true;
	return false;
}

/* ---- notes ---- */

void project_note(struct project *p, enum note_kind kind, struct pos pos, const char *service, const char *key, const char *text)
{
	struct notes *l = &p->notes;

	/* what repeats (anchors, extends) repeats soon: bounded, so that many notes stay linear */
	for (size_t i = l->n > 512 ? l->n - 512 : 0; i < l->n; i++)
		if (pos_equal(l->v[i].pos, pos) && streq(l->v[i].text, text))
			return;
	if (l->n == l->cap)
		arena_grow(p->arena, &l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n++] = (struct note){ kind, pos, service, key, text };
}

/* Rows of MAP that are not fully supported, MAP being at C->at. */
static void notes_of(struct project *p, struct fctx *c, const struct field *table, const struct node *map, const char *service)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct node *n = map->items[i];
		const struct field *f = field_find(table, map->keys[i]->text), *below;

		if (!f || n->kind == NODE_NULL || (n->kind == NODE_SCALAR && streq(n->text, "false")))
			continue; /* what is switched off needs no note */
		AT_KEY(c, map->keys[i]->text);
		below = field_below(f);
		if (f->support != SUPPORT_FULL)
			project_note(p, f->support == SUPPORT_REFUSED ? NOTE_REFUSED : NOTE_UNSUPPORTED, map->keys[i]->pos, service,
				     field_path(c),
				     arena_printf(p->arena, "'%s' %s: %s", f->key,
						  f->support == SUPPORT_PARTIAL ? "does not work in full" :
						  f->support == SUPPORT_REFUSED ? "does not work yet" : "has no effect", f->reason));
		else if (below && f->type->shape == SHAPE_OBJECT && node_is_map(n))
			notes_of(p, c, below, n, service);
		for (size_t j = 0; f->support == SUPPORT_FULL && below && f->type->shape != SHAPE_OBJECT && j < n->n; j++) {
			struct fpath at = { c->at, n->kind == NODE_MAP ? n->keys[j]->text : NULL, j };

			c->at = &at;
			if (node_is_map(n->items[j]))
				notes_of(p, c, below, n->items[j], service);
			c->at = at.up;
		}
		AT_END(c);
	}
}

static void notes_at(struct project *p, const char *section, const struct field *table, const char *key, const struct node *n)
{
	struct fctx c = { .arena = p->arena };
	struct fpath top = { NULL, section, 0 }, at = { &top, key, 0 };

	c.at = &at;
	if (node_is_map(n))
		notes_of(p, &c, table, n, table == service_fields ? key : NULL);
}

void fields_notes(struct project *p)
{
#define NOTES(list, section, table, name, when)                                                    \
	for (size_t i = 0; i < p->list.n; i++)                                                     \
		if (when)                                                                          \
			notes_at(p, section, table, p->list.v[i].name, p->list.v[i].node)
	NOTES(services, "services", service_fields, name, !p->services.v[i].disabled);
	NOTES(networks, "networks", network_fields, key, p->networks.v[i].used);
	NOTES(volumes, "volumes", volume_fields, key, p->volumes.v[i].used);
	NOTES(secrets, "secrets", secret_fields, key, p->secrets.v[i].used);
	NOTES(configs, "configs", config_fields, key, p->configs.v[i].used);
	NOTES(models, "models", model_fields, key, p->models.v[i].used);
#undef NOTES
}

/* ---- hash and difference ---- */

static void start_json(struct emitter *x, struct arena *a, struct str *out, unsigned only)
{
	emit_init(x, a, out, EMIT_JSON);
	x->compact = true;
	x->only = only;
	emit_map(x);
}

/* The digest of what a secret or config brings into the container. */
static void content_digest(const struct file_object *o, char hex[DIGEST_HEX + 1])
{
	AUTO_ERR(scratch);
	auto_free char *text = NULL;
	size_t len = 0;

	if (o->value)
		digest_hex(o->value, strlen(o->value), hex);
	else if (o->file && file_read(o->file, FILE_MAX_HASHED, &text, &len, &scratch) >= 0)
		digest_hex(text, len, hex);
	else
		hex[0] = '\0';
}

static void contents_json(struct emitter *x, const char *key, const struct file_ref *v, size_t n, const struct project *p,
			  struct file_object *(*by_key)(const struct project *, const char *))
{
	char hex[DIGEST_HEX + 1];

	if (!n)
		return;
	emit_key(x, key);
	emit_list(x);
	for (size_t i = 0; i < n; i++) {
		const struct file_object *o = v[i].source ? by_key(p, v[i].source) : NULL;

		hex[0] = '\0';
		if (o)
			content_digest(o, hex);
		emit_str(x, hex);
	}
	emit_end(x);
}

#define CONTENT "-content"

char *service_json(const struct project *p, const struct service *s)
{
	struct str b = STR_INIT(JSON_MAX);
	AUTO(arena_free) struct arena *a = arena_new();
	struct emitter x;

	start_json(&x, a, &b, F_HASH);
	fields_emit(service_fields, s, &x);
	contents_json(&x, "secrets" CONTENT, s->secrets.v, s->secrets.n, p, project_secret);
	contents_json(&x, "configs" CONTENT, s->configs.v, s->configs.n, p, project_config);
	emit_end(&x);
	return str_take(&b);
}

static void hash_text(const char *json, char out[PROJECT_HASH_MAX])
{
	AUTO_STR(b, JSON_MAX + 64);

	str_add(&b, HASH_VERSION);
	str_add(&b, json);
	digest_hex(b.s, b.len, out);
}

int project_hash_service(const struct project *p, const struct service *s, char out[PROJECT_HASH_MAX], struct err *e)
{
	auto_free char *json = service_json(p, s);

	if (strlen(json) >= JSON_MAX)
		return err_set(e, E2BIG, "service '%s': configuration is too large", s->name);
	hash_text(json, out);
	return 0;
}

static int hash_resource(const struct field *table, const void *obj, char out[PROJECT_HASH_MAX])
{
	AUTO_STR(b, JSON_MAX);
	AUTO(arena_free) struct arena *a = arena_new();
	struct emitter x;

	start_json(&x, a, &b, F_RESOURCE_HASH);
	fields_emit(table, obj, &x);
	emit_end(&x);
	hash_text(b.s, out);
	return 0;
}

int project_hash_network(const struct project *p, const struct network *n, char out[PROJECT_HASH_MAX], struct err *e)
{
	(void)p, (void)e;
	return hash_resource(network_fields, n, out);
}

/* No driver and `local` are the same. */
int project_hash_volume(const struct project *p, const struct volume *v, char out[PROJECT_HASH_MAX], struct err *e)
{
	struct volume copy = *v;

	(void)p, (void)e;
	if (!copy.driver || !*copy.driver)
		copy.driver = "local";
	return hash_resource(volume_fields, &copy, out);
}

static void add_name(struct strv *names, const char *key)
{
	const char *end = strstr(key, CONTENT);
	auto_free char *name = end ? xstrndup(key, (size_t)(end - key)) : xstrdup(key);

	strv_add_unique(names, name);
}

char *service_diff(const struct project *p, const struct service *s, const char *saved)
{
	AUTO_ERR(scratch);
	AUTO(json_free) struct cJSON *was = NULL;
	AUTO(json_free) struct cJSON *is = NULL;
	AUTO_STRV(names);
	auto_free char *now = service_json(p, s);

	if (json_parse(saved, strlen(saved), "saved configuration", &was, &scratch) < 0 ||
	    json_parse(now, strlen(now), "configuration", &is, &scratch) < 0)
		return xstrdup("configuration");
	for (struct cJSON *v = json_first(is); v; v = json_next(v)) {
		const struct cJSON *old = json_get(was, json_key(v));
		auto_free char *new_text = json_text(v, false), *old_text = old ? json_text(old, false) : NULL;

		if (!old_text || !streq(new_text, old_text))
			add_name(&names, json_key(v));
	}
	for (struct cJSON *v = json_first(was); v; v = json_next(v))
		if (!json_get(is, json_key(v)))
			add_name(&names, json_key(v));
	return strv_join(&names, ", ");
}
