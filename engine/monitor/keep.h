/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/keep.h - what gantry-keep and the monitor say to each other
 *
 * run/c/ID/keep.sock, SEQPACKET, one fixed record a message. The keeper speaks first, to each monitor that connects (and, when it is
 * new, over the socket that K left it):
 *
 *   keeper                                   monitor
 *     HELLO who, how many descriptors, the first 16 of them ─►
 *     GIVE  16 more …                                        ─►
 *     EXIT  status, time (also in HELLO when it was before)  ─►
 *                                                           ◄─ DROP tag   close your copy (stdin at its end)
 *                                                           ◄─ BYE        recorded: end (ignored while the process lives)
 *
 * A second monitor's connection replaces the first. This header is also read by the freestanding gantry-keep: no libc here.
 */
#pragma once
#include <stdint.h>

enum { KEEP_VERSION = 1, KEEP_CHUNK = 16, KEEP_MAX = 544 /* net_sandbox_fds.ports and the rest */ };
enum keep_type { KEEP_HELLO = 1, KEEP_GIVE, KEEP_EXIT, KEEP_DROP, KEEP_BYE, KEEP_FAILED /* from K: an encoded error follows */ };
/* What a descriptor is. HOLD_*: see logio.c, bytes that were taken out of the container's pipe and are not in the log yet. */
enum keep_tag {
	KEEP_STDIN = 1, /* write end */
	KEEP_STDOUT, KEEP_STDERR, /* read ends */
	KEEP_HOLD_OUT_R, KEEP_HOLD_OUT_W, KEEP_HOLD_ERR_R, KEEP_HOLD_ERR_W,
	KEEP_PTY, KEEP_PIDFD, KEEP_NETNS, KEEP_DNS_UDP, KEEP_DNS_TCP, KEEP_PORT, KEEP_TAGS,
	/* not given to the monitor */
	KEEP_OWN_LISTEN = 100, KEEP_OWN_DIR, KEEP_OWN_CONN, KEEP_OWN_LOCK /* flock on containers/ID, only held */,
};
enum keep_ended { KEEP_RUNS, KEEP_ENDED, KEEP_ENDED_UNKNOWN /* nobody could tell how */ };
struct keep_msg {
	uint32_t version, type;
	int32_t keeper;      /* its pid */
	int32_t pid;         /* the container's first process, in the host's pid namespace */
	uint64_t start;      /* field 22 of its /proc/PID/stat */
	uint32_t ended;      /* enum keep_ended */
	int32_t status;      /* exit code as shells show it: 0..255 */
	int64_t finished_ns; /* CLOCK_REALTIME */
	uint32_t total;      /* HELLO: descriptors in this and the GIVE messages that follow */
	uint32_t nfds;       /* in this message */
	uint8_t tags[KEEP_CHUNK]; /* DROP: tags[0] */
};
