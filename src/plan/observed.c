/* SPDX-License-Identifier: MIT
 *
 * The observed state as data: what plan.c needs of it, without the database.
 */
#include "plan/observe.h"
#include "base/alloc.h"
#include "base/str.h"

static void ctr_done(struct observed_ctr *c)
{
	ctr_row_done(&c->row);
	free(c->networks);
	strv_done(&c->volumes);
	for (size_t i = 0; i < c->ndeps; i++) {
		free(c->deps[i].service);
		free(c->deps[i].condition);
	}
	free(c->deps);
}

void observed_free(struct observed *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->nctrs; i++)
		ctr_done(&o->ctrs[i]);
	free(o->ctrs);
	free(o->project);
	network_rows_done(&o->networks);
	volume_rows_done(&o->volumes);
	map_done(&o->images);
	map_done(&o->image_checked);
	free(o);
}

bool observed_running(const struct observed_ctr *c)
{
	return ctr_state_live(c->row.state);
}

const struct network_row *observed_network(const struct observed *o, const char *name)
{
	for (size_t i = 0; i < o->networks.n; i++)
		if (streq(o->networks.v[i].name, name))
			return &o->networks.v[i];
	return NULL;
}

const struct volume_row *observed_volume(const struct observed *o, const char *name)
{
	for (size_t i = 0; i < o->volumes.n; i++)
		if (streq(o->volumes.v[i].name, name))
			return &o->volumes.v[i];
	return NULL;
}
