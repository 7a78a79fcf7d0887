/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include "base/err.h"
#include <errno.h>
#include <fts.h>
#include <sys/stat.h>

int file_tree_size(const char *path, uint64_t *ret, struct err *e)
{
	char *const paths[] = { (char *)path, NULL };
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	uint64_t sum = 0;
	FTSENT *f;

	if (!walk)
		return errno == ENOENT ? 1 : err_sys(e, "read '%s'", path);
	while ((f = fts_read(walk)))
		if (f->fts_info == FTS_F)
			sum += (uint64_t)f->fts_statp->st_size / (f->fts_statp->st_nlink ? f->fts_statp->st_nlink : 1);
	fts_close(walk);
	*ret = sum;
	return 0;
}
