/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "compose/dotenv.h"
#include <string.h>

static const char *lookup(void *arg, const char *name)
{
	(void)arg;
	return streq(name, "OS") ? "os" : NULL;
}

static void parse(struct arena *a, const char *text, size_t size, enum dotenv_format format)
{
	struct dotenv_env env = { .lookup = lookup };
	struct dotenv_vars vars;
	AUTO_ERR(e);

	if (dotenv_parse(a, text, size, format, &env, &vars, &e) < 0)
		return;
	for (size_t i = 0; i < vars.n; i++)
		for (size_t k = 0; k < i && vars.n < 100; k++)
			BUG_ON(streq(vars.v[i].name, vars.v[k].name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_free) struct arena *a = arena_new();
	char *text = arena_alloc(a, size + 1);

	memcpy(text, data, size);
	parse(a, text, size, DOTENV);
	parse(a, text, size, DOTENV_RAW);
	return 0;
}
