/* SPDX-License-Identifier: MIT */
#include "engine/container/user.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

enum { FIELDS = 7 };

/* One line of passwd or group, cut in place in a copy. */
struct line {
	char *field[FIELDS];
	size_t n;
};

void ctr_user_done(struct ctr_user *u)
{
	free(u->groups);
	free(u->home);
	*u = CTR_USER_INIT;
}

/* 0: a number in *ret; 1: not a number at all; -ERANGE (e set): a number that is no id. */
static int parse_id(const char *s, long *ret, struct err *e)
{
	const char *digits = s + (*s == '-' || *s == '+');
	size_t n = strspn(digits, "0123456789");
	long v = 0;

	if (!n || digits[n])
		return 1;
	for (size_t i = 0; i < n && v <= CTR_USER_MAX_ID; i++)
		v = v * 10 + (digits[i] - '0');
	if (v > CTR_USER_MAX_ID || (*s == '-' && v))
		return err_set(e, ERANGE, "'%s': user and group ids are in the range 0-2147483647", s);
	*ret = v;
	return 0;
}

/* As parse_id for what stands in a file: whatever is no id makes the line be skipped. */
static bool field_id(const char *s, long *ret)
{
	AUTO_ERR(quiet);

	return s && parse_id(s, ret, &quiet) == 0;
}

/* The next line with at least a name; LINE's fields point into BUF. Moves *P; false at the end. */
static bool next_line(const char **p, struct line *line, char **buf)
{
	while (**p) {
		size_t n = strcspn(*p, "\n");
		const char *start = *p;
		char *s;

		*p += n + (start[n] == '\n');
		while (n && (*start == ' ' || *start == '\t')) {
			start++;
			n--;
		}
		if (!n || *start == '#')
			continue;
		free(*buf);
		s = *buf = xstrndup(start, n);
		*line = (struct line){ 0 };
		while (line->n < FIELDS) {
			char *colon = strchr(s, ':');

			line->field[line->n++] = s;
			if (!colon)
				break;
			*colon = '\0';
			s = colon + 1;
		}
		return true;
	}
	return false;
}

static int add_group(struct ctr_user *u, size_t *cap, gid_t gid, struct err *e)
{
	for (size_t i = 0; i < u->ngroups; i++)
		if (u->groups[i] == gid)
			return 0;
	if (u->ngroups == CTR_USER_GROUPS)
		return err_set(e, E2BIG, "more than %d groups", CTR_USER_GROUPS);
	xgrow(&u->groups, u->ngroups, cap, sizeof(*u->groups));
	u->groups[u->ngroups++] = gid;
	return 0;
}

