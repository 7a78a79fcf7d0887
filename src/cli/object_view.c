/* SPDX-License-Identifier: MIT */
#include "cli/object_view.h"

#include "base/alloc.h"
#include "base/digest.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/format.h"
#include "engine/image/ref.h"
#include "engine/volume/volume.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/network_store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ID_PREFIX_MIN = 3 };

int object_options(const struct strv *list, const char *what, bool need_value, char **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *o = json_object();

	for (size_t i = 0; i < list->n; i++) {
		const char *text = list->v[i], *eq = strchr(text, '=');
		auto_free char *key = eq ? xstrndup(text, (size_t)(eq - text)) : xstrdup(text);

		if (!*key || (need_value && !eq))
			return err_set(e, EINVAL, "%s '%s': expected KEY=VALUE", what, text);
		json_remove(o, key);
		json_add_str(o, key, eq ? eq + 1 : "");
	}
	*ret = json_text(o, false);
	return 0;
}

static struct cJSON *parsed(const char *text)
{
	struct cJSON *o = NULL;
	AUTO_ERR(ignored); /* our own row: what cannot be read shows as nothing */

	if (!text || json_parse(text, strlen(text), "row", &o, &ignored) < 0 || !json_is_object(o)) {
		json_free(o);
		return json_object();
	}
	return o;
}

bool object_has_label(const char *labels_json, const char *want)
{
	AUTO(json_free) struct cJSON *o = parsed(labels_json);
	const char *eq = strchr(want, '=');
	auto_free char *key = eq ? xstrndup(want, (size_t)(eq - want)) : xstrdup(want);
	const char *value = json_str(o, key);

	return value && (!eq || streq(value, eq + 1));
}

char *object_labels_text(const char *labels_json)
{
	AUTO(json_free) struct cJSON *o = parsed(labels_json);
	AUTO_STRV(all);

	for (const struct cJSON *c = json_first(o); c; c = json_next(c))
		strv_addf(&all, "%s=%s", json_key(c), str0(json_value_str(c)));
	strv_sort(&all);
	return strv_join(&all, ",");
}

char *object_time(int64_t ns, char buf[OBJECT_TIME])
{
	time_t t = ns / 1000000000;
	struct tm tm;
	size_t n;

	localtime_r(&t, &tm);
	n = strftime(buf, OBJECT_TIME, "%Y-%m-%dT%H:%M:%S", &tm);
	if (tm.tm_gmtoff == 0)
		snprintf(buf + n, OBJECT_TIME - n, "Z");
	else
		snprintf(buf + n, OBJECT_TIME - n, "%c%02ld:%02ld", tm.tm_gmtoff < 0 ? '-' : '+', labs(tm.tm_gmtoff) / 3600,
			 labs(tm.tm_gmtoff) / 60 % 60);
	return buf;
}

char *object_ago(int64_t ns)
{
	auto_free char *ago = num_ago_text((time_now_ns() - ns) / 1000000000);

	return ns > 0 ? xasprintf("%s ago", ago) : xstrdup("N/A");
}

/* The ':' before the tag of a familiar name, NULL: it has none. */
static const char *tag_colon(const char *familiar)
{
	return strchr(familiar, '@') ? NULL : strrchr(familiar, ':');
}

char *image_repository_text(const char *name)
{
	const char *familiar = ref_familiar(name), *colon = tag_colon(familiar);
	size_t n = colon ? (size_t)(colon - familiar) : strcspn(familiar, "@");

	return n ? xstrndup(familiar, n) : xstrdup("<none>");
}

const char *image_tag_text(const char *name)
{
	const char *colon = tag_colon(ref_familiar(name));

	return colon ? colon + 1 : "<none>";
}

/* docker shows labels and options that are not set as null (volumes) or {} (networks). */
static void add_map(struct cJSON *o, const char *key, const char *text, bool null_when_empty)
{
	AUTO(json_free) struct cJSON *map = parsed(text);

	if (json_count(map) || !null_when_empty)
		json_add(o, key, TAKE(map));
	else
		json_add_null(o, key);
}

struct cJSON *volume_view(const struct dirs *d, const struct volume_row *v)
{
	struct cJSON *o = json_object();
	auto_free char *path = volume_path(d, v->name);
	char when[OBJECT_TIME];

	json_add_str(o, "CreatedAt", object_time(v->created_ns, when));
	json_add_str(o, "Driver", v->driver ? v->driver : "local");
	add_map(o, "Labels", v->labels, true);
	json_add_str(o, "Mountpoint", path);
	json_add_str(o, "Name", v->name);
	add_map(o, "Options", v->options, true);
	json_add_str(o, "Scope", "local");
	return o;
}

void network_view_id(const struct dirs *d, int64_t id, char buf[NETWORK_VIEW_ID + 1])
{
	auto_free char *text = xasprintf("network %s %" PRId64, d->root_id, id);

	digest_hex(text, strlen(text), buf);
}

int network_view_find(struct db *db, const char *name, struct network_row *ret, struct err *e)
{
	AUTO_DONE(network_rows_done) struct network_rows all = { 0 };
	size_t found = SIZE_MAX;
	int r = network_by_name(db, name, ret, e);

	if (r <= 0 || strlen(name) < ID_PREFIX_MIN)
		return r;
	TRY(network_list(db, NULL, &all, e));
	for (size_t i = 0; i < all.n; i++) {
		char id[NETWORK_VIEW_ID + 1];

		network_view_id(db_dirs(db), all.v[i].id, id);
		if (!str_starts(id, name))
			continue;
		if (found != SIZE_MAX)
			return err_set(e, EINVAL, "network '%s' is ambiguous: several ids begin with it", name);
		found = i;
	}
	if (found == SIZE_MAX)
		return 1;
	*ret = all.v[found];
	all.v[found] = (struct network_row){ 0 };
	return 0;
}

