/* SPDX-License-Identifier: MIT
 *
 * The parser of Dockerfiles: rows of its own, and BuildKit's own files where they are there (../shared/data/build/testdata).
 */
#include "tests/unit/compose_cases.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/build/dockerfile.h"
#include "engine/build/gofmt.h"

/* "KIND[line-last] flag… | arg… <<name:body" per instruction, joined by newlines; errors as "error LINE: text". */
static char *render(const char *text)
{
	struct dockerfile d;
	struct df_place place;
	AUTO_STR(out, 64 << 10);
	AUTO_ERR(e);

	if (dockerfile_parse(text, strlen(text), &d, &place, &e) < 0) {
		str_addf(&out, "error %d: %s", place.first, err_text(&e));
		return str_take(&out);
	}
	for (size_t i = 0; i < d.n; i++) {
		const struct instr *in = &d.v[i];

		str_addf(&out, "%s%s", i ? "\n" : "", instr_name(in->kind));
		if (in->last != in->line)
			str_addf(&out, "[%d-%d]", in->line, in->last);
		for (size_t k = 0; k < in->flags.n; k++)
			str_addf(&out, " %s", in->flags.v[k]);
		str_add(&out, in->json ? " json" : "");
		for (size_t k = 0; k < in->args.n; k++)
			str_addf(&out, " |%s", in->args.v[k]);
		for (size_t k = 0; k < in->ndocs; k++) {
			auto_free char *body = heredoc_text(&in->docs[k]);

			str_addf(&out, " <<%s%s:%s", in->docs[k].expand ? "" : "'", in->docs[k].name, body);
		}
	}
	dockerfile_done(&d);
	return str_take(&out);
}

static const struct {
	const char *in, *want;
} rows[] = {
	{ "FROM a\n", "FROM |a" },
	{ "from a as b\nRun echo  x\n", "FROM |a |as |b\nRUN |echo  x" },
	{ "\xef\xbb\xbf" "FROM a\r\nRUN a \\\r\n  b\r\n", "FROM |a\nRUN[2-3] |a   b" },
	{ "# escape=`\nFROM a\nRUN a `\n b\\\n", "FROM |a\nRUN[3-4] |a  b\\" },
	{ "# c\n# escape=`\nFROM a\nRUN a `\n", "FROM |a\nRUN |a `" },
	{ "RUN a \\\n# comment\n\n b\n", "RUN[1-4] |a  b" },
	{ "RUN a \\", "RUN |a" },
	{ "RUN a \\\\\n", "RUN |a \\\\" },
	{ "RUN [\"a\", \"b c\"]\nRUN ['a']\n", "RUN json |a |b c\nRUN |['a']" },
	{ "CMD []\n", "CMD json" },
	{ "CMD [\"a]\\\"\", \"b\"] c\nCMD [\"a\"\n", "CMD json |a]\" |b\nCMD |[\"a\"" },
	{ "CMD [\"\xff\"]\n", "CMD json |\xef\xbf\xbd" },
	{ "CMD [\"a\", 1]\n", "error 1: when using JSON array syntax, arrays must be comprised of strings only" },
	{ "COPY --from=x --chown='a b' \"s t\" d\n", "COPY --from=x --chown=a b |\"s |t\" |d" },
	{ "ENV a=b c=\"d e\" f=g\\ h\nENV a b  c\n", "ENV |a=b |c=\"d e\" |f=g\\ h\nENV |a=b  c" },
	{ "ENV a=1\xc2\xa0" "b=2\xe2\x80\x83" "c=\xc2\xa1\n", "ENV |a=1 |b=2 |c=\xc2\xa1" },
	{ "LABEL a=b \"c\"\n", "error 1: Syntax error - can't find = in \"\\\"c\\\"\". Must be of the form: name=value" },
	{ "ENV a\n", "error 1: ENV must have two arguments" },
	{ "ENV a=b c\n", "error 1: Syntax error - can't find = in \"c\". Must be of the form: name=value" },
	{ "RUN <<EOF\na\n  b\nEOF\nUSER x\n", "RUN[1-4] |<<EOF <<EOF:a\n  b\n\nUSER |x" },
	{ "COPY <<-'A' <<B /d\n\tone\n\tA\ntwo\nB\n", "COPY[1-5] |<<-'A' |<<B |/d <<'A:one\n <<B:two\n" },
	{ "RUN echo $((1 << 2)) \"<<EOF\" <<< x\n", "RUN |echo $((1 << 2)) \"<<EOF\" <<< x" },
	{ "RUN cat << EOF\nx\nEOF\n", "RUN[1-3] |cat << EOF <<EOF:x\n" },
	{ "RUN <<EOF\nx\n", "error 1: unterminated heredoc" },
	{ "HEALTHCHECK --interval=3s CMD [\"a\"]\nHEALTHCHECK NONE\n", "HEALTHCHECK --interval=3s json |CMD |a\nHEALTHCHECK |NONE" },
	{ "ONBUILD RUN --mount=a b\n", "ONBUILD |RUN --mount=a b" },
	{ "ONBUILD --x RUN b\n", "ONBUILD --x |RUN b" },
	{ "ARG a b=\"c d\"\n", "ARG |a |b=\"c d\"" },
	{ "RUNN x\n", "error 1: dockerfile parse error on line 1: unknown instruction: RUNN (did you mean RUN?)" },
	{ "# only\n", "error 1: file with no instructions" },
	{ "", "error 0: the Dockerfile cannot be empty" },
	{ "# escape=x\nFROM a\n", "error 0: invalid escape token 'x' does not match ` or \\" },
	{ "# syntax=docker/dockerfile:1\n# check=skip=all\nFROM a\n", "FROM |a" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *got = render(rows[i].in);

		if (!streq(got, rows[i].want))
			fail_msg("row %zu: %s\n got:  %s\n want: %s", i, rows[i].in, got, rows[i].want);
	}
}

