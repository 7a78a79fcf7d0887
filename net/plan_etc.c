/* SPDX-License-Identifier: MIT
 *
 * hosts, hostname and resolv.conf of a container. They are bind-mounted, so a file that is there is written in place, never replaced.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "net/plan.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { ETC_MAX = 1 << 20, FILE_MAX = 65536 };

static int put(const char *dir, const char *name, const struct str *text, struct err *e)
{
	auto_free char *path = path_join(dir, name);
	auto_close int fd = -1;

	TRY(str_check(text, path, e));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, "write '%s'", path);
	if (fchmod(fd, 0644) < 0) /* whatever the umask is: the container's users read it */
		return err_sys(e, "write '%s'", path);
	if (fd_write_all(fd, text->s, text->len, e) < 0)
		return err_wrap(e, "write '%s'", path);
	return 0;
}

/* Mode host without extra_hosts: the host's own file, as docker does. */
static bool host_file(const char *path, struct str *out)
{
	auto_free char *text = NULL;
	AUTO_ERR(t);

	if (file_read(path, FILE_MAX, &text, NULL, &t) < 0)
		return false;
	str_add(out, text);
	return true;
}

static int hosts(const struct net_plan *p, struct str *out, struct err *e)
{
	auto_free struct addr *own = xcalloc(2 * p->nlegs + 1, sizeof(*own));
	struct hosts_want w = { .hostname = p->hostname, .domainname = p->domainname, .own = own, .extra = &p->extra_hosts, .ipv6 = true };
	const struct leg *primary = NULL;

	if (!p->netns && !p->extra_hosts.n && host_file("/etc/hosts", out))
		return 0;
	for (size_t i = 0; i < p->nlegs; i++) {
		const struct leg *l = &p->legs[i];

		if (l->v4.family)
			own[w.nown++] = l->v4;
		if (l->v6.family)
			own[w.nown++] = l->v6;
		if (l->driver->gateway && (!primary || (primary->internal && !l->internal) || (l->default4 && !primary->default4)))
			primary = l;
	}
	if (primary) {
		w.gateway4 = primary->gw4;
		w.gateway6 = primary->gw6;
	} else if (!p->netns) {
		w.gateway4 = addr_v4(0x7f000001);
	}
	return hosts_text(&w, out, e);
}

int net_plan_write_etc(const struct net_plan *p, const char *dir, struct err *e)
{
	AUTO_STR(h, ETC_MAX);
	AUTO_STR(name, 512);
	AUTO_STR(resolv, ETC_MAX);

	FP("net.etc", e);
	TRY(hosts(p, &h, e));
	TRY(put(dir, "hosts", &h, e));
	str_addf(&name, "%s\n", p->hostname);
	TRY(put(dir, "hostname", &name, e));
	resolv_text(&p->resolv, p->nlegs > 0, &resolv);
	return put(dir, "resolv.conf", &resolv, e);
}
