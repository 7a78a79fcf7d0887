/* SPDX-License-Identifier: MIT
 *
 * cli/each.h - the same request to the monitors of several containers at once, with progress
 */
#pragma once
#include "base/auto.h"

struct app;
struct cJSON;
struct ctr_row;
struct ctr_rows;
struct err;
struct each {
	const char *op;              /* "kill" */
	const char *doing, *done;    /* "Killing", "Killed" */
	const char *signal;          /* "kill": the signal, NULL */
	const char *none;            /* said when no container is meant, NULL: nothing */
	/* Which containers are meant, NULL: all. */
	int (*wants)(const struct ctr_row *c);
};
/* Carries on past a failure; the first error is returned. */
int each_container(struct app *app, const struct ctr_rows *rows, const struct each *x, struct err *e);
