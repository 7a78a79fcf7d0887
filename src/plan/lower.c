/* SPDX-License-Identifier: MIT
 *
 * compose.md §2 (attributes), §33 (labels), §36 (health), §37 (deploy on one host).
 */
#include "plan/lower.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/container/spec.h"
#include "engine/image/store.h"
#include <errno.h>

enum { SECCOMP_MAX = 1 << 20, LABEL_MAX = 64 << 10 };
#define SECOND INT64_C(1000000000)
static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void lower_strs(struct strv *to, const struct strs *from)
{
	for (size_t i = 0; i < from->n; i++)
		strv_add(to, from->v[i]);
}

void lower_kvs(struct strv *to, const struct kvs *from)
{
	for (size_t i = 0; i < from->n; i++)
		strv_addf(to, "%s=%s", from->v[i].key, str0(from->v[i].value));
}

static void replace(char **at, const char *value)
{
	free(*at);
	*at = xstrdup0(value);
}

int lower_namespace(const struct lower *l, const char *mode, const char *what, char **ret, struct err *e)
{
	const char *service = mode ? str_after(mode, "service:") : NULL;
	const char *other = mode ? str_after(mode, "container:") : NULL;
	const char *id = NULL;

	if (!service && !other) {
		*ret = mode && *mode && !streq(mode, "private") ? xstrdup(mode) : NULL;
		return 0;
	}
	if (l->container_of(l->arg, service ? service : other, !service, &id, e) < 0)
		return err_wrap(e, "cannot share the %s namespace of %s '%s'", what, service ? "service" : "container", service ? service : other);
	*ret = xasprintf("container:%s", id);
	return 0;
}

/* ---- identity ---- */

static char *label_dependencies(const struct service *s)
{
	static const char *const names[] = {
		[DEP_STARTED] = "service_started", [DEP_HEALTHY] = "service_healthy", [DEP_COMPLETED] = "service_completed_successfully",
	};
	struct str b = STR_INIT(LABEL_MAX);

	for (size_t i = 0; i < s->depends_on.n; i++) {
		const struct dependency *d = &s->depends_on.v[i];

		str_addf(&b, "%s%s:%s:%s", i ? "," : "", d->name, names[d->condition], d->restart ? "true" : "false");
	}
	return str_take(&b);
}

static void label(struct ctr_spec *c, const char *key, const char *value)
{
	auto_free char *full = xasprintf("com.docker.compose.%s", key);

	if (value)
		strv_env_set(&c->labels, full, value);
}

static void lower_labels(const struct lower *l, struct ctr_spec *c)
{
	auto_free char *number = xasprintf("%lld", (long long)l->number);
	auto_free char *depends = label_dependencies(l->s);
	AUTO_STRV(list);
	auto_free char *files = NULL;

	strv_copy(&c->labels, &l->config->labels);
	for (size_t i = 0; i < l->s->labels.n; i++)
		strv_env_set(&c->labels, l->s->labels.v[i].key, str0(l->s->labels.v[i].value));
	lower_strs(&list, &l->p->files);
	files = strv_join(&list, ",");
	label(c, "project", l->p->name);
	label(c, "service", l->s->name);
	label(c, "config-hash", l->hash);
	label(c, "container-number", l->oneoff ? "1" : number);
	label(c, "oneoff", l->oneoff ? "True" : "False");
	label(c, "slug", l->oneoff ? l->id : NULL);
	label(c, "project.working_dir", l->p->dir);
	label(c, "project.config_files", files);
	label(c, "project.environment_file", l->env_files);
	label(c, "depends_on", depends);
	label(c, "image", l->image->id);
}

static void lower_identity(const struct lower *l, struct ctr_spec *c)
{
	replace(&c->id, l->id);
	replace(&c->name, l->name);
	replace(&c->project, l->p->name);
	replace(&c->service, l->s->name);
	c->number = l->number;
	c->oneoff = l->oneoff;
	replace(&c->image_ref, service_image(l->s));
	replace(&c->image_id, l->image->id);
	strv_copy(&c->layers, &l->image->layers);
	replace(&c->layers_driver, l->image_driver);
	lower_kvs(&c->annotations, &l->s->annotations);
	lower_labels(l, c);
}

