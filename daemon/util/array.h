/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Growable arrays of plain elements, kept as a pointer and a count by whoever owns them:
 *
 *     struct step *steps; size_t n_steps;
 *     struct step *step = array_append(&steps, &n_steps);
 *
 * Capacity is the next power of two, so appending is amortised O(1) and needs no third field.
 */

#include <stddef.h>

#include "util/cleanup.h"

/* Appends one zeroed element and returns it; NULL (nothing changed) when memory is short or the size overflows. */
void *array_append_raw(void **array, size_t *count, size_t size);
#define array_append(array, count) ((__typeof__(*(array))) array_append_raw((void **) (array), (count), sizeof(**(array))))

/* Number of strings in a NULL-terminated string vector; 0 for NULL. */
size_t strv_length(char *const *strv);
/* Appends a copy of `text`. -ENOMEM, the vector as it was. */
int strv_append(char ***strv, const char *text);
/* Appends what the format makes. -ENOMEM, the vector as it was. */
int strv_appendf(char ***strv, const char *format, ...) _printf_(2, 3);
/* A deep copy, never NULL on success. -ENOMEM. */
int strv_copy(char *const *strv, char ***ret);
/* Joins with `separator`; NULL when memory is short. An empty vector gives "". */
char *strv_join(char *const *strv, const char *separator);
/* Frees the vector and its strings. Takes and returns NULL. */
char **strv_free(char **strv);
DEFINE_CLEANUP(char **, strv_free)
#define _cleanup_strv_ _cleanup_(strv_freep)
