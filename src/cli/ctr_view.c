/* SPDX-License-Identifier: MIT */
#include "cli/ctr_view.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/port_view.h"
#include "engine/container/container.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/network_store.h"
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

enum { VIEW_MAX = 1 << 20, COMMAND_WIDTH = 20 };

const char *ctr_view_state(const struct ctr_row *c)
{
	switch (c->state) {
	case CTR_STARTING:
		return c->started_ns ? "restarting" : "created";
	case CTR_STOPPING:
		return "running";
	default:
		return ctr_state_name(c->state);
	}
}

static void add_health(struct str *b, const struct ctr_row *c)
{
	if (c->health == HEALTH_STARTING)
		str_add(b, " (health: starting)");
	else if (c->health != HEALTH_NONE)
		str_addf(b, " (%s)", ctr_health_name(c->health));
}

static void add_exited(struct str *b, const struct ctr_row *c, const char *boot_id, const char *ago)
{
	if (c->exit_known || c->error)
		str_addf(b, "Exited (%" PRId64 ")", c->exit_code);
	else if (ctr_row_ended_with_host(c, boot_id))
		str_addf(b, "Exited (%d: the host restarted)", CTR_EXIT_UNKNOWN);
	else
		str_add(b, "Exited (code unknown)");
	if (c->finished_ns >= c->started_ns) /* else nobody saw when */
		str_addf(b, " %s ago", ago);
}

char *ctr_view_status(const struct ctr_row *c, const char *boot_id, int64_t now_ns)
{
	struct str b = STR_INIT(256);
	auto_free char *up = num_ago_text((now_ns - c->started_ns) / 1000000000);
	auto_free char *down = num_ago_text((now_ns - c->finished_ns) / 1000000000);

	switch (c->state) {
	case CTR_RUNNING:
	case CTR_STOPPING:
		str_addf(&b, "Up %s", up);
		add_health(&b, c);
		break;
	case CTR_PAUSED:
		str_addf(&b, "Up %s (Paused)", up);
		break;
	case CTR_RESTARTING:
		str_addf(&b, "Restarting (%" PRId64 ") %s ago", c->exit_code, down);
		break;
	case CTR_EXITED:
		add_exited(&b, c, boot_id, down);
		break;
	case CTR_REMOVING:
		str_add(&b, "Removal In Progress");
		break;
	case CTR_DEAD:
		str_add(&b, "Dead");
		break;
	default:
		str_add(&b, c->started_ns ? "Restarting" : "Created");
	}
	return str_take(&b);
}

static const char *url_of(const char *host_ip)
{
	return *host_ip ? host_ip : "0.0.0.0";
}

int ctr_view_ports(struct db *db, const struct ctr_row *c, struct port_rows *ret, struct err *e)
{
	AUTO_DONE(sandbox_row_done) struct sandbox_row owner = { 0 };

	if (!c->sandbox || !ctr_state_runs(c->state) || sandbox_get(db, c->sandbox, &owner, e) != 0)
		return -e->code;
	if (!streq(str0(owner.project), str0(c->project)) || !streq(str0(owner.service), str0(c->service)))
		return 0;
	return port_by_sandbox(db, c->sandbox, ret, e);
}

/* Ports of a running container; one that is published on all addresses shows for both families, as docker shows it. Those that the image or
 * the service only exposes are shown where there is a network to reach them by. */
static int add_ports(struct db *db, const struct ctr_row *c, const struct ctr_spec *spec, struct cJSON *row, struct err *e)
{
	struct port_rows ports = { 0 };
	AUTO_DONE(shown_ports_done) struct shown_ports shown = { 0 };
	bool up = c->sandbox && ctr_state_runs(c->state);

	TRY(ctr_view_ports(db, c, &ports, e));
	for (size_t i = 0; i < ports.n; i++) {
		const struct port_row *p = &ports.v[i];

		shown_ports_add(&shown, url_of(p->host_ip), p->host_port, p->ctr_port, p->proto);
		if (!*p->host_ip)
			shown_ports_add(&shown, "::", p->host_port, p->ctr_port, p->proto);
	}
	for (size_t i = 0; up && spec->nendpoints && i < spec->expose.n; i++) {
		const char *slash = strchr(spec->expose.v[i], '/');

		shown_ports_add(&shown, "", 0, (uint16_t)strtoul(spec->expose.v[i], NULL, 10), slash ? slash + 1 : "tcp");
	}
	shown_ports_sort(&shown);
	auto_free char *text = shown_ports_text(&shown);

	shown_ports_json(&shown, json_add_array(row, "Publishers"));
	json_add_str(row, "Ports", text);
	port_rows_done(&ports);
	return 0;
}

