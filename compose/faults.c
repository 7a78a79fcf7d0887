/* SPDX-License-Identifier: MIT */
#include "compose/faults.h"

bool faults_keep(struct faults *f, struct err *e)
{
	if (!f || !e->positioned)
		return false;
	f->n++;
	if (f->n == 1) {
		(void)err_move(&f->first, e);
		return true;
	}
	if (f->n <= FAULTS_MAX) {
		str_addf(&f->more, "\n%s", err_text(e));
		if (e->hint)
			str_addf(&f->more, "\nhint: %s", e->hint);
	}
	err_clear(e);
	return true;
}

int faults_drop(struct faults *f, struct err *e)
{
	err_clear(&f->first);
	str_done(&f->more);
	return e->code ? -e->code : 0;
}

int faults_raise(struct faults *f, struct err *e)
{
	int code = f->first.code, exit_code = f->first.exit;

	if (!f->n)
		return 0;
	if (f->n == 1) {
		(void)err_move(e, &f->first);
		return faults_drop(f, e);
	}
	if (f->n > FAULTS_MAX)
		str_addf(&f->more, "\nand %zu more", f->n - FAULTS_MAX);
	(void)err_set(e, code, "%s%s%s%s", err_text(&f->first), f->first.hint ? "\nhint: " : "", str0(f->first.hint), f->more.s);
	e->positioned = true;
	e->exit = exit_code;
	return faults_drop(f, e);
}
