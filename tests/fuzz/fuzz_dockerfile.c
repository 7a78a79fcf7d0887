/* SPDX-License-Identifier: MIT
 *
 * fuzz_dockerfile: parser, flags, and expansion of every word with itself as environment
 */
#include "tests/fuzz/fuzz.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/build/dockerfile.h"
#include "engine/build/expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dockerfile d;
	struct df_place place;
	AUTO_STRV(env);
	AUTO_ERR(e);

	if (dockerfile_parse((const char *)data, size, &d, &place, &e) < 0) {
		BUG_ON(!*err_text(&e));
		return 0;
	}
	BUG_ON(d.n == 0);
	strv_add(&env, "v=foobarbaz/x");
	for (size_t i = 0; i < d.n; i++) {
		AUTO_ERR(flags);

		BUG_ON(d.v[i].line < 1 || d.v[i].last < d.v[i].line);
		(void)instr_flags_check(&d.v[i], &flags);
		for (size_t k = 0; k < d.v[i].args.n && k < 20; k++) {
			auto_free char *out = NULL;
			AUTO_ERR(word);

			if (strlen(d.v[i].args.v[k]) < 4096)
				(void)expand_word(d.v[i].args.v[k], d.escape, &env, 0, NULL, &out, &word);
		}
	}
	dockerfile_done(&d);
	return 0;
}
