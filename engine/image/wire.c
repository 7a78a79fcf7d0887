/* SPDX-License-Identifier: MIT */
#include "engine/image/wire.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"

enum wire_kind { WIRE_JSON = 1, WIRE_ERR = 2 };
struct wire_head {
	uint32_t kind, len;
};

static int send_raw(int fd, enum wire_kind kind, const void *p, size_t n, struct err *e)
{
	struct wire_head head = { kind, (uint32_t)n };

	if (n > WIRE_MAX)
		return err_set(e, EMSGSIZE, "a message of %zu bytes", n);
	TRY(fd_write_all(fd, &head, sizeof(head), e));
	return fd_write_all(fd, p, n, e);
}

int wire_send(int fd, const struct cJSON *j, struct err *e)
{
	auto_free char *text = json_text(j, false);

	return send_raw(fd, WIRE_JSON, text, strlen(text), e);
}

int wire_send_err(int fd, const struct err *failure, struct err *e)
{
	size_t n;
	auto_free char *text = err_encode(failure, &n);

	return send_raw(fd, WIRE_ERR, text, n, e);
}

static int recv_raw(int fd, void *to, size_t n, struct err *e)
{
	char *p = to;

	while (n) {
		ssize_t got = read(fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno != ECONNRESET)
			return err_sys(e, "read a message");
		if (got <= 0)
			return err_set(e, EPIPE, "the other process ended unexpectedly");
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

int wire_recv(int fd, struct cJSON **ret, struct err *e)
{
	struct wire_head head;
	auto_free char *text = NULL;

	TRY(recv_raw(fd, &head, sizeof(head), e));
	if (head.len > WIRE_MAX)
		return err_set(e, EMSGSIZE, "a message of %u bytes", head.len);
	text = xmalloc((size_t)head.len + 1);
	TRY(recv_raw(fd, text, head.len, e));
	text[head.len] = '\0';
	if (head.kind == WIRE_ERR) {
		TRY(err_decode(e, text, head.len));
		return err_set(e, EPROTO, "an error that says nothing");
	}
	return json_parse(text, head.len, "message", ret, e);
}

void wire_add_err(struct cJSON *o, const char *key, const struct err *failure)
{
	struct cJSON *j = json_add_object(o, key);

	json_add_int(j, "code", failure->code);
	json_add_str(j, "text", err_text(failure));
	json_add_str(j, "hint", failure->hint);
}

int wire_raise(const struct cJSON *failed, struct err *e)
{
	int64_t code = json_int(failed, "code", EPROTO);

	err_set(e, code > 0 && code < 4096 ? (int)code : EPROTO, "%s", str0(json_str(failed, "text")));
	if (json_str(failed, "hint"))
		err_hint(e, "%s", json_str(failed, "hint"));
	return -e->code;
}
