/* SPDX-License-Identifier: MIT */
#include "engine/container/capsule.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1 /* its shadow memory has to stay */
#else
#define SANITIZED 0
#endif

enum { LINE = 4352 /* addresses and a path of 4096 */, TLS_ROOM = 8192, PAGE_ROUND = 4096, MALLOC_MAPS = 128 << 10 /* M_MMAP_THRESHOLD, mallopt(3) */ };

/* Filled twice: once with BASE NULL to count, then for real. */
struct writer {
	char *base;
	size_t used;
};

static void *put(struct writer *w, const void *p, size_t n)
{
	void *to = w->base ? w->base + w->used : NULL;

	if (to)
		memcpy(to, p, n);
	w->used += (n + 15) & ~(size_t)15; /* aligned for whatever comes next */
	return to;
}

static char *put_str(struct writer *w, const char *s)
{
	return put(w, s, strlen(s) + 1);
}

/* NULL-terminated list of strings */
static char *const *put_list(struct writer *w, const char *const *v)
{
	size_t n = 0;
	char **to;

	while (v[n])
		n++;
	to = put(w, v, (n + 1) * sizeof(*v));
	for (size_t i = 0; i < n; i++) {
		char *s = put_str(w, v[i]);

		if (to)
			to[i] = s;
	}
	return to;
}

static struct child_process *put_process(struct writer *w, const struct child_process *p)
{
	struct child_process *to = put(w, p, sizeof(*p)), copy = *p;

	copy.cwd = put_str(w, p->cwd);
	copy.rlimits = put(w, p->rlimits, sizeof(*p->rlimits));
	copy.groups = put(w, p->groups, p->ngroups * sizeof(*p->groups));
	copy.paths = (const char *const *)put_list(w, p->paths);
	copy.argv = put_list(w, (const char *const *)p->argv);
	copy.env = put_list(w, (const char *const *)p->env);
	if (p->seccomp) {
		struct sock_fprog *prog = put(w, p->seccomp, sizeof(*p->seccomp));
		struct sock_filter *insns = put(w, p->seccomp->filter, p->seccomp->len * sizeof(*insns));

		if (prog)
			prog->filter = insns;
		copy.seccomp = prog;
	}
	if (to)
		*to = copy;
	return to;
}

/* ---- what is left behind -------------------------------------------------------------------------------------------- */

/* What the child still uses, and no more of the pages around it than must be. */
struct keep {
	uintptr_t from, to;
};

static void find_keep(const struct capsule *c, struct keep ret[3])
{
	extern char edata, end; /* the linker's: bss lies between, kernel_probe's memo in it */
	uintptr_t self = (uintptr_t)__builtin_thread_pointer(), err = (uintptr_t)&errno;

	/* errno and the stack protector's canary, which a static program has at the start of its heap */
	ret[0] = (struct keep){ MIN(self, err) - TLS_ROOM, MAX(self, err) + TLS_ROOM };
	ret[1] = (struct keep){ (uintptr_t)&edata, (uintptr_t)&end };
	ret[2] = (struct keep){ (uintptr_t)c->process, (uintptr_t)c->process + c->size };
	for (int i = 0; i < 3; i++) {
		ret[i].from &= ~(uintptr_t)(PAGE_ROUND - 1);
		ret[i].to = (ret[i].to + PAGE_ROUND - 1) & ~(uintptr_t)(PAGE_ROUND - 1);
	}
}

/* [FROM, TO) without what KEEP says, from the Ith on */
static void drop(struct capsule *c, uintptr_t from, uintptr_t to, const struct keep keep[3], int i)
{
	if (from >= to)
		return;
	for (; i < 3; i++)
		if (keep[i].from < to && keep[i].to > from) {
			drop(c, from, keep[i].from, keep, i + 1);
			drop(c, keep[i].to, to, keep, i + 1);
			return;
		}
	xgrow(&c->drop, c->ndrop, &c->cap, sizeof(*c->drop));
	c->drop[c->ndrop++] = (struct child_range){ (void *)from, to - from };
}

/* malloc's memory: the heap, and what is so large that it has a mapping of its own. Smaller mappings are variables of libraries and the dynamic
 * linker's own, which the child still needs for its first calls of functions. */
static int find_memory(struct capsule *c, struct err *e)
{
	FILE *f = fopen("/proc/self/maps", "re");
	struct keep keep[3];
	char line[LINE];

	if (!f)
		return err_sys(e, "read our memory map");
	find_keep(c, keep);
	while (fgets(line, sizeof(line), f)) {
		unsigned long from, to, inode;
		char perms[5];
		int name = 0;

		if (sscanf(line, "%lx-%lx %4s %*x %*x:%*x %lu %n", &from, &to, perms, &inode, &name) < 4 || !name)
			continue;
		if (!streq(perms, "rw-p") || inode)
			continue;
		if (str_starts(line + name, "[heap]") || (line[name] == '\0' && to - from >= MALLOC_MAPS))
			drop(c, from, to, keep, 0);
	}
	fclose(f);
	return 0;
}

void capsule_done(struct capsule *c)
{
	if (c->process)
		munmap(c->process, c->size);
	free(c->drop);
	*c = (struct capsule){ 0 };
}

int capsule_make(const struct child_process *p, struct capsule *ret, struct err *e)
{
	AUTO_DONE(capsule_done) struct capsule c = { 0 };
	struct writer w = { 0 };
	void *pages;

	put_process(&w, p);
	c.size = w.used;
	pages = mmap(NULL, c.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return err_sys(e, "make pages for the new process");
	w = (struct writer){ .base = pages };
	c.process = put_process(&w, p);
	if (!SANITIZED)
		TRY(find_memory(&c, e));
	*ret = c;
	c = (struct capsule){ 0 };
	return 0;
}
