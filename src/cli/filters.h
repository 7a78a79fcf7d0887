/* SPDX-License-Identifier: MIT
 *
 * cli/filters.h - --filter KEY=VALUE of commands that list objects, by docker's rule: of several with one key one has to hold, of labels all
 */
#pragma once
#include "base/auto.h"
#include <stddef.h>

struct db;
struct err;
struct strv;
struct filters {
	const char *const *keys;     /* N of them; a key's index is its kind */
	size_t n;
	unsigned known;              /* a bit a kind: those that the command takes */
	int label;                   /* the kind of which all have to hold */
	const void *none;            /* an object of which nothing is known */
	/* Does OBJECT pass? 1, 0, or < 0 for a VALUE that means nothing. */
	int (*one)(struct db *db, const void *object, int kind, const char *value, struct err *e);
};
/* Filters are wrong also where there is nothing to filter. 0, or < 0. */
int filters_check(const struct filters *f, const struct strv *given, struct db *db, struct err *e);
/* 1: OBJECT passes all of GIVEN. */
int filters_pass(const struct filters *f, const struct strv *given, struct db *db, const void *object, struct err *e);
