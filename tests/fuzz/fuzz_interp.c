/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "compose/interp.h"
#include <string.h>

/* A is set, E is empty, B has what would expand, all else is not set. */
static const char *lookup(void *arg, const char *name)
{
	(void)arg;
	return streq(name, "A") ? "value" : streq(name, "E") ? "" : streq(name, "B") ? "$A${A}$$" : NULL;
}

static void seen(void *arg, const char *name, char kind, const char *operand)
{
	size_t *n = arg;

	BUG_ON(!*name || !operand != !kind);
	++*n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_free) struct arena *a = arena_new();
	char *text = arena_strndup(a, (const char *)data, size);
	struct interp x = { .lookup = lookup, .arena = a };
	const char *out = NULL;
	size_t n = 0;
	AUTO_ERR(e);

	if (interp_text(&x, text, &out, &e) >= 0)
		BUG_ON(!strchr(text, '$') && out != text);
	interp_each(a, text, seen, &n);
	return 0;
}
