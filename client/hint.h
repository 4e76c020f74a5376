/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What to do next, for every error name of org.podmount1(5) and for those of a bus that people meet. */

#include "util/failure.h"

/* The sentence for an error name; NULL for a name that has none. */
const char *hint_for(const char *error_name);

/* The error name of a kind that the client itself finds out (`check`); NULL for FAILURE_NONE. */
const char *hint_error_name(enum failure_kind kind);
