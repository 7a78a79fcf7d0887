/* SPDX-License-Identifier: MIT
 *
 * compose/values.c - values that load, as they do in docker compose, and that no container can be started with
 *
 * docker compose leaves them to the engine, which answers in the middle of `up`. Here each is a NOTE_REFUSED with its position, so
 * that `up` refuses before anything starts, and `config` still prints the file (compose.md §32, "Not checked by the loader").
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/str.h"
#include "compose/field.h"
#include "compose/project.h"
#include "compose/validate.h"
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct place {
	struct project *p;
	const struct service *s;
	const struct node *n; /* where; NULL: the service */
	const char *key;      /* below the service */
};

static void refuse(const struct place *at, const char *fmt, ...)
{
	auto_free char *text = NULL;
	struct arena *a = at->p->arena;
	va_list ap;

	va_start(ap, fmt);
	(void)vasprintf(&text, fmt, ap);
	va_end(ap);
	project_note(at->p, NOTE_REFUSED, at->n ? at->n->pos : at->s->node->pos, at->s->name,
		     arena_printf(a, "services.%s.%s", at->s->name, at->key),
		     arena_printf(a, "services.%s.%s: %s", at->s->name, at->key, str0(text)));
}

static struct place place(struct project *p, const struct service *s, const char *key)
{
	return (struct place){ p, s, node_get(s->node, key), key };
}

static bool is_address(int family, const char *s)
{
	unsigned char buf[sizeof(struct in6_addr)];

	return inet_pton(family, s, buf) == 1;
}

static bool is_any_address(const char *s)
{
	return is_address(AF_INET, s) || is_address(AF_INET6, s);
}

static void check_ports(struct project *p, const struct service *s)
{
	for (size_t i = 0; i < s->ports.n; i++) {
		const struct port *port = &s->ports.v[i];
		struct place at = { p, s, port->node, "ports" };

		if (!port->bad)
			continue;
		if (port->target < 1 || port->target > 65535)
			refuse(&at, "%" PRId64 " is not a port of a container", port->target);
		else
			refuse(&at, "'%s' is not a port to publish", str0(port->published));
	}
}

static void check_restart(struct project *p, const struct service *s)
{
	static const char *const words[] = { "no", "always", "unless-stopped", "on-failure", NULL };
	struct place at = place(p, s, "restart");
	const char *count = s->restart ? str_after(s->restart, "on-failure:") : NULL;
	AUTO_ERR(scratch);
	uint64_t n;

	if (!str0(s->restart)[0] || str_in(s->restart, words) || (count && num_uint(count, INT32_MAX, &n, &scratch) >= 0))
		return;
	refuse(&at, "invalid restart policy '%s', want no, always, unless-stopped or on-failure[:N]", s->restart);
}

static void check_signal(struct project *p, const struct service *s)
{
	struct place at = place(p, s, "stop_signal");
	AUTO_ERR(scratch);
	int sig;

	if (str0(s->stop_signal)[0] && proc_signal_parse(s->stop_signal, &sig, &scratch) < 0)
		refuse(&at, "'%s' is not a signal", s->stop_signal);
}

static void check_dns(struct project *p, const struct service *s)
{
	struct place at = place(p, s, "dns");

	for (size_t i = 0; i < s->dns.n; i++)
		if (!is_any_address(s->dns.v[i]))
			refuse(&at, "invalid DNS address: '%s'", s->dns.v[i]);
}

static void check_hosts(struct project *p, const struct service *s)
{
	struct place at = place(p, s, "extra_hosts");

	for (size_t i = 0; i < s->extra_hosts.n; i++) {
		const char *ip = strchr(s->extra_hosts.v[i], '=') + 1;

		if (!streq(ip, "host-gateway") && !is_any_address(ip))
			refuse(&at, "'%s' is not an address, for host '%.*s'", ip, (int)(ip - s->extra_hosts.v[i] - 1), s->extra_hosts.v[i]);
	}
}

