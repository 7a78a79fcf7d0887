/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/ctr_view.h"
#include "cli/format.h"
#include "state/container_store.h"
#include "state/project_store.h"
#include <errno.h>
#include <regex.h>

struct ls_opts {
	bool all, quiet;
	const char *filter, *format;
};
static const char *const formats[] = { "table", "json", NULL };
static const struct opt ls_rows[] = {
	OPT('a', "all", OPT_BOOL, struct ls_opts, all, NULL, "Projects of which nothing runs too"),
	OPT(0, "filter", OPT_STR, struct ls_opts, filter, "FILTER", "name=REGEX: only projects whose name matches"),
	OPT_CHOICE(0, "format", struct ls_opts, format, "FORMAT", "table or json", formats),
	OPT('q', "quiet", OPT_BOOL, struct ls_opts, quiet, NULL, "Only names"),
	OPT_END
};
static const struct format_column columns[] = { { "Name", "NAME" }, { "Status", "STATUS" }, { "ConfigFiles", "CONFIG FILES" }, { NULL, NULL } };

/* "exited(1), running(2)" */
static char *status_text(const struct ctr_rows *rows, bool *ret_running)
{
	AUTO_STRV(states);
	AUTO_STRV(parts);

	*ret_running = false;
	for (size_t i = 0; i < rows->n; i++)
		strv_add_unique(&states, ctr_view_state(&rows->v[i]));
	strv_sort(&states);
	for (size_t s = 0; s < states.n; s++) {
		size_t n = 0;

		for (size_t i = 0; i < rows->n; i++)
			n += streq(ctr_view_state(&rows->v[i]), states.v[s]);
		strv_addf(&parts, "%s(%zu)", states.v[s], n);
		*ret_running |= streq(states.v[s], "running") || streq(states.v[s], "paused") || streq(states.v[s], "restarting");
	}
	return strv_join(&parts, ", ");
}

static int add_project(struct app *app, const struct ls_opts *o, const char *name, struct format *f, struct err *e)
{
	AUTO(json_free) struct cJSON *row = json_object();
	struct ctr_rows rows = CTR_ROWS_INIT;
	struct project_row p = { 0 };
	bool running;
	int r = 0;

	TRY(app_rows(app, name, NULL, &rows, e));
	auto_free char *status = status_text(&rows, &running);
	bool shown = rows.n && (running || o->all);

	ctr_rows_done(&rows);
	if (!shown)
		return 0;
	if (o->quiet) {
		printf("%s\n", name);
		return 0;
	}
	TRY(project_get(app->db, name, &p, e));
	json_add_str(row, "Name", name);
	json_add_str(row, "Status", status);
	json_add_str(row, "ConfigFiles", str0(p.config_files));
	r = format_row(f, row, e);
	project_row_done(&p);
	return r;
}

static int ls_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct ls_opts *o = opts;
	const char *part = o->filter ? str_after(o->filter, "name=") : "";
	AUTO_STRV(names);
	struct format *f;
	regex_t re;
	int r;

	if (!part)
		return err_set(e, EINVAL, "unknown filter '%s': only name=REGEX is known", o->filter);
	TRY(project_list(app->db, &names, e));
	r = regcomp(&re, part, REG_EXTENDED | REG_NOSUB);
	if (r != 0) {
		char why[128];

		regerror(r, &re, why, sizeof why);
		return err_set(e, EINVAL, "--filter: '%s': %s", part, why);
	}
	r = format_new(o->format, columns, 3, true, &f, e);
	if (r < 0) {
		regfree(&re);
		return r;
	}
	for (size_t i = 0; r >= 0 && i < names.n; i++)
		if (regexec(&re, names.v[i], 0, NULL, 0) == 0)
			r = add_project(app, o, names.v[i], f, e);
	regfree(&re);
	if (r < 0 || o->quiet)
		format_free(f);
	else
		format_end(f, stdout);
	return r < 0 ? r : 0;
}

const struct cmd cmd_ls = { "ls", ls_run, CMD_STATE_READ, ls_rows, sizeof(struct ls_opts), "[OPTIONS]", "List projects", 0, 0 };
