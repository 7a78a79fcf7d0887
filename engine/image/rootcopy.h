/* SPDX-License-Identifier: MIT
 *
 * engine/image/rootcopy.h - the copy driver: roots are copies of all layers (rows of driver.c)
 */
#pragma once
#include <stdbool.h>

struct dirs;
struct err;
struct strv;
/* FOLDER/root, and FOLDER/before: what it was (since.h). */
int rootcopy_root(const struct dirs *d, const struct strv *layers, const char *folder, struct err *e);
/* ON, an empty folder, is filled. */
int rootcopy_view(const struct dirs *d, const struct strv *layers, const char *on, struct err *e);
int rootcopy_changes(const struct dirs *d, const struct strv *layers, const char *folder, bool last, int todir, const char *name,
	struct err *e);
/* The difference of FOLDER/root from WAS (NULL: empty) into NAME of TODIR, empty or not there. */
struct since;
int rootcopy_difference(const char *folder, const struct since *was, bool last, int todir, const char *name, struct err *e);
