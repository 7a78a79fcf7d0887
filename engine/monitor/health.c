/* SPDX-License-Identifier: MIT */
#include "engine/monitor/health.h"
#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include <string.h>

static const int64_t second = 1000000000;

static int64_t or_default(int64_t ns, int64_t dflt)
{
	return ns > 0 ? ns : dflt;
}
bool health_wanted(const struct health_spec *spec)
{
	return spec->test.n > 0 && !streq(spec->test.v[0], "NONE");
}
void health_begin(struct health *h, const struct health_spec *spec)
{
	health_done(h);
	h->status = health_wanted(spec) ? HEALTH_STARTING : HEALTH_NONE;
}
void health_done(struct health *h)
{
	for (size_t i = 0; i < h->nkept; i++)
		free(h->kept[i].output);
	memset(h, 0, sizeof(*h));
}
int64_t health_timeout(const struct health_spec *spec)
{
	return or_default(spec->timeout_ns, 30 * second);
}
int64_t health_pause(const struct health *h, const struct health_spec *spec, int64_t running_ns)
{
	if (h->status == HEALTH_STARTING && running_ns < spec->start_period_ns)
		return or_default(spec->start_interval_ns, 5 * second);
	return or_default(spec->interval_ns, 30 * second);
}

static void keep(struct health *h, const struct health_result *r)
{
	if (h->nkept == HEALTH_KEPT) {
		free(h->kept[0].output);
		memmove(&h->kept[0], &h->kept[1], (HEALTH_KEPT - 1) * sizeof(h->kept[0]));
		h->nkept--;
	}
	h->kept[h->nkept++] = *r;
}
int health_take(struct health *h, const struct health_spec *spec, int64_t started_ns, const struct health_result *r)
{
	enum ctr_health before = h->status;
	int64_t retries = spec->retries > 0 ? spec->retries : 3;
	bool first = h->nkept == 0;

	keep(h, r);
	if (r->code == 0) {
		h->streak = 0;
		h->status = HEALTH_HEALTHY;
	} else if (h->status != HEALTH_STARTING || r->start_ns - started_ns >= spec->start_period_ns) {
		if (++h->streak >= retries)
			h->status = HEALTH_UNHEALTHY;
	}
	if (h->status == before && !first && r->code == h->told_code)
		return 0;
	h->told_code = r->code;
	return h->status != before ? HEALTH_STATUS : HEALTH_LOG;
}
char *health_json(const struct health *h)
{
	AUTO(json_free) struct cJSON *a = json_array();

	for (size_t i = 0; i < h->nkept; i++) {
		struct cJSON *o = json_add_object(a, NULL);
		char text[TIME_TEXT];

		json_add_str(o, "Start", time_rfc3339(h->kept[i].start_ns, text));
		json_add_str(o, "End", time_rfc3339(h->kept[i].end_ns, text));
		json_add_int(o, "ExitCode", h->kept[i].code);
		json_add_str(o, "Output", str0(h->kept[i].output));
	}
	return json_text(a, false);
}
void health_argv(const struct health_spec *spec, struct strv *ret)
{
	if (spec->test.n > 1 && streq(spec->test.v[0], "CMD-SHELL")) {
		strv_add(ret, "/bin/sh");
		strv_add(ret, "-c");
		strv_add(ret, spec->test.v[1]);
	} else {
		for (size_t i = 1; i < spec->test.n; i++)
			strv_add(ret, spec->test.v[i]);
	}
}
