/* SPDX-License-Identifier: MIT
 *
 * spec.json both ways: every member of every row is filled with a value of its own, written, read and compared.
 */
#include "engine/container/spec.c" /* the rows are private to it */

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int64_t counter;

static void fill(const struct desc *d, void *obj)
{
	for (size_t i = 0; i < d->nrows; i++) {
		const struct row *r = &d->rows[i];

		counter++;
		switch (r->kind) {
		case K_STR:
			*AT(char *, obj, r->off) = xasprintf("%s \"%lld\"\n\xc3\xa9", r->key, (long long)counter);
			break;
		case K_INT:
			*AT(int64_t, obj, r->off) = INT64_MAX - counter;
			break;
		case K_U16:
			*AT(uint16_t, obj, r->off) = (uint16_t)(65535 - counter % 1000);
			break;
		case K_BOOL:
			*AT(bool, obj, r->off) = true;
			break;
		case K_STRV:
			strv_addf(AT(struct strv, obj, r->off), "%s=%lld", r->key, (long long)counter);
			strv_add(AT(struct strv, obj, r->off), "");
			break;
		case K_ENUM:
			*AT(int, obj, r->off) = (int)(r->nnames - 1);
			break;
		case K_SUB:
			fill(r->sub, AT(void, obj, r->off));
			break;
		case K_LIST:
			for (int k = 0; k < 5; k++)
				fill(r->sub, list_add(r->sub, AT(char *, obj, r->off),
						      AT(size_t, obj, r->off_n)));
			break;
		}
	}
}

static void same(const struct desc *d, const void *a, const void *b)
{
	for (size_t i = 0; i < d->nrows; i++) {
		const struct row *r = &d->rows[i];
		const struct strv *x, *y;

		switch (r->kind) {
		case K_STR:
			assert_string_equal(*CAT(char *, a, r->off), *CAT(char *, b, r->off));
			break;
		case K_INT:
			assert_true(*CAT(int64_t, a, r->off) == *CAT(int64_t, b, r->off));
			break;
		case K_U16:
			assert_int_equal(*CAT(uint16_t, a, r->off), *CAT(uint16_t, b, r->off));
			break;
		case K_BOOL:
			assert_int_equal(*CAT(bool, a, r->off), *CAT(bool, b, r->off));
			break;
		case K_STRV:
			x = CAT(struct strv, a, r->off);
			y = CAT(struct strv, b, r->off);
			assert_int_equal(x->n, y->n);
			for (size_t k = 0; k < x->n; k++)
				assert_string_equal(x->v[k], y->v[k]);
			break;
		case K_ENUM:
			assert_int_equal(*CAT(int, a, r->off), *CAT(int, b, r->off));
			break;
		case K_SUB:
			same(r->sub, CAT(void, a, r->off), CAT(void, b, r->off));
			break;
		case K_LIST:
			assert_int_equal(*CAT(size_t, a, r->off_n), *CAT(size_t, b, r->off_n));
			for (size_t k = 0; k < *CAT(size_t, a, r->off_n); k++)
				same(r->sub, *CAT(char *, a, r->off) + k * r->sub->size,
				     *CAT(char *, b, r->off) + k * r->sub->size);
			break;
		}
	}
}

static struct ctr_spec *through_text(const struct ctr_spec *s)
{
	AUTO_ERR(e);
	AUTO(json_free) struct cJSON *j = ctr_spec_to_json(s), *k = NULL;
	auto_free char *text = json_text(j, true);
	struct ctr_spec *back = NULL;

	assert_int_equal(json_parse(text, strlen(text), "spec", &k, &e), 0);
	if (ctr_spec_from_json(k, &back, &e) < 0)
		fail_msg("%s", err_text(&e));
	return back;
}

static void test_round_trip(void **state)
{
	AUTO(ctr_spec_free) struct ctr_spec *s = ctr_spec_new(), *back = NULL;

	(void)state;
	fill(&spec_desc, s);
	back = through_text(s);
	same(&spec_desc, s, back);
}

static void test_defaults(void **state)
{
	AUTO(ctr_spec_free) struct ctr_spec *s = ctr_spec_new(), *back = NULL;

	(void)state;
	back = through_text(s);
	assert_null(back->id);
	assert_true(back->stop_grace_ns == -1 && back->res.memory == -1 && back->shm_size == -1);
	assert_true(back->res.oom_score_adj == INT64_MIN && back->res.memswap == INT64_MIN);
	assert_int_equal(back->nmounts, 0);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "{}", "version 0" },
		{ "{\"v\":2}", "version 2" },
		{ "{\"v\":1,\"id\":7}", "id: not a string" },
		{ "{\"v\":1,\"number\":\"x\"}", "number: not a whole number" },
		{ "{\"v\":1,\"mounts\":[{\"type\":\"floppy\"}]}", "mounts[0]: type: 'floppy'" },
		{ "{\"v\":1,\"ports\":[{\"ctr_port\":70000}]}", "ports[0]: ctr_port: not a number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);
		AUTO(json_free) struct cJSON *j = NULL;
		struct ctr_spec *s = NULL;

		assert_int_equal(json_parse(rows[i].text, strlen(rows[i].text), "t", &j, &e), 0);
		assert_true(ctr_spec_from_json(j, &s, &e) < 0);
		assert_non_null(strstr(err_text(&e), rows[i].want));
		assert_null(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
