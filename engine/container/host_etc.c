/* SPDX-License-Identifier: MIT */
#include "engine/container/host_etc.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/container/spec.h"
#include <errno.h>
#include <string.h>

enum { ETC_MAX = 1 << 20 };

/* A host without the file: an empty one, as docker does. */
static int read_host(const char *path, struct str *ret, struct err *e)
{
	auto_free char *text = NULL;
	AUTO_ERR(missing);
	size_t len;
	int r = file_read(path, ETC_MAX, &text, &len, &missing);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_move(e, &missing);
	str_addn(ret, text, len);
	return 0;
}

/* "name:ip" or "name=ip"; host-gateway is the host itself, whose network this is */
static void add_hosts(const struct strv *extra, struct str *ret)
{
	if (extra->n && ret->len && ret->s[ret->len - 1] != '\n')
		str_addc(ret, '\n');
	for (size_t i = 0; i < extra->n; i++) {
		const char *line = extra->v[i], *sep = strpbrk(line, "=:");
		const char *ip = sep ? sep + 1 : "";
		size_t n = strlen(ip);
		bool brackets = n > 1 && *ip == '[' && ip[n - 1] == ']';

		if (!sep)
			continue;
		if (streq(ip, "host-gateway"))
			str_addf(ret, "127.0.0.1\t%.*s\n", (int)(sep - line), line);
		else
			str_addf(ret, "%.*s\t%.*s\n", (int)(brackets ? n - 2 : n), ip + brackets, (int)(sep - line), line);
	}
}

static int put(const char *dir, const char *name, const struct str *text, struct err *e)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);

	TRY(str_check(text, name, e));
	return file_replace(path, text->s, text->len, 0644, false, e);
}

int host_etc_write(const struct dirs *d, const struct ctr_spec *s, char **ret_dir, struct err *e)
{
	auto_free char *dir = dirs_root(d, "containers/%s", s->id);
	AUTO_STR(hosts, 2 * ETC_MAX);
	AUTO_STR(resolv, ETC_MAX);
	AUTO_STR(name, 4 * CTR_HOSTNAME);
	char host[CTR_HOSTNAME];

	TRY(read_host("/etc/hosts", &hosts, e));
	TRY(read_host("/etc/resolv.conf", &resolv, e));
	add_hosts(&s->extra_hosts, &hosts);
	str_addf(&name, "%s\n", ctr_spec_hostname(s, host));
	TRY(put(dir, "hosts", &hosts, e));
	TRY(put(dir, "resolv.conf", &resolv, e));
	TRY(put(dir, "hostname", &name, e));
	*ret_dir = TAKE(dir);
	return 0;
}