static void test_limits(void **state)
{
	auto_free char *line = xmalloc(DF_LINE_MAX + 20);
	auto_free char *got = NULL;

	(void)state;
	memset(line, 'x', DF_LINE_MAX + 10);
	memcpy(line, "RUN ", 4);
	line[DF_LINE_MAX + 10] = '\0';
	got = render(line);
	assert_string_equal(got, "error 1: dockerfile line greater than max allowed size of 65535");
}

static void test_flags(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: fine */
	} flags[] = {
		{ "COPY --from=a b c", NULL }, { "COPY --link b c", NULL }, { "COPY --link=FALSE b c", NULL },
		{ "COPY --form=a b c", "unknown flag: --form (did you mean from?)" }, { "COPY --from=a --from=b b c", "duplicate flag specified: --from" },
		{ "COPY --from b c", "missing a value on flag: --from" },
		{ "COPY --link=x b c", "expecting boolean value for flag --link, not: x" },
		{ "RUN --mount=a --mount=b c", NULL }, { "ARG --x", NULL }, { "USER --x y", "unknown flag: --x" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct dockerfile d;
		AUTO_ERR(e);

		assert_int_equal(dockerfile_parse_one(flags[i].in, &d, &e), 0);
		(void)instr_flags_check(&d.v[0], &e);
		if (flags[i].want)
			assert_string_equal(err_text(&e), flags[i].want);
		else
			assert_int_equal(e.code, 0);
		dockerfile_done(&d);
	}
}

static void test_gofmt(void **state)
{
	AUTO_STRV(l);

	(void)state;
	strv_add(&l, "/bin/sh");
	strv_add(&l, "a\n\"b\"\\\x07\xff\xc3\xa4\xc2\xad");
	auto_free char *quoted = go_quoted_list(&l), *plain = NULL;

	assert_string_equal(quoted, "[\"/bin/sh\" \"a\\n\\\"b\\\"\\\\\\a\\xff\xc3\xa4\\u00ad\"]");
	strv_remove(&l, 1);
	strv_add(&l, "-c");
	plain = go_list(&l);
	assert_string_equal(plain, "[/bin/sh -c]");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_limits), cmocka_unit_test(test_flags),
					    cmocka_unit_test(test_gofmt) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
