/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lexical paths: nothing here asks the kernel. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

/* Normalises an absolute path: one slash between components, no "." and no trailing slash; "/" stays "/". -EINVAL for
 * a relative path or an empty one, -ENAMETOOLONG past PATH_MAX - 1 bytes or a component past NAME_MAX, -EXDEV for one
 * with a ".." component, -ENOMEM. */
int path_normalize(const char *path, char **ret);

/* Whether `path` is `prefix` itself or lies below it, by whole components; both normalised. */
bool path_is_below(const char *path, const char *prefix);

/* An order, as of strcmp(3), in which what lies below a path follows it at once: a slash comes before all other bytes. */
int path_compare(const char *a, const char *b);

/* What follows `prefix` in `path` without its leading slash ("" for the prefix itself), or NULL if it is not below. */
const char *path_below(const char *path, const char *prefix);

/* How long an absolute path is without its `n` last components, and the slash before them; 0 if it has no more than these. */
size_t path_length_without(const char *path, uint32_t n);

/* Joins with exactly one slash; an empty `name` gives the directory itself. NULL when memory is short. */
char *path_join(const char *directory, const char *name);

/* Whether `name` can be one component: 1 to NAME_MAX bytes, neither "." nor "..", no slash. */
bool path_is_component(const char *name);

/* A name that people give to pods and containers: 1 to 64 bytes of [A-Za-z0-9._-], first one alphanumeric. */
bool name_is_valid(const char *name);

enum { LAYER_ID_MAX = 128 };

/* A layer's id: 1 to LAYER_ID_MAX of [A-Za-z0-9_.-], the first a letter or a digit. */
bool layer_id_is_valid(const char *id);
