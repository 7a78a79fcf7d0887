/* SPDX-License-Identifier: MIT */
#include "engine/image/download.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/cred.h"
#include "engine/image/jail.h"
#include "engine/image/manifest.h"
#include "engine/image/ref.h"
#include "engine/image/registry.h"
#include "engine/image/registry_error.h"
#include "engine/image/wire.h"

enum { TELL_NS = 100000000 };

struct job_fetch {
	struct downloader *d;
	struct fetch *fetch;     /* NULL: ended */
	int64_t layer, told_ns;
	int file, news;
};
struct downloader {
	int sock;
	struct watch w;
	bool heard, ended;
	struct registry *registry;
	struct ref ref;
	struct job_fetch **v;
	size_t n, cap;
};

/* ---- which image ------------------------------------------------------------------------------------------------------------------------------------- */

/* What the server says it is and what it says itself must agree (CVE-2021-41190). */
static int check_type(const struct registry_doc *doc, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	const char *own;

	TRY(json_parse(doc->text, doc->n, "manifest", &j, e));
	own = json_str(j, "mediaType");
	if (own && str_starts(doc->type, "application/vnd.") && !streq(own, doc->type)) {
		auto_free char *shown = str_visible(own, strnlen(own, 100)), *said = str_visible(doc->type, strnlen(doc->type, 100));

		return err_set(e, EBADMSG, "the manifest calls itself '%s', the registry calls it '%s'", shown, said);
	}
	return 0;
}

/* Captive portals and wrong addresses answer everything with 200. */
static bool is_html(const struct registry_doc *doc)
{
	const char *p = doc->text + strspn(doc->text, " \t\r\n");

	return str_starts(doc->type, "text/html") || strncasecmp(p, "<!doctype html", 14) == 0 || strncasecmp(p, "<html", 5) == 0;
}

static int get_document(struct downloader *d, const char *what, struct cJSON *documents, struct manifest *ret, char digest[DIGEST_STR], struct err *e)
{
	AUTO_DONE(registry_doc_done) struct registry_doc doc = { 0 };

	TRY(registry_manifest(d->registry, what, &doc, e));
	if (is_html(&doc)) {
		auto_free char *said = registry_error_text(doc.text);

		return err_set(e, EPROTO, "a page instead of a manifest: %s", str0(said));
	}
	TRY(check_type(&doc, e));
	if (memchr(doc.text, 0, doc.n))
		return err_set(e, EBADMSG, "a manifest with a NUL in it");
	TRY(manifest_parse(doc.text, doc.n, "manifest", ret, e));
	json_add_str(documents, NULL, doc.text);
	memcpy(digest, doc.digest, DIGEST_STR);
	return 0;
}

static const struct {
	const char *type, *what;
} artifacts[] = {
	{ "application/vnd.cncf.helm.", "a Helm chart" }, { "application/vnd.docker.plugin.", "a docker plugin" },
	{ "application/vnd.docker.compose.", "a compose project" }, { "application/vnd.dev.cosign.", "a signature" },
	{ "application/vnd.wasm.", "a WebAssembly module" }, { "application/vnd.oci.empty.", "an artifact" },
};

static int check_config_type(const char *type, struct err *e)
{
	const char *what = "something else";

	if (!*type || streq(type, TYPE_CONFIG) || streq(type, "application/vnd.docker.container.image.v1+json") ||
	    streq(type, "application/octet-stream") || streq(type, "application/json"))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(artifacts); i++)
		if (str_starts(type, artifacts[i].type))
			what = artifacts[i].what;
	auto_free char *shown = str_visible(type, strnlen(type, 100));

	return err_set(e, EINVAL, "this is no container image but %s (%s)", what, shown);
}

static int only_for(const struct platform *has, const struct platform *want, struct err *e)
{
	auto_free char *there = platform_text(has), *wanted = platform_text(want);

	return err_set(e, ENOENT, "the image is for %s only, not for %s", there, wanted);
}

static int check_platform(const char *config, const struct platform *want, bool explicit, struct cJSON *plan, struct err *e)
{
	AUTO_DONE(config_info_done) struct config_info info = { 0 };
	struct platform most;
	auto_free char *wanted = platform_text(want), *has = NULL;

	TRY(config_info_parse(config, strlen(config), &info, e));
	if (!*info.platform.arch)
		return 0;
	if (explicit && !platform_is(want, &info.platform))
		return only_for(&info.platform, want, e);
	platform_host_most(&most);
	if (platform_rank(want, &info.platform) >= 0 || (!explicit && platform_rank(&most, &info.platform) >= 0))
		return 0;
	has = platform_text(&info.platform);
	auto_free char *text = xasprintf("the image is for %s, this machine is %s", has, wanted);

	json_add_str(json_add_array(plan, "warnings"), NULL, text);
	return 0;
}

