/* SPDX-License-Identifier: MIT
 *
 * net/netns.h - network namespaces held by descriptors; doing one thing in another one and coming back
 */
#pragma once
struct err;
/* Of the calling thread. The descriptor is CLOEXEC. */
int netns_open(struct err *e);
/* A new one; the calling process is in it afterwards. Returns its descriptor. */
int netns_new(struct err *e);
int netns_enter(int fd, struct err *e);
/* Of a socket (SIOCGSKNS, Linux 4.9). */
int netns_of_socket(int sock, struct err *e);
/* Calls FN in the namespace FD and returns to the present one, whatever FN returns. */
int netns_run(int fd, int (*fn)(void *arg, struct err *e), void *arg, struct err *e);
