/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/control.h - talking to a project's monitor: run/p/PROJECT/ctl.sock, SEQPACKET, one JSON object per message
 *
 * Request  {"v":1,"op":"start","id":"…", …}, with descriptors where an operation needs them.
 * Reply    {"ok":true, …} or {"ok":false,"error":{"text","hint","exit","code"}}. A request gets exactly one final reply; before it, "attach" may
 * get stream messages. Rows are committed before the reply, but whoever tells a user syncs them first (db_sync), once a command. A closed socket without a reply means that the monitor died: the client connects again (a new one comes by itself).
 *
 *   start {id,[rows,cols]}         reply when the program was exec'd (or the failing step). The program finds its terminal of that size
 *   stop {id,timeout_ns,signal}    signal, grace, kill; reply {code,known} when it is gone and its row says exited. timeout_ns < 0: the spec's.
 *                                  With "host":true it stays wanted, and the project is marked to come back (host shutdown, in the caller's order)
 *   kill {id,signal}  pause {id}  unpause {id}   restart {id,timeout_ns}
 *   attach {id,stdin:bool} + fds [stdin_r if stdin, stdout_w, stderr_w unless tty]: pipes of the client's own making (they become non-blocking).
 *                                  {"event":"attached"} at once, then output is copied besides the log; final reply {code} when it has ended
 *                                  and all output was written. May come before start, so that no byte is missed
 *   resize {id,rows,cols}          wait {id} -> {code}
 *   exec {id,argv,env,user,cwd,privileged,tty} -> {pid}   exec -d: reply when it was exec'd; the monitor reaps it
 *   health {id} -> {status,streak,log}   the last probes, also those that changed nothing in the row
 *   shutdown {}                    stop all at once, remember that they ran (what SIGTERM to a monitor does)
 *   ping {} -> {pid,version}
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stdint.h>

enum { CONTROL_VERSION = 1, CONTROL_MAX = 128 << 10 };
struct cJSON;
struct dirs;
struct err;

/* Client side. Connects; starts gantry-monitor PROJECT when there is none and START (waiting on its ready pipe, no polling).
 * Returns 1 when there is none and START is false. */
int monitor_connect(const struct dirs *d, const char *project, bool start, int *ret_sock, struct err *e);
/* Sends a request; does not wait: several may be under way on several sockets, watched by the caller's loop. REQ is borrowed. */
int monitor_send(int sock, const struct cJSON *req, const int *fds, size_t nfds, struct err *e);
/* Reads one message (blocking unless the socket is not): the reply object (caller frees), or the error it carries as e. -EPIPE: monitor gone. */
int monitor_recv(int sock, struct cJSON **ret, struct err *e);
/* For who waits long: -ETIMEDOUT when the monitor at the other end is stopped (SIGSTOP, a debugger) and so will never answer. */
int monitor_check(int sock, const char *project, struct err *e);
/* The project has no container that runs: what a monitor that was killed left, its cgroup, goes. Nothing while there is a monitor. */
void monitor_sweep(const struct dirs *d, const char *project);
/* "gantry-ROOTID/monitor-PROJECT". Caller frees. */
char *monitor_cgroup(const struct dirs *d, const char *project);
/* connect + send + recv, connecting again when the monitor dies in between (requests are idempotent). *ret may be NULL. */
int monitor_call(const struct dirs *d, const char *project, const struct cJSON *req, struct cJSON **ret, struct err *e);
struct cJSON *monitor_request(const char *op, const char *id); /* caller frees */
