/* SPDX-License-Identifier: MIT
 *
 * engine/image/load_priv.h - between load.c and remote.c: a folder for what is unpacked, the program that unpacks, layers and rows into the store
 */
#pragma once
#include "base/digest.h"
#include "base/map.h"
#include "engine/image/load.h"
#include <sys/types.h>

struct dirs;
enum { ENTRIES_DEFAULT = 4 << 20 };

/* A layer that is to get a row. */
struct new_layer {
	char chain[DIGEST_TEXT], diff[DIGEST_TEXT];
	char *parent;       /* ChainID, NULL */
	char *dir;          /* in tmp, NULL until it is unpacked */
	int64_t size;
	char *tree;         /* digest of the list of its files, NULL until it is placed */
	char *blob;         /* digest of what it was unpacked from, NULL: not known */
	int64_t blob_size;
	const char *blob_type, *origin; /* media type; BLOB_… */
};
struct load {
	struct db *db;
	const struct dirs *dirs;
	const char *driver;
	int layers_lock, tmp, sock;
	int out;            /* save: another descriptor for gantry-image, borrowed; 0: none */
	char *tmp_path;
	pid_t pid;
	struct map layers;  /* ChainID -> struct new_layer, parents first */
	struct strv *report;
	const struct image_source *src;
	size_t arrived;
};
#define LOAD_INIT(database)                                                                        \
	((struct load){ .db = (database), .dirs = db_dirs(database), .layers_lock = -1, .tmp = -1, .sock = -1, .layers = MAP_INIT(new_layer_free) })

void new_layer_free(void *layer);
/* A folder of its own in images/tmp, the store's lock shared. */
int load_prepare(struct load *l, struct err *e);
/* Starts gantry-image on INPUT (borrowed), with a folder of its own in images/tmp and the store's lock shared. */
int load_open(struct load *l, int input, struct err *e);
/* gantry-image with a folder TMP and INPUT, and OUT (all borrowed; OUT under its number, 0: none). Whoever starts it closes the socket and waits for it. */
int load_program(int tmp, int input, int out, int *ret_sock, pid_t *ret_pid, struct err *e);
void load_done(struct load *l);
uint64_t load_layer_max(const struct image_source *src);
bool load_layer_is_there(struct load *l, const char *chain);
struct new_layer *load_layer_new(struct load *l, const char *chain, const char *diff, const char *parent);
/* Two loads of the same layer place it one after the other. */
int load_commit_lock(struct load *l, int *ret_fd, struct err *e);
/* Its folder to its place; its data must be durable before (syncfs). */
int load_layer_place(struct load *l, struct new_layer *n, struct err *e);
/* The names in the store's folders to disk. */
int load_sync_names(const struct load *l, struct err *e);
/* Its row, and that of its blob. */
int load_layer_insert(struct load *l, const struct new_layer *n, struct err *e);
/* All of l->layers: durable, then to their places; their rows. */
int load_layers_place(struct load *l, struct err *e);
int load_layers_insert(struct load *l, struct err *e);
/* CONFIG's row and names. ID is that of its very bytes. Layers have their rows. */
int load_insert_image(struct load *l, const char *config, const char *manifest, const struct strv *names, const char *event, char id[DIGEST_TEXT],
	struct err *e);
/* Commits, or rolls back after R < 0. */
int load_finish(struct load *l, int r, struct err *e);
