/* SPDX-License-Identifier: MIT
 *
 * compose/unit.h - a set of files that is loaded as one: those of the project, or those of one `include` entry
 *
 * For each document: interp - canon - include - extends - merge onto what the earlier ones made - unique (compose.md §25).
 */
#pragma once
#include "base/auto.h"
#include "base/map.h"
#include "compose/field.h"
#include "compose/node.h"
#include "compose/reset.h"
#include "compose/yaml.h"
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;
struct notes;
struct trace;

enum {
	UNIT_MAX_FILES = 1000,   /* that one load reads, included and extended ones counted each time */
	UNIT_MAX_DEPTH = 100,    /* include in include */
	EXTENDS_MAX_DEPTH = 500, /* service extends service */
};

/* What all units of one load have in common. */
struct unit_shared {
	struct arena *arena;
	struct notes *notes;
	const char *cwd;         /* messages show paths relative to it */
	const char *root;        /* project directory: with no_paths, what paths stay relative to */
	const char *home;        /* NULL: not set */
	bool no_interpolate, drive_letters, no_paths;
	size_t files;            /* read so far */
	size_t interp_total;
	struct trace *trace;     /* trace.h, NULL: nobody asks */
	struct map told;         /* variables whose absence was noted; load.c frees it */
};

/* An `include` in progress, for cycles: the main files from the inside out. */
struct unit_chain {
	const char *path;
	const struct unit_chain *up;
	size_t depth;
};

struct extended; /* extends.c: a file that `extends` named */
struct unit {
	struct unit_shared *shared;
	const char *dir;         /* absolute: what relative paths start from */
	const struct map *env;
	const struct unit_chain *chain;
	struct extended *extended; /* files read for `extends`, by path */
	struct node *tree;       /* NULL until the first document */
};

/* A file with its documents. */
struct unit_file {
	const char *path;        /* absolute, or "-" */
	const struct source *src;
	struct yaml_docs docs;
};
/* Reads and parses PATH (absolute, or "-"). AT: the node that names it, NULL: the user did. Counts against UNIT_MAX_FILES. */
int unit_read(struct unit *u, const char *path, const struct node *at, struct unit_file *ret, struct err *e);
/* Merges all documents of F onto u->tree. A file without any adds nothing. */
int unit_add(struct unit *u, const struct unit_file *f, struct err *e);
/* Replaces the variables of N (a document or a part of one) unless that is switched off. */
int unit_interp(struct unit *u, struct node *n, struct err *e);
/* What the verbs of field.h want, for this unit. */
struct fctx unit_fctx(const struct unit *u);
/* PATH relative to cwd when it is below it: what messages show. In the arena. */
const char *unit_shown(const struct unit_shared *s, const char *path);
/* DIR as paths below it are to begin: itself, or relative to the project directory when paths stay relative. */
const char *unit_path_dir(const struct unit *u, const char *dir);
/* FILE from DIR, cleaned, in the arena. */
const char *unit_join(struct arena *a, const char *dir, const char *file);

/* include.c: what the `include` of DOC brings, under what DOC says itself; *DOC becomes both. CHAIN: this file. */
int include_apply(struct unit *u, const struct unit_chain *chain, const struct resets *resets, struct node **doc,
		  struct err *e);
/* extends.c: every service of DOC becomes its base plus itself. */
int extends_apply(struct unit *u, const struct source *src, const struct resets *resets, struct node *doc,
		  struct err *e);