/* Is NAME among the comma-separated members? */
static bool is_member(const char *members, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = members; p && *p; p += strcspn(p, ","), p += *p == ',')
		if (strncmp(p, name, n) == 0 && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

static int find_group(const char *group, const char *name, gid_t *ret, struct err *e)
{
	auto_free char *buf = NULL;
	const char *p = group;
	struct line l;
	long id;
	int r = parse_id(name, &id, e);

	if (r <= 0) {
		if (r == 0)
			*ret = (gid_t)id;
		return r;
	}
	while (next_line(&p, &l, &buf))
		if (streq(l.field[0], name) && l.n > 2 && field_id(l.field[2], &id)) {
			*ret = (gid_t)id;
			return 0;
		}
	err_set(e, ENOENT, "unable to find group '%s': no matching entry in the image's group file", name);
	err_hint(e, "use the group's number, or a name that the image has in /etc/group");
	return -ENOENT;
}

struct passwd_entry {
	char *name; /* NULL: no entry */
	long uid, gid;
};

/* By number when *WANT is one, by name else. HOME comes from the first entry with the uid, which need not be the one with the name. */
static int find_user(const char *passwd, const char *want, struct passwd_entry *ret, struct err *e)
{
	auto_free char *buf = NULL;
	const char *p = passwd;
	struct line l;
	long number = -1, uid, gid;
	int r = parse_id(want, &number, e);

	if (r < 0)
		return r;
	while (next_line(&p, &l, &buf)) {
		if (l.n < 3 || !field_id(l.field[2], &uid))
			continue;
		if (r == 0 ? uid != number : !streq(l.field[0], want))
			continue;
		gid = 0;
		if (l.n > 3 && *l.field[3] && !field_id(l.field[3], &gid))
			continue;
		*ret = (struct passwd_entry){ .name = xstrdup(l.field[0]), .uid = uid, .gid = gid };
		return 0;
	}
	if (r == 0) {
		*ret = (struct passwd_entry){ .uid = number };
		return 0;
	}
	err_set(e, ENOENT, "unable to find user '%s': no matching entry in the image's passwd file", want);
	err_hint(e, "use the user's number, or a name that the image has in /etc/passwd");
	return -ENOENT;
}

static char *find_home(const char *passwd, long want)
{
	auto_free char *buf = NULL;
	const char *p = passwd;
	struct line l;
	long uid;

	while (next_line(&p, &l, &buf))
		if (l.n > 2 && field_id(l.field[2], &uid) && uid == want)
			return xstrdup(l.n > 5 && *l.field[5] ? l.field[5] : "/");
	return xstrdup("/");
}

int ctr_user_parse(const char *spec, const struct strv *group_add, const char *passwd, const char *group,
		   struct ctr_user *ret, struct err *e)
{
	AUTO_DONE(ctr_user_done) struct ctr_user u = CTR_USER_INIT;
	AUTO_STRV(parts);
	auto_free char *name = NULL, *buf = NULL;
	const char *p = group, *user, *group_name;
	struct passwd_entry who = { 0 };
	size_t cap = 0;
	struct line l;
	long gid;

	strv_split(&parts, str0(spec), ":");
	user = parts.n > 0 && *parts.v[0] ? parts.v[0] : "0";
	group_name = parts.n > 1 && *parts.v[1] ? parts.v[1] : NULL;
	TRY(find_user(passwd, user, &who, e));
	name = who.name;
	u.uid = (uid_t)who.uid;
	u.gid = (gid_t)who.gid;
	u.home = find_home(passwd, who.uid);
	if (group_name)
		TRY(find_group(group, group_name, &u.gid, e));
	TRY(add_group(&u, &cap, u.gid, e));
	/* an explicit group means: no others */
	while (!group_name && name && next_line(&p, &l, &buf))
		if (l.n > 3 && field_id(l.field[2], &gid) && is_member(l.field[3], name))
			TRY(add_group(&u, &cap, (gid_t)gid, e));
	for (size_t i = 0; group_add && i < group_add->n; i++) {
		gid_t extra;

		if (find_group(group, group_add->v[i], &extra, e) < 0)
			return err_wrap(e, "group_add");
		TRY(add_group(&u, &cap, extra, e));
	}
	*ret = u;
	u = CTR_USER_INIT;
	return 0;
}

/* *ret "" when there is no such file. */
static int read_file(int root, const char *path, char **ret, struct err *e)
{
	AUTO_ERR(missing);
	auto_close int fd = -1, handle = path_open_in(root, path, O_PATH | O_CLOEXEC, 0, &missing);
	struct stat st;
	char self[32];

	if (handle == -ENOENT || handle == -ENOTDIR) {
		*ret = xstrdup("");
		return 0;
	}
	if (handle < 0)
		return err_move(e, &missing);
	if (fstat(handle, &st) < 0)
		return err_sys(e, "'%s' of the image", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "'%s' of the image is not a regular file", path);
	if (st.st_size > CTR_USER_FILE_MAX)
		return err_set(e, EFBIG, "'%s' of the image is larger than %d bytes", path, CTR_USER_FILE_MAX);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", handle);
	fd = open(self, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_sys(e, "open '%s' of the image", path);
	if (fd_read_all(fd, CTR_USER_FILE_MAX, ret, NULL, e) < 0)
		return err_wrap(e, "'%s' of the image", path);
	return 0;
}

int ctr_user_resolve(int root, const char *spec, const struct strv *group_add, struct ctr_user *ret, struct err *e)
{
	auto_free char *passwd = NULL, *group = NULL;

	TRY(read_file(root, "/etc/passwd", &passwd, e));
	TRY(read_file(root, "/etc/group", &group, e));
	if (ctr_user_parse(spec, group_add, passwd, group, ret, e) < 0) {
		err_wrap(e, "user");
		return err_exit(e, 125);
	}
	return 0;
}
