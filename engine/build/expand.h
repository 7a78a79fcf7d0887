/* SPDX-License-Identifier: MIT
 *
 * engine/build/expand.h - $NAME and ${NAME…} in a Dockerfile's words (dockerfile.md 2.2). Pure.
 */
#pragma once
#include "base/auto.h"

struct err;
struct strv;
enum expand_flags {
	EXPAND_RAW_QUOTES = 1,  /* heredoc bodies: quotes are text */
};
enum { EXPAND_MAX = 4 << 20, EXPAND_DEPTH = 50 };
/* Quotes and escapes are removed. ENV: "K=V". UNSET (NULL: nobody asks) gets names that are in no ENV and have no default. Caller frees *ret. */
int expand_word(const char *word, char escape, const struct strv *env, unsigned flags, struct strv *unset, char **ret, struct err *e);
