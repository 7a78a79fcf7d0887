/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/strv.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "config.h"
#include "engine/image/store.h"
#include "engine/kernel/cgroup.h"
#include "engine/kernel/probe.h"
#include "net/network.h"
#include "state/container_store.h"
#include "state/db.h"
#include <errno.h>
#include <sys/utsname.h>

struct info_opts {
	const char *format;
};
static const struct opt info_rows[] = {
	OPT('f', "format", OPT_STR, struct info_opts, format, "FORMAT", "json or a template such as '{{.StorageDriver}}'"),
	OPT_END
};

static void add_counts(struct cJSON *o, const struct ctr_rows *rows)
{
	int64_t running = 0, paused = 0;

	for (size_t i = 0; i < rows->n; i++) {
		running += rows->v[i].state == CTR_RUNNING;
		paused += rows->v[i].state == CTR_PAUSED;
	}
	json_add_int(o, "Containers", (int64_t)rows->n);
	json_add_int(o, "ContainersRunning", running);
	json_add_int(o, "ContainersPaused", paused);
	json_add_int(o, "ContainersStopped", (int64_t)rows->n - running - paused);
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
	struct ctr_rows rows = CTR_ROWS_INIT;
	const struct cgroup_layout *cg;
	const char *driver;
	auto_free char *why = NULL;
	struct strv images = STRV_INIT;
	struct utsname u;

	uname(&u);
	json_add_str(o, "ServerVersion", PACKAGE_VERSION);
	TRY(ctr_list(app->db, NULL, NULL, &rows, e));
	add_counts(o, &rows);
	ctr_rows_done(&rows);
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

static int info_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct info_opts *o = opts;
	AUTO(json_free) struct cJSON *info = json_object();

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
