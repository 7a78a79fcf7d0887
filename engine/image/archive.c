/* SPDX-License-Identifier: MIT */
#include "engine/image/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/map.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/image/digest.h"
#include "engine/image/manifest.h"
#include "engine/image/tar.h"

enum { TAR_MAGIC = 257, LINKS_MAX = 8 };

/* An entry of the tar file. */
struct member {
	int64_t entry;  /* its place, from 0 */
	char *link;     /* symbolic or hard link: the name of another, NULL */
	char *text;     /* small files that look like JSON, NULL */
	size_t n;
};
struct scan {
	const struct archive *a;
	struct map members; /* by clean name */
	size_t texts;
	bool rootfs;        /* it looks like a root file system */
	struct cJSON *images;
};

static void member_free(void *p)
{
	struct member *m = p;

	free(m->link);
	free(m->text);
	free(m);
}

/* "./a/../b" -> "b"; names are only compared, never opened, unless the archive is a folder. Caller frees. */
static char *member_name(const char *raw)
{
	char *clean;

	while (*raw == '/')
		raw++;
	clean = path_clean(raw);
	return clean;
}

static bool wants_text(const char *name, int64_t size)
{
	return size > 0 && size <= MANIFEST_MAX &&
		(str_ends(name, ".json") || str_starts(name, "blobs/") || streq(name, "oci-layout") || str_ends(name, "/json"));
}

/* Keeps the data when it begins as JSON does. */
static int member_text(struct scan *s, struct tar *t, struct member *m, struct err *e)
{
	AUTO_STR(text, MANIFEST_MAX);
	struct bytes *in = tar_bytes(t);

	for (;;) {
		const unsigned char *p;
		ssize_t n = in->next(in, &p, e);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		if (text.len == 0 && *p != '{' && *p != '[')
			return 0;
		str_addn(&text, (const char *)p, (size_t)n);
	}
	TRY(str_check(&text, "a document", e));
	s->texts += text.len;
	if (s->texts > TEXTS_MAX)
		return err_set(e, EFBIG, "more than %d MiB of documents", TEXTS_MAX >> 20);
	m->n = text.len;
	m->text = str_take(&text);
	return 0;
}

static int member_add(struct scan *s, struct tar *t, const struct tar_entry *entry, int64_t place, struct err *e)
{
	auto_free char *name = member_name(entry->path);
	struct member *m;

	if (streq(name, "bin") || streq(name, "usr") || streq(name, "etc/passwd") || streq(name, "usr/bin"))
		s->rootfs = true;
	if (entry->type == TAR_DIR)
		return 0;
	if (s->members.n >= ENTRIES_MAX)
		return err_set(e, E2BIG, "more than %d files", ENTRIES_MAX);
	m = xcalloc(1, sizeof(*m));
	m->entry = place;
	if (entry->type == TAR_HARDLINK) {
		m->link = member_name(entry->link);
	} else if (entry->type == TAR_SYMLINK) {
		auto_free char *folder = path_parent(name);
		auto_free char *joined = path_join(folder, entry->link);

		m->link = member_name(joined);
	}
	map_set(&s->members, name, m);
	return m->link || !wants_text(name, entry->size) ? 0 : member_text(s, t, m, e);
}

static int scan_tar(struct scan *s, int fd, struct err *e)
{
	struct file_bytes in;
	AUTO(tar_free) struct tar *t = NULL;
	struct tar_entry entry;
	int r;

	file_bytes_init(&in, fd, 0, s->a->what);
	r = tar_open(&in.b, &t, e);
	for (int64_t place = 0; r >= 0 && (r = tar_next(t, &entry, e)) > 0; place++)
		r = member_add(s, t, &entry, place, e);
	file_bytes_done(&in);
	return r;
}

