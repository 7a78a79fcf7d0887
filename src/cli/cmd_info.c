/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/strv.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/table.h"
#include "config.h"
#include "engine/image/hosts.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "engine/kernel/cgroup.h"
#include "engine/kernel/probe.h"
#include "net/network.h"
#include "state/container_store.h"
#include "state/project_store.h"
#include "state/db.h"
#include <errno.h>
#include <sys/utsname.h>

struct info_opts {
	const char *format, *registries;
};
static const struct opt info_rows[] = {
	OPT('f', "format", OPT_STR, struct info_opts, format, "FORMAT", "json or a template such as '{{.StorageDriver}}'"),
	OPT(0, "registries", OPT_STR, struct info_opts, registries, "IMAGE", "Which hosts are asked for IMAGE, in what order, and which file says so"),
	OPT_END
};

static int add_counts(struct app *app, struct cJSON *o, struct err *e)
{
	int64_t running = 0, paused = 0, all = 0;
	AUTO_STRV(projects);

	TRY(project_list(app->db, &projects, e));
	for (size_t k = 0; k < projects.n; k++) {
		AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;

		TRY(app_rows(app, projects.v[k], NULL, &rows, e));
		all += (int64_t)rows.n;
		for (size_t i = 0; i < rows.n; i++) {
			running += rows.v[i].state == CTR_RUNNING;
			paused += rows.v[i].state == CTR_PAUSED;
		}
	}
	json_add_int(o, "Containers", all);
	json_add_int(o, "ContainersRunning", running);
	json_add_int(o, "ContainersPaused", paused);
	json_add_int(o, "ContainersStopped", all - running - paused);
	return 0;
}

static void add_features(struct cJSON *o)
{
	const struct kernel_probe *k = kernel_probe();
	const struct {
		const char *name;
		bool there;
	} features[] = { { "clone3", k->clone3 }, { "openat2", k->openat2 }, { "new mount API", k->new_mount },
			 { "close_range", k->close_range }, { "pidfd", k->pidfd } };
	struct cJSON *list = json_add_object(o, "KernelFeatures");

	for (size_t i = 0; i < ARRAY_LEN(features); i++)
		json_add_bool(list, features[i].name, features[i].there);
}

/* Best effort: not everybody may read the firewall. */
static void add_warnings(struct cJSON *o)
{
	AUTO_STRV(warnings);
	AUTO_ERR(t);

	if (network_warnings(&warnings, &t) < 0)
		log_debug("firewall: %s", err_text(&t));
	json_add_strv(o, "Warnings", &warnings);
}

static int collect(struct app *app, struct cJSON *o, struct err *e)
{
	const struct cgroup_layout *cg;
	const char *driver;
	auto_free char *why = NULL;
	struct strv images = STRV_INIT;
	struct utsname u;

	uname(&u);
	json_add_str(o, "ServerVersion", PACKAGE_VERSION);
	TRY(add_counts(app, o, e));
	TRY(image_list(app->db, &images, e));
	json_add_int(o, "Images", (int64_t)images.n);
	strv_done(&images);
	TRY(image_driver(&app->dirs, &driver, &why, e));
	json_add_str(o, "StorageDriver", driver);
	json_add_str(o, "StorageDriverReason", why && *why ? why : NULL);
	TRY(cgroup_layout(&cg, e));
	json_add_str(o, "CgroupVersion", cg->v2 ? "2" : "1");
	json_add_str(o, "CgroupLayout", cg->v2 ? "v2" : cg->unified ? "hybrid" : "v1");
	json_add_str(o, "KernelVersion", u.release);
	json_add_str(o, "Architecture", u.machine);
	add_features(o);
	json_add_str(o, "RootDir", app->dirs.root);
	json_add_str(o, "RunDir", app->dirs.run);
	json_add_str(o, "ID", app->dirs.root_id);
	add_warnings(o);
	return 0;
}

