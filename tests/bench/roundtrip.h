/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What it costs at least that an executor, not the front itself, does the work: the same message once answered by a
 * process with an event loop, once passed on by it to another process and back. */

#include "sample.h"

/* Adds `n` samples to each list. Ends the program on failure, as all of the bench does. */
void roundtrip_measure(size_t n, struct samples *direct, struct samples *through);
