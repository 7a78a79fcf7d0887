/* SPDX-License-Identifier: MIT
 *
 * engine/container/inspect.c - a container as `docker inspect` shows it: row (facts), spec (what was asked for), leases (network)
 *
 * Docker's keys and zero values, so that scripts made for it read it. What has no meaning here (ConsoleSize, GraphDriver's Data) is left out.
 */
#include "engine/container/container.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/network_store.h"
#include <stdio.h>

#define NEVER "0001-01-01T00:00:00Z"
#define SHM_SIZE (INT64_C(64) << 20)

static void add_time(struct cJSON *o, const char *key, int64_t ns)
{
	char buf[TIME_TEXT];

	json_add_str(o, key, ns > 0 ? time_rfc3339(ns, buf) : NEVER);
}

static void add_state(struct cJSON *o, const struct ctr_row *r)
{
	struct cJSON *s = json_add_object(o, "State");
	AUTO(json_free) struct cJSON *log = NULL;
	AUTO_ERR(quiet);
	struct cJSON *h;

	json_add_str(s, "Status", ctr_state_name((int)r->state));
	json_add_bool(s, "Running", ctr_state_runs(r->state));
	json_add_bool(s, "Paused", r->state == CTR_PAUSED);
	json_add_bool(s, "Restarting", r->state == CTR_RESTARTING);
	json_add_bool(s, "OOMKilled", r->oom);
	json_add_bool(s, "Dead", r->state == CTR_DEAD);
	json_add_int(s, "Pid", r->pid.pid);
	json_add_int(s, "ExitCode", r->exit_code);
	json_add_str(s, "Error", str0(r->error));
	add_time(s, "StartedAt", r->started_ns);
	add_time(s, "FinishedAt", r->finished_ns);
	if (r->health == HEALTH_NONE)
		return;
	h = json_add_object(s, "Health");
	json_add_str(h, "Status", ctr_health_name((int)r->health));
	if (r->health_log && json_parse(r->health_log, strlen(r->health_log), "health", &log, &quiet) >= 0)
		json_add(h, "Log", TAKE(log));
	else
		json_add_array(h, "Log");
}

/* "a=b" list -> object, also of options with a value only */
static void add_map(struct cJSON *o, const char *key, const struct strv *l)
{
	if (l->n)
		json_add_map(o, key, l);
	else
		json_add_object(o, key);
}

/* -1, not set: 0 */
static void add_limit(struct cJSON *o, const char *key, int64_t v)
{
	json_add_int(o, key, v > 0 ? v : 0);
}

static void add_io(struct cJSON *o, const char *key, const struct strv *l, const char *value_key)
{
	struct cJSON *a = json_add_array(o, key);

	for (size_t i = 0; i < l->n; i++) {
		const char *colon = strrchr(l->v[i], ':');
		auto_free char *path = colon ? xstrndup(l->v[i], (size_t)(colon - l->v[i])) : xstrdup(l->v[i]);
		struct cJSON *d = json_add_object(a, NULL);
		AUTO_ERR(quiet);
		int64_t v = 0;

		(void)num_bytes(colon ? colon + 1 : "0", &v, &quiet);
		json_add_str(d, "Path", path);
		json_add_int(d, value_key, v);
	}
}

