/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether the file system below a directory can hold overlay layers: what overlayfs needs of an upper directory, each
 * found by trying it, as features.h does for the kernel. A layer that was written where one of these is missing loses
 * its deletions without an error, so whoever keeps layers asks first.
 */

#include <stdbool.h>
#include <stdint.h>

#include "kernel/features.h"
#include "util/cleanup.h"
#include "util/failure.h"

struct backing {
        uint64_t magic; /* statfs(2) f_type */
        bool d_type;    /* directories tell the type of their entries */
        bool xattrs;    /* trusted.overlay.* attributes can be set and read */
        bool whiteouts; /* RENAME_WHITEOUT leaves the device 0:0 behind */
        bool lower;     /* an overlay over it can be mounted */
        bool upper;     /* …and one whose upper and work directories it is takes a deletion */
        char *words;    /* what the kernel said to a refused overlay, or NULL */
        bool full;      /* there was no room to try */
};

#define BACKING_PROBE_NAME ".probe"

/* Tries it in a directory BACKING_PROBE_NAME, which is made below `directory` and removed with all that is in it, one that
 * was left by a crash first: the directory must be the caller's alone. Mounts nothing that anybody sees. Needs the
 * privilege to mount. A negative errno, not logged, where the probing itself cannot be done (-EROFS, -EACCES…); a full file system is none. */
int backing_probe(int directory, const struct features *features, struct backing *ret);
void backing_done(struct backing *backing);
#define _cleanup_backing_ _cleanup_(backing_done)

/* The file system's name as mount(8) has it, "0x…" for one that is not known here. Owned by the caller, NULL when memory
 * is short. */
char *backing_name(const struct backing *backing);

/* 0 where layers can be kept; else FAILURE_NOT_SUPPORTED, with what is missing below `path` and what to change, or
 * FAILURE_QUOTA_EXCEEDED. */
int backing_judge(const struct backing *backing, const char *path, struct failure *f);
