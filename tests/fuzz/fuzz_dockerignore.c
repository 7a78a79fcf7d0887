/* SPDX-License-Identifier: MIT
 *
 * fuzz_dockerignore: the first line is a path, the rest patterns
 */
#include "tests/fuzz/fuzz.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/build/glob.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	char *end = strchr(text, '\n');
	AUTO(ignore_free) struct ignore *g = NULL;
	AUTO_ERR(e);
	AUTO_ERR(bad);

	if (!end || size > 4096)
		return 0;
	*end = '\0';
	if (ignore_parse(end + 1, strlen(end + 1), &g, &e) >= 0)
		(void)ignore_has(g, text);
	if (glob_check(end + 1, &bad) >= 0)
		(void)glob_match(end + 1, text);
	return 0;
}
