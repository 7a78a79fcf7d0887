/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/monitor/control.h"
#include "engine/volume/volume.h"
#include "plan/apply_task.h"
#include "plan/op_labels.h"
#include "state/db.h"
#include "state/project_store.h"
#include <errno.h>

char *op_json_of(const struct kvs *l)
{
	AUTO(json_free) struct cJSON *o = json_object();

	for (size_t i = 0; i < l->n; i++)
		json_add_str(o, l->v[i].key, str0(l->v[i].value));
	return json_text(o, false);
}

char *op_labels(const struct project *p, const struct kvs *user, const char *kind, const char *key, const char *hash)
{
	static const char prefix[] = "com.docker.compose.";
	AUTO(json_free) struct cJSON *o = json_object();
	auto_free char *kind_key = xasprintf("%s%s", prefix, kind);

	for (size_t i = 0; i < user->n; i++)
		if (!str_starts(user->v[i].key, prefix))
			json_add_str(o, user->v[i].key, str0(user->v[i].value));
	json_add_str(o, "com.docker.compose.project", p->name);
	json_add_str(o, kind_key, key);
	json_add_str(o, "com.docker.compose.config-hash", hash);
	return json_text(o, false);
}

static int create(struct task *t, const struct volume *v)
{
	auto_free char *options = op_json_of(&v->driver_opts);
	char hash[PROJECT_HASH_MAX];
	auto_free char *labels = NULL;

	TRY(project_hash_volume(t->a->p, v, hash, &t->e));
	labels = v->outside ? NULL : op_labels(t->a->p, &v->labels, "volume", v->key, hash);

	const struct volume_row row = {
		.name = (char *)v->name, .project = (char *)(v->outside ? NULL : t->a->p->name), .key = (char *)v->key,
		.driver = (char *)(v->driver ? v->driver : "local"), .options = options, .labels = labels, .hash = hash,
		.created_ns = time_now_ns(),
	};

	return volume_create(t->a->db, &row, &t->e);
}

int op_volume_create(struct task *t)
{
	return create(t, t->op->volume) < 0 ? task_wrap(t, "volume", t->op->name) : TASK_DONE;
}

int op_volume_remove(struct task *t)
{
	return volume_remove(t->a->db, t->op->name, &t->e) < 0 ? task_wrap(t, "volume", t->op->name) : TASK_DONE;
}

/* Only what is kept of the project itself; whoever still has it open (its monitor) ends by itself. */
int op_project_remove(struct task *t)
{
	monitor_sweep(db_dirs(t->a->db), t->op->name);
	return project_delete(t->a->db, t->op->name, &t->e) < 0 ? -t->e.code : TASK_DONE;
}
