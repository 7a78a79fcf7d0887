/* SPDX-License-Identifier: MIT
 *
 * fuzz_manifest: every document that an archive or a registry may hand us. What is accepted has digests that are safe as parts of paths.
 */
#include "tests/fuzz/fuzz.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/image/manifest.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include <string.h>

static void check_index(const struct manifest *m)
{
	struct platform host;
	size_t i;
	AUTO_ERR(e);

	platform_host(&host);
	if (manifest_select(m, &host, NULL, &i, &e) >= 0)
		BUG_ON(i >= m->n || m->v[i].attestation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xmalloc(size + 1);
	AUTO_DONE(manifest_done) struct manifest m = { 0 };
	AUTO_DONE(saved_images_done) struct saved_images l = { 0 };
	AUTO_DONE(config_info_done) struct config_info c = { 0 };
	AUTO_DONE(image_config_done) struct image_config config = { 0 };
	AUTO_STRV(chain);
	AUTO_ERR(e1);
	AUTO_ERR(e2);
	AUTO_ERR(e3);
	AUTO_ERR(e4);

	memcpy(text, data, size);
	text[size] = '\0';
	if (manifest_parse(text, size, "m", &m, &e1) >= 0) {
		for (size_t i = 0; i < m.n; i++)
			BUG_ON(!digest_is_valid(m.v[i].digest) || m.v[i].size < 0);
		if (m.kind == MANIFEST_INDEX)
			check_index(&m);
		else
			BUG_ON(!digest_is_valid(m.config.digest) || m.n > LAYERS_MAX);
	}
	if (saved_images_parse(text, size, &l, &e2) >= 0)
		for (size_t i = 0; i < l.n; i++)
			BUG_ON(!l.v[i].config || l.v[i].layers.n > LAYERS_MAX);
	if (config_info_parse(text, size, &c, &e3) >= 0) {
		chain_ids(&c.diff_ids, &chain);
		BUG_ON(chain.n != c.diff_ids.n);
		for (size_t i = 0; i < chain.n; i++)
			BUG_ON(!digest_is_valid(chain.v[i]));
	}
	if (image_config_parse(text, &config, &e4) >= 0)
		for (size_t i = 0; i < config.env.n; i++)
			BUG_ON(!strchr(config.env.v[i], '='));
	return 0;
}
