/* SPDX-License-Identifier: MIT
 *
 * base/file.h - files as whole things
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct strv;
/* Files, pipes, /proc, up to MAX bytes (-EFBIG). Caller frees; *ret_len may be NULL. */
int file_read(const char *path, size_t max, char **ret_text, size_t *ret_len, struct err *e);
int file_read_at(int dirfd, const char *name, size_t max, char **ret_text, size_t *ret_len, struct err *e);
/* Temp file, write, fdatasync when SYNC, rename. */
int file_replace(const char *path, const void *p, size_t n, mode_t mode, bool sync, struct err *e);
int file_write(const char *path, const char *text, struct err *e); /* existing file (cgroup, sysctl), one write */
bool file_exists(const char *path);
bool file_is(int fd, const char *path); /* PATH leads to what FD is: a lock file may have been removed, and made again by somebody else */
bool file_on_kernel_fs(int fd); /* proc, sysfs, cgroups …: what is there are no files that anybody keeps */
int file_mkdir_p(const char *path, mode_t mode, struct err *e);
/* Adds the names in the folder DIRFD to RET, as they come, without "." and "..". 0 or a negative errno: who asks knows the path. */
int file_names(int dirfd, struct strv *ret);
/* rm -rf that crosses no mount and follows no link; ENOENT is fine (returns 1). */
int file_remove_tree(int dirfd, const char *name, struct err *e);
int file_remove_tree_path(const char *path, struct err *e);
/* Bytes of all files below PATH; a file with several names counts a part for each. Crosses no mount, follows no link. What goes away meanwhile or
 * cannot be read counts nothing. */
int file_tree_size(const char *path, uint64_t *ret, struct err *e);
/* Copies NAME of FROM to TO as it is: type, mode, owner, times, xattrs, hard links kept, sparse; reflink where possible.
 * A folder TO may exist already and is filled; nothing in it may be in the way. What is below mounts comes too, but nothing of the
 * kernel's own file systems. On failure what was copied stays. */
int file_copy_tree(int fromdir, const char *from, int todir, const char *to, struct err *e);
/* How a tree is copied into one that has some of it already. */
struct stat;
typedef bool file_skip_fn(const void *arg, const char *name, const struct stat *st);
struct file_copy_how {
	bool merge;          /* folders that are there already are filled, and get the attributes of the source's; false: an error */
	bool replace;        /* what else is there goes, whole or not at all; a folder only for a folder; a mount point is written in place */
	bool keep_root;      /* a folder TO that is there already keeps its attributes */
	bool set_owner;      /* all of it belongs to UID and GID */
	uid_t uid;
	gid_t gid;
	uid_t unsaid;        /* folders of this owner are root's, and keep their attributes where they are there already; 0: none */
	file_skip_fn *skip;  /* what is left out, NULL: nothing */
	const void *skip_arg;
	bool link;           /* files that are not empty get another name instead of a copy, where both sides are on one file system: the
	                      * source is given up */
};
/* Copies what FROM (O_PATH or more) is to TO of TODIR; "." is the folder TODIR itself. */
int file_copy_object(int from, int todir, const char *to, const struct file_copy_how *how, struct err *e);
/* As file_copy_tree, merging. Anything but a folder that is there already is an error. */
int file_merge_tree(int fromdir, const char *from, int todir, const char *to, file_skip_fn *skip, struct err *e);
/* flock(2). WAIT false: returns 1 when somebody else holds it. Returns 0 and *ret_fd. The holder's pid is written into the file. */
int file_lock(const char *path, bool shared, bool wait, int *ret_fd, struct err *e);
