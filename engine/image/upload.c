/* SPDX-License-Identifier: MIT
 *
 *   uploader ─┬─► worker ─► blob after blob, numbers from a pipe         (forked after the first request: they share the token)
 *             └─► worker
 *             ─► config ─► manifest, when all of them are done
 */
#include "engine/image/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/blob.h"
#include "engine/image/digest.h"
#include "engine/image/jail.h"
#include "engine/image/manifest.h"
#include "engine/image/ref.h"
#include "engine/image/registry.h"
#include "engine/image/save.h"
#include "engine/image/wire.h"
#include "engine/image/worker.h"

enum { MOUNTS_TRIED = 3, UPLOADS_DEFAULT = 5, UPLOADS_MOST = 16 };

void upload_news(int sock, int64_t layer, const char *text, bool over)
{
	AUTO(json_free) struct cJSON *j = json_object();
	AUTO_ERR(lost);

	json_add_int(j, "layer", layer);
	json_add_str(j, "text", text);
	json_add_bool(j, "over", over);
	(void)wire_send(sock, j, &lost);
}

/* ---- one blob -------------------------------------------------------------------------------------------------------------------------------------------- */

struct uploader {
	int sock;
	struct registry *registry;
	struct ref ref;
	const struct cJSON *request;
	int *blobs;                 /* of the layers, opened before privileges went */
	size_t n;
	int64_t layer, size, told_ns;
};

static void on_sent(void *arg, int64_t bytes)
{
	struct uploader *u = arg;
	auto_free char *text = NULL;

	if (time_mono_ns() - u->told_ns < 100000000 || u->size <= 0)
		return;
	u->told_ns = time_mono_ns();
	text = xasprintf("Pushing %lld%%", (long long)(bytes * 100 / u->size));
	upload_news(u->sock, u->layer, text, false);
}

static void on_note(void *arg, const char *text)
{
	struct uploader *u = arg;

	upload_news(u->sock, u->layer, text, false);
}

static int mounted(struct uploader *u, const char *digest, struct err *e)
{
	int tried = 0;

	for (const struct cJSON *c = json_first(json_get(u->request, "from")); c && tried < MOUNTS_TRIED; c = json_next(c), tried++) {
		const char *from = json_value_str(c);
		int r = from ? registry_mount(u->registry, digest, from, e) : 1;

		if (r < 0)
			return r;
		if (r == 0) {
			auto_free char *text = xasprintf("Mounted from %s", from);

			upload_news(u->sock, u->layer, text, true);
			return 0;
		}
	}
	return 1;
}

static int upload_blob(struct uploader *u, const char *digest, int64_t size, int fd, struct err *e)
{
	const struct upload up = { fd, digest, size, on_sent, u };
	int r;

	u->size = size;
	TRY(r = registry_blob_there(u->registry, digest, e));
	if (r == 0) {
		upload_news(u->sock, u->layer, "Layer already exists", true);
		return 0;
	}
	TRY(r = mounted(u, digest, e));
	if (r == 0)
		return 0;
	if (fd < 0) {
		err_set(e, ENOENT, "the registry does not have it, and its archive is not here");
		err_hint(e, "remove the image and pull it again: then all its archives are here");
		return -ENOENT;
	}
	upload_news(u->sock, u->layer, "Pushing", false);
	TRY(registry_upload(u->registry, &up, e));
	upload_news(u->sock, u->layer, "Pushed", true);
	return 0;
}

static int upload_layer(struct uploader *u, size_t i, struct err *e)
{
	const struct cJSON *c = json_first(json_get(u->request, "layers"));

	for (size_t k = 0; k < i; k++)
		c = json_next(c);
	u->layer = (int64_t)i;
	if (upload_blob(u, str0(json_str(c, "blob")), json_int(c, "size", 0), u->blobs[i], e) < 0)
		return err_wrap(e, "layer %.19s", str0(json_str(c, "blob")));
	return 0;
}

