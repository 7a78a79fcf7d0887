/* SPDX-License-Identifier: MIT
 *
 * gantry export: a container's root as a tar archive, running or not; what is mounted on it (volumes, /proc, …) is not in it, as with docker.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/tty.h"
#include "cli/commands.h"
#include "engine/container/container.h"
#include "engine/container/view.h"
#include "engine/image/program.h"
#include "state/container_store.h"
#include "state/lock.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

struct export_opts {
	int64_t index;
	const char *output;
};
static const struct opt export_rows[] = {
	OPT(0, "index", OPT_INT, struct export_opts, index, "N", "Which replica (the lowest)"),
	OPT('o', "output", OPT_STR, struct export_opts, output, "FILE", "Write to this file, not to standard output"),
	OPT_END
};

/* A file beside OUTPUT that takes its name when it is whole; standard output: TEMP stays NULL. */
static int open_output(const char *output, char **ret_temp, struct err *e)
{
	auto_free char *temp = NULL;
	struct stat st;
	int fd;

	if (!output) {
		if (tty_is(STDOUT_FILENO)) {
			err_set(e, EINVAL, "an archive is not for a terminal");
			err_hint(e, "use -o FILE, or redirect the output");
			return -EINVAL;
		}
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? err_sys(e, "standard output") : fd;
	}
	if (stat(output, &st) == 0 && !S_ISREG(st.st_mode)) { /* a pipe, /dev/null */
		if (S_ISDIR(st.st_mode))
			return err_set(e, EISDIR, "-o '%s': is a folder", output);
		fd = open(output, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return fd < 0 ? err_sys(e, "open '%s'", output) : fd;
	}
	temp = xasprintf("%s.%d.part", output, (int)getpid());
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "make '%s'", temp);
	*ret_temp = TAKE(temp);
	return fd;
}

static int pack(struct app *app, const struct ctr_row *c, int out, struct err *e)
{
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	AUTO(json_free) struct cJSON *answer = NULL;
	auto_close int lock = -1, root = -1;

	TRY(container_load_spec(&app->dirs, c->id, &spec, e));
	if (!ctr_row_alive(c, app->dirs.boot_id)) /* nobody starts it meanwhile */
		TRY(lock_project(&app->dirs, c->project, NULL, NULL, &lock, e));
	root = ctr_root_open(&app->dirs, c, spec, e);
	if (root < 0)
		return -e->code;
	return image_program("pack", root, out, "", &answer, e);
}

static int export_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct export_opts *o = opts;
	AUTO_DONE(ctr_row_done) struct ctr_row c = { 0 };
	auto_free char *temp = NULL;
	auto_close int out = -1;
	int r;

	TRY(app_replica(app, args->v[0], o->index, false, &c, e));
	if (app->g.dry_run)
		return 0;
	out = open_output(o->output, &temp, e);
	if (out < 0)
		return -e->code;
	r = pack(app, &c, out, e);
	if (r < 0)
		err_wrap(e, "container '%s'", c.name);
	else if (temp && rename(temp, o->output) < 0)
		r = err_sys(e, "rename '%s' to '%s'", temp, o->output);
	if (r < 0 && temp)
		(void)unlink(temp);
	return r;
}

const struct cmd cmd_export = { "export", export_run, CMD_ENTERS | CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ROOT | CMD_ALL_PROFILES, export_rows,
				sizeof(struct export_opts), "[OPTIONS] SERVICE", "Write a container's files as a tar archive", 1, 1, NULL, NULL,
				NULL, true };