static void add_resources(struct cJSON *h, const struct ctr_spec *s)
{
	const struct resource_spec *r = &s->res;
	struct cJSON *a;

	add_limit(h, "CpuShares", r->cpu_shares);
	add_limit(h, "Memory", r->memory);
	add_limit(h, "NanoCpus", r->nano_cpus);
	json_add_str(h, "CgroupParent", str0(r->cgroup_parent));
	add_limit(h, "BlkioWeight", r->blkio_weight);
	add_io(h, "BlkioWeightDevice", &r->blkio_weight_device, "Weight");
	add_io(h, "BlkioDeviceReadBps", &r->read_bps, "Rate");
	add_io(h, "BlkioDeviceWriteBps", &r->write_bps, "Rate");
	add_io(h, "BlkioDeviceReadIOps", &r->read_iops, "Rate");
	add_io(h, "BlkioDeviceWriteIOps", &r->write_iops, "Rate");
	add_limit(h, "CpuPeriod", r->cpu_period_us);
	add_limit(h, "CpuQuota", r->cpu_quota_us);
	add_limit(h, "CpuRealtimePeriod", r->cpu_rt_period_us);
	add_limit(h, "CpuRealtimeRuntime", r->cpu_rt_runtime_us);
	json_add_str(h, "CpusetCpus", str0(r->cpuset_cpus));
	json_add_str(h, "CpusetMems", str0(r->cpuset_mems));
	add_limit(h, "MemoryReservation", r->memory_reservation);
	json_add_int(h, "MemorySwap", r->memswap != INT64_MIN ? r->memswap : r->memory > 0 ? 2 * r->memory : 0);
	if (r->swappiness >= 0)
		json_add_int(h, "MemorySwappiness", r->swappiness);
	else
		json_add_null(h, "MemorySwappiness");
	json_add_bool(h, "OomKillDisable", r->oom_kill_disable);
	json_add_int(h, "OomScoreAdj", r->oom_score_adj != INT64_MIN ? r->oom_score_adj : 0);
	if (r->pids > 0)
		json_add_int(h, "PidsLimit", r->pids);
	else
		json_add_null(h, "PidsLimit");
	json_add_strv(h, "DeviceCgroupRules", &r->device_cgroup_rules);
	a = json_add_array(h, "Ulimits");
	for (size_t i = 0; i < s->nulimits; i++) {
		struct cJSON *u = json_add_object(a, NULL);

		json_add_str(u, "Name", s->ulimits[i].name);
		json_add_int(u, "Soft", s->ulimits[i].soft);
		json_add_int(u, "Hard", s->ulimits[i].hard);
	}
	a = json_add_array(h, "Devices");
	for (size_t i = 0; i < s->ndevices; i++) {
		struct cJSON *d = json_add_object(a, NULL);

		json_add_str(d, "PathOnHost", s->devices[i].host);
		json_add_str(d, "PathInContainer", s->devices[i].ctr);
		json_add_str(d, "CgroupPermissions", s->devices[i].perms ? s->devices[i].perms : "rwm");
	}
}

static void add_security(struct cJSON *h, const struct ctr_spec *s)
{
	struct cJSON *a = json_add_array(h, "SecurityOpt");
	AUTO_STRV(opts);

	if (s->no_new_privs)
		strv_add(&opts, "no-new-privileges:true");
	if (s->seccomp)
		strv_addf(&opts, "seccomp=%s", s->seccomp);
	if (s->apparmor)
		strv_addf(&opts, "apparmor=%s", s->apparmor);
	if (s->selinux)
		strv_addf(&opts, "label=%s", s->selinux);
	if (s->unconfined_paths)
		strv_add(&opts, "systempaths=unconfined");
	for (size_t i = 0; i < opts.n; i++)
		json_add_str(a, NULL, opts.v[i]);
	json_add_strv(h, "CapAdd", &s->cap_add);
	json_add_strv(h, "CapDrop", &s->cap_drop);
	json_add_bool(h, "Privileged", s->privileged);
	json_add_bool(h, "ReadonlyRootfs", s->read_only);
	json_add_strv(h, "MaskedPaths", &s->masked);
	json_add_strv(h, "ReadonlyPaths", &s->readonly_paths);
}

static void add_port_bindings(struct cJSON *h, const struct ctr_spec *s)
{
	struct cJSON *o = json_add_object(h, "PortBindings");

	for (size_t i = 0; i < s->nports; i++) {
		const struct port_spec *p = &s->ports[i];
		auto_free char *key = xasprintf("%u/%s", p->ctr_port, p->proto ? p->proto : "tcp");
		auto_free char *port = p->host_port ? xasprintf("%u", p->host_port) : xstrdup("");
		struct cJSON *list = json_get(o, key), *b;

		if (!list)
			list = json_add_array(o, key);
		b = json_add_object(list, NULL);
		json_add_str(b, "HostIp", str0(p->host_ip));
		json_add_str(b, "HostPort", port);
	}
}

static void add_host_config(struct cJSON *o, const struct ctr_spec *s)
{
	struct cJSON *h = json_add_object(o, "HostConfig"), *x;

	x = json_add_object(h, "LogConfig");
	json_add_str(x, "Type", s->log.driver ? s->log.driver : "json-file");
	add_map(x, "Config", &s->log.options);
	json_add_str(h, "NetworkMode", s->nendpoints ? s->endpoints[0].network : str0(s->network_mode));
	add_port_bindings(h, s);
	x = json_add_object(h, "RestartPolicy");
	json_add_str(x, "Name", restart_policy_name((int)s->restart.policy));
	json_add_int(x, "MaximumRetryCount", s->restart.max_retries);
	json_add_bool(h, "AutoRemove", false);
	json_add_str(h, "CgroupnsMode", s->cgroupns && *s->cgroupns ? s->cgroupns : "private");
	json_add_strv(h, "Dns", &s->dns);
	json_add_strv(h, "DnsOptions", &s->dns_opt);
	json_add_strv(h, "DnsSearch", &s->dns_search);
	json_add_strv(h, "ExtraHosts", &s->extra_hosts);
	json_add_strv(h, "GroupAdd", &s->group_add);
	json_add_strv(h, "Links", &s->links);
	json_add_str(h, "IpcMode", s->ipc && *s->ipc ? s->ipc : "private");
	json_add_str(h, "PidMode", str0(s->pid));
	json_add_str(h, "UTSMode", str0(s->uts));
	json_add_str(h, "UsernsMode", str0(s->userns));
	json_add_int(h, "ShmSize", s->shm_size > 0 ? s->shm_size : SHM_SIZE);
	json_add_bool(h, "Init", s->init);
	json_add_str(h, "Runtime", "gantry");
	if (s->sysctls.n)
		json_add_map(h, "Sysctls", &s->sysctls);
	add_security(h, s);
	add_resources(h, s);
}