/* Takes layer after layer from QUEUE. */
static int work(struct uploader *u, int queue, struct err *e)
{
	struct loop *loop = loop_new(e);
	uint32_t i;

	if (!loop)
		return -e->code;
	TRY(registry_forked(u->registry, loop, e));
	for (;;) {
		ssize_t n = read(queue, &i, sizeof(i));

		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(i))
			return n < 0 ? err_sys(e, "read what to upload") : 0;
		if (i < u->n)
			TRY(upload_layer(u, i, e));
	}
}

static int start_worker(struct uploader *u, int queue, struct worker *w, struct err *e)
{
	int sock = -1;

	TRY(worker_fork(w, "worker", &sock, e));
	if (w->pid == 0) {
		AUTO(json_free) struct cJSON *done = json_object();
		AUTO_ERR(failure);
		AUTO_ERR(lost);

		u->sock = sock;
		json_add_bool(done, "done", true);
		if (work(u, queue, &failure) < 0)
			(void)wire_send_err(sock, &failure, &lost);
		else
			(void)wire_send(sock, done, &lost);
		_exit(0);
	}
	return 0;
}

/* What the workers say, until all are done or one has failed. */
static int hear_workers(struct uploader *u, struct worker *w, size_t n, struct err *e)
{
	for (size_t left = n; left;) {
		struct pollfd p[UPLOADS_MOST];

		for (size_t i = 0; i < n; i++)
			p[i] = (struct pollfd){ w[i].sock, POLLIN, 0 };
		if (poll(p, n, -1) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		for (size_t i = 0; i < n; i++) {
			AUTO(json_free) struct cJSON *message = NULL;

			if (p[i].fd < 0 || !p[i].revents)
				continue;
			TRY(wire_recv(w[i].sock, &message, e));
			if (json_get(message, "layer")) {
				TRY(wire_send(u->sock, message, e));
				continue;
			}
			close(TAKE_FD(w[i].sock));
			(void)waitpid(w[i].pid, NULL, 0);
			left--;
		}
	}
	return 0;
}

/* The numbers of all layers, each blob once, in a pipe that ends. */
static int fill_queue(struct uploader *u, int *ret_fd, size_t *ret_n, struct err *e)
{
	AUTO_STRV(seen);
	int ends[2], r = 0;
	uint32_t i = 0;

	TRY(fd_pipe(ends, e));
	for (const struct cJSON *c = json_first(json_get(u->request, "layers")); r >= 0 && c; c = json_next(c), i++) {
		if (strv_has(&seen, str0(json_str(c, "blob")))) {
			upload_news(u->sock, i, "Layer already exists", true);
			continue;
		}
		strv_add(&seen, str0(json_str(c, "blob")));
		r = fd_write_all(ends[1], &i, sizeof(i), e);
	}
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		return r;
	}
	*ret_fd = ends[0];
	*ret_n = seen.n;
	return 0;
}

/* Several at once: the workers share what was learnt by the first request (the token, whether there is TLS), and have a connection each. */
static int upload_layers(struct uploader *u, struct err *e)
{
	int64_t jobs = json_int(u->request, "jobs", 0);
	struct worker w[UPLOADS_MOST];
	size_t started = 0, n;
	int queue = -1, r = 0;

	TRY(fill_queue(u, &queue, &n, e));
	n = MIN(n, jobs < 0 ? UPLOADS_MOST : jobs ? (size_t)MIN(jobs, UPLOADS_MOST) : UPLOADS_DEFAULT);
	while (r >= 0 && started < n) {
		r = start_worker(u, queue, &w[started], e);
		started += r >= 0;
	}
	close(queue);
	if (r >= 0)
		r = hear_workers(u, w, started, e);
	for (size_t i = 0; i < started; i++)
		if (w[i].sock >= 0)
			close(w[i].sock);
	return r;
}

static int text_file(const char *text, struct err *e)
{
	int fd = memfd_create("config", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "memfd_create");
	if (fd_write_all(fd, text, strlen(text), e) < 0) {
		close(fd);
		return -e->code;
	}
	return fd;
}

