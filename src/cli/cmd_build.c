/* SPDX-License-Identifier: MIT
 *
 * build: the images of services; image build: a Dockerfile without a project. Options as docker compose's and docker's.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/build_output.h"
#include "cli/build_services.h"
#include "cli/build_view.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/push_view.h"
#include "compose/project.h"
#include "engine/build/build.h"
#include "engine/build/context.h"
#include "plan/lower_build.h"
#include "state/image_store.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *const progresses[] = { "auto", "tty", "plain", "json", "rawjson", "quiet", NULL };

/* K=V; K alone: the caller's value, or none. */
static void add_args(struct strv *to, const struct strv *words, const struct strv *environ)
{
	for (size_t i = 0; i < words->n; i++) {
		const char *eq = strchr(words->v[i], '=');
		auto_free char *key = xstrndup(words->v[i], eq ? (size_t)(eq - words->v[i]) : strlen(words->v[i]));
		const char *value = eq ? eq + 1 : strv_env_get(environ, key);

		if (value)
			strv_env_set(to, key, value);
	}
}

/* The command's own --progress, which docker compose has besides the global one. On a terminal, too, a build is told in lines: auto, tty and plain are one. */
static bool is_quiet(struct app *app, const char *progress)
{
	if (progress && (streq(progress, "json") || streq(progress, "rawjson")))
		app->progress = PROGRESS_JSON;
	return progress && streq(progress, "quiet");
}

/* ---- build ---- */

struct build_opts {
	bool no_cache, pull, push, quiet, with_deps, check, print;
	struct strv args, ssh, secret;
	const char *memory, *progress, *builder, *provenance, *sbom;
};
static const struct opt build_rows[] = {
	OPT(0, "build-arg", OPT_LIST, struct build_opts, args, "K=V", "Value of an ARG for all services"),
	OPT_REFUSE(0, "builder", "NAME", "there is one builder, gantry's own"),
	OPT(0, "check", OPT_BOOL, struct build_opts, check, NULL, "Only check the Dockerfiles"),
	OPT_REFUSE('m', "memory", "BYTES", "a build's memory is not limited"),
	OPT(0, "no-cache", OPT_BOOL, struct build_opts, no_cache, NULL, "Run all steps, whatever is in the cache"),
	OPT_REFUSE(0, "print", NULL, "there is no bake file behind a build"),
	OPT_CHOICE(0, "progress", struct build_opts, progress, "TYPE", "plain (also auto, tty), json or quiet", progresses),
	OPT_REFUSE(0, "provenance", "ATTRS", "attestations are not made"),
	OPT(0, "pull", OPT_BOOL, struct build_opts, pull, NULL, "Ask the registry for newer base images"),
	OPT(0, "push", OPT_BOOL, struct build_opts, push, NULL, "Push the images of services that have an 'image'"),
	OPT('q', "quiet", OPT_BOOL, struct build_opts, quiet, NULL, "Only errors"),
	OPT_REFUSE(0, "sbom", "ATTRS", "attestations are not made"),
	OPT(0, "ssh", OPT_LIST, struct build_opts, ssh, "ID[=SOCKET]", "An agent for RUN --mount=type=ssh"),
	OPT(0, "with-dependencies", OPT_BOOL, struct build_opts, with_deps, NULL, "Also what the services depend on"),
	OPT_HIDE(0, "compress", OPT_BOOL, struct build_opts, print, NULL, ""),
	OPT_HIDE(0, "force-rm", OPT_BOOL, struct build_opts, print, NULL, ""),
	OPT_HIDE(0, "no-rm", OPT_BOOL, struct build_opts, print, NULL, ""),
	OPT_HIDE(0, "parallel", OPT_BOOL, struct build_opts, print, NULL, ""),
	OPT_END
};

/* As docker compose: what has a name of its own, under that and all its tags. */
static int push_built(struct app *app, const struct strv *services, bool quiet, struct err *e)
{
	AUTO_STRV(refs);

	for (size_t i = 0; i < services->n; i++) {
		const struct service *s = project_service(app->project, services->v[i]);

		if (!s->image) {
			log_warning("service '%s': not pushed: it has no 'image'", s->name);
			continue;
		}
		strv_add_unique(&refs, s->image);
		for (size_t k = 0; k < s->build->tags.n; k++)
			strv_add_unique(&refs, s->build->tags.v[k]);
	}
	return push_images(app, &refs, quiet, e);
}

static int build_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct build_opts *o = opts;
	AUTO_STRV(given);
	AUTO_STRV(built);
	const struct build_services b = { .services = args, .args = &given, .ssh = &o->ssh, .no_cache = o->no_cache, .pull = o->pull,
					  .quiet = o->quiet || is_quiet(app, o->progress), .check = o->check, .with_deps = o->with_deps, .all = true, .built = &built };

	add_args(&given, &o->args, &app->environ);
	TRY(build_services(app, &b, e));
	return o->push ? push_built(app, &built, b.quiet, e) : 0;
}

