/* SPDX-License-Identifier: MIT
 *
 * engine/container/spec.c - one table per struct drives defaults, freeing, JSON out and JSON in
 *
 * A key is the member's name. What has its default value is left out, so a file written before a member existed reads the
 * same as one in which it was never set. Adding a member: a line in spec.h and a row here; the round-trip test walks the rows.
 */
#include "engine/container/spec.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/names.h"
#include "base/str.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum kind { K_STR, K_INT, K_U16, K_BOOL, K_STRV, K_ENUM, K_SUB, K_LIST };
enum { LIST_MAX = 65536 }; /* elements of one list in a file of ours */

struct desc;
struct row {
	const char *key;
	enum kind kind;
	size_t off;                /* of the member */
	size_t off_n;              /* K_LIST: of its count */
	int64_t dflt;              /* K_INT */
	const struct desc *sub;    /* K_SUB, K_LIST */
	const char *const *names;  /* K_ENUM */
	size_t nnames;
};
struct desc {
	const struct row *rows;
	size_t nrows, size;
};

static const char *const mount_names[MNT_TYPES] = {
	[MNT_BIND] = "bind",
	[MNT_VOLUME] = "volume",
	[MNT_TMPFS] = "tmpfs",
	[MNT_FILE] = "file",
	[MNT_IMAGE] = "image",
};
static const char *const restart_names[RESTART_POLICIES] = {
	[RESTART_NO] = "no",
	[RESTART_ALWAYS] = "always",
	[RESTART_ON_FAILURE] = "on-failure",
	[RESTART_UNLESS_STOPPED] = "unless-stopped",
};
DEFINE_NAMES(mount_type, mount_names)
DEFINE_NAMES(restart_policy, restart_names)

#define ROW(k, member, ...) { .key = #member, .kind = k, .off = offsetof(struct T, member), __VA_ARGS__ }
#define STR(member) ROW(K_STR, member)
#define INT(member, d) ROW(K_INT, member, .dflt = (d))
#define U16(member) ROW(K_U16, member)
#define BOOL(member) ROW(K_BOOL, member)
#define STRV(member) ROW(K_STRV, member)
#define ENUM(member, table) ROW(K_ENUM, member, .names = table, .nnames = ARRAY_LEN(table))
#define SUB(member, d) ROW(K_SUB, member, .sub = &d##_desc)
#define LIST(member, d) ROW(K_LIST, member, .off_n = offsetof(struct T, n##member), .sub = &d##_desc)
#define DESC(name, type) static const struct desc name##_desc = { name##_rows, ARRAY_LEN(name##_rows), sizeof(struct type) }