/* ---- process ---- */

/* An entrypoint of the service discards the image's command; given and empty clears the image's (compose.md §2). */
static void lower_argv(const struct lower *l, struct ctr_spec *c)
{
	const struct service *s = l->s;
	bool own_entrypoint = s->entrypoint.v != NULL;

	if (own_entrypoint)
		lower_strs(&c->argv, &s->entrypoint);
	else
		strv_copy(&c->argv, &l->config->entrypoint);
	if (s->command.v)
		lower_strs(&c->argv, &s->command);
	else if (!own_entrypoint)
		strv_copy(&c->argv, &l->config->cmd);
}

static void lower_env(const struct lower *l, struct ctr_spec *c)
{
	const struct kvs *env = &l->s->environment;

	strv_copy(&c->env, &l->config->env);
	if (!strv_env_get(&c->env, "PATH"))
		strv_env_set(&c->env, "PATH", default_path);
	if (l->s->tty && !strv_env_get(&c->env, "TERM"))
		strv_env_set(&c->env, "TERM", "xterm");
	for (size_t i = 0; i < env->n; i++) {
		if (env->v[i].value)
			strv_env_set(&c->env, env->v[i].key, env->v[i].value);
		else
			strv_env_unset(&c->env, env->v[i].key);
	}
}

static void lower_process(const struct lower *l, struct ctr_spec *c)
{
	const struct service *s = l->s;

	lower_argv(l, c);
	lower_env(l, c);
	replace(&c->cwd, s->working_dir ? s->working_dir : l->config->cwd);
	replace(&c->user, s->user && *s->user ? s->user : l->config->user);
	lower_strs(&c->group_add, &s->group_add);
	replace(&c->hostname, s->hostname);
	replace(&c->domainname, s->domainname);
	c->tty = s->tty;
	c->stdin_open = s->stdin_open;
	c->stdin_once = s->stdin_open && l->oneoff; /* the end of what `run` is given is the end of its input */
	c->init = s->init == TRI_TRUE;
	replace(&c->stop_signal, s->stop_signal ? s->stop_signal : l->config->stop_signal);
	c->stop_grace_ns = opt_or(s->stop_grace_period, -1);
}

/* ---- security ---- */

static int seccomp_profile(const struct lower *l, struct ctr_spec *c, const char *value, struct err *e)
{
	auto_free char *path = NULL;
	char *text = NULL;

	if (streq(value, "unconfined") || streq(value, "builtin")) {
		replace(&c->seccomp, streq(value, "builtin") ? NULL : value);
		return 0;
	}
	path = path_join(l->p->dir, value);
	TRY(file_read(path, SECCOMP_MAX, &text, NULL, e));
	free(c->seccomp);
	c->seccomp = text;
	return 0;
}

static int security_option(const struct lower *l, struct ctr_spec *c, const char *opt, struct err *e)
{
	size_t key = strcspn(opt, "=:");
	const char *value = opt[key] ? opt + key + 1 : NULL;
	auto_free char *name = xstrndup(opt, key);

	if (streq(name, "no-new-privileges")) {
		c->no_new_privs = true;
		return value ? num_bool(value, &c->no_new_privs, e) : 0;
	}
	if (value && streq(name, "seccomp"))
		return seccomp_profile(l, c, value, e);
	if (value && streq(name, "apparmor")) {
		replace(&c->apparmor, value);
		return 0;
	}
	if (value && streq(name, "label")) {
		replace(&c->selinux, value);
		return 0;
	}
	if (value && streq(name, "systempaths") && streq(value, "unconfined")) {
		c->unconfined_paths = true;
		return 0;
	}
	return err_set(e, EINVAL, "invalid security-opt: \"%s\"", opt);
}

