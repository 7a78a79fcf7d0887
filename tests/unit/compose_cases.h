/* SPDX-License-Identifier: MIT
 *
 * tests/unit/compose_cases.h - recorded cases (one JSON object a line) of ../shared/data, when that folder is there
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>

/* Path of NAME below the recorded data; caller frees. */
static inline char *case_path(const char *name)
{
	const char *src = getenv("srcdir"), *shared = getenv("GANTRY_SHARED");

	return shared ? xasprintf("%s/data/%s", shared, name) :
			xasprintf("%s/../shared/data/%s", src ? src : ".", name);
}

/* Calls FN for each line of NAME; says that they are skipped when the file is not there. */
static inline void each_case(const char *name, void (*fn)(const struct cJSON *c))
{
	auto_free char *path = case_path(name);
	auto_free char *text = NULL;
	size_t n = 0;
	AUTO_ERR(e);

	if (!file_exists(path)) {
		print_message("skipped: no %s\n", path);
		if (getenv("GANTRY_TEST_STRICT"))
			fail_msg("%s is missing", path);
		return;
	}
	if (file_read(path, 64 << 20, &text, NULL, &e) < 0)
		fail_msg("%s", err_text(&e));
	for (char *line = text, *nl; *line; line = nl + 1) {
		AUTO(json_free) struct cJSON *c = NULL;

		nl = strchr(line, '\n');
		if (!nl)
			break;
		*nl = '\0';
		if (strstr(line, "\\u0000")) /* no C string holds it, and our JSON refuses it */
			continue;
		if (json_parse(line, strlen(line), name, &c, &e) < 0)
			fail_msg("%s", err_text(&e));
		fn(c);
		n++;
	}
	print_message("%s: %zu cases\n", name, n);
}