/* The entry of an index that is wanted; where nothing is for machines like this one in general, what this one can run too. */
static int choose(const struct manifest *index, const struct platform *want, bool explicit, size_t *ret, struct err *e)
{
	struct platform most;
	AUTO_ERR(none);
	int r = manifest_select(index, want, NULL, ret, &none);

	platform_host_most(&most);
	if (r == -ENOENT && !explicit && manifest_select(index, &most, NULL, ret, e) >= 0)
		return 0;
	err_clear(e);
	if (r < 0)
		return err_move(e, &none);
	if (explicit && *index->v[*ret].platform.arch && !streq(index->v[*ret].platform.arch, want->arch))
		return only_for(&index->v[*ret].platform, want, e);
	return 0;
}

static int find_image(struct downloader *d, const struct platform *want, bool explicit, struct cJSON *plan, struct err *e)
{
	struct cJSON *documents = json_add_array(plan, "documents");
	auto_free char *what = xstrdup(d->ref.digest ? d->ref.digest : d->ref.tag), *config = NULL;

	for (int depth = 0; depth < INDEX_DEPTH; depth++) {
		AUTO_DONE(manifest_done) struct manifest m = { 0 };
		char digest[DIGEST_STR];
		size_t at;

		TRY(get_document(d, what, documents, &m, digest, e));
		if (depth == 0)
			json_add_str(plan, "digest", digest);
		if (m.kind == MANIFEST_IMAGE) {
			TRY(check_config_type(m.config.type, e));
			TRY(registry_text(d->registry, &m.config, &config, e));
			json_add_str(plan, "config", config);
			return check_platform(config, want, explicit, plan, e);
		}
		TRY(choose(&m, want, explicit, &at, e));
		free(what);
		what = xstrdup(m.v[at].digest);
	}
	return err_set(e, EINVAL, "indexes in indexes, more than %d deep", INDEX_DEPTH);
}

static int resolve(struct downloader *d, const struct cJSON *request, struct cJSON *answer, struct err *e)
{
	const char *have = json_str(request, "have"), *platform = json_str(request, "platform");
	struct platform want;
	char digest[DIGEST_STR];
	struct cJSON *plan;

	platform_host(&want);
	if (platform)
		TRY(platform_parse(platform, &want, e));
	if (have && !d->ref.digest) {
		int r = registry_head(d->registry, d->ref.tag, digest, e);

		if (r < 0)
			return r;
		if (r == 0 && streq(digest, have)) {
			json_add_str(answer, "same", digest);
			return 0;
		}
	}
	plan = json_add_object(answer, "plan");
	TRY(find_image(d, &want, platform != NULL, plan, e));
	for (size_t i = 0; i < registry_warnings(d->registry)->n; i++) {
		if (!json_get(plan, "warnings"))
			json_add_array(plan, "warnings");
		json_add_str(json_get(plan, "warnings"), NULL, registry_warnings(d->registry)->v[i]);
	}
	return 0;
}

/* ---- blobs ------------------------------------------------------------------------------------------------------------------------------------------ */

static void say(struct downloader *d, const struct cJSON *message)
{
	AUTO_ERR(lost);

	if (wire_send(d->sock, message, &lost) < 0)
		d->ended = true;
}

static void on_note(void *arg, const char *text)
{
	AUTO(json_free) struct cJSON *j = json_object();

	json_add_str(j, "note", text);
	say(arg, j);
}

static void tell_have(struct job_fetch *f, int64_t have)
{
	AUTO(json_free) struct cJSON *j = json_object();

	json_add_int(j, "fetch", f->layer);
	json_add_int(j, "have", have);
	say(f->d, j);
}

/* The reader of the file wakes up. It needs one wake-up, not one for each piece: a full pipe is fine. */
static void on_grown(void *arg, int64_t have)
{
	struct job_fetch *f = arg;
	int64_t now = time_mono_ns();

	(void)!write(f->news, "", 1);
	if (now - f->told_ns < TELL_NS)
		return;
	f->told_ns = now;
	tell_have(f, have);
}

static void fetch_over(struct job_fetch *f, const struct err *failure)
{
	AUTO(json_free) struct cJSON *j = json_object();

	json_add_int(j, "fetch", f->layer);
	if (failure)
		wire_add_err(j, "failed", failure);
	else
		json_add_bool(j, "done", true);
	fetch_free(TAKE(f->fetch));
	say(f->d, j); /* before the pipe ends: the boss knows why then */
	close(f->file);
	close(f->news);
}

static int take_order(struct downloader *d, struct err *e)
{
	AUTO(json_free) struct cJSON *order = NULL;
	struct job_fetch *f;
	int fds[2];
	size_t nfds = 2;
	char byte;

	TRY(wire_recv(d->sock, &order, e));
	if (fd_recv(d->sock, &byte, 1, fds, &nfds, e) != 1 || nfds != 2)
		return e->code ? -e->code : err_set(e, EPROTO, "an order without a file");
	TRY(fd_nonblock(fds[1], true, e));
	f = xcalloc(1, sizeof(*f));
	*f = (struct job_fetch){ .d = d, .layer = json_int(order, "fetch", -1), .file = fds[0], .news = fds[1] };
	xgrow(&d->v, d->n, &d->cap, sizeof(*d->v));
	d->v[d->n++] = f;

	const struct fetch_options o = { .digest = str0(json_str(order, "blob")), .size = json_int(order, "size", 0), .fd = f->file,
		.from_origin = json_bool(order, "origin", false), .grown = on_grown, .arg = f };
	AUTO_ERR(failure);

	if (fetch_new(d->registry, &o, &f->fetch, &failure) < 0)
		fetch_over(f, &failure);
	return 0;
}

