/* SPDX-License-Identifier: MIT */
#include "net/port.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	int proto;
} protos[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP } };

int port_proto(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++)
		if (strcasecmp(protos[i].name, s) == 0)
			return protos[i].proto;
	return -1;
}

const char *port_proto_name(int proto)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++)
		if (protos[i].proto == proto)
			return protos[i].name;
	return "?";
}

/* "80" or "80-90". */
static int read_range(const char *s, const char *what, uint16_t *ret_first, uint16_t *ret_last, struct err *e)
{
	auto_free char *first = xstrdup(s);
	char *dash = strchr(first, '-');
	uint64_t a, b;
	AUTO_ERR(t);

	if (dash)
		*dash++ = '\0';
	if (num_uint(first, 65535, &a, &t) < 0 || (dash && num_uint(dash, 65535, &b, &t) < 0) || (dash && b < a))
		return err_set(e, EINVAL, "invalid %s: %s", what, s);
	*ret_first = (uint16_t)a;
	*ret_last = dash ? (uint16_t)b : (uint16_t)a;
	return 0;
}

static int check(const struct port *p, const char *host, const char *ctr, struct err *e)
{
	unsigned hosts = p->host_last - p->host_first, ctrs = p->ctr_last - p->ctr_first;

	if (!p->ctr_first)
		return err_set(e, EINVAL, "invalid containerPort: %s", ctr);
	if (p->host_first && hosts != ctrs && ctrs != 0)
		return err_set(e, EINVAL, "invalid ranges specified for container and host Ports: %s and %s", ctr, host);
	return 0;
}

int port_parse(const char *s, struct port *ret, struct err *e)
{
	struct port p = { .proto = IPPROTO_TCP };
	auto_free char *text = xstrdup(s);
	char *slash = strrchr(text, '/'), *ctr, *host = NULL, *colon;

	if (strlen(s) > 200)
		return err_set(e, EINVAL, "'%.40s...': not a port", s);
	if (slash) {
		*slash++ = '\0';
		p.proto = port_proto(slash);
		if (p.proto < 0)
			return err_set(e, EINVAL, "invalid proto: %s", slash);
	}
	colon = strrchr(text, ':');
	ctr = colon ? colon + 1 : text;
	if (colon) {
		*colon = '\0';
		colon = strrchr(text, ':');
		host = colon ? colon + 1 : text;
		if (colon)
			*colon = '\0';
		if (colon && *text)
			TRY(addr_parse(text, &p.host, e));
	}
	if (!*ctr)
		return err_set(e, EINVAL, "no port specified: %s<empty>", s);
	TRY(read_range(ctr, "containerPort", &p.ctr_first, &p.ctr_last, e));
	if (host && *host)
		TRY(read_range(host, "hostPort", &p.host_first, &p.host_last, e));
	TRY(check(&p, str0(host), ctr, e));
	*ret = p;
	return 0;
}
