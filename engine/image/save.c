/* SPDX-License-Identifier: MIT
 *
 * gantry-image's side of save.h. Nothing that is read here is parsed but gantry's own request; blobs are copied, and digested on the way.
 */
#include "engine/image/save.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/map.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/image/blob.h"
#include "engine/image/bytes.h"
#include "engine/image/digest.h"
#include "engine/image/job_priv.h"
#include "engine/image/manifest.h"
#include "engine/image/pack.h"
#include "engine/image/ref.h"
#include "engine/image/wire.h"

/* A file of the archive: a document, or a blob of the store. */
struct part {
	char *text;
	char *blob;
	int64_t size;
};
struct saver {
	struct boss *b;
	int out;
	struct map parts;        /* "blobs/sha256/HEX" -> struct part */
	struct cJSON *index, *list, *repositories;
};

static void part_free(void *p)
{
	struct part *part = p;

	free(part->text);
	free(part->blob);
	free(part);
}

/* "blobs/sha256/HEX". Caller frees. */
static char *path_of(const char *digest)
{
	return xasprintf("blobs/%.*s/%s", (int)strcspn(digest, ":"), digest, digest_hex_part(digest));
}

static void add_text(struct saver *s, const char *text, char digest[DIGEST_STR])
{
	auto_free char *path = NULL;
	struct part *p = xcalloc(1, sizeof(*p));

	digest_text(text, strlen(text), digest);
	path = path_of(digest);
	p->text = xstrdup(text);
	p->size = (int64_t)strlen(text);
	map_set(&s->parts, path, p);
}

static void add_layer(struct saver *s, const struct cJSON *layer, struct cJSON *names)
{
	auto_free char *path = path_of(str0(json_str(layer, "blob")));
	struct part *p = xcalloc(1, sizeof(*p));

	p->blob = xstrdup(json_str(layer, "blob"));
	p->size = json_int(layer, "size", 0);
	map_set(&s->parts, path, p);
	json_add_str(names, NULL, path);
}

/* The image in index.json, under NAME ("docker.io/library/web:1", NULL: none). */
static void add_entry(struct saver *s, const char *type, const char *digest, size_t size, const char *name)
{
	struct cJSON *d = json_add_object(s->index, NULL), *notes;
	const char *colon = name ? strrchr(name, ':') : NULL;

	json_add_str(d, "mediaType", type);
	json_add_str(d, "digest", digest);
	json_add_int(d, "size", (int64_t)size);
	if (!name)
		return;
	notes = json_add_object(d, "annotations");
	json_add_str(notes, "io.containerd.image.name", name);
	if (colon)
		json_add_str(notes, "org.opencontainers.image.ref.name", colon + 1);
}

static void add_repository(struct saver *s, const char *familiar, const char *layer)
{
	const char *colon = strrchr(familiar, ':');
	auto_free char *name = colon ? xstrndup(familiar, (size_t)(colon - familiar)) : NULL;
	struct cJSON *o;

	if (!name || !layer)
		return;
	o = json_get(s->repositories, name);
	json_add_str(o ? o : json_add_object(s->repositories, name), colon + 1, layer);
}

/* Names of docker's own registry are written as users write them. */
static void add_names(struct saver *s, const struct cJSON *image, struct cJSON *entry, const char *type, const char *digest, size_t size)
{
	const struct cJSON *names = json_get(image, "names"), *last = NULL;
	struct cJSON *tags = json_count(names) ? json_add_array(entry, "RepoTags") : NULL;

	for (const struct cJSON *c = json_first(json_get(image, "layers")); c; c = json_next(c))
		last = c;
	if (!tags) {
		json_add_null(entry, "RepoTags");
		add_entry(s, type, digest, size, NULL);
	}
	for (const struct cJSON *c = json_first(names); c; c = json_next(c)) {
		const char *name = str0(json_value_str(c));

		json_add_str(tags, NULL, ref_familiar(name));
		add_entry(s, type, digest, size, name);
		add_repository(s, ref_familiar(name), last ? digest_hex_part(str0(json_str(last, "blob"))) : NULL);
	}
}

static int add_image(struct saver *s, const struct cJSON *image, struct err *e)
{
	const char *config = str0(json_str(image, "config")), *given = json_str(image, "manifest"), *type = TYPE_MANIFEST;
	char id[DIGEST_STR], digest[DIGEST_STR];
	auto_free char *manifest = NULL, *path = NULL;
	struct cJSON *entry = json_add_object(s->list, NULL), *layers;
	AUTO(json_free) struct cJSON *doc = NULL;

	add_text(s, config, id);
	manifest = given ? xstrdup(given) : manifest_make(json_get(image, "layers"), id, strlen(config));
	TRY(json_parse(manifest, strlen(manifest), "manifest", &doc, e));
	if (json_str(doc, "mediaType"))
		type = json_str(doc, "mediaType");
	add_text(s, manifest, digest);
	path = path_of(id);
	json_add_str(entry, "Config", path);
	add_names(s, image, entry, type, digest, strlen(manifest));
	layers = json_add_array(entry, "Layers");
	for (const struct cJSON *c = json_first(json_get(image, "layers")); c; c = json_next(c))
		add_layer(s, c, layers);
	return 0;
}

