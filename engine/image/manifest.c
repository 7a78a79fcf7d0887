/* SPDX-License-Identifier: MIT */
#include "engine/image/manifest.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"
#include "base/map.h"
#include "base/names.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/ref.h"

enum { TAGS_MAX = 1000, IMAGES_MAX = 1000, JSON_DEPTH = 64 };

static void descriptor_done(struct descriptor *d)
{
	free(d->digest);
	free(d->type);
	free(d->name);
	free(d->ref_name);
}

void manifest_done(struct manifest *m)
{
	descriptor_done(&m->config);
	for (size_t i = 0; i < m->n; i++)
		descriptor_done(&m->v[i]);
	free(m->v);
	*m = (struct manifest){ 0 };
}

void saved_images_done(struct saved_images *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].config);
		strv_done(&l->v[i].tags);
		strv_done(&l->v[i].layers);
	}
	free(l->v);
	*l = (struct saved_images){ 0 };
}

void config_info_done(struct config_info *c)
{
	strv_done(&c->diff_ids);
	*c = (struct config_info){ 0 };
}

/* Readers differ in which of two equal keys counts, so such a document means two things. */
static int check_unique(const struct cJSON *j, int depth, struct err *e)
{
	AUTO_MAP(seen, NULL);

	if (depth > JSON_DEPTH)
		return err_set(e, EINVAL, "nested deeper than %d levels", JSON_DEPTH);
	for (const struct cJSON *c = json_first(j); c; c = json_next(c)) {
		const char *key = json_key(c);

		if (key && !map_set(&seen, key, NULL)) {
			auto_free char *shown = str_visible(key, strnlen(key, 80));

			return err_set(e, EINVAL, "key '%s' is there twice", shown);
		}
		TRY(check_unique(c, depth + 1, e));
	}
	return 0;
}

static int document_parse(const char *text, size_t n, const char *what, struct cJSON **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;

	if (n > MANIFEST_MAX)
		return err_set(e, EFBIG, "%s: larger than %d MiB", what, MANIFEST_MAX >> 20);
	TRY(json_parse(text, n, what, &j, e));
	if (check_unique(j, 0, e) < 0)
		return err_wrap(e, "%s", what);
	*ret = TAKE(j);
	return 0;
}

static const char *const refused_types[][2] = {
	{ "+encrypted", "is encrypted, which gantry cannot read" },
	{ "application/vnd.erofs", "is an EROFS image, not a tar archive" },
	{ "application/vnd.in-toto", "is an attestation, not a layer" },
	{ "application/vnd.docker.plugin", "belongs to a docker plugin, not to an image" },
	{ "application/vnd.cncf.helm", "is a Helm chart, not an image" },
	{ "application/vnd.docker.compose", "is a compose project, not an image" },
};

static int check_type(const char *type, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(refused_types); i++)
		if (strstr(type, refused_types[i][0])) {
			auto_free char *shown = str_visible(type, strnlen(type, 100));

			return err_set(e, EINVAL, "media type '%s': it %s", shown, refused_types[i][1]);
		}
	return 0;
}

static void platform_from_json(const struct cJSON *p, struct platform *ret)
{
	platform_set(ret, json_str(p, "os"), json_str(p, "architecture"), json_str(p, "variant"));
}

static int descriptor_parse(const struct cJSON *j, struct descriptor *ret, struct err *e)
{
	const struct cJSON *annotations = json_get(j, "annotations");
	const char *digest = json_str(j, "digest"), *reference_type = json_str(annotations, "vnd.docker.reference.type");

	if (!json_is_object(j) || !digest)
		return err_set(e, EINVAL, "a descriptor without a digest");
	if (!digest_is_valid(digest)) {
		auto_free char *shown = str_visible(digest, strnlen(digest, 100));

		return err_set(e, EINVAL, "'%s': not a sha256 or sha512 digest", shown);
	}
	ret->digest = xstrdup(digest);
	ret->type = xstrdup(str0(json_str(j, "mediaType")));
	ret->size = json_int(j, "size", -1);
	if (ret->size < 0)
		return err_set(e, EINVAL, "%.20s…: a descriptor without a size", digest);
	ret->name = xstrdup0(json_str(annotations, "io.containerd.image.name"));
	ret->ref_name = xstrdup0(json_str(annotations, "org.opencontainers.image.ref.name"));
	platform_from_json(json_get(j, "platform"), &ret->platform);
	ret->attestation = streq(ret->platform.os, "unknown") || (reference_type && streq(reference_type, "attestation-manifest")) ||
		*str0(json_str(j, "artifactType"));
	return 0;
}

