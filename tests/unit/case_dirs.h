/* SPDX-License-Identifier: MIT
 *
 * tests/unit/case_dirs.h - folders of tests/cases as tests: one folder, one test
 */
#pragma once
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What came out against DIR/NAME; with UPDATE in the environment it is written there instead. */
static inline void case_compare(const char *dir, const char *name, const char *got)
{
	auto_free char *path = path_join(dir, name);
	auto_free char *want = NULL;
	AUTO_ERR(e);

	if (getenv("UPDATE")) {
		if (file_replace(path, got, strlen(got), 0644, false, &e) < 0)
			fail_msg("%s", err_text(&e));
		return;
	}
	if (file_read(path, 1 << 20, &want, NULL, &e) < 0)
		fail_msg("%s; came out:\n%s", err_text(&e), got);
	if (!streq(want, got))
		fail_msg("%s\n--- wanted\n%s--- got\n%s", dir, want, got);
}

static inline int case_order(const void *a, const void *b)
{
	return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

/* Runs FN with each folder of tests/cases/GROUP (or of CASES, an environment variable) as its state, ONLY that one where it is not NULL.
 * Returns main's exit status. */
static inline int case_dirs_run(const char *group, const char *only, CMUnitTestFunction fn)
{
	const char *src = getenv("srcdir"), *given = getenv("CASES");
	auto_free char *rel = given ? xstrdup(given) : xasprintf("%s/tests/cases/%s", src ? src : ".", group);
	struct CMUnitTest *tests = NULL;
	size_t n = 0, cap = 0;
	char root[PATH_MAX];
	struct dirent *ent;
	DIR *d = NULL;
	int r;

	if (!realpath(rel, root) || !(d = opendir(root))) {
		fprintf(stderr, "%s: not there\n", rel);
		return 1;
	}
	while ((ent = readdir(d)))
		if (ent->d_name[0] != '.' && (!only || streq(only, ent->d_name))) {
			xgrow(&tests, n, &cap, sizeof(*tests));
			tests[n++] = (struct CMUnitTest){ .name = xstrdup(ent->d_name), .test_func = fn,
							  .initial_state = path_join(root, ent->d_name) };
		}
	closedir(d);
	qsort(tests, n, sizeof(*tests), case_order);
	r = _cmocka_run_group_tests(group, tests, n, NULL, NULL);
	for (size_t i = 0; i < n; i++) {
		free((char *)tests[i].name);
		free(tests[i].initial_state);
	}
	free(tests);
	return r;
}
