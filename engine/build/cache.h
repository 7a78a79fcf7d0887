/* SPDX-License-Identifier: MIT
 *
 * engine/build/cache.h - what decides about a step, as one digest (dockerfile.md 8.1)
 *
 * The state a step runs on is in it as the ChainID of its layers: whatever gave the same files gives the same key. So a changed step that gives
 * what it gave before costs nothing behind it.
 */
#pragma once
#include "base/auto.h"
#include "engine/build/hash.h"
#include <stdbool.h>

struct step_env;
/* CONTENT: digest of what the step reads (selection_digest), NULL: nothing. */
void step_key(const struct step_env *s, const char *content, char ret[HASH_TEXT]);
/* The key needs content, which the step's process finds out. */
bool step_needs_content(const struct step_env *s);