/* The text of the file NAME. 1: there is none. */
static int text_get(struct scan *s, const char *name, char **ret, size_t *ret_n, struct err *e)
{
	auto_free char *at = member_name(name);

	if (s->a->is_dir) {
		AUTO_ERR(missing);
		auto_close int fd = path_open_in(s->a->fd, at, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0, &missing);

		if (fd == -ENOENT)
			return 1;
		if (fd < 0)
			return err_move(e, &missing);
		return fd_read_all(fd, MANIFEST_MAX, ret, ret_n, e);
	}
	for (int i = 0; i < LINKS_MAX; i++) {
		const struct member *m = map_get(&s->members, at);

		if (!m)
			return 1;
		if (!m->link) {
			if (!m->text)
				return err_set(e, EINVAL, "'%s' is not JSON, or larger than %d MiB", name, MANIFEST_MAX >> 20);
			*ret = xmemdup(m->text, m->n + 1);
			*ret_n = m->n;
			return 0;
		}
		free(at);
		at = xstrdup(m->link);
	}
	return err_set(e, ELOOP, "'%s': too many links", name);
}

/* The name and place of a layer's file, links followed. */
static int layer_find(struct scan *s, const char *name, struct cJSON *layer, struct err *e)
{
	auto_free char *at = member_name(name);

	if (s->a->is_dir) {
		AUTO_ERR(missing);
		auto_close int fd = path_open_in(s->a->fd, at, O_PATH | O_CLOEXEC, 0, &missing);

		if (fd < 0)
			return err_set(e, ENOENT, "'%s' is not in it", name);
		json_add_str(layer, "name", at);
		return 0;
	}
	for (int i = 0; i < LINKS_MAX; i++) {
		const struct member *m = map_get(&s->members, at);

		if (!m)
			return err_set(e, ENOENT, "'%s' is not in it", name);
		if (!m->link) {
			json_add_str(layer, "name", at);
			json_add_int(layer, "entry", m->entry);
			return 0;
		}
		free(at);
		at = xstrdup(m->link);
	}
	return err_set(e, ELOOP, "'%s': too many links", name);
}

static char *blob_name(const char *digest)
{
	auto_free char *algorithm = xstrndup(digest, strcspn(digest, ":"));

	return xasprintf("blobs/%s/%s", algorithm, digest_hex_part(digest));
}

/* A document by its digest, verified. 1: it is not there. */
static int blob_text(struct scan *s, const struct descriptor *d, char **ret, size_t *ret_n, struct err *e)
{
	auto_free char *name = blob_name(d->digest);
	auto_free char *text = NULL;
	AUTO(digest_free) struct digest *sum = digest_new(d->digest);
	char got[DIGEST_STR];
	size_t n;
	int r = text_get(s, name, &text, &n, e);

	if (r)
		return r;
	digest_add(sum, text, n);
	digest_end(sum, got);
	if ((int64_t)n != d->size)
		return err_set(e, EBADMSG, "%s: %zu bytes, but %lld are announced", name, n, (long long)d->size);
	if (digest_compare(got, d->digest, e) < 0)
		return err_wrap(e, "%s", name);
	*ret = TAKE(text);
	*ret_n = n;
	return 0;
}

/* The reference that an archive gives an image, normalised; one that is not a reference is an error. */
static int tag_add(struct cJSON *tags, const char *text, struct err *e)
{
	AUTO_DONE(ref_done) struct ref r = { 0 };

	TRY(ref_parse_tagged(text, &r, e));
	auto_free char *full = ref_text(&r);

	json_add_str(tags, NULL, full);
	return 0;
}

/* Starts an image of the plan: config checked, one object per layer with its DiffID. */
static int image_start(const char *config, size_t n, size_t nlayers, struct cJSON **ret_image, struct cJSON **ret_layers, struct err *e)
{
	AUTO_DONE(config_info_done) struct config_info info = { 0 };
	AUTO(json_free) struct cJSON *image = json_object();
	struct cJSON *layers;

	TRY(config_info_parse(config, n, &info, e));
	if (info.diff_ids.n != nlayers)
		return err_set(e, EINVAL, "%zu layers, but the config has DiffIDs of %zu", nlayers, info.diff_ids.n);
	json_add_str(image, "config", config);
	json_add_array(image, "tags");
	layers = json_add_array(image, "layers");
	for (size_t i = 0; i < nlayers; i++)
		json_add_str(json_add_object(layers, NULL), "diff", info.diff_ids.v[i]);
	*ret_layers = layers;
	*ret_image = TAKE(image);
	return 0;
}