static void add_ipam(struct cJSON *o, const struct network_row *n)
{
	struct cJSON *ipam = json_add_object(o, "IPAM"), *list;

	json_add_str(ipam, "Driver", "default");
	json_add_object(ipam, "Options");
	list = json_add_array(ipam, "Config");
	for (size_t i = 0; i < n->nsubnets; i++) {
		const struct subnet_row *s = &n->subnets[i];
		struct cJSON *c = json_add_object(list, NULL);

		json_add_str(c, "Subnet", s->cidr);
		json_add_str(c, "IPRange", s->ip_range);
		json_add_str(c, "Gateway", s->gateway);
		if (s->aux)
			json_add(c, "AuxiliaryAddresses", parsed(s->aux));
	}
}

/* "172.18.0.2/16": an address with the length of the network's subnet of that family. */
static char *with_length(const struct network_row *n, const char *address)
{
	for (size_t i = 0; address && i < n->nsubnets; i++) {
		const char *slash = strchr(n->subnets[i].cidr, '/');

		if (slash && !strchr(address, ':') == !strchr(n->subnets[i].cidr, ':'))
			return xasprintf("%s%s", address, slash);
	}
	return xstrdup(str0(address));
}

static int add_endpoints(struct db *db, struct cJSON *o, const struct network_row *n, struct err *e)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };
	AUTO_DONE(ctr_rows_done) struct ctr_rows ctrs = CTR_ROWS_INIT;
	struct cJSON *list = json_add_object(o, "Containers");

	TRY(endpoint_by_network(db, n->id, &eps, e));
	if (eps.n)
		TRY(ctr_list(db, NULL, NULL, &ctrs, e));
	for (size_t i = 0; i < eps.n; i++)
		for (size_t k = 0; k < ctrs.n; k++) {
			const struct endpoint_row *ep = &eps.v[i];
			const struct ctr_row *c = &ctrs.v[k];

			if (!streq0(c->sandbox, ep->sandbox) || !ctr_row_alive(c, db_dirs(db)->boot_id))
				continue;
			struct cJSON *one = json_add_object(list, c->id);
			auto_free char *v4 = with_length(n, ep->ipv4), *v6 = with_length(n, ep->ipv6);
			auto_free char *text = xasprintf("endpoint %s %" PRId64, db_dirs(db)->root_id, ep->id);
			char id[DIGEST_HEX + 1];

			digest_hex(text, strlen(text), id);
			json_add_str(one, "Name", c->name);
			json_add_str(one, "EndpointID", id);
			json_add_str(one, "MacAddress", str0(ep->mac));
			json_add_str(one, "IPv4Address", v4);
			json_add_str(one, "IPv6Address", v6);
		}
	return 0;
}

int network_view(struct db *db, const struct network_row *n, struct cJSON **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *o = json_object();
	char id[NETWORK_VIEW_ID + 1], when[OBJECT_TIME];

	network_view_id(db_dirs(db), n->id, id);
	json_add_str(o, "Name", n->name);
	json_add_str(o, "Id", id);
	json_add_str(o, "Created", object_time(n->created_ns, when));
	json_add_str(o, "Scope", "local");
	json_add_str(o, "Driver", n->driver);
	json_add_bool(o, "EnableIPv4", n->ipv4);
	json_add_bool(o, "EnableIPv6", n->ipv6);
	add_ipam(o, n);
	json_add_bool(o, "Internal", n->internal);
	json_add_bool(o, "Attachable", n->attachable);
	json_add_bool(o, "Ingress", false);
	json_add_str(json_add_object(o, "ConfigFrom"), "Network", "");
	json_add_bool(o, "ConfigOnly", false);
	TRY(add_endpoints(db, o, n, e));
	add_map(o, "Options", n->options, false);
	add_map(o, "Labels", n->labels, false);
	*ret = TAKE(o);
	return 0;
}

int object_each(struct app *app, const struct strv *names, object_fn *one, void *arg, struct err *e)
{
	AUTO_ERR(first);

	for (size_t i = 0; i < names->n; i++) {
		AUTO_ERR(failure);

		if (one(app, names->v[i], arg, &failure) < 0 && !first.code)
			err_move(&first, &failure);
	}
	return first.code ? err_move(e, &first) : 0;
}

struct inspection {
	inspect_fn *add;
	void *arg;
	struct cJSON *list;
};

static int inspect_one(struct app *app, const char *name, void *arg, struct err *e)
{
	const struct inspection *i = arg;

	return i->add(app, name, i->arg, i->list, e);
}

static int inspect_print(const struct cJSON *list, const char *format, struct err *e)
{
	if (!format || streq(format, "json")) {
		auto_free char *text = json_text(list, !format);

		printf("%s\n", text);
		return 0;
	}
	for (const struct cJSON *c = json_first(list); c; c = json_next(c)) {
		auto_free char *text = NULL;

		TRY(format_template(format, c, &text, e));
		printf("%s\n", text);
	}
	return 0;
}

int object_inspect(struct app *app, const struct strv *names, inspect_fn *add, void *arg, const char *format, struct err *e)
{
	AUTO(json_free) struct cJSON *list = json_array();
	struct inspection i = { add, arg, list };
	AUTO_ERR(first);

	(void)object_each(app, names, inspect_one, &i, &first);
	TRY(inspect_print(list, format, e));
	return first.code ? err_move(e, &first) : 0;
}

bool object_agreed(const char *question)
{
	int c, answer;

	fprintf(stderr, "%s [y/N] ", question);
	answer = c = getchar();
	while (c != '\n' && c != EOF)
		c = getchar();
	return answer == 'y' || answer == 'Y';
}