static int upload_config(struct uploader *u, const char *config, const char *digest, int fd, struct err *e)
{
	const struct upload up = { fd, digest, (int64_t)strlen(config), NULL, NULL };
	int r;

	TRY(r = registry_blob_there(u->registry, digest, e));
	return r == 0 ? 0 : registry_upload(u->registry, &up, e);
}

static int push_all(struct uploader *u, int config_fd, struct cJSON *answer, struct err *e)
{
	const char *config = str0(json_str(u->request, "config")), *given = json_str(u->request, "manifest"), *type = TYPE_MANIFEST;
	char config_digest[DIGEST_STR], digest[DIGEST_STR], there[DIGEST_STR] = "";
	auto_free char *manifest = NULL;
	AUTO(json_free) struct cJSON *doc = NULL;
	int r;

	digest_text(config, strlen(config), config_digest);
	manifest = given ? xstrdup(given) : manifest_make(json_get(u->request, "layers"), config_digest, strlen(config));
	digest_text(manifest, strlen(manifest), digest);
	json_add_str(answer, "pushed", digest);
	json_add_str(answer, "manifest", manifest);
	r = registry_head(u->registry, u->ref.tag, there, e);
	if (r < 0)
		return r;
	if (r == 0 && streq(there, digest)) {
		json_add_bool(answer, "same", true); /* nothing is written: tags may be immutable */
		return 0;
	}
	TRY(upload_layers(u, e));
	if (upload_config(u, config, config_digest, config_fd, e) < 0)
		return err_wrap(e, "config");
	TRY(json_parse(manifest, strlen(manifest), "manifest", &doc, e));
	if (json_str(doc, "mediaType"))
		type = json_str(doc, "mediaType");
	return registry_put_manifest(u->registry, u->ref.tag, type, manifest, strlen(manifest), digest, e);
}

static int open_blobs(struct uploader *u, int images, struct err *e)
{
	u->n = json_count(json_get(u->request, "layers"));
	u->blobs = xcalloc(u->n + 1, sizeof(*u->blobs));
	size_t i = 0;

	for (const struct cJSON *c = json_first(json_get(u->request, "layers")); c; c = json_next(c)) {
		auto_free char *name = blob_name(str0(json_str(c, "blob"))), *path = xasprintf("blobs/%s", name);

		u->blobs[i] = -1;
		if (json_bool(c, "absent", false)) { /* the registry may have it */
			i++;
			continue;
		}
		u->blobs[i] = openat(images, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (u->blobs[i++] < 0)
			return err_sys(e, "open blob %.19s", str0(json_str(c, "blob")));
	}
	return 0;
}

static int run(struct uploader *u, int images, struct cJSON *answer, struct err *e)
{
	const struct registry_options o = { .ref = &u->ref, .root = str0(json_str(u->request, "root")), .push = true, .note = on_note, .arg = u };
	AUTO(loop_free) struct loop *loop = loop_new(e);
	auto_close int config = -1;
	int r, from = 0;

	if (!loop)
		return -e->code;
	TRY(ref_parse_tagged(str0(json_str(u->request, "ref")), &u->ref, e));
	if (!u->ref.tag)
		return err_set(e, EINVAL, "a digest cannot be pushed to, name a tag");
	TRY(registry_open(loop, &o, &u->registry, e));
	for (const struct cJSON *c = json_first(json_get(u->request, "from")); c && from++ < MOUNTS_TRIED; c = json_next(c))
		registry_also_pull(u->registry, str0(json_value_str(c)));
	r = open_blobs(u, images, e);
	if (r >= 0)
		config = text_file(str0(json_str(u->request, "config")), e);
	if (r >= 0 && config >= 0)
		r = jail_nobody(e);
	if (r >= 0 && config >= 0)
		r = push_all(u, config, answer, e);
	registry_free(u->registry);
	return config < 0 && r >= 0 ? -e->code : r;
}

int upload_run(int sock, int images, const struct cJSON *request, struct cJSON *answer, struct err *e)
{
	struct uploader u = { .sock = sock, .request = request };

	return run(&u, images, answer, e); /* the process ends: it frees the rest */
}
