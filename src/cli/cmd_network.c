/* SPDX-License-Identifier: MIT
 *
 * gantry network …: networks of all projects and those made by hand (a compose file's external ones). Options and output as docker network's.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/filters.h"
#include "cli/format.h"
#include "cli/object_view.h"
#include "net/addr.h"
#include "net/network.h"
#include "state/db.h"
#include <errno.h>
#include <time.h>

/* ---- create ---- */

struct create_opts {
	bool attachable, internal, ipv4, ipv6;
	const char *driver, *ipam_driver;
	struct strv aux, gateways, ranges, subnets, labels, options;
};
static const struct opt create_rows[] = {
	OPT(0, "attachable", OPT_BOOL, struct create_opts, attachable, NULL, "Containers may be attached by hand (kept, and shown)"),
	OPT(0, "aux-address", OPT_LIST, struct create_opts, aux, "NAME=ADDRESS", "Address that no container gets, repeatable"),
	OPT('d', "driver", OPT_STR, struct create_opts, driver, "DRIVER", "bridge, macvlan or ipvlan"),
	OPT(0, "gateway", OPT_LIST, struct create_opts, gateways, "ADDRESS", "Gateway of the subnet that has this address, repeatable"),
	OPT(0, "internal", OPT_BOOL, struct create_opts, internal, NULL, "No way out of the host"),
	OPT(0, "ip-range", OPT_LIST, struct create_opts, ranges, "CIDR", "Part of a subnet from which containers get addresses, repeatable"),
	OPT(0, "ipam-driver", OPT_STR, struct create_opts, ipam_driver, "DRIVER", "Address manager (default)"),
	OPT(0, "ipv4", OPT_BOOL, struct create_opts, ipv4, NULL, "Enable IPv4 (default)"),
	OPT(0, "ipv6", OPT_BOOL, struct create_opts, ipv6, NULL, "Enable IPv6"),
	OPT(0, "label", OPT_LIST, struct create_opts, labels, "KEY=VALUE", "Set a label, repeatable"),
	OPT('o', "opt", OPT_LIST, struct create_opts, options, "KEY=VALUE", "Option of the driver, repeatable"),
	OPT(0, "subnet", OPT_LIST, struct create_opts, subnets, "CIDR", "Subnet of the network, one a family"),
	OPT_END
};

static void create_init(void *opts)
{
	*(struct create_opts *)opts = (struct create_opts){ .driver = "bridge", .ipam_driver = "default", .ipv4 = true };
}

/* The subnet that ADDRESS is in. WHAT: the option, for errors. */
static int subnet_with(struct network_row *n, const char *what, const struct addr *a, const char *text, struct subnet_row **ret, struct err *e)
{
	for (size_t i = 0; i < n->nsubnets; i++) {
		struct cidr c;

		TRY(cidr_parse(n->subnets[i].cidr, &c, e));
		if (!cidr_has(&c, a))
			continue;
		*ret = &n->subnets[i];
		return 0;
	}
	if (!n->nsubnets)
		return err_set(e, EINVAL, "%s '%s': every network that has one needs a --subnet", what, text);
	return err_set(e, EINVAL, "%s '%s': no matching subnet", what, text);
}

static int add_gateway(struct network_row *n, const char *text, struct err *e)
{
	struct subnet_row *row;
	struct addr a;

	if (addr_parse(text, &a, e) < 0)
		return err_wrap(e, "--gateway");
	TRY(subnet_with(n, "--gateway", &a, text, &row, e));
	if (row->gateway)
		return err_set(e, EINVAL, "--gateway '%s': subnet %s has %s already", text, row->cidr, row->gateway);
	row->gateway = xstrdup(text);
	return 0;
}

static int add_range(struct network_row *n, const char *text, struct err *e)
{
	struct subnet_row *row;
	struct cidr c;

	if (cidr_parse(text, &c, e) < 0)
		return err_wrap(e, "--ip-range");
	TRY(subnet_with(n, "--ip-range", &c.a, text, &row, e));
	if (row->ip_range)
		return err_set(e, EINVAL, "--ip-range '%s': subnet %s has %s already", text, row->cidr, row->ip_range);
	row->ip_range = xstrdup(text);
	return 0;
}

static int add_aux(struct network_row *n, const char *text, struct err *e)
{
	AUTO(json_free) struct cJSON *o = NULL;
	const char *eq = strchr(text, '=');
	struct subnet_row *row;
	struct addr a;

	if (!eq || eq == text)
		return err_set(e, EINVAL, "--aux-address '%s': expected NAME=ADDRESS", text);
	if (addr_parse(eq + 1, &a, e) < 0)
		return err_wrap(e, "--aux-address");
	TRY(subnet_with(n, "--aux-address", &a, text, &row, e));
	if (row->aux)
		TRY(json_parse(row->aux, strlen(row->aux), "--aux-address", &o, e));
	else
		o = json_object();
	auto_free char *name = xstrndup(text, (size_t)(eq - text));

	json_add_str(o, name, eq + 1);
	free(row->aux);
	row->aux = json_text(o, false);
	return 0;
}

