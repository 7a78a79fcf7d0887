/* SPDX-License-Identifier: MIT
 *
 * tests/unit/scratch_store.h - a root, a run folder and a database below a new folder of /tmp, for one test
 */
#pragma once
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "state/db.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct store {
	char dir[64];
	struct dirs dirs;
	struct db *db;
};

static inline void store_open(struct store *s)
{
	auto_free char *root = NULL, *run = NULL;
	AUTO_ERR(e);

	snprintf(s->dir, sizeof(s->dir), "/tmp/gantry-unit-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	root = xasprintf("%s/root", s->dir);
	run = xasprintf("%s/run", s->dir);
	dirs_init(&s->dirs, root, run);
	if (dirs_prepare(&s->dirs, &e) < 0 || db_open(&s->dirs, 0, &s->db, &e) < 0)
		fail_msg("%s", err_text(&e));
}

static inline void store_close(struct store *s)
{
	AUTO_ERR(e);

	db_close(s->db);
	dirs_done(&s->dirs);
	assert_int_equal(file_remove_tree_path(s->dir, &e), 0);
}
