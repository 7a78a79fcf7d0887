/* SPDX-License-Identifier: MIT */
#include "engine/kernel/caps.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include <ctype.h>
#include <errno.h>
#include <sys/prctl.h>

static const char *const cap_names[] = {
	[0] = "CAP_CHOWN",
	[1] = "CAP_DAC_OVERRIDE",
	[2] = "CAP_DAC_READ_SEARCH",
	[3] = "CAP_FOWNER",
	[4] = "CAP_FSETID",
	[5] = "CAP_KILL",
	[6] = "CAP_SETGID",
	[7] = "CAP_SETUID",
	[8] = "CAP_SETPCAP",
	[9] = "CAP_LINUX_IMMUTABLE",
	[10] = "CAP_NET_BIND_SERVICE",
	[11] = "CAP_NET_BROADCAST",
	[12] = "CAP_NET_ADMIN",
	[13] = "CAP_NET_RAW",
	[14] = "CAP_IPC_LOCK",
	[15] = "CAP_IPC_OWNER",
	[16] = "CAP_SYS_MODULE",
	[17] = "CAP_SYS_RAWIO",
	[18] = "CAP_SYS_CHROOT",
	[19] = "CAP_SYS_PTRACE",
	[20] = "CAP_SYS_PACCT",
	[21] = "CAP_SYS_ADMIN",
	[22] = "CAP_SYS_BOOT",
	[23] = "CAP_SYS_NICE",
	[24] = "CAP_SYS_RESOURCE",
	[25] = "CAP_SYS_TIME",
	[26] = "CAP_SYS_TTY_CONFIG",
	[27] = "CAP_MKNOD",
	[28] = "CAP_LEASE",
	[29] = "CAP_AUDIT_WRITE",
	[30] = "CAP_AUDIT_CONTROL",
	[31] = "CAP_SETFCAP",
	[32] = "CAP_MAC_OVERRIDE",
	[33] = "CAP_MAC_ADMIN",
	[34] = "CAP_SYSLOG",
	[35] = "CAP_WAKE_ALARM",
	[36] = "CAP_BLOCK_SUSPEND",
	[37] = "CAP_AUDIT_READ",
	[38] = "CAP_PERFMON",
	[39] = "CAP_BPF",
	[40] = "CAP_CHECKPOINT_RESTORE",
};
DEFINE_NAMES(cap, cap_names)

enum { CAP_NAME_MAX = 64 };

uint64_t caps_default(void)
{
	static const int list[] = { 0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31 };
	uint64_t set = 0;

	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		set |= CAP_BIT(list[i]);
	return set;
}

int caps_parse(const char *name, int *ret, struct err *e)
{
	AUTO_STR(up, CAP_NAME_MAX);

	if (strncasecmp(name, "cap_", 4) != 0)
		str_add(&up, "CAP_");
	for (const char *p = name; *p; p++)
		str_addc(&up, (char)toupper((unsigned char)*p));

	int n = cap_parse(up.s);

	if (streq(up.s, "CAP_ALL") && strncasecmp(name, "cap_", 4) != 0) {
		*ret = -1;
		return 0;
	}
	if (n < 0) {
		const char *near = str_nearest(up.s, cap_names, ARRAY_LEN(cap_names), sizeof(cap_names[0]));

		err_set(e, EINVAL, "unknown capability '%s'", name);
		if (near)
			err_hint(e, "did you mean '%s'?", near + strlen("CAP_"));
		return -EINVAL;
	}
	*ret = n;
	return 0;
}

/* Names -> mask; ALL is told apart because it means different things in the two lists. */
static int parse_list(const struct strv *l, const char *field, uint64_t *ret, bool *ret_all, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		int n;

		if (caps_parse(l->v[i], &n, e) < 0)
			return err_wrap(e, "%s", field);
		if (n < 0)
			*ret_all = true;
		else
			*ret |= CAP_BIT(n);
	}
	return 0;
}

int caps_resolve(const struct strv *add, const struct strv *drop, bool privileged, uint64_t available, uint64_t *ret,
		 struct err *e)
{
	uint64_t plus = 0, minus = 0, set;
	bool plus_all = false, minus_all = false;

	TRY(parse_list(add, "cap_add", &plus, &plus_all, e));
	TRY(parse_list(drop, "cap_drop", &minus, &minus_all, e));
	if (privileged) {
		*ret = available;
		return 0;
	}
	for (int i = 0; i < (int)ARRAY_LEN(cap_names); i++) {
		if (!(plus & ~available & CAP_BIT(i)))
			continue;
		err_set(e, EPERM, "cap_add: %s is not available here: gantry itself runs without it", cap_names[i]);
		err_hint(e, "remove it from cap_add, or give it to the process that runs gantry");
		return -EPERM;
	}
	/* docker's order: ALL added is everything minus what is dropped by name; ALL dropped leaves what is added by name */
	if (plus_all)
		set = available & ~minus;
	else if (minus_all)
		set = plus;
	else
		set = (caps_default() & available & ~minus) | plus;
	*ret = set;
	return 0;
}

int caps_available(uint64_t *ret, int *ret_last, struct err *e)
{
	uint64_t set = 0;
	int last = -1;

	for (int i = 0; i < 64; i++) {
		int r = prctl(PR_CAPBSET_READ, i, 0, 0, 0);

		if (r < 0)
			break; /* EINVAL: above what this kernel knows */
		last = i;
		if (r)
			set |= CAP_BIT(i);
	}
	if (last < 0)
		return err_sys(e, "read our capabilities");
	*ret = set;
	*ret_last = last;
	return 0;
}
