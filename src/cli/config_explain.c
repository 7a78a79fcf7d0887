/* SPDX-License-Identifier: MIT */
#include "cli/config_explain.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strv.h"
#include "compose/emit.h"
#include "compose/explain.h"
#include "compose/load.h"

enum { VALUE_MAX = 64 << 20, SHOWN_MAX = 200 };

/* One line of JSON, or the bare text of a scalar. */
static char *value_text(struct arena *a, const struct node *n, bool json)
{
	struct emitter x;
	AUTO_STR(out, VALUE_MAX);

	if (node_is_scalar(n) && !json)
		return xstrdup(n->text);
	emit_init(&x, a, &out, EMIT_JSON);
	x.compact = true;
	emit_node(&x, n);
	return str_take(&out);
}

/* ---- text ---- */

static void add_shown(struct str *out, const char *value)
{
	const char *shown = *value ? value : "''";
	size_t n = strlen(shown);
	auto_free char *safe = str_visible(shown, MIN(n, (size_t)SHOWN_MAX));

	str_addf(out, "%s%s", safe, n > SHOWN_MAX ? "…" : "");
}

static void add_place(struct str *out, const struct explain_place *at)
{
	if (at->path)
		str_addf(out, "%s:%d:%d (%s)", at->path, at->line, at->col, trace_layer_name((int)at->layer));
	else
		str_addf(out, "%s", at->layer == LAYER_DEFAULT ? "no file: a default of the language" :
			 at->layer == LAYER_PROJECT ? str0(at->detail) : trace_layer_name((int)at->layer));
	if (at->detail && at->layer != LAYER_PROJECT)
		str_addf(out, " %s", at->detail);
}

static void add_source(struct str *out, const struct explain_place *at)
{
	auto_free char *safe = at->source ? str_visible(at->source, strlen(at->source)) : NULL;

	if (!safe)
		return;
	str_addf(out, "\n%8d | %s\n%8s | ", at->line, safe, "");
	for (int i = 1; i < at->col && i <= (int)strlen(at->source); i++)
		str_addc(out, at->source[i - 1] == '\t' ? '\t' : ' ');
	str_addc(out, '^');
}

static void add_variable(struct str *out, const struct explain_variable *v)
{
	str_addf(out, "  variable  %s", v->name);
	if (v->value) {
		str_add(out, " = ");
		add_shown(out, v->value);
		str_add(out, "  from ");
		add_place(out, &v->at);
	} else {
		str_add(out, " is not set");
	}
	if (v->fallback)
		str_addf(out, "; the default '%s' is used", v->fallback);
	if (v->alternate)
		str_addf(out, "; '%s' stands for it%s", v->alternate, v->value ? "" : " only when it is set");
	str_addc(out, '\n');
}

static void print_text(struct arena *a, const struct explanation *x, struct str *out)
{
	auto_free char *value = x->value ? value_text(a, x->value, false) : NULL;

	str_addf(out, "%s%s", x->path, value ? " = " : " is not set");
	if (value)
		add_shown(out, value);
	if (!x->printed)
		str_add(out, "\n  note      'config' does not print it: it was used up (env_file), or it says what goes without saying");
	if (value) {
		str_add(out, "\n  from      ");
		add_place(out, &x->at);
		add_source(out, &x->at);
	}
	str_addc(out, '\n');
	for (size_t i = 0; i < x->parts.n; i++) {
		str_add(out, "  and       ");
		add_place(out, &x->parts.v[i]);
		str_addc(out, '\n');
	}
	if (x->text) {
		str_add(out, "  written   ");
		add_shown(out, x->text);
		str_addc(out, '\n');
	}
	for (size_t i = 0; i < x->variables.n; i++)
		add_variable(out, &x->variables.v[i]);
	for (size_t i = 0; i < x->overrode.n; i++) {
		auto_free char *was = value_text(a, x->overrode.v[i].value, false);

		str_add(out, "  overrode  ");
		add_shown(out, was);
		str_add(out, "  from ");
		add_place(out, &x->overrode.v[i].at);
		str_addc(out, '\n');
	}
	for (size_t i = 0; i < x->uses.n; i++) {
		str_add(out, "  used      ");
		add_place(out, &x->uses.v[i].at);
		str_add(out, ": ");
		add_shown(out, x->uses.v[i].text);
		str_addc(out, '\n');
	}
}

