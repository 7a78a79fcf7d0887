/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "engine/container/cgroup_of.h"
#include "engine/container/container.h"
#include "engine/kernel/cgroup.h"
#include "state/container_store.h"
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

enum { STAT_MAX = 4096, CMDLINE_MAX = 64 << 10 };

/* Of /proc/PID/stat, proc(5). */
struct process {
	char comm[64];
	int ppid, tty;
	unsigned long utime, stime;
	unsigned long long start;
};

static int read_stat(pid_t pid, struct process *p)
{
	auto_free char *path = xasprintf("/proc/%d/stat", pid), *text = NULL;
	AUTO_ERR(gone);
	char *open, *close_;
	char state;

	if (file_read(path, STAT_MAX, &text, NULL, &gone) < 0)
		return -ESRCH;
	open = strchr(text, '(');
	close_ = strrchr(text, ')');
	if (!open || !close_ || close_ < open)
		return -ESRCH;
	snprintf(p->comm, sizeof p->comm, "%.*s", (int)(close_ - open - 1), open + 1);
	if (sscanf(close_ + 1, " %c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %llu", &state, &p->ppid, &p->tty,
		   &p->utime, &p->stime, &p->start) != 6)
		return -ESRCH;
	return 0;
}

/* The command line, or "[name]" of a process without one. */
static char *command_of(pid_t pid, const struct process *p)
{
	auto_free char *path = xasprintf("/proc/%d/cmdline", pid), *text = NULL;
	AUTO_ERR(gone);
	size_t n = 0;

	if (file_read(path, CMDLINE_MAX, &text, &n, &gone) < 0 || !n)
		return xasprintf("[%s]", p->comm);
	for (size_t i = 0; i + 1 < n; i++)
		if (!text[i])
			text[i] = ' ';
	return str_visible(text, strlen(text));
}

static char *user_of(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d", pid);
	struct stat st;
	const struct passwd *pw;

	if (stat(path, &st) < 0)
		return xstrdup("?");
	pw = getpwuid(st.st_uid);
	return pw ? xstrdup(pw->pw_name) : xasprintf("%u", st.st_uid);
}

static void add_process(struct table *t, pid_t pid)
{
	struct process p = { 0 };
	long hz = sysconf(_SC_CLK_TCK);
	unsigned long cpu;
	time_t started;
	struct tm tm;
	char stime[16];

	if (read_stat(pid, &p) < 0)
		return; /* it ended meanwhile */
	auto_free char *user = user_of(pid), *command = command_of(pid, &p);

	cpu = (p.utime + p.stime) / (unsigned long)hz;
	started = (time_t)((time_now_ns() - time_mono_ns()) / 1000000000 + (int64_t)(p.start / (unsigned long long)hz));
	localtime_r(&started, &tm);
	strftime(stime, sizeof stime, "%H:%M", &tm);
	table_cell(t, user);
	table_cellf(t, "%d", pid);
	table_cellf(t, "%d", p.ppid);
	table_cell(t, "0");
	table_cell(t, stime);
	if (p.tty)
		table_cellf(t, "pts/%u", minor((unsigned)p.tty));
	else
		table_cell(t, "?");
	table_cellf(t, "%02lu:%02lu:%02lu", cpu / 3600, cpu / 60 % 60, cpu % 60);
	table_cell(t, command);
}

static int print_one(struct app *app, const struct ctr_row *c, struct err *e)
{
	static const char *const headings[] = { "UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD", NULL };
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	auto_free char *cgroup = NULL;
	auto_free pid_t *pids = NULL;
	struct table t;
	size_t n;

	TRY(container_load_spec(&app->dirs, c->id, &spec, e));
	cgroup = container_cgroup(&app->dirs, spec, c->id);
	TRY(cgroup_pids(cgroup, &pids, &n, e));
	table_init(&t, headings);
	for (size_t i = 0; i < n; i++)
		add_process(&t, pids[i]);
	printf("%s\n", c->name);
	table_print(&t, stdout);
	printf("\n");
	table_done(&t);
	return 0;
}

static int top_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	struct ctr_rows rows = CTR_ROWS_INIT;
	int r = app_containers(app, args, false, &rows, e);

	for (size_t i = 0; r >= 0 && i < rows.n; i++)
		if (ctr_row_alive(&rows.v[i], app->dirs.boot_id))
			r = print_one(app, &rows.v[i], e);
	ctr_rows_done(&rows);
	return r;
}

const struct cmd cmd_top = { "top", top_run, CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ROOT | CMD_ALL_PROFILES, NULL, 0, "[SERVICE...]",
			     "Show the processes of containers", 0, -1, NULL, NULL, NULL, true };
