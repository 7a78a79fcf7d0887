/* SPDX-License-Identifier: MIT
 *
 * compose/project.h - the typed model of a Compose project: what load.c hands to plan/, config, export
 *
 * Plain structs, all in the arena of the load: no destructors, nothing shared with the next load. Filled by the rows of
 * fields_*.c (one row per attribute of the Compose Specification), completed by normalize.c.
 *
 * How values look, everywhere in this file:
 *   const char *          NULL: not given
 *   struct strs           v NULL: not given; v set and n 0: given and empty (command: []). v[n] is NULL.
 *   struct kvs            sorted by key, keys unique; value NULL: null, or a variable that is not set
 *   struct opt_int        .set says whether it was given; int64_t alone: 0 is not given
 *   enum tri              unset, false, true
 *   LIST_OF(struct x)     .v[0..n); maps of the file are lists sorted by .name
 *   durations ns · sizes bytes · CPU time: cpus as double, the others in microseconds as the file says
 * `node` is the canonical node an object came from: position of attribute "ports" is node_get(s->node, "ports")->pos.
 * `ext` holds the x-* keys (a map node, NULL: none).
 */
#pragma once
#include "base/auto.h"
#include "compose/node.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct map;

struct strs {
	const char **v;
	size_t n;
};
struct kv {
	const char *key, *value;
};
struct kvs {
	struct kv *v;
	size_t n;
};
struct opt_int {
	bool set;
	int64_t v;
};
enum tri { TRI_UNSET, TRI_FALSE, TRI_TRUE };
#define LIST_OF(type)                                                                              \
	struct {                                                                                   \
		type *v;                                                                           \
		size_t n;                                                                          \
	}

/* ---- parts of a service ---- */

enum dep_condition { DEP_STARTED, DEP_HEALTHY, DEP_COMPLETED };
struct dependency {
	const char *name; /* service */
	const struct node *node;
	enum dep_condition condition;
	const char *condition_text;
	bool required;    /* false: a failing or disabled dependency is a warning */
	bool restart;     /* restarted and recreated with it */
	bool implied;     /* from links, namespaces, volumes_from: not written by the user */
	struct node *ext;
};

struct port {
	const struct node *node;
	const char *name, *mode, *app_protocol;
	const char *host_ip;       /* NULL: all addresses, IPv4 and IPv6 */
	int64_t target;            /* 1..65535 */
	const char *published;     /* as text: NULL/"" any free port; "8080"; "8080-8090": any free one of the range */
	uint16_t published_from, published_to; /* 0: any free port */
	bool bad;                  /* target or published is no port number: the project has a NOTE_REFUSED */
	const char *protocol;      /* "tcp", "udp", "sctp" */
	struct node *ext;
};

enum mount_kind { MOUNT_VOLUME, MOUNT_BIND, MOUNT_TMPFS, MOUNT_IMAGE, MOUNT_CLUSTER, MOUNT_NPIPE };
struct mount_bind {
	const char *propagation;   /* NULL: rprivate */
	bool create_host_path;     /* a missing source is made; the short form says so, the long form must */
	const char *selinux;       /* "z", "Z" */
	const char *recursive;     /* "enabled", "disabled", "writable", "readonly" */
	struct node *ext;
};
struct mount_volume {
	bool nocopy;
	const char *subpath;
	struct kvs labels;
	struct node *ext;
};
struct mount_tmpfs {
	int64_t size;              /* bytes, 0: the kernel's default */
	int64_t mode;              /* 0: 01777 */
	struct node *ext;
};
struct mount_image {
	const char *subpath;
	struct node *ext;
};
struct mount {
	const struct node *node;
	enum mount_kind type;
	const char *type_text;     /* as written */
	const char *source;        /* bind: absolute path; volume: key in project.volumes, NULL: anonymous; image: reference */
	const char *target;
	bool read_only;
	const char *consistency;
	struct mount_bind *bind;   /* NULL: nothing said */
	struct mount_volume *volume;
	struct mount_tmpfs *tmpfs;
	struct mount_image *image;
	struct node *ext;
};

/* Use of a secret or config by a service (also build.secrets). */
struct file_ref {
	const struct node *node;
	const char *source;        /* key in project.secrets / configs */
	const char *target;        /* secrets: absolute or below /run/secrets; configs: NULL means /<source> */
	const char *uid, *gid;     /* NULL: 0 */
	struct opt_int mode;       /* unset: 0444 */
	struct node *ext;
};

struct healthcheck {
	const struct node *node;
	struct strs test;          /* "CMD", … | "CMD-SHELL", line | "NONE"; not given: the image's */
	bool disable;
	struct opt_int interval, timeout, start_period, start_interval; /* ns */
	struct opt_int retries;
	struct node *ext;
};

