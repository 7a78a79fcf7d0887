/* SPDX-License-Identifier: MIT */
#include "cli/filters.h"

#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static int kind_of(const struct filters *f, const char *text, size_t len)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->known & 1U << i && strlen(f->keys[i]) == len && memcmp(f->keys[i], text, len) == 0)
			return (int)i;
	return -1;
}

int filters_pass(const struct filters *f, const struct strv *given, struct db *db, const void *object, struct err *e)
{
	unsigned asked = 0, met = 0;
	bool labels = true;

	for (size_t i = 0; i < given->n; i++) {
		const char *text = given->v[i], *eq = strchr(text, '=');
		int kind = eq ? kind_of(f, text, (size_t)(eq - text)) : -1, r;

		if (kind < 0)
			return err_set(e, EINVAL, "invalid filter '%s'", text);
		TRY(r = f->one(db, object, kind, eq + 1, e));
		labels = labels && (r || kind != f->label);
		asked |= 1U << kind;
		met |= r ? 1U << kind : 0;
	}
	return labels && asked == met; /* all of GIVEN were looked at: a wrong one is told wherever it stands */
}

int filters_check(const struct filters *f, const struct strv *given, struct db *db, struct err *e)
{
	return MIN(filters_pass(f, given, db, f->none, e), 0);
}
