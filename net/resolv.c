/* SPDX-License-Identifier: MIT */
#include "net/resolv.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "base/str.h"
#include <errno.h>
#include <string.h>

enum { SERVERS_MAX = 8, WORDS_MAX = 32, FILE_MAX = 65536, WORD_MAX = 255 };

void resolv_done(struct resolv *r)
{
	strv_done(&r->servers);
	strv_done(&r->search);
	strv_done(&r->options);
}

/* The next word of *P, cut at blanks, up to END. */
static bool next_word(const char **p, const char *end, const char **ret, size_t *ret_n)
{
	while (*p < end && (**p == ' ' || **p == '\t' || **p == '\r'))
		(*p)++;
	*ret = *p;
	while (*p < end && **p != ' ' && **p != '\t' && **p != '\r')
		(*p)++;
	*ret_n = (size_t)(*p - *ret);
	return *ret_n > 0;
}

static void add_word(struct strv *l, const char *w, size_t n, size_t max)
{
	if (l->n < max && n <= WORD_MAX)
		strv_add_take(l, xstrndup(w, n));
}

static void add_server(struct resolv *r, const char *w, size_t n)
{
	auto_free char *text = xstrndup(w, MIN(n, (size_t)WORD_MAX)), *zone;
	struct addr a;
	AUTO_ERR(t);

	zone = xstrdup(text);
	if (strchr(zone, '%'))
		*strchr(zone, '%') = '\0';
	/* fe80::1%eth0 means something in the host's namespace only, and nothing to us. */
	if (streq(zone, text) && addr_parse(text, &a, &t) >= 0)
		add_word(&r->servers, w, n, SERVERS_MAX);
}

static void parse_line(const char *p, const char *end, struct resolv *r)
{
	const char *w;
	size_t n;

	if (!next_word(&p, end, &w, &n) || *w == '#' || *w == ';')
		return;
	if (n == 10 && memcmp(w, "nameserver", n) == 0) {
		if (next_word(&p, end, &w, &n))
			add_server(r, w, n);
	} else if ((n == 6 && (memcmp(w, "search", n) == 0 || memcmp(w, "domain", n) == 0))) {
		strv_clear(&r->search); /* the last one counts */
		while (next_word(&p, end, &w, &n))
			add_word(&r->search, w, n, WORDS_MAX);
	} else if (n == 7 && memcmp(w, "options", n) == 0) {
		while (next_word(&p, end, &w, &n))
			add_word(&r->options, w, n, WORDS_MAX);
	}
}

void resolv_parse(const char *text, struct resolv *r)
{
	while (*text) {
		const char *end = strchrnul(text, '\n');

		parse_line(text, end, r);
		text = *end ? end + 1 : end;
	}
}

void resolv_read_host(struct resolv *r)
{
	auto_free char *text = NULL;
	AUTO_ERR(t);

	if (file_read("/etc/resolv.conf", FILE_MAX, &text, NULL, &t) >= 0)
		resolv_parse(text, r);
}

static void replace(struct strv *to, const struct strv *from)
{
	if (!from || !from->n)
		return;
	strv_clear(to);
	strv_copy(to, from);
}

void resolv_override(struct resolv *r, const struct strv *dns, const struct strv *search, const struct strv *options)
{
	replace(&r->servers, dns);
	replace(&r->search, search);
	replace(&r->options, options);
	if (search && search->n == 1 && streq(search->v[0], "."))
		strv_clear(&r->search);
}

bool resolv_has_ndots(const struct resolv *r)
{
	for (size_t i = 0; i < r->options.n; i++) {
		const char *n = str_after(r->options.v[i], "ndots:");
		uint64_t v;
		AUTO_ERR(t);

		if (n && num_uint(n, 1000, &v, &t) >= 0)
			return true;
	}
	return false;
}

void resolv_text(const struct resolv *r, bool ours, struct str *out)
{
	if (ours) {
		auto_free char *all = strv_join(&r->servers, ", ");

		str_addf(out, "# Made by gantry at each start. 127.0.0.11 answers the names of services itself and asks for all others: %s\n",
			 r->servers.n ? all : "nobody");
		str_add(out, "nameserver 127.0.0.11\n");
	}
	for (size_t i = 0; !ours && i < r->servers.n; i++)
		str_addf(out, "nameserver %s\n", r->servers.v[i]);
	if (r->search.n) {
		auto_free char *all = strv_join(&r->search, " ");

		str_addf(out, "search %s\n", all);
	}
	if (r->options.n || ours) {
		auto_free char *all = strv_join(&r->options, " ");

		str_addf(out, "options%s%s%s\n", r->options.n ? " " : "", all, ours && !resolv_has_ndots(r) ? " ndots:0" : "");
	}
}

static void add_host(struct str *out, const struct addr *a, const char *name)
{
	char text[ADDR_TEXT];

	if (a->family)
		str_addf(out, "%s\t%s\n", addr_text(a, text), name);
}

/* "name=ip" wins over "name:ip", since an IPv6 address has colons. */
static int add_extra(const struct hosts_want *w, const char *entry, struct str *out, struct err *e)
{
	const char *sep = strchr(entry, '='), *ip;
	auto_free char *name = NULL;
	struct addr a;

	if (!sep)
		sep = strchr(entry, ':');
	if (!sep || sep == entry || !sep[1] || strpbrk(entry, " \t\r\n#"))
		return err_set(e, EINVAL, "extra_hosts: '%.80s': must be NAME:ADDRESS", entry);
	name = xstrndup(entry, (size_t)(sep - entry));
	ip = sep + 1;
	if (streq(ip, "host-gateway")) {
		if (!w->gateway4.family && !w->gateway6.family) {
			err_set(e, EINVAL, "extra_hosts: '%s': there is no gateway to the host on this container's networks", entry);
			err_hint(e, "host-gateway needs a bridge network");
			return -EINVAL;
		}
		add_host(out, &w->gateway4, name);
		add_host(out, &w->gateway6, name);
		return 0;
	}
	if (addr_parse(ip, &a, e) < 0)
		return err_wrap(e, "extra_hosts: '%.80s'", entry);
	add_host(out, &a, name);
	return 0;
}

int hosts_text(const struct hosts_want *w, struct str *out, struct err *e)
{
	auto_free char *own = NULL;
	const char *dot = strchr(w->hostname, '.');

	str_add(out, "127.0.0.1\tlocalhost\n");
	if (w->ipv6)
		str_add(out, "::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n"
			     "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
	for (size_t i = 0; w->extra && i < w->extra->n; i++)
		TRY(add_extra(w, w->extra->v[i], out, e));
	if (w->domainname && *w->domainname)
		own = xasprintf("%s.%s %s", w->hostname, w->domainname, w->hostname);
	else if (dot)
		own = xasprintf("%s %.*s", w->hostname, (int)(dot - w->hostname), w->hostname);
	for (size_t i = 0; i < w->nown; i++)
		add_host(out, &w->own[i], own ? own : w->hostname);
	return 0;
}