static int docker_image(struct scan *s, const struct saved_image *saved, struct err *e)
{
	AUTO(json_free) struct cJSON *image = NULL;
	struct cJSON *layers, *layer;
	auto_free char *config = NULL;
	size_t n, i = 0;
	int r = text_get(s, saved->config, &config, &n, e);

	if (r > 0)
		return err_set(e, ENOENT, "its config '%s' is not in it", saved->config);
	if (r < 0)
		return r;
	TRY(image_start(config, n, saved->layers.n, &image, &layers, e));
	for (layer = json_first(layers); layer; layer = json_next(layer), i++)
		if (layer_find(s, saved->layers.v[i], layer, e) < 0)
			return err_wrap(e, "layer %zu of %zu", i + 1, saved->layers.n);
	for (i = 0; i < saved->tags.n; i++)
		TRY(tag_add(json_get(image, "tags"), saved->tags.v[i], e));
	json_add(s->images, NULL, TAKE(image));
	return 0;
}

static int docker_read(struct scan *s, const char *text, size_t n, struct err *e)
{
	AUTO_DONE(saved_images_done) struct saved_images l = { 0 };

	TRY(saved_images_parse(text, n, &l, e));
	for (size_t i = 0; i < l.n; i++)
		if (docker_image(s, &l.v[i], e) < 0)
			return err_wrap(e, "image '%s'", l.v[i].tags.n ? l.v[i].tags.v[0] : l.v[i].config);
	return 0;
}

static int oci_tags(const struct descriptor *d, struct cJSON *tags, struct err *e)
{
	if (d->name)
		return tag_add(tags, d->name, e);
	/* A bare tag ("latest", as umoci writes it) names no repository. */
	if (d->ref_name && strpbrk(d->ref_name, "/:"))
		return tag_add(tags, d->ref_name, e);
	return 0;
}

static int oci_image(struct scan *s, const struct descriptor *d, const struct descriptor *top, const struct manifest *m, const char *document, struct err *e)
{
	AUTO(json_free) struct cJSON *image = NULL;
	struct cJSON *layers, *layer;
	auto_free char *config = NULL;
	size_t n, i = 0;
	int r = blob_text(s, &m->config, &config, &n, e);

	if (r > 0)
		return err_set(e, ENOENT, "its config %s is not in it", m->config.digest);
	if (r < 0)
		return r;
	TRY(image_start(config, n, m->n, &image, &layers, e));
	json_add_str(image, "manifest", d->digest);
	json_add_str(image, "document", document);
	for (layer = json_first(layers); layer; layer = json_next(layer), i++) {
		auto_free char *name = blob_name(m->v[i].digest);

		json_add_str(layer, "blob", m->v[i].digest);
		json_add_int(layer, "size", m->v[i].size);
		if (layer_find(s, name, layer, e) < 0)
			return err_wrap(e, "layer %zu of %zu", i + 1, m->n);
	}
	TRY(oci_tags(top, json_get(image, "tags"), e));
	json_add(s->images, NULL, TAKE(image));
	return 0;
}

static int oci_entry(struct scan *s, const struct descriptor *d, const struct descriptor *top, int depth, struct err *e);

/* One platform of an index: the best whose manifest is there. */
static int oci_platform(struct scan *s, const struct manifest *index, const struct descriptor *top, int depth, struct err *e)
{
	auto_free bool *skip = xcalloc(index->n + 1, sizeof(*skip));
	struct platform host;
	size_t i;

	platform_host(&host);
	for (;;) {
		int r = manifest_select(index, &host, skip, &i, e);

		if (r < 0)
			return r;
		r = oci_entry(s, &index->v[i], top, depth + 1, e);
		if (r <= 0)
			return r;
		skip[i] = true; /* saved without that platform's content */
	}
}

/* 1: its document is not in the archive. */
static int oci_entry(struct scan *s, const struct descriptor *d, const struct descriptor *top, int depth, struct err *e)
{
	AUTO_DONE(manifest_done) struct manifest m = { 0 };
	auto_free char *text = NULL;
	size_t n;
	int r;

	if (depth > INDEX_DEPTH)
		return err_set(e, EINVAL, "an index in an index, more than %d deep", INDEX_DEPTH);
	r = blob_text(s, d, &text, &n, e);
	if (r)
		return r;
	TRY(manifest_parse(text, n, "manifest", &m, e));
	return m.kind == MANIFEST_INDEX ? oci_platform(s, &m, top, depth, e) : oci_image(s, d, top, &m, text, e);
}