static void add_mounts(struct cJSON *o, const struct dirs *d, const struct ctr_spec *s)
{
	struct cJSON *a = json_add_array(o, "Mounts");

	for (size_t i = 0; i < s->nmounts; i++) {
		const struct mount_spec *m = &s->mounts[i];
		struct cJSON *x = json_add_object(a, NULL);
		auto_free char *data = m->type == MNT_VOLUME ? dirs_root(d, "volumes/%s/data", m->source) : NULL;

		/* a config or secret is a bind mount to docker */
		json_add_str(x, "Type", m->type == MNT_FILE ? "bind" : mount_type_name((int)m->type));
		if (m->type == MNT_VOLUME)
			json_add_str(x, "Name", m->source);
		json_add_str(x, "Source", data ? data : str0(m->source));
		json_add_str(x, "Destination", m->target);
		if (m->type == MNT_VOLUME)
			json_add_str(x, "Driver", "local");
		json_add_str(x, "Mode", m->read_only ? "ro" : m->type == MNT_TMPFS ? "" : "rw");
		json_add_bool(x, "RW", !m->read_only);
		json_add_str(x, "Propagation", m->propagation ? m->propagation : m->type == MNT_BIND ? "rprivate" : "");
	}
}

static void add_healthcheck(struct cJSON *c, const struct health_spec *h)
{
	struct cJSON *x;

	if (!h->test.n)
		return;
	x = json_add_object(c, "Healthcheck");
	json_add_strv(x, "Test", &h->test);
	json_add_int(x, "Interval", h->interval_ns);
	json_add_int(x, "Timeout", h->timeout_ns);
	json_add_int(x, "StartPeriod", h->start_period_ns);
	json_add_int(x, "StartInterval", h->start_interval_ns);
	json_add_int(x, "Retries", h->retries);
}

static void add_config(struct cJSON *o, const struct ctr_spec *s)
{
	struct cJSON *c = json_add_object(o, "Config"), *ports;
	char name[CTR_HOSTNAME];

	json_add_str(c, "Hostname", ctr_spec_hostname(s, name));
	json_add_str(c, "Domainname", str0(s->domainname));
	json_add_str(c, "User", str0(s->user));
	json_add_bool(c, "Tty", s->tty);
	json_add_bool(c, "OpenStdin", s->stdin_open);
	json_add_bool(c, "StdinOnce", s->stdin_once);
	json_add_strv(c, "Env", &s->env);
	json_add_strv(c, "Cmd", &s->argv);
	json_add_str(c, "Image", str0(s->image_ref));
	json_add_str(c, "WorkingDir", str0(s->cwd));
	json_add_null(c, "Entrypoint"); /* is part of Cmd */
	add_map(c, "Labels", &s->labels);
	json_add_str(c, "StopSignal", s->stop_signal ? s->stop_signal : "SIGTERM");
	json_add_int(c, "StopTimeout", (s->stop_grace_ns >= 0 ? s->stop_grace_ns : INT64_C(10000000000)) / 1000000000);
	add_healthcheck(c, &s->health);
	if (!s->nports && !s->expose.n)
		return;
	ports = json_add_object(c, "ExposedPorts");
	for (size_t i = 0; i < s->expose.n; i++)
		json_add_object(ports, s->expose.v[i]);
	for (size_t i = 0; i < s->nports; i++) {
		auto_free char *key = xasprintf("%u/%s", s->ports[i].ctr_port, s->ports[i].proto ? s->ports[i].proto : "tcp");

		if (!json_get(ports, key))
			json_add_object(ports, key);
	}
}

/* ---- the network, from the leases ----------------------------------------------------------------------------------- */

static int prefix_of(const struct network_row *n, const char *address)
{
	bool v6 = strchr(address, ':') != NULL;

	for (size_t i = 0; i < n->nsubnets; i++) {
		const char *slash = strchr(n->subnets[i].cidr, '/');

		if (slash && (strchr(n->subnets[i].cidr, ':') != NULL) == v6)
			return (int)strtol(slash + 1, NULL, 10);
	}
	return 0;
}

