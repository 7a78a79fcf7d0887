/* SPDX-License-Identifier: MIT */
#include "net/sysctl.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include <errno.h>

static int put(const char *path, const char *value, struct err *e)
{
	AUTO_ERR(t);

	if (file_write(path, value, &t) >= 0)
		return 0;
	if (t.code == ENOENT)
		return 1;
	return err_move(e, &t);
}

int sysctl_net(const char *path, const char *value, struct err *e)
{
	auto_free char *p = xasprintf("/proc/sys/net/%s", path);

	return put(p, value, e);
}

int sysctl_link(unsigned family, const char *link, const char *key, const char *value, struct err *e)
{
	auto_free char *p = xasprintf("/proc/sys/net/ipv%u/conf/%s/%s", family, link, key);

	return put(p, value, e);
}

int sysctl_forwarding(unsigned family, struct err *e)
{
	const char *path = family == 4 ? "ipv4/ip_forward" : "ipv6/conf/all/forwarding";
	auto_free char *p = xasprintf("/proc/sys/net/%s", path), *now = NULL;
	AUTO_ERR(t);
	int r;

	if (file_read(p, 64, &now, NULL, &t) >= 0 && now[0] != '0')
		return 1;
	r = put(p, "1", e);
	if (r < 0) {
		err_wrap(e, "IPv%u forwarding is off and cannot be turned on", family);
		err_hint(e, "set sysctl net.%s=1", family == 4 ? "ipv4.ip_forward" : "ipv6.conf.all.forwarding");
	} else if (r == 0) {
		log_debug("turned on net.%s", path);
	}
	return r;
}
