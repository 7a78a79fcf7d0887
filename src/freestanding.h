/* SPDX-License-Identifier: MIT
 *
 * src/freestanding.h - for programs of a few pages without libc (gantry-keep, gantry-init): system calls, entry, what the compiler asks for
 *
 * FREESTANDING_START(fn): the program begins with fn(long *sp), sp[0] argc, then argv, NULL, envp, NULL. Included by one file of a program.
 */
#pragma once
#include <asm/unistd.h>
#include <stddef.h>

#if defined(__x86_64__)
static long sys6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return r;
}
#define FREESTANDING_START(fn)                                                                                                \
	__asm__(".globl _start\n.type _start,@function\n_start:\n\txor %ebp,%ebp\n\tmov %rsp,%rdi\n\tand $-16,%rsp\n\tcall " #fn "\n\thlt\n");
#elif defined(__aarch64__)
static long sys6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#define FREESTANDING_START(fn)                                                                                                \
	__asm__(".globl _start\n.type _start,%function\n_start:\n\tmov x29,#0\n\tmov x30,#0\n\tmov x0,sp\n\tand sp,x0,#-16\n\tbl " #fn "\n");
#elif defined(__riscv) && __riscv_xlen == 64
static long sys6(long n, long a, long b, long c, long d, long e, long f)
{
	register long a7 __asm__("a7") = n;
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;
	register long a4 __asm__("a4") = e;
	register long a5 __asm__("a5") = f;

	__asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
	return a0;
}
#define FREESTANDING_START(fn)                                                                                                \
	__asm__(".globl _start\n.type _start,%function\n_start:\n\tmv a0,sp\n\tandi sp,sp,-16\n\tcall " #fn "\n");
#else
#error "no system call sequence for this processor yet (three lines above show how)"
#endif
#define SYS(n, a, b, c) sys6(__NR_##n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS6(n, a, b, c, d, e, f) sys6(__NR_##n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* The compiler may call these two on its own. */
void *memset(void *p, int c, size_t n);
void *memset(void *p, int c, size_t n)
{
	for (volatile char *q = p; n--;)
		*q++ = (char)c;
	return p;
}
void *memcpy(void *to, const void *from, size_t n);
void *memcpy(void *to, const void *from, size_t n)
{
	volatile char *q = to;

	for (const char *p = from; n--;)
		*q++ = *p++;
	return to;
}