static const char *gateway_of(const struct network_row *n, bool v6)
{
	for (size_t i = 0; i < n->nsubnets; i++)
		if (n->subnets[i].gateway && (strchr(n->subnets[i].gateway, ':') != NULL) == v6)
			return n->subnets[i].gateway;
	return "";
}

static void add_endpoint(struct db *db, struct cJSON *nets, const struct endpoint_row *ep)
{
	AUTO_DONE(network_row_done) struct network_row n = { 0 };
	AUTO(json_free) struct cJSON *names = NULL;
	AUTO_ERR(quiet);
	AUTO_ERR(quiet2);
	struct cJSON *x;

	if (network_get(db, ep->network, &n, &quiet) != 0)
		return;
	x = json_add_object(nets, n.name);
	if (ep->names && json_parse(ep->names, strlen(ep->names), "names", &names, &quiet2) >= 0)
		json_add(x, "Aliases", TAKE(names));
	json_add_str(x, "MacAddress", str0(ep->mac));
	json_add_str(x, "Gateway", gateway_of(&n, false));
	json_add_str(x, "IPAddress", str0(ep->ipv4));
	json_add_int(x, "IPPrefixLen", ep->ipv4 ? prefix_of(&n, ep->ipv4) : 0);
	json_add_str(x, "IPv6Gateway", gateway_of(&n, true));
	json_add_str(x, "GlobalIPv6Address", str0(ep->ipv6));
	json_add_int(x, "GlobalIPv6PrefixLen", ep->ipv6 ? prefix_of(&n, ep->ipv6) : 0);
	json_add_str(x, "InterfaceName", str0(ep->ifname));
}

static void add_ports(struct db *db, struct cJSON *net, const char *sandbox)
{
	AUTO_DONE(port_rows_done) struct port_rows rows = { 0 };
	struct cJSON *o = json_add_object(net, "Ports");
	AUTO_ERR(quiet);

	if (port_by_sandbox(db, sandbox, &rows, &quiet) < 0)
		return;
	for (size_t i = 0; i < rows.n; i++) {
		auto_free char *key = xasprintf("%u/%s", rows.v[i].ctr_port, rows.v[i].proto);
		auto_free char *port = xasprintf("%u", rows.v[i].host_port);
		struct cJSON *list = json_get(o, key), *b;

		if (!list)
			list = json_add_array(o, key);
		b = json_add_object(list, NULL);
		json_add_str(b, "HostIp", *str0(rows.v[i].host_ip) ? rows.v[i].host_ip : "0.0.0.0");
		json_add_str(b, "HostPort", port);
	}
}

static void add_network(struct db *db, struct cJSON *o, const struct ctr_row *r)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows rows = { 0 };
	struct cJSON *net = json_add_object(o, "NetworkSettings"), *nets;
	AUTO_ERR(quiet);

	json_add_str(net, "SandboxID", str0(r->sandbox));
	if (r->sandbox)
		add_ports(db, net, r->sandbox);
	else
		json_add_object(net, "Ports");
	nets = json_add_object(net, "Networks");
	if (!r->sandbox || endpoint_by_sandbox(db, r->sandbox, &rows, &quiet) < 0)
		return;
	for (size_t i = 0; i < rows.n; i++)
		add_endpoint(db, nets, &rows.v[i]);
}

struct cJSON *container_inspect(struct db *db, const struct ctr_row *row, const struct ctr_spec *spec)
{
	const struct dirs *d = db_dirs(db);
	auto_free char *folder = dirs_root(d, "containers/%s", row->id), *log = xasprintf("%s/json.log", folder);
	auto_free char *name = xasprintf("/%s", row->name);
	struct cJSON *o = json_object(), *args;

	json_add_str(o, "Id", row->id);
	add_time(o, "Created", row->created_ns);
	json_add_str(o, "Path", spec->argv.n ? spec->argv.v[0] : "");
	args = json_add_array(o, "Args");
	for (size_t i = 1; i < spec->argv.n; i++)
		json_add_str(args, NULL, spec->argv.v[i]);
	add_state(o, row);
	json_add_str(o, "Image", str0(row->image_id));
	json_add_str(o, "LogPath", log);
	json_add_str(o, "Name", name);
	json_add_int(o, "RestartCount", row->restart_count);
	json_add_str(o, "Driver", spec->layers_driver ? spec->layers_driver : "overlay");
	json_add_str(o, "Platform", "linux");
	json_add_str(o, "AppArmorProfile", str0(spec->apparmor));
	json_add_null(o, "ExecIDs");
	add_host_config(o, spec);
	add_mounts(o, d, spec);
	add_config(o, spec);
	add_network(db, o, row);
	return o;
}