static int lower_security(const struct lower *l, struct ctr_spec *c, struct err *e)
{
	const struct service *s = l->s;

	c->privileged = s->privileged;
	c->read_only = s->read_only;
	lower_strs(&c->cap_add, &s->cap_add);
	lower_strs(&c->cap_drop, &s->cap_drop);
	for (size_t i = 0; i < s->security_opt.n; i++)
		if (security_option(l, c, s->security_opt.v[i], e) < 0)
			return err_wrap(e, "security_opt");
	for (size_t i = 0; i < s->devices.n; i++) {
		const struct device *d = &s->devices.v[i];
		struct device_spec *to;

		if (!path_is_abs(d->source))
			return err_set(e, EOPNOTSUPP, "devices: '%s': only device files are supported, no CDI names", d->source);
		to = ctr_spec_add_device(c);
		replace(&to->host, d->source);
		replace(&to->ctr, d->target ? d->target : d->source);
		replace(&to->perms, d->permissions ? d->permissions : "rwm");
	}
	for (size_t i = 0; i < s->ulimits.n; i++) {
		struct ulimit_spec *u = ctr_spec_add_ulimit(c);

		replace(&u->name, s->ulimits.v[i].name);
		u->soft = s->ulimits.v[i].soft;
		u->hard = s->ulimits.v[i].hard;
	}
	return 0;
}

/* ---- namespaces ---- */

static int lower_namespaces(const struct lower *l, struct ctr_spec *c, struct err *e)
{
	const struct service *s = l->s;

	TRY(lower_namespace(l, s->ipc, "IPC", &c->ipc, e));
	TRY(lower_namespace(l, s->pid, "PID", &c->pid, e));
	TRY(lower_namespace(l, s->uts, "UTS", &c->uts, e));
	replace(&c->cgroupns, s->cgroup);
	replace(&c->userns, s->userns_mode && *s->userns_mode ? s->userns_mode : NULL);
	lower_kvs(&c->sysctls, &s->sysctls);
	c->shm_size = s->shm_size > 0 ? s->shm_size : -1;
	return 0;
}

/* ---- resources ---- */

static int64_t given(int64_t v)
{
	return v ? v : -1;
}

static void lower_blkio(const struct blkio *b, struct resource_spec *r)
{
	if (!b)
		return;
	r->blkio_weight = given(b->weight);
	for (size_t i = 0; i < b->weight_device.n; i++)
		strv_addf(&r->blkio_weight_device, "%s:%lld", b->weight_device.v[i].path, (long long)b->weight_device.v[i].weight);
	for (size_t i = 0; i < b->device_read_bps.n; i++)
		strv_addf(&r->read_bps, "%s:%lld", b->device_read_bps.v[i].path, (long long)b->device_read_bps.v[i].rate);
	for (size_t i = 0; i < b->device_write_bps.n; i++)
		strv_addf(&r->write_bps, "%s:%lld", b->device_write_bps.v[i].path, (long long)b->device_write_bps.v[i].rate);
	for (size_t i = 0; i < b->device_read_iops.n; i++)
		strv_addf(&r->read_iops, "%s:%lld", b->device_read_iops.v[i].path, (long long)b->device_read_iops.v[i].rate);
	for (size_t i = 0; i < b->device_write_iops.n; i++)
		strv_addf(&r->write_iops, "%s:%lld", b->device_write_iops.v[i].path, (long long)b->device_write_iops.v[i].rate);
}

