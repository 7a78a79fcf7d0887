/* SPDX-License-Identifier: MIT
 *
 * engine/container/spec_check.c - what can be said wrong about a spec without a kernel; every text begins with the field
 */
#include "engine/container/spec.h"

#include "base/err.h"
#include "base/id.h"
#include "base/num.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/kernel/caps.h"
#include "engine/kernel/rlimit.h"
#include <ctype.h>
#include <errno.h>

enum { HOSTNAME_MAX = 63, MEMORY_MIN = 6 << 20, SYSCTL_MAX = 4096 };

/* What may be mounted over inside /proc (lxcfs puts these there). */
static const char *const proc_targets[] = {
	"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg",
	"/proc/slabinfo", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled", NULL,
};
static const char *const propagations[] = { "rprivate", "private", "rshared", "shared", "rslave", "slave", NULL };

static int check_abs(const char *field, const char *path, struct err *e)
{
	if (!path_is_abs(path))
		return err_set(e, EINVAL, "%s: '%s' is not an absolute path", field, path);
	return 0;
}

static int check_mount(const struct mount_spec *m, struct err *e)
{
	auto_free char *clean = NULL;

	if (!m->target || !*m->target)
		return err_set(e, EINVAL, "no target");
	TRY(check_abs("target", m->target, e));
	clean = path_clean(m->target);
	if (!streq(clean, m->target))
		return err_set(e, EINVAL, "target '%s' is not clean, wanted '%s'", m->target, clean);
	if (streq(clean, "/"))
		return err_set(e, EINVAL, "target: a mount cannot replace the container's root '/'");
	if (str_starts(clean, "/proc/") && !str_in(clean, proc_targets))
		return err_set(e, EINVAL, "target '%s': nothing can be mounted inside /proc", clean);
	if (m->type != MNT_TMPFS && !m->source)
		return err_set(e, EINVAL, "'%s': no source", clean);
	if (m->type == MNT_BIND || m->type == MNT_FILE)
		TRY(check_abs("source", m->source, e));
	if (m->type == MNT_VOLUME && !name_is_container(m->source))
		return err_set(e, EINVAL, "'%s' is not a volume's name", m->source);
	if (m->propagation && !str_in(m->propagation, propagations))
		return err_set(e, EINVAL, "'%s': unknown propagation '%s'", clean, m->propagation);
	if (m->subpath && (path_is_abs(m->subpath) || str_starts(m->subpath, "../") || streq(m->subpath, "..")))
		return err_set(e, EINVAL, "'%s': subpath '%s' must stay inside the volume", clean, m->subpath);
	return 0;
}

static int check_device(const struct device_spec *d, struct err *e)
{
	if (!d->host || !d->ctr)
		return err_set(e, EINVAL, "source and target are needed");
	TRY(check_abs("source", d->host, e));
	TRY(check_abs("target", d->ctr, e));
	if (d->perms && (!*d->perms || strspn(d->perms, "rwm") != strlen(d->perms)))
		return err_set(e, EINVAL, "'%s': permissions '%s' are not made of r, w, m", d->host, d->perms);
	return 0;
}

/* mode: NULL and "private" always; "host"; "container:ID"; EXTRA beside them. */
static int check_ns(const char *field, const char *mode, const char *const *extra, struct err *e)
{
	const char *id;

	if (!mode || !*mode || streq(mode, "private") || streq(mode, "host") || (extra && str_in(mode, extra)))
		return 0;
	id = str_after(mode, "container:");
	if (id && id_is(id))
		return 0;
	return err_set(e, EINVAL, "%s: unknown mode '%s'", field, mode);
}

static bool ns_is_host(const char *mode)
{
	return mode && streq(mode, "host");
}

