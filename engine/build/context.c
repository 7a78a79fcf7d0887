/* SPDX-License-Identifier: MIT */
#include "engine/build/context.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/build/build.h"
#include "engine/build/dockerfile.h"
#include "engine/build/git.h"
#include "engine/image/program.h"

enum { BLOCK = 64 << 10 };

void context_done(struct context *c)
{
	free(c->folder);
	free(c->dockerfile);
	free(c->ignore);
	*c = (struct context){ 0 };
}

static bool is_http(const char *text)
{
	return str_starts(text, "http://") || str_starts(text, "https://");
}

bool context_is_remote(const char *text)
{
	return streq(text, "-") || is_http(text) || git_is_url(text);
}

/* All of standard input into FD. */
static int spool(int fd, struct err *e)
{
	auto_free char *buf = xmalloc(BLOCK);
	int64_t total = 0;
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf, BLOCK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read the build context from standard input");
		total += n;
		if (total > (int64_t)CONTEXT_MAX_GIB << 30)
			return err_set(e, EFBIG, "the build context on standard input is larger than %d GiB", CONTEXT_MAX_GIB);
		TRY(fd_write_all(fd, buf, (size_t)n, e));
	}
	return total ? 0 : err_set(e, EINVAL, "the build context on standard input is empty");
}

/* FD is an archive: its files become DIR/0. Else it is a Dockerfile. */
static int unpack(int fd, const char *dir, struct context *ret, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = NULL;
	auto_close int tmp = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_free char *text = NULL;
	size_t n;

	if (tmp < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "'%s'", dir);
	TRY(image_program("add", tmp, fd, NULL, &answer, e));
	if (json_bool(answer, "archive", false)) {
		ret->folder = path_join(dir, "0");
		return 0;
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "seek");
	TRY(fd_read_all(fd, DF_MAX, &text, &n, e));
	if (memchr(text, '\0', n))
		return err_set(e, EINVAL, "it is neither an archive (tar, gzip, bzip2, xz, zstd) nor a Dockerfile");
	ret->folder = path_join(dir, "files");
	ret->dockerfile = TAKE(text);
	return file_mkdir_p(ret->folder, 0755, e);
}

static int fetch_git(const struct build_options *o, const char *text, const char *dir, struct context *ret, struct err *e)
{
	AUTO_DONE(git_url_done) struct git_url u = { 0 };
	auto_free char *commit = NULL, *tree = path_join(dir, "tree");
	const char *keep = strv_env_get(&o->args, "BUILDKIT_CONTEXT_KEEP_GIT_DIR");

	TRY(git_url_parse(text, &u, e));
	u.keep_git_dir |= keep && (streq(keep, "1") || streq(keep, "true"));
	TRY(git_fetch(&(struct git_fetch){ .url = &u, .dir = dir, .ssh_sock = strv_env_get(&o->ssh, "default"), .out = -1 }, &commit, e));
	if (!u.subdir) {
		ret->folder = TAKE(tree);
		return 0;
	}

	/* inside, whatever links the repository holds */
	auto_close int root = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int sub = root < 0 ? -1 : path_open_in(root, u.subdir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, e);

	if (root < 0)
		return err_sys(e, "open '%s'", tree);
	if (sub < 0)
		return err_wrap(e, "folder '%s' of the repository", u.subdir);
	ret->folder = path_of_fd(sub);
	return ret->folder ? 0 : err_set(e, ENOENT, "folder '%s' of the repository is gone", u.subdir);
}

static int fetch(const struct build_options *o, const char *text, const char *dir, struct context *ret, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = NULL;
	auto_free char *path = path_join(dir, "data");

	TRY(file_mkdir_p(dir, 0700, e));
	if (git_is_url(text))
		return fetch_git(o, text, dir, ret, e);

	auto_close int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "'%s'", path);
	TRY(streq(text, "-") ? spool(fd, e) : image_program("fetch", fd, 0, text, &answer, e));
	TRY(unpack(fd, dir, ret, e));
	(void)unlink(path);
	return 0;
}

int context_fetch(const struct build_options *o, const char *text, const char *place, const char *name, struct context *ret, struct err *e)
{
	auto_free char *dir = path_join(place, name);
	struct context c = { 0 };

	if (fetch(o, text, dir, &c, e) < 0) {
		context_done(&c);
		return err_wrap(e, "build context '%s'", text);
	}
	*ret = c;
	return 0;
}
