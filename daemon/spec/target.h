/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which targets below /proc and /sys a mount may have: elsewhere a mount could replace what programs of the container
 * trust as the kernel's word. Lexical; the executor compares what it has really reached with the same rule.
 */

#include "util/cleanup.h"

/* NULL if a mount of this type ("bind" for clones) may be put at the normalised target, else the reason and what to do,
 * as the rest of a sentence; static. */
const char *target_refusal(const char *target, const char *type);
