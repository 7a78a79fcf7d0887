/* SPDX-License-Identifier: MIT
 *
 * gantry-image SOCKET TMP INPUT: unpacks images, started by gantry with three descriptors. What it does is in engine/image/job.h.
 * gantry-image digest|add|fetch|sum|pack SOCKET …: engine/image/layer_job.h.
 */
#include <errno.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/image/job.h"
#include "engine/image/layer_job.h"

int main(int argc, char **argv)
{
	AUTO_ERR(e);
	int64_t fds[3];

	log_setup("gantry-image", 2, false);
	bool layer = (argc == 5 || argc == 6) && !(*argv[1] >= '0' && *argv[1] <= '9');

	if (argc != 4 && !layer) {
		err_set(&e, EINVAL, "this program is started by gantry");
		log_err(&e);
		return 2;
	}
	for (int i = 0; i < 3; i++)
		if (num_int(argv[i + 1 + layer], 0, 1 << 20, &fds[i], &e) < 0) {
			log_err(&e);
			return 2;
		}
	if (layer && argc == 6 && streq(argv[1], "pack"))
		return image_pack((int)fds[0], (int)fds[1], (int)fds[2], argv[5], &e) < 0;
	if (layer && argc == 6 && streq(argv[1], "sum"))
		return image_sum((int)fds[0], (int)fds[1], argv[5], &e) < 0;
	if (layer && argc == 6)
		return image_fetch((int)fds[0], (int)fds[1], argv[5], &e) < 0;
	if (layer && streq(argv[1], "add"))
		return image_add((int)fds[0], (int)fds[1], (int)fds[2], &e) < 0;
	if (layer)
		return image_layer_digest((int)fds[0], (int)fds[1], (int)fds[2], &e) < 0;
	return image_boss((int)fds[0], (int)fds[1], (int)fds[2], &e) < 0;
}
