/* SPDX-License-Identifier: MIT
 *
 * Options of the local driver: type, o, device (network-storage spec B5). mount(2) is called directly; there are no mount.nfs, mount.cifs helpers, so
 * what these do (resolving addr=) happens here, at each mount: servers move.
 */
#include "engine/volume/volume.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"

enum { DATA_MAX = 4095 /* mount(2) takes a page */, JSON_MAX = 8 << 20 };

/* Words of `o` that are flags of mount(2), as in mount(8). */
static const struct flag {
	const char *name;
	unsigned long set, clear, propagation;
} flags[] = {
	{ "ro", MS_RDONLY, 0, 0 },
	{ "rw", 0, MS_RDONLY, 0 },
	{ "nosuid", MS_NOSUID, 0, 0 },
	{ "suid", 0, MS_NOSUID, 0 },
	{ "nodev", MS_NODEV, 0, 0 },
	{ "dev", 0, MS_NODEV, 0 },
	{ "noexec", MS_NOEXEC, 0, 0 },
	{ "exec", 0, MS_NOEXEC, 0 },
	{ "sync", MS_SYNCHRONOUS, 0, 0 },
	{ "async", 0, MS_SYNCHRONOUS, 0 },
	{ "dirsync", MS_DIRSYNC, 0, 0 },
	{ "mand", MS_MANDLOCK, 0, 0 },
	{ "nomand", 0, MS_MANDLOCK, 0 },
	{ "noatime", MS_NOATIME, 0, 0 },
	{ "atime", 0, MS_NOATIME, 0 },
	{ "nodiratime", MS_NODIRATIME, 0, 0 },
	{ "diratime", 0, MS_NODIRATIME, 0 },
	{ "relatime", MS_RELATIME, 0, 0 },
	{ "norelatime", 0, MS_RELATIME, 0 },
	{ "strictatime", MS_STRICTATIME, 0, 0 },
	{ "bind", MS_BIND, 0, 0 },
	{ "rbind", MS_BIND | MS_REC, 0, 0 },
	{ "shared", 0, 0, MS_SHARED },
	{ "rshared", 0, 0, MS_SHARED | MS_REC },
	{ "slave", 0, 0, MS_SLAVE },
	{ "rslave", 0, 0, MS_SLAVE | MS_REC },
	{ "private", 0, 0, MS_PRIVATE },
	{ "rprivate", 0, 0, MS_PRIVATE | MS_REC },
	{ "unbindable", 0, 0, MS_UNBINDABLE },
	{ "runbindable", 0, 0, MS_UNBINDABLE | MS_REC },
	/* fstab's own words */
	{ "defaults", 0, 0, 0 },
	{ "auto", 0, 0, 0 },
	{ "noauto", 0, 0, 0 },
	{ "nofail", 0, 0, 0 },
	{ "_netdev", 0, 0, 0 },
};
static const char *const known[] = { "type", "o", "device", "size", NULL };

void volume_mount_done(struct volume_mount *m)
{
	free(m->type);
	free(m->source);
	free(m->data);
	*m = (struct volume_mount){ 0 };
}

static const struct flag *flag_find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (streq(flags[i].name, word))
			return &flags[i];
	return NULL;
}

static int words_parse(const char *o, struct volume_mount *m, struct err *e)
{
	AUTO_STRV(words);
	AUTO_STR(data, DATA_MAX);

	strv_split(&words, o, ",");
	for (size_t i = 0; i < words.n; i++) {
		const struct flag *f = flag_find(words.v[i]);

		if (f) {
			m->flags = (m->flags & ~f->clear) | f->set;
			m->propagation |= f->propagation;
		} else if (*words.v[i]) {
			str_addf(&data, "%s%s", data.len ? "," : "", words.v[i]);
		}
	}
	TRY(str_check(&data, "option 'o'", e));
	m->data = str_take(&data);
	return 0;
}

static int check_keys(const struct cJSON *j, struct err *e)
{
	for (const struct cJSON *c = json_first(j); c; c = json_next(c))
		if (!str_in(json_key(c), known)) {
			int r = err_set(e, EINVAL, "invalid option: '%s'", json_key(c));

			err_hint(e, "the local driver has type, o and device");
			return r;
		}
	if (json_str(j, "size"))
		return err_set(e, ENOTSUP, "option 'size': quotas of volumes are not supported yet");
	return 0;
}

int volume_mount_args(const char *options, struct volume_mount *ret, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_DONE(volume_mount_done) struct volume_mount m = { 0 };
	const char *type, *device, *o;

	if (!options || !*options)
		return 1;
	TRY(json_parse(options, strlen(options), "driver_opts", &j, e));
	TRY(check_keys(j, e));
	type = str0(json_str(j, "type"));
	device = str0(json_str(j, "device"));
	o = str0(json_str(j, "o"));
	if (!*type && !*device && !*o)
		return 1;
	TRY(words_parse(o, &m, e));
	if (!*device)
		return err_set(e, EINVAL, "missing required option: 'device'");
	if (!*type && !(m.flags & MS_BIND))
		return err_set(e, EINVAL, "missing required option: 'type'");
	if ((m.flags & MS_BIND) && !path_is_abs(device))
		return err_set(e, EINVAL, "option 'device': '%s' is not an absolute path", device);
	m.type = xstrdup(*type ? type : "none");
	m.source = xstrdup(device);
	*ret = m;
	m = (struct volume_mount){ 0 };
	return 0;
}

