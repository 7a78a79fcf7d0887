/* SPDX-License-Identifier: MIT
 *
 * src/plan: tests/cases/plan/NAME/{compose.yaml, old.yaml, observed.json, args, expect | expect.err}. A folder is a test.
 *
 *   compose.yaml   what is wanted              args   "up --force-recreate web"; "up" without it
 *   old.yaml       what the containers that are there were made of; without it compose.yaml
 *   observed.json  {"containers": {"p-web-1": "running", "p-db-1": "exited 3"}, …}; none: nothing is there. Networks, volumes and images of
 *                  old.yaml are there unless "networks", "volumes", "images" say otherwise: {"p_default": "changed"}; an object for a container
 *                  {"state", "service", "number", "oneoff", "hash", "image", "networks", "volumes", "deps"}
 *   expect         the plan's text, then "warning: …" lines
 * CASES=/path and UPDATE=1 write what came out instead.
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "compose/load.h"
#include "plan/observe.h"
#include "plan/plan.h"
#include "tests/unit/case_dirs.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { TEXT_MAX = 1 << 20 };

struct pcase {
	char *dir;
	struct arena *arena;
	struct project *now, *old;
	struct observed *o;
	struct strv services;
	struct plan_scale scale[8];
	struct plan_options opt;
	int kind;      /* OP_KINDS: up; OP_KINDS + 1: down */
	bool no_file;  /* -p: by name alone */
};

static int load(struct pcase *c, const char *file, struct project **ret, struct err *e)
{
	char *const environ[] = { NULL };
	struct notes notes = { 0 };
	struct load_opts o = { .cwd = c->dir, .project_name = "p", .environ = environ, .no_deps = c->opt.no_deps };
	int r;

	strv_add(&o.files, file);
	if (file[0] == 'c' && c->kind == OP_KINDS) /* only up loads what is named; the old file is what was: all of it */
		strv_copy(&o.services, &c->services);
	r = compose_load(&o, c->arena, &notes, ret, e);
	strv_done(&o.files);
	strv_done(&o.services);
	return r;
}

/* ---- observed ---- */

static struct network_row *add_network(struct observed *o, const struct network *n, const char *word, const struct project *p)
{
	struct err e = ERR_INIT;
	char hash[PROJECT_HASH_MAX];
	struct network_row *row;

	if (project_hash_network(p, n, hash, &e) < 0)
		fail_msg("%s", err_text(&e));
	xgrow(&o->networks.v, o->networks.n, &o->networks.cap, sizeof *o->networks.v);
	row = &o->networks.v[o->networks.n++];
	*row = (struct network_row){ .id = (int64_t)o->networks.n, .name = xstrdup(n->name), .key = xstrdup(n->key),
				     .project = xstrdup0(streq(word, "foreign") || n->external ? NULL : "p"),
				     .hash = xstrdup(streq(word, "changed") ? "1:other" : hash), .deleting = streq(word, "deleting") };
	return row;
}

static void add_volume(struct observed *o, const struct volume *v, const char *word, const struct project *p)
{
	struct err e = ERR_INIT;
	char hash[PROJECT_HASH_MAX];

	if (project_hash_volume(p, v, hash, &e) < 0)
		fail_msg("%s", err_text(&e));
	xgrow(&o->volumes.v, o->volumes.n, &o->volumes.cap, sizeof *o->volumes.v);
	o->volumes.v[o->volumes.n++] = (struct volume_row){
		.name = xstrdup(v->name), .key = xstrdup(v->key), .project = xstrdup0(streq(word, "foreign") || v->external ? NULL : "p"),
		.hash = xstrdup(streq(word, "changed") ? "1:other" : hash), .deleting = streq(word, "deleting"),
	};
}

static void set_state(struct observed_ctr *c, const char *text)
{
	AUTO_STRV(words);
	struct err e = ERR_INIT;

	strv_split(&words, text, " ");
	c->row.state = ctr_state_parse(words.v[0]);
	c->row.exit_known = true;
	if (words.n > 1 && num_int(words.v[1], 0, 255, &c->row.exit_code, &e) < 0)
		fail_msg("%s", err_text(&e));
	if ((int)c->row.state < 0)
		fail_msg("no such state: %s", text);
}