static int descriptors_parse(const struct cJSON *list, size_t max, const char *noun, struct manifest *m, struct err *e)
{
	if (json_count(list) > max)
		return err_set(e, E2BIG, "%zu %s, more than %zu", json_count(list), noun, max);
	for (const struct cJSON *c = json_first(list); c; c = json_next(c)) {
		xgrow(&m->v, m->n, &m->cap, sizeof(*m->v));
		m->v[m->n] = (struct descriptor){ 0 };
		TRY(descriptor_parse(c, &m->v[m->n++], e));
	}
	return 0;
}

static int manifest_read(const struct cJSON *j, struct manifest *m, struct err *e)
{
	const struct cJSON *layers = json_get(j, "layers"), *children = json_get(j, "manifests"), *config = json_get(j, "config");
	const char *type = str0(json_str(j, "mediaType"));
	bool says_index = str_ends(type, "index.v1+json") || str_ends(type, "list.v2+json");
	int r;

	if (json_int(j, "schemaVersion", 2) == 1) {
		r = err_set(e, EINVAL, "it has the image format of 2015 (schema 1), which is no longer in use");
		err_hint(e, "convert it with a current tool: skopeo copy --format v2s2 …");
		return r;
	}
	if (children && (layers || config))
		return err_set(e, EINVAL, "it can be read both as an index and as a manifest");
	if (json_is_array(children)) {
		if (*type && !says_index)
			return err_set(e, EINVAL, "an index whose media type says otherwise ('%.80s')", type);
		m->kind = MANIFEST_INDEX;
		return descriptors_parse(children, INDEX_MAX, "entries", m, e);
	}
	if (!json_is_array(layers) || !json_is_object(config))
		return err_set(e, EINVAL, "neither an index nor a manifest of an image");
	if (says_index)
		return err_set(e, EINVAL, "a manifest whose media type says that it is an index");
	m->kind = MANIFEST_IMAGE;
	if (descriptor_parse(config, &m->config, e) < 0 || check_type(m->config.type, e) < 0)
		return err_wrap(e, "config");
	TRY(descriptors_parse(layers, LAYERS_MAX, "layers", m, e));
	for (size_t i = 0; i < m->n; i++)
		if (check_type(m->v[i].type, e) < 0)
			return err_wrap(e, "layer %zu of %zu", i + 1, m->n);
	return 0;
}

int manifest_parse(const char *text, size_t n, const char *what, struct manifest *ret, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_DONE(manifest_done) struct manifest m = { 0 };

	TRY(document_parse(text, n, what, &j, e));
	if (manifest_read(j, &m, e) < 0)
		return err_wrap(e, "%s", what);
	*ret = m;
	m = (struct manifest){ 0 };
	return 0;
}

int manifest_select(const struct manifest *index, const struct platform *want, const bool *skip, size_t *ret_i, struct err *e)
{
	AUTO_STR(there, 1024);
	int best = -1;
	size_t best_i = 0, unnamed = index->n;

	for (size_t i = 0; i < index->n; i++) {
		const struct descriptor *d = &index->v[i];

		if (d->attestation || (skip && skip[i]))
			continue;
		if (!*d->platform.arch) {
			unnamed = MIN(unnamed, i);
			continue;
		}
		int rank = platform_rank(want, &d->platform);
		auto_free char *name = platform_text(&d->platform);

		str_addf(&there, "%s%s", there.len ? ", " : "", name);
		if (rank >= 0 && (best < 0 || rank < best)) {
			best = rank;
			best_i = i;
		}
	}
	if (best < 0 && unnamed == index->n) {
		auto_free char *wanted = platform_text(want);

		return err_set(e, ENOENT, "no matching manifest for %s in the manifest list entries (there are: %s)", wanted,
			there.len ? there.s : "none");
	}
	*ret_i = best < 0 ? unnamed : best_i;
	return 0;
}

static int saved_read(const struct cJSON *j, struct saved_image *s, struct err *e)
{
	const char *config = NULL;

	TRY(json_need_str(j, "Config", "image", &config, e));
	s->config = xstrdup(config);
	if (!json_is_array(json_get(j, "Layers")))
		return err_set(e, EINVAL, "no list of layers");
	if (json_count(json_get(j, "Layers")) > LAYERS_MAX)
		return err_set(e, E2BIG, "more than %d layers", LAYERS_MAX);
	if (json_count(json_get(j, "RepoTags")) > TAGS_MAX)
		return err_set(e, E2BIG, "more than %d tags", TAGS_MAX);
	json_strv(j, "Layers", &s->layers);
	json_strv(j, "RepoTags", &s->tags);
	if (s->layers.n != json_count(json_get(j, "Layers")))
		return err_set(e, EINVAL, "a layer's name is not text");
	return 0;
}

