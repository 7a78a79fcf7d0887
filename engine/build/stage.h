/* SPDX-License-Identifier: MIT
 *
 * engine/build/stage.h - instructions -> stages with their image configs and steps. Everything that can be said before anything runs.
 *
 *   Dockerfile ─ check each instruction ─ stages ─ from the target backwards: config, history, steps (RUN, COPY, ADD, WORKDIR)
 *
 * Nothing a step does can change another's definition, so a mistake in the last line is told before the first step runs. What decides which
 * base there is comes through `base_image`. Rules: dockerfile.md 2, 3, 6, 7.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "engine/build/dockerfile.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cJSON;
struct err;

/* ---- where files come from ---- */
enum source_kind { SOURCE_CONTEXT, SOURCE_STAGE, SOURCE_IMAGE, SOURCE_SCRATCH, SOURCE_FOLDER /* a named context */ };
struct source {
	enum source_kind kind;
	int stage;
	char *name;               /* image reference; folder's path */
};

enum mount_kind { MOUNT_BIND, MOUNT_CACHE, MOUNT_TMPFS, MOUNT_SECRET, MOUNT_SSH, MOUNT_KINDS };
enum sharing { SHARING_SHARED, SHARING_PRIVATE, SHARING_LOCKED, SHARINGS };
struct run_mount {
	enum mount_kind kind;
	char *target, *source, *id, *env;
	struct source from;
	bool has_from, read_only, required, has_ro, has_mode, has_ids;
	enum sharing sharing;
	uint32_t mode;
	uid_t uid;
	gid_t gid;
	int64_t size;             /* tmpfs, bytes; 0: no limit */
};

enum step_kind { STEP_RUN, STEP_COPY, STEP_WORKDIR };
struct step {
	enum step_kind kind;
	int stage, number;        /* of the stage's steps, from 1 */
	int line, last;
	char *label;              /* "RUN make" */
	size_t history;           /* its entry */
	/* state when it runs */
	struct strv env;          /* PATH and proxies included */
	char *cwd, *user;
	/* RUN */
	struct strv argv;
	struct run_mount *mounts;
	size_t nmounts;
	char *network;            /* "none", "host", NULL: the build's */
	bool insecure;
	char *script_name, *script; /* a heredoc with "#!": /dev/pipes/NAME */
	/* COPY, ADD */
	bool add, link, parents;
	int unpack;               /* -1: not said */
	bool keep_git_dir;
	struct strv sources, urls, gits, excludes;
	char *dest, *chown, *chmod, *checksum;
	struct strv doc_names, doc_texts;
	struct source from;
};

/* ---- image configs ---- */
struct img {
	struct strv env, entrypoint, cmd, shell, onbuild, volumes, exposed, labels;
	char *user, *cwd, *stop_signal, *author;
	char *os, *arch, *variant;
	struct cJSON *health;     /* NULL */
	bool args_escaped;
	struct cJSON *history;    /* array: of the base, then ours */
};
void img_done(struct img *i);
/* CONFIG: an image's config document. */
int img_parse(const char *config, struct img *ret, struct err *e);
void img_copy(struct img *to, const struct img *from);
/* Everything but rootfs; caller adds it. */
struct cJSON *img_document(const struct img *i);

struct stage {
	int index;
	char *name;               /* lower case, NULL */
	const struct instr *from;
	struct source base;
	char *platform;           /* wanted of the base, NULL */
	char *base_id;            /* image's id, of SOURCE_IMAGE */
	bool converted;           /* needed */
	struct img img;
	struct strv scope;        /* K=V: ENV and ARG, last writer wins */
	struct strv args;         /* names of ARGs in order of declaration */
	bool cmd_seen;
	size_t base_history;      /* entries that came with the base */
	struct step **steps;
	size_t nsteps, total;     /* total: as BuildKit counts them */
	struct strv layers;       /* ChainIDs: of the base, then of the steps that are done */
	size_t done;              /* steps */
	bool running, finished;
	size_t first, ninstr;     /* in the Dockerfile: those after FROM */
};
struct stages {
	const struct dockerfile *df;
	const struct stage_options *o;
	struct stage *v;
	size_t n;
	int target;
	struct strv global;       /* K=V */
	struct dockerfile *triggers; /* parsed ONBUILDs, kept as long as the stages */
	size_t ntriggers;
	struct df_warnings warnings;
	struct df_place place;    /* of an error */
};
struct stage_options {
	const struct strv *args;      /* --build-arg K=V */
	const char *target, *platform; /* "linux/amd64"; NULL: this machine's */
	const struct strv *contexts;  /* "name=kind:value": see build.h */
	bool allow_insecure, allow_host;
	/* The config document and id of REF (caller frees both). */
	int (*base_image)(void *arg, const char *ref, const char *platform, char **ret_config, char **ret_id, struct err *e);
	void *arg;
};
/* On failure s->place says where. */
int stages_make(const struct dockerfile *df, const struct stage_options *o, struct stages *s, struct err *e);
void stages_done(struct stages *s);

/* ---- between stage.c and instr_apply.c, instr_check.c, run_mount.c ---- */
/* What can be said of an instruction by itself. Error texts get "dockerfile parse error on line N: ". */
int instr_check(const struct instr *i, struct err *e);
int instr_apply(struct stages *s, struct stage *st, const struct instr *i, struct err *e);
/* instr_steps.c */
int instr_apply_workdir(struct stages *s, struct stage *st, const struct instr *i, struct err *e);
int instr_apply_copy(struct stages *s, struct stage *st, const struct instr *i, struct err *e);
int instr_apply_run(struct stages *s, struct stage *st, const struct instr *i, struct err *e);
int instr_expand(struct stages *s, struct stage *st, const struct instr *i, const char *word, char **ret, struct err *e);
/* One --mount value; FINAL: all of it is checked, else only what needs no variables. */
int run_mount_parse(const char *text, const char *cwd, bool final, struct run_mount *ret, char **ret_from, struct err *e);
void run_mount_done(struct run_mount *m);
/* A --from: stage, index, named context, image. */
int stage_source(struct stages *s, struct stage *st, const char *name, bool index, struct source *ret, struct err *e);
int stage_convert(struct stages *s, int index, struct err *e);
void source_done(struct source *s);
/* "a/b" seen from the stage's working folder, clean; a '/' at its end stays. Caller frees. */
char *stage_path(const struct stage *st, const char *path);
/* What a shell form begins with: SHELL's words, else /bin/sh -c. */
void stage_shell(const struct stage *st, struct strv *ret);
/* The error about to be set belongs to no line (BuildKit tells such ones when it solves, not when it reads). */
void stage_no_place(struct stages *s);
struct step *stage_step(struct stage *st, enum step_kind kind, const struct instr *i, struct err *e);
size_t stage_history(struct stage *st, bool layer, const char *fmt, ...) PRINTF(3, 4);
