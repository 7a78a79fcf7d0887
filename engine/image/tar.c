/* SPDX-License-Identifier: MIT */
#include "engine/image/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"

struct tar {
	struct archive *a;
	struct archive_entry *entry;
	struct bytes *in, b;
	struct err in_err;      /* why IN failed: libarchive only knows that it did */
	unsigned char *buf;
	bool xattr_started;
};

/* Names in PAX headers are UTF-8. Under a locale that is UTF-8 too libarchive copies them; under another it would call iconv(3), which reads
 * its modules from the root that the process has then (CVE-2019-14271). C.UTF-8 is built into the C library. */
int tar_prepare(struct err *e)
{
	struct archive *a;

	if (!setlocale(LC_CTYPE, "C.UTF-8") && !setlocale(LC_CTYPE, "C.utf8"))
		return err_set(e, ELIBACC, "the C library has no C.UTF-8 locale");
	a = archive_read_new();
	if (!a || archive_read_support_format_tar(a) != ARCHIVE_OK)
		return err_set(e, ELIBACC, "libarchive cannot read tar");
	archive_read_free(a);
	return 0;
}

static ssize_t on_read(struct archive *a, void *arg, const void **ret)
{
	struct tar *t = arg;
	const unsigned char *p = NULL;
	ssize_t n = t->in->next(t->in, &p, &t->in_err);

	if (n < 0) {
		archive_set_error(a, (int)-n, "read");
		return ARCHIVE_FATAL;
	}
	*ret = p;
	return n;
}

static int64_t on_skip(struct archive *a, void *arg, int64_t n)
{
	struct tar *t = arg;

	return t->in->skip(t->in, n);
}

static int tar_error(struct tar *t, struct err *e)
{
	if (t->in_err.code)
		return err_move(e, &t->in_err);
	if (archive_file_count(t->a) == 0 && strstr(str0(archive_error_string(t->a)), "Unrecognized"))
		return err_set(e, EBADMSG, "it is not a tar archive");
	return err_set(e, EBADMSG, "tar: %s", str0(archive_error_string(t->a)));
}

int tar_open(struct bytes *in, struct tar **ret, struct err *e)
{
	AUTO(tar_free) struct tar *t = xcalloc(1, sizeof(*t));

	t->in = in;
	t->a = archive_read_new();
	if (!t->a || archive_read_support_format_tar(t->a) != ARCHIVE_OK)
		BUG("archive_read_new");
	/* An archive of no bytes is an empty layer, as other readers have it. */
	if (archive_read_support_format_empty(t->a) != ARCHIVE_OK)
		BUG("archive_read_support_format_empty");
	if (in->skip)
		archive_read_set_skip_callback(t->a, on_skip);
	archive_read_set_read_callback(t->a, on_read);
	archive_read_set_callback_data(t->a, t);
	if (archive_read_open1(t->a) != ARCHIVE_OK)
		return tar_error(t, e);
	*ret = TAKE(t);
	return 0;
}

void tar_free(struct tar *t)
{
	if (!t)
		return;
	archive_read_free(t->a);
	err_clear(&t->in_err);
	free(t->buf);
	free(t);
}

static enum tar_type type_of(struct archive_entry *entry)
{
	if (archive_entry_hardlink(entry))
		return TAR_HARDLINK;
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return TAR_FILE;
	case AE_IFDIR:
		return TAR_DIR;
	case AE_IFLNK:
		return TAR_SYMLINK;
	case AE_IFCHR:
		return TAR_CHAR;
	case AE_IFBLK:
		return TAR_BLOCK;
	case AE_IFIFO:
		return TAR_FIFO;
	}
	return TAR_OTHER;
}

