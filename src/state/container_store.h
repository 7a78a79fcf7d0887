/* SPDX-License-Identifier: MIT
 * state/container_store.h - containers and their sandboxes' owners
 */
#pragma once
#include "base/auto.h"
#include "base/id.h"
#include "base/names.h"
#include "base/proc.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
enum ctr_state {
	CTR_CREATED, CTR_STARTING, CTR_RUNNING, CTR_PAUSED, CTR_STOPPING, CTR_RESTARTING /* waiting for its backoff */, CTR_EXITED,
	CTR_REMOVING, CTR_DEAD, CTR_STATES
};
DECLARE_NAMES(ctr_state) /* "created", "starting", "running", "paused", "stopping", "restarting", "exited", "removing", "dead" */
/* A process runs in it: what docker inspect calls Running. */
bool ctr_state_runs(enum ctr_state state);
/* A process runs in it or is about to (it starts, or waits for its restart): it is somebody's concern, and what it uses is in use. */
bool ctr_state_live(enum ctr_state state);
enum ctr_desired { DESIRED_CREATED, DESIRED_RUNNING, DESIRED_STOPPED };
enum { CTR_EXIT_UNKNOWN = 255 /* what docker shows for a container that a power cut ended */ };
enum ctr_health { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };
DECLARE_NAMES(ctr_health) /* "", "starting", "healthy", "unhealthy" */

struct ctr_row {
	char *id;           /* 64 hex */
	char *name;         /* unique in the root */
	char *project, *service;
	int64_t number;     /* replica, from 1 */
	bool oneoff;        /* `run` */
	char *image_ref;    /* as the file names it */
	char *image_id;     /* sha256:… */
	char *hash;         /* config hash of the service, with version */
	char *config;       /* canonical JSON of the service when it was created: names the fields that changed later */
	char *sandbox;      /* sandbox id: its own or the one it joins; NULL: host's network */
	int64_t created_ns;
	enum ctr_desired desired; /* what the user wants: up/start -> running, stop -> stopped; a host that goes down changes nothing */
	/* facts, written by the monitor */
	enum ctr_state state;
	struct proc_id pid;   /* first process, 0: none */
	char *boot_id;        /* boot in which pid was valid */
	struct proc_id keeper;
	int64_t started_ns, finished_ns;
	int64_t exit_code;
	bool exit_known;      /* false after a crash that hid it */
	bool oom;
	char *error;          /* why the last start failed, NULL */
	int64_t restart_count;
	enum ctr_health health;
	char *health_log;     /* JSON array of the last 5 probes as docker inspect shows them: {Start,End,ExitCode,Output} */
};
void ctr_row_done(struct ctr_row *c);
struct ctr_rows {
	struct ctr_row *v;
	size_t n, cap;
};
#define CTR_ROWS_INIT ((struct ctr_rows){ 0 })
void ctr_rows_done(struct ctr_rows *l);

/* Inserts; -EEXIST with a text when the name is taken (naming the other's project and service). */
int ctr_insert(struct db *db, const struct ctr_row *c, struct err *e);
int ctr_get(struct db *db, const char *id, struct ctr_row *ret, struct err *e); /* 1: none */
/* By name, full id, or a unique id prefix; 1: none; -EINVAL: ambiguous. */
int ctr_find(struct db *db, const char *name_or_id, struct ctr_row *ret, struct err *e);
/* PROJECT NULL: all. SERVICE NULL: all. Ordered by service, oneoff, number. */
int ctr_list(struct db *db, const char *project, const char *service, struct ctr_rows *ret, struct err *e);
int ctr_by_image(struct db *db, const char *image_id, struct ctr_rows *ret, struct err *e);
int ctr_set_desired(struct db *db, const char *id, enum ctr_desired desired, struct err *e);
int ctr_set_hash(struct db *db, const char *id, const char *hash, const char *config, struct err *e);
int ctr_rename(struct db *db, const char *id, const char *name, struct err *e);
int ctr_set_number(struct db *db, const char *id, int64_t number, struct err *e);
/* The monitor's facts, one statement each. */
int ctr_set_starting(struct db *db, const char *id, struct err *e);
int ctr_set_running(struct db *db, const char *id, const struct proc_id *pid, const struct proc_id *keeper, const char *boot_id, int64_t started_ns, struct err *e);
int ctr_set_keeper(struct db *db, const char *id, const struct proc_id *keeper, struct err *e);
int ctr_set_state(struct db *db, const char *id, enum ctr_state state, struct err *e); /* paused, stopping, restarting, removing */
int ctr_set_exited(struct db *db, const char *id, int64_t exit_code, bool known, bool oom, int64_t finished_ns, struct err *e);
int ctr_set_error(struct db *db, const char *id, const char *error, int64_t exit_code, struct err *e); /* start failed: state exited */
int ctr_set_restarts(struct db *db, const char *id, int64_t count, struct err *e);
int ctr_set_health(struct db *db, const char *id, enum ctr_health health, const char *log_json, struct err *e);
int ctr_delete(struct db *db, const char *id, struct err *e);
/* Is the process of this row alive in this boot? (pid + start time + boot id) */
bool ctr_row_alive(const struct ctr_row *c, const char *boot_id);
/* A row may say `running` although whoever wrote it is dead (kill -9, a power cut): then it becomes `exited`, its exit unknown (255), as the next
 * monitor would write it. WATCHED: a monitor lives (lock_monitor_held), so that `starting` and `restarting` are true without a process. */
void ctr_row_correct(struct ctr_row *c, const char *boot_id, bool watched);
/* Did it end with the host, by a reboot or a power cut that nobody saw? */
bool ctr_row_ended_with_host(const struct ctr_row *c, const char *boot_id);