const struct cmd cmd_build = { "build", build_run, CMD_PROJECT | CMD_STATE | CMD_ROOT | CMD_ENTERS, build_rows, sizeof(struct build_opts), "[OPTIONS] [SERVICE...]",
			       "Build the images of services", 0, -1, NULL, NULL, NULL, true };

/* ---- image build ---- */

struct image_build_opts {
	struct strv args, tags, labels, secret, ssh, contexts, hosts, filter, allow, ulimits, outputs;
	const char *file, *target, *network, *platform, *progress, *shm_size, *iidfile;
	bool no_cache, pull, push, quiet, check, load, rm;
};
static const struct opt image_build_rows[] = {
	OPT(0, "add-host", OPT_LIST, struct image_build_opts, hosts, "HOST:IP", "A line of /etc/hosts in RUN"),
	OPT(0, "allow", OPT_LIST, struct image_build_opts, allow, "WHAT", "Allow network.host or security.insecure"),
	OPT(0, "build-arg", OPT_LIST, struct image_build_opts, args, "K=V", "Value of an ARG"),
	OPT(0, "build-context", OPT_LIST, struct image_build_opts, contexts, "NAME=PATH|URL", "Another context: a folder, a URL, or docker-image://NAME"),
	OPT(0, "check", OPT_BOOL, struct image_build_opts, check, NULL, "Only check the Dockerfile"),
	OPT('f', "file", OPT_STR, struct image_build_opts, file, "FILE", "The Dockerfile (default: Dockerfile in the context; -: standard input)"),
	OPT(0, "iidfile", OPT_STR, struct image_build_opts, iidfile, "FILE", "Write the image's id to FILE"),
	OPT(0, "label", OPT_LIST, struct image_build_opts, labels, "K=V", "A label of the image"),
	OPT_HIDE(0, "load", OPT_BOOL, struct image_build_opts, load, NULL, ""),
	OPT(0, "network", OPT_STR, struct image_build_opts, network, "MODE", "Network of RUN: default, none, host"),
	OPT(0, "no-cache", OPT_BOOL, struct image_build_opts, no_cache, NULL, "Run all steps, whatever is in the cache"),
	OPT(0, "no-cache-filter", OPT_LIST, struct image_build_opts, filter, "STAGE", "Run all steps of these stages"),
	OPT('o', "output", OPT_LIST, struct image_build_opts, outputs, "DEST", "Where the result goes: DIR, type=local|tar|oci|docker,dest=PATH"),
	OPT(0, "platform", OPT_STR, struct image_build_opts, platform, "OS/ARCH", "What it is built for"),
	OPT_CHOICE(0, "progress", struct image_build_opts, progress, "TYPE", "plain (also auto, tty), json or quiet", progresses),
	OPT(0, "pull", OPT_BOOL, struct image_build_opts, pull, NULL, "Ask the registry for newer base images"),
	OPT(0, "push", OPT_BOOL, struct image_build_opts, push, NULL, "Push the image under its names"),
	OPT('q', "quiet", OPT_BOOL, struct image_build_opts, quiet, NULL, "Only the image's id"),
	OPT_HIDE(0, "rm", OPT_BOOL, struct image_build_opts, rm, NULL, ""),
	OPT(0, "secret", OPT_LIST, struct image_build_opts, secret, "SPEC", "id=NAME,src=FILE or id=NAME,env=VARIABLE for RUN --mount=type=secret"),
	OPT(0, "shm-size", OPT_STR, struct image_build_opts, shm_size, "BYTES", "Size of /dev/shm in RUN"),
	OPT(0, "ssh", OPT_LIST, struct image_build_opts, ssh, "ID[=SOCKET]", "An agent for RUN --mount=type=ssh"),
	OPT('t', "tag", OPT_LIST, struct image_build_opts, tags, "NAME[:TAG]", "A name for the image"),
	OPT(0, "target", OPT_STR, struct image_build_opts, target, "STAGE", "Stop at this stage"),
	OPT(0, "ulimit", OPT_LIST, struct image_build_opts, ulimits, "NAME=SOFT[:HARD]", "A limit of RUN"),
	OPT_END
};

static int add_ulimits(const struct strv *words, struct build_options *b, struct err *e)
{
	b->ulimits = xcalloc(words->n + 1, sizeof *b->ulimits);
	for (size_t i = 0; i < words->n; i++) {
		const char *eq = strchr(words->v[i], '='), *colon = eq ? strchr(eq, ':') : NULL;
		auto_free char *soft = eq ? xstrndup(eq + 1, colon ? (size_t)(colon - eq - 1) : strlen(eq + 1)) : NULL;
		struct build_ulimit *u = &b->ulimits[b->nulimits];

		if (!eq)
			return err_set(e, EINVAL, "invalid ulimit '%s': use NAME=SOFT[:HARD]", words->v[i]);
		TRY(num_int(soft, -1, INT64_MAX, &u->soft, e));
		u->hard = u->soft;
		if (colon)
			TRY(num_int(colon + 1, -1, INT64_MAX, &u->hard, e));
		u->name = xstrndup(words->v[i], (size_t)(eq - words->v[i]));
		b->nulimits++;
	}
	return 0;
}