static int read_subnets(const struct create_opts *o, struct network_row *ret, struct err *e)
{
	static const struct {
		size_t offset;
		int (*add)(struct network_row *n, const char *text, struct err *e);
	} lists[] = {
		{ offsetof(struct create_opts, gateways), add_gateway },
		{ offsetof(struct create_opts, ranges), add_range },
		{ offsetof(struct create_opts, aux), add_aux },
	};

	ret->subnets = xcalloc(o->subnets.n + 1, sizeof(*ret->subnets));
	for (size_t i = 0; i < o->subnets.n; i++) {
		struct cidr c;

		if (cidr_parse(o->subnets.v[i], &c, e) < 0)
			return err_wrap(e, "--subnet");
		ret->subnets[ret->nsubnets++] = (struct subnet_row){ .cidr = xstrdup(o->subnets.v[i]) };
	}
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const struct strv *texts = (const void *)((const char *)o + lists[i].offset);

		for (size_t k = 0; k < texts->n; k++)
			TRY(lists[i].add(ret, texts->v[k], e));
	}
	return 0;
}

static int check_options(const struct create_opts *o, const char *options, struct err *e)
{
	AUTO_STRV(warnings);

	if (!streq(o->ipam_driver, "default"))
		return err_set(e, ENOTSUP, "--ipam-driver '%s' is not supported, only 'default'", o->ipam_driver);
	TRY(network_driver_check(o->driver, e));
	if (streq(o->driver, "host") || streq(o->driver, "none"))
		return err_set(e, EINVAL, "only one instance of \"%s\" network is allowed: it is always there, as network_mode: %s", o->driver, o->driver);
	TRY(network_options_check(o->driver, options, &warnings, e));
	for (size_t i = 0; i < warnings.n; i++)
		log_warning("%s", warnings.v[i]);
	return 0;
}

static int create_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct create_opts *o = opts;
	AUTO_DONE(network_row_done) struct network_row row = { 0 }, asked = { 0 };
	auto_free char *labels = NULL, *options = NULL;
	char id[NETWORK_VIEW_ID + 1];
	int r;

	TRY(object_options(&o->labels, "--label", false, &labels, e));
	TRY(object_options(&o->options, "--opt", true, &options, e));
	TRY(check_options(o, options, e));
	TRY(read_subnets(o, &asked, e));

	const struct network_want want = {
		.name = args->v[0], .driver = o->driver, .options = options, .labels = labels, .internal = o->internal,
		.attachable = o->attachable, .ipv4 = o->ipv4, .ipv6 = o->ipv6, .subnets = asked.subnets, .nsubnets = asked.nsubnets,
	};

	r = app->g.dry_run ? network_by_name(app->db, args->v[0], &row, e) == 0 : network_create(app->db, &want, &row, e);
	if (e->code)
		return -e->code;
	if (r == 1)
		return err_set(e, EEXIST, "network with name %s already exists", args->v[0]);
	if (app->g.dry_run) {
		printf("%s\n", args->v[0]);
		return 0;
	}
	network_view_id(&app->dirs, row.id, id);
	printf("%s\n", id);
	return 0;
}

static const struct cmd cmd_create_ = { "create", create_run, CMD_STATE | CMD_ROOT, create_rows, sizeof(struct create_opts),
					"[OPTIONS] NETWORK", "Make a network", 1, 1, NULL, NULL, create_init };

/* ---- ls ---- */

struct ls_opts {
	bool quiet, no_trunc;
	const char *format;
	struct strv filter;
};
static const struct opt ls_rows[] = {
	OPT('f', "filter", OPT_LIST, struct ls_opts, filter, "KEY=VALUE", "dangling=BOOL, driver=NAME, id=PREFIX, label=KEY[=VALUE], name=PART, type=custom"),
	OPT(0, "format", OPT_STR, struct ls_opts, format, "FORMAT", "table, json or a Go template"),
	OPT(0, "no-trunc", OPT_BOOL, struct ls_opts, no_trunc, NULL, "Whole ids"),
	OPT('q', "quiet", OPT_BOOL, struct ls_opts, quiet, NULL, "Only ids"),
	OPT_END
};
static const struct format_column columns[] = {
	{ "ID", "NETWORK ID" }, { "Name", "NAME" }, { "Driver", "DRIVER" }, { "Scope", "SCOPE" }, { "IPv4", "IPV4" }, { "IPv6", "IPV6" },
	{ "Internal", "INTERNAL" }, { "Labels", "LABELS" }, { "CreatedAt", "CREATED AT" }, { NULL, NULL }
};

