/* SPDX-License-Identifier: MIT
 *
 * engine/image/job_priv.h - between job.c and pull.c: the boss, its children, one layer's way from bytes to a folder
 */
#pragma once
#include "base/err.h"
#include "engine/image/archive.h"
#include "engine/image/layer.h"
#include <stdbool.h>
#include <sys/types.h>

struct cJSON;
enum { JOBS_MAX = 8, MESSAGE_MAX = 64 << 10, PIPE_BYTES = 1 << 20 };

struct child {
	const char *role;   /* for messages; NULL: not running */
	pid_t pid;
	int sock;
	bool ended, good;
	struct err failure;
};
struct job {
	struct child feeder, unpacker;
	int image, layer, nlayers;
	const struct cJSON *plan; /* the layer, NULL for import */
	char dir[16];
	struct cJSON *result;
	int sums;           /* the unpacker's checksums of what it wrote, 0: none are wanted */
	int keep;           /* load: the file for the blob as it is stored, 0: none */
	struct cJSON *said; /* what the feeder brings at its end */
	int blob, news;     /* pull: the blob's file, and a pipe that tells when it has grown and ends when it is whole */
};
struct boss {
	int sock, tmp, input, spool;
	bool import, spooled;
	struct archive archive;
	struct layer_unpack unpack;
	char *what;
	struct job *jobs;
	size_t njobs, next, running, most;
	/* Writes the layer's uncompressed bytes to OUT, as a child that may enter a jail. */
	int (*feed)(struct boss *b, const struct job *j, int out, int sock, struct err *e);
};
/* Forks; 0 in the child, whose socket is in *ret_sock (-1 in the boss). */
int child_start(struct child *c, const char *role, int *ret_sock, struct err *e);
_Noreturn void child_end(int sock, int r, const struct cJSON *result, const struct err *e);
void child_kill(struct child *c);
/* One message of a child. RESULT (NULL) takes what it brings at its end. */
void child_hear(struct boss *b, struct child *c, struct cJSON **result);
/* j->dir is the name of the folder that is made. */
int job_start(struct boss *b, struct job *j, struct err *e);
/* Both children ended: the layer is whole and right, or why not. */
int job_result(struct boss *b, struct job *j, struct err *e);
void job_done(struct job *j);