static int on_order(struct watch *w, uint32_t events)
{
	struct downloader *d = CONTAINER_OF(w, struct downloader, w);

	(void)events;
	d->heard = true;
	(void)watch_events(w, 0); /* orders are taken outside of the loop */
	return 0;
}

static int64_t turn_all(struct downloader *d)
{
	int64_t wait = INT64_MAX;

	for (size_t i = 0; i < d->n; i++) {
		struct job_fetch *f = d->v[i];
		int64_t its;
		AUTO_ERR(failure);
		int r = f->fetch ? fetch_turn(f->fetch, &its, &failure) : 0;

		if (!f->fetch)
			continue;
		if (r == 0)
			wait = MIN(wait, its);
		else
			fetch_over(f, r < 0 ? &failure : NULL);
	}
	return wait;
}

static void serve(struct downloader *d)
{
	while (!d->ended) {
		AUTO_ERR(lost);

		if (d->heard) {
			d->heard = false;
			if (take_order(d, &lost) < 0)
				return; /* the boss ended, or does not want us any more */
			(void)watch_events(&d->w, EPOLLIN);
		}
		registry_wait(d->registry, turn_all(d));
	}
}

/* ---- credential helpers -------------------------------------------------------------------------------------------------------------------------------- */

static struct cJSON *ask_helper(const char *host)
{
	AUTO_DONE(credential_done) struct credential c = { 0 };
	AUTO_ERR(ignored);
	int r = credential_of_helper(host, &c, &ignored);
	struct cJSON *said = r == 0 || r == 1 ? json_object() : NULL;

	json_add_str(said, "user", c.user);
	json_add_str(said, "secret", c.secret);
	json_add_str(said, "identity", c.identity);
	json_add_str(said, "source", c.source);
	return said;
}

static void answer_free(void *answer)
{
	json_free(answer);
}

static char *host_of(const struct cJSON *image)
{
	AUTO_DONE(ref_done) struct ref ref = { 0 };
	AUTO_ERR(ignored);

	return ref_parse(str0(json_str(image, "ref")), &ref, &ignored) < 0 ? NULL : TAKE(ref.host);
}

void download_ask_helpers(struct cJSON *images)
{
	AUTO_MAP(once, NULL);
	AUTO_MAP(said, answer_free); /* NULL: nothing that may be kept */

	for (struct cJSON *c = json_first(images); c; c = json_next(c)) {
		auto_free char *host = host_of(c);

		if (host && map_has(&once, host) && !map_has(&said, host))
			map_set(&said, host, ask_helper(host));
		else if (host && !map_has(&once, host))
			map_set(&once, host, NULL);
	}
	for (struct cJSON *c = json_first(images); c; c = json_next(c)) {
		auto_free char *host = host_of(c);
		const struct cJSON *answer = host ? map_get(&said, host) : NULL;

		if (answer)
			json_add(c, "helper", json_copy(answer));
	}
}

/* ---- the process ------------------------------------------------------------------------------------------------------------------------------------- */

static int begin(struct downloader *d, struct loop *loop, const struct cJSON *request, struct err *e)
{
	const struct cJSON *helper = json_get(request, "helper");
	const struct credential known = { .user = (char *)json_str(helper, "user"), .secret = (char *)json_str(helper, "secret"),
		.identity = (char *)json_str(helper, "identity"), .source = (char *)json_str(helper, "source") };
	const struct registry_options o = { .ref = &d->ref, .root = str0(json_str(request, "root")), .credential = helper ? &known : NULL, .note = on_note,
		.arg = d };
	AUTO(json_free) struct cJSON *answer = json_object();

	TRY(ref_parse_tagged(str0(json_str(request, "ref")), &d->ref, e));
	TRY(registry_open(loop, &o, &d->registry, e));
	TRY(jail_nobody(e));
	TRY(resolve(d, request, answer, e));
	return wire_send(d->sock, answer, e);
}

void download_run(int sock, const struct cJSON *request)
{
	struct downloader d = { .sock = sock };
	AUTO(loop_free) struct loop *loop = NULL;
	AUTO_ERR(e);
	AUTO_ERR(lost);

	loop = loop_new(&e);
	if (!loop || begin(&d, loop, request, &e) < 0 || watch_fd(loop, &d.w, sock, EPOLLIN, on_order, &e) < 0)
		(void)wire_send_err(sock, &e, &lost);
	else
		serve(&d);
}
