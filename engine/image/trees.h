/* SPDX-License-Identifier: MIT
 *
 * engine/image/trees.h - the lists of layers' files (tree.h) in root/images/trees
 */
#pragma once
#include "base/auto.h"

struct dirs;
struct err;
/* root/images/trees/CHAINID(hex). Caller frees. */
char *tree_path(const struct dirs *d, const char *chain_id);
/* Makes the list of the folder NAME in DIRFD. *RET_DIGEST (caller frees) is for the layer's row. */
int tree_record(const struct dirs *d, const char *chain_id, int dirfd, const char *name, char **ret_digest, struct err *e);
