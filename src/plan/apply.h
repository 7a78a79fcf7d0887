/* SPDX-License-Identifier: MIT
 *
 * plan/apply.h - runs a plan: what is ready runs, several at once, on the caller's loop; a failure skips what depends on it
 *
 * The caller owns loop and signals: apply_cancel() from a handler stops launching and ends waits; what is under way is finished or undone, then
 * apply_run() returns -ECANCELED. Rows are synced (db_sync) before apply_run() returns success.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>

struct db;
struct err;
struct loop;
struct op;
struct plan;
struct project;

enum apply_state { APPLY_BEGIN, APPLY_TEXT /* news of a long step */, APPLY_FIGURE /* a count of it that moves often: for terminals */, APPLY_DONE, APPLY_WARNING, APPLY_FAILED, APPLY_SKIPPED };
/* ID "Container p-web-1" as docker compose shows it. TEXT "Creating", "Created", "Waiting", "Healthy"; of a failure its text. */
typedef void apply_report(void *arg, const struct op *op, enum apply_state state, const char *id, const char *text);
struct apply_options {
	apply_report *report;  /* NULL: silent */
	void *arg;
	int parallel;          /* operations at once; <= 0: no limit */
	int layers;            /* of images, at once; <= 0: a default */
	bool renew_anon_volumes;
};
struct apply;
/* P may be NULL when the plan creates nothing. PLAN, DB, LOOP, P outlive it. */
struct apply *apply_new(struct db *db, struct loop *loop, const struct project *p, const struct plan *plan, const struct apply_options *o);
void apply_free(struct apply *a);
DEFINE_AUTO(struct apply *, apply_free)
/* Returns 0; the first failure in plan order (others are reported); -ECANCELED. */
int apply_run(struct apply *a, struct err *e);
void apply_cancel(struct apply *a);
/* Did the operation succeed? The id of the container that it made (NULL: none). */
bool apply_did(const struct apply *a, const struct op *op);
const char *apply_made(const struct apply *a, const struct op *op);
