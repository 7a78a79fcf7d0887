/* SPDX-License-Identifier: MIT
 *
 * Profiles -> BPF, without loading anything: a small interpreter runs the program on made-up calls.
 */
#include "base/err.h"
#include "base/str.h"
#include "engine/kernel/caps.h"
#include "engine/kernel/seccomp.h"
#include "engine/kernel/seccomp_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cmocka.h>

#define ALLOW SECCOMP_RET_ALLOW
#define FAIL(e) (SECCOMP_RET_ERRNO | (e))

static uint32_t run(const struct sock_fprog *p, const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (unsigned i = 0; i < p->len; i++) {
		const struct sock_filter *f = &p->filter[i];
		bool yes;

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			memcpy(&a, (const char *)d + f->k, 4);
			continue;
		case BPF_RET:
			return f->k;
		case BPF_ALU:
			assert_int_equal(f->code, BPF_ALU | BPF_AND | BPF_K);
			a &= f->k;
			continue;
		case BPF_JMP:
			break;
		default:
			fail_msg("instruction %u has code %x", i, f->code);
		}
		switch (BPF_OP(f->code)) {
		case BPF_JA:
			i += f->k;
			continue;
		case BPF_JEQ:
			yes = a == f->k;
			break;
		case BPF_JGT:
			yes = a > f->k;
			break;
		default:
			assert_int_equal(BPF_OP(f->code), BPF_JGE);
			yes = a >= f->k;
		}
		i += yes ? f->jt : f->jf;
	}
	fail_msg("the program has no end");
	return 0;
}

static uint32_t call(const struct seccomp_filter *f, long nr, uint64_t arg0)
{
#if defined(__x86_64__)
	uint32_t arch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
	uint32_t arch = AUDIT_ARCH_AARCH64;
#else
	skip();
	uint32_t arch = 0;
#endif

	return run(&f->prog, &(struct seccomp_data){ .nr = (int)nr, .arch = arch, .args = { arg0 } });
}

static void test_default(void **state)
{
	static const struct {
		uint64_t caps; /* beside the default ones */
		long nr;
		uint64_t arg;
		uint32_t want;
	} rows[] = {
		{ 0, SYS_read, 0, ALLOW },
		{ 0, SYS_mount, 0, FAIL(EPERM) },
		{ CAP_BIT(21), SYS_mount, 0, ALLOW },
		{ 0, SYS_clone, 0x11, ALLOW },
		{ 0, SYS_clone, 0x10000000, FAIL(EPERM) }, /* CLONE_NEWUSER */
		{ 0, 435, 0, FAIL(ENOSYS) },               /* clone3: the C library falls back */
		{ CAP_BIT(21), 435, 0, ALLOW },
		{ 0, SYS_socket, 2, ALLOW },
		{ 0, SYS_socket, 38, FAIL(EPERM) },        /* AF_ALG */
		{ 0, SYS_socket, 39, ALLOW },
		{ 0, SYS_socket, 40, FAIL(EPERM) },        /* AF_VSOCK */
		{ 0, SYS_socket, 41, ALLOW },
		{ 0, SYS_personality, 0, ALLOW },
		{ 0, SYS_personality, 0xffffffff, ALLOW },
		{ 0, SYS_personality, 0x40000, FAIL(EPERM) },
		{ 0, SYS_keyctl, 0, FAIL(EPERM) },
		{ 0, SYS_ptrace, 0, ALLOW },
		{ 0, SYS_chroot, 0, ALLOW },
		{ 0, 462, 0, ALLOW },                      /* mseal, whatever libseccomp knows */
		{ 0, 466, 0, ALLOW },                      /* removexattrat */
		{ 0, 425, 0, FAIL(EPERM) },                /* io_uring_setup */
		{ 0, 467, 0, FAIL(ENOSYS) },
		{ 0, 9999, 0, FAIL(ENOSYS) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_DONE(seccomp_filter_done) struct seccomp_filter f = { 0 };
		AUTO_ERR(e);
		uint32_t got;

		if (seccomp_build(NULL, caps_default() | rows[i].caps, &f, &e) < 0)
			fail_msg("%s", err_text(&e));
		got = call(&f, rows[i].nr, rows[i].arg);
		if (got != rows[i].want)
			fail_msg("call %ld(%#llx): got %x, want %x", rows[i].nr, (unsigned long long)rows[i].arg, got, rows[i].want);
	}
}

static void test_profile(void **state)
{
	static const char text[] =
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
		"{\"names\":[\"mkdir\",\"mkdirat\",\"nosuchcall\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":13},"
		"{\"names\":[\"chmod\"],\"action\":\"SCMP_ACT_KILL_PROCESS\",\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
		"{\"index\":0,\"value\":16,\"op\":\"SCMP_CMP_EQ\"},{\"index\":0,\"value\":17,\"op\":\"SCMP_CMP_EQ\"}]}]}";
	AUTO_DONE(seccomp_filter_done) struct seccomp_filter f = { 0 };
	AUTO_ERR(e);

	(void)state;
	if (seccomp_build(text, caps_default(), &f, &e) < 0)
		fail_msg("%s", err_text(&e));
	assert_int_equal(call(&f, SYS_mkdirat, 0), FAIL(13));
	assert_int_equal(call(&f, SYS_fchmod, 0), ALLOW);
	assert_int_equal(call(&f, SYS_socket, 16), FAIL(EPERM));
	assert_int_equal(call(&f, SYS_socket, 17), FAIL(EPERM));
	assert_int_equal(call(&f, SYS_socket, 18), ALLOW);
	assert_int_equal(call(&f, 9999, 0), ALLOW);
}