static void join(struct observed *o, struct observed_ctr *c, const char *network)
{
	const struct network_row *row = observed_network(o, network);

	if (!row)
		return;
	c->networks = xreallocarray(c->networks, c->nnetworks + 1, sizeof *c->networks);
	c->networks[c->nnetworks++] = row->id;
}

/* As its service in the old file makes it. */
static void from_service(struct pcase *c, struct observed_ctr *ctr)
{
	const struct service *s = project_service(c->old, ctr->row.service);
	struct err e = ERR_INIT;
	char hash[PROJECT_HASH_MAX];

	if (!s)
		return;
	if (project_hash_service(c->old, s, hash, &e) < 0)
		fail_msg("%s", err_text(&e));
	ctr->row.hash = xstrdup(hash);
	ctr->row.config = service_json(c->old, s);
	ctr->row.image_ref = xstrdup(service_image(s));
	ctr->row.image_id = xasprintf("sha256:%s", service_image(s));
	for (size_t i = 0; i < s->networks.n; i++)
		join(c->o, ctr, project_network(c->old, s->networks.v[i].name)->name);
	for (size_t i = 0; i < s->volumes.n; i++)
		if (s->volumes.v[i].type == MOUNT_VOLUME && s->volumes.v[i].source)
			strv_add(&ctr->volumes, project_volume(c->old, s->volumes.v[i].source)->name);
}

static void details(struct pcase *c, struct observed_ctr *ctr, const struct cJSON *j)
{
	const struct cJSON *list;

	set_state(ctr, json_str(j, "state") ? json_str(j, "state") : "running");
	ctr->row.number = json_int(j, "number", ctr->row.number);
	ctr->row.oneoff = json_bool(j, "oneoff", false);
	if (json_str(j, "service")) {
		free(ctr->row.service);
		ctr->row.service = xstrdup(json_str(j, "service"));
	}
	from_service(c, ctr);
	if (json_get(j, "hash")) {
		free(ctr->row.hash);
		ctr->row.hash = xstrdup0(json_str(j, "hash"));
	}
	if (json_str(j, "image")) {
		free(ctr->row.image_id);
		ctr->row.image_id = xstrdup(json_str(j, "image"));
	}
	if (json_get(j, "networks")) {
		ctr->nnetworks = 0;
		for (list = json_first(json_get(j, "networks")); list; list = json_next(list))
			join(c->o, ctr, json_value_str(list));
	}
	if (json_get(j, "volumes")) {
		strv_clear(&ctr->volumes);
		json_strv(j, "volumes", &ctr->volumes);
	}
	for (list = json_first(json_get(j, "deps")); list; list = json_next(list)) {
		ctr->deps = xreallocarray(ctr->deps, ctr->ndeps + 1, sizeof *ctr->deps);
		ctr->deps[ctr->ndeps++] = (struct observed_dep){ .service = xstrdup(json_key(list)), .condition = xstrdup(json_value_str(list)) };
	}
}

/* "p-web-1" */
static void add_container(struct pcase *c, const char *name, const struct cJSON *j)
{
	struct observed *o = c->o;
	struct observed_ctr *ctr;
	auto_free char *service = xstrdup(name);
	char *dash = strrchr(service, '-');
	struct err e = ERR_INIT;

	o->ctrs = xreallocarray(o->ctrs, o->nctrs + 1, sizeof *o->ctrs);
	ctr = &o->ctrs[o->nctrs++];
	*ctr = (struct observed_ctr){ .row = { .id = xasprintf("%064zx", o->nctrs), .name = xstrdup(name), .project = xstrdup("p") } };
	if (dash && num_int(dash + 1, 0, 1000, &ctr->row.number, &e) >= 0)
		*dash = '\0';
	err_clear(&e);
	ctr->row.service = xstrdup(strchr(service, '-') ? strchr(service, '-') + 1 : service);
	if (json_is_object(j)) {
		details(c, ctr, j);
	} else {
		set_state(ctr, json_value_str(j));
		from_service(c, ctr);
	}
}

