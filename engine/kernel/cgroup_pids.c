/* SPDX-License-Identifier: MIT */
#include "engine/kernel/cgroup.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include <errno.h>
#include <stdlib.h>

enum { PIDS_TEXT_MAX = 8 << 20 };

/* Where membership is kept: v2's directory where there is one (on hybrid hosts processes are born in it too), else any v1 hierarchy. */
static char *procs_file(const struct cgroup_layout *l, const char *path)
{
	const char *root = l->unified ? l->unified : l->nv1 ? l->v1[0].dir : NULL;

	return root ? xasprintf("%s/%s/cgroup.procs", root, path) : NULL;
}

int cgroup_pids(const char *path, pid_t **ret, size_t *ret_n, struct err *e)
{
	const struct cgroup_layout *l;
	auto_free char *text = NULL;
	auto_free pid_t *v = NULL;
	size_t n = 0, cap = 0;

	TRY(cgroup_layout(&l, e));
	auto_free char *file = procs_file(l, path);

	if (!file)
		return err_set(e, ENOENT, "no control groups are mounted");
	TRY(file_read(file, PIDS_TEXT_MAX, &text, NULL, e));
	for (char *p = text, *end; *p; p = end) {
		long pid = strtol(p, &end, 10);

		if (end == p)
			break;
		if (pid > 0) { /* 0: a process of a pid namespace that is not ours */
			xgrow(&v, n, &cap, sizeof *v);
			v[n++] = (pid_t)pid;
		}
		while (*end == '\n')
			end++;
	}
	*ret_n = n;
	*ret = TAKE(v);
	return 0;
}
