/* SPDX-License-Identifier: MIT
 *
 * gantry stats: what containers use now. Columns, units and fields as docker stats prints them.
 *
 *   two looks at each container's cgroup, a while apart - CPU % is what it used of the time in between (100 % is one CPU)
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "engine/container/cgroup_of.h"
#include "engine/container/container.h"
#include "engine/kernel/cgroup.h"
#include "state/container_store.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/sysinfo.h>

enum { ONCE_MS = 500, STREAM_MS = 1000, NET_DEV_MAX = 1 << 20 };

struct stats_opts {
	bool all, no_stream, no_trunc;
	const char *format;
};
static const struct opt stats_rows[] = {
	OPT('a', "all", OPT_BOOL, struct stats_opts, all, NULL, "Containers that do not run too"),
	OPT(0, "format", OPT_STR, struct stats_opts, format, "FORMAT", "table, json or a Go template"),
	OPT(0, "no-stream", OPT_BOOL, struct stats_opts, no_stream, NULL, "Once, not again and again"),
	OPT(0, "no-trunc", OPT_BOOL, struct stats_opts, no_trunc, NULL, "Whole ids"),
	OPT_END
};
static const struct format_column columns[] = {
	{ "ID", "CONTAINER ID" }, { "Name", "NAME" }, { "CPUPerc", "CPU %" }, { "MemUsage", "MEM USAGE / LIMIT" }, { "MemPerc", "MEM %" },
	{ "NetIO", "NET I/O" }, { "BlockIO", "BLOCK I/O" }, { "PIDs", "PIDS" }, { "Container", "CONTAINER" }, { NULL, NULL }
};
enum { DEFAULTS = 8 };

/* ---- one container ---- */

struct sample {
	char *id, *name, *cgroup;
	bool alive;
	int64_t at_ns;            /* CLOCK_MONOTONIC */
	struct cgroup_stats now;
	uint64_t rx, tx;          /* bytes, all interfaces but lo */
	double cpu;               /* percent, since the sample before */
};
struct samples {
	struct sample *v;
	size_t n;
};

static void samples_done(struct samples *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].id);
		free(l->v[i].name);
		free(l->v[i].cgroup);
	}
	free(l->v);
	*l = (struct samples){ 0 };
}

/* /proc/PID/net/dev, proc(5): of that process' network namespace; 8 numbers received, 8 sent. */
static void read_net(pid_t pid, struct sample *s)
{
	auto_free char *path = xasprintf("/proc/%d/net/dev", (int)pid), *text = NULL;
	AUTO_ERR(gone);
	AUTO_STRV(lines);

	if (file_read(path, NET_DEV_MAX, &text, NULL, &gone) < 0)
		return;
	strv_split(&lines, text, "\n");
	for (size_t i = 2; i < lines.n; i++) {
		const char *colon = strchr(lines.v[i], ':');
		uint64_t rx, tx;

		if (!colon || strncmp(lines.v[i] + strspn(lines.v[i], " "), "lo:", 3) == 0)
			continue;
		if (sscanf(colon + 1, "%" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &rx, &tx) != 2)
			continue;
		s->rx += rx;
		s->tx += tx;
	}
}

/* One that ends in between counts as not running. */
static int take_sample(struct app *app, const struct ctr_row *c, struct sample *s, struct err *e)
{
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	AUTO_ERR(gone);

	*s = (struct sample){ .id = xstrdup(c->id), .name = xstrdup(c->name) };
	if (!ctr_row_alive(c, app->dirs.boot_id))
		return 0;
	TRY(container_load_spec(&app->dirs, c->id, &spec, e));
	s->cgroup = container_cgroup(&app->dirs, spec, c->id);
	s->at_ns = time_mono_ns();
	s->alive = cgroup_stats(s->cgroup, &s->now, &gone) >= 0;
	if (s->alive && strcmp(str0(spec->network_mode), "host") != 0)
		read_net(c->pid.pid, s);
	return 0;
}

static int take_all(struct app *app, const struct stats_opts *o, const struct strv *services, struct samples *ret, struct err *e)
{
	AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;

	TRY(app_containers(app, services, true, &rows, e));
	ret->v = xcalloc(rows.n + 1, sizeof(*ret->v));
	for (size_t i = 0; i < rows.n; i++) {
		if (!o->all && !ctr_row_alive(&rows.v[i], app->dirs.boot_id))
			continue;
		TRY(take_sample(app, &rows.v[i], &ret->v[ret->n++], e));
	}
	return 0;
}

