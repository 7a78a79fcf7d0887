/* SPDX-License-Identifier: MIT
 *
 * The grammar, in the words of what docker compose accepts:
 *
 *   $$                     a dollar
 *   $NAME                  longest [A-Za-z_][A-Za-z0-9_]*
 *   ${NAME}
 *   ${NAME OP TEXT}        OP is one of - :- ? :? + :+ right behind the name; TEXT is a template without line breaks, up to
 *                          the `}` that closes this `${`, or when none does, to the last `}` of the line
 *   ${…                    anything else: an error
 *   $                      before anything else: a dollar
 */
#include "compose/interp.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "compose/node.h"
#include "compose/project.h"
#include <ctype.h>
#include <errno.h>

/* One `$…` of a template. */
struct expr {
	enum { EXPR_DOLLAR, EXPR_VAR, EXPR_BAD } kind;
	const char *name;
	size_t name_len;
	char op;             /* '-', '?', '+', 0 */
	bool colon;          /* empty counts as not set */
	const char *operand; /* of op */
	size_t operand_len;
	size_t len;          /* of the whole expression */
};

static size_t name_length(const char *s, size_t n)
{
	size_t i = 0;

	if (n == 0 || !(isalpha((unsigned char)*s) || *s == '_'))
		return 0;
	while (i < n && (isalnum((unsigned char)s[i]) || s[i] == '_'))
		i++;
	return i;
}

/* Position of the `}` that ends the expression that starts at S ("${"); 0: none in this line. */
static size_t closing_brace(const char *s, size_t n)
{
	size_t open = 0, last = 0;

	for (size_t i = 0; i < n && s[i] != '\n'; i++) {
		if (s[i] == '}') {
			last = i;
			if (--open == 0)
				return i;
		} else if (s[i] == '{') {
			open++;
		}
	}
	return last;
}

/* S starts with `$`. */
static struct expr parse_expr(const char *s, size_t n)
{
	struct expr x = { .kind = EXPR_DOLLAR, .len = 1 };
	size_t at, end;

	if (n > 1 && s[1] == '$') {
		x.len = 2;
		return x;
	}
	x.name_len = name_length(s + 1, n - 1);
	if (x.name_len) {
		x.kind = EXPR_VAR;
		x.name = s + 1;
		x.len = 1 + x.name_len;
		return x;
	}
	if (n < 2 || s[1] != '{')
		return x;
	x.kind = EXPR_BAD;
	x.len = 2;
	x.name = s + 2;
	x.name_len = name_length(s + 2, n - 2);
	at = 2 + x.name_len;
	if (x.name_len == 0 || at == n)
		return x;
	if (s[at] == '}') {
		x.kind = EXPR_VAR;
		x.len = at + 1;
		return x;
	}
	x.colon = s[at] == ':';
	at += x.colon;
	if (at == n || !strchr("-?+", s[at]))
		return x;
	end = closing_brace(s, n);
	if (end <= at)
		return x;
	x.kind = EXPR_VAR;
	x.op = s[at];
	x.operand = s + at + 1;
	x.operand_len = end - at - 1;
	x.len = end + 1;
	return x;
}

/* ---- expanding ---- */

static int expand(struct interp *x, const char *s, size_t n, unsigned depth, struct str *out, struct err *e);

static int missing(struct interp *x, const struct expr *v, unsigned depth, struct err *e)
{
	AUTO_STR(message, 4096);

	TRY(expand(x, v->operand, v->operand_len, depth + 1, &message, e));
	return err_set(e, ENOKEY, "required variable %.*s is missing a value%s%s", (int)v->name_len, v->name,
		       message.len ? ": " : "", message.s);
}

static int expand_var(struct interp *x, const struct expr *v, unsigned depth, struct str *out, struct err *e)
{
	char buf[64];
	auto_free char *long_name = v->name_len < sizeof buf ? NULL : xstrndup(v->name, v->name_len);
	const char *name = long_name ? long_name : buf, *value;
	bool present;

	if (!long_name) {
		memcpy(buf, v->name, v->name_len);
		buf[v->name_len] = '\0';
	}
	value = x->lookup(x->arg, name);
	present = value && (!v->colon || *value);
	if (v->op == '+')
		return present ? expand(x, v->operand, v->operand_len, depth + 1, out, e) : 0;
	if (v->op == '?' && !present)
		return missing(x, v, depth, e);
	if (v->op == '-' && !present)
		return expand(x, v->operand, v->operand_len, depth + 1, out, e);
	if (value)
		str_add(out, value);
	else if (x->unset)
		x->unset(x->arg, name);
	return 0;
}

static int expand(struct interp *x, const char *s, size_t n, unsigned depth, struct str *out, struct err *e)
{
	if (depth > INTERP_MAX_DEPTH)
		return err_set(e, E2BIG, "variables are nested more than %d levels deep", INTERP_MAX_DEPTH);
	for (size_t i = 0; i < n;) {
		const char *dollar = memchr(s + i, '$', n - i);
		struct expr v;

		str_addn(out, s + i, dollar ? (size_t)(dollar - s) - i : n - i);
		if (!dollar)
			break;
		i = (size_t)(dollar - s);
		v = parse_expr(s + i, n - i);
		if (v.kind == EXPR_BAD)
			return err_set(e, EBADMSG, "%.*s", (int)MIN(n, 4096u), s);
		if (v.kind == EXPR_DOLLAR)
			str_addc(out, '$');
		else
			TRY(expand_var(x, &v, depth, out, e));
		i += v.len;
	}
	return 0;
}