struct service_network {
	const char *name;          /* key in project.networks */
	const struct node *node;
	bool null;                 /* printed as null: nothing said about the attachment */
	struct strs aliases, link_local_ips;
	const char *ipv4_address, *ipv6_address, *mac_address, *interface_name;
	int64_t priority, gw_priority;
	struct kvs driver_opts;
	struct node *ext;
};

struct ulimit {
	const char *name;          /* "nofile" */
	const struct node *node;
	bool single;               /* one number for both */
	int64_t soft, hard;        /* -1: unlimited */
	struct node *ext;
};

struct logging {
	const struct node *node;
	const char *driver;        /* NULL: the default */
	struct kvs options;
	struct node *ext;
};

struct blkio_weight {
	const char *path;
	int64_t weight;
	struct node *ext;
};
struct blkio_rate {
	const char *path;
	int64_t rate;              /* bytes or operations a second */
	struct node *ext;
};
struct blkio {
	const struct node *node;
	int64_t weight;            /* 10..1000, 0: not given */
	LIST_OF(struct blkio_weight) weight_device;
	LIST_OF(struct blkio_rate) device_read_bps;
	LIST_OF(struct blkio_rate) device_read_iops;
	LIST_OF(struct blkio_rate) device_write_bps;
	LIST_OF(struct blkio_rate) device_write_iops;
	struct node *ext;
};

/* devices[]: a device node of the host, or a CDI name (vendor/class=name) where source equals target. */
struct device {
	const struct node *node;
	const char *source, *target, *permissions; /* permissions: NULL or "rwm" and parts of it */
	struct node *ext;
};

/* gpus[] and deploy.resources.reservations.devices[]. */
struct device_request {
	const struct node *node;
	struct strs capabilities, device_ids;
	const char *driver;
	struct opt_int count;      /* -1: all */
	struct kvs options;
	struct node *ext;
};

struct credential_spec {
	const char *config, *file, *registry;
	struct node *ext;
};

struct env_file {
	const struct node *node;
	const char *path;          /* absolute */
	bool required;
	const char *format;        /* NULL: dotenv; "raw" */
};

/* pre_start, post_start, pre_stop, develop.watch exec. */
struct hook {
	const struct node *node;
	struct strs command;
	const char *image, *user, *working_dir;
	bool privileged, per_replica;
	struct kvs environment;
	struct node *ext;
};

struct service_model {
	const char *name;          /* key in project.models */
	const struct node *node;
	bool null;
	const char *endpoint_var, *model_var;
	struct node *ext;
};

struct provider {
	const struct node *node;
	const char *type;
	struct node *options;      /* map of name -> list of strings */
	struct node *ext;
};

struct watch_rule {
	const struct node *node;
	const char *path;          /* absolute, links resolved */
	const char *action;        /* "rebuild", "sync", "restart", "sync+restart", "sync+exec" */
	const char *target;
	struct strs ignore, include;
	struct hook *exec;
	bool initial_sync;
	struct node *ext;
};
struct develop {
	const struct node *node;
	LIST_OF(struct watch_rule) watch;
	struct node *ext;
};

struct build {
	const struct node *node;
	const char *context;       /* absolute path, URL, or "service:x" */
	const char *dockerfile, *dockerfile_inline;
	struct kvs args;           /* resolved: a variable that is not set is left out */
	struct kvs additional_contexts;
	struct kvs ssh;            /* id -> path, NULL or "": the agent */
	struct kvs labels;
	struct strs cache_from, cache_to, entitlements, extra_hosts, no_cache_filter, platforms, tags;
	const char *isolation, *network, *target, *provenance, *sbom;
	bool no_cache, privileged, pull;
	LIST_OF(struct file_ref) secrets;
	int64_t shm_size;
	LIST_OF(struct ulimit) ulimits;
	struct node *ext;
};

/* ---- deploy ---- */

