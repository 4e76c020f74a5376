/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which of those that an index lists is meant. Pure. */

#include "image/document.h"

/* Of index.json: what has the reference for its org.opencontainers.image.ref.name or, written as a digest, is its digest; with ""
 * what there is, if all of it has one name or none. Of several with one name the one for the platform. FAILURE_NO_SUCH_SOURCE or, where
 * there are several, FAILURE_INVALID_ARGS, both with what there is. */
int select_reference(const struct index_document *index, const char *reference, const struct platform *wanted, const struct descriptor **ret,
                     struct failure *f);
/* Of an index further in: the first for the platform; else, if there is only one, what says no platform. FAILURE_NO_SUCH_SOURCE with the
 * platforms there are. */
int select_platform(const struct index_document *index, const struct platform *wanted, const struct descriptor **ret, struct failure *f);
