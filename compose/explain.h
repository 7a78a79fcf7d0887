/* SPDX-License-Identifier: MIT
 *
 * compose/explain.h - where a value of the project, or a variable, came from; and what it replaced (`config --explain`)
 *
 * Reads what a load with a trace (trace.h) left: positions of nodes, and the trace. Nothing is loaded a second time, but for the
 * env files of a service, of which the project keeps the values alone.
 */
#pragma once
#include "base/auto.h"
#include "compose/node.h"
#include "compose/trace.h"
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;
struct project;

/* Where something stands. PATH NULL: in no file (shell, default). */
struct explain_place {
	enum trace_layer layer;
	const char *path;
	int line, col;
	const char *detail;        /* "of service 'base', which extends 'root'"; NULL: nothing to add */
	const char *source;        /* of the value itself: the source line; NULL: none */
};
struct explain_value {
	struct explain_place at;
	const struct node *value;
};
struct explain_variable {
	const char *name;
	const char *value;         /* NULL: not set */
	const char *fallback;      /* default that was used, NULL: none was */
	const char *alternate;     /* of ${X:+alternate} */
	struct explain_place at;   /* meaningless unless it is set */
};
struct explain_use {
	struct explain_place at;
	const char *text;
};
struct explanation {
	const char *path;
	const struct node *value;  /* NULL: a variable that is not set */
	bool variable;             /* PATH is one */
	bool printed;              /* false: `config` leaves it out (a profile, or it was used up: env_file, extends) */
	struct explain_place at;
	const char *text;          /* as written, with its variables; NULL: no variables */
	TRACE_LIST(struct explain_variable) variables;
	TRACE_LIST(struct explain_value) overrode; /* from the latest to the first */
	TRACE_LIST(struct explain_place) parts;    /* of a mapping or list: the first place in each other file */
	TRACE_LIST(struct explain_use) uses;       /* of a variable */
};

/* PATH: "services.web.ports[0]", keys with dots as they are or in ["…"], "${TAG}", "TAG". P was loaded with TRACE. Everything lives in
 * P's arena. -ENOENT with the nearest name: there is no such thing. */
int explain(const struct project *p, const struct trace *trace, const char *path, struct explanation *ret, struct err *e);
