/* SPDX-License-Identifier: MIT
 *
 * engine/image/since.h - what has changed in a tree since it was made, for storage drivers that do not keep that apart
 *
 * An entry is the one that it was as long as its inode and its ctime are: the kernel sets that time with every change and lets nobody set it back. No
 * content is read. What is not in its old place by inode is new, so a folder that was moved comes with all that is in it. A folder of another inode
 * or birth than what was in its place before is opaque, as overlayfs makes it.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct err;
struct since;
void since_free(struct since *s);
DEFINE_AUTO(struct since *, since_free)
/* The tree DIRFD (open for reading) as it is now, without its contents. */
int since_read(int dirfd, struct since **ret, struct err *e);
/* The same to a file and from it. */
int since_save(const struct since *s, const char *path, struct err *e);
int since_load(const char *path, struct since **ret, struct err *e);
/* Returns when whatever changes from now on gets another ctime than what changed before, on the file system of FOLDER. */
int since_settle(const char *folder, struct err *e);
/* The difference of the tree DIRFD from what it WAS (NULL: empty) into the folder OUT, which is empty: a layer with whiteouts as files (layer.h).
 * Hard links between entries stay. Sockets are left out. LAST: the tree is not used any more, its files may become the layer's. */
int since_changes(int dirfd, const struct since *was, bool last, int out, struct err *e);