static void test_refused(void **state)
{
	static const char *const rows[][2] = {
		{ "[]", "not an object" },
		{ "{}", "no action" },
		{ "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "'SCMP_ACT_NOTIFY' is not supported" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"X\"]}", "flag 'X'" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\","
		  "\"args\":[{\"index\":9,\"op\":\"SCMP_CMP_EQ\"}]}]}", "without a known op" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seccomp_filter f = { 0 };
		AUTO_ERR(e);

		assert_true(seccomp_build(rows[i][0], 0, &f, &e) < 0);
		if (!strstr(err_text(&e), rows[i][1]))
			fail_msg("%s", err_text(&e));
	}
}

static void test_file(void **state)
{
	AUTO_DONE(seccomp_filter_done) struct seccomp_filter f = { 0 }, g = { 0 };
	char dir[] = "/tmp/test_seccomp.XXXXXX", path[64];
	AUTO_ERR(e);
	AUTO_ERR(damaged);
	AUTO_ERR(open_to_all);
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.bpf", dir);
	assert_int_equal(seccomp_build(NULL, caps_default(), &f, &e), 0);
	assert_int_equal(seccomp_file_write(path, &f, &e), 0);
	assert_int_equal(seccomp_file_read(path, &g, &e), 0);
	assert_int_equal(f.prog.len, g.prog.len);
	assert_memory_equal(f.prog.filter, g.prog.filter, f.prog.len * sizeof(*f.prog.filter));

	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 100), 1);
	close(fd);
	assert_true(seccomp_file_read(path, &g, &damaged) == -EBADMSG);
	assert_int_equal(chmod(path, 0666), 0);
	assert_true(seccomp_file_read(path, &g, &open_to_all) == -EPERM);
	(void)unlink(path);
	(void)rmdir(dir);
}

static void test_key(void **state)
{
	char a[65], b[65];

	(void)state;
	seccomp_key(NULL, 1, a);
	seccomp_key(NULL, 2, b);
	assert_string_not_equal(a, b);
	seccomp_key("{}", 1, b);
	assert_string_not_equal(a, b);
	seccomp_key(NULL, 1, b);
	assert_string_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default), cmocka_unit_test(test_profile), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_file),    cmocka_unit_test(test_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
