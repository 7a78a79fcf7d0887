/* SPDX-License-Identifier: MIT */
#include "engine/image/trees.h"

#include <errno.h>
#include <fcntl.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/image/ref.h"
#include "engine/image/tree.h"

char *tree_path(const struct dirs *d, const char *chain_id)
{
	return dirs_root(d, "images/trees/%s", digest_hex_part(chain_id));
}

int tree_record(const struct dirs *d, const char *chain_id, int dirfd, const char *name, char **ret_digest, struct err *e)
{
	auto_close int dir = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	auto_free char *to = tree_path(d, chain_id);
	char digest[DIGEST_TEXT];
	AUTO_STR(list, TREE_LIST_MAX);

	if (dir < 0)
		return err_sys(e, "open layer %.19s", chain_id);
	TRY(tree_list(dir, NULL, TREE_FULL, &list, e));
	digest_text(list.s, list.len, digest);
	TRY(file_replace(to, list.s, list.len, 0600, false, e));
	free(*ret_digest);
	*ret_digest = xstrdup(digest);
	return 0;
}