/* clang-format off */
#define T mount_spec
static const struct row mount_rows[] = {
	ENUM(type, mount_names), STR(source), STR(target), BOOL(read_only), BOOL(recursive_ro), BOOL(create_source),
	BOOL(nocopy), BOOL(anonymous), STR(subpath), STR(propagation), BOOL(nonrecursive), INT(tmpfs_size, -1),
	INT(tmpfs_mode, -1), STRV(options), INT(uid, -1), INT(gid, -1), INT(mode, -1),
};
DESC(mount, mount_spec);
#undef T
#define T device_spec
static const struct row device_rows[] = { STR(host), STR(ctr), STR(perms) };
DESC(device, device_spec);
#undef T
#define T ulimit_spec
static const struct row ulimit_rows[] = { STR(name), INT(soft, 0), INT(hard, 0) };
DESC(ulimit, ulimit_spec);
#undef T
#define T health_spec
static const struct row health_rows[] = {
	STRV(test), INT(interval_ns, 0), INT(timeout_ns, 0), INT(start_period_ns, 0), INT(start_interval_ns, 0), INT(retries, 0),
};
DESC(health, health_spec);
#undef T
#define T restart_spec
static const struct row restart_rows[] = {
	ENUM(policy, restart_names), INT(max_retries, 0), INT(delay_ns, -1), INT(window_ns, -1),
};
DESC(restart, restart_spec);
#undef T
#define T log_spec
static const struct row log_rows[] = { STR(driver), STRV(options) };
DESC(log, log_spec);
#undef T
#define T resource_spec
static const struct row resource_rows[] = {
	INT(memory, -1), INT(memory_reservation, -1), INT(memswap, INT64_MIN), INT(swappiness, -1), INT(pids, -1),
	INT(cpu_quota_us, -1), INT(cpu_period_us, -1), INT(cpu_shares, -1), INT(cpu_rt_runtime_us, -1),
	INT(cpu_rt_period_us, -1), INT(nano_cpus, -1), STR(cpuset_cpus), STR(cpuset_mems), INT(blkio_weight, -1),
	STRV(blkio_weight_device), STRV(read_bps), STRV(write_bps), STRV(read_iops), STRV(write_iops),
	BOOL(oom_kill_disable), INT(oom_score_adj, INT64_MIN), STR(cgroup_parent), STRV(device_cgroup_rules),
};
DESC(resource, resource_spec);
#undef T
#define T endpoint_spec
static const struct row endpoint_rows[] = {
	STR(network), STRV(aliases), STR(ipv4), STR(ipv6), STR(mac), STR(ifname), STRV(link_local), INT(priority, 0),
	INT(gw_priority, 0), STRV(driver_opts),
};
DESC(endpoint, endpoint_spec);
#undef T
#define T port_spec
static const struct row port_rows[] = { STR(proto), STR(host_ip), U16(ctr_port), U16(host_port), U16(host_port_last) };
DESC(port, port_spec);
#undef T
#define T ctr_spec
static const struct row spec_rows[] = {
	STR(id), STR(name), STR(project), STR(service), INT(number, 0), BOOL(oneoff), STR(image_ref), STR(image_id),
	STRV(layers), STR(layers_driver), STRV(labels), STRV(annotations), STRV(expose),
	STRV(argv), STRV(env), STR(cwd), STR(user), STRV(group_add), STR(hostname), STR(domainname),
	BOOL(tty), BOOL(stdin_open), BOOL(init), BOOL(stdin_once), STR(stop_signal), INT(stop_grace_ns, -1),
	BOOL(privileged), BOOL(read_only), BOOL(no_new_privs), BOOL(unconfined_paths), STRV(cap_add), STRV(cap_drop),
	STR(seccomp), STR(apparmor), STR(selinux), STRV(masked), STRV(readonly_paths),
	LIST(mounts, mount), LIST(devices, device), LIST(ulimits, ulimit), STRV(sysctls), INT(shm_size, -1),
	STR(ipc), STR(pid), STR(uts), STR(cgroupns), STR(userns),
	STR(network_mode), LIST(endpoints, endpoint), LIST(ports, port),
	STRV(dns), STRV(dns_search), STRV(dns_opt), STRV(extra_hosts), STRV(links),
	SUB(res, resource), SUB(health, health), SUB(restart, restart), SUB(log, log), BOOL(has_pre_stop), STR(hooks),
};
DESC(spec, ctr_spec);
#undef T
/* clang-format on */

#define AT(type, obj, off) ((type *)((char *)(obj) + (off)))
#define CAT(type, obj, off) ((const type *)((const char *)(obj) + (off)))

/* Enums are read and written as int: they are all plain enums without negative values. */
static void defaults(const struct desc *d, void *obj)
{
	for (size_t i = 0; i < d->nrows; i++) {
		const struct row *r = &d->rows[i];

		if (r->kind == K_INT)
			*AT(int64_t, obj, r->off) = r->dflt;
		else if (r->kind == K_SUB)
			defaults(r->sub, AT(void, obj, r->off));
	}
}

