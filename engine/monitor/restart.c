/* SPDX-License-Identifier: MIT */
#include "engine/monitor/restart.h"

static const int64_t second = 1000000000, first_delay = 100000000;

bool restart_decide(const struct restart_spec *spec, struct restart_state *s, const struct restart_end *end, int64_t *ret_delay_ns)
{
	int64_t success = spec->window_ns >= 0 ? spec->window_ns : 10 * second;

	if (end->stopped || spec->policy == RESTART_NO)
		return false;
	if (end->ran_ns >= success) {
		s->delay_ns = 0;
		if (spec->window_ns >= 0)
			s->attempts = 0;
	}
	if (spec->policy == RESTART_ON_FAILURE) {
		if (end->exit_known && end->exit_code == 0)
			return false;
		if (spec->max_retries > 0 && s->attempts >= spec->max_retries)
			return false;
	}
	if (spec->delay_ns >= 0)
		s->delay_ns = spec->delay_ns;
	else
		s->delay_ns = s->delay_ns == 0 ? first_delay : MIN(s->delay_ns * 2, 60 * second);
	s->count++;
	s->attempts++;
	*ret_delay_ns = s->delay_ns;
	return true;
}

bool restart_after_boot(const struct restart_spec *spec, const struct restart_past *past)
{
	if (!past->started)
		return false;
	switch (spec->policy) {
	case RESTART_ALWAYS:
		return true;
	case RESTART_UNLESS_STOPPED:
		return !past->stopped;
	case RESTART_ON_FAILURE:
		return (!past->exit_known || past->exit_code != 0) && (spec->max_retries <= 0 || past->count < spec->max_retries);
	default:
		return false;
	}
}