static int oci_read(struct scan *s, const char *layout, size_t n, struct err *e)
{
	AUTO_DONE(manifest_done) struct manifest index = { 0 };
	AUTO(json_free) struct cJSON *j = NULL;
	auto_free char *text = NULL;
	const char *version;
	int r;

	TRY(json_parse(layout, n, "oci-layout", &j, e));
	TRY(json_need_str(j, "imageLayoutVersion", "oci-layout", &version, e));
	if (!streq(version, "1.0.0"))
		return err_set(e, EINVAL, "unsupported OCI version %.20s", version);
	r = text_get(s, "index.json", &text, &n, e);
	if (r > 0)
		return err_set(e, ENOENT, "an OCI layout without index.json");
	if (r < 0)
		return r;
	TRY(manifest_parse(text, n, "index.json", &index, e));
	if (index.kind != MANIFEST_INDEX)
		return err_set(e, EINVAL, "index.json is not an index");
	for (size_t i = 0; i < index.n; i++) {
		const struct descriptor *d = &index.v[i];

		if (d->attestation)
			continue;
		r = oci_entry(s, d, d, 1, e);
		if (r > 0)
			r = err_set(e, ENOENT, "its manifest is not in it");
		if (r < 0)
			return err_wrap(e, "image '%.300s'", d->name ? d->name : d->ref_name ? d->ref_name : d->digest);
	}
	return 0;
}

/* Can entries be found by seeking: a regular file that is a plain tar? */
static bool is_plain_tar(int fd)
{
	unsigned char head[512];
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || pread(fd, head, sizeof(head), 0) != sizeof(head))
		return false;
	return memcmp(head + TAR_MAGIC, "ustar", 5) == 0;
}

static int spool_all(const struct archive *a, struct err *e)
{
	struct file_bytes in;
	struct digest_bytes counted;
	AUTO(inflate_free) struct inflate *z = NULL;
	int r;

	file_bytes_init(&in, a->fd, -1, a->what);
	r = inflate_open(&in.b, &z, e);
	if (r >= 0) {
		digest_bytes_init(&counted, inflate_bytes(z), NULL, a->max_bytes);
		r = bytes_copy(&counted.b, a->spool, NULL, e);
	}
	file_bytes_done(&in);
	return r;
}

static int unrecognized(const struct scan *s, struct err *e)
{
	int r = err_set(e, EINVAL, "unrecognized image format: there is neither oci-layout nor manifest.json in it");

	if (s->rootfs)
		err_hint(e, "it looks like a root file system: use 'gantry image import'");
	return r;
}

static int scan_all(struct scan *s, bool *spooled, struct err *e)
{
	auto_free char *text = NULL;
	size_t n;
	int r;

	if (!s->a->is_dir) {
		*spooled = !is_plain_tar(s->a->fd);
		if (*spooled)
			TRY(spool_all(s->a, e));
		TRY(scan_tar(s, *spooled ? s->a->spool : s->a->fd, e));
	}
	r = text_get(s, "oci-layout", &text, &n, e);
	if (r < 0)
		return r;
	if (r == 0)
		return oci_read(s, text, n, e);
	r = text_get(s, "manifest.json", &text, &n, e);
	if (r < 0)
		return r;
	return r == 0 ? docker_read(s, text, n, e) : unrecognized(s, e);
}

int archive_scan(const struct archive *a, struct cJSON **ret_plan, struct err *e)
{
	AUTO(json_free) struct cJSON *plan = json_object();
	struct scan s = { .a = a, .members = MAP_INIT(member_free) };
	bool spooled = false;
	int r;

	s.images = json_add_array(plan, "images");
	r = scan_all(&s, &spooled, e);
	map_done(&s.members);
	if (r < 0)
		return r;
	if (json_count(s.images) == 0)
		return err_set(e, ENOENT, "there is no image in it");
	json_add_bool(plan, "spooled", spooled);
	*ret_plan = TAKE(plan);
	return 0;
}

