/* SPDX-License-Identifier: MIT
 *
 * base/remover.h - trees are removed beside us, by one child
 *
 * unlink(2) waits for the disk where freed blocks are discarded at once, and a command that removes fifty containers has better things to do meanwhile.
 */
#pragma once
#include <sys/types.h>

struct remover {
	int fd;    /* to the child: paths, each with its NUL */
	pid_t pid; /* 0: none yet */
};
#define REMOVER_INIT ((struct remover){ .fd = -1 })

/* Removes the tree PATH (file_remove_tree()), now or soon. What fails stays: give it only what somebody sweeps, as the trash. R NULL: now. */
void remover_add(struct remover *r, const char *path);
/* Waits until all that was added is gone. The child dies with its parent. */
void remover_done(struct remover *r);
