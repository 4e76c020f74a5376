/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Again: the wanted mount that a record's one was, so that a repair makes what was there, and nothing that only looks like it. */

#include "pod/operation-private.h"

/* What the record says is to be made: one mount, compiled for the operation's caller. FAILURE_NOT_SUPPORTED: only the client can
 * have it made. */
int again_compile(const struct operation *operation, const struct record_mount *mount, struct wanted **ret, struct failure *f);

/* What of it is not as it was, for people, behind "It was made again from its record"; "" if all is. */
const char *again_news(const struct wanted_mount *wanted);
