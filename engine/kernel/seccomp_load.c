/* SPDX-License-Identifier: MIT */
#include "engine/kernel/seccomp.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { INSNS_MAX = 4096 }; /* BPF_MAXINSNS */
struct header {
	char magic[8]; /* "GBPF1" */
	uint64_t n, flags, sum;
};

void seccomp_filter_done(struct seccomp_filter *f)
{
	free(f->prog.filter);
	*f = (struct seccomp_filter){ 0 };
}

/* FNV-1a: against torn and mixed-up files; whoever can forge it can write the file, which is root's alone */
static uint64_t checksum(const void *p, size_t n)
{
	const unsigned char *b = p;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	return h;
}

int seccomp_file_read(const char *path, struct seccomp_filter *ret, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_free struct sock_filter *insns = NULL;
	struct header h;
	struct stat st;
	size_t size;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open seccomp program '%s'", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return err_set(e, EPERM, "seccomp program '%s' can be written by others", path);
	if (read(fd, &h, sizeof(h)) != (ssize_t)sizeof(h) || memcmp(h.magic, "GBPF1\0\0", 8) != 0 || !h.n || h.n > INSNS_MAX)
		return err_set(e, EBADMSG, "seccomp program '%s' is damaged", path);
	size = h.n * sizeof(*insns);
	insns = xmalloc(size);
	if (st.st_size != (off_t)(sizeof(h) + size) || read(fd, insns, size) != (ssize_t)size || checksum(insns, size) != h.sum)
		return err_set(e, EBADMSG, "seccomp program '%s' is damaged", path);
	ret->flags = (unsigned)h.flags;
	ret->prog.len = (unsigned short)h.n;
	ret->prog.filter = TAKE(insns);
	return 0;
}

int seccomp_file_write(const char *path, const struct seccomp_filter *f, struct err *e)
{
	size_t size = f->prog.len * sizeof(*f->prog.filter);
	struct header h = { .magic = "GBPF1", .n = f->prog.len, .flags = f->flags, .sum = checksum(f->prog.filter, size) };
	auto_free char *all = xmalloc(sizeof(h) + size);

	memcpy(all, &h, sizeof(h));
	memcpy(all + sizeof(h), f->prog.filter, size);
	return file_replace(path, all, sizeof(h) + size, 0600, false, e);
}
