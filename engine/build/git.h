/* SPDX-License-Identifier: MIT
 *
 * engine/build/git.h - a git repository's files at one commit, through the git program
 *
 * git parses what a server sends, so it gets as little as it can do with: no capabilities, no new privileges, no hooks, no other transport than the
 * URL's family, no prompt. What needs no key of the caller (http, https, git) runs as nobody; ssh and local repositories as the caller.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct err;
struct git_url {
	char *remote;             /* what git is given */
	char *ref;                /* branch, tag, commit; NULL: HEAD */
	char *subdir;             /* NULL: the whole */
	char *commit;             /* ?commit=, ?checksum=: what it has to be, or begin with; NULL */
	bool keep_git_dir, no_submodules;
};
void git_url_done(struct git_url *u);
/* git://, ssh://, git@host:path, http(s)://….git, github.com/a/b, file://….git; "#ref:subdir" or "?ref=…&subdir=…" behind it. */
bool git_is_url(const char *text);
int git_url_parse(const char *text, struct git_url *ret, struct err *e);
struct git_fetch {
	const struct git_url *url;
	const char *dir;          /* a folder of ours, 0700; the files are in DIR/tree */
	const char *ssh_sock;     /* agent, NULL: SSH_AUTH_SOCK of ours */
	int out;                  /* what git says, -1: nowhere */
};
/* *RET_COMMIT: its 40 hex (caller frees). -ENOENT with a hint: git is not installed. */
int git_fetch(const struct git_fetch *g, char **ret_commit, struct err *e);
