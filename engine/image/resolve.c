/* SPDX-License-Identifier: MIT */
#include "engine/image/resolve.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "engine/image/jail.h"
#include "engine/image/job_priv.h"
#include "engine/image/ref.h"
#include "engine/image/registry.h"
#include "engine/image/wire.h"
#include "engine/image/worker.h"

enum { ASKED_AT_ONCE = 8 };
struct asker {
	struct worker w;        /* WORKER_INIT: free */
	int64_t image;
};

/* HEAD costs nothing of a rate limit; some registries answer it without a digest, or not at all. */
static int ask(const char *root, const char *name, char digest[DIGEST_STR], struct err *e)
{
	AUTO(loop_free) struct loop *loop = loop_new(e);
	AUTO(registry_free) struct registry *r = NULL;
	AUTO_DONE(registry_doc_done) struct registry_doc doc = { 0 };
	AUTO_DONE(ref_done) struct ref ref = { 0 };
	const struct registry_options o = { .ref = &ref, .root = root };
	int res;

	if (!loop)
		return -e->code;
	TRY(ref_parse_tagged(name, &ref, e));
	TRY(registry_open(loop, &o, &r, e));
	TRY(jail_nobody(e));
	res = registry_head(r, ref.digest ? ref.digest : ref.tag, digest, e);
	if (res <= 0)
		return res;
	TRY(registry_manifest(r, ref.digest ? ref.digest : ref.tag, &doc, e));
	memcpy(digest, doc.digest, DIGEST_STR);
	return 0;
}

static _Noreturn void child(int sock, const char *root, const char *name)
{
	AUTO(json_free) struct cJSON *answer = json_object();
	char digest[DIGEST_STR];
	AUTO_ERR(e);
	AUTO_ERR(lost);

	if (jail_close_others(&sock, 1, &e) < 0 || ask(root, name, digest, &e) < 0)
		_exit(wire_send_err(sock, &e, &lost) < 0);
	json_add_str(answer, "digest", digest);
	_exit(wire_send(sock, answer, &lost) < 0);
}

static int start(struct asker *a, const char *root, const char *name, struct err *e)
{
	int sock = -1;

	TRY(worker_fork(&a->w, "asker", &sock, e));
	if (a->w.pid == 0)
		child(sock, root, name);
	return 0;
}

static int pass_on(struct boss *b, struct asker *a, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = NULL, *message = json_object();
	AUTO_ERR(failure);

	json_add_int(message, "image", a->image);
	if (wire_recv(a->w.sock, &answer, &failure) < 0)
		wire_add_err(message, "failed", &failure);
	else
		json_add_str(message, "digest", str0(json_str(answer, "digest")));
	worker_end(&a->w);
	return wire_send(b->sock, message, e);
}

static int hear(struct boss *b, struct asker *v, struct err *e)
{
	struct pollfd p[ASKED_AT_ONCE + 1];

	for (size_t i = 0; i < ASKED_AT_ONCE; i++)
		p[i] = (struct pollfd){ v[i].w.sock, POLLIN, 0 };
	p[ASKED_AT_ONCE] = (struct pollfd){ b->sock, 0, 0 };
	if (poll(p, ASKED_AT_ONCE + 1, -1) < 0)
		return errno == EINTR ? 0 : err_sys(e, "poll");
	if (p[ASKED_AT_ONCE].revents)
		return err_set(e, EPIPE, "gantry ended");
	for (size_t i = 0; i < ASKED_AT_ONCE; i++)
		if (p[i].revents)
			TRY(pass_on(b, &v[i], e));
	return 0;
}

static int run(struct boss *b, const struct cJSON *request, struct asker *v, struct err *e)
{
	const struct cJSON *next = json_first(json_get(request, "images"));
	int64_t image = 0;

	for (;;) {
		bool busy = false;

		for (size_t i = 0; i < ASKED_AT_ONCE; i++) {
			if (v[i].w.sock < 0 && next) {
				v[i].image = image++;
				TRY(start(&v[i], str0(json_str(request, "root")), str0(json_value_str(next)), e));
				next = json_next(next);
			}
			busy |= v[i].w.sock >= 0;
		}
		if (!busy)
			return 0;
		TRY(hear(b, v, e));
	}
}

int resolve_boss(struct boss *b, const struct cJSON *request, struct err *e)
{
	struct asker v[ASKED_AT_ONCE];
	int r;

	for (size_t i = 0; i < ASKED_AT_ONCE; i++)
		v[i] = (struct asker){ .w = WORKER_INIT };
	r = run(b, request, v, e);
	for (size_t i = 0; i < ASKED_AT_ONCE; i++)
		worker_end(&v[i].w);
	return r;
}