enum filter { FILTER_DANGLING, FILTER_DRIVER, FILTER_ID, FILTER_LABEL, FILTER_NAME, FILTER_TYPE, FILTERS };
static const char *const filter_names[FILTERS] = {
	[FILTER_DANGLING] = "dangling", [FILTER_DRIVER] = "driver", [FILTER_ID] = "id", [FILTER_LABEL] = "label", [FILTER_NAME] = "name",
	[FILTER_TYPE] = "type",
};

static int filter_one(struct db *db, const void *object, int kind, const char *value, struct err *e)
{
	const struct network_row *n = object;
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };
	char id[NETWORK_VIEW_ID + 1];
	bool want;

	switch ((enum filter)kind) {
	case FILTER_DANGLING:
		if (num_bool(value, &want, e) < 0)
			return err_wrap(e, "--filter dangling");
		TRY(endpoint_by_network(db, n->id, &eps, e));
		return want == (eps.n == 0);
	case FILTER_DRIVER:
		return streq(n->driver, value);
	case FILTER_ID:
		network_view_id(db_dirs(db), n->id, id);
		return str_starts(id, value);
	case FILTER_LABEL:
		return object_has_label(n->labels, value);
	case FILTER_NAME:
		return strstr(n->name, value) != NULL;
	case FILTER_TYPE:
		if (!streq(value, "custom") && !streq(value, "builtin"))
			return err_set(e, EINVAL, "invalid filter: 'type'='%s' (custom or builtin)", value);
		return streq(value, "custom");
	default:
		return 1;
	}
}

static const struct network_row no_network = { .name = (char *)"", .driver = (char *)"", .labels = (char *)"{}" };
static const struct filters ls_filters = { filter_names, FILTERS, (1 << FILTERS) - 1, FILTER_LABEL, &no_network, filter_one };
static const struct filters prune_filters = { filter_names, FILTERS, 1 << FILTER_LABEL, FILTER_LABEL, &no_network, filter_one };

/* "2026-11-25 07:54:30.298762967 +0000 UTC", as docker network ls has it */
static char *created_text(int64_t ns)
{
	time_t t = ns / 1000000000;
	char date[32], zone[32];
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z %Z", &tm);
	return xasprintf("%s.%09d %s", date, (int)(ns % 1000000000), zone);
}

static int format_network(struct app *app, struct format *f, const struct network_row *n, bool whole, struct err *e)
{
	AUTO(json_free) struct cJSON *o = json_object();
	auto_free char *labels = object_labels_text(n->labels), *created = created_text(n->created_ns);
	char id[NETWORK_VIEW_ID + 1];

	network_view_id(&app->dirs, n->id, id);
	if (!whole)
		id[ID_SHORT] = '\0';
	json_add_str(o, "CreatedAt", created);
	json_add_str(o, "Driver", n->driver);
	json_add_str(o, "ID", id);
	json_add_str(o, "IPv4", n->ipv4 ? "true" : "false");
	json_add_str(o, "IPv6", n->ipv6 ? "true" : "false");
	json_add_str(o, "Internal", n->internal ? "true" : "false");
	json_add_str(o, "Labels", labels);
	json_add_str(o, "Name", n->name);
	json_add_str(o, "Scope", "local");
	return format_row(f, o, e);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct network_row *)a)->name, ((const struct network_row *)b)->name);
}

static int ls_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct ls_opts *o = opts;
	AUTO_DONE(network_rows_done) struct network_rows all = { 0 };
	struct format *f;
	int r = 0;

	(void)args;
	TRY(filters_check(&ls_filters, &o->filter, app->db, e));
	TRY(network_list(app->db, NULL, &all, e));
	TRY(format_new(o->format, columns, 4, false, &f, e));
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_name);
	for (size_t i = 0; r >= 0 && i < all.n; i++) {
		char id[NETWORK_VIEW_ID + 1];

		if (all.v[i].deleting)
			continue;
		r = filters_pass(&ls_filters, &o->filter, app->db, &all.v[i], e);
		if (r > 0 && o->quiet) {
			network_view_id(&app->dirs, all.v[i].id, id);
			printf("%.*s\n", o->no_trunc ? NETWORK_VIEW_ID : ID_SHORT, id);
		} else if (r > 0) {
			r = format_network(app, f, &all.v[i], o->no_trunc, e);
		}
	}
	if (r < 0 || o->quiet)
		format_free(f);
	else
		format_end(f, stdout);
	return MIN(r, 0);
}

static const struct cmd cmd_ls_ = { "ls", ls_run, CMD_STATE_READ, ls_rows, sizeof(struct ls_opts), "[OPTIONS]", "List networks", 0, 0, "list" };

/* ---- inspect ---- */