static int check_context(const char *path, const char *file, struct err *e)
{
	struct stat st;

	if (streq(path, "-") && file && streq(file, "-"))
		return err_set(e, EINVAL, "standard input cannot be both the build context and the Dockerfile");
	if (context_is_remote(path))
		return 0;
	if (stat(path, &st) < 0)
		return err_sys(e, "build context '%s'", path);
	return S_ISDIR(st.st_mode) ? 0 : err_set(e, ENOTDIR, "build context '%s' is not a folder", path);
}

static int fill(struct app *app, const struct image_build_opts *o, struct build_options *b, char **text, struct err *e)
{
	const char *epoch = strv_env_get(&app->environ, "SOURCE_DATE_EPOCH");

	if (o->file && streq(o->file, "-")) {
		TRY(file_read("/dev/stdin", DF_MAX, text, NULL, e));
		b->dockerfile_text = *text;
	} else {
		b->dockerfile = o->file;
	}
	b->target = o->target;
	b->network = o->network;
	if (o->network && !streq(o->network, "default") && !streq(o->network, "none") && !streq(o->network, "host"))
		return err_set(e, EINVAL, "invalid network mode \"%s\": there are default, none and host", o->network);
	if (o->platform && strchr(o->platform, ','))
		return err_set(e, ENOTSUP, "--platform %s: one platform can be built at a time", o->platform);
	b->platform = o->platform;
	add_args(&b->args, &o->args, &app->environ);
	if (epoch && !strv_env_get(&b->args, "SOURCE_DATE_EPOCH"))
		strv_env_set(&b->args, "SOURCE_DATE_EPOCH", epoch);
	strv_copy(&b->labels, &o->labels);
	strv_copy(&b->tags, &o->tags);
	strv_copy(&b->contexts, &o->contexts);
	strv_copy(&b->extra_hosts, &o->hosts);
	strv_copy(&b->no_cache_filter, &o->filter);
	for (size_t i = 0; i < o->secret.n; i++)
		TRY(lower_secret(o->secret.v[i], &app->environ, b, e));
	for (size_t i = 0; i < o->ssh.n; i++)
		TRY(lower_ssh(o->ssh.v[i], &app->environ, b, e));
	TRY(add_ulimits(&o->ulimits, b, e));
	if (o->shm_size)
		TRY(num_bytes(o->shm_size, &b->shm_size, e));
	b->no_cache = o->no_cache;
	b->pull = o->pull;
	b->check_only = o->check;
	b->allow_insecure = strv_has(&o->allow, "security.insecure");
	b->allow_host = strv_has(&o->allow, "network.host") || (o->network && streq(o->network, "host"));
	return 0;
}

static void tell_json(const char *id, const struct strv *tags)
{
	auto_free char *image = xasprintf("Image %s", tags->n ? tags->v[0] : id);

	progress_print_json(image, PROGRESS_DONE, "Built");
}

static int image_build_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct image_build_opts *o = opts;
	AUTO_DONE(build_set_done) struct build_set set = { 0 };
	struct build_options *b = &build_set_add(&set)->o;
	auto_free char *text = NULL;
	AUTO_DONE(build_outputs_done) struct build_outputs outputs = { 0 };
	bool quiet = o->quiet || is_quiet(app, o->progress);
	AUTO_STRV(before);
	const char *id;

	b->context = args->v[0];
	TRY(check_context(args->v[0], o->file, e));
	TRY(fill(app, o, b, &text, e));
	if (o->push && o->outputs.n)
		return err_set(e, EINVAL, "--push and --output cannot be given together");
	if (o->push && !b->tags.n)
		return err_set(e, EINVAL, "--push needs a name: give it with -t");
	TRY(build_outputs_parse(&o->outputs, o->load, &b->tags, &outputs, e));
	if (!outputs.keep)
		TRY(image_list(app->db, &before, e));
	TRY(build_view_run(app, &set, quiet, e));
	id = set.v[0].id;
	if (!id)
		return 0;
	TRY(build_outputs_write(app, &outputs, id, !strv_has(&before, id), e));
	if (o->iidfile)
		TRY(file_replace(o->iidfile, id, strlen(id), 0644, false, e));
	if (!outputs.keep)
		return 0;
	if (o->push)
		TRY(push_images(app, &b->tags, quiet, e));
	if (quiet)
		printf("%s\n", id);
	else if (app->progress == PROGRESS_JSON)
		tell_json(id, &b->tags);
	else
		fprintf(stderr, "\nimage %s%s%s\n", id, b->tags.n ? ", named " : "", b->tags.n ? b->tags.v[0] : "");
	return 0;
}

const struct cmd cmd_image_build = { "build", image_build_run, CMD_STATE | CMD_ROOT | CMD_ENTERS, image_build_rows, sizeof(struct image_build_opts),
				     "[OPTIONS] PATH|URL|-", "Build an image from a Dockerfile", 1, 1 };
