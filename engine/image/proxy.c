/* SPDX-License-Identifier: MIT */
#include "engine/image/proxy.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/alloc.h"
#include "base/auto.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "base/strv.h"

struct address {
	int family;             /* AF_UNSPEC: it is a name */
	unsigned char bytes[16];
};

static struct address address_of(const char *text)
{
	struct address a = { AF_UNSPEC, { 0 } };

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = AF_INET6;
	return a;
}

static bool is_loopback(const char *host, const struct address *a)
{
	static const unsigned char one[16] = { [15] = 1 };

	if (a->family == AF_INET)
		return a->bytes[0] == 127;
	return a->family == AF_INET6 ? memcmp(a->bytes, one, sizeof(one)) == 0 : streq(host, "localhost");
}

static bool in_network(const struct address *a, const char *network, const char *bits)
{
	struct address net = address_of(network);
	int64_t n;
	AUTO_ERR(ignored);

	if (net.family == AF_UNSPEC || net.family != a->family || num_int(bits, 0, net.family == AF_INET ? 32 : 128, &n, &ignored) < 0)
		return false;
	for (int i = 0; i < n; i++)
		if (((a->bytes[i / 8] ^ net.bytes[i / 8]) >> (7 - i % 8)) & 1)
			return false;
	return true;
}

/* "example.com" has SUFFIX ".com", and so has ".com" itself not. */
static bool is_below(const char *host, const char *dotted)
{
	return strlen(host) > strlen(dotted) && str_ends(host, dotted);
}

static bool matches(char *pattern, const char *host, const struct address *a, const char *port)
{
	char *slash = strchr(pattern, '/'), *colon = strrchr(pattern, ':'), *end;

	if (streq(pattern, "*"))
		return true;
	if (slash) {
		*slash = '\0';
		return in_network(a, pattern, slash + 1);
	}
	/* A port: after a name, an IPv4 address, or the bracket of an IPv6 one. */
	if (colon && (colon[-(colon > pattern)] == ']' || strchr(pattern, ':') == colon)) {
		if (!streq(colon + 1, port))
			return false;
		*colon = '\0';
	}
	end = strrchr(pattern, ']');
	if (*pattern == '[' && end) {
		*end = '\0';
		pattern++;
	}
	if (a->family != AF_UNSPEC) {
		struct address b = address_of(pattern);

		return b.family == a->family && memcmp(a->bytes, b.bytes, sizeof(b.bytes)) == 0;
	}
	if (str_starts(pattern, "*."))
		pattern++;
	if (*pattern == '.')
		return is_below(host, pattern);
	auto_free char *dotted = xasprintf(".%s", pattern);

	return *pattern && (streq(host, pattern) || is_below(host, dotted));
}

bool proxy_is_passed_by(const char *no_proxy, const char *host, const char *port)
{
	struct address a = address_of(host);
	AUTO_STRV(list);

	if (is_loopback(host, &a))
		return true;
	strv_split(&list, no_proxy, ", \t");
	for (size_t i = 0; i < list.n; i++) {
		for (char *p = list.v[i]; *p; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p + 32);
		if (*list.v[i] && matches(list.v[i], host, &a, port))
			return true;
	}
	return false;
}

static const char *first(char *(*get)(const char *name), const char *const *names)
{
	for (; *names; names++)
		if (get(*names) && *get(*names))
			return get(*names);
	return NULL;
}

const char *proxy_for(bool https, const char *host, const char *port, char *(*get)(const char *name))
{
	static const char *const names[2][5] = { { "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy" }, { "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy" } };
	static const char *const no[] = { "NO_PROXY", "no_proxy", NULL };
	const char *proxy = first(get, names[https]);

	return proxy && !proxy_is_passed_by(str0(first(get, no)), host, port) ? proxy : NULL;
}
