/* SPDX-License-Identifier: MIT
 *
 * engine/image/jail.h - what the processes of gantry-image that meet hostile bytes give up before the first of them
 *
 * Another root that holds nothing but what they work on, no descriptor but those named, no network (an empty namespace, no sockets), no program to
 * execute, no code to map, no signals to others, no capability but those named.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>

struct err;
enum jail_caps {
	JAIL_NOTHING = 0,
	JAIL_UNPACK = 1, /* CHOWN DAC_OVERRIDE FOWNER FSETID MKNOD SETFCAP */
	JAIL_READ = 2,   /* DAC_READ_SEARCH */
	JAIL_LAYER = 6,  /* and SYS_ADMIN, without which trusted.overlay.opaque cannot be read; it makes no other system call possible */
};
struct jail {
	int dir;             /* its entry NAME becomes the root; opened in this mount namespace */
	const char *name;
	bool nobody;         /* uid and gid 65534 */
	enum jail_caps caps;
	const int *fds;      /* those that stay open; 2 always does */
	size_t nfds;
};
/* For good. Where CAP_SYS_ADMIN is missing (gantry itself runs in a container) the root is changed with chroot(2), and the network namespace stays;
 * everything else has to work. */
int jail_enter(const struct jail *j, struct err *e);
/* For one that needs the network: nobody without capabilities that can execute nothing and see into nobody; root and descriptors stay. */
int jail_nobody(struct err *e);
/* Every descriptor but these and 2; 0 and 1 become /dev/null. */
int jail_close_others(const int *fds, size_t nfds, struct err *e);
