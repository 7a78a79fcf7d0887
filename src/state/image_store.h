/* SPDX-License-Identifier: MIT
 * state/image_store.h - images, their names, layers
 *
 * A layer row is there only when its tree (root/images/layers/CHAINID/) is whole: unpack, syncfs, rename, then the row.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct image_row {
	char *id;             /* sha256:… of the config */
	char *config;         /* the config JSON itself */
	char *manifest;       /* manifest digest when known, NULL */
	char *os, *architecture, *variant;
	int64_t size;         /* unpacked bytes of all layers */
	int64_t created_ns;   /* from the config */
	struct strv layers;   /* ChainIDs, lowest first */
};
void image_row_done(struct image_row *i);
struct layer_row {
	char *chain_id, *diff_id, *parent; /* parent: ChainID, NULL for the lowest */
	char *tree_digest;                 /* digest of the unpacked tree for fsck, NULL */
	int64_t size;
	char *driver;                      /* "overlay", "copy" */
};
void layer_row_done(struct layer_row *l);
struct image_name {
	char *ref;  /* normalised: "docker.io/library/nginx:1.25" */
	char *id;
};
struct image_names {
	struct image_name *v;
	size_t n, cap;
};
void image_names_done(struct image_names *l);
int layer_insert(struct db *db, const struct layer_row *l, struct err *e); /* 1: there already */
int layer_get(struct db *db, const char *chain_id, struct layer_row *ret, struct err *e); /* 1: none */
int layer_unused(struct db *db, struct strv *ret, struct err *e); /* ChainIDs that no image uses, children first */
int layer_list(struct db *db, struct strv *ret, struct err *e);
/* It was unpacked again, in the form of another driver. */
int layer_set_driver(struct db *db, const char *chain_id, const char *driver, int64_t size, struct err *e);
/* A layer of the image that another driver keeps. 1: none. */
int layer_other_driver(struct db *db, const char *image, const char *driver, char **ret_other, struct err *e);
/* A container whose image has such a layer. 1: none. */
int container_other_driver(struct db *db, const char *driver, char **ret_name, char **ret_other, struct err *e);
int layer_set_tree(struct db *db, const char *chain_id, const char *tree_digest, struct err *e);
int layer_delete(struct db *db, const char *chain_id, struct err *e);
int image_insert(struct db *db, const struct image_row *i, struct err *e); /* 1: there already */
int image_get(struct db *db, const char *id, struct image_row *ret, struct err *e); /* full id; 1: none */
int image_find_prefix(struct db *db, const char *hex, struct strv *ret_ids, struct err *e);
int image_list(struct db *db, struct strv *ret_ids, struct err *e);
int image_delete(struct db *db, const char *id, struct err *e);
int image_name_set(struct db *db, const char *ref, const char *id, struct err *e); /* moves the name */
int image_name_get(struct db *db, const char *ref, char **ret_id, struct err *e);  /* 1: none */
int image_name_delete(struct db *db, const char *ref, struct err *e);              /* 1: none */
/* Every change of an image or its names also writes (or removes) root/images/meta/HEX.json, from which a lost database is rebuilt. */
int image_name_list(struct db *db, struct image_names *ret, struct err *e);        /* by ref */

/* What a registry said about a name when it was last asked. */
struct image_remote {
	char *ref, *id;    /* canonical name; the image that was pulled by it */
	char *digest;      /* what the name stood for: of the index, where there is one */
	char *manifest;    /* of the image itself */
	int64_t checked_ns;
};
struct image_remotes {
	struct image_remote *v;
	size_t n, cap;
};
void image_remote_done(struct image_remote *r);
void image_remotes_done(struct image_remotes *l);
int image_remote_set(struct db *db, const struct image_remote *r, struct err *e);
int image_remote_get(struct db *db, const char *ref, struct image_remote *ret, struct err *e); /* 1: none */
int image_remote_of(struct db *db, const char *id, struct image_remotes *ret, struct err *e);
