/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Chain ids (config.md, "Layer ChainID"): what a layer is together with all that it stands on. */

#include "image/digest.h"

/* The chain id of a layer with this diff-id upon another chain, or, with NULL, upon nothing: that is the diff-id itself. -ENOMEM. */
int chain_next(const struct digest *below, const struct digest *diff_id, struct digest *ret);