static int check_sysctl(const struct ctr_spec *s, const char *kv, struct err *e)
{
	static const char *const ipc_prefixes[] = { "kernel.msg", "kernel.shm", "fs.mqueue.", NULL };
	const char *eq = strchr(kv, '=');
	bool ipc = false;

	if (!eq || eq == kv)
		return err_set(e, EINVAL, "'%s' is not NAME=VALUE", kv);

	auto_free char *name = strndup(kv, (size_t)(eq - kv));

	if (!name || strlen(kv) > SYSCTL_MAX)
		return err_set(e, EINVAL, "longer than %d bytes", SYSCTL_MAX);
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-/", *p))
			return err_set(e, EINVAL, "'%s' is not the name of a sysctl", name);
	if (strstr(name, "..") || strchr(eq, '\n'))
		return err_set(e, EINVAL, "'%s' is not allowed", name);
	for (char *p = name; *p; p++)
		if (*p == '/')
			*p = '.';
	ipc = streq(name, "kernel.sem");
	for (size_t i = 0; ipc_prefixes[i]; i++)
		ipc = ipc || str_starts(name, ipc_prefixes[i]);
	if (ipc && ns_is_host(s->ipc))
		return err_set(e, EINVAL, "'%s' would change the host: the container shares its ipc namespace", name);
	if (ipc)
		return 0;
	if (!str_starts(name, "net."))
		return err_set(e, EINVAL, "'%s' is not allowed: it is not of a namespace that a container has for itself", name);
	if (s->network_mode && streq(s->network_mode, "host"))
		return err_set(e, EINVAL, "'%s' would change the host: the container shares its network", name);
	return 0;
}

static int check_process(const struct ctr_spec *s, struct err *e)
{
	uint64_t caps;
	int sig;

	if (!s->argv.n || !*s->argv.v[0])
		return err_exit(e, (err_set(e, EINVAL, "no command: neither the image nor the service names one"), 125));
	if (s->cwd && *s->cwd)
		TRY(check_abs("working_dir", s->cwd, e));
	for (size_t i = 0; i < s->env.n; i++)
		if (!strchr(s->env.v[i], '=') || *s->env.v[i] == '=')
			return err_set(e, EINVAL, "environment: an entry without a name or without '='");
	if (s->hostname && (strlen(s->hostname) > HOSTNAME_MAX || strchr(s->hostname, '/') || strchr(s->hostname, '\n')))
		return err_set(e, EINVAL, "hostname: '%s' is longer than %d bytes or not a name", s->hostname, HOSTNAME_MAX);
	if (s->domainname && strlen(s->domainname) > HOSTNAME_MAX)
		return err_set(e, EINVAL, "domainname: longer than %d bytes", HOSTNAME_MAX);
	if (s->stop_signal && proc_signal_parse(s->stop_signal, &sig, e) < 0)
		return err_wrap(e, "stop_signal");
	return caps_resolve(&s->cap_add, &s->cap_drop, s->privileged, UINT64_MAX, &caps, e);
}

static int check_resources(const struct resource_spec *r, struct err *e)
{
	if (r->memory > 0 && r->memory < MEMORY_MIN)
		return err_set(e, EINVAL, "mem_limit: %lld bytes, at least 6m is needed", (long long)r->memory);
	if (r->memory > 0 && r->memswap > 0 && r->memswap < r->memory)
		return err_set(e, EINVAL, "memswap_limit is lower than mem_limit: it is the sum of memory and swap");
	if (r->memswap > 0 && r->memory <= 0)
		return err_set(e, EINVAL, "memswap_limit needs mem_limit");
	if (r->memory > 0 && r->memory_reservation > r->memory)
		return err_set(e, EINVAL, "mem_reservation is higher than mem_limit");
	if (r->swappiness > 100)
		return err_set(e, EINVAL, "mem_swappiness: %lld is not in 0-100", (long long)r->swappiness);
	if (r->oom_score_adj != INT64_MIN && (r->oom_score_adj < -1000 || r->oom_score_adj > 1000))
		return err_set(e, EINVAL, "oom_score_adj: %lld is not in -1000-1000", (long long)r->oom_score_adj);
	if (r->blkio_weight > 0 && (r->blkio_weight < 10 || r->blkio_weight > 1000))
		return err_set(e, EINVAL, "blkio_config: weight: %lld is not in 10-1000", (long long)r->blkio_weight);
	if (r->cgroup_parent && (strstr(r->cgroup_parent, "..") || strchr(r->cgroup_parent, '\n')))
		return err_set(e, EINVAL, "cgroup_parent: '%s' is not allowed", r->cgroup_parent);
	return 0;
}

/* Options of docker's drivers; what the writer does not use says how the file is kept (mode, cache) or what a line is marked with. */
static const char *const log_options[] = {
	"max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag", "mode", "max-buffer-size",
	"cache-disabled", "cache-max-file", "cache-max-size", "cache-compress", NULL,
};