static void done(const struct desc *d, void *obj)
{
	for (size_t i = 0; i < d->nrows; i++) {
		const struct row *r = &d->rows[i];

		switch (r->kind) {
		case K_STR:
			free(*AT(char *, obj, r->off));
			break;
		case K_STRV:
			strv_done(AT(struct strv, obj, r->off));
			break;
		case K_SUB:
			done(r->sub, AT(void, obj, r->off));
			break;
		case K_LIST:
			for (size_t k = 0; k < *AT(size_t, obj, r->off_n); k++)
				done(r->sub, *AT(char *, obj, r->off) + k * r->sub->size);
			free(*AT(void *, obj, r->off));
			break;
		case K_INT:
		case K_U16:
		case K_BOOL:
		case K_ENUM:
			break;
		}
	}
}

/* One more zeroed element with its defaults; the room doubles at powers of two. */
static void *list_add(const struct desc *d, void *vp, size_t *n)
{
	char **v = vp;

	if ((*n & (*n - 1)) == 0)
		*v = xreallocarray(*v, *n ? *n * 2 : 1, d->size);

	char *obj = *v + *n * d->size;

	memset(obj, 0, d->size);
	defaults(d, obj);
	(*n)++;
	return obj;
}

static void encode(const struct desc *d, const void *obj, struct cJSON *o)
{
	for (size_t i = 0; i < d->nrows; i++) {
		const struct row *r = &d->rows[i];
		struct cJSON *c;

		switch (r->kind) {
		case K_STR:
			json_add_str(o, r->key, *CAT(char *, obj, r->off));
			break;
		case K_INT:
			if (*CAT(int64_t, obj, r->off) != r->dflt)
				json_add_int(o, r->key, *CAT(int64_t, obj, r->off));
			break;
		case K_U16:
			if (*CAT(uint16_t, obj, r->off))
				json_add_int(o, r->key, *CAT(uint16_t, obj, r->off));
			break;
		case K_BOOL:
			if (*CAT(bool, obj, r->off))
				json_add_bool(o, r->key, true);
			break;
		case K_STRV:
			if (CAT(struct strv, obj, r->off)->n)
				json_add_strv(o, r->key, CAT(struct strv, obj, r->off));
			break;
		case K_ENUM:
			json_add_str(o, r->key, r->names[*CAT(int, obj, r->off)]);
			break;
		case K_SUB:
			c = json_object();
			encode(r->sub, CAT(void, obj, r->off), c);
			if (json_count(c))
				json_add(o, r->key, c);
			else
				json_free(c);
			break;
		case K_LIST:
			if (!*CAT(size_t, obj, r->off_n))
				break;
			c = json_add_array(o, r->key);
			for (size_t k = 0; k < *CAT(size_t, obj, r->off_n); k++)
				encode(r->sub, *CAT(char *, obj, r->off) + k * r->sub->size,
				       json_add_object(c, NULL));
			break;
		}
	}
}

static int decode(const struct desc *d, const struct cJSON *o, void *obj, struct err *e);

static int decode_list(const struct row *r, const struct cJSON *a, void *obj, struct err *e)
{
	size_t *n = AT(size_t, obj, r->off_n);

	if (json_count(a) > LIST_MAX)
		return err_set(e, EFBIG, "%s: more than %d entries", r->key, LIST_MAX);
	for (const struct cJSON *c = json_first(a); c; c = json_next(c))
		if (decode(r->sub, c, list_add(r->sub, AT(char *, obj, r->off), n), e) < 0)
			return err_wrap(e, "%s[%zu]", r->key, *n - 1);
	return 0;
}