static void check_addresses(struct project *p, const struct service *s)
{
	for (size_t i = 0; i < s->networks.n; i++) {
		const struct service_network *n = &s->networks.v[i];
		struct place at = { p, s, n->node, "networks" };

		if (str0(n->ipv4_address)[0] && !is_address(AF_INET, n->ipv4_address))
			refuse(&at, "invalid IPv4 address: '%s'", n->ipv4_address);
		if (str0(n->ipv6_address)[0] && !is_address(AF_INET6, n->ipv6_address))
			refuse(&at, "invalid IPv6 address: '%s'", n->ipv6_address);
	}
}

static void check_mounts(struct project *p, const struct service *s)
{
	for (size_t i = 0; i < s->volumes.n; i++) {
		const struct mount *m = &s->volumes.v[i];
		struct place at = { p, s, m->node, "volumes" };

		if (m->type == MOUNT_CLUSTER || m->type == MOUNT_NPIPE)
			refuse(&at, "a volume of type '%s' does not exist on one Linux host", m->type_text);
		else if (m->type == MOUNT_BIND && m->source[0] != '/')
			refuse(&at, "'%s' is not a path of this host", m->source);
		else if (m->target[0] != '/')
			refuse(&at, "mount path must be absolute: '%s'", m->target);
	}
	for (size_t i = 0; i < s->devices.n; i++) {
		struct place at = { p, s, s->devices.v[i].node, "devices" };

		if (!str0(s->devices.v[i].source)[0])
			refuse(&at, "a device has no path");
	}
}

static void check_ulimits(struct project *p, const struct service *s)
{
	for (size_t i = 0; i < s->ulimits.n; i++) {
		const struct ulimit *u = &s->ulimits.v[i];
		struct place at = { p, s, u->node, "ulimits" };

		if (u->hard != -1 && (u->soft > u->hard || u->soft == -1))
			refuse(&at, "%s: the soft limit %" PRId64 " is above the hard limit %" PRId64, u->name, u->soft, u->hard);
	}
}

const char *const service_runtimes[] = { "runc", "crun", "io.containerd.runc.v2", "io.containerd.runtime.v1.linux", NULL };
const char *const service_isolations[] = { "default", NULL };

/* Words that mean something to other engines only. Who names another runtime or isolation counts on what that does: starting without it
 * would be worse than not at all. */
static void check_words(struct project *p, const struct service *s)
{
	static const char *const users[] = { "host", NULL };
	const struct {
		const char *key, *value;
		const char *const *words;
		const char *why;
	} rows[] = {
		{ "runtime", s->runtime, service_runtimes, "is not there: containers are run by gantry itself, as runc does" },
		{ "isolation", s->isolation, service_isolations, "does not exist on Linux, only 'default'" },
		{ "userns_mode", s->userns_mode, users, "is not supported, only 'host'" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct place at = place(p, s, rows[i].key);

		if (str0(rows[i].value)[0] && !str_in(rows[i].value, rows[i].words))
			refuse(&at, "'%s' %s", rows[i].value, rows[i].why);
	}
}

typedef void value_fn(struct project *p, const struct service *s);
static value_fn *const checks[] = {
	check_ports, check_restart, check_signal, check_dns, check_hosts, check_addresses, check_mounts, check_ulimits, check_words,
};

static void check_name(struct project *p, const char *section, const char *key, const struct node *n)
{
	if (!field_is_name(key))
		project_note(p, NOTE_REFUSED, n ? n->pos : (struct pos){ 0 }, NULL, section,
			     arena_printf(p->arena, "%s: '%s' is not a name: names are made of letters, digits, '.', '_' and '-'", section,
					  key));
}

#define CHECK_NAMES(list)                                                                          \
	for (size_t i = 0; i < p->list.n; i++)                                                     \
		if (p->list.v[i].used)                                                             \
			check_name(p, #list, p->list.v[i].key, p->list.v[i].node)

void validate_values(struct project *p)
{
	CHECK_NAMES(networks);
	CHECK_NAMES(volumes);
	CHECK_NAMES(secrets);
	CHECK_NAMES(configs);
	for (size_t i = 0; i < p->services.n; i++)
		for (size_t j = 0; !p->services.v[i].disabled && j < ARRAY_LEN(checks); j++)
			checks[j](p, &p->services.v[i]);
}