static bool in_list(const char *const *list, const char *s, size_t n)
{
	for (; *list; list++)
		if (strlen(*list) == n && !memcmp(*list, s, n))
			return true;
	return false;
}

bool ctr_log_driver_foreign(const char *driver)
{
	static const char *const foreign[] = { "syslog", "journald", "gelf", "fluentd", "awslogs", "splunk", "gcplogs", "etwlogs", NULL };

	return driver && str_in(driver, foreign);
}

/* A foreign driver's options are its own. */
static int check_log(const struct log_spec *l, struct err *e)
{
	static const char *const ours[] = { "", "json-file", "local", "none", NULL };
	const char *driver = str0(l->driver);

	if (ctr_log_driver_foreign(driver) || streq(driver, "none"))
		return 0;
	if (!str_in(driver, ours)) {
		err_set(e, EINVAL, "there is no logging driver '%s'", driver);
		return err_hint(e, "json-file, local and none are there"), -EINVAL;
	}
	for (size_t i = 0; i < l->options.n; i++) {
		const char *kv = l->options.v[i];
		size_t n = strcspn(kv, "=");
		const char *value = kv[n] ? kv + n + 1 : "";
		int64_t v;

		if (!in_list(log_options, kv, n))
			return err_set(e, EINVAL, "unknown log opt '%.*s' for %s log driver", (int)n, kv, *driver ? driver : "json-file");
		if (str_starts(kv, "max-size=") && !streq(value, "-1") && num_bytes(value, &v, e) < 0)
			return err_wrap(e, "max-size");
		if (str_starts(kv, "max-file=") && num_int(value, 1, INT32_MAX, &v, e) < 0)
			return err_wrap(e, "max-file");
	}
	return 0;
}

static int check_lists(const struct ctr_spec *s, struct err *e)
{
	struct rlimit hard[RLIMIT_COUNT];
	struct rlimit_set limits;

	for (int i = 0; i < RLIMIT_COUNT; i++)
		hard[i] = (struct rlimit){ RLIM_INFINITY, RLIM_INFINITY };
	rlimit_baseline(hard, &limits);
	for (size_t i = 0; i < s->nulimits; i++)
		TRY(rlimit_add(&limits, hard, true, s->ulimits[i].name ? s->ulimits[i].name : "", s->ulimits[i].soft,
			       s->ulimits[i].hard, e));
	for (size_t i = 0; i < s->nmounts; i++)
		if (check_mount(&s->mounts[i], e) < 0)
			return err_wrap(e, "volumes");
	for (size_t i = 0; i < s->ndevices; i++)
		if (check_device(&s->devices[i], e) < 0)
			return err_wrap(e, "devices");
	for (size_t i = 0; i < s->sysctls.n; i++)
		if (check_sysctl(s, s->sysctls.v[i], e) < 0)
			return err_wrap(e, "sysctls");
	return 0;
}

int ctr_spec_check(const struct ctr_spec *s, struct err *e)
{
	static const char *const ipc_modes[] = { "shareable", "none", NULL };
	static const char *const net_modes[] = { "none", NULL };

	if (!s->id || (!id_is(s->id) && !s->build_step))
		return err_set(e, EINVAL, "container id '%s' is not 64 hex digits", str0(s->id));
	if (!s->name || !name_is_container(s->name))
		return err_set(e, EINVAL, "container name '%s': letters, digits, '_', '.', '-' are allowed", str0(s->name));
	TRY(check_process(s, e));
	TRY(check_ns("ipc", s->ipc, ipc_modes, e));
	TRY(check_ns("pid", s->pid, NULL, e));
	TRY(check_ns("uts", s->uts, NULL, e));
	TRY(check_ns("cgroup", s->cgroupns, NULL, e));
	TRY(check_ns("network_mode", s->network_mode, net_modes, e));
	if (s->userns && *s->userns && !ns_is_host(s->userns))
		return err_set(e, EOPNOTSUPP, "userns_mode: '%s' is not supported, only 'host'", s->userns);
	if (ns_is_host(s->uts) && (s->hostname || s->domainname))
		return err_set(e, EINVAL, "uts: with 'host', hostname and domainname cannot be set");
	TRY(check_resources(&s->res, e));
	if (check_log(&s->log, e) < 0)
		return err_wrap(e, "logging");
	return check_lists(s, e);
}
