/* SPDX-License-Identifier: MIT
 *
 * plan/observe.h - what there is of a project: rows, who lives, which images are here
 *
 * Reads rows only (and, with OBSERVE_ORDER, the depends_on labels in spec.json files): nothing is changed. A row whose process is gone counts as
 * exited whatever it says (kill -9 of everything, a boot); one that lives counts as running: the project's monitor adopts it.
 */
#pragma once
#include "base/auto.h"
#include "base/map.h"
#include "base/strv.h"
#include "state/container_store.h"
#include "state/network_store.h"
#include "state/volume_store.h"

struct db;
struct err;
struct project;

struct observed_dep {          /* from the label com.docker.compose.depends_on */
	char *service, *condition;
	bool restart;
};
struct observed_ctr {
	struct ctr_row row;    /* state corrected by who lives */
	int64_t *networks;     /* ids of the networks that its sandbox joins */
	size_t nnetworks;
	struct strv volumes;   /* names of the volumes it uses */
	struct observed_dep *deps;
	size_t ndeps;
};
struct observed {
	char *project;
	struct observed_ctr *ctrs; /* by service, one-off last, number */
	size_t nctrs;
	struct network_rows networks; /* the project's, and those the file names otherwise (external ones) */
	struct volume_rows volumes;
	struct map images;            /* reference as in the file -> id (char *); absent: not here */
	struct map image_checked;     /* reference -> int64_t *: when its registry was asked last (ns since the epoch); absent: never */
	int64_t now_ns;
};
enum { OBSERVE_ORDER = 1 };
/* P NULL: by the project's name alone. */
int observe(struct db *db, const char *project, const struct project *p, unsigned flags, struct observed **ret, struct err *e);
void observed_free(struct observed *o);
DEFINE_AUTO(struct observed *, observed_free)
bool observed_running(const struct observed_ctr *c); /* running, starting, restarting or paused */
const struct network_row *observed_network(const struct observed *o, const char *name);
const struct volume_row *observed_volume(const struct observed *o, const char *name);
