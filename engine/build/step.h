/* SPDX-License-Identifier: MIT
 *
 * engine/build/step.h - one step in a process of its own
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "engine/build/build.h"
#include "engine/build/select.h"
#include "engine/build/stage.h"

struct cJSON;
struct dirs;
struct err;
struct net_plan;

/* Where sources are, resolved: layers of a stage or image, or a folder. */
struct step_source {
	bool folder;              /* else LAYERS, none: an empty root */
	const char *path;
	struct strv layers;       /* ChainIDs, lowest first */
	const char *ignore;       /* text of .dockerignore, NULL */
	size_t ignore_len;
	const char *what;         /* "build context" */
};
struct step_env {
	const struct dirs *dirs;
	const char *driver;       /* of its layers */
	const struct build_options *o;
	const struct step *t;
	char *id;                 /* "build-TMP-N": name of containers/ID */
	const struct strv *layers; /* what it runs on, lowest first */
	struct step_source from;  /* COPY */
	struct step_source *mounts; /* RUN: one a mount */
	int64_t epoch;            /* SOURCE_DATE_EPOCH, seconds; -1 */
	const struct net_plan *net; /* NULL: host or none */
	bool net_none;
	const char *network;      /* "none", "host", NULL: the default one */
	bool declared_proxies;    /* ARG HTTP_PROXY: an ARG like any other */
	bool keyed;               /* its key is known: content need not be digested and told */
	bool taken;               /* step_layer_take() was there */
	int out;                  /* what the step prints */
	int sock;                 /* wire.h, with the parent */
};
/* What the key of a step needs of content, found out in the caller's process: a COPY of few bytes from a folder, which is sooner done than a process is
 * made. false: it takes the step's own process, also to say what is wrong. */
bool step_content_here(struct step_env *s, char ret[SELECTION_DIGEST]);
/* In the child: never returns. Says {"key": digest} first and waits for {"go": true} when the step's key needs content; then {"diff", "size"}. */
_Noreturn void step_main(struct step_env *s);

/* run.c: 0, or the step failed */
int step_run(struct step_env *s, struct err *e);
/* step.c, for run.c */
int step_mount_layers(const struct step_env *s, const struct strv *layers, const char *on, const char *upper, const char *work, struct err *e);
/* containers/ID/root, for a driver that copies. */
int step_root_make(const struct step_env *s, struct err *e);
/* The step has done its work: containers/ID/upper is the layer, in the driver's form. Once. */
int step_layer_take(struct step_env *s, struct err *e);
int step_source_open(const struct step_env *s, const struct step_source *from, const char *on, struct err *e);
int step_private_mounts(struct err *e);
/* Says what of content the key needs, and hears whether the step is to be done: -ECANCELED: it is not. */
int step_ask(struct step_env *s, const char *key, struct err *e);
/* What a RUN needs of content for its key, in hex; NULL: nothing. */
int run_content(struct step_env *s, char **ret, struct err *e);
