/* SPDX-License-Identifier: MIT
 *
 * cli/attach_ctr.h - this terminal <-> the first process of a container, through its monitor (`run`, `attach`)
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct app;
struct ctr_row;
struct err;
struct attach_ctr {
	struct app *app;
	const struct ctr_row *ctr;
	bool tty;                /* it has a terminal */
	bool with_stdin;
	bool start;              /* start it once attached, so that no byte is missed */
	bool proxy;              /* signals go to it; the third SIGINT or SIGTERM kills it */
	const char *detach_keys; /* NULL: none */
};
/* ATTACH_ENDED with its exit code, or ATTACH_DETACHED. A failed start is its error. Survives the monitor's death. */
int attach_container(const struct attach_ctr *x, int *ret_code, struct err *e);
