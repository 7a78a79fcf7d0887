/* SPDX-License-Identifier: MIT
 *
 * fuzz_ref: an image's name. What is accepted is canonical: parsing its text gives the same text, the familiar form means the same name.
 */
#include "tests/fuzz/fuzz.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/image/platform.h"
#include "engine/image/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	AUTO_DONE(ref_done) struct ref a = { 0 }, b = { 0 }, c = { 0 };
	auto_free char *one = NULL, *two = NULL, *three = NULL;
	struct platform p;
	AUTO_ERR(e);
	AUTO_ERR(no_platform);

	if (platform_parse(text, &p, &no_platform) >= 0)
		BUG_ON(platform_rank(&p, &p) != 0 && platform_rank(&p, &p) != -1);
	if (ref_parse_tagged(text, &a, &e) < 0) {
		BUG_ON(!*err_text(&e));
		return 0;
	}
	one = ref_text(&a);
	BUG_ON(!str_utf8_valid(one, strlen(one)) || strchr(one, '\n'));
	BUG_ON(strstr(a.path, "..") || strstr(a.path, "//") || strstr(a.host, "..") || strchr(a.host, '/'));
	if (ref_parse_tagged(one, &b, &e) < 0)
		BUG("'%s' is not a reference: %s", one, err_text(&e));
	two = ref_text(&b);
	BUG_ON(!streq(one, two));
	if (ref_parse_tagged(ref_familiar(one), &c, &e) < 0)
		BUG("'%s' is not a reference: %s", ref_familiar(one), err_text(&e));
	three = ref_text(&c);
	BUG_ON(!streq(one, three));
	BUG_ON(a.digest && !digest_is_valid(a.digest));
	return 0;
}
