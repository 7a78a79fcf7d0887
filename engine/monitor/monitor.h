/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/monitor.h - the gantry-monitor role from inside: one process per project, one loop, while anything of it should run
 *
 *   begin.c     lock, cgroup, main
 *   monitor.c   loop; the turn's end: rows, launches, replies
 *   adopt.c     finds what runs already
 *   rows.c      what changed, written
 *   states.c    one container's states and what each event does in them
 *   launch.c    K: the slow steps of a start, beside the loop; it becomes gantry-keep
 *   cleanup.c   what an end takes away; sandboxes
 *   keeper.c    descriptors from and to keepers; how a process ended
 *   logio.c     stdio -> log and attached clients
 *   probe.c     commands inside a container: health checks, hooks, exec -d
 *   serve.c     ctl.sock; attach.c: clients' pipes
 *
 * What is true is in memory (struct mctr) and in the kernel; rows follow. A change marks its container dirty; all dirty rows are written in one
 * transaction at the end of the turn, before anything is launched or answered. When that fails (full disk) it is tried
 * again, the containers run on.
 */
#pragma once
#include "base/dirs.h"
#include "base/err.h"
#include "base/id.h"
#include "base/loop.h"
#include "base/proc.h"
#include "engine/container/log.h"
#include "engine/container/spec.h"
#include "engine/monitor/health.h"
#include "engine/monitor/keep.h"
#include "engine/monitor/restart.h"
#include "net/sandbox.h"
#include "state/container_store.h"
#include "state/event_store.h"
#include <stddef.h>
#include <sys/types.h>

struct cJSON;
struct db;
struct strv;
struct dns_host;
struct client;
struct monitor;
struct mctr;

/* ---- children (K, probes, cleanups): told by SIGCHLD ---- */
struct child {
	struct child *next;
	pid_t pid;                                  /* 0: none under way */
	void (*ended)(struct child *c, int status); /* wait status */
};

/* ---- sandbox: the network that containers share ---- */
enum sandbox_phase { SANDBOX_DOWN, SANDBOX_MAKING /* a K is at it */, SANDBOX_UP, SANDBOX_ENDING /* a cleanup is at it */ };
struct sandbox {
	struct sandbox *next;
	char *id;
	enum sandbox_phase phase;
	struct net_sandbox_fds fds; /* while UP */
	struct net_relay *relay;    /* NULL: none */
	bool dns_added;
};

/* ---- stdio ---- */
struct stream {
	struct watch watch;        /* on src; not active: at its end, or an attached client is full */
	int src;                   /* pipe's read end, or the pty; -1: none */
	int hold_r, hold_w;        /* bytes taken out of src, not in the log yet */
	size_t held, sent;         /* in the hold; of these, seen by attached clients */
	bool eof;
	enum log_stream which;
	struct mctr *ctr;
};

enum mstate { M_DOWN, M_STARTING, M_RUNNING, M_PAUSED, M_STOPPING, M_ENDING, M_BACKOFF, M_STATES };
enum mevent { EV_START, EV_READY, EV_FAILED, EV_ENDED, EV_CLEAN, EV_STOP, EV_TIMER, EV_PAUSE, EV_UNPAUSE, EV_HOOK, M_EVENTS };

struct mctr {
	struct mctr *next;
	struct monitor *m;
	char id[ID_BUF];
	struct ctr_spec *spec;
	char *sandbox_id;          /* NULL: the host's network */
	struct sandbox *sandbox;
	enum mstate state;

	/* the process and its keeper */
	struct proc_id pid, keeper;
	int pidfd;
	int keep_sock;
	struct watch keep;         /* on keep_sock: HELLO of a new keeper, EXIT; K's failure before that */
	unsigned expect_fds;       /* still to come in GIVE messages */
	struct child cleanup;
	bool launch, launched;     /* to be launched at the end of this turn; K is at work */
	unsigned short rows, cols; /* of its terminal, as its last client said; 0: nobody did */
	bool netup;                /* this K makes the sandbox */
	struct net_plan *plan;     /* of the start under way */
	bool adopting;             /* a monitor that has just begun waits for its keeper's HELLO; what the row said: */
	enum ctr_state adopt_as;
	enum ctr_health adopt_health;
	int reaped;                /* wait status when the process was our own child, -1 */

	/* facts for the row */
	bool dirty, dirty_health, dirty_desired;
	enum ctr_desired desired;
	int64_t started_ns, finished_ns, exit_code;
	bool exit_known, oom;
	struct err failed;         /* why the last start failed; set: it failed */

