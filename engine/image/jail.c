/* SPDX-License-Identifier: MIT */
#include "engine/image/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"

enum { NOBODY = 65534, FILES_MAX = 256, DATA_MAX = 1 << 30 };

#if defined __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#elif defined __riscv && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#elif defined __powerpc64__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCH AUDIT_ARCH_PPC64LE
#elif defined __s390x__
#define ARCH AUDIT_ARCH_S390X
#elif defined __loongarch64
#define ARCH AUDIT_ARCH_LOONGARCH64
#elif defined __arm__
#define ARCH AUDIT_ARCH_ARM
#elif defined __i386__
#define ARCH AUDIT_ARCH_I386
#else
#error "name this architecture's AUDIT_ARCH_ for seccomp(2)"
#endif

/* What reading, unpacking and reporting need; everything else is EPERM. No exec, no sockets made, no namespaces, no mounts, no ptrace, no signals. mmap,
 * mprotect and fcntl are looked at more closely below. */
static const int allowed[] = {
	SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_close, SYS_lseek, SYS_fstat, SYS_statx,
	SYS_openat, SYS_mkdirat, SYS_mknodat, SYS_symlinkat, SYS_linkat, SYS_unlinkat, SYS_fchown, SYS_fchownat, SYS_fchmod, SYS_fchmodat, SYS_utimensat,
	SYS_fsetxattr, SYS_fgetxattr, SYS_flistxattr, SYS_ftruncate, SYS_fallocate, SYS_readlinkat, SYS_getdents64, SYS_fadvise64, SYS_fstatfs, SYS_faccessat, SYS_umask, SYS_uname,
	SYS_sendmsg, SYS_sendto, SYS_recvmsg, SYS_ppoll, SYS_munmap, SYS_mremap, SYS_brk, SYS_madvise, SYS_futex, SYS_getrandom, SYS_clock_gettime,
	SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_sigaltstack, SYS_getpid, SYS_gettid,
	SYS_restart_syscall, SYS_sched_yield, SYS_sched_getaffinity,
#ifdef SYS_openat2
	SYS_openat2,
#endif
#ifdef SYS_newfstatat
	SYS_newfstatat,
#endif
#ifdef SYS_fstatat64
	SYS_fstatat64, SYS_fstat64, SYS__llseek, SYS_ftruncate64, SYS_fstatfs64,
#endif
#ifdef SYS_clock_gettime64
	SYS_clock_gettime64, SYS_utimensat_time64, SYS_futex_time64, SYS_ppoll_time64,
#endif
#ifdef SYS_poll
	SYS_poll,
#endif
#ifdef SYS_open
	SYS_open, SYS_stat, SYS_lstat, SYS_unlink, SYS_mkdir, SYS_readlink, SYS_access,
#endif
};

/* 32-bit systems have a second pair. */
#ifdef SYS_mmap2
#define SYS_MEMORY SYS_mmap2
#define SYS_DESCRIPTOR SYS_fcntl64
#else
#define SYS_MEMORY SYS_mmap
#define SYS_DESCRIPTOR SYS_fcntl
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)
#define DENY (SECCOMP_RET_ERRNO | EPERM)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOAD_ARG_LOW(i) LOAD(args[i])
#else
#define LOAD_ARG_LOW(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[i]) + 4)
#endif

static int filter_system_calls(struct err *e)
{
	struct sock_filter code[32 + 2 * ARRAY_LEN(allowed)];
	unsigned short n = 0;
	const struct sock_filter head[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		ANSWER(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		/* memory, but not memory that can be executed */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_MEMORY, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 2),
		LOAD_ARG_LOW(2),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 7, 6),
		/* descriptors, but not the signals that they can send */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_DESCRIPTOR, 0, 7),
		LOAD_ARG_LOW(1),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_DUPFD_CLOEXEC, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_GETFL, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_GETFD, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETFD, 0, 1),
		ANSWER(SECCOMP_RET_ALLOW),
		ANSWER(DENY),
	};

	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		code[n++] = head[i];
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], 0, 1);
		code[n++] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
	}
	code[n++] = (struct sock_filter)ANSWER(DENY);

	struct sock_fprog prog = { n, code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0)
		return err_sys(e, "seccomp");
	return 0;
}

static uint64_t caps_mask(enum jail_caps caps)
{
	uint64_t mask = 0;

	if (caps & JAIL_UNPACK)
		mask |= 1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_FSETID | 1ull << CAP_MKNOD |
			1ull << CAP_SETFCAP;
	if (caps & JAIL_READ)
		mask |= 1ull << CAP_DAC_READ_SEARCH;
	if ((caps & JAIL_LAYER) == JAIL_LAYER)
		mask |= 1ull << CAP_SYS_ADMIN;
	return mask;
}

