/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Warnings: what of a spec is not applied, or not as it may seem. Of this floor's own use. */

#include "util/array.h"
#include "util/cleanup.h"

enum { WARNINGS_MAX = 256 }; /* of one spec */

/* Appends one sentence; the last that fits says that there are more. -ENOMEM. */
int warning_add(char ***warnings, const char *format, ...) _printf_(2, 3);
