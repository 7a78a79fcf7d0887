/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/device.h - device nodes and the rules about who may open them
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
enum { DEV_READ = 1, DEV_WRITE = 2, DEV_MKNOD = 4, DEV_ALL = 7 };
struct device_rule {
	char type;            /* 'c', 'b', 'a': both */
	int64_t major, minor; /* -1: any */
	unsigned access;
};
struct device_rules {
	struct device_rule *v;
	size_t n, cap;
};
#define DEVICE_RULES_INIT ((struct device_rules){ 0 })
void device_rules_done(struct device_rules *l);
void device_rules_add(struct device_rules *l, struct device_rule r);
/* What every container may open: docker's list. */
void device_rules_default(struct device_rules *l);
/* "c 1:3 mr", "a *:* rwm" (device_cgroup_rules). */
int device_rule_parse(const char *s, struct device_rule *ret, struct err *e);
/* "rw" -> DEV_READ | DEV_WRITE */
unsigned device_access(const char *perms);
/* "c 1:3 rwm", as devices.allow takes it */
enum { DEVICE_RULE_TEXT = 64 };
const char *device_rule_text(const struct device_rule *r, char buf[DEVICE_RULE_TEXT]);

struct device_node {
	const char *name;   /* below /dev */
	mode_t mode;        /* with S_IFCHR */
	unsigned major, minor;
};
/* null zero full random urandom tty */
extern const struct device_node device_nodes[];
extern const size_t device_nodes_count;
struct device_link {
	const char *name, *to;
};
extern const struct device_link device_links[]; /* fd stdin stdout stderr ptmx */
extern const size_t device_links_count;
/* Makes a node with exactly this mode and owner below DIR (a folder of ours: nothing there may be followed). */
int device_make(int dir, const char *name, mode_t mode, dev_t dev, uid_t uid, gid_t gid, struct err *e);
