/* SPDX-License-Identifier: MIT
 *
 * engine/build/select.h - what COPY, ADD and bind mounts take from a folder: names and patterns -> a list of files, and its digest
 *
 * Everything is opened below the folder's descriptor (path_open_in); links lead nowhere else. Rules: dockerfile.md 4.2, 4.3, 8.2.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct err;
struct ignore;
struct strv;
enum { PICKS_MAX = 4 << 20, PICK_DEPTH = 1000 };
struct pick {
	char *path;               /* below the source's root, no leading '/'; "" is the root */
	char *rel;                /* below the item: "" is the item itself */
	struct stat st;
};
/* One source argument, or one match of a pattern. */
struct item {
	char *name;               /* base name of the argument or match: a file's name in a folder */
	bool is_dir;
	struct pick *v;
	size_t n, cap;
};
struct selection {
	struct item *v;
	size_t n, cap;
	size_t total;
};
void selection_done(struct selection *s);
struct select_from {
	int root;                 /* O_PATH folder */
	bool reset_owner;         /* a context: everything is root's */
	const struct ignore *ignore;   /* NULL */
	const struct ignore *exclude;  /* relative to each item, NULL */
	bool parents;             /* --parents */
	const char *what;         /* "build context", for messages */
};
/* SOURCES as written. -ENOENT "\"/path\": not found". */
int select_sources(const struct select_from *from, const struct strv *sources, struct selection *ret, struct err *e);
enum { SELECTION_DIGEST = 65 };
/* Content, modes, owners, names below each item, links, attributes; no times. */
int selection_digest(const struct select_from *from, const struct selection *s, char ret[SELECTION_DIGEST], struct err *e);
