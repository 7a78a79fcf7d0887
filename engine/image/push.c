/* SPDX-License-Identifier: MIT */
#include "engine/image/push.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "engine/image/blob.h"
#include "engine/image/cred.h"
#include "engine/image/deflate.h"
#include "engine/image/digest.h"
#include "engine/image/jail.h"
#include "engine/image/job_priv.h"
#include "engine/image/manifest.h"
#include "engine/image/pack.h"
#include "engine/image/ref.h"
#include "engine/image/registry.h"
#include "engine/image/save.h"
#include "engine/image/upload.h"
#include "engine/image/wire.h"
#include "engine/image/worker.h"

/* ---- packing -------------------------------------------------------------------------------------------------------------------------------------------- */

/* How a layer's archive is made. */
struct source {
	const struct cJSON *layer;
	enum { AS_BUILT /* as a build counted its digest, whiteouts and all */, AS_FOLDER /* that was imported */, AS_BLOB /* which is uncompressed */ } how;
};

static int source_open(struct boss *b, const struct source *s, struct err *e)
{
	auto_free char *name = s->how == AS_BLOB ? blob_name(str0(json_str(s->layer, "plain"))) : NULL;
	auto_free char *path = name ? xasprintf("blobs/%s", name) : xasprintf("layers/%s", digest_hex_part(str0(json_str(s->layer, "chain"))));
	int fd = openat(b->input, path, O_RDONLY | (name ? 0 : O_DIRECTORY) | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? err_sys(e, "open the layer's %s", name ? "archive" : "folder") : fd;
}

static int pack_here(struct boss *b, const struct source *s, int out, int sock, struct err *e)
{
	auto_close int from = source_open(b, s, e);
	const int keep[] = { from, out, sock };
	const enum jail_caps kinds[] = { [AS_BUILT] = JAIL_LAYER, [AS_FOLDER] = JAIL_READ, [AS_BLOB] = JAIL_NOTHING };
	const struct jail jail = { b->tmp, "empty", true, kinds[s->how], keep, ARRAY_LEN(keep) };
	struct file_bytes in;
	int r;

	if (from < 0)
		return from;
	TRY(jail_enter(&jail, e));
	if (s->how == AS_BUILT)
		return pack_upper(from, json_int(s->layer, "form", WHITEOUT_DEVICE) == WHITEOUT_FILE ? WHITEOUT_FILE : WHITEOUT_DEVICE, out, NULL, NULL, NULL, e);
	if (s->how == AS_FOLDER)
		return pack_tree(from, out, e);
	file_bytes_init(&in, from, -1, "the archive");
	r = bytes_copy(&in.b, out, NULL, e);
	file_bytes_done(&in);
	return r;
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

static int pack_children(struct boss *b, const struct source *s, int file, struct cJSON **result, struct err *e)
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

		r = pack_here(b, s, out, sock, &failure);
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

static bool is_right(const struct cJSON *layer, const struct cJSON *result)
{
	return streq(str0(json_str(result, "diff")), str0(json_str(layer, "diff")));
}

static int pack_again(struct boss *b, const struct source *s, int file, struct cJSON **result, struct err *e)
{
	json_free(TAKE(*result));
	if (ftruncate(file, 0) < 0 || lseek(file, 0, SEEK_SET) < 0)
		return err_sys(e, "begin the layer's file again");
	return pack_children(b, s, file, result, e);
}

static int keep_packed(struct boss *b, const char *blob, int file, struct err *e)
{
	auto_free char *name = blob_name(blob);
	auto_close int blobs = openat(b->input, "blobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (blobs < 0 || fsync(file) < 0)
		return err_sys(e, "keep the layer's blob");
	FP("image.blob.rename", e);
	if (renameat(b->tmp, "packed", blobs, name) < 0 || fsync(blobs) < 0)
		return err_sys(e, "keep the layer's blob");
	return 0;
}

/* gantry remembers it: the next one does not pack it again. */
static int say_packed(struct boss *b, const struct cJSON *layer, struct err *e)
{
	AUTO(json_free) struct cJSON *message = json_object();
	struct cJSON *p = json_add_object(message, "packed");

	json_add_str(p, "chain", json_str(layer, "chain"));
	json_add_str(p, "blob", json_str(layer, "blob"));
	json_add_int(p, "size", json_int(layer, "size", 0));
	json_add_str(p, "type", json_str(layer, "type"));
	return wire_send(b->sock, message, e);
}

/* The layer's blob, made of its folder or its uncompressed archive, into the store; LAYER says then what it is. */
static int pack_layer(struct boss *b, struct cJSON *layer, struct err *e)
{
	struct source source = { layer, json_str(layer, "plain") ? AS_BLOB : AS_BUILT };
	AUTO(json_free) struct cJSON *result = NULL;
	auto_free char *blob = NULL;
	auto_close int file = openat(b->tmp, "packed", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (file < 0)
		return err_sys(e, "make a file for the layer");
	TRY(pack_children(b, &source, file, &result, e));
	if (!is_right(layer, result) && source.how == AS_BUILT) {
		source.how = AS_FOLDER;
		TRY(pack_again(b, &source, file, &result, e));
	}
	if (!is_right(layer, result)) {
		err_set(e, ENOENT, source.how == AS_BLOB ? "its archive in the store was changed" :
			"its archive is not here, and packing its files again does not give the same bytes");
		err_hint(e, "pull, load or build the image again: then its archive is here");
		return -ENOENT;
	}
	blob = xstrdup(str0(json_str(result, "blob")));
	if (!digest_is_valid(blob))
		return err_set(e, EPROTO, "the compressor does not say what it wrote");
	TRY(keep_packed(b, blob, file, e));
	json_add_str(layer, "blob", blob);
	json_add_int(layer, "size", json_int(result, "size", 0));
	json_add_str(layer, "type", TYPE_LAYER "+gzip");
	return say_packed(b, layer, e);
}

int pack_missing(struct boss *b, const struct cJSON *layers, struct err *e)
{
	int64_t i = 0;

	for (struct cJSON *c = json_first(layers); c; c = json_next(c), i++) {
		if (json_str(c, "blob"))
			continue;
		upload_news(b->sock, i, "Packing", false);
		if (pack_layer(b, c, e) < 0)
			return err_wrap(e, "layer %lld (%.19s)", (long long)i + 1, str0(json_str(c, "diff")));
	}
	return 0;
}

/* ---- the children that meet the network ------------------------------------------------------------------------------------------------------------------ */

/* A child that may use the network. What it says goes to gantry; its last message is an answer or an error. */
static int run_child(struct boss *b, const struct cJSON *request, void (*run)(int sock, int images, const struct cJSON *request), struct err *e)
{
	struct worker w;
	int sock = -1, r;

	TRY(r = worker_fork(&w, "uploader", &sock, e));
	if (w.pid == 0) {
		const int keep[] = { sock, b->input };
		AUTO_ERR(failure);

		if (jail_close_others(keep, 2, &failure) >= 0)
			run(sock, b->input, request);
		_exit(0);
	}
	while (r >= 0) {
		AUTO(json_free) struct cJSON *message = NULL;
		struct pollfd p[2] = { { w.sock, POLLIN, 0 }, { b->sock, 0, 0 } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			r = err_sys(e, "poll");
		else if (p[1].revents)
			r = err_set(e, EPIPE, "gantry ended");
		else if (p[0].revents)
			r = wire_recv(w.sock, &message, e);
		if (r < 0 || !message)
			continue;
		r = wire_send(b->sock, message, e);
		if (!json_get(message, "layer"))
			break;
	}
	worker_end(&w);
	return r;
}

static void push_child(int sock, int images, const struct cJSON *request)
{
	AUTO(json_free) struct cJSON *answer = json_object();
	AUTO_ERR(e);
	AUTO_ERR(lost);

	if (upload_run(sock, images, request, answer, &e) < 0)
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

static int login_run(const struct cJSON *request, struct cJSON *answer, struct err *e)
{
	AUTO(loop_free) struct loop *loop = loop_new(e);
	AUTO(registry_free) struct registry *r = NULL;
	auto_free char *identity = NULL;
	struct ref ref = { .host = (char *)str0(json_str(request, "host")), .path = (char *)"" };
	const struct credential c = { .user = (char *)json_str(request, "user"), .secret = (char *)json_str(request, "secret") };
	const struct registry_options o = { .ref = &ref, .root = str0(json_str(request, "root")), .push = true, .credential = &c };

	if (!loop)
		return -e->code;
	TRY(registry_open(loop, &o, &r, e));
	TRY(jail_nobody(e));
	TRY(registry_ping(r, &identity, e));
	json_add_str(answer, "identity", identity);
	return 0;
}

static void login_child(int sock, int images, const struct cJSON *request)
{
	AUTO(json_free) struct cJSON *answer = json_object();
	AUTO_ERR(e);
	AUTO_ERR(lost);

	(void)images;
	json_add_bool(answer, "done", true);
	if (login_run(request, answer, &e) < 0)
		(void)wire_send_err(sock, &e, &lost);
	else
		(void)wire_send(sock, answer, &lost);
}

int login_boss(struct boss *b, const struct cJSON *request, struct err *e)
{
	return run_child(b, request, login_child, e);
}
