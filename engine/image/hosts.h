/* SPDX-License-Identifier: MIT
 *
 * engine/image/hosts.h - which hosts are asked for the images of a registry, in what order, and how far they are trusted
 *
 * ROOT/registries.json, then /etc/gantry/registries.json (docs/registries.md):
 *
 *   { "registries": { "docker.io": { "mirrors": ["https://mirror.example"], "token_hosts": ["login.example"] } },
 *     "insecure": ["registry.lan:5000", "*.lab"] }
 *
 * then docker's /etc/docker/daemon.json (registry-mirrors, for docker.io; insecure-registries). The first that says something about a registry decides.
 * Certificates: /etc/gantry/certs.d, /etc/docker/certs.d, /etc/containers/certs.d, each HOST[:PORT]/{*.crt,*.cert,*.key}. Mirrors are never pushed to.
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
	bool mirror;
	bool insecure;       /* https without verification, then plain http */
	struct http_tls tls;
};
struct registry_hosts {
	struct registry_host *v;
	size_t n, cap;
	struct strv token_hosts; /* may get credentials of this registry though they look foreign */
};
enum { REGISTRY_MIRRORS_MAX = 16 };
void registry_hosts_done(struct registry_hosts *h);
/* Pure: what the documents (NULLs are passed over) say about HOST. */
int registry_hosts_from(const struct cJSON *const *docs, size_t n, const char *host, bool push, struct registry_hosts *ret, struct err *e);
/* With files and certificates. ROOT: folder of registries.json. */
int registry_hosts_read(const char *root, const char *host, bool push, struct registry_hosts *ret, struct err *e);
/* localhost, 127.0.0.0/8, ::1, with or without a port. By its name alone: what DNS says switches no verification off. */
bool registry_is_loopback(const char *host);
