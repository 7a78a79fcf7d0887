/* SPDX-License-Identifier: MIT
 *
 * limits -> files, and device rules -> program; nothing here touches a cgroup
 */
#include "base/err.h"
#include "base/str.h"
#include "engine/kernel/cgroup.h"
#include "engine/kernel/device.h"

#include <errno.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char *text_of(bool v2, const struct cgroup_limits *l, struct err *e)
{
	AUTO_DONE(cgroup_files_done) struct cgroup_files f = { 0 };
	AUTO_STR(b, 65536);

	if (cgroup_limits_files(v2, l, &f, e) < 0)
		return NULL;
	for (size_t i = 0; i < f.n; i++)
		str_addf(&b, "%s=%s%s;", f.v[i].name, f.v[i].text ? f.v[i].text : f.v[i].value, f.v[i].optional ? "?" : "");
	return str_take(&b);
}

static void check(bool v2, struct cgroup_limits l, const char *want)
{
	AUTO_ERR(e);
	auto_free char *got = text_of(v2, &l, &e);

	if (!got)
		fail_msg("%s", err_text(&e));
	assert_string_equal(got, want);
}

#define LIMITS(...) ({ struct cgroup_limits l_ = CGROUP_LIMITS_NONE; __VA_ARGS__; l_; })

static void test_v1(void **state)
{
	static const struct cgroup_io io[] = { { 8, 0, 1048576 }, { 8, 16, 5 } };

	(void)state;
	check(false, CGROUP_LIMITS_NONE, "");
	check(false, LIMITS(l_.memory = 64 << 20),
	      "memory.limit_in_bytes=67108864;memory.memsw.limit_in_bytes=134217728?;");
	check(false, LIMITS(l_.memory = 64 << 20, l_.memswap = -1), "memory.limit_in_bytes=67108864;");
	check(false, LIMITS(l_.memory = 64 << 20, l_.memswap = 64 << 20),
	      "memory.limit_in_bytes=67108864;memory.memsw.limit_in_bytes=67108864?;");
	check(false, LIMITS(l_.nano_cpus = 500000000), "cpu.cfs_period_us=100000;cpu.cfs_quota_us=50000;");
	check(false, LIMITS(l_.nano_cpus = 1), "cpu.cfs_period_us=100000;cpu.cfs_quota_us=1000;");
	check(false, LIMITS(l_.cpu_shares = 73, l_.pids = 50, l_.cpuset_cpus = "0-1", l_.oom_kill_disable = true),
	      "memory.oom_control=1;pids.max=50;cpu.shares=73;cpuset.cpus=0-1;");
	check(false, LIMITS(l_.read_bps = ((struct cgroup_ios){ io, 2 })),
	      "blkio.throttle.read_bps_device=8:0 1048576;blkio.throttle.read_bps_device=8:16 5;");
}

static void test_v2(void **state)
{
	static const struct cgroup_io io[] = { { 8, 0, 1048576 } };

	(void)state;
	check(true, CGROUP_LIMITS_NONE, "");
	check(true, LIMITS(l_.memory = 64 << 20), "memory.max=67108864;memory.swap.max=67108864?;");
	check(true, LIMITS(l_.memory = 64 << 20, l_.memswap = -1), "memory.max=67108864;memory.swap.max=max?;");
	check(true, LIMITS(l_.memory = 64 << 20, l_.memswap = 64 << 20), "memory.max=67108864;memory.swap.max=0?;");
	check(true, LIMITS(l_.nano_cpus = 1500000000), "cpu.max=150000 100000;");
	check(true, LIMITS(l_.cpu_period_us = 50000), "cpu.max=max 50000;");
	check(true, LIMITS(l_.cpu_shares = 1024, l_.pids = 50, l_.reservation = 5), "memory.low=5;pids.max=50;cpu.weight=100;");
	check(true, LIMITS(l_.swappiness = 0, l_.oom_kill_disable = true), "");
	check(true, LIMITS(l_.blkio_weight = 1000), "io.bfq.weight=1000?;");
	check(true, LIMITS(l_.write_iops = ((struct cgroup_ios){ io, 1 })), "io.max=8:0 wiops=1048576;");
}

static void test_v2_cannot(void **state)
{
	const struct cgroup_limits rows[] = {
		LIMITS(l_.cpu_rt_runtime_us = 5),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);

		assert_null(text_of(true, &rows[i], &e));
		assert_true(err_is(&e, EOPNOTSUPP));
	}
}