static void lower_resources(const struct lower *l, struct ctr_spec *c)
{
	static const struct resource_limits none;
	const struct service *s = l->s;
	const struct resource_limits *lim = s->deploy && s->deploy->resources.limits ? s->deploy->resources.limits : &none;
	const struct resource_limits *res = s->deploy && s->deploy->resources.reservations ? s->deploy->resources.reservations : &none;
	struct resource_spec *r = &c->res;
	double cpus = lim->cpus > 0 ? lim->cpus : s->cpus;

	r->memory = given(lim->memory ? lim->memory : s->mem_limit);
	r->memory_reservation = given(res->memory ? res->memory : s->mem_reservation);
	r->pids = lim->pids ? lim->pids : given(s->pids_limit);
	if (s->memswap_limit)
		r->memswap = s->memswap_limit;
	else if (r->memory > 0)
		r->memswap = 2 * r->memory; /* as much swap as memory: docker's default */
	r->swappiness = given(s->mem_swappiness);
	r->cpu_quota_us = given(s->cpu_quota);
	r->cpu_period_us = given(s->cpu_period);
	r->cpu_shares = given(s->cpu_shares);
	r->cpu_rt_runtime_us = given(s->cpu_rt_runtime);
	r->cpu_rt_period_us = given(s->cpu_rt_period);
	r->nano_cpus = cpus > 0 ? (int64_t)(cpus * 1e9 + 0.5) : -1;
	replace(&r->cpuset_cpus, s->cpuset);
	lower_blkio(s->blkio, r);
	r->oom_kill_disable = s->oom_kill_disable;
	if (s->oom_score_adj)
		r->oom_score_adj = s->oom_score_adj;
	replace(&r->cgroup_parent, s->cgroup_parent && *s->cgroup_parent ? s->cgroup_parent : NULL);
	lower_strs(&r->device_cgroup_rules, &s->device_cgroup_rules);
}

/* ---- restart, health, logs, hooks ---- */

