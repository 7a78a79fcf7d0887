/* SPDX-License-Identifier: MIT
 *
 * engine/image/remote.h - images from registries: gantry's side of a pull (pull.h), on the caller's loop
 *
 * Several images are pulled by one gantry-image: their layers share its bound, and one that two of them have comes once. Each is in the store as soon as
 * its own layers are. What the downloader says is checked again here: documents by their digests from the name down, layers by the manifest's.
 */
#pragma once
#include "base/auto.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct loop;

enum image_pull_end { IMAGE_PULLED, IMAGE_UP_TO_DATE };
struct image_pull_item {
	const char *ref;       /* as the user wrote it */
	const char *platform;  /* NULL: this machine's */
	void *arg;
};
struct image_pull_options {
	int jobs;              /* layers at once; <= 0: a default */
	/* "downloading", "too many requests: again in 3 s"; FIGURE: "12.3MB / 100MB", which moves often. */
	void (*progress)(void *arg, const char *text, bool figure);
	/* Once for each item: R >= 0 is an image_pull_end and DIGEST what the name stands for; else e (which may be moved from). Not from image_pull_start. */
	void (*ended)(void *arg, int r, const char *digest, struct err *e);
};
struct image_pull;
int image_pull_start(struct db *db, struct loop *loop, const struct image_pull_item *items, size_t n, const struct image_pull_options *o,
	struct image_pull **ret, struct err *e);
/* Ends what is not over, without a call of ended(). */
void image_pull_free(struct image_pull *p);
DEFINE_AUTO(struct image_pull *, image_pull_free)

/* ---- push, login: these wait ---- */

struct image_push_options {
	/* LAYER "4f4fb700ef54", TEXT "Pushing 40%", "Pushed", "Layer already exists", "Mounted from lib/base". */
	void (*progress)(void *arg, const char *layer, const char *text, bool over);
	void *arg;
	int jobs;              /* layers at once; 0: a default, < 0: many */
};
/* As it was pulled where its blobs are here: the digest stays. *RET_DIGEST (caller frees) is the manifest's. 1: the tag stood for it already. */
int image_push(struct db *db, const char *ref, const struct image_push_options *o, char **ret_digest, struct err *e);
/* What names stand for at their registries now, asked several at once and without fetching anything. */
struct image_digest {
	const char *ref;
	char *digest;          /* of the index, where there is one; NULL: */
	struct err failure;    /* why not */
};
int image_digests(const char *root, struct image_digest *v, size_t n, struct err *e);
void image_digests_done(struct image_digest *v, size_t n);
/* Asks the registry HOST whether the credentials are right. ROOT: folder of registries.json. *RET_IDENTITY (caller frees): a token to keep instead of the
 * password, NULL: none is given. */
int image_login(const char *root, const char *host, const char *user, const char *secret, char **ret_identity, struct err *e);