static const char *word_for(const struct cJSON *words, const char *name)
{
	return words ? json_str(words, name) : "there";
}

static void read_observed(struct pcase *c)
{
	auto_free char *path = path_join(c->dir, "observed.json");
	auto_free char *text = NULL;
	AUTO(json_free) struct cJSON *j = NULL;
	struct err e = ERR_INIT;
	size_t n = 0;
	bool nothing = !file_exists(path);
	const struct project *p = c->old;

	c->o = xcalloc(1, sizeof *c->o);
	c->o->project = xstrdup("p");
	c->o->images = c->o->image_checked = MAP_INIT(free);
	if (!nothing && (file_read(path, TEXT_MAX, &text, &n, &e) < 0 || json_parse(text, n, "observed.json", &j, &e) < 0))
		fail_msg("%s: %s", path, err_text(&e));
	for (size_t i = 0; i < p->services.n; i++)
		if (!json_get(j, "images"))
			map_set(&c->o->images, service_image(&p->services.v[i]), xasprintf("sha256:%s", service_image(&p->services.v[i])));
	for (const struct cJSON *k = json_first(json_get(j, "images")); k; k = json_next(k))
		map_set(&c->o->images, json_key(k), xstrdup(json_value_str(k)));
	for (size_t i = 0; !nothing && i < p->networks.n; i++)
		if (p->networks.v[i].used && word_for(json_get(j, "networks"), p->networks.v[i].name))
			add_network(c->o, &p->networks.v[i], word_for(json_get(j, "networks"), p->networks.v[i].name), p);
	for (size_t i = 0; !nothing && i < p->volumes.n; i++)
		if (p->volumes.v[i].used && word_for(json_get(j, "volumes"), p->volumes.v[i].name))
			add_volume(c->o, &p->volumes.v[i], word_for(json_get(j, "volumes"), p->volumes.v[i].name), p);
	for (const struct cJSON *k = json_first(json_get(j, "containers")); k; k = json_next(k))
		add_container(c, json_key(k), k);
}

/* ---- args ---- */

static const struct {
	const char *flag;
	size_t off;
} flags[] = {
	{ "--no-deps", offsetof(struct plan_options, no_deps) },
	{ "--force-recreate", offsetof(struct plan_options, force_recreate) },
	{ "--no-recreate", offsetof(struct plan_options, no_recreate) },
	{ "--always-recreate-deps", offsetof(struct plan_options, always_recreate_deps) },
	{ "--remove-orphans", offsetof(struct plan_options, remove_orphans) },
	{ "--no-start", offsetof(struct plan_options, no_start) },
	{ "--wait", offsetof(struct plan_options, wait) },
	{ "--build", offsetof(struct plan_options, build) },
	{ "--no-build", offsetof(struct plan_options, no_build) },
	{ "-v", offsetof(struct plan_options, volumes) },
	{ "-s", offsetof(struct plan_options, stop) },
};
static const struct {
	const char *word;
	int kind;
} commands[] = {
	{ "up", OP_KINDS }, { "down", OP_KINDS + 1 }, { "stop", OP_CTR_STOP }, { "start", OP_CTR_START }, { "restart", OP_CTR_RESTART },
	{ "kill", OP_CTR_KILL }, { "pause", OP_CTR_PAUSE }, { "unpause", OP_CTR_UNPAUSE }, { "rm", OP_CTR_REMOVE },
};

