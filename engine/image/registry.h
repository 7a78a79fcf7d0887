/* SPDX-License-Identifier: MIT
 *
 * engine/image/registry.h - the registry protocol (OCI distribution-spec 1.1) for one repository: manifests, blobs, uploads
 *
 * A registry is opened while the process may still read credentials and keys; everything else needs no privilege. Mirrors are asked first, each
 * of their failures leads to the next host. Redirects are followed by hand: credentials stay with the host that they belong to.
 */
#pragma once
#include "base/auto.h"
#include "engine/image/hosts.h"
#include "engine/image/http.h"
#include "engine/image/manifest.h"
#include "engine/image/ref.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct credential;
struct err;
struct loop;
struct registry;
struct registry_options {
	const struct ref *ref;
	const char *root;                    /* where registries.json is */
	bool push;
	const struct credential *credential; /* instead of those that are configured (login, a helper that was asked); an empty one: none */
	void (*note)(void *arg, const char *text); /* "waits 3 s: too many requests"; NULL */
	void *arg;
};
int registry_open(struct loop *loop, const struct registry_options *o, struct registry **ret, struct err *e);
/* In a forked child, before anything else: with its tokens, on a loop of its own. The child ends by _exit(2). */
int registry_forked(struct registry *r, struct loop *loop, struct err *e);
/* What it wants people to know: Warning headers, a limit that is nearly reached. Borrowed. */
const struct strv *registry_warnings(const struct registry *r);
void registry_free(struct registry *r);
DEFINE_AUTO(struct registry *, registry_free)

/* Credentials are right, or none are needed. *RET_IDENTITY (caller frees): what may be kept instead of the password, NULL where the token service gives
 * no such. */
int registry_ping(struct registry *r, char **ret_identity, struct err *e);
/* The digest that TAG (or digest) has now; 1: the registry does not tell without the document. */
int registry_head(struct registry *r, const char *tag, char digest[DIGEST_STR], struct err *e);
struct registry_doc {
	char *text, *type;        /* type: what the server says, "" */
	size_t n;
	char digest[DIGEST_STR];  /* of these very bytes */
};
void registry_doc_done(struct registry_doc *d);
/* TAG or digest, then verified against it. */
int registry_manifest(struct registry *r, const char *tag, struct registry_doc *ret, struct err *e);
/* A small blob as text, verified. */
int registry_text(struct registry *r, const struct descriptor *d, char **ret, struct err *e);

/* A blob into a file: what is missing of it is asked for. Several at once, each moved on by fetch_turn. */
struct fetch;
struct fetch_options {
	const char *digest;
	int64_t size;
	int fd;                   /* borrowed; appended to. What it has already is taken as the beginning */
	bool from_origin;         /* mirrors are passed over: one of them gave wrong bytes */
	void (*grown)(void *arg, int64_t have);
	void *arg;
};
int fetch_new(struct registry *r, const struct fetch_options *o, struct fetch **ret, struct err *e);
void fetch_free(struct fetch *f);
/* Does what there is to do now: 0: it goes on, 1: all bytes are there (unverified), < 0 failed. *RET_WAIT_NS: when to call again even if nothing happens
 * on the loop, INT64_MAX: never. */
int fetch_turn(struct fetch *f, int64_t *ret_wait_ns, struct err *e);
void registry_wait(struct registry *r, int64_t ns);

/* 0: there; 1: not. */
int registry_blob_there(struct registry *r, const char *digest, struct err *e);
/* FROM: a repository of the same registry that has it. 1: it does not work, upload it. */
int registry_mount(struct registry *r, const char *digest, const char *from, struct err *e);
struct upload {
	int fd;                   /* borrowed */
	const char *digest;
	int64_t size;
	void (*sent)(void *arg, int64_t bytes);
	void *arg;
};
int registry_upload(struct registry *r, const struct upload *u, struct err *e);
int registry_put_manifest(struct registry *r, const char *tag, const char *type, const char *text, size_t n, const char *digest, struct err *e);
/* Rights on another repository too, for mounts; before the first request. */
void registry_also_pull(struct registry *r, const char *repository);
