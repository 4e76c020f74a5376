/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The state directory, which outlives a boot: made, checked and locked by the keeper, and looked at once for what it can hold.
 *
 *     <state>/              0700 root
 *       lock                0600 root, fcntl(2) lock of the keeper
 *       layers/             0700 root, layers by id (plan/layer.h)
 *       records/            0700 of the front's user: layers.db
 *
 * Nobody is to mount below it, and nothing in it is a program: it is reached by a mount of its own that is in no mount
 * namespace, private, nosuid, nodev and noexec, where the kernel takes layers from one (feature "detached-layers").
 */

#include <stdint.h>
#include <sys/types.h>

#include "kernel/backing.h"
#include "kernel/features.h"
#include "util/cleanup.h"

struct state {
        char *path; /* canonical, or as given where there is none */
        int lock_fd, layers_fd, records_fd; /* -1: there is none */
        int mount_fd; /* the mount that they are on: nothing can be mounted of it any more when this is closed */
        struct backing backing;
        char *reason; /* why it cannot be used: a phrase, and what to do; NULL: it can */
};

#define STATE_INIT ((struct state) {.lock_fd = -1, .layers_fd = -1, .records_fd = -1, .mount_fd = -1})

/* A clone of the directory that nobody else has, and that nothing is mounted in, with these attributes and the above; a duplicate of the fd where
 * the kernel takes no layers from such a one. A negative errno, not logged. */
int state_clone(int fd, uint64_t attributes, const struct features *features);

/* Prepares the directory for a front that runs as `uid` and `gid`. Pods need none of it: whatever is wrong is logged and
 * told in `reason`, and is no failure. -ENOMEM. */
int state_prepare(const char *path, uid_t uid, gid_t gid, const struct features *features, struct state *ret);
void state_done(struct state *state);
#define _cleanup_state_ _cleanup_(state_done)
