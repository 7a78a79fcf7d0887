/* SPDX-License-Identifier: MIT
 *
 * engine/image/manifest.h - the documents that describe images: indexes, manifests, configs, docker's manifest.json. Pure; every byte is hostile.
 *
 * Docker's and OCI's media types mean the same here. Refused: documents that could be read as two kinds (CVE-2021-41190), repeated keys,
 * digests that are not strictly sha256/sha512 in lower-case hex (they become parts of paths), schema 1, encrypted layers.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "engine/image/platform.h"
#include <stddef.h>
#include <stdint.h>

struct cJSON;
struct err;
/* OCI's media types, as gantry writes them; a layer's may have "+gzip" or "+zstd" after it. */
#define TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define TYPE_CONFIG "application/vnd.oci.image.config.v1+json"
#define TYPE_LAYER "application/vnd.oci.image.layer.v1.tar"
enum {
	MANIFEST_MAX = 4 << 20, /* bytes of any one document: what the OCI specification asks everybody to cope with */
	LAYERS_MAX = 500,       /* overlayfs takes no more lower layers */
	INDEX_MAX = 1000,       /* entries of an index */
	INDEX_DEPTH = 4,        /* index in index */
};

struct descriptor {
	char *digest, *type;   /* type: "" when it says none */
	int64_t size;          /* bytes */
	struct platform platform; /* arch "" when it says none */
	char *name, *ref_name; /* annotations io.containerd.image.name and org.opencontainers.image.ref.name, NULL */
	bool attestation;      /* provenance, SBOM, another artifact: not an image */
};
enum manifest_kind { MANIFEST_IMAGE, MANIFEST_INDEX };
struct manifest {
	enum manifest_kind kind;
	struct descriptor config;     /* MANIFEST_IMAGE */
	struct descriptor *v;         /* layers, lowest first; or an index's entries */
	size_t n, cap;
};
void manifest_done(struct manifest *m);
/* WHAT names the document in messages. */
int manifest_parse(const char *text, size_t n, const char *what, struct manifest *ret, struct err *e);
/* The entry of an index that runs best on WANT, skipping those whose bit in SKIP is set (NULL: none; m->n of them). -ENOENT lists what is there. */
int manifest_select(const struct manifest *index, const struct platform *want, const bool *skip, size_t *ret_i, struct err *e);

/* The manifest of an image that has none: LAYERS are [{"type", "blob", "size"}], lowest first. Caller frees. */
char *manifest_make(const struct cJSON *layers, const char *config_digest, size_t config_size);

/* manifest.json of a docker-archive: names of entries in the archive. */
struct saved_image {
	char *config;
	struct strv tags, layers;
};
struct saved_images {
	struct saved_image *v;
	size_t n, cap;
};
void saved_images_done(struct saved_images *l);
int saved_images_parse(const char *text, size_t n, struct saved_images *ret, struct err *e);

/* What the store must know of a config; what a container takes from it is in store.h. */
struct config_info {
	struct platform platform;
	struct strv diff_ids; /* digests of the uncompressed layers, lowest first */
	int64_t created_ns;   /* 0: not said */
};
void config_info_done(struct config_info *c);
int config_info_parse(const char *text, size_t n, struct config_info *ret, struct err *e);

/* ChainIDs from DiffIDs: the first is the DiffID, the next sha256("CHAIN DIFF"). */
void chain_ids(const struct strv *diff_ids, struct strv *ret);
