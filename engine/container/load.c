/* SPDX-License-Identifier: MIT */
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "engine/container/container.h"
#include <errno.h>

enum { SPEC_MAX = 8 << 20 };

int container_load_spec(const struct dirs *d, const char *id, struct ctr_spec **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	auto_free char *path = NULL, *text = NULL;
	size_t len;

	if (!id_is(id))
		return err_set(e, EINVAL, "container id '%s' is not 64 hex digits", id);
	path = dirs_root(d, "containers/%s/spec.json", id);
	TRY(file_read(path, SPEC_MAX, &text, &len, e));
	TRY(json_parse(text, len, path, &j, e));
	if (ctr_spec_from_json(j, ret, e) < 0)
		return err_wrap(e, "'%s'", path);
	return 0;
}
