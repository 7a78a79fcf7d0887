/* SPDX-License-Identifier: MIT
 *
 * plan/lower.h - struct service -> struct ctr_spec: the only place that knows both compose and the engine. Pure, but for security_opt's profile
 * files and the existence of nothing else: what needs the host or rows comes in.
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
	/* The container (lowest number) of another service; container:NAME too. < 0 with "container missing". */
	int (*container_of)(void *arg, const char *service, const char **ret_id, const char **ret_name, struct err *e);
	/* Mounts of another container for volumes_from. */
	int (*spec_of)(void *arg, const char *id, const struct ctr_spec **ret, struct err *e);
	/* Anonymous volume for TARGET: a new name, or the old container's (recreate). Borrowed until the end of lower_service. */
	const char *(*anonymous)(void *arg, const char *target);
	void *arg;
};
int lower_service(const struct lower *l, struct ctr_spec **ret, struct err *e);

/* Writes the files of MNT_FILE mounts (secrets, configs) into FILES_DIR with their owner and mode: after the container's folder is there, before it
 * starts. The container of L's service with spec SPEC. */
int lower_write_files(const struct lower *l, const struct ctr_spec *spec, struct err *e);