struct discrete_resource {
	const char *kind;
	int64_t value;
	struct node *ext;
};
struct generic_resource {
	struct discrete_resource *discrete;
	struct node *ext;
};
struct resource_limits {
	const struct node *node;
	double cpus;               /* 0: not given */
	int64_t memory;            /* bytes, 0: not given */
	int64_t pids;
	LIST_OF(struct device_request) devices;             /* reservations only */
	LIST_OF(struct generic_resource) generic_resources; /* reservations only */
	struct node *ext;
};
struct resources {
	struct resource_limits *limits, *reservations; /* NULL: not given */
	struct node *ext;
};
struct deploy_restart {
	const char *condition;     /* "none", "on-failure", "any" */
	struct opt_int delay, window; /* ns */
	struct opt_int max_attempts;
	struct node *ext;
};
struct update_config {
	struct opt_int parallelism;
	struct opt_int delay, monitor; /* ns */
	const char *failure_action, *order;
	double max_failure_ratio;
	struct node *ext;
};
struct placement_preference {
	const char *spread;
	struct node *ext;
};
struct placement {
	struct strs constraints;
	LIST_OF(struct placement_preference) preferences;
	int64_t max_replicas_per_node;
	struct node *ext;
};
struct deploy {
	const struct node *node;
	const char *mode, *endpoint_mode;
	struct opt_int replicas;
	struct kvs labels;
	struct update_config *update_config, *rollback_config;
	struct resources resources;
	struct deploy_restart *restart_policy;
	struct placement placement;
	struct node *ext;
};

/* ---- service ---- */

struct service {
	const char *name;
	const struct node *node;   /* its canonical body */
	const struct project *project;
	bool disabled;             /* by profiles: known (not an orphan), not started, not validated */
	bool off;                  /* by profiles, also where every_profile keeps it from being disabled: only meant when it is named */

	struct strs profiles;
	struct kvs annotations;
	enum tri attach;
	struct build *build;
	struct develop *develop;
	struct blkio *blkio;
	struct strs cap_add, cap_drop;
	const char *cgroup_parent, *cgroup;
	int64_t cpu_count, cpu_period, cpu_quota, cpu_rt_period, cpu_rt_runtime, cpu_shares;
	double cpu_percent, cpus;
	const char *cpuset;
	struct strs command, entrypoint; /* not given: the image's; given and empty: cleared */
	LIST_OF(struct file_ref) configs;
	LIST_OF(struct file_ref) secrets;
	const char *container_name;
	struct credential_spec *credential_spec;
	LIST_OF(struct dependency) depends_on;
	struct deploy *deploy;
	struct strs device_cgroup_rules;
	LIST_OF(struct device) devices;
	struct strs dns, dns_opt, dns_search;
	const char *domainname, *hostname;
	struct provider *provider;
	struct kvs environment;    /* env_file applied, nulls resolved; value NULL: unset, removes the image's variable */
	LIST_OF(struct env_file) env_file;
	struct strs expose, external_links, extra_hosts /* "host=ip", sorted */, group_add;
	LIST_OF(struct device_request) gpus;
	struct healthcheck *healthcheck;
	const char *image;         /* NULL: built, see service_image() */
	enum tri init;
	const char *ipc, *isolation;
	struct kvs labels;         /* label_file applied */
	struct strs label_file;
	struct strs links;
	struct logging *logging;
	int64_t mem_limit, mem_reservation, memswap_limit, mem_swappiness;
	const char *mac_address;
	LIST_OF(struct service_model) models;
	const char *network_mode;  /* "host", "none", "bridge", "service:x", "container:x", name; NULL: networks */
	LIST_OF(struct service_network) networks;
	bool oom_kill_disable;
	int64_t oom_score_adj;
	const char *pid;
	int64_t pids_limit;        /* -1: unlimited, 0: not given */
	const char *platform;
	LIST_OF(struct port) ports;
	bool privileged, read_only, stdin_open, tty, use_api_socket;
	const char *pull_policy, *restart, *runtime;
	struct opt_int scale;
	struct strs security_opt;
	int64_t shm_size;
	struct opt_int stop_grace_period; /* ns */
	const char *stop_signal;
	struct kvs storage_opt, sysctls;
	struct strs tmpfs;         /* "/run:size=64m,mode=1777" */
	LIST_OF(struct ulimit) ulimits;
	const char *user, *userns_mode, *uts;
	LIST_OF(struct mount) volumes;
	struct strs volumes_from;
	const char *working_dir;
	const struct node *extends; /* of a service without a body; NULL */
	LIST_OF(struct hook) pre_start;
	LIST_OF(struct hook) post_start;
	LIST_OF(struct hook) pre_stop;
	struct node *ext;
};

/* ---- top level ---- */

