/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/err.h"
#include "base/id.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tty.h"
#include "cli/commands.h"
#include "engine/image/save.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RANDOM = 16 };

struct save_opts {
	const char *output;
};
static const struct opt save_rows[] = {
	OPT('o', "output", OPT_STR, struct save_opts, output, "FILE", "Write to this file, not to standard output"),
	OPT_END
};

/* Whole or not at all: under another name in the same folder, until it is whole. */
static int save_file(struct app *app, const char *path, const struct strv *refs, struct err *e)
{
	auto_free char *folder = path_parent(path), *part = NULL;
	auto_close int fd = -1;
	char random[RANDOM + 1];
	int r;

	id_hex(random, RANDOM);
	part = xasprintf("%s/.gantry-save-%s", *folder ? folder : ".", random);
	fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "make a file in '%s'", *folder ? folder : ".");
	r = image_save(app->db, refs, fd, e);
	if (r >= 0 && (fsync(fd) < 0 || rename(part, path) < 0))
		r = err_sys(e, "write '%s'", path);
	if (r < 0)
		(void)unlink(part);
	return r;
}

static int save_device(struct app *app, const char *path, const struct strv *refs, struct err *e)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? err_sys(e, "open '%s'", path) : image_save(app->db, refs, fd, e);
}

static int save_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct save_opts *o = opts;
	struct stat st;
	bool there = o->output && stat(o->output, &st) == 0;

	if (there && S_ISDIR(st.st_mode))
		return err_set(e, EISDIR, "'%s' is a folder, name a file in it", o->output);
	if (there && !S_ISREG(st.st_mode))
		return save_device(app, o->output, args, e);
	if (o->output)
		return save_file(app, o->output, args, e);
	if (tty_is(1)) {
		err_set(e, EINVAL, "an archive is not written to a terminal");
		err_hint(e, "use -o FILE, or redirect: > FILE");
		return -EINVAL;
	}
	return image_save(app->db, args, 1, e);
}

const struct cmd cmd_image_save = { "save", save_run, CMD_STATE | CMD_ROOT, save_rows, sizeof(struct save_opts), "[OPTIONS] IMAGE [IMAGE...]",
				    "Write images to a tar archive (docker-archive and OCI layout in one)", 1, -1 };
