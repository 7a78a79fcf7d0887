/* SPDX-License-Identifier: MIT
 *
 * compose/faults.h - several mistakes of a file, told together
 *
 *   struct faults f = FAULTS_INIT;
 *   if (check(…, e) < 0 && !faults_keep(&f, e))      // kept: E is clear again, go on
 *           return faults_drop(&f, e);
 *   return faults_raise(&f, e);                      // 0: there were none
 */
#pragma once
#include "base/auto.h"
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>

enum { FAULTS_MAX = 10 }; /* that are shown; more are counted */
struct faults {
	struct err first;
	struct str more;
	size_t n;
};
#define FAULTS_INIT ((struct faults){ .first = ERR_INIT, .more = STR_INIT(ERR_TEXT) })

/* Takes what is in E when it is a mistake in a file (has a position); false: it is not, or F is NULL, and E is left alone. */
bool faults_keep(struct faults *f, struct err *e);
/* All of them as one error in E (clear), or 0. F is done with. */
int faults_raise(struct faults *f, struct err *e);
/* Forgets them; returns E's code. */
int faults_drop(struct faults *f, struct err *e);
