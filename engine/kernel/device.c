/* SPDX-License-Identifier: MIT */
#include "engine/kernel/device.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* clang-format off */
const struct device_node device_nodes[] = {
	{ "null",    S_IFCHR | 0666, 1, 3 },
	{ "zero",    S_IFCHR | 0666, 1, 5 },
	{ "full",    S_IFCHR | 0666, 1, 7 },
	{ "random",  S_IFCHR | 0666, 1, 8 },
	{ "urandom", S_IFCHR | 0666, 1, 9 },
	{ "tty",     S_IFCHR | 0666, 5, 0 },
};
const size_t device_nodes_count = ARRAY_LEN(device_nodes);

const struct device_link device_links[] = {
	{ "fd",     "/proc/self/fd" },
	{ "stdin",  "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
	{ "ptmx",   "pts/ptmx" },
};
const size_t device_links_count = ARRAY_LEN(device_links);

/* Everything may be made, little may be opened. */
static const struct device_rule defaults[] = {
	{ 'c', -1, -1, DEV_MKNOD },
	{ 'b', -1, -1, DEV_MKNOD },
	{ 'c', 1, 3, DEV_ALL },    /* null */
	{ 'c', 1, 5, DEV_ALL },    /* zero */
	{ 'c', 1, 7, DEV_ALL },    /* full */
	{ 'c', 1, 8, DEV_ALL },    /* random */
	{ 'c', 1, 9, DEV_ALL },    /* urandom */
	{ 'c', 5, 0, DEV_ALL },    /* tty */
	{ 'c', 5, 1, DEV_ALL },    /* console */
	{ 'c', 5, 2, DEV_ALL },    /* ptmx */
	{ 'c', 136, -1, DEV_ALL }, /* pts */
	{ 'c', 10, 200, DEV_ALL }, /* net/tun */
};
/* clang-format on */

void device_rules_done(struct device_rules *l)
{
	free(l->v);
	*l = DEVICE_RULES_INIT;
}

void device_rules_add(struct device_rules *l, struct device_rule r)
{
	xgrow(&l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n++] = r;
}

void device_rules_default(struct device_rules *l)
{
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		device_rules_add(l, defaults[i]);
}

unsigned device_access(const char *perms)
{
	return (strchr(perms, 'r') ? DEV_READ : 0) | (strchr(perms, 'w') ? DEV_WRITE : 0) |
	       (strchr(perms, 'm') ? DEV_MKNOD : 0);
}

static int parse_number(const char *s, size_t n, int64_t *ret)
{
	AUTO_ERR(quiet);
	auto_free char *text = xstrndup(s, n);
	uint64_t v;

	if (streq(text, "*")) {
		*ret = -1;
		return 0;
	}
	if (num_uint(text, UINT32_MAX, &v, &quiet) < 0)
		return -EINVAL;
	*ret = (int64_t)v;
	return 0;
}

int device_rule_parse(const char *s, struct device_rule *ret, struct err *e)
{
	struct device_rule r = { .type = *s };
	const char *colon = strchr(s, ':'), *space = colon ? strchr(colon, ' ') : NULL;

	if (!*s || !strchr("abc", *s) || s[1] != ' ' || !space || !space[1] ||
	    strspn(space + 1, "rwm") != strlen(space + 1) ||
	    parse_number(s + 2, (size_t)(colon - s - 2), &r.major) < 0 ||
	    parse_number(colon + 1, (size_t)(space - colon - 1), &r.minor) < 0) {
		err_set(e, EINVAL, "device_cgroup_rules: '%s' is not a rule", s);
		err_hint(e, "the form is 'TYPE MAJOR:MINOR ACCESS', for instance 'c 1:3 mr' or 'a *:* rwm'");
		return -EINVAL;
	}
	r.access = device_access(space + 1);
	*ret = r;
	return 0;
}

static const char *number_text(int64_t n, char buf[24])
{
	snprintf(buf, 24, n < 0 ? "*" : "%lld", (long long)n);
	return buf;
}

const char *device_rule_text(const struct device_rule *r, char buf[DEVICE_RULE_TEXT])
{
	char major[24], minor[24];

	snprintf(buf, DEVICE_RULE_TEXT, "%c %s:%s %s%s%s", r->type, number_text(r->major, major),
		 number_text(r->minor, minor), r->access & DEV_READ ? "r" : "", r->access & DEV_WRITE ? "w" : "",
		 r->access & DEV_MKNOD ? "m" : "");
	return buf;
}

int device_make(int dir, const char *name, mode_t mode, dev_t dev, uid_t uid, gid_t gid, struct err *e)
{
	if (mknodat(dir, name, mode, dev) < 0)
		return err_sys(e, "make device '%s'", name);
	/* the umask took bits away; the folder is ours alone until the container runs */
	if (fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 || fchmodat(dir, name, mode & 07777, 0) < 0)
		return err_sys(e, "set owner and mode of device '%s'", name);
	return 0;
}
