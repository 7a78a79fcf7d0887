/* SPDX-License-Identifier: MIT
 *
 * engine/build/build.h - builds an image from a Dockerfile
 *
 *   parse ─ stages_make ─► needed stages, each a row of steps; those that wait for nothing run at once, each step in a process of its own:
 *
 *   gantry (loop, database)                                  step's process (step.c)
 *     fork ───────────────────────────────────────────────►    COPY, ADD, WORKDIR: overlay in a mount namespace of its own, copy
 *     key (cache.c): there? kill the process, take the layer    RUN: mounts, network, container_start, wait
 *     ◄── {"key": …} content digests; go ───────────────────    tidy up, gantry-image digest ─► DiffID
 *     ◄── {"diff", "size"} or an error ─────────────────────
 *     rename upper to images/layers/CHAIN; the next step
 *   end: syncfs, rows of layers, of the cache, of the image in one transaction; also after a failure, for the steps that were done
 *
 * Several images are one such loop: their steps share the place where they work, the bound on how many run, and what they make. A step that another
 * build is just making (the same key) waits for that one, and takes its layer.
 *
 * Nothing of a killed build is left but folders without rows, which the next build and image_collect() remove. Libraries print nothing:
 * everything that people see goes through build_events.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "engine/build/dockerfile.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct build_secret {
	char *id, *value;         /* value: its bytes */
	size_t len;
};
struct build_ulimit {
	char *name;
	int64_t soft, hard;
};
enum { SECRET_MAX = 500 << 10 };

struct build_events {
	/* A vertex begins to exist: "[2/3] RUN make". N counts from 1, through all builds of a set. */
	void (*begin)(void *arg, int n, const char *name);
	/* Bytes that it printed. */
	void (*output)(void *arg, int n, const char *p, size_t len);
	/* CACHED, or done after NS; FAILURE: what went wrong (NULL: nothing). */
	void (*end)(void *arg, int n, bool cached, int64_t ns, const char *failure);
	void (*warning)(void *arg, const char *rule, const char *file, int line, const char *text);
	void *arg;
};

struct build_options {
	const char *context;      /* folder, "-", URL, git repository (context.h), or NULL: none (nothing can be copied from it) */
	const char *dockerfile;   /* path, below the context when that is fetched; NULL: Dockerfile in the context */
	const char *dockerfile_text; /* instead; NULL */
	const char *dockerfile_name; /* for messages and NAME.dockerignore; NULL: from the path */
	const char *target, *platform, *network; /* network: "default", "none", "host", NULL */
	struct strv args, labels; /* K=V */
	struct strv tags;         /* names, any form */
	struct strv contexts;     /* "name=FOLDER", "name=docker-image://REF", "name=URL" */
	struct strv extra_hosts;  /* "name=ip" */
	struct strv no_cache_filter; /* stages */
	struct build_secret *secrets;
	size_t nsecrets;
	struct strv ssh;          /* "id=SOCKET" */
	struct build_ulimit *ulimits;
	size_t nulimits;
	int64_t shm_size;         /* bytes; <= 0: 64 MiB */
	bool no_cache, allow_insecure, allow_host, check_only;
	bool pull;                /* bases anew */
	struct build_events events;
};
/* Images that are built at the same time. */
struct build_item {
	struct build_options o;
	const char *service;      /* in front of its steps; NULL: it is built by itself */
	size_t *needs;            /* indexes: those are built before, since a context of this one is their image. No circles. */
	size_t nneeds;
	char *id;                 /* the image's, once it is built; NULL with check_only */
};
struct build_set {
	struct build_item *v;
	size_t n, cap;
	int64_t parallel;         /* steps at once, of all of them; <= 0: as many as is usual */
	int interrupt_fd;         /* readable: stop; -1: none */
	/* Brings images from registries, also those that are here; it goes on after a failure. NULL: what is not here is an error. */
	int (*fetch)(void *arg, const struct strv *refs, const char *platform, struct err *e);
	void *fetch_arg;
};
struct build_failure {
	const char *service;      /* of the item that failed, borrowed; NULL: none, or it has none */
	char *step;               /* "[2/3] RUN make", NULL: before any step */
	char *output;             /* its last lines */
	char *excerpt;            /* "Dockerfile:3\n----…", NULL: no place */
};
void build_failure_done(struct build_failure *f);
void build_options_done(struct build_options *o);
void build_options_secret(struct build_options *o, const char *id, const char *value, size_t n);
/* What killed builds left of the network of RUN: image_collect() or image_gc() has removed their folders before. */
int build_net_collect(struct db *db, struct err *e);
/* A new item, its options empty; borrowed until the next one is added. */
struct build_item *build_set_add(struct build_set *set);
void build_set_done(struct build_set *set);
/* Builds all items, and fills in their ids. The first failure ends the others too; images that were finished before it stay, with their names.
 * FAILURE may be filled when < 0. */
int build_images(struct db *db, struct build_set *set, struct build_failure *failure, struct err *e);