int interp_text(struct interp *x, const char *text, const char **ret, struct err *e)
{
	AUTO_STR(out, INTERP_MAX_TOTAL - MIN(x->total, (size_t)INTERP_MAX_TOTAL - 1));

	if (!strchr(text, '$')) {
		*ret = text;
		return 0;
	}
	TRY(expand(x, text, strlen(text), 0, &out, e));
	if (str_over(&out))
		return err_set(e, E2BIG, "variables grow to more than %d bytes", INTERP_MAX_TOTAL);
	x->total += out.len;
	*ret = arena_strndup(x->arena, out.s, out.len);
	return 0;
}

/* ---- a whole tree ---- */

struct step {
	const struct step *up;
	const char *key; /* NULL: item of a list */
};

/* The walk, and what notes of unset variables need. */
struct walk {
	struct interp *x;
	struct notes *notes;
	const struct node *node;
	void (*unset)(void *arg, const char *name);
	void *arg;
	const char *(*lookup)(void *arg, const char *name);
	struct str errors; /* one below the other */
	int n_errors, n_missing; /* missing: required variables */
};

static void step_text(const struct step *at, struct str *out)
{
	if (!at)
		return;
	step_text(at->up, out);
	str_addf(out, "%s%s", out->len ? "." : "", at->key ? at->key : "[]");
}

/* Keeps the error FROM of the scalar N and goes on, so that all variables that are missing are named at once. */
static int keep_error(struct walk *w, const struct node *n, const struct step *at, const struct err *from)
{
	AUTO_STR(path, 1024);
	AUTO_ERR(e);

	step_text(at, &path);
	if (err_is(from, EBADMSG))
		node_err(&e, n,
			 "invalid interpolation format for %s.\nYou may need to escape any $ with another $.\n%s",
			 path.s, err_text(from));
	else
		node_err(&e, n, "error while interpolating %s: %s", path.s, err_text(from));
	str_addf(&w->errors, "%s%s", w->n_errors ? "\n" : "", err_text(&e));
	w->n_missing += err_is(from, ENOKEY);
	return ++w->n_errors < INTERP_MAX_ERRORS && !err_is(from, E2BIG) ? 0 : -EINVAL;
}

static void note_unset(void *arg, const char *name)
{
	struct walk *w = arg;
	struct note *n;

	if (w->x->told && !map_set(w->x->told, name, NULL))
		return;
	if (w->notes->n == w->notes->cap)
		arena_grow(w->x->arena, &w->notes->v, w->notes->n, &w->notes->cap, sizeof *w->notes->v);
	n = &w->notes->v[w->notes->n++];
	*n = (struct note){ .kind = NOTE_WARNING,
			    .pos = w->node->pos,
			    .text = arena_printf(w->x->arena,
						 "The \"%s\" variable is not set. Defaulting to a blank string.",
						 name) };
}

static const char *walk_lookup(void *arg, const char *name)
{
	const struct walk *w = arg;

	return w->lookup(w->arg, name);
}

/* < 0: enough errors */
static int walk_node(struct walk *w, struct node *n, const struct step *at)
{
	AUTO_ERR(scratch);

	switch (n->kind) {
	case NODE_SCALAR:
		w->node = n;
		if (n->type == SCALAR_STR && interp_text(w->x, n->text, &n->text, &scratch) < 0)
			return keep_error(w, n, at, &scratch);
		break;
	case NODE_LIST:
	case NODE_MAP:
		for (size_t i = 0; i < n->n; i++) {
			struct step here = { at, n->kind == NODE_MAP ? n->keys[i]->text : NULL };

			TRY(walk_node(w, n->items[i], &here));
		}
		break;
	case NODE_NULL:
		break;
	}
	return 0;
}

int interp_tree(struct interp *x, struct node *tree, struct notes *notes, struct err *e)
{
	struct interp inner = *x;
	struct walk w = { .x = &inner, .notes = notes, .arg = x->arg, .lookup = x->lookup, .errors = STR_INIT(ERR_TEXT) };
	int r = 0;

	inner.arg = &w;
	inner.lookup = walk_lookup;
	inner.unset = notes ? note_unset : NULL;
	(void)walk_node(&w, tree, NULL);
	x->total = inner.total;
	if (w.n_errors) {
		r = err_set(e, EINVAL, "%s", w.errors.s);
		e->positioned = true;
		if (w.n_missing)
			err_hint(e, "set %s in the environment or in .env, or in a file given with --env-file", w.n_missing == 1 ? "it" : "them");
	}
	str_done(&w.errors);
	return r;
}

/* ---- naming the variables ---- */

static void each(struct arena *a, const char *s, size_t n, unsigned depth, interp_each_fn *fn, void *arg)
{
	for (size_t i = 0; i < n && depth <= INTERP_MAX_DEPTH;) {
		const char *dollar = memchr(s + i, '$', n - i);
		struct expr v;

		if (!dollar)
			return;
		i = (size_t)(dollar - s);
		v = parse_expr(s + i, n - i);
		if (v.kind == EXPR_VAR) {
			fn(arg, arena_strndup(a, v.name, v.name_len), v.op,
			   v.op ? arena_strndup(a, v.operand, v.operand_len) : NULL);
			if (v.op)
				each(a, v.operand, v.operand_len, depth + 1, fn, arg);
		}
		i += v.len;
	}
}

void interp_each(struct arena *a, const char *text, interp_each_fn *fn, void *arg)
{
	each(a, text, strlen(text), 0, fn, arg);
}
