/* SPDX-License-Identifier: MIT
 *
 * gantry-dns parses what containers send it, so it keeps nothing worth having: nobody's ids, no capabilities, an empty network namespace (every
 * socket is handed to it), and the few system calls below. No file can be opened, nothing executed, no socket made.
 */
#include "net/dns_main.h"
#include "base/auto.h"
#include "base/err.h"
#include "base/log.h"
#include "net/dns_server.h"
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOBODY = 65534 };

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#elif defined(__i386__)
#define ARCH AUDIT_ARCH_I386
#elif defined(__arm__)
#define ARCH AUDIT_ARCH_ARM
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCH AUDIT_ARCH_S390X
#endif

/* Loop, sockets that are there already, memory, clocks, the end. */
static const int allowed[] = {
	SYS_epoll_ctl, SYS_epoll_pwait, SYS_timerfd_settime, SYS_read, SYS_write, SYS_writev, SYS_close, SYS_sendto, SYS_recvfrom, SYS_sendmsg,
	SYS_recvmsg, SYS_accept4, SYS_shutdown, SYS_getrandom, SYS_clock_gettime, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise,
	SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit_group, SYS_exit, SYS_gettid, SYS_getpid, SYS_tgkill, SYS_rt_sigprocmask, SYS_fcntl,
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
#ifdef SYS_epoll_pwait2
	SYS_epoll_pwait2,
#endif
#ifdef SYS_clock_gettime64
	SYS_clock_gettime64, SYS_timerfd_settime64, SYS_fcntl64, SYS_mmap2,
#endif
};

static int filter(struct err *e)
{
#ifdef ARCH
	enum { HEAD = 4 };
	struct sock_filter f[HEAD + 2 * ARRAY_LEN(allowed) + 1] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog prog = { .len = ARRAY_LEN(f), .filter = f };
	size_t n = HEAD;

	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], 0, 1);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	f[n] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		return err_sys(e, "seccomp filter");
#endif
	return 0;
}

static int drop(struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(e, "network namespace");
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return err_sys(e, "become nobody");
	if (syscall(SYS_capset, &head, none) < 0)
		return err_sys(e, "drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "prctl");
	return 0;
}

static int serve(int fd, struct err *e)
{
	AUTO(loop_free) struct loop *l = NULL;
	struct rlimit files = { 8192, 8192 };
	struct dns_server *s;
	int r;

	(void)setrlimit(RLIMIT_NOFILE, &files); /* a lower hard limit stays */
	TRY(drop(e));
	l = loop_new(e);
	if (!l)
		return -EMFILE;
	TRY(dns_server_new(l, fd, &s, e));
	TRY(filter(e));
	r = loop_run(l);
	dns_server_free(s);
	return r < 0 ? err_code(e, -r, "loop") : 0;
}

int dns_main(int fd)
{
	AUTO_ERR(e);

	if (serve(fd, &e) >= 0)
		return 0;
	log_err(&e);
	return 1;
}
