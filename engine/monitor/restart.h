/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/restart.h - restart policies: whether, and after how long. Pure.
 *
 * As docker: after 100 ms, doubled each time up to 60 s; a run of 10 s or more begins anew. deploy.restart_policy's `delay` is a fixed
 * pause instead, and its `window` says how long a run must be to count as a success, which also gives back its attempts.
 */
#pragma once
#include "engine/container/spec.h"

struct restart_state {
	int64_t delay_ns; /* the pause before the last restart, 0: none yet */
	int64_t count;    /* restarts so far, since the user started it */
	int64_t attempts; /* of these, the ones that count for max_retries */
};
struct restart_end {
	int64_t exit_code;
	bool exit_known;  /* false: nobody could tell; counts as a failure */
	int64_t ran_ns;   /* how long it ran */
	bool stopped;     /* the user stopped or killed it */
};
/* What is known of a container that does not run when the host has come up. */
struct restart_past {
	bool started;     /* it ran at least once, or was meant to */
	bool stopped;     /* the user stopped or killed it; the end of the host is not that */
	int64_t exit_code, count;
	bool exit_known;  /* false: it ended with the host, or nobody could tell; counts as a failure */
};
/* Does it run again after a boot? As docker when its daemon starts (seen with 26.1): always in any case, unless-stopped unless the user stopped it,
 * on-failure when it ended with another status than 0, whoever ended it, and has attempts left; `no` and what never ran stay. */
bool restart_after_boot(const struct restart_spec *spec, const struct restart_past *past);
/* True: start again after *RET_DELAY_NS; the state has counted it. */
bool restart_decide(const struct restart_spec *spec, struct restart_state *s, const struct restart_end *end, int64_t *ret_delay_ns);
