/* SPDX-License-Identifier: MIT */
#include "engine/kernel/selfexe.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "engine/kernel/mount.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

extern char **environ;

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

bool selfexe_is_protected(void)
{
	auto_close int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct statvfs st;

	if (fd < 0)
		return false;
	if (fcntl(fd, F_GET_SEALS) >= 0)
		return (fcntl(fd, F_GET_SEALS) & SEALS) == SEALS;
	return fstatvfs(fd, &st) == 0 && (st.f_flag & ST_RDONLY);
}

static int sealed_copy(int from, struct err *e)
{
	auto_close int fd = memfd_create("gantry", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	struct stat st;
	off_t done = 0;

	if (fd < 0 && errno == EINVAL) /* before 6.3 there is no MFD_EXEC, and it is not needed */
		fd = memfd_create("gantry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || fstat(from, &st) < 0)
		return err_sys(e, "make a sealed copy of the program");
	while (done < st.st_size) {
		ssize_t n = sendfile(fd, from, &done, (size_t)(st.st_size - done));

		if (n <= 0)
			return err_sys(e, "make a sealed copy of the program");
	}
	if (fchmod(fd, 0500) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return err_sys(e, "seal the copy of the program");
	/* a writable descriptor on it would be ETXTBSY at exec */
	char path[MOUNT_FD_PATH];
	int ro = open(mount_fd_path(fd, path), O_RDONLY | O_CLOEXEC);

	return ro < 0 ? err_sys(e, "open the sealed copy of the program") : ro;
}

int selfexe_open(const char *path, struct err *e)
{
	auto_close int file = open(path, O_RDONLY | O_CLOEXEC);
	auto_close int tree = -1;
	int r;

	if (file < 0)
		return err_sys(e, "open '%s'", path);
	tree = mount_clone(file, false);
	if (tree >= 0) {
		r = mount_set(tree, ATTR_RDONLY, 0, MS_PRIVATE, false);
		if (r >= 0)
			return TAKE_FD(tree);
		close(tree);
		tree = -1;
	} else {
		r = tree;
	}
	log_debug("no read-only clone of '%s' (%s): sealed copy", path, strerror(-r));
	return sealed_copy(file, e);
}

/* The clone has no folder: what lies beside the program is found through GANTRY_LIBEXEC (base/dirs.h). */
static void remember_folder(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	auto_free char *dir = NULL;

	if (n <= 0)
		return;
	self[n] = '\0';
	dir = path_parent(self);
	(void)setenv("GANTRY_LIBEXEC", dir, 0);
}

int selfexe_protect(char *const *argv, struct err *e)
{
	auto_close int fd = -1;
	char path[MOUNT_FD_PATH];

	if (selfexe_is_protected()) {
		/* the kernel named us after the descriptor */
		(void)prctl(PR_SET_NAME, argv[0] ? path_base(argv[0]) : "gantry");
		return 0;
	}
	fd = selfexe_open("/proc/self/exe", e);
	if (fd < 0)
		return fd;
	remember_folder();
	execve(mount_fd_path(fd, path), argv, environ);
	return err_sys(e, "run a protected copy of this program");
}