	/* wishes */
	bool stopped;              /* the user stopped it: no restart */
	bool asked_to_end;         /* by a stop or restart, not by a kill: its end is a "stop" too */
	bool clean_only;           /* ENDING for its sandbox's sake only, its end was told */
	bool restarted;            /* by the restart operation: told when it runs again */
	bool again;                /* start it again as soon as it has ended: restart op, restart policy */
	int64_t again_after_ns;
	int64_t grace_ns;          /* of the stop under way */
	int stop_signal;           /* of the stop under way */
	bool killed;               /* its patience is over */
	struct watch timer;        /* grace, backoff */
	struct restart_state restarts;

	/* health */
	struct health health;
	struct watch health_timer;
	struct probe *probe;       /* under way */

	/* hooks */
	bool asked;                /* this start is a client's, not a policy's: post_start hooks run */
	struct probe *hook;        /* under way */
	struct err hook_failed;

	/* stdio */
	struct log_writer *log;
	struct stream out[LOG_STREAMS];
	int stdin_fd;              /* write end; -1 with tty or without stdin_open */
	int pty;
	struct watch partial;      /* an unfinished line waits */
	bool partial_armed;
	struct client *attached;   /* list, by client->next_attached */
};

struct event {                     /* to be written at the turn's end */
	struct event *next;
	struct event_row row;
};

struct monitor {
	struct dirs dirs;
	char *project;
	struct loop *loop;
	int lock, listen_fd;
	int home;                  /* run/p/PROJECT, watched; -1 */
	struct watch listen, signals, idle /* closes the database after a while */, retry /* rows that could not be written */;
	struct db *db;
	struct dns_host *dns;
	struct net_guard *guard;   /* from the first sandbox with a network on */
	struct mctr *ctrs;
	struct sandbox *sandboxes;
	struct client *clients;
	struct probe *execs;         /* exec -d being started */
	struct child *children;      /* cleanups and probes under way */
	struct event *events, **events_end;
	size_t nevents;
	bool expecting;            /* started by a client that has not connected yet */
	bool dirty, replies;       /* something to do at the turn's end */
	bool idling;               /* nothing to do: give memory back before the next wait */
	bool stopping;             /* SIGTERM or shutdown: all is being stopped, nothing starts */
	int scratch[2];            /* pipe, empty between uses: tee's other end */
	char *buf;                 /* MONITOR_BUF, for one chunk; allocated while there is traffic */
};
enum { MONITOR_BUF = 64 << 10, EVENTS_MAX = 256 };

/* begin.c */
int monitor_main(int argc, char **argv);
void report_open(const struct monitor *m);                    /* standard error: monitor.log */

/* home.c */
void home_watch(struct monitor *m);                           /* SIGIO when something goes from our run folder */
/* Makes again what somebody took away of it. false: it cannot be made. Does not return when another monitor is there by now. */
bool home_keep(struct monitor *m);

/* monitor.c */
int monitor_run(struct monitor *m, struct err *e);            /* until nothing is left to do */
int monitor_signal(struct watch *w, uint32_t events);         /* watch_fn of monitor.signals and .idle */
int monitor_idle(struct watch *w, uint32_t events);
struct db *monitor_db(struct monitor *m, struct err *e);      /* opens when closed; NULL with e */
void monitor_watch_child(struct monitor *m, struct child *c, pid_t pid, void (*ended)(struct child *, int));
/* fork() for K and helpers. In the child: signals as at exec, only fds 0-2 and KEEP (n of them) are left. */
pid_t monitor_fork(struct monitor *m, const int *keep, size_t n, struct err *e);
/* The container in memory, from its row and spec.json; made on first use. NULL with e. */
struct mctr *monitor_ctr(struct monitor *m, const char *id, struct err *e);
struct mctr *monitor_ctr_make(struct monitor *m, const struct ctr_row *row, struct err *e);
struct sandbox *monitor_sandbox(struct monitor *m, const char *id);
char *monitor_buf(struct monitor *m);                         /* MONITOR_BUF bytes, for use within one handler */
int monitor_dns(struct monitor *m, struct err *e);            /* m->dns is there */
int monitor_guard(struct monitor *m, struct err *e);          /* m->guard is there */
void monitor_report(struct monitor *m, const char *what, const struct err *e); /* to monitor.log */

/* adopt.c */
int adopt_all(struct monitor *m, struct err *e);
void monitor_adopted(struct mctr *c);                         /* what runs was found again */

/* rows.c */
void monitor_event(struct mctr *c, const char *action, const char *key, const char *value); /* KEY NULL: no attributes of its own */
void monitor_event_with(struct mctr *c, const char *action, const char *const *pairs); /* key, value, …, NULL */
void monitor_dirty(struct mctr *c);
void rows_flush(struct monitor *m);
int rows_retry(struct watch *w, uint32_t events);             /* watch_fn of monitor.retry */

