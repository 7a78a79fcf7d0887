/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "engine/image/save.h"

struct save_opts {
	const char *output;
};
static const struct opt save_rows[] = {
	OPT('o', "output", OPT_STR, struct save_opts, output, "FILE", "Write to this file, not to standard output"),
	OPT_END
};

static int save_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct save_opts *o = opts;
	AUTO_DONE(output_free) struct output out = OUTPUT_INIT;

	TRY(output_open(o->output, &out, e));
	return output_end(&out, image_save(app->db, args, out.fd, e), e);
}

const struct cmd cmd_image_save = { "save", save_run, CMD_STATE | CMD_ROOT, save_rows, sizeof(struct save_opts), "[OPTIONS] IMAGE [IMAGE...]",
				    "Write images to a tar archive (docker-archive and OCI layout in one)", 1, -1 };
