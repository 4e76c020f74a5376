/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sources as clients write them: an absolute path, fd:NAME for an fd that came with the call, or volume:NAME for a
 * volume of the pod. Of this floor's own use. */

#include <stdbool.h>

#include "spec/spec.h"
#include "util/cleanup.h"
#include "util/failure.h"

/* Whether the text names an fd: begins with "fd:". */
bool source_is_fd(const char *text);
/* Whether it names a volume: begins with "volume:". */
bool source_is_volume(const char *text);

/* Parses one source of the place `pointer`; refusals are of `kind`. */
int source_parse(const char *text, const char *pointer, enum failure_kind kind, struct source *ret, struct failure *f);
/* The same for a bind, which may be of a volume. */
int source_parse_bind(
        const char *text, const char *pointer, enum failure_kind kind, struct source *ret, struct failure *f);

/* The text that source_parse() would read again; NULL when memory is short. */
char *source_to_text(const struct source *source);

/* Splits overlay's lowerdir: layers with colons between them, topmost first, backslash before a colon or a backslash
 * that belongs to the path; an element that begins with "fd:" reaches to the next colon after that. -EINVAL for an
 * empty element or a backslash at the end. */
int source_split_layers(const char *text, char ***ret);
