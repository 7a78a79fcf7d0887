/* SPDX-License-Identifier: MIT */
#include "engine/image/push.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/blob.h"
#include "engine/image/cred.h"
#include "engine/image/deflate.h"
#include "engine/image/digest.h"
#include "engine/image/jail.h"
#include "engine/image/job_priv.h"
#include "engine/image/pack.h"
#include "engine/image/ref.h"
#include "engine/image/registry.h"
#include "engine/image/wire.h"

enum { MOUNTS_TRIED = 3, UPLOADS_DEFAULT = 5, UPLOADS_MOST = 16 };
#define TYPE_CONFIG "application/vnd.oci.image.config.v1+json"
#define TYPE_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"

static void news(int sock, int64_t layer, const char *text, bool over)
{
	AUTO(json_free) struct cJSON *j = json_object();
	AUTO_ERR(lost);

	json_add_int(j, "layer", layer);
	json_add_str(j, "text", text);
	json_add_bool(j, "over", over);
	(void)wire_send(sock, j, &lost);
}

/* ---- packing -------------------------------------------------------------------------------------------------------------------------------------------- */

/* BUILT: as a build counted its digest, whiteouts and all; else as a whole folder that was imported. */
static int pack_here(struct boss *b, const char *chain, bool built, int out, int sock, struct err *e)
{
	auto_free char *path = xasprintf("layers/%s", digest_hex_part(chain));
	auto_close int dir = openat(b->input, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	const int keep[] = { dir, out, sock };
	const struct jail jail = { b->tmp, "empty", true, built ? JAIL_LAYER : JAIL_READ, keep, ARRAY_LEN(keep) };

	if (dir < 0)
		return err_sys(e, "open the layer's folder");
	TRY(jail_enter(&jail, e));
	return built ? pack_upper(dir, WHITEOUT_DEVICE, out, NULL, NULL, NULL, e) : pack_tree(dir, out, e);
}

/* Passes bytes on and digests them, both what comes and what goes. */
static int compress_here(struct boss *b, int in, int file, int sock, struct cJSON *result, struct err *e)
{
	const int keep[] = { in, file, sock };
	const struct jail jail = { b->tmp, "empty", true, JAIL_NOTHING, keep, ARRAY_LEN(keep) };
	AUTO(digest_free) struct digest *diff = digest_new(NULL), *blob = digest_new(NULL);
	char text[DIGEST_STR];
	struct file_bytes source, written;
	struct digest_bytes sum, again;
	uint64_t total = 0;
	int r;

	TRY(jail_enter(&jail, e));
	file_bytes_init(&source, in, -1, "the layer");
	digest_bytes_init(&sum, &source.b, diff, 0);
	r = deflate_copy(&sum.b, file, &total, e);
	file_bytes_done(&source);
	TRY(r);
	file_bytes_init(&written, file, 0, "the blob");
	digest_bytes_init(&again, &written.b, blob, 0);
	r = bytes_drain(&again.b, e);
	file_bytes_done(&written);
	TRY(r);
	digest_end(diff, text);
	json_add_str(result, "diff", text);
	digest_end(blob, text);
	json_add_str(result, "blob", text);
	json_add_int(result, "size", (int64_t)total);
	return 0;
}

/* Until both have ended, or gantry has. */
static int wait_for_two(struct boss *b, struct child *one, struct child *two, struct cJSON **result, struct err *e)
{
	while (!one->ended || !two->ended) {
		struct pollfd p[3] = { { one->ended ? -1 : one->sock, POLLIN, 0 }, { two->ended ? -1 : two->sock, POLLIN, 0 }, { b->sock, 0, 0 } };

		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (p[2].revents)
			return err_set(e, EPIPE, "gantry ended");
		if (p[0].revents)
			child_hear(b, one, NULL);
		if (p[1].revents)
			child_hear(b, two, result);
	}
	if (one->failure.code && one->failure.code != EPIPE)
		return err_move(e, &one->failure);
	if (two->failure.code)
		return err_move(e, &two->failure);
	return one->failure.code ? err_move(e, &one->failure) : 0;
}

static int pack_children(struct boss *b, const char *chain, bool built, int file, struct cJSON **result, struct err *e)
{
	struct child packer = { 0 }, compressor = { 0 };
	int ends[2], sock = -1, r;

	TRY(fd_pipe(ends, e));

	auto_close int in = ends[0], out = ends[1];

	r = child_start(&compressor, "compressor", &sock, e);
	if (r >= 0 && sock >= 0) {
		AUTO(json_free) struct cJSON *answer = json_object();
		AUTO_ERR(failure);

		close(TAKE_FD(out));
		r = compress_here(b, in, file, sock, answer, &failure);
		child_end(sock, r, answer, &failure);
	}
	if (r >= 0)
		r = child_start(&packer, "packer", &sock, e);
	if (r >= 0 && sock >= 0) {
		AUTO_ERR(failure);

		r = pack_here(b, chain, built, out, sock, &failure);
		child_end(sock, r, NULL, &failure);
	}
	close(TAKE_FD(out));
	close(TAKE_FD(in));
	if (r >= 0)
		r = wait_for_two(b, &packer, &compressor, result, e);
	child_kill(&packer);
	child_kill(&compressor);
	return r;
}

/* The layer's blob, made of its folder, into the store; LAYER says then what it is. */
static int pack_layer(struct boss *b, struct cJSON *layer, struct err *e)
{
	AUTO(json_free) struct cJSON *result = NULL;
	auto_free char *blob = NULL, *name = NULL;
	auto_close int blobs = openat(b->input, "blobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int file = openat(b->tmp, "packed", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (file < 0 || blobs < 0)
		return err_sys(e, "make a file for the layer");
	TRY(pack_children(b, str0(json_str(layer, "chain")), true, file, &result, e));
	if (!streq(str0(json_str(result, "diff")), str0(json_str(layer, "diff")))) {
		json_free(TAKE(result));
		if (ftruncate(file, 0) < 0 || lseek(file, 0, SEEK_SET) < 0)
			return err_sys(e, "begin the layer's file again");
		TRY(pack_children(b, str0(json_str(layer, "chain")), false, file, &result, e));
	}
	if (!streq(str0(json_str(result, "diff")), str0(json_str(layer, "diff")))) {
		err_set(e, ENOENT, "its archive is not here, and packing its files again does not give the same bytes");
		err_hint(e, "pull or build the image here; images that were only loaded keep no archives of their layers");
		return -ENOENT;
	}
	blob = xstrdup(str0(json_str(result, "blob")));
	if (!digest_is_valid(blob))
		return err_set(e, EPROTO, "the compressor does not say what it wrote");
	name = blob_name(blob);
	r = renameat(b->tmp, "packed", blobs, name);
	if (r < 0)
		return err_sys(e, "keep the layer's blob");
	json_add_str(layer, "blob", blob);
	json_add_int(layer, "size", json_int(result, "size", 0));
	json_add_str(layer, "type", TYPE_GZIP);
	return 0;
}

static int pack_missing(struct boss *b, const struct cJSON *layers, struct err *e)
{
	int64_t i = 0;

	for (struct cJSON *c = json_first(layers); c; c = json_next(c), i++) {
		if (json_str(c, "blob"))
			continue;
		news(b->sock, i, "Packing", false);
		if (pack_layer(b, c, e) < 0)
			return err_wrap(e, "layer %lld (%.19s)", (long long)i + 1, str0(json_str(c, "diff")));
	}
	return 0;
}

/* ---- uploading -------------------------------------------------------------------------------------------------------------------------------------------- */

struct uploader {
	int sock;
	struct registry *registry;
	struct ref ref;
	const struct cJSON *request;
	int *blobs;                 /* of the layers, opened before privileges went */
	size_t n;
	int64_t layer, size, told_ns;
};
struct worker {
	int sock;                   /* -1: it is done */
	pid_t pid;
};

static void on_sent(void *arg, int64_t bytes)
{
	struct uploader *u = arg;
	auto_free char *text = NULL;

	if (time_mono_ns() - u->told_ns < 100000000 || u->size <= 0)
		return;
	u->told_ns = time_mono_ns();
	text = xasprintf("Pushing %lld%%", (long long)(bytes * 100 / u->size));
	news(u->sock, u->layer, text, false);
}

static void on_note(void *arg, const char *text)
{
	struct uploader *u = arg;

	news(u->sock, u->layer, text, false);
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

			news(u->sock, u->layer, text, true);
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
		news(u->sock, u->layer, "Layer already exists", true);
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
	news(u->sock, u->layer, "Pushing", false);
	TRY(registry_upload(u->registry, &up, e));
	news(u->sock, u->layer, "Pushed", true);
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
	pid_t parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	w->pid = fork();
	if (w->pid == 0) {
		AUTO(json_free) struct cJSON *done = json_object();
		AUTO_ERR(failure);
		AUTO_ERR(lost);

		/* It ends with the uploader, which may not kill. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
			_exit(1);
		u->sock = pair[1];
		json_add_bool(done, "done", true);
		if (work(u, queue, &failure) < 0)
			(void)wire_send_err(pair[1], &failure, &lost);
		else
			(void)wire_send(pair[1], done, &lost);
		_exit(0);
	}
	close(pair[1]);
	if (w->pid < 0) {
		close(pair[0]);
		return err_sys(e, "fork");
	}
	w->sock = pair[0];
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
			news(u->sock, i, "Layer already exists", true);
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

static char *make_manifest(const struct cJSON *request, const char *config_digest, size_t config_size)
{
	AUTO(json_free) struct cJSON *m = json_object();
	struct cJSON *config, *layers;

	json_add_int(m, "schemaVersion", 2);
	json_add_str(m, "mediaType", TYPE_MANIFEST);
	config = json_add_object(m, "config");
	json_add_str(config, "mediaType", TYPE_CONFIG);
	json_add_str(config, "digest", config_digest);
	json_add_int(config, "size", (int64_t)config_size);
	layers = json_add_array(m, "layers");
	for (const struct cJSON *c = json_first(json_get(request, "layers")); c; c = json_next(c)) {
		struct cJSON *l = json_add_object(layers, NULL);

		json_add_str(l, "mediaType", str0(json_str(c, "type")));
		json_add_str(l, "digest", json_str(c, "blob"));
		json_add_int(l, "size", json_int(c, "size", 0));
	}
	return json_text(m, false);
}

static void text_digest(const char *text, char out[DIGEST_STR])
{
	AUTO(digest_free) struct digest *d = digest_new(NULL);

	digest_add(d, text, strlen(text));
	digest_end(d, out);
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

	text_digest(config, config_digest);
	manifest = given ? xstrdup(given) : make_manifest(u->request, config_digest, strlen(config));
	text_digest(manifest, digest);
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

static int upload_run(struct uploader *u, int images, struct cJSON *answer, struct err *e)
{
	const struct registry_options o = { .ref = &u->ref, .root = str0(json_str(u->request, "root")), .push = true, .note = on_note, .arg = u };
	AUTO(loop_free) struct loop *loop = loop_new(e);
	auto_close int config = -1;
	int r;

	if (!loop)
		return -e->code;
	TRY(ref_parse_tagged(str0(json_str(u->request, "ref")), &u->ref, e));
	if (!u->ref.tag)
		return err_set(e, EINVAL, "a digest cannot be pushed to, name a tag");
	TRY(registry_open(loop, &o, &u->registry, e));
	for (const struct cJSON *c = json_first(json_get(u->request, "from")); c; c = json_next(c))
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

/* A child that may use the network. What it says goes to gantry; its last message is an answer or an error. */
static int run_child(struct boss *b, const struct cJSON *request, void (*run)(int sock, int images, const struct cJSON *request), struct err *e)
{
	int pair[2], r = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	pid = fork();
	if (pid < 0) {
		r = err_sys(e, "fork");
	} else if (pid == 0) {
		const int keep[] = { pair[1], b->input };
		AUTO_ERR(failure);

		if (jail_close_others(keep, 2, &failure) >= 0)
			run(pair[1], b->input, request);
		_exit(0);
	}
	close(TAKE_FD(pair[1]));
	while (r >= 0) {
		AUTO(json_free) struct cJSON *message = NULL;
		struct pollfd p[2] = { { pair[0], POLLIN, 0 }, { b->sock, 0, 0 } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			r = err_sys(e, "poll");
		else if (p[1].revents)
			r = err_set(e, EPIPE, "gantry ended");
		else if (p[0].revents)
			r = wire_recv(pair[0], &message, e);
		if (r < 0 || !message)
			continue;
		r = wire_send(b->sock, message, e);
		if (!json_get(message, "layer"))
			break;
	}
	close(pair[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	return r;
}

static void push_child(int sock, int images, const struct cJSON *request)
{
	struct uploader u = { .sock = sock, .request = request };
	AUTO(json_free) struct cJSON *answer = json_object();
	AUTO_ERR(e);
	AUTO_ERR(lost);

	if (upload_run(&u, images, answer, &e) < 0)
		(void)wire_send_err(sock, &e, &lost);
	else
		(void)wire_send(sock, answer, &lost);
}

int push_boss(struct boss *b, struct cJSON *request, struct err *e)
{
	TRY(pack_missing(b, json_get(request, "layers"), e));
	return run_child(b, request, push_child, e);
}

/* ---- login ------------------------------------------------------------------------------------------------------------------------------------------------ */

static int login_run(const struct cJSON *request, struct err *e)
{
	AUTO(loop_free) struct loop *loop = loop_new(e);
	AUTO(registry_free) struct registry *r = NULL;
	struct ref ref = { .host = (char *)str0(json_str(request, "host")), .path = (char *)"" };
	const struct credential c = { .user = (char *)json_str(request, "user"), .secret = (char *)json_str(request, "secret") };
	const struct registry_options o = { .ref = &ref, .root = str0(json_str(request, "root")), .push = true, .credential = &c };

	if (!loop)
		return -e->code;
	TRY(registry_open(loop, &o, &r, e));
	TRY(jail_nobody(e));
	return registry_ping(r, e);
}

static void login_child(int sock, int images, const struct cJSON *request)
{
	AUTO(json_free) struct cJSON *answer = json_object();
	AUTO_ERR(e);
	AUTO_ERR(lost);

	(void)images;
	json_add_bool(answer, "done", true);
	if (login_run(request, &e) < 0)
		(void)wire_send_err(sock, &e, &lost);
	else
		(void)wire_send(sock, answer, &lost);
}

int login_boss(struct boss *b, const struct cJSON *request, struct err *e)
{
	return run_child(b, request, login_child, e);
}