/* ---- JSON ---- */

static void json_place(struct cJSON *o, const struct explain_place *at)
{
	json_add_str(o, "layer", trace_layer_name((int)at->layer));
	json_add_str(o, "file", at->path);
	if (at->path) {
		json_add_int(o, "line", at->line);
		json_add_int(o, "column", at->col);
	}
	json_add_str(o, "detail", at->detail);
}

static void json_value(struct arena *a, struct cJSON *o, const struct node *n)
{
	auto_free char *text = value_text(a, n, true);

	json_add_raw(o, "value", text);
}

static void json_variable(struct cJSON *list, const struct explain_variable *v)
{
	struct cJSON *o = json_add_object(list, NULL);

	json_add_str(o, "name", v->name);
	json_add_str(o, "value", v->value);
	json_add_str(o, "default", v->fallback);
	json_add_str(o, "alternate", v->alternate);
	if (v->value)
		json_place(json_add_object(o, "from"), &v->at);
}

static void print_json(struct arena *a, const struct explanation *x, struct str *out)
{
	AUTO(json_free) struct cJSON *o = json_object();
	auto_free char *text = NULL;
	struct cJSON *list;

	json_add_str(o, "path", x->path);
	json_add_str(o, "kind", x->variable ? "variable" : "value");
	json_add_bool(o, "printed", x->printed);
	if (x->value) {
		json_value(a, o, x->value);
		json_place(json_add_object(o, "from"), &x->at);
	}
	list = json_add_array(o, "parts");
	for (size_t i = 0; i < x->parts.n; i++)
		json_place(json_add_object(list, NULL), &x->parts.v[i]);
	json_add_str(o, "written", x->text);
	list = json_add_array(o, "variables");
	for (size_t i = 0; i < x->variables.n; i++)
		json_variable(list, &x->variables.v[i]);
	list = json_add_array(o, "overrode");
	for (size_t i = 0; i < x->overrode.n; i++) {
		struct cJSON *was = json_add_object(list, NULL);

		json_value(a, was, x->overrode.v[i].value);
		json_place(json_add_object(was, "from"), &x->overrode.v[i].at);
	}
	list = json_add_array(o, "uses");
	for (size_t i = 0; i < x->uses.n; i++) {
		struct cJSON *use = json_add_object(list, NULL);

		json_add_str(use, "text", x->uses.v[i].text);
		json_place(use, &x->uses.v[i].at);
	}
	text = json_text(o, true);
	str_addf(out, "%s\n", text);
}

/* With the services of all profiles; those that are not active may have mistakes that nobody minds, then without them. */
static int load(struct load_opts *o, struct arena *a, struct notes *notes, struct trace *trace, struct project **ret, struct err *e)
{
	struct load_opts all = *o;
	struct notes ignored = { 0 };
	AUTO_ERR(mistake);
	int r;

	all.trace = trace;
	all.profiles = (struct strv){ 0 };
	strv_add(&all.profiles, "*");
	r = compose_load(&all, a, &ignored, ret, &mistake);
	strv_done(&all.profiles);
	if (r >= 0) {
		*notes = ignored;
		return r;
	}
	*trace = (struct trace){ .arena = a };
	o->trace = trace;
	return compose_load(o, a, notes, ret, e);
}

int config_explain(struct load_opts *o, struct arena *a, struct notes *notes, const char *path, bool json, struct str *out, struct err *e)
{
	struct trace trace = { .arena = a };
	struct explanation x;
	struct project *p;

	o->all_resources = true;
	o->no_interpolate = false;
	TRY(load(o, a, notes, &trace, &p, e));
	TRY(explain(p, &trace, path, &x, e));
	if (json)
		print_json(a, &x, out);
	else
		print_text(a, &x, out);
	return 0;
}
