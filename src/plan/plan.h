/* SPDX-License-Identifier: MIT
 *
 * plan/plan.h - project + observed + options -> the operations that lead from one to the other, each with its cause. Pure.
 *
 * Operations form a graph: `deps` names those that must have succeeded before. Besides, all of a lower phase come first, as with docker compose:
 * images, then whatever is made or replaced, then starts and waits. plan_text() prints the list that apply() runs.
 *
 *   plan_up        create or recreate what differs, start what does not run       plan_down     stop, remove containers, networks, …
 *   plan_pull      fetch images
 *   plan_services  stop, start, restart, kill, pause, unpause, rm of what is there
 *
 * A project by name alone (P NULL): order comes from labels, everything else from rows.
 */
#pragma once
#include "base/auto.h"
#include "base/map.h"
#include "base/strv.h"
#include "compose/project.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct observed;

enum op_kind {
	OP_IMAGE_PULL, OP_IMAGE_BUILD /* only shown: what is built is built before the plan is made */, OP_IMAGE_REMOVE,
	OP_NETWORK_CREATE, OP_NETWORK_REMOVE,
	OP_VOLUME_CREATE, OP_VOLUME_REMOVE,
	OP_CTR_CREATE, OP_CTR_RECREATE, OP_CTR_START, OP_CTR_STOP, OP_CTR_RESTART, OP_CTR_KILL, OP_CTR_PAUSE, OP_CTR_UNPAUSE, OP_CTR_REMOVE,
	OP_WAIT,
	OP_PROJECT_REMOVE,       /* what is kept of the project itself, when nothing else of it is left */
	OP_KINDS
};
enum op_phase { PHASE_IMAGE, PHASE_CLEAR /* networks and volumes that must go first */, PHASE_CREATE, PHASE_START, PHASE_LAST, PHASES };
enum op_condition { WAIT_STARTED /* running, or healthy where it has a check */, WAIT_HEALTHY, WAIT_COMPLETED };
enum { OP_NONE = -1 };

struct op_dep {
	int op;                      /* index of one that must have ended before */
	bool optional;               /* its failure is a warning for this one (required: false) */
};
struct op {
	int index;                   /* in plan->ops; printed as #index+1 */
	enum op_kind kind;
	enum op_phase phase;
	const char *name;            /* of the object: "p-web-1", "p_default", "nginx:1.25"; OP_WAIT: the service */
	const char *cause;           /* "no container", "environment, image", "orphan" */
	const struct service *service; /* NULL: not in the file */
	const char *service_name;    /* NULL: not of a service */
	int64_t number;
	const struct network *network;
	const struct volume *volume;
	int64_t network_id;          /* OP_NETWORK_REMOVE */
	const char *ctr;             /* id of the container that is there; of OP_CTR_RECREATE: the old one */
	int make;                    /* index of the operation that makes the container, OP_NONE: it is there (ctr) */
	enum op_condition condition; /* OP_WAIT */
	const char *signal;          /* OP_CTR_KILL */
	const char *platform;        /* OP_IMAGE_PULL, NULL: this machine's */
	bool optional;               /* OP_WAIT: only services wait that do not require it: its failure is a warning */
	bool volumes;                /* OP_CTR_REMOVE: anonymous volumes too */
	bool force;                  /* OP_CTR_REMOVE: also when it runs */
	bool oneoff;                 /* OP_CTR_CREATE: of `run` */
	struct op_dep *deps;
	size_t ndeps, deps_cap;
};
struct plan {
	struct arena *arena;         /* holds everything */
	const char *project;
	struct op *ops;
	size_t n, cap;
	struct strv kept;            /* containers that run and are left as they are: said, nothing is done */
	struct strv warnings;        /* "found orphan containers …": say before starting */
	int64_t stop_timeout_ns;     /* -1: each container's own */
	int64_t wait_timeout_ns;     /* 0: none */
	bool carry_on;               /* past a failure with all that does not depend on it (down, stop); else nothing more is begun */
	bool host;                   /* the host goes down, or has come up: what is wanted stays as it is */
};
void plan_free(struct plan *p);
DEFINE_AUTO(struct plan *, plan_free)

struct plan_scale {
	const char *service;
	int64_t n;
};
struct plan_options {
	const struct strv *services; /* named on the command line; NULL or empty: all */
	const struct plan_scale *scale;
	size_t nscale;
	const char *pull;            /* --pull, NULL: each service's policy */
	int64_t stop_timeout_ns;     /* -1 */
	int64_t wait_timeout_ns;     /* 0 */
	bool no_deps, force_recreate, no_recreate, always_recreate_deps, renew_anon_volumes, remove_orphans, ignore_orphans;
	bool no_start;               /* create only */
	bool wait;                   /* up --wait: running or healthy, all of them */
	/* down, rm */
	bool volumes;                /* -v */
	const char *rmi;             /* "all", "local", NULL */
	bool stop;                   /* rm -s */
	/* stop, start of the whole project because the host goes down, or has come up: one-off containers are stopped too; only those with
	 * these ids are started, in the order of things, but what they depend on does not keep them from it */
	bool host;
	const struct strv *ids;
	const char *signal;          /* kill */
	/* pull */
	bool include_deps, ignore_buildable, carry_on;
	bool only_due;               /* what up fetches before it plans: images that are here, and whose policy wants them looked after */
	bool pulled;                 /* up: that was done */
	bool build, no_build;        /* --build, --no-build */
	bool builds;                 /* what has to be built is in the plan too: to be shown, not to be carried out */
	/* run: this service gets one more container, made (not started) when what it depends on is up; its own ones are left alone */
	const char *oneoff, *oneoff_name;
};
#define PLAN_OPTIONS_INIT ((struct plan_options){ .stop_timeout_ns = -1 })

int plan_up(const struct project *p, const struct observed *o, const struct plan_options *opt, struct plan **ret, struct err *e);
/* Images of the services that are named; PHASE_IMAGE operations only. */
int plan_pull(const struct project *p, const struct observed *o, const struct plan_options *opt, struct plan **ret, struct err *e);
/* Just these, each by itself. */
struct plan *plan_pull_refs(const struct strv *refs, const char *platform);
int plan_down(const struct project *p, const struct observed *o, const struct plan_options *opt, struct plan **ret, struct err *e);
/* KIND: OP_CTR_STOP, _START, _RESTART, _KILL, _PAUSE, _UNPAUSE, _REMOVE (rm: stopped ones, with opt->stop all). P may be NULL. */
int plan_services(enum op_kind kind, const struct project *p, const struct observed *o, const struct plan_options *opt, struct plan **ret,
		  struct err *e);

/* "container", "create", "Creating", "Created" */
struct op_words {
	const char *object, *verb, *doing, *done;
};
const struct op_words *op_words(enum op_kind kind);
/* One line per operation: "#3 [1,2]  container p-web-1: create (no container)"; "nothing to do" when there is none. Caller frees. */
char *plan_text(const struct plan *p);