static void read_flag(struct pcase *c, char *word)
{
	const char *oneoff = str_after(word, "--run="), *scale = str_after(word, "--scale="), *rmi = str_after(word, "--rmi="), *pull = str_after(word, "--pull=");
	struct err e = ERR_INIT;
	char *eq;

	if (scale) {
		eq = strchr(word + strlen("--scale="), '=');
		*eq = '\0';
		c->scale[c->opt.nscale].service = xstrdup(scale);
		if (num_int(eq + 1, 0, 100, &c->scale[c->opt.nscale++].n, &e) < 0)
			fail_msg("%s", err_text(&e));
		return;
	}
	if (rmi || pull) {
		*(rmi ? &c->opt.rmi : &c->opt.pull) = xstrdup(rmi ? rmi : pull);
		return;
	}
	if (oneoff) { /* what `run` makes */
		c->opt.oneoff = xstrdup(oneoff);
		c->opt.oneoff_name = "p-run";
		return;
	}
	if (streq(word, "-p")) {
		c->no_file = true;
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (streq(flags[i].flag, word)) {
			*(bool *)((char *)&c->opt + flags[i].off) = true;
			return;
		}
	fail_msg("unknown option %s", word);
}

static void read_args(struct pcase *c)
{
	auto_free char *path = path_join(c->dir, "args");
	auto_free char *text = NULL;
	struct err e = ERR_INIT;
	AUTO_STRV(words);

	c->kind = OP_KINDS;
	c->opt = PLAN_OPTIONS_INIT;
	c->opt.builds = true;
	c->opt.services = &c->services;
	c->opt.scale = c->scale;
	if (file_read(path, 4096, &text, NULL, &e) < 0) {
		err_clear(&e);
		return;
	}
	strv_split(&words, text, " \n");
	for (size_t i = 0; i < words.n; i++) {
		bool known = false;

		for (size_t k = 0; i == 0 && k < ARRAY_LEN(commands); k++)
			if (streq(commands[k].word, words.v[0])) {
				c->kind = commands[k].kind;
				known = true;
			}
		if (i == 0 && !known)
			fail_msg("unknown command %s", words.v[0]);
		if (i > 0 && words.v[i][0] == '-')
			read_flag(c, words.v[i]);
		else if (i > 0 && *words.v[i])
			strv_add(&c->services, words.v[i]);
	}
}

/* ---- the run ---- */

static int run(struct pcase *c, char **ret, struct err *e)
{
	const struct project *p;
	struct plan *plan = NULL;
	struct str out = STR_INIT(TEXT_MAX);
	auto_free char *text = NULL;
	auto_free char *old = path_join(c->dir, "old.yaml");
	int r;

	read_args(c);
	TRY(load(c, "compose.yaml", &c->now, e));
	TRY(load(c, file_exists(old) ? "old.yaml" : "compose.yaml", &c->old, e));
	read_observed(c);
	p = c->no_file ? NULL : c->now;
	if (c->kind == OP_KINDS)
		r = plan_up(p, c->o, &c->opt, &plan, e);
	else if (c->kind == OP_KINDS + 1)
		r = plan_down(p, c->o, &c->opt, &plan, e);
	else
		r = plan_services(c->kind, p, c->o, &c->opt, &plan, e);
	TRY(r);
	text = plan_text(plan);
	str_add(&out, text);
	for (size_t i = 0; i < plan->warnings.n; i++)
		str_addf(&out, "warning: %s\n", plan->warnings.v[i]);
	plan_free(plan);
	*ret = str_take(&out);
	return 0;
}

static void one_case(void **state)
{
	struct pcase c = { .dir = *state, .arena = arena_new() };
	struct err e = ERR_INIT;
	char *text = NULL;

	if (run(&c, &text, &e) < 0) {
		auto_free char *said = xasprintf("%s\n%s%s%s", err_text(&e), e.hint ? "hint: " : "", str0(e.hint), e.hint ? "\n" : "");

		case_compare(c.dir, "expect.err", said);
		err_clear(&e);
	} else {
		case_compare(c.dir, "expect", text);
	}
	free(text);
	observed_free(c.o);
	strv_done(&c.services);
	for (size_t i = 0; i < c.opt.nscale; i++)
		free((char *)c.scale[i].service);
	free((char *)c.opt.rmi);
	free((char *)c.opt.pull);
	free((char *)c.opt.oneoff);
	arena_free(c.arena);
}

int main(int argc, char **argv)
{
	return case_dirs_run("plan", argc > 1 ? argv[1] : NULL, one_case);
}
