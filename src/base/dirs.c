/* SPDX-License-Identifier: MIT */
#include "base/dirs.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

enum { RESERVE = 1 << 20, ROOT_ID = 8 };

static char *choose(const char *given, const char *variable, const char *dflt)
{
	const char *env = secure_getenv(variable), *path = given && *given ? given : env && *env ? env : dflt;
	auto_free char *cwd = path_is_abs(path) ? NULL : path_cwd(), *full = path_join(cwd, path);

	return path_clean(full);
}

void dirs_init(struct dirs *d, const char *root, const char *run)
{
	*d = (struct dirs){
		.root = choose(root, "GANTRY_ROOT", "/var/lib/gantry"),
		.run = choose(run, "GANTRY_RUN", "/run/gantry"),
	};
}

void dirs_done(struct dirs *d)
{
	free(d->root);
	free(d->run);
	*d = (struct dirs){ 0 };
}

static char *below(const char *dir, const char *fmt, va_list ap)
{
	auto_free char *name = xvasprintf(fmt, ap);

	return xasprintf("%s/%s", streq(dir, "/") ? "" : dir, name);
}

char *dirs_root(const struct dirs *d, const char *fmt, ...)
{
	va_list ap;
	char *path;

	va_start(ap, fmt);
	path = below(d->root, fmt, ap);
	va_end(ap);
	return path;
}

char *dirs_run(const struct dirs *d, const char *fmt, ...)
{
	va_list ap;
	char *path;

	va_start(ap, fmt);
	path = below(d->run, fmt, ap);
	va_end(ap);
	return path;
}

/* DIR with what is always in it; returns its fd. Whoever else could write here could name our kernel objects. */
static int make_tree(const char *dir, const char *const *subs, struct err *e)
{
	auto_close int fd = -1;
	struct stat st;

	if (stat(dir, &st) < 0)
		TRY(file_mkdir_p(dir, 0700, e));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open '%s'", dir);
	if (st.st_uid != geteuid()) {
		int r = err_set(e, EPERM, "'%s' belongs to user %u, not to user %u", dir, st.st_uid, geteuid());

		err_hint(e, "run gantry as that user, or choose other folders with --root and --run");
		return r;
	}
	if (st.st_mode & 022) {
		int r = err_set(e, EPERM, "'%s' may be written by others (mode %04o)", dir, st.st_mode & 07777);

		err_hint(e, "chmod go-w '%s'", dir);
		return r;
	}
	for (; *subs; subs++)
		if (mkdirat(fd, *subs, 0700) < 0 && errno != EEXIST)
			return err_sys(e, "make folder '%s/%s'", dir, *subs);
	return TAKE_FD(fd);
}

static int read_id(int root, char id[ROOT_ID + 1], struct err *e)
{
	auto_free char *text = NULL;
	int r = file_read_at(root, "id", 64, &text, NULL, e);

	if (r < 0)
		return r;
	if (strspn(text, "0123456789abcdef") != ROOT_ID || !streq(text + ROOT_ID, "\n"))
		return err_set(e, EINVAL, "'id': not 8 hexadecimal digits");
	memcpy(id, text, ROOT_ID);
	id[ROOT_ID] = '\0';
	return 0;
}

/* Written whole under another name, then linked: of two that come first one wins, and the other reads the winner's. */
static int make_id(int root, struct err *e)
{
	char temp[16] = ".id-", text[ROOT_ID + 2];
	auto_close int fd = -1;
	int r;

	id_hex(temp + 4, 8);
	id_hex(text, ROOT_ID);
	memcpy(text + ROOT_ID, "\n", 2);
	fd = openat(root, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "make 'id'");
	r = fd_write_all(fd, text, ROOT_ID + 1, e);
	if (r == 0 && fsync(fd) < 0)
		r = err_sys(e, "sync 'id'");
	if (r == 0 && linkat(root, temp, root, "id", 0) < 0 && errno != EEXIST)
		r = err_sys(e, "make 'id'");
	(void)unlinkat(root, temp, 0);
	if (r == 0 && fsync(root) < 0)
		r = err_sys(e, "sync");
	return r;
}

static int root_id(int root, char id[ROOT_ID + 1], struct err *e)
{
	AUTO_ERR(first);
	int r = read_id(root, id, &first);

	if (r != -ENOENT)
		return r < 0 ? err_move(e, &first) : 0;
	TRY(make_id(root, e));
	return read_id(root, id, e);
}

/* Room that is given back when the disk is full. Not having it is no reason to stop. */
static void make_reserve(int root)
{
	auto_close int fd = openat(root, "reserve", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int code;

	if (fd < 0)
		return;
	code = posix_fallocate(fd, 0, RESERVE);
	if (code) {
		log_debug("reserve: %s", strerror(code));
		(void)unlinkat(root, "reserve", 0);
	}
}

static int boot_id(char id[37], struct err *e)
{
	auto_free char *text = NULL;

	TRY(file_read("/proc/sys/kernel/random/boot_id", 64, &text, NULL, e));
	if (strspn(text, "0123456789abcdef-") != 36)
		return err_set(e, EPROTO, "'/proc/sys/kernel/random/boot_id': not understood");
	memcpy(id, text, 36);
	id[36] = '\0';
	return 0;
}

int dirs_prepare(struct dirs *d, struct err *e)
{
	static const char *const in_root[] = { "images",  "images/blobs", "images/trees", "images/layers", "images/tmp", "volumes",
					       "containers", "trash", "tmp", "seccomp", NULL };
	static const char *const in_run[] = { "gen", "p", "c", NULL };
	auto_close int root = make_tree(d->root, in_root, e), run = -1;
	char id[ROOT_ID + 1], boot[37];

	if (root < 0)
		return root;
	run = make_tree(d->run, in_run, e);
	if (run < 0)
		return run;
	if (root_id(root, id, e) < 0)
		return err_wrap(e, "'%s'", d->root);
	TRY(boot_id(boot, e));
	make_reserve(root);
	memcpy(d->root_id, id, sizeof(id));
	memcpy(d->boot_id, boot, sizeof(boot));
	return 0;
}

int dirs_program(const char *program, char **ret_path, struct err *e)
{
	auto_free char *beside = NULL;
	const char *folders[3];
	char self[PATH_MAX];
	ssize_t n;
	int r;

	n = readlink("/proc/self/exe", self, sizeof(self) - 1); /* not realpath: it may be gone after an upgrade */
	if (n > 0)
		self[n] = '\0';
	beside = n > 0 ? path_parent(self) : NULL;
	folders[0] = secure_getenv("GANTRY_LIBEXEC");
	folders[1] = beside;
	folders[2] = GANTRY_LIBEXEC;
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		auto_free char *path = folders[i] && *folders[i] ? path_join(folders[i], program) : NULL;

		if (path && access(path, X_OK) == 0) {
			*ret_path = TAKE(path);
			return 0;
		}
	}
	r = err_set(e, ENOENT, "program '%s' is not in '%s'%s%s%s", program, GANTRY_LIBEXEC,
		    beside ? " or '" : "", beside ? beside : "", beside ? "'" : "");
	err_hint(e, "install gantry completely, or name the folder in GANTRY_LIBEXEC");
	return r;
}
