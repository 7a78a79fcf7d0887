/* SPDX-License-Identifier: MIT
 *
 * cli/pin.h - names of images with the digests that they stand for now (config --resolve-image-digests, --lock-image-digests)
 */
#pragma once

struct app;
struct err;
struct project;
/* Each service's image becomes NAME:TAG@DIGEST: from its registry; where that does not answer, as it was when it was pulled here; what is built here and
 * unknown there stays, with a warning. The new names live in the project's arena. */
int pin_images(struct app *app, struct project *p, struct err *e);
