/* SPDX-License-Identifier: MIT */
#include "net/netopt.h"
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "base/strv.h"
#include <errno.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

static int put_bool(const char *v, void *to, struct err *e)
{
	return num_bool(v, to, e);
}

static int put_name(const char *v, void *to, struct err *e)
{
	size_t n = strlen(v);

	if (!n || n >= IFNAMSIZ || strpbrk(v, "/ \t\n:") || streq(v, ".") || streq(v, ".."))
		return err_set(e, EINVAL, "'%.40s': not a name of a network interface (1 to 15 characters, no '/', ':' or blank)", v);
	memcpy(to, v, n + 1);
	return 0;
}

static int put_mtu(const char *v, void *to, struct err *e)
{
	uint64_t n;

	TRY(num_uint(v, 65535, &n, e));
	if (n && n < 68)
		return err_set(e, ERANGE, "'%s': an MTU is at least 68", v);
	*(uint32_t *)to = (uint32_t)n;
	return 0;
}

static int put_addr(const char *v, void *to, struct err *e)
{
	return addr_parse(v, to, e);
}

static int put_gateway_mode(const char *v, void *to, struct err *e)
{
	int m = nat_mode_parse(v);

	if (m < 0)
		return err_set(e, EINVAL, "'%s': must be nat, nat-unprotected, routed or isolated", v);
	*(enum nat_mode *)to = (enum nat_mode)m;
	return 0;
}

struct word {
	const char *word;
	int value;
};

static int put_word(const struct word *w, size_t n, const char *v, void *to, struct err *e)
{
	AUTO_STR(all, 200);

	for (size_t i = 0; i < n; i++) {
		if (streq(w[i].word, v)) {
			*(int *)to = w[i].value;
			return 0;
		}
		str_addf(&all, "%s%s", i ? ", " : "", w[i].word);
	}
	return err_set(e, EINVAL, "'%.40s': must be one of %s", v, all.s);
}

static int put_macvlan(const char *v, void *to, struct err *e)
{
	static const struct word w[] = { { "bridge", MACVLAN_MODE_BRIDGE }, { "vepa", MACVLAN_MODE_VEPA },
					 { "passthru", MACVLAN_MODE_PASSTHRU }, { "private", MACVLAN_MODE_PRIVATE } };

	return put_word(w, ARRAY_LEN(w), v, to, e);
}

static int put_ipvlan(const char *v, void *to, struct err *e)
{
	static const struct word w[] = { { "l2", IPVLAN_MODE_L2 }, { "l3", IPVLAN_MODE_L3 }, { "l3s", IPVLAN_MODE_L3S } };

	return put_word(w, ARRAY_LEN(w), v, to, e);
}

static int put_ipvlan_flag(const char *v, void *to, struct err *e)
{
	static const struct word w[] = { { "bridge", 0 }, { "private", IPVLAN_F_PRIVATE }, { "vepa", IPVLAN_F_VEPA } };

	return put_word(w, ARRAY_LEN(w), v, to, e);
}

static int put_nothing(const char *v, void *to, struct err *e)
{
	return 0;
}

static int put_later(const char *v, void *to, struct err *e)
{
	return err_set(e, ENOTSUP, "gantry cannot do this yet");
}

#define O(member) offsetof(struct net_options, member)
#define DOCKER "com.docker.network."
/* clang-format off */
static const struct row {
	const char *drivers; /* words, NULL: all */
	const char *name;
	int (*put)(const char *v, void *to, struct err *e);
	size_t at;
} rows[] = {
	{ "bridge", DOCKER "bridge.name",                    put_name,         O(bridge) },
	{ "bridge", DOCKER "bridge.enable_ip_masquerade",    put_bool,         O(masquerade) },
	{ "bridge", DOCKER "bridge.enable_icc",              put_bool,         O(icc) },
	{ "bridge", DOCKER "bridge.host_binding_ipv4",       put_addr,         O(host_binding) },
	{ "bridge", DOCKER "bridge.gateway_mode_ipv4",       put_gateway_mode, O(mode4) },
	{ "bridge", DOCKER "bridge.gateway_mode_ipv6",       put_gateway_mode, O(mode6) },
	{ "bridge", DOCKER "bridge.inhibit_ipv4",            put_bool,         O(inhibit4) },
	{ "bridge", DOCKER "bridge.trusted_host_interfaces", put_later,        0 },
	{ "bridge", DOCKER "bridge.default_bridge",          put_nothing,      0 },
	{ "bridge", DOCKER "host_ipv4",                      put_later,        0 },
	{ "bridge", DOCKER "host_ipv6",                      put_later,        0 },
	{ NULL,     DOCKER "driver.mtu",                     put_mtu,          O(mtu) },
	{ NULL,     DOCKER "container_iface_prefix",         put_name,         O(prefix) },
	{ NULL,     DOCKER "enable_ipv4",                    put_nothing,      0 }, /* the compose keys decide, network.c */
	{ NULL,     DOCKER "enable_ipv6",                    put_nothing,      0 },
	{ "macvlan ipvlan", "parent",                        put_name,         O(parent) },
	{ "macvlan", "macvlan_mode",                         put_macvlan,      O(macvlan_mode) },
	{ "ipvlan",  "ipvlan_mode",                          put_ipvlan,       O(ipvlan_mode) },
	{ "ipvlan",  "ipvlan_flag",                          put_ipvlan_flag,  O(ipvlan_flag) },
};
/* clang-format on */

static bool is_for(const struct row *r, const char *driver)
{
	return !r->drivers || strstr(r->drivers, driver);
}

static int read_one(const char *driver, const char *key, const char *value, struct net_options *o, struct strv *unknown, struct err *e)
{
	const char *near;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!streq(rows[i].name, key) || !is_for(&rows[i], driver))
			continue;
		if (rows[i].put(value, (char *)o + rows[i].at, e) < 0)
			return err_wrap(e, "driver option '%s'", key);
		return 0;
	}
	if (!unknown)
		return 0;
	near = str_nearest(key, &rows[0].name, ARRAY_LEN(rows), sizeof(rows[0]));
	if (near)
		strv_addf(unknown, "driver '%s' does not know the option '%s' (did you mean '%s'?)", driver, key, near);
	else
		strv_addf(unknown, "driver '%s' does not know the option '%s'", driver, key);
	return 0;
}

int net_options_read(const char *driver, const char *options, struct net_options *ret, struct strv *unknown, struct err *e)
{
	struct net_options o = { .prefix = "eth", .masquerade = true, .icc = true, .macvlan_mode = MACVLAN_MODE_BRIDGE };
	AUTO(json_free) struct cJSON *j = NULL;

	if (options && *options)
		TRY(json_parse(options, strlen(options), "driver_opts", &j, e));
	for (const struct cJSON *c = json_first(j); c; c = json_next(c)) {
		const char *value = json_value_str(c);
		char number[24];
		int64_t n;

		if (!value && json_value_int(c, &n)) {
			snprintf(number, sizeof(number), "%" PRId64, n);
			value = number;
		}
		if (!value)
			return err_set(e, EINVAL, "driver option '%s': must be a text or a number", json_key(c));
		TRY(read_one(driver, json_key(c), value, &o, unknown, e));
	}
	*ret = o;
	return 0;
}
