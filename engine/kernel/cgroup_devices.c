/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/cgroup_devices.c - device rules as an eBPF program, since v2 has no devices controller
 *
 * The context is struct bpf_cgroup_dev_ctx { access_type = access << 16 | type; major; minor } (linux/bpf.h). The program tries the rules
 * from the last to the first; the first that covers the whole request decides, and nothing covers: denied. All rules allow, so the order
 * only matters for speed. Instructions per rule, those that do not matter left out:
 *
 *	if type != T goto next;  if access & ~A goto next;  if major != M goto next;  if minor != N goto next;  return 1
 */
#include "engine/kernel/cgroup.h"

#include "base/err.h"
#include "engine/kernel/device.h"
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

enum { PROGRAM_MAX = 4096, LOG_SIZE = 4096 };
/* registers: the request, and scratch */
enum { R_RESULT = 0, R_CTX = 1, R_TYPE = 2, R_ACCESS = 3, R_MAJOR = 4, R_MINOR = 5, R_TMP = 6 };

struct program {
	struct bpf_insn *v;
	size_t n, max;
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	if (p->n < p->max)
		p->v[p->n] = (struct bpf_insn){ .code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = off, .imm = imm };
	p->n++;
}

static void emit_load(struct program *p, uint8_t dst, size_t off)
{
	emit(p, BPF_LDX | BPF_W | BPF_MEM, dst, R_CTX, (int16_t)off, 0);
}

/* Jumps to the rule's end are patched when it is known. */
static void emit_jump_unless(struct program *p, uint8_t reg, uint32_t value)
{
	emit(p, BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, 0, (int32_t)value);
}

static void emit_rule(struct program *p, const struct device_rule *r)
{
	size_t start = p->n;

	if (r->type != 'a')
		emit_jump_unless(p, R_TYPE, r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (r->access != DEV_ALL) {
		uint32_t allowed = (r->access & DEV_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0) |
				   (r->access & DEV_READ ? BPF_DEVCG_ACC_READ : 0) |
				   (r->access & DEV_WRITE ? BPF_DEVCG_ACC_WRITE : 0);

		emit(p, BPF_ALU | BPF_MOV | BPF_X, R_TMP, R_ACCESS, 0, 0);
		emit(p, BPF_ALU | BPF_AND | BPF_K, R_TMP, 0, 0, (int32_t)~allowed);
		emit_jump_unless(p, R_TMP, 0);
	}
	if (r->major >= 0)
		emit_jump_unless(p, R_MAJOR, (uint32_t)r->major);
	if (r->minor >= 0)
		emit_jump_unless(p, R_MINOR, (uint32_t)r->minor);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, R_RESULT, 0, 0, 1);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (size_t i = start; i < p->n && i < p->max; i++)
		if (p->v[i].code == (BPF_JMP32 | BPF_JNE | BPF_K))
			p->v[i].off = (int16_t)(p->n - i - 1);
}

int cgroup_devices_program(const struct device_rules *rules, struct bpf_insn *ret, size_t max)
{
	struct program p = { .v = ret, .max = max };

	emit_load(&p, R_TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(&p, BPF_ALU | BPF_MOV | BPF_X, R_ACCESS, R_TYPE, 0, 0);
	emit(&p, BPF_ALU | BPF_AND | BPF_K, R_TYPE, 0, 0, 0xffff);
	emit(&p, BPF_ALU | BPF_RSH | BPF_K, R_ACCESS, 0, 0, 16);
	emit_load(&p, R_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	emit_load(&p, R_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	for (size_t i = rules->n; i > 0; i--)
		emit_rule(&p, &rules->v[i - 1]);
	emit(&p, BPF_ALU64 | BPF_MOV | BPF_K, R_RESULT, 0, 0, 0);
	emit(&p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return p.n > max ? -E2BIG : (int)p.n;
}

static int bpf(int cmd, union bpf_attr *a)
{
	return (int)syscall(SYS_bpf, cmd, a, sizeof(*a));
}

int cgroup_devices_attach(int dir, const struct device_rules *rules, struct err *e)
{
	struct bpf_insn insns[PROGRAM_MAX];
	char log[LOG_SIZE] = "";
	int n = cgroup_devices_program(rules, insns, PROGRAM_MAX);
	auto_close int prog = -1;
	union bpf_attr a;

	if (n < 0)
		return err_set(e, E2BIG, "more device rules than a program can hold");
	memset(&a, 0, sizeof(a));
	a.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	a.insns = (uint64_t)(uintptr_t)insns;
	a.insn_cnt = (uint32_t)n;
	a.license = (uint64_t)(uintptr_t)"MIT";
	prog = bpf(BPF_PROG_LOAD, &a);
	if (prog < 0) {
		int saved = errno;

		/* once more, to say what the verifier minds */
		a.log_level = 1;
		a.log_buf = (uint64_t)(uintptr_t)log;
		a.log_size = sizeof(log);
		prog = bpf(BPF_PROG_LOAD, &a);
		if (prog < 0)
			return err_code(e, saved, "load the device program%s%s", *log ? ": " : "", log);
	}
	memset(&a, 0, sizeof(a));
	a.target_fd = (uint32_t)dir;
	a.attach_bpf_fd = (uint32_t)prog;
	a.attach_type = BPF_CGROUP_DEVICE;
	a.attach_flags = BPF_F_ALLOW_MULTI;
	if (bpf(BPF_PROG_ATTACH, &a) < 0)
		return err_sys(e, "attach the device program");
	return 0;
}
