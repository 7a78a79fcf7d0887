/* SPDX-License-Identifier: MIT
 *
 * engine/build/words.h - splitting text into words as the Dockerfile's ENV, LABEL, ARG and heredocs do
 */
#pragma once
#include "base/auto.h"

struct strv;
/* At blanks outside quotes; quotes and escapes stay in the words. */
void words_split(const char *text, char escape, struct strv *ret);
/* Quotes and escapes removed, nothing expanded. NULL: a quote is not closed. Caller frees. */
char *words_unquote(const char *word, char escape);
