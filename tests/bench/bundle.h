/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A bundle for a runtime: its config.json as the document that podmount gets, as the raw system calls that make the same
 * mounts, and as the `crun create` of it. Every function but bundle_crun() ends the program on an error. */

#include "util/cleanup.h"

struct bundle;

/* Reads DIRECTORY/config.json. With `n_mounts`, which is more than it has, adds binds of `source` (every second one
 * read-only) at /b0, /b1… until there are so many, and writes the file again. */
struct bundle *bundle_load(const char *directory, size_t n_mounts, const char *source);
void bundle_free(struct bundle *bundle);

/* The document. */
const char *bundle_text(const struct bundle *bundle);
/* The tree of it, detached, attached at `point`: root, mounts, devices, masked and read-only paths. */
void bundle_raw(const struct bundle *bundle, const char *point);
/* Runs `crun create`, to its end; the container is deleted afterwards, outside the time. A negative errno if crun is not
 * there or says no. */
int bundle_crun(const struct bundle *bundle, char *state, double *ret_time);
