/* SPDX-License-Identifier: MIT
 *
 * cli/output.h - where an archive goes: standard output, or the file of `-o`
 */
#pragma once

struct err;
struct output {
	int fd;     /* to write to; not the caller's to close */
	char *path; /* under what name it will be there; NULL: nothing to rename */
	char *part; /* and under what name it is until then */
};
#define OUTPUT_INIT ((struct output){ .fd = -1 })

/* PATH NULL: standard output, which may not be a terminal. A pipe or device is written in place; a file is made beside PATH and is there under its name
 * only when it is whole (output_end). */
int output_open(const char *path, struct output *ret, struct err *e);
/* R: how the writing ended. 0: the file is synced and takes its name. Else it goes. Returns R or why the file is not there. */
int output_end(struct output *o, int r, struct err *e);
void output_free(struct output *o); /* closes; a file that has not taken its name goes */
