/* SPDX-License-Identifier: MIT
 *
 * A whole file through the whole pipeline: load, print as JSON and YAML, load what was printed. With GANTRY_FUZZ_AGAIN in the
 * environment it must be the same then (docker compose's own output is not always, and ours is like it).
 */
#include "tests/fuzz/fuzz.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "compose/emit.h"
#include "compose/load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OUT_MAX = 64 << 20 };

/* Every `$` that is printed is doubled, those of keys too, which loading leaves alone: as docker compose has it. */
static bool has_dollar_key(const struct node *n)
{
	for (size_t i = 0; i < n->n; i++)
		if ((n->kind == NODE_MAP && strchr(n->keys[i]->text, '$')) || has_dollar_key(n->items[i]))
			return true;
	return false;
}

/* The project as YAML and JSON; false: the file is wrong, or it would not come back the same. */
static bool load(const void *text, size_t size, bool twice, char **ret_yaml, struct err *e)
{
	static char home[] = "HOME=/root", tag[] = "TAG=1", empty[] = "EMPTY=";
	static char *const vars[] = { home, tag, empty, NULL };
	auto_close int fd = memfd_create("compose", MFD_CLOEXEC);
	auto_free char *path = xasprintf("/proc/self/fd/%d", fd);
	AUTO(arena_free) struct arena *a = arena_new();
	struct load_opts o = { .project_name = "test", .project_dir = "/nowhere", .cwd = "/nowhere", .environ = vars };
	struct notes notes = { 0 };
	struct project *p = NULL;
	AUTO_STR(yaml, OUT_MAX);
	AUTO_STR(json, OUT_MAX);
	int r;

	o.no_env_resolution = twice; /* what was printed has no env_file any more */
	if (fd_write_all(fd, text, size, e) < 0)
		return false;
	strv_add(&o.files, path);
	r = compose_load(&o, a, &notes, &p, e);
	strv_done(&o.files);
	if (r < 0)
		return false;
	emit_project(p, EMIT_JSON, true, &json);
	emit_project(p, EMIT_YAML, true, &yaml);
	*ret_yaml = str_take(&yaml);
	return twice || !has_dollar_key(p->tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *first = NULL;
	auto_free char *second = NULL;
	AUTO_ERR(e);
	AUTO_ERR(e2);

	if (!load(data, size, false, &first, &e) || !first)
		return 0;
	if (!load(first, strlen(first), true, &second, &e2) && getenv("GANTRY_FUZZ_AGAIN")) {
		fprintf(stderr, "printed:\n%s\n%s\n", first, err_text(&e2));
		abort();
	}
	if (getenv("GANTRY_FUZZ_AGAIN") && !streq(first, second)) {
		fprintf(stderr, "first:\n%s\nsecond:\n%s\n", first, second);
		abort();
	}
	return 0;
}