static void test_ignored(void **state)
{
	struct cgroup_limits l = LIMITS(l_.oom_kill_disable = true, l_.swappiness = 0);
	const char *names[CGROUP_IGNORED];

	(void)state;
	assert_int_equal(cgroup_limits_ignored(false, &l, names), 0);
	assert_int_equal(cgroup_limits_ignored(true, &l, names), 2);
	assert_string_equal(names[1], "oom_kill_disable");
}

/* minimum, default and maximum of both scales meet */
static void test_weight(void **state)
{
	static const int64_t rows[][2] = { { 0, 1 }, { 2, 1 }, { 1024, 100 }, { 262144, 10000 }, { 512, 59 }, { 2048, 174 } };
	int64_t last = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(cgroup_shares_to_weight(rows[i][0]), rows[i][1]);
	for (int64_t s = 2; s < 262144; s += 97) {
		int64_t w = cgroup_shares_to_weight(s);

		assert_true(w >= last && w >= 1 && w <= 10000);
		last = w;
	}
}

/* Runs the few instructions that our programs are made of. */
static int run(const struct bpf_insn *v, int n, const uint32_t *ctx)
{
	uint64_t r[11] = { 0 };

	for (int i = 0; i < n; i++) {
		const struct bpf_insn *p = &v[i];

		switch (p->code) {
		case BPF_LDX | BPF_W | BPF_MEM:
			r[p->dst_reg] = ctx[p->off / 4];
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			r[p->dst_reg] = (uint32_t)r[p->src_reg];
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			r[p->dst_reg] = (uint32_t)r[p->dst_reg] & (uint32_t)p->imm;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			r[p->dst_reg] = (uint32_t)r[p->dst_reg] >> p->imm;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			i += (uint32_t)r[p->dst_reg] != (uint32_t)p->imm ? p->off : 0;
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			r[p->dst_reg] = (uint64_t)p->imm;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)r[0];
		default:
			fail_msg("instruction %d has code %x", i, p->code);
		}
	}
	fail_msg("the program has no end");
	return -1;
}

static void test_devices(void **state)
{
	static const struct {
		char type;
		uint32_t major, minor;
		unsigned access;
		int want;
	} rows[] = {
		{ 'c', 1, 3, DEV_READ | DEV_WRITE, 1 }, { 'c', 1, 11, DEV_READ, 0 },   { 'c', 1, 11, DEV_MKNOD, 1 },
		{ 'b', 254, 0, DEV_READ, 0 },           { 'b', 254, 0, DEV_MKNOD, 1 }, { 'c', 136, 77, DEV_ALL, 1 },
		{ 'c', 10, 229, DEV_READ, 0 },          { 'c', 10, 232, DEV_READ, 1 }, { 'c', 10, 232, DEV_WRITE, 0 },
		{ 'c', 10, 232, DEV_READ | DEV_MKNOD, 0 }, /* one rule must cover all that is asked */
	};
	AUTO_DONE(device_rules_done) struct device_rules rules = DEVICE_RULES_INIT;
	struct bpf_insn insns[512];
	int n;

	(void)state;
	device_rules_default(&rules);
	device_rules_add(&rules, (struct device_rule){ 'c', 10, 232, DEV_READ });
	n = cgroup_devices_program(&rules, insns, ARRAY_LEN(insns));
	assert_true(n > 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t access = (rows[i].access & DEV_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0) |
				  (rows[i].access & DEV_READ ? BPF_DEVCG_ACC_READ : 0) |
				  (rows[i].access & DEV_WRITE ? BPF_DEVCG_ACC_WRITE : 0);
		uint32_t ctx[3] = { access << 16 | (rows[i].type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR), rows[i].major,
				    rows[i].minor };

		if (run(insns, n, ctx) != rows[i].want)
			fail_msg("row %zu", i);
	}
	assert_int_equal(cgroup_devices_program(&rules, insns, 5), -E2BIG);
}

static void test_rule_text(void **state)
{
	static const char *const good[] = { "c 1:3 rwm", "b *:* m", "a *:* rwm", "c 136:* rw" };
	static const char *const bad[] = { "", "c", "c 1:3", "c 1:3 x", "d 1:3 r", "c 1 r", "c -1:3 r", "c 1:3 ", "c 99999999999:1 r" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		AUTO_ERR(e);
		char text[DEVICE_RULE_TEXT];
		struct device_rule r;

		assert_int_equal(device_rule_parse(good[i], &r, &e), 0);
		assert_string_equal(device_rule_text(&r, text), good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_ERR(e);
		struct device_rule r;

		assert_true(device_rule_parse(bad[i], &r, &e) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v1),     cmocka_unit_test(test_v2),      cmocka_unit_test(test_v2_cannot), cmocka_unit_test(test_ignored),
		cmocka_unit_test(test_weight), cmocka_unit_test(test_devices), cmocka_unit_test(test_rule_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
