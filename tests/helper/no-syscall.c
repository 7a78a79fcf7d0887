/* SPDX-License-Identifier: MIT
 *
 * tests/helper/no-syscall.c - no-syscall NAME,NAME… COMMAND…: runs COMMAND as on an older kernel, where these calls are ENOSYS
 */
#include "engine/kernel/sys.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static const struct {
	const char *name;
	int nr;
} calls[] = {
	{ "open_tree", SYS_open_tree }, { "move_mount", SYS_move_mount },   { "fsopen", SYS_fsopen },
	{ "fsmount", SYS_fsmount },     { "fsconfig", SYS_fsconfig },       { "mount_setattr", SYS_mount_setattr },
	{ "clone3", SYS_clone3 },       { "close_range", SYS_close_range }, { "openat2", SYS_openat2 },
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static int find(const char *name, size_t n)
{
	for (int i = 0; i < CALLS; i++)
		if (strlen(calls[i].name) == n && strncmp(calls[i].name, name, n) == 0)
			return calls[i].nr;
	return -1;
}

int main(int argc, char **argv)
{
	struct sock_filter f[2 * CALLS + 2];
	unsigned short n = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: no-syscall NAME[,NAME]... COMMAND...\n");
		return 2;
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (const char *p = argv[1]; *p; p += strcspn(p, ","), p += *p == ',') {
		int nr = find(p, strcspn(p, ","));

		if (nr < 0 || n + 3 > 2 * CALLS + 2) {
			fprintf(stderr, "no-syscall: '%s' is not known\n", p);
			return 2;
		}
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &(struct sock_fprog){ n, f }, 0, 0) < 0) {
		perror("no-syscall: seccomp");
		return 2;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
