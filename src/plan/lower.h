/* SPDX-License-Identifier: MIT
 *
 * plan/lower.h - struct service -> struct ctr_spec: the only place that knows both compose and the engine
 *
 * Pure, but for the profile file of security_opt seccomp=FILE: what needs rows comes in through the callbacks.
 *
 *   lower.c          process, identity, resources, restart, health, security       lower_mounts.c  volumes, tmpfs, secrets, configs
 *   lower_net.c      networks, ports, names                                         lower_files.c   content of secrets and configs
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "compose/project.h"
#include <stdbool.h>
#include <stdint.h>

struct ctr_spec;
struct err;
struct image_config;
struct image_row;

struct lower {
	const struct project *p;
	const struct service *s;
	const char *id, *name;       /* of the container */
	int64_t number;
	bool oneoff;
	const char *hash;            /* config hash, for the label */
	const struct image_row *image;
	const struct image_config *config;
	const char *image_driver;    /* "overlay", "copy" */
	const char *files_dir;       /* containers/ID/files: where secrets and configs are written */
	const char *env_files;       /* for the label, NULL */
	/* id of the first container (lowest number) of SERVICE of this project, or (EXTERNAL) of a container by name or id. Borrowed until
	 * lower_service returns. -ENOENT: there is none. */
	int (*container_of)(void *arg, const char *service, bool external, const char **ret_id, struct err *e);
	/* Names of all containers of SERVICE, for links. */
	int (*names_of)(void *arg, const char *service, struct strv *ret, struct err *e);
	/* What the container with that id was made of, for volumes_from. Borrowed likewise. */
	int (*spec_of)(void *arg, const char *id, const struct ctr_spec **ret, struct err *e);
	/* Name of the anonymous volume for TARGET: the old container's (recreate) or a new one. Caller frees. */
	char *(*anonymous)(void *arg, const char *target);
	/* id of an image by reference, for `type: image`. Borrowed likewise. */
	int (*image_of)(void *arg, const char *ref, const char **ret_id, struct err *e);
	void *arg;
};
int lower_service(const struct lower *l, struct ctr_spec **ret, struct err *e);
/* Writes the files of MNT_FILE mounts (secrets, configs) of SPEC into FILES_DIR with their owner and mode: after the container's folder is
 * there, before it starts. */
int lower_write_files(const struct lower *l, const struct ctr_spec *spec, struct err *e);

/* ---- the parts, in lower_*.c ---- */
int lower_mounts(const struct lower *l, struct ctr_spec *c, struct err *e);
int lower_network(const struct lower *l, struct ctr_spec *c, struct err *e);
/* "container:ID" for "service:NAME" and "container:NAME"; other words as they are. WHAT: "network", for the message. Caller frees. */
int lower_namespace(const struct lower *l, const char *mode, const char *what, char **ret, struct err *e);
void lower_strs(struct strv *to, const struct strs *from);
void lower_kvs(struct strv *to, const struct kvs *from);
