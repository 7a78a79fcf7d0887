/* SPDX-License-Identifier: MIT */
#include "engine/container/init_program.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include <errno.h>

int init_program(char **ret, struct err *e)
{
	static const char *const paths[] = {
		"/usr/bin/tini-static", "/usr/libexec/docker/docker-init", "/usr/bin/docker-init", "/usr/sbin/docker-init",
		"/usr/libexec/podman/catatonit",
	};
	AUTO_ERR(missing);

	if (dirs_program("gantry-init", ret, &missing) >= 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (access(paths[i], X_OK) == 0) {
			*ret = xstrdup(paths[i]);
			return 0;
		}
	err_set(e, ENOENT, "init: no init program for containers on this host");
	err_hint(e, "install the package tini (for %s)", paths[0]);
	return -ENOENT;
}