static void print_plain(const struct cJSON *o)
{
	for (const struct cJSON *c = json_first(o); c; c = json_next(c)) {
		const char *s = json_value_str(c);
		int64_t n;

		if (s)
			printf("%s: %s\n", json_key(c), s);
		else if (json_value_int(c, &n))
			printf("%s: %lld\n", json_key(c), (long long)n);
		for (const struct cJSON *f = json_is_object(c) ? json_first(c) : NULL; f; f = json_next(f)) {
			auto_free char *text = json_text(f, false);

			if (f == json_first(c))
				printf("%s:\n", json_key(c));
			printf(" %s: %s\n", json_key(f), streq(text, "true") ? "yes" : "no");
		}
	}
}

/* ---- --registries ---- */

static struct cJSON *host_json(const struct registry_host *h, const struct ref *ref)
{
	struct cJSON *o = json_object();

	json_add_str(o, "URL", h->url);
	json_add_str(o, "Repository", h->repo ? h->repo : ref->path);
	json_add_bool(o, "Mirror", h->mirror);
	json_add_bool(o, "Insecure", h->insecure || h->tls.insecure);
	json_add_str(o, "Asked", h->no_tags ? "by digest" : h->no_digests ? "by tag" : "for everything");
	json_add_bool(o, "Authorities", h->tls.ca != NULL);
	json_add_bool(o, "ClientCertificate", h->tls.cert != NULL);
	json_add_str(o, "From", h->from ? h->from : "");
	return o;
}

static void print_hosts(const struct cJSON *list)
{
	static const char *const headings[] = { "HOST", "REPOSITORY", "KIND", "TLS", "ASKED", "FROM", NULL };
	AUTO_DONE(table_done) struct table t;

	table_init(&t, headings);
	for (const struct cJSON *c = json_first(list); c; c = json_next(c)) {
		table_cell(&t, json_str(c, "URL"));
		table_cell(&t, json_str(c, "Repository"));
		table_cell(&t, json_bool(c, "Mirror", false) ? "mirror" : "registry");
		table_cellf(&t, "%s%s", json_bool(c, "Insecure", false) ? "not verified" : json_bool(c, "Authorities", false) ? "own authority" : "verified",
			json_bool(c, "ClientCertificate", false) ? ", client certificate" : "");
		table_cell(&t, json_str(c, "Asked"));
		table_cell(&t, json_str(c, "From"));
	}
	table_print(&t, stdout);
}

static int info_registries(struct app *app, const struct info_opts *o, struct err *e)
{
	AUTO_DONE(ref_done) struct ref ref = { 0 };
	AUTO_DONE(registry_hosts_done) struct registry_hosts hosts = { 0 };
	AUTO(json_free) struct cJSON *list = json_array();
	auto_free char *text = NULL;

	if (o->format && !streq(o->format, "json"))
		return err_set(e, EINVAL, "--registries is shown as a table or with --format json");
	TRY(ref_parse_tagged(o->registries, &ref, e));
	TRY(registry_hosts_read(app->dirs.root, &ref, false, &hosts, e));
	for (size_t i = 0; i < hosts.n; i++)
		json_add(list, NULL, host_json(&hosts.v[i], &ref));
	if (!o->format) {
		print_hosts(list);
		return 0;
	}
	text = json_text(list, false);
	printf("%s\n", text);
	return 0;
}

static int info_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct info_opts *o = opts;
	AUTO(json_free) struct cJSON *info = json_object();

	if (o->registries)
		return info_registries(app, o, e);
	TRY(collect(app, info, e));
	if (o->format && streq(o->format, "json")) {
		auto_free char *text = json_text(info, false);

		printf("%s\n", text);
	} else if (o->format) {
		auto_free char *text = NULL;

		TRY(format_template(o->format, info, &text, e));
		printf("%s\n", text);
	} else {
		AUTO_STRV(warnings);

		print_plain(info);
		json_strv(info, "Warnings", &warnings);
		for (size_t i = 0; i < warnings.n; i++)
			log_warning("%s", warnings.v[i]);
	}
	return 0;
}

const struct cmd cmd_info = { "info", info_run, CMD_STATE_READ | CMD_ROOT, info_rows, sizeof(struct info_opts), "[OPTIONS]",
			      "Show what this host offers and what there is", 0, 0 };
