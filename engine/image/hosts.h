/* SPDX-License-Identifier: MIT
 *
 * engine/image/hosts.h - which hosts are asked for the images of a registry, in what order, and how far they are trusted
 *
 * ROOT/registries.json, then /etc/gantry/registries.json (docs/registries.md):
 *
 *   { "registries": { "docker.io": { "mirrors": ["https://mirror.example"], "token_hosts": ["login.example"] } },
 *     "insecure": ["registry.lan:5000", "*.lab"] }
 *
 * then what other tools were told: containerd's (and docker's) certs.d/HOST/hosts.toml, docker's /etc/docker/daemon.json (registry-mirrors, for docker.io;
 * insecure-registries), containers' registries.conf. The first of these that says something about a registry decides; lists of insecure ones add up.
 * Certificates: $GANTRY_CERTS_DIR, /etc/gantry/certs.d, /etc/docker/certs.d, /etc/containers/certs.d, each HOST[:PORT]/{*.crt,*.cert,*.key}; hosts.toml
 * is looked for in /etc/containerd/certs.d too. Mirrors are never pushed to.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "engine/image/http.h"
#include <stdbool.h>
#include <stddef.h>

struct cJSON;
struct err;
struct registry_host {
	char *url;           /* "https://registry-1.docker.io", without a slash at the end */
	char *name;          /* "docker.io", "mirror.example:5000": key of credentials */
	char *repo;          /* the image's repository there; NULL: as the image has it */
	char *from;          /* the file that names it, NULL: none */
	struct strv headers; /* "Name: value", sent with each request to it */
	int64_t connect_ms;  /* 0: as usual */
	bool mirror;
	bool insecure;       /* https without verification, then plain http */
	bool exact;          /* /v2 is part of URL already, or has no place there */
	bool ns;             /* told which registry it stands for: ?ns=docker.io */
	bool no_tags, no_digests; /* a mirror that is not asked by tag, or by digest */
	struct http_tls tls;
};
struct registry_hosts {
	struct registry_host *v;
	size_t n, cap;
	struct strv token_hosts; /* may get credentials of this registry though they look foreign */
};
struct ref;
enum { REGISTRY_MIRRORS_MAX = 16 };
void registry_hosts_done(struct registry_hosts *h);
/* Pure: what the documents (NULLs are passed over) say about HOST. */
int registry_hosts_from(const struct cJSON *const *docs, size_t n, const char *host, bool push, struct registry_hosts *ret, struct err *e);
/* With files and certificates. ROOT: folder of registries.json. REF's path may be empty (a login). */
int registry_hosts_read(const char *root, const struct ref *ref, bool push, struct registry_hosts *ret, struct err *e);
/* localhost, 127.0.0.0/8, ::1, with or without a port. By its name alone: what DNS says switches no verification off. */
bool registry_is_loopback(const char *host);
