/* SPDX-License-Identifier: MIT
 *
 * engine/image/hosts_priv.h - between hosts.c and the readers of other tools' conventions
 */
#pragma once
#include "engine/image/hosts.h"

enum { REGISTRY_DOC_MAX = 1 << 20, REGISTRY_CERT_MAX = 1 << 20 };
/* Both are taken. At the end of the list; the address loses its last slashes. */
struct registry_host *registry_host_add(struct registry_hosts *h, char *url_take, char *name_take);
/* Before the last of the list, the registry itself; NULL with e set: too many. */
struct registry_host *registry_mirror_add(struct registry_hosts *h, char *url_take, char *name_take, struct err *e);
void registry_host_done(struct registry_host *h);
/* Adds the file's text to *TEXT. */
int registry_pem_add(const char *path, char **text, struct err *e);

/* containerd's hosts.toml DOC, whose files are named from DIR on. H has the registry itself, and gets what is asked before it. */
int registry_hosts_toml(const struct cJSON *doc, const char *dir, bool push, struct registry_hosts *h, struct err *e);
/* The same for registries.conf(5): DOCS, the later count. 1: they say nothing about REF. */
int registry_hosts_containers(const struct cJSON *const *docs, const char *const *names, size_t n, const struct ref *ref, bool push, struct registry_hosts *h,
	struct err *e);
/* Reads registries.conf and its drop-ins, and applies them. */
int registry_hosts_containers_read(const struct ref *ref, bool push, struct registry_hosts *h, struct err *e);