/* Needs SETPCAP, so it comes before the ids change. Without it (EPERM) it is no loss: nothing is executed any more. */
static void drop_bounding(uint64_t mask)
{
	for (int cap = 0; cap <= 63; cap++)
		if (!(mask >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return; /* EINVAL: past the last one */
}

static int keep_caps(uint64_t mask, struct err *e)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return err_sys(e, "capget");
	for (unsigned i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(mask >> (32 * i)); /* what is not there cannot be kept */
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, data) < 0)
		return err_sys(e, "capset");
	return 0;
}

/* pivot_root(2) takes a mount point, so the folder is bound onto itself first. The working directory is the one descriptor that moves into a new
 * mount namespace, hence fchdir before unshare. */
static int change_root(const struct jail *j, struct err *e)
{
	if (fchdir(j->dir) < 0)
		return err_sys(e, "enter the working folder");
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) < 0) {
		if (errno != EPERM)
			return err_sys(e, "unshare");
		if (chroot(j->name) < 0 || chdir("/") < 0)
			return err_sys(e, "chroot");
		return 0;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount(j->name, j->name, NULL, MS_BIND, NULL) < 0)
		return err_sys(e, "bind mount");
	if (chdir(j->name) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, "pivot_root");
	return 0;
}

static bool is_kept(const struct jail *j, int fd)
{
	for (size_t i = 0; i < j->nfds; i++)
		if (j->fds[i] == fd)
			return true;
	return fd == STDERR_FILENO;
}

/* What is left of standard input and output reads and writes nothing; a file of the image's must not become number 0 or 1. */
static void close_others(const struct jail *j, int null)
{
	int last = STDERR_FILENO;

	for (size_t i = 0; i < j->nfds; i++)
		last = MAX(last, j->fds[i]);
	for (int fd = 0; fd <= last; fd++)
		if (fd < STDERR_FILENO && !is_kept(j, fd))
			(void)dup2(null, fd);
		else if (!is_kept(j, fd))
			close(fd);
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)last + 1, ~0u, 0) == 0)
		return;
#endif
	struct rlimit files = { 0 };

	getrlimit(RLIMIT_NOFILE, &files);
	for (int fd = last + 1; fd < (int)MIN(files.rlim_cur, 65536u); fd++)
		close(fd);
}

static int become_nobody(struct err *e)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(e, "prctl");
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return err_sys(e, "become nobody");
	return 0;
}

static void limit_resources(void)
{
	const struct rlimit none = { 0 }, files = { FILES_MAX, FILES_MAX };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)setrlimit(RLIMIT_NOFILE, &files);
#ifndef __SANITIZE_ADDRESS__
	const struct rlimit data = { DATA_MAX, DATA_MAX };

	(void)setrlimit(RLIMIT_DATA, &data);
#endif
}

int jail_enter(const struct jail *j, struct err *e)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC); /* closed with the others */

	if (null < 0)
		return err_sys(e, "open '/dev/null'");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "prctl");
	TRY(change_root(j, e));
	close_others(j, null);
	drop_bounding(caps_mask(j->caps));
	if (j->nobody)
		TRY(become_nobody(e));
	TRY(keep_caps(caps_mask(j->caps), e));
	/* Last of all: changing ids clears it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	limit_resources();
	return filter_system_calls(e);
}

int jail_close_others(const int *fds, size_t nfds, struct err *e)
{
	const struct jail j = { .fds = fds, .nfds = nfds };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return err_sys(e, "open '/dev/null'");
	close_others(&j, null);
	return 0;
}

/* What a process with network and resolver must not do either: become another program, look into others, build namespaces, load code into the kernel. */
static const int denied[] = {
	SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare,
	SYS_setns, SYS_bpf, SYS_perf_event_open, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_userfaultfd, SYS_kill, SYS_tkill, SYS_init_module,
	SYS_finit_module, SYS_kexec_load, SYS_personality,
#ifdef SYS_io_uring_setup
	SYS_io_uring_setup,
#endif
};

static int forbid_system_calls(struct err *e)
{
	struct sock_filter code[10 + 2 * ARRAY_LEN(denied)];
	unsigned short n = 0;

	code[n++] = (struct sock_filter)LOAD(arch);
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	code[n++] = (struct sock_filter)ANSWER(SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)LOAD(nr);
#ifdef __x86_64__
	/* the x32 numbers of the same calls */
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
	code[n++] = (struct sock_filter)ANSWER(DENY);
#endif
	for (size_t i = 0; i < ARRAY_LEN(denied); i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)denied[i], 0, 1);
		code[n++] = (struct sock_filter)ANSWER(DENY);
	}
	code[n++] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);

	struct sock_fprog prog = { n, code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0)
		return err_sys(e, "seccomp");
	return 0;
}

int jail_nobody(struct err *e)
{
	const struct rlimit none = { 0 };

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "prctl");
	drop_bounding(0);
	if (geteuid() == 0) /* a login is anybody's */
		TRY(become_nobody(e));
	TRY(keep_caps(0, e));
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	return forbid_system_calls(e);
}