int tar_next(struct tar *t, struct tar_entry *ret, struct err *e)
{
	int r = archive_read_next_header(t->a, &t->entry);

	if (r == ARCHIVE_EOF)
		return t->in_err.code ? tar_error(t, e) : 0;
	/* ARCHIVE_WARN: an attribute that it does not understand, or a name that is not UTF-8 and comes as it is. */
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
		return tar_error(t, e);
	t->xattr_started = false;
	*ret = (struct tar_entry){
		.path = archive_entry_pathname(t->entry),
		.type = type_of(t->entry),
		.mode = archive_entry_perm(t->entry) & 07777,
		.uid = archive_entry_uid(t->entry),
		.gid = archive_entry_gid(t->entry),
		.size = archive_entry_size(t->entry),
		.mtime = archive_entry_mtime(t->entry),
		.mtime_ns = archive_entry_mtime_nsec(t->entry),
		.major = (unsigned)archive_entry_rdevmajor(t->entry),
		.minor = (unsigned)archive_entry_rdevminor(t->entry),
	};
	ret->link = ret->type == TAR_HARDLINK ? archive_entry_hardlink(t->entry) : archive_entry_symlink(t->entry);
	if (!ret->path)
		return err_set(e, EBADMSG, "tar: an entry without a name");
	if ((ret->type == TAR_SYMLINK || ret->type == TAR_HARDLINK) && !ret->link)
		return err_set(e, EBADMSG, "tar: a link without a target");
	return 1;
}

int tar_data(struct tar *t, const void **ret, size_t *ret_n, int64_t *ret_offset, struct err *e)
{
	int r = archive_read_data_block(t->a, ret, ret_n, ret_offset);

	if (r == ARCHIVE_EOF)
		return 0;
	return r == ARCHIVE_OK ? 1 : tar_error(t, e);
}

static ssize_t data_next(struct bytes *b, const unsigned char **ret, struct err *e)
{
	struct tar *t = CONTAINER_OF(b, struct tar, b);
	ssize_t n = archive_read_data(t->a, t->buf, BLOCK);

	if (n < 0)
		return tar_error(t, e);
	*ret = t->buf;
	return n;
}

struct bytes *tar_bytes(struct tar *t)
{
	if (!t->buf)
		t->buf = xmalloc(BLOCK);
	t->b.next = data_next;
	return &t->b;
}

bool tar_xattr(struct tar *t, const char **ret_name, const void **ret_value, size_t *ret_n)
{
	if (!t->xattr_started)
		archive_entry_xattr_reset(t->entry);
	t->xattr_started = true;
	return archive_entry_xattr_next(t->entry, ret_name, ret_value, ret_n) == ARCHIVE_OK;
}

/* ---- compression --------------------------------------------------------------------------------------------------------------------------------- */

struct unfilter {
	struct tar t;           /* reads raw bytes */
	struct bytes b;
	unsigned char *out;
};

static ssize_t unfilter_next(struct bytes *b, const unsigned char **ret, struct err *e)
{
	struct unfilter *u = CONTAINER_OF(b, struct unfilter, b);
	ssize_t n = archive_read_data(u->t.a, u->out, BLOCK);

	if (n < 0)
		return u->t.in_err.code ? err_move(e, &u->t.in_err) : err_set(e, EBADMSG, "the archive's compression: %s", str0(archive_error_string(u->t.a)));
	*ret = u->out;
	return n;
}

int unfilter_open(struct bytes *in, struct unfilter **ret, struct err *e)
{
	struct unfilter *u = xcalloc(1, sizeof(*u));
	struct archive *a = u->t.a = archive_read_new();

	u->t.in = in;
	u->b.next = unfilter_next;
	u->out = xmalloc(BLOCK);
	if (!a || archive_read_support_format_raw(a) != ARCHIVE_OK || archive_read_support_format_empty(a) != ARCHIVE_OK)
		BUG("archive_read_new");
	/* ARCHIVE_WARN: by an outside program, which the jail does not let run */
	(void)archive_read_support_filter_gzip(a);
	(void)archive_read_support_filter_bzip2(a);
	(void)archive_read_support_filter_xz(a);
	(void)archive_read_support_filter_zstd(a);
	archive_read_set_read_callback(a, on_read);
	archive_read_set_callback_data(a, &u->t);
	if (archive_read_open1(a) != ARCHIVE_OK || archive_read_next_header(a, &u->t.entry) == ARCHIVE_FATAL) {
		int r = u->t.in_err.code ? err_move(e, &u->t.in_err) : err_set(e, EBADMSG, "the archive's compression: %s", str0(archive_error_string(a)));

		unfilter_free(u);
		return r;
	}
	*ret = u;
	return 0;
}

void unfilter_free(struct unfilter *u)
{
	if (!u)
		return;
	archive_read_free(u->t.a);
	err_clear(&u->t.in_err);
	free(u->out);
	free(u);
}

struct bytes *unfilter_bytes(struct unfilter *u)
{
	return &u->b;
}
