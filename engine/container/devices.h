/* SPDX-License-Identifier: MIT
 *
 * engine/container/devices.h - which devices a container gets: nodes in its /dev and rules for its cgroup
 *
 * `devices:` sources may be links (resolved) and folders (all devices below); privileged takes the host's whole /dev.
 */
#pragma once
#include "base/auto.h"
#include "engine/kernel/device.h"

struct ctr_spec;
struct err;
struct ctr_device {
	char *path;      /* in the container, absolute */
	mode_t mode;     /* with the type bits */
	dev_t dev;
	uid_t uid;
	gid_t gid;
};
struct ctr_devices {
	struct ctr_device *v;
	size_t n, cap;
	struct device_rules rules; /* defaults, devices, device_cgroup_rules */
	bool all;                  /* privileged: no rules at all */
};
#define CTR_DEVICES_INIT ((struct ctr_devices){ 0 })
void ctr_devices_done(struct ctr_devices *d);
int ctr_devices_find(const struct ctr_spec *s, struct ctr_devices *ret, struct err *e);