struct inspect_opts {
	const char *format;
};
static const struct opt inspect_rows[] = {
	OPT('f', "format", OPT_STR, struct inspect_opts, format, "FORMAT", "json or a Go template, per network"),
	OPT_END
};

static int find(struct db *db, const char *name, struct network_row *ret, struct err *e)
{
	int r = network_view_find(db, name, ret, e);

	if (r != 1)
		return r;
	err_set(e, ENOENT, "network %s not found", name);
	err_hint(e, "'gantry network ls' lists them");
	return -ENOENT;
}

static int inspect_add(struct app *app, const char *name, void *arg, struct cJSON *list, struct err *e)
{
	AUTO_DONE(network_row_done) struct network_row n = { 0 };
	struct cJSON *one = NULL;

	(void)arg;
	TRY(find(app->db, name, &n, e));
	TRY(network_view(app->db, &n, &one, e));
	json_add(list, NULL, one);
	return 0;
}

static int inspect_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct inspect_opts *o = opts;

	return object_inspect(app, args, inspect_add, NULL, o->format, e);
}

static const struct cmd cmd_inspect_ = { "inspect", inspect_run, CMD_STATE_READ, inspect_rows, sizeof(struct inspect_opts),
					 "[OPTIONS] NETWORK [NETWORK...]", "Show all about networks", 1, -1 };

/* ---- rm, prune ---- */

struct rm_opts {
	bool force;
};
static const struct opt rm_rows[] = {
	OPT('f', "force", OPT_BOOL, struct rm_opts, force, NULL, "That there is no such network is fine"),
	OPT_END
};

static int rm_one(struct app *app, const char *name, void *arg, struct err *e)
{
	const struct rm_opts *o = arg;
	AUTO_DONE(network_row_done) struct network_row n = { 0 };

	if (find(app->db, name, &n, e) < 0) {
		if (e->code != ENOENT || !o->force)
			return -e->code;
		err_clear(e);
		return 0;
	}
	if (!app->g.dry_run)
		TRY(network_remove(app->db, &n.id, 1, e));
	printf("%s\n", name);
	return 0;
}

static int rm_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	return object_each(app, args, rm_one, opts, e);
}

static const struct cmd cmd_rm_ = { "rm", rm_run, CMD_STATE | CMD_ROOT, rm_rows, sizeof(struct rm_opts), "[OPTIONS] NETWORK [NETWORK...]",
				    "Remove networks", 1, -1, "remove" };

struct prune_opts {
	bool force;
	struct strv filter;
};
static const struct opt prune_rows[] = {
	OPT(0, "filter", OPT_LIST, struct prune_opts, filter, "KEY=VALUE", "label=KEY[=VALUE]"),
	OPT('f', "force", OPT_BOOL, struct prune_opts, force, NULL, "Do not ask"),
	OPT_END
};

/* 1: removed. One whose addresses a container leases, running or not, stays. */
static int prune_one(struct app *app, const struct network_row *n, struct err *e)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };
	AUTO_ERR(failure);
	int r;

	TRY(endpoint_by_network(app->db, n->id, &eps, e));
	if (eps.n)
		return 0;
	r = app->g.dry_run ? 0 : network_remove(app->db, &n->id, 1, &failure);
	if (r == -EBUSY)
		return 0;
	return r < 0 ? err_move(e, &failure) : 1;
}

static int prune_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct prune_opts *o = opts;
	AUTO_DONE(network_rows_done) struct network_rows all = { 0 };
	AUTO_STRV(gone);

	(void)args;
	TRY(filters_check(&prune_filters, &o->filter, app->db, e));
	if (!o->force && !app->g.dry_run && !object_agreed("Remove all networks that no container uses?"))
		return 0;
	TRY(network_list(app->db, NULL, &all, e));
	for (size_t i = 0; i < all.n; i++) {
		int r = filters_pass(&prune_filters, &o->filter, app->db, &all.v[i], e);

		if (r > 0)
			r = prune_one(app, &all.v[i], e);
		if (r < 0)
			return r;
		if (r > 0)
			strv_add(&gone, all.v[i].name);
	}
	if (gone.n) {
		auto_free char *names = strv_join(&gone, "\n");

		printf("Deleted Networks:\n%s\n\n", names);
	}
	return 0;
}

static const struct cmd cmd_prune_ = { "prune", prune_run, CMD_STATE | CMD_ROOT, prune_rows, sizeof(struct prune_opts), "[OPTIONS]",
				       "Remove networks that nobody uses", 0, 0 };

static const struct cmd *const network_commands[] = { &cmd_create_, &cmd_inspect_, &cmd_ls_, &cmd_prune_, &cmd_rm_, NULL };

const struct cmd cmd_network = { "network", NULL, 0, NULL, 0, "COMMAND", "Networks: create, list, inspect, remove", 0, -1, NULL, network_commands };
