/* SPDX-License-Identifier: MIT */
#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/template.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const char row[] = "{\"Name\":\"p-web-1\",\"State\":\"running\",\"ExitCode\":0,\"None\":null,\"Labels\":\"one=1st,on=x,one=last\","
			  "\"Ports\":[{\"URL\":\"::\",\"Port\":80},{\"URL\":\"\",\"Port\":53}],\"Empty\":[],\"M\":{\"a-b\":{\"c\":7}},\"Up\":true}";

static void test_render(void **state)
{
	static const struct {
		const char *in, *want, *err;
	} rows[] = {
		{ "{{.Name}}: {{ .State }}!", "p-web-1: running!", NULL },
		{ "{{.M}} {{.Ports}} {{.None}} {{.Nope}} {{.Nope.X}} {{.Up}}", "{{7}} [{:: 80} { 53}] <no value> <no value> <no value> true", NULL },
		{ "{{json .Ports}}", "[{\"URL\":\"::\",\"Port\":80},{\"URL\":\"\",\"Port\":53}]", NULL },
		{ "{{.Name | upper}} {{upper .Name | lower | len}} {{title \"a b\"}}", "P-WEB-1 7 A B", NULL },
		{ "{{if eq .State \"running\"}}UP{{else}}DOWN{{end}}", "UP", NULL },
		{ "{{if .ExitCode}}a{{else if .Empty}}b{{else if not .None}}c{{else}}d{{end}}", "c", NULL },
		{ "{{range .Ports}}{{.Port}}@{{$.Name}} {{end}}", "80@p-web-1 53@p-web-1 ", NULL },
		{ "{{range .Empty}}x{{index .Y 5}}{{else}}none{{end}}{{range .M}}{{.c}}{{end}}", "none7", NULL },
		{ "{{range .Ports}}{{if .URL}}{{.URL}}{{else}}-{{end}},{{end}}", "::,-,", NULL },
		{ "{{with .M}}{{index . \"a-b\" \"c\"}}{{end}}{{with .None}}x{{else}}y{{end}}", "7y", NULL },
		{ "{{(index .Ports 1).Port}}", "53", NULL },
		{ "{{if false}}{{index .Ports 9}}{{printf \"%x\" 1 | len}}{{end}}", "", NULL },
		{ "{{printf \"%s|%5d|%-4v|%q|%%\" .Name .ExitCode 12 \"a\\\"\"}}", "p-web-1|    0|12  |\"a\\\"\"|%", NULL },
		{ "{{join (split .Name \"-\") \"_\"}} {{truncate .Name 3}}[{{pad .State 1 2}}]", "p_web_1 p-w[ running  ]", NULL },
		{ "{{and .Up .Name}} {{or .None \"z\"}} {{lt 2 10}} {{ge \"b\" \"a\"}} {{eq 3 1 2 3}} {{ne .Up true}}", "p-web-1 z true true true false", NULL },
		{ "{{print 1 2 \"a\" 3}} {{println \"x\" 1}}", "1 2a3 x 1\n", NULL },
		{ "a  {{- .State -}}  b {{/* nothing */}}{{`\\t`}}{{\"\\t\"}}\\t\\n", "arunningb \\t\t\t\n", NULL },
		{ "{{.Label \"one\"}} {{.Label \"on\"}} {{.Label \"o\"}}.", "last x .", NULL },
		{ "{{.Name", NULL, "without '}}'" }, { "{{range .Ports}}", NULL, "not understood" }, { "{{end}}", NULL, "without a beginning" },
		{ "{{nope .X}}", NULL, "'{{nope .X}}' is not understood" }, { "{{if false}}{{nope}}{{end}}", NULL, "not understood" },
		{ "{{.Name .State}}", NULL, "not understood" }, { "{{index .Ports 2}}", NULL, "out of range" }, { "{{join .Ports}}", NULL, "number of arguments" },
		{ "{{.Label one}}", NULL, "wants a key in quotes" }, { "{{printf \"%s\"}}", NULL, "printf" }, { "{{\"open}}", NULL, "not understood" },
	};
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_ERR(bad);

	(void)state;
	assert_true(json_parse(row, sizeof row - 1, "row", &j, &bad) >= 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STR(out, 4096);
		AUTO_ERR(e);
		int r = template_render(rows[i].in, j, false, &out, &e);

		if (!!rows[i].err != (r < 0) || (rows[i].want && !streq(out.s, rows[i].want)) || (r < 0 && !strstr(err_text(&e), rows[i].err)))
			fail_msg("%s: '%s' %s", rows[i].in, out.s, r < 0 ? err_text(&e) : "");
	}
}

static void test_limits(void **state)
{
	AUTO(json_free) struct cJSON *j = json_object();
	AUTO_STR(deep, 1 << 20);
	AUTO_STR(out, 64);
	AUTO_STR(small, 4);
	AUTO_ERR(e);
	AUTO_ERR(e2);

	(void)state;
	for (int i = 0; i < 1000; i++)
		str_add(&deep, "{{if true}}");
	assert_true(template_render(deep.s, j, false, &out, &e) < 0);
	assert_non_null(strstr(err_text(&e), "nested"));
	assert_true(template_render("longer than four", j, false, &small, &e2) < 0);
	AUTO_STR(heading, 64);
	AUTO_ERR(e3);
	assert_true(template_render("{{.Label \"key\"}}", j, true, &heading, &e3) >= 0);
	assert_string_equal(heading.s, "key");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_render), cmocka_unit_test(test_limits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
