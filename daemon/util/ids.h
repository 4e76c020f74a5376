/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ranges of user and group ids. */

#include <stdint.h>

struct id_range {
        uint32_t first, size;
};