static int restart_word(struct restart_spec *r, const char *word, struct err *e)
{
	static const struct {
		const char *word;
		enum restart_policy policy;
	} words[] = {
		{ "", RESTART_NO }, { "no", RESTART_NO }, { "none", RESTART_NO }, { "always", RESTART_ALWAYS }, { "any", RESTART_ALWAYS },
		{ "unless-stopped", RESTART_UNLESS_STOPPED }, { "on-failure", RESTART_ON_FAILURE },
	};
	const char *count = str_after(word, "on-failure:");

	if (count) {
		r->policy = RESTART_ON_FAILURE;
		return num_int(count, 0, INT32_MAX, &r->max_retries, e);
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (streq(words[i].word, word)) {
			r->policy = words[i].policy;
			return 0;
		}
	err_set(e, EINVAL, "unknown policy '%s'", word);
	err_hint(e, "one of: no, always, unless-stopped, on-failure, on-failure:N");
	return -EINVAL;
}

static int lower_restart(const struct lower *l, struct ctr_spec *c, struct err *e)
{
	const struct deploy_restart *d = l->s->deploy ? l->s->deploy->restart_policy : NULL;

	if (l->oneoff)
		return 0;
	if (!d)
		return restart_word(&c->restart, str0(l->s->restart), e) < 0 ? err_wrap(e, "restart") : 0;
	if (restart_word(&c->restart, d->condition ? d->condition : "any", e) < 0)
		return err_wrap(e, "deploy.restart_policy.condition");
	if (c->restart.policy == RESTART_ON_FAILURE)
		c->restart.max_retries = opt_or(d->max_attempts, 0);
	c->restart.delay_ns = opt_or(d->delay, -1);
	c->restart.window_ns = opt_or(d->window, -1);
	return 0;
}

/* "CMD-SHELL" runs in the image's SHELL; without one the engine takes /bin/sh. */
static void health_test(const struct lower *l, struct strv *test)
{
	AUTO_STRV(with_shell);

	if (test->n < 2 || !streq(test->v[0], "CMD-SHELL") || l->config->shell.n == 0)
		return;
	strv_add(&with_shell, "CMD");
	strv_copy(&with_shell, &l->config->shell);
	strv_add(&with_shell, test->v[1]);
	strv_clear(test);
	strv_copy(test, &with_shell);
}

static int lower_health(const struct lower *l, struct ctr_spec *c, struct err *e)
{
	static const struct healthcheck nothing;
	const struct healthcheck *h = l->s->healthcheck ? l->s->healthcheck : &nothing;
	const struct cJSON *image = l->config->healthcheck;
	struct health_spec *to = &c->health;

	if (h->disable)
		return 0;
	if (h->test.n)
		lower_strs(&to->test, &h->test);
	else
		json_strv(image, "Test", &to->test);
	if (to->test.n == 0 || streq(to->test.v[0], "NONE")) {
		strv_clear(&to->test);
		return 0;
	}
	if (h->start_interval.set && !h->start_period.set && json_int(image, "StartPeriod", 0) == 0)
		return err_set(e, EINVAL, "healthcheck.start_interval requires healthcheck.start_period to be set");
	health_test(l, &to->test);
	to->interval_ns = opt_or(h->interval, json_int(image, "Interval", 0));
	to->timeout_ns = opt_or(h->timeout, json_int(image, "Timeout", 0));
	to->start_period_ns = opt_or(h->start_period, json_int(image, "StartPeriod", 0));
	to->start_interval_ns = opt_or(h->start_interval, json_int(image, "StartInterval", 0));
	to->retries = opt_or(h->retries, json_int(image, "Retries", 0));
	/* zero means the engine's default, as with docker */
	to->interval_ns = to->interval_ns > 0 ? to->interval_ns : 30 * SECOND;
	to->timeout_ns = to->timeout_ns > 0 ? to->timeout_ns : 30 * SECOND;
	to->start_interval_ns = to->start_interval_ns > 0 ? to->start_interval_ns : 5 * SECOND;
	to->retries = to->retries > 0 ? to->retries : 3;
	return 0;
}

static void hooks_add(struct cJSON *o, const char *key, const struct hook *v, size_t n)
{
	struct cJSON *list = n ? json_add_array(o, key) : NULL;

	for (size_t i = 0; i < n; i++) {
		struct cJSON *h = json_add_object(list, NULL);
		AUTO_STRV(command);
		AUTO_STRV(env);

		lower_strs(&command, &v[i].command);
		lower_kvs(&env, &v[i].environment);
		json_add_strv(h, "command", &command);
		json_add_strv(h, "environment", &env);
		json_add_str(h, "user", v[i].user);
		json_add_str(h, "working_dir", v[i].working_dir);
		json_add_bool(h, "privileged", v[i].privileged);
	}
}

static void lower_hooks(const struct service *s, struct ctr_spec *c)
{
	AUTO(json_free) struct cJSON *o = NULL;

	if (s->post_start.n + s->pre_stop.n == 0)
		return;
	o = json_object();
	hooks_add(o, "post_start", s->post_start.v, s->post_start.n);
	hooks_add(o, "pre_stop", s->pre_stop.v, s->pre_stop.n);
	c->hooks = json_text(o, false);
	c->has_pre_stop = s->pre_stop.n > 0;
}

static void lower_log(const struct service *s, struct ctr_spec *c)
{
	if (!s->logging)
		return;
	replace(&c->log.driver, s->logging->driver);
	lower_kvs(&c->log.options, &s->logging->options);
}

/* Who names another runtime or isolation counts on what that does (a GPU, a sandbox): starting without it would be worse than not at all. */
static int check_engine(const struct service *s, struct err *e)
{
	if (str0(s->runtime)[0] && !str_in(s->runtime, service_runtimes))
		return err_set(e, EOPNOTSUPP, "runtime: '%s' is not there: containers are run by gantry itself, as runc does", s->runtime);
	if (str0(s->isolation)[0] && !str_in(s->isolation, service_isolations))
		return err_set(e, EOPNOTSUPP, "isolation: '%s' does not exist on Linux, only 'default'", s->isolation);
	if (s->cpus > 0 && s->cpu_quota)
		return err_set(e, EINVAL, "cpus and cpu_quota cannot both be set");
	return 0;
}

int lower_service(const struct lower *l, struct ctr_spec **ret, struct err *e)
{
	AUTO(ctr_spec_free) struct ctr_spec *c = ctr_spec_new();

	TRY(check_engine(l->s, e));
	lower_identity(l, c);
	lower_process(l, c);
	TRY(lower_security(l, c, e));
	TRY(lower_namespaces(l, c, e));
	lower_resources(l, c);
	TRY(lower_restart(l, c, e));
	TRY(lower_health(l, c, e));
	lower_log(l->s, c);
	lower_hooks(l->s, c);
	TRY(lower_network(l, c, e));
	TRY(lower_mounts(l, c, e));
	TRY(ctr_spec_check(c, e));
	*ret = TAKE(c);
	return 0;
}