static int decode_row(const struct row *r, const struct cJSON *o, void *obj, struct err *e)
{
	const struct cJSON *c = json_get(o, r->key);
	const char *s;
	int64_t n;

	if (!c || json_is_null(c))
		return 0;
	switch (r->kind) {
	case K_STR:
		if (!(s = json_value_str(c)))
			return err_set(e, EINVAL, "%s: not a string", r->key);
		*AT(char *, obj, r->off) = xstrdup(s);
		return 0;
	case K_INT:
		if (!json_value_int(c, &n))
			return err_set(e, EINVAL, "%s: not a whole number", r->key);
		*AT(int64_t, obj, r->off) = n;
		return 0;
	case K_U16:
		if (!json_value_int(c, &n) || n < 0 || n > UINT16_MAX)
			return err_set(e, EINVAL, "%s: not a number from 0 to 65535", r->key);
		*AT(uint16_t, obj, r->off) = (uint16_t)n;
		return 0;
	case K_BOOL:
		*AT(bool, obj, r->off) = json_bool(o, r->key, false);
		return 0;
	case K_STRV:
		if (!json_is_array(c))
			return err_set(e, EINVAL, "%s: not a list", r->key);
		json_strv(o, r->key, AT(struct strv, obj, r->off));
		return 0;
	case K_ENUM:
		s = json_value_str(c);
		for (size_t i = 0; s && i < r->nnames; i++)
			if (streq(r->names[i], s)) {
				*AT(int, obj, r->off) = (int)i;
				return 0;
			}
		return err_set(e, EINVAL, "%s: '%s' is none of the known values", r->key, str0(s));
	case K_SUB:
		if (decode(r->sub, c, AT(void, obj, r->off), e) < 0)
			return err_wrap(e, "%s", r->key);
		return 0;
	case K_LIST:
		return decode_list(r, c, obj, e);
	}
	return 0;
}

static int decode(const struct desc *d, const struct cJSON *o, void *obj, struct err *e)
{
	if (!json_is_object(o))
		return err_set(e, EINVAL, "not an object");
	for (size_t i = 0; i < d->nrows; i++)
		TRY(decode_row(&d->rows[i], o, obj, e));
	return 0;
}

struct ctr_spec *ctr_spec_new(void)
{
	struct ctr_spec *s = xcalloc(1, sizeof(*s));

	defaults(&spec_desc, s);
	return s;
}

void ctr_spec_free(struct ctr_spec *s)
{
	if (!s)
		return;
	done(&spec_desc, s);
	free(s);
}

struct mount_spec *ctr_spec_add_mount(struct ctr_spec *s)
{
	return list_add(&mount_desc, &s->mounts, &s->nmounts);
}

struct device_spec *ctr_spec_add_device(struct ctr_spec *s)
{
	return list_add(&device_desc, &s->devices, &s->ndevices);
}

struct ulimit_spec *ctr_spec_add_ulimit(struct ctr_spec *s)
{
	return list_add(&ulimit_desc, &s->ulimits, &s->nulimits);
}

struct endpoint_spec *ctr_spec_add_endpoint(struct ctr_spec *s)
{
	return list_add(&endpoint_desc, &s->endpoints, &s->nendpoints);
}

struct port_spec *ctr_spec_add_port(struct ctr_spec *s)
{
	return list_add(&port_desc, &s->ports, &s->nports);
}

struct cJSON *ctr_spec_to_json(const struct ctr_spec *s)
{
	struct cJSON *o = json_object();

	json_add_int(o, "v", 1);
	encode(&spec_desc, s, o);
	return o;
}

int ctr_spec_from_json(const struct cJSON *j, struct ctr_spec **ret, struct err *e)
{
	AUTO(ctr_spec_free) struct ctr_spec *s = ctr_spec_new();

	if (json_int(j, "v", 0) != 1)
		return err_set(e, EPROTO, "container description of version %lld, this gantry knows version 1",
			       (long long)json_int(j, "v", 0));
	if (decode(&spec_desc, j, s, e) < 0)
		return err_wrap(e, "container description");
	*ret = TAKE(s);
	return 0;
}

const char *ctr_spec_hostname(const struct ctr_spec *s, char buf[CTR_HOSTNAME])
{
	bool of_host = streq(str0(s->network_mode), "host") || streq(str0(s->uts), "host");

	if (s->hostname && *s->hostname)
		return s->hostname;
	buf[CTR_HOSTNAME - 1] = '\0';
	if (!of_host || gethostname(buf, CTR_HOSTNAME - 1) < 0)
		snprintf(buf, CTR_HOSTNAME, "%.12s", str0(s->id));
	return buf;
}