int saved_images_parse(const char *text, size_t n, struct saved_images *ret, struct err *e)
{
	static const char what[] = "manifest.json";
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_DONE(saved_images_done) struct saved_images l = { 0 };

	TRY(document_parse(text, n, what, &j, e));
	if (!json_is_array(j) || json_count(j) == 0 || json_count(j) > IMAGES_MAX)
		return err_set(e, EINVAL, "%s: not a list of 1 to %d images", what, IMAGES_MAX);
	for (const struct cJSON *c = json_first(j); c; c = json_next(c)) {
		xgrow(&l.v, l.n, &l.cap, sizeof(*l.v));
		l.v[l.n] = (struct saved_image){ 0 };
		if (saved_read(c, &l.v[l.n++], e) < 0)
			return err_wrap(e, "%s: image %zu", what, l.n);
	}
	*ret = l;
	l = (struct saved_images){ 0 };
	return 0;
}

static int rootfs_read(const struct cJSON *rootfs, struct strv *diff_ids, struct err *e)
{
	const struct cJSON *list = json_get(rootfs, "diff_ids");
	const char *type = json_str(rootfs, "type");

	if (type && !streq(type, "layers"))
		return err_set(e, EINVAL, "rootfs: type '%.40s' is not known", type);
	if (json_count(list) > LAYERS_MAX)
		return err_set(e, E2BIG, "rootfs: more than %d layers", LAYERS_MAX);
	json_strv(rootfs, "diff_ids", diff_ids);
	if (diff_ids->n != json_count(list))
		return err_set(e, EINVAL, "rootfs: a DiffID is not text");
	for (size_t i = 0; i < diff_ids->n; i++)
		if (!digest_is_valid(diff_ids->v[i]) || !str_starts(diff_ids->v[i], "sha256:")) {
			auto_free char *shown = str_visible(diff_ids->v[i], strnlen(diff_ids->v[i], 100));

			return err_set(e, EINVAL, "rootfs: DiffID '%s' is not a sha256 digest", shown);
		}
	return 0;
}

int config_info_parse(const char *text, size_t n, struct config_info *ret, struct err *e)
{
	static const char what[] = "image config";
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_DONE(config_info_done) struct config_info c = { 0 };
	AUTO_ERR(ignored);

	TRY(document_parse(text, n, what, &j, e));
	if (!json_is_object(j))
		return err_set(e, EINVAL, "%s: not an object", what);
	platform_from_json(j, &c.platform);
	if (!*c.platform.os)
		platform_set(&c.platform, "linux", c.platform.arch, c.platform.variant);
	if (!streq(c.platform.os, "linux"))
		return err_set(e, EINVAL, "the image is for %s, not for linux", c.platform.os);
	if (rootfs_read(json_get(j, "rootfs"), &c.diff_ids, e) < 0)
		return err_wrap(e, "%s", what);
	if (json_str(j, "created") && time_parse(json_str(j, "created"), 0, &c.created_ns, &ignored) < 0)
		c.created_ns = 0;
	*ret = c;
	c = (struct config_info){ 0 };
	return 0;
}

void chain_ids(const struct strv *diff_ids, struct strv *ret)
{
	for (size_t i = 0; i < diff_ids->n; i++) {
		if (i == 0) {
			strv_add(ret, diff_ids->v[0]);
			continue;
		}
		auto_free char *both = xasprintf("%s %s", ret->v[ret->n - 1], diff_ids->v[i]);
		char text[DIGEST_TEXT];

		digest_text(both, strlen(both), text);
		strv_add(ret, text);
	}
}

char *manifest_make(const struct cJSON *layers, const char *config_digest, size_t config_size)
{
	AUTO(json_free) struct cJSON *m = json_object();
	struct cJSON *config, *list;

	json_add_int(m, "schemaVersion", 2);
	json_add_str(m, "mediaType", TYPE_MANIFEST);
	config = json_add_object(m, "config");
	json_add_str(config, "mediaType", TYPE_CONFIG);
	json_add_str(config, "digest", config_digest);
	json_add_int(config, "size", (int64_t)config_size);
	list = json_add_array(m, "layers");
	for (const struct cJSON *c = json_first(layers); c; c = json_next(c)) {
		struct cJSON *l = json_add_object(list, NULL);

		json_add_str(l, "mediaType", str0(json_str(c, "type")));
		json_add_str(l, "digest", json_str(c, "blob"));
		json_add_int(l, "size", json_int(c, "size", 0));
	}
	return json_text(m, false);
}
