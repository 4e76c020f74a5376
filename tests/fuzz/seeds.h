/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What fuzz targets of binary forms begin with, made by the code that writes these forms, so that it does not get old. */

#include <stddef.h>
#include <stdint.h>

/* Writes an input of a target: the byte that says which (none below 0), then these. */
void seed(const char *target, const char *name, int which, const void *data, size_t size);

/* The same of a file. */
void seed_file(const char *target, const char *name, int which, const char *path);

/* A call of each method as D-Bus has it. */
void seeds_of_dbus(void);

/* state.db, layers.db, a journal of intents. */
void seeds_of_store(void);

/* Tars with all that a layer's can have. */
void seeds_of_tar(void);