static int add_networks(struct db *db, const struct ctr_row *c, struct cJSON *row, struct err *e)
{
	struct endpoint_rows eps = { 0 };
	AUTO_STRV(names);

	if (c->sandbox)
		TRY(endpoint_by_sandbox(db, c->sandbox, &eps, e));
	for (size_t i = 0; i < eps.n; i++) {
		struct network_row n = { 0 };

		if (network_get(db, eps.v[i].network, &n, e) < 0) {
			endpoint_rows_done(&eps);
			return -e->code;
		}
		if (n.name)
			strv_add(&names, n.name);
		network_row_done(&n);
	}
	endpoint_rows_done(&eps);
	auto_free char *text = strv_join(&names, ",");

	json_add_str(row, "Networks", text);
	return 0;
}

/* An argument with a blank is put in '…', as the engine's API does. */
static char *command_line(const struct strv *argv)
{
	AUTO_STRV(words);

	for (size_t i = 0; i < argv->n; i++)
		strv_addf(&words, strchr(argv->v[i], ' ') ? "'%s'" : "%s", argv->v[i]);
	return strv_join(&words, " ");
}

/* "\"sh -c id…\"" of at most 20 columns unless FULL, with what is inside escaped. */
static char *command_text(const struct ctr_spec *spec, bool full)
{
	auto_free char *line = command_line(&spec->argv);
	struct str b = STR_INIT(VIEW_MAX);
	size_t n = 0, cols = 0;

	for (; line[n] && (full || cols < COMMAND_WIDTH); n++)
		cols += ((unsigned char)line[n + 1] & 0xc0) != 0x80;
	if (line[n]) /* one column for the dots */
		do
			n--;
		while (n && ((unsigned char)line[n] & 0xc0) == 0x80);
	auto_free char *safe = str_visible(line, n);

	str_addc(&b, '"');
	for (const char *p = safe; *p; p++) {
		if (*p == '"')
			str_addc(&b, '\\');
		str_addc(&b, *p);
	}
	str_addf(&b, "%s\"", line[n] ? "…" : "");
	return str_take(&b);
}

static void add_spec(struct cJSON *row, const struct ctr_spec *spec, bool full)
{
	auto_free char *labels = strv_join(&spec->labels, ",");
	auto_free char *command = command_text(spec, full);
	AUTO_STRV(mounts);
	int64_t volumes = 0;

	for (size_t i = 0; i < spec->nmounts; i++) {
		if (spec->mounts[i].type == MNT_VOLUME || spec->mounts[i].type == MNT_BIND)
			strv_add(&mounts, spec->mounts[i].source);
		volumes += spec->mounts[i].type == MNT_VOLUME;
	}
	auto_free char *mount_text = strv_join(&mounts, ",");

	json_add_str(row, "Command", command);
	json_add_str(row, "Labels", labels);
	json_add_str(row, "Mounts", mount_text);
	auto_free char *nvol = xasprintf("%" PRId64, volumes);
	json_add_str(row, "LocalVolumes", nvol);
}

static void add_times(struct cJSON *row, const struct ctr_row *c, int64_t now_ns)
{
	time_t t = c->created_ns / 1000000000;
	struct tm tm;
	char created[64];
	auto_free char *ago = num_ago_text((now_ns - c->created_ns) / 1000000000);
	auto_free char *running = xasprintf("%s ago", ago);

	localtime_r(&t, &tm);
	strftime(created, sizeof created, "%Y-%m-%d %H:%M:%S %z %Z", &tm);
	json_add_str(row, "CreatedAt", created);
	json_add_str(row, "RunningFor", running);
}

int ctr_view_json(struct db *db, const struct ctr_row *c, int64_t now_ns, bool full, struct cJSON **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *row = json_object();
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	auto_free char *status = ctr_view_status(c, db_dirs(db)->boot_id, now_ns);
	auto_free char *id = xstrndup(c->id, full ? ID_LEN : ID_SHORT);

	TRY(container_load_spec(db_dirs(db), c->id, &spec, e));
	json_add_str(row, "ID", id);
	json_add_str(row, "Name", c->name);
	json_add_str(row, "Names", c->name);
	json_add_str(row, "Project", c->project);
	json_add_str(row, "Service", c->service);
	json_add_str(row, "Image", c->image_ref);
	json_add_str(row, "State", ctr_view_state(c));
	json_add_str(row, "Status", status);
	json_add_str(row, "Health", ctr_health_name(c->health));
	json_add_int(row, "ExitCode", c->state == CTR_RUNNING || c->state == CTR_PAUSED ? 0 : c->exit_code);
	json_add_int(row, "Pid", c->state == CTR_RUNNING || c->state == CTR_PAUSED ? c->pid.pid : 0);
	json_add_str(row, "Size", "0B");
	add_times(row, c, now_ns);
	add_spec(row, spec, full);
	TRY(add_ports(db, c, spec, row, e));
	TRY(add_networks(db, c, row, e));
	*ret = TAKE(row);
	return 0;
}