/* ---- writing --------------------------------------------------------------------------------------------------------------------------------------- */

static int put_text(struct saver *s, const char *name, const char *text, struct err *e)
{
	size_t n = strlen(text);

	TRY(tar_put_header(s->out, name, (int64_t)n, e));
	TRY(fd_write_all(s->out, text, n, e));
	return tar_put_padding(s->out, (int64_t)n, e);
}

static int copy_blob(struct saver *s, const struct part *p, int fd, struct err *e)
{
	AUTO(digest_free) struct digest *sum = digest_new(p->blob);
	char got[DIGEST_STR];
	struct digest_bytes checked;
	struct file_bytes in;
	uint64_t total = 0;
	int r;

	file_bytes_init(&in, fd, -1, "the blob");
	digest_bytes_init(&checked, &in.b, sum, 0);
	checked.announced = p->size;
	r = bytes_copy(&checked.b, s->out, &total, e);
	file_bytes_done(&in);
	TRY(r);
	if ((int64_t)total != p->size)
		return err_set(e, EBADMSG, "%llu bytes, but it had %lld", (unsigned long long)total, (long long)p->size);
	digest_end(sum, got);
	return digest_compare(got, p->blob, e);
}

static int put_blob(struct saver *s, const char *name, const struct part *p, struct err *e)
{
	auto_free char *file = blob_name(p->blob), *path = xasprintf("blobs/%s", file);
	auto_close int fd = openat(s->b->input, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return err_sys(e, "open blob '%s'", file);
	FP("image.save.blob", e);
	TRY(tar_put_header(s->out, name, p->size, e));
	r = copy_blob(s, p, fd, e);
	if (r == -EBADMSG) {
		err_wrap(e, "blob '%s' of the store was changed", file);
		err_hint(e, "'gantry fsck' finds all damage; '--repair' fetches it again");
	}
	TRY(r);
	return tar_put_padding(s->out, p->size, e);
}

static int put_blobs(struct saver *s, struct err *e)
{
	AUTO_STRV(names);

	for (size_t i = 0; i < s->parts.n; i++)
		strv_add(&names, s->parts.v[i].key);
	strv_sort(&names);
	TRY(tar_put_header(s->out, "blobs/", 0, e));
	TRY(tar_put_header(s->out, "blobs/sha256/", 0, e));
	for (size_t i = 0; i < names.n; i++) {
		const struct part *p = map_get(&s->parts, names.v[i]);

		TRY(p->text ? put_text(s, names.v[i], p->text, e) : put_blob(s, names.v[i], p, e));
	}
	return 0;
}

static int put_all(struct saver *s, struct err *e)
{
	AUTO(json_free) struct cJSON *index = json_object();
	auto_free char *text = NULL, *list = json_text(s->list, false), *repositories = json_text(s->repositories, false);

	json_add_int(index, "schemaVersion", 2);
	json_add_str(index, "mediaType", TYPE_INDEX);
	json_add(index, "manifests", TAKE(s->index));
	text = json_text(index, false);
	TRY(put_blobs(s, e));
	TRY(put_text(s, "index.json", text, e));
	TRY(put_text(s, "manifest.json", list, e));
	TRY(put_text(s, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", e));
	if (json_count(s->repositories))
		TRY(put_text(s, "repositories", repositories, e));
	return tar_put_end(s->out, e);
}

/* ---- the request ------------------------------------------------------------------------------------------------------------------------------------- */

/* A layer that several images have is packed once. */
static int pack_all(struct saver *s, const struct cJSON *images, struct err *e)
{
	AUTO_MAP(seen, NULL);

	for (const struct cJSON *i = json_first(images); i; i = json_next(i)) {
		struct cJSON *layers = json_get(i, "layers");

		for (struct cJSON *c = json_first(layers); c; c = json_next(c)) {
			const struct cJSON *other = map_get(&seen, str0(json_str(c, "chain")));

			if (!other || json_str(c, "blob"))
				continue;
			json_add_str(c, "blob", json_str(other, "blob"));
			json_add_int(c, "size", json_int(other, "size", 0));
			json_add_str(c, "type", json_str(other, "type"));
		}
		TRY(pack_missing(s->b, layers, e));
		for (struct cJSON *c = json_first(layers); c; c = json_next(c))
			map_set(&seen, str0(json_str(c, "chain")), c);
	}
	return 0;
}

static int save(struct saver *s, const struct cJSON *images, struct err *e)
{
	TRY(pack_all(s, images, e));
	for (const struct cJSON *i = json_first(images); i; i = json_next(i))
		TRY(add_image(s, i, e));
	return put_all(s, e);
}

int save_boss(struct boss *b, struct cJSON *request, struct err *e)
{
	struct saver s = { .b = b, .out = (int)json_int(request, "out", -1), .parts = MAP_INIT(part_free), .index = json_array(), .list = json_array(),
		.repositories = json_object() };
	AUTO(json_free) struct cJSON *done = json_object();
	int r = save(&s, json_get(request, "images"), e);

	map_done(&s.parts);
	json_free(s.index);
	json_free(s.list);
	json_free(s.repositories);
	json_add_bool(done, "done", true);
	return r < 0 ? r : wire_send(b->sock, done, e);
}