/* ---- the mount ----------------------------------------------------------------------------------------------------------------------------------- */

static bool is_address(const char *s)
{
	unsigned char raw[16];

	return inet_pton(AF_INET, s, raw) == 1 || inet_pton(AF_INET6, s, raw) == 1;
}

/* HOST as an address, for kernels that take nothing else. */
static int resolve(const char *host, char **ret, struct err *e)
{
	struct addrinfo *list = NULL;
	char text[INET6_ADDRSTRLEN + 64];
	int r = getaddrinfo(host, NULL, &(struct addrinfo){ .ai_socktype = SOCK_STREAM }, &list);

	if (r == 0)
		r = getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
	if (list)
		freeaddrinfo(list);
	if (r)
		return err_set(e, EHOSTUNREACH, "address of '%s': %s", host, gai_strerror(r));
	*ret = xstrdup(text);
	return 0;
}

/* addr=NAME -> addr=1.2.3.4; cifs without one: from //NAME/share. */
static int resolve_server(struct volume_mount *m, struct err *e)
{
	AUTO_STRV(words);
	bool cifs = streq(m->type, "cifs"), found = false;

	if (!cifs && !streq(m->type, "nfs") && !streq(m->type, "nfs4"))
		return 0;
	if (*m->data)
		strv_split(&words, m->data, ",");
	for (size_t i = 0; i < words.n; i++) {
		const char *host = str_after(words.v[i], "addr=");
		auto_free char *address = NULL;

		if (!host)
			continue;
		found = true;
		if (is_address(host))
			continue;
		TRY(resolve(host, &address, e));
		free(words.v[i]);
		words.v[i] = xasprintf("addr=%s", address);
	}
	if (!found && cifs && str_starts(m->source, "//")) {
		auto_free char *host = xstrndup(m->source + 2, strcspn(m->source + 2, "/")), *address = NULL;

		if (strchr(host, ':'))
			return err_set(e, EINVAL, "port not allowed in the CIFS device '%s'; write 'port=' in 'o'", m->source);
		TRY(resolve(host, &address, e));
		strv_addf(&words, "addr=%s", address);
	}
	free(m->data);
	m->data = strv_join(&words, ",");
	return 0;
}

/* "username=u,password=********" */
static char *hide_password(const char *data)
{
	AUTO_STRV(words);

	strv_split(&words, data, ",");
	for (size_t i = 0; i < words.n; i++)
		if (str_starts(words.v[i], "password=") || str_starts(words.v[i], "pass=")) {
			free(words.v[i]);
			words.v[i] = xstrdup("password=********");
		}
	return strv_join(&words, ",");
}

static int mount_error(const struct volume_mount *m, struct err *e)
{
	int code = errno;
	auto_free char *shown = hide_password(m->data);
	int r;

	errno = code;
	r = err_sys(e, "mount '%s' (type %s%s%s)", m->source, m->type, *shown ? ", options " : "", shown);
	if (code == ENODEV)
		err_hint(e, "this kernel has no file system '%s'", m->type);
	else if (code == ENOENT && (m->flags & MS_BIND))
		err_hint(e, "create the folder '%s'", m->source);
	return r;
}

static int mount_on(const char *at, struct volume_mount *m, struct err *e)
{
	unsigned long later = m->flags & ~(MS_BIND | MS_REC);

	TRY(resolve_server(m, e));
	if (m->flags & MS_BIND) {
		if (mount(m->source, at, NULL, m->flags & (MS_BIND | MS_REC), NULL) < 0)
			return mount_error(m, e);
		/* A bind mount takes its flags in a second step only, mount(2). */
		if (later && mount(NULL, at, NULL, MS_REMOUNT | MS_BIND | later, NULL) < 0)
			return mount_error(m, e);
	} else if (mount(m->source, at, m->type, m->flags, *m->data ? m->data : NULL) < 0) {
		return mount_error(m, e);
	}
	if (m->propagation && mount(NULL, at, NULL, m->propagation, NULL) < 0)
		return mount_error(m, e);
	return 0;
}

int volume_open(const struct dirs *d, const char *name, struct err *e)
{
	auto_free char *json = dirs_root(d, "volumes/%s/volume.json", name), *data = volume_path(d, name), *text = NULL;
	AUTO_DONE(volume_row_done) struct volume_row v = { 0 };
	AUTO_DONE(volume_mount_done) struct volume_mount m = { 0 };
	size_t n;
	int fd, r;

	TRY(file_read(json, JSON_MAX, &text, &n, e));
	TRY(volume_row_parse(text, n, &v, e));
	r = volume_mount_args(v.options, &m, e);
	if (r == 0)
		r = mount_on(data, &m, e);
	if (r < 0)
		return err_wrap(e, "volume '%s'", name);
	fd = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "data of volume '%s'", name) : fd;
}
