/* SPDX-License-Identifier: MIT
 *
 * engine/build/build_priv.h - builds under way: between build.c (before and after), schedule.c (the steps) and network.c
 */
#pragma once
#include "base/digest.h"
#include "base/map.h"
#include "base/str.h"
#include "engine/build/build.h"
#include "engine/build/context.h"
#include "engine/build/glob.h"
#include "engine/build/hash.h"
#include "engine/build/stage.h"
#include "engine/build/step.h"
#include "engine/image/load_priv.h"
#include "engine/image/store.h"
#include <dirent.h>
#include <sys/types.h>

struct net_plan;
enum { BUILD_CACHE_DAYS = 30, STEPS_DEFAULT = 16 };
struct made {
	char key[HASH_TEXT], chain[DIGEST_TEXT];
	int64_t created_ns;
};
struct worker {
	struct build *b;          /* whose step it is */
	struct step *step;        /* NULL: free */
	struct step_env env;
	struct df_place place;
	char *id;                 /* containers/ID */
	char key[HASH_TEXT];
	pid_t pid;
	int sock, out;
	int vertex;
	int64_t started_ns;
	bool asked;               /* told to go on */
	bool cached;              /* told to end: what it was to make is there */
	bool waiting;             /* another one makes the same; it may have no process yet */
	struct str tail;
};
enum build_state { BUILD_WAITS /* for its needs */, BUILD_READ, BUILD_STEPS, BUILD_DONE };
struct builds;
struct build {
	struct builds *all;       /* it is one of those */
	struct build_item *item;
	enum build_state state;
	struct df_place place;    /* of its failure */
	struct db *db;
	const struct dirs *dirs;
	const struct build_options *o;
	struct context context;   /* of o->context, when it had to be fetched */
	const char *files;        /* the context's folder, NULL */
	struct map contexts;      /* named ones that are folders: what was given -> struct context */
	char *text, *name, *path; /* of the Dockerfile; name for messages */
	size_t len;
	char *ignore;             /* .dockerignore, NULL */
	size_t ignore_len;
	struct dockerfile df;
	struct stage_options stage_options;
	struct stages stages;
	int64_t epoch;
	int64_t **created;        /* [stage][history entry], 0: no step's */
	/* network.c: one sandbox a stage, made when a step needs it */
	char **sandboxes;
	struct net_plan **plans;
	int64_t bridge;           /* the network, when it was made for this build; 0 */
};
/* All builds of a set: one place to work in, one bound on what runs, and what they made. */
struct builds {
	struct db *db;
	const struct dirs *dirs;
	const struct build_set *set;
	struct build *v;          /* one an item */
	size_t n;
	struct load load;         /* TMP is the folder of containers, < 0: not open yet */
	char tmp_name[IMAGE_TMP_NAME + 1], *tmp_path;
	int tmp_fd;
	struct made *made;        /* by steps that ran */
	size_t nmade, made_cap, nkept; /* nkept: the first ones have their rows */
	struct strv fetched;      /* images that were brought anew */
	struct strv hits;         /* keys that the cache answered and that are to be touched */
	struct worker **workers;
	size_t nworkers, workers_cap;
	int serial, vertices;
	struct build *failed;     /* NULL: none, or all of them */
	struct build_failure *failure;
};
/* All of them, to the end. On failure a->failed and its place are set. */
int builds_run(struct builds *a, struct err *e);
/* Its needs are built: reads the context and the Dockerfile. */
int build_read(struct build *b, struct err *e);
/* Brings at once what images the read ones miss. Makes the stages of those that miss none. Fails only when it is
 * interrupted. */
int builds_fetch(struct builds *a, struct err *e);
/* Finds out what is to be done. */
int build_begin(struct build *b, struct err *e);
/* Its steps are done: the image. */
int build_finish(struct build *b, struct err *e);
/* A step's process says that it made a layer. */
int build_layer_made(struct worker *w, const struct cJSON *m, struct err *e);
/* STEP gave CHAIN. */
void build_step_done(struct build *b, const struct step *t, const char *chain, int64_t created_ns);
/* The image REF, which is brought when it is missing. */
int build_image_row(struct build *b, const char *ref, const char *platform, struct image_row *ret, struct err *e);
/* For stage_options: ARG is the build. */
int build_base_image(void *arg, const char *ref, const char *platform, char **ret_config, char **ret_id, struct err *e);
/* The folder that VALUE, a named context, stands for; borrowed. */
int build_named_context(struct build *b, const char *value, const struct context **ret, struct err *e);
/* The default network of a stage's steps; borrowed. */
int build_net(struct build *b, int stage, const struct net_plan **ret, struct err *e);
void build_net_done(struct build *b);
/* "skip=A,B;error=true": of the directive, of BUILDKIT_DOCKERFILE_CHECK, or of a comment above an instruction. */
struct lint_rules {
	struct strv skip;
	bool error;               /* what is found ends the build */
};
void lint_rules_done(struct lint_rules *r);
/* TEXT may be NULL. Empty entries are passed over. */
int lint_rules_parse(const char *text, struct lint_rules *ret, struct err *e);
bool lint_wanted(const struct lint_rules *r, const struct dockerfile *d, const struct df_warning *w);
/* The checks that look at the whole file. */
void build_lint(struct build *b);