struct ipam_pool {
	const struct node *node;
	const char *subnet, *ip_range, *gateway;
	struct kvs aux_addresses;
	struct node *ext;
};
struct ipam {
	const char *driver;
	LIST_OF(struct ipam_pool) config;
	struct kvs options;
	struct node *ext;
};
struct network {
	const char *key;
	const struct node *node;
	const char *name;          /* real name: <project>_<key> unless given */
	const char *driver;
	struct kvs driver_opts, labels;
	struct ipam ipam;
	bool external, internal, attachable;
	enum tri enable_ipv4, enable_ipv6;
	bool used;                 /* by an active service */
	struct node *ext;
};
struct volume {
	const char *key;
	const struct node *node;
	const char *name, *driver;
	struct kvs driver_opts, labels;
	bool external;
	bool outside;              /* named on the command line only: made when it is not there, and of no project then */
	bool used;
	struct node *ext;
};
/* A secret or a config. */
struct file_object {
	const char *key;
	const struct node *node;
	const char *name;
	const char *file;          /* absolute */
	const char *environment;   /* the variable's name */
	const char *content;       /* configs */
	const char *value;         /* content or the variable's value, for the container; NULL: none, or it is a file */
	bool external;
	struct kvs labels, driver_opts;
	const char *driver, *template_driver;
	bool used;
	struct node *ext;
};
struct model {
	const char *key;
	const struct node *node;
	const char *name, *model;
	int64_t context_size;
	struct strs runtime_flags;
	bool used;
	struct node *ext;
};

/* What the user should hear once, before anything starts; also `config --support`. */
enum note_kind {
	NOTE_WARNING,              /* of loading: deprecated, obsolete, variable not set */
	NOTE_UNSUPPORTED,          /* a known key that has no or only a partial effect here */
	NOTE_REFUSED,              /* a known key that the engine cannot do: `up` must not start the service without it */
};
struct note {
	enum note_kind kind;
	struct pos pos;
	const char *service;       /* NULL: not of a service */
	const char *key;           /* "services.web.isolation"; NULL: none */
	const char *text;          /* "'isolation' only means something on Windows" */
};
struct notes {
	struct note *v;
	size_t n, cap;
};

struct project {
	struct arena *arena;
	const char *name;
	const char *dir;           /* absolute project directory */
	struct strs files;         /* absolute paths of the compose files, in order */
	struct strs env_files;     /* given with --env-file */
	struct strs active_profiles;
	const struct node *tree;   /* merged canonical tree */
	const struct map *env;     /* the loading environment: name -> value */
	LIST_OF(struct service) services; /* sorted by name, disabled ones too: see .disabled */
	LIST_OF(struct network) networks; /* sorted by key; unused ones too: see .used */
	LIST_OF(struct volume) volumes;
	LIST_OF(struct file_object) secrets;
	LIST_OF(struct file_object) configs;
	LIST_OF(struct model) models;
	struct notes notes;
	struct node *ext;
};

/* By name, NULL when there is none. project_service finds disabled ones too. O(log n). */
struct service *project_service(const struct project *p, const char *name);
struct network *project_network(const struct project *p, const char *key);
struct volume *project_volume(const struct project *p, const char *key);
struct file_object *project_secret(const struct project *p, const char *key);
struct file_object *project_config(const struct project *p, const char *key);
struct model *project_model(const struct project *p, const char *key);

/* Number of containers: scale, deploy.replicas, 1. */
int service_replicas(const struct service *s);
/* image, or "<project>-<service>" when it is built. In the project's arena. */
const char *service_image(const struct service *s);
/* The value of an opt_int or DFLT. */
static inline int64_t opt_or(struct opt_int o, int64_t dflt)
{
	return o.set ? o.v : dflt;
}
const char *kvs_get(const struct kvs *l, const char *key); /* NULL: absent or null */
bool strs_has(const struct strs *l, const char *s);

/* Values of `runtime` and `isolation` that mean what gantry does; NULL-terminated. */
extern const char *const service_runtimes[], *const service_isolations[];

/* Adds a note once per position and text. */
void project_note(struct project *p, enum note_kind kind, struct pos pos, const char *service, const char *key,
		  const char *text);

/* SHA-256 of what makes a container of S what it is: only the F_HASH fields that are set, the content of its secrets and
 * configs, and a version, so that a new attribute or release recreates nobody. Not: scale, replicas, build, depends_on, profiles,
 * pull_policy, x-*. Reads secret and config files; a missing one counts as empty (starting it tells). */
enum { PROJECT_HASH_MAX = 65 };
int project_hash_service(const struct project *p, const struct service *s, char out[PROJECT_HASH_MAX], struct err *e);
int project_hash_network(const struct project *p, const struct network *n, char out[PROJECT_HASH_MAX], struct err *e);
int project_hash_volume(const struct project *p, const struct volume *v, char out[PROJECT_HASH_MAX], struct err *e);

/* The hashed fields of S as canonical JSON: what the container row keeps for service_diff. Caller frees. */
char *service_json(const struct project *p, const struct service *s);
/* The names of the top-level fields in which SAVED (of service_json) and S differ: "image, environment", "" when none. Content of
 * secrets and configs shows as "secrets", "configs". Caller frees. SAVED that does not parse: "configuration". */
char *service_diff(const struct project *p, const struct service *s, const char *saved);
