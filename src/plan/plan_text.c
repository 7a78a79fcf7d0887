/* SPDX-License-Identifier: MIT */
#include "plan/plan.h"
#include "base/str.h"

enum { TEXT_MAX = 16 << 20 };

static void add_deps(struct str *out, const struct op *op)
{
	if (op->ndeps == 0)
		return;
	str_add(out, " [");
	for (size_t i = 0; i < op->ndeps; i++)
		str_addf(out, "%s%d%s", i ? "," : "", op->deps[i].op + 1, op->deps[i].optional ? "?" : "");
	str_addc(out, ']');
}

char *plan_text(const struct plan *p)
{
	struct str out = STR_INIT(TEXT_MAX);

	for (size_t i = 0; i < p->n; i++) {
		const struct op *op = &p->ops[i];
		const struct op_words *w = op_words(op->kind);

		str_addf(&out, "#%zu", i + 1);
		add_deps(&out, op);
		str_addf(&out, " %s %s: %s (%s)\n", w->object, op->name, w->verb, op->cause);
	}
	if (p->n == 0)
		str_add(&out, "nothing to do\n");
	return str_take(&out);
}
