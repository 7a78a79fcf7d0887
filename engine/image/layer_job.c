/* SPDX-License-Identifier: MIT */
#include "engine/image/layer_job.h"

#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"
#include "engine/image/digest.h"
#include "engine/image/pack.h"
#include "engine/image/wire.h"

static int digest_of(int dir, int form, struct cJSON *answer, struct err *e)
{
	AUTO(digest_free) struct digest *d = NULL;
	char text[DIGEST_STR];
	int64_t size, tar;

	TRY(digest_prepare(e));
	d = digest_new(NULL);
	TRY(pack_upper(dir, form == WHITEOUT_FILE ? WHITEOUT_FILE : WHITEOUT_DEVICE, -1, d, &size, &tar, e));
	digest_end(d, text);
	json_add_str(answer, "diff", text);
	json_add_int(answer, "size", size);
	json_add_int(answer, "tar", tar);
	return 0;
}

int image_layer_digest(int sock, int dir, int form, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = json_object();
	AUTO_ERR(lost);
	int r = digest_of(dir, form, answer, e);

	return r < 0 ? wire_send_err(sock, e, &lost), r : wire_send(sock, answer, e);
}
