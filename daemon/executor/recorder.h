/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Follows the bytes of a tar while somebody reads it, and writes down those that are not the content of a file that will be in
 * the layer (executor/layer-split.h). It gives up, without a failure, where that cannot be; all errors are of that kind.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

struct recorder;

/* NULL when memory is short. The fd stays the caller's. */
struct recorder *recorder_new(int fd);
/* The next bytes of the tar, which stay where they are until recorder_keep() is called. */
void recorder_feed(struct recorder *recorder, const void *data, size_t size);
/* Before the memory of the last bytes is used for others. */
void recorder_keep(struct recorder *recorder);
/* From byte `at` of the tar on, `size` bytes are the content of this file; what was before it, back to the last file's, is not. */
void recorder_file(struct recorder *recorder, uint64_t at, const char *name, uint64_t size);
/* That was all. Whether the record is complete; else what was written is of no use. */
bool recorder_end(struct recorder *recorder);
struct recorder *recorder_free(struct recorder *recorder);
DEFINE_CLEANUP(struct recorder *, recorder_free)
