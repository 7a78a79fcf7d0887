/* SPDX-License-Identifier: MIT */
#include "engine/image/marker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

bool layer_folder_opaque(int fd)
{
	struct stat st;
	char v[2];

	return fstatat(fd, WH_OPAQUE, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	       (fgetxattr(fd, "trusted.overlay.opaque", v, sizeof(v)) == 1 && v[0] == 'y');
}