/* states.c */
void ctr_event(struct mctr *c, enum mevent ev);
bool ctr_active(const struct mctr *c);
const char *mstate_name(int s);
int ctr_stop_signal(const struct mctr *c);
int ctr_freeze(struct mctr *c, bool frozen, struct err *e);
int ctr_signal(struct mctr *c, int sig, struct err *e);
/* The process is known to have ended. */
void ctr_ended(struct mctr *c, bool known, int code, int64_t when_ns);
enum ctr_state ctr_row_state(const struct mctr *c);

/* launch.c */
void launch_all(struct monitor *m);                             /* those that were marked in this turn */
void launch_waiting(struct monitor *m, struct sandbox *s);      /* its phase has changed: go on with those who waited for it */
int launch_plan(struct mctr *c, struct net_plan **ret, struct err *e); /* from the rows of its sandbox */

/* cleanup.c */
void cleanup_begin(struct mctr *c, bool net);                   /* in a child; EV_CLEAN when done. NET: its sandbox too, when it is the last */
bool sandbox_used(const struct monitor *m, const struct sandbox *s, const struct mctr *but);
void sandbox_up(struct mctr *c);                                /* its descriptors are here: names and relayed ports */

/* keeper.c */
int keeper_readable(struct watch *w, uint32_t events);          /* watch_fn of mctr.keep */
int keeper_adopt(struct mctr *c, struct err *e);                /* connects to keep.sock; 1: nobody there */
/* A keeper whose socket is gone: what it holds is ours, and it is killed. false: there is none. */
bool keeper_take_over(struct mctr *c, const struct proc_id *keeper);
void keeper_kill(struct mctr *c);                             /* its loss is noticed as any other's */
bool keeper_process_over(const struct mctr *c);               /* true too without a pidfd */
int keeper_respawn(struct mctr *c, struct err *e);              /* one that did not start the process */
void keeper_bye(struct mctr *c);
void keeper_drop(struct mctr *c, enum keep_tag tag);
void keeper_reaped(struct mctr *c, int wait_status);            /* the container's process was our own child */
bool keeper_how_ended(const struct mctr *c, int *ret_code, int64_t *ret_ns); /* as far as files and the kernel know; CODE -1: unknown */
/* For the exec of gantry-keep, in the forked child. */
void keeper_argv(struct strv *argv, const struct mctr *c, const struct proc_id *pid, const char *monitor_path);
void keeper_arg(struct strv *argv, enum keep_tag tag, int fd);  /* -1: nothing */
void keeper_signals(void);
int keeper_lock(const struct mctr *c, struct err *e);           /* waits for the K or keeper before; returns the fd */

/* logio.c */
int logio_start(struct mctr *c, struct err *e);                 /* descriptors are there: begin to read */
void logio_drain(struct mctr *c);                               /* it has ended: what is left */
void logio_stop(struct mctr *c);                                /* close all */
void logio_resume(struct mctr *c);                              /* no attached client is full any more */

/* probe.c */
void probe_schedule(struct mctr *c);                            /* next health probe */
void probe_cancel(struct mctr *c);
/* Runs the hooks "post_start" or "pre_stop"; EV_HOOK when they have ended, c->hook_failed says how. False: there are none. */
bool probe_hooks(struct mctr *c, const char *which);
void probe_hooks_cancel(struct mctr *c);
/* exec -d: replies to CL by itself. */
int probe_exec(struct mctr *c, struct client *cl, const struct cJSON *req, struct err *e);
void probe_client_gone(struct monitor *m, const struct client *cl);

/* serve.c */
int serve_listen(struct monitor *m, struct err *e);             /* clients may connect, and wait */
int serve_open(struct monitor *m, struct err *e);               /* and are served */
void serve_close(struct monitor *m);
void serve_shutdown(struct monitor *m);                         /* stop all, to come back when the host does */
void serve_ctr(struct mctr *c);                                 /* its state has changed: answer those who wait for it */
bool serve_interested(const struct mctr *c);                    /* a client waits for it or is attached */
void serve_flush(struct monitor *m);                            /* sends what was put off to the turn's end */
void client_reply(struct client *cl, struct cJSON *obj);        /* takes OBJ (NULL: plain ok) */
void client_fail(struct client *cl, const struct err *e);
/* attach.c: output of C to attached clients, their input to C. */
void client_output(struct client *cl, enum log_stream s, const char *p, size_t n);
bool client_full(const struct client *cl);
struct client *client_next_attached(const struct client *cl);
