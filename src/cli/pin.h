/* SPDX-License-Identifier: MIT
 *
 * cli/pin.h - names of images with the digests that they stand for now (config --resolve-image-digests, --lock-image-digests), and a
 * word about those that need them
 */
#pragma once

struct app;
struct err;
struct project;
/* Each service's image becomes NAME:TAG@DIGEST: from its registry; where that does not answer, as it was when it was pulled here; what is built here and
 * unknown there stays, with a warning. The new names live in the project's arena. */
int pin_images(struct app *app, struct project *p, struct err *e);
/* One warning about images that are named without a tag, or as "latest", and are not built here: what they are changes by itself. */
void pin_warn(const struct project *p);