static void add_cpu(struct samples *now, const struct samples *before)
{
	for (size_t i = 0; i < now->n; i++)
		for (size_t k = 0; k < before->n; k++) {
			struct sample *s = &now->v[i];
			const struct sample *b = &before->v[k];

			if (!streq(s->id, b->id) || !s->alive || !b->alive || s->at_ns <= b->at_ns || s->now.cpu_ns < b->now.cpu_ns)
				continue;
			s->cpu = (double)(s->now.cpu_ns - b->now.cpu_ns) * 100 / (double)(s->at_ns - b->at_ns);
		}
}

/* ---- as text ---- */

static char *pair_text(uint64_t a, uint64_t b, unsigned base, int digits)
{
	auto_free char *left = num_size_units(a, base, digits), *right = num_size_units(b, base, digits);

	return xasprintf("%s / %s", left, right);
}

/* Without a limit it is the machine's memory. */
static uint64_t limit_of(const struct sample *s)
{
	struct sysinfo i;
	uint64_t total = sysinfo(&i) == 0 ? (uint64_t)i.totalram * i.mem_unit : UINT64_MAX;

	return s->alive ? MIN(total, s->now.memory_limit) : 0;
}

static int format_sample(struct format *f, const struct sample *s, bool whole, struct err *e)
{
	AUTO(json_free) struct cJSON *o = json_object();
	uint64_t limit = limit_of(s);
	auto_free char *id = xstrndup(s->id, whole ? ID_LEN : ID_SHORT);
	auto_free char *cpu = xasprintf("%.2f%%", s->cpu), *memory = pair_text(s->now.memory, limit, 1024, 4);
	auto_free char *share = xasprintf("%.2f%%", limit ? (double)s->now.memory * 100 / (double)limit : 0);
	auto_free char *net = pair_text(s->rx, s->tx, 1000, 3), *block = pair_text(s->now.io_read, s->now.io_write, 1000, 3);
	auto_free char *pids = xasprintf("%" PRIu64, s->now.pids);

	json_add_str(o, "BlockIO", block);
	json_add_str(o, "CPUPerc", cpu);
	json_add_str(o, "Container", id);
	json_add_str(o, "ID", id);
	json_add_str(o, "MemPerc", share);
	json_add_str(o, "MemUsage", memory);
	json_add_str(o, "Name", s->name);
	json_add_str(o, "NetIO", net);
	json_add_str(o, "PIDs", pids);
	return format_row(f, o, e);
}

/* In place on a terminal: each line is cleared behind its text, and what is below the last one. */
static int draw(struct format *f, struct err *e)
{
	auto_free char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return err_sys(e, "memory for the table");
	format_end(f, out);
	fclose(out);
	fputs("\033[H", stdout);
	for (const char *p = text; *p; p++) {
		if (*p == '\n')
			fputs("\033[K", stdout);
		putchar(*p);
	}
	fputs("\033[J", stdout);
	return 0;
}

static int print_all(const struct stats_opts *o, const struct samples *l, bool in_place, struct err *e)
{
	struct format *f;

	TRY(format_new(o->format, columns, DEFAULTS, false, &f, e));
	for (size_t i = 0; i < l->n; i++)
		if (format_sample(f, &l->v[i], o->no_trunc, e) < 0) {
			format_free(f);
			return -e->code;
		}
	if (in_place)
		TRY(draw(f, e));
	else
		format_end(f, stdout);
	return app_flush(e);
}

static int stats_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct stats_opts *o = opts;
	AUTO_DONE(samples_done) struct samples before = { 0 };
	bool in_place = !o->no_stream && app_ansi(app, STDOUT_FILENO) && !(o->format && streq(o->format, "json"));
	int ms = o->no_stream ? ONCE_MS : STREAM_MS, r;

	TRY(take_all(app, o, args, &before, e));
	if (in_place)
		fputs("\033[2J", stdout);
	for (bool first = true;; first = false) {
		struct samples now = { 0 };

		if (before.n || !first)
			poll(NULL, 0, ms);
		r = take_all(app, o, args, &now, e);
		add_cpu(&now, &before);
		samples_done(&before);
		before = now;
		if (r >= 0)
			r = print_all(o, &before, in_place, e);
		if (r < 0 || o->no_stream || ferror(stdout)) /* the reader went away */
			return MIN(r, 0);
	}
}

const struct cmd cmd_stats = { "stats", stats_run, CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ROOT | CMD_ALL_PROFILES, stats_rows,
			       sizeof(struct stats_opts), "[OPTIONS] [SERVICE...]", "Show what containers use: CPU, memory, network, disk", 0, -1,
			       NULL, NULL, NULL, true };