/* The bytes could not be unpacked: when they are not those of BLOB, that is why. */
static int layer_blame(struct digest_bytes *in, struct digest *sum, const char *blob, struct err *e)
{
	char got[DIGEST_STR];
	AUTO_ERR(wrong);
	AUTO_ERR(ignored);

	if (bytes_drain(&in->b, &ignored) < 0)
		return -e->code;
	digest_end(sum, got);
	if (digest_compare(got, blob, &wrong) < 0) {
		err_clear(e);
		return err_move(e, &wrong);
	}
	return -e->code;
}

static void keep_say(const struct layer_keep *k, const char *digest, uint64_t size, const struct inflate *z)
{
	json_add_str(k->said, "blob", digest);
	json_add_int(k->said, "blob_size", (int64_t)size);
	json_add_str(k->said, "kind", inflate_kind(z));
}

/* RAW: the blob as it is stored. */
int layer_pass(struct bytes *raw, const struct cJSON *layer, int fd, const struct layer_keep *k, struct err *e)
{
	const char *blob = json_str(layer, "blob");
	int64_t size = json_int(layer, "size", -1);
	AUTO(digest_free) struct digest *sum = blob || k ? digest_new(blob) : NULL;
	AUTO(inflate_free) struct inflate *z = NULL;
	struct digest_bytes checked;
	struct tee_bytes tee;
	char got[DIGEST_STR];
	int r;

	if (k)
		tee_bytes_init(&tee, raw, k->fd);
	digest_bytes_init(&checked, k ? &tee.b : raw, sum, 0);
	checked.announced = size;
	r = inflate_open(&checked.b, &z, e);
	if (r >= 0)
		r = bytes_copy(inflate_bytes(z), fd, NULL, e);
	if (r < 0)
		return blob ? layer_blame(&checked, sum, blob, e) : r;
	TRY(bytes_drain(&checked.b, e));
	if (!sum)
		return 0;
	if (size >= 0 && checked.total < (uint64_t)size)
		return err_set(e, EBADMSG, "%llu bytes, but %lld are announced", (unsigned long long)checked.total, (long long)size);
	digest_end(sum, got);
	if (k)
		keep_say(k, got, checked.total, z);
	return blob ? digest_compare(got, blob, e) : 0;
}

static int layer_from_tar(const struct archive *a, int from, const struct cJSON *layer, int fd, const struct layer_keep *k, struct err *e)
{
	int64_t place = json_int(layer, "entry", -1);
	struct file_bytes in;
	AUTO(tar_free) struct tar *t = NULL;
	struct tar_entry entry;
	int r;

	file_bytes_init(&in, from, 0, a->what);
	r = tar_open(&in.b, &t, e);
	for (int64_t i = 0; r >= 0 && i <= place; i++) {
		r = tar_next(t, &entry, e);
		if (r == 0)
			r = err_set(e, EBADMSG, "the archive ends before it");
	}
	if (r >= 0)
		r = layer_pass(tar_bytes(t), layer, fd, k, e);
	file_bytes_done(&in);
	return r;
}

static int layer_from_dir(const struct archive *a, const struct cJSON *layer, int fd, const struct layer_keep *k, struct err *e)
{
	auto_close int from = path_open_in(a->fd, str0(json_str(layer, "name")), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0, e);
	struct file_bytes in;
	struct stat st;
	int r;

	if (from < 0)
		return from;
	if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "not a regular file");
	file_bytes_init(&in, from, -1, json_str(layer, "name"));
	r = layer_pass(&in.b, layer, fd, k, e);
	file_bytes_done(&in);
	return r;
}

int archive_layer(const struct archive *a, bool spooled, const struct cJSON *layer, int fd, const struct layer_keep *k, struct err *e)
{
	int r = a->is_dir ? layer_from_dir(a, layer, fd, k, e) : layer_from_tar(a, spooled ? a->spool : a->fd, layer, fd, k, e);

	return r < 0 ? err_wrap(e, "'%s'", str0(json_str(layer, "name"))) : r;
}
