/* SPDX-License-Identifier: MIT */
#include "engine/container/container.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/id.h"
#include "base/json.h"
#include "base/remover.h"
#include "base/str.h"
#include "engine/container/spec.h"
#include "engine/volume/volume.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/event_store.h"
#include <errno.h>
#include <stdio.h>

/* Anonymous volumes that nobody else uses. One that cannot go is said, and does not keep the others. */
static int remove_volumes(struct db *db, const struct ctr_spec *s, struct err *e)
{
	int r = 0;

	for (size_t i = 0; s && i < s->nmounts; i++) {
		AUTO_ERR(one);
		int64_t users;

		if (s->mounts[i].type != MNT_VOLUME || !s->mounts[i].anonymous)
			continue;
		if (volume_users(db, s->mounts[i].source, &users, &one) >= 0 && users > 0)
			continue;
		if (volume_remove(db, s->mounts[i].source, &one) < 0 && r >= 0)
			r = err_move(e, &one);
	}
	return r;
}

/* The folder leaves under a name of its own; what is in the trash may be deleted at any time. 1: there was none. */
static int to_trash(const struct dirs *d, const char *id, char **ret_trash, struct err *e)
{
	auto_free char *from = dirs_root(d, "containers/%s", id);
	char random[9];
	auto_free char *to = NULL;

	id_hex(random, 8);
	to = dirs_root(d, "trash/container-%.16s-%s", id, random);
	FP("ctr.trash", e);
	if (rename(from, to) < 0)
		return errno == ENOENT ? 1 : err_sys(e, "move '%s' to the trash", from);
	*ret_trash = TAKE(to);
	return 0;
}

struct cJSON *container_event_attributes(const struct ctr_spec *s)
{
	struct cJSON *o = json_object();

	json_add_str(o, "name", s->name);
	json_add_str(o, "image", s->image_ref);
	for (size_t i = 0; i < s->labels.n; i++) {
		auto_free char *key = xstrndup(s->labels.v[i], strcspn(s->labels.v[i], "="));

		if (!str_starts(key, "com.docker.compose.") && !json_get(o, key))
			json_add_str(o, key, str0(strchr(s->labels.v[i], '=')) + (strchr(s->labels.v[i], '=') != NULL));
	}
	return o;
}

int container_event(struct db *db, const char *action, const struct ctr_spec *s, struct err *e)
{
	AUTO(json_free) struct cJSON *o = container_event_attributes(s);
	auto_free char *text = json_text(o, false);
	struct event_row ev = { .type = (char *)"container", .action = (char *)action, .project = s->project, .service = s->service,
				.actor = s->id, .attributes = text };

	return event_add(db, &ev, e);
}

static int delete_row(struct db *db, const char *id, const struct ctr_spec *s, struct err *e)
{
	int r;

	TRY(db_begin(db, e));
	r = ctr_delete(db, id, e);
	if (r >= 0 && s)
		r = container_event(db, "destroy", s, e);
	return db_end(db, r, e);
}

int container_remove(struct db *db, const char *id, bool volumes, struct remover *remover, struct err *e)
{
	const struct dirs *d = db_dirs(db);
	AUTO(ctr_spec_free) struct ctr_spec *s = NULL;
	auto_free char *trash = NULL;
	AUTO_ERR(unreadable);

	if (!id_is(id))
		return err_set(e, EINVAL, "container id '%s' is not 64 hex digits", id);
	(void)container_load_spec(d, id, &s, &unreadable);
	TRY(container_cleanup(d, id, e));
	TRY(ctr_set_state(db, id, CTR_REMOVING, e));
	FP("ctr.removing", e);
	TRY(to_trash(d, id, &trash, e));
	TRY(delete_row(db, id, s, e));
	FP("ctr.removed", e);
	if (trash)
		remover_add(remover, trash); /* what stays is swept with the rest of the trash */
	return volumes ? remove_volumes(db, s, e) : 0;
}
