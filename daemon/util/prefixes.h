/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A short list of directories in one flat text, so that it can be copied and shared between processes as it is: absolute,
 * normalised paths without spaces, one space between them; "" has none. Lexical: nothing here asks the kernel.
 */

#include <stdbool.h>
#include <stddef.h>

#include "util/cleanup.h"

enum { PREFIXES_SIZE = 4096 }; /* with the NUL */

/* Adds the paths of `text`, which spaces or tabs stand between. -EINVAL for one that is not absolute and normalised;
 * -EPERM for "/" and what is in, or holds, one of `reserved` (NULL-terminated; NULL for none); -E2BIG when the list is full. */
int prefixes_add(char list[PREFIXES_SIZE], const char *text, const char *const *reserved);

/* The directory of the list that `path`, normalised, lies below, and is not itself: where it begins in the list, and its
 * length. NULL for none. */
const char *prefixes_find(const char *list, const char *path, size_t *ret_length);

/* Whether `path` is itself on the list. */
bool prefixes_has(const char *list, const char *path);
