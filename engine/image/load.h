/* SPDX-License-Identifier: MIT
 *
 * engine/image/load.h - bringing images into the store: gantry's side of gantry-image (wire.h, job.h)
 *
 *   lock layers.lock shared ─ make images/tmp/X, lock it ─ start gantry-image ─ what is there? ─ want what is missing
 *   ─ each layer unpacked and verified ─ syncfs ─ rename to images/layers/CHAIN ─ rows and names in one transaction
 *
 * Killed anywhere, what is left has no row: a folder in tmp/ without a lock, or a layer's folder without a row. The next load collects the first,
 * replaces the second.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stdint.h>

struct db;
struct err;
struct image_source {
	int fd;            /* a file, a pipe, a folder; borrowed */
	const char *what;  /* its name for messages: "web.tar", "standard input" */
	void (*note)(void *arg, const char *text); /* "layer 1 of 3 …", as they are unpacked; NULL: nothing */
	void *arg;
	uint64_t max_bytes; /* of one unpacked layer; 0: GANTRY_MAX_LAYER, or LAYER_MAX_DEFAULT */
};
#define LAYER_MAX_DEFAULT (UINT64_C(128) << 30)

/* docker-archive or OCI layout. Adds what docker prints to REPORT ("Loaded image: web:1"). */
int image_load(struct db *db, const struct image_source *src, struct strv *report, struct err *e);

struct image_import {
	const char *ref;       /* NULL: no name */
	const struct strv *changes; /* Dockerfile instructions, NULL */
	const char *message;   /* NULL: "Imported from WHAT" */
	const char *platform;  /* "linux/arm64", NULL: this machine's */
};
/* A root file system (tar, or folder) becomes an image of one layer. */
int image_import(struct db *db, const struct image_source *src, const struct image_import *how, char **ret_id, struct err *e);
