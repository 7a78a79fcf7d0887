/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"
#include "config.h"
#include <errno.h>

struct version_opts {
	const char *format;
	bool brief;
};
static const char *const formats[] = { "pretty", "json", NULL };
static const struct opt version_rows[] = {
	OPT_CHOICE('f', "format", struct version_opts, format, "FORMAT", "pretty or json", formats),
	OPT(0, "short", OPT_BOOL, struct version_opts, brief, NULL, "Only the number"),
	OPT_END
};

static int version_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct version_opts *o = opts;

	if (o && o->brief)
		printf("%s\n", PACKAGE_VERSION);
	else if (o && o->format && streq(o->format, "json"))
		printf("{\"version\":\"v%s\"}\n", PACKAGE_VERSION);
	else
		printf("gantry version v%s\n", PACKAGE_VERSION);
	return 0;
}

const struct cmd cmd_version = { "version", version_run, 0, version_rows, sizeof(struct version_opts), "[OPTIONS]",
				 "Show the version", 0, 0 };
