/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What this kernel can do, found by trying it, never by its version. Each feature can be taken away by name, so that
 * the way without it is tested on any kernel.
 */

#include <stdbool.h>

#include "util/cleanup.h"

struct features {
        bool unique_id;       /* "unique-id": 64-bit mount ids in statx(2), about 6.8 */
        bool statmount;       /* "statmount": statmount(2) and listmount(2), about 6.8; needs unique-id */
        bool mount_events;    /* "mount-events": fanotify(7) tells of mounts, about 6.15; needs statmount */
        bool unlimited_queue; /* "unlimited-queue": …in a queue of any length; needs mount-events */
        bool detached_attach; /* "detached-attach": mounts can be attached to a detached tree, about 6.15 */
        bool detached_clone;  /* "detached-clone": …and cloned from there; needs detached-attach */
        bool detached_layers; /* "detached-layers": an overlay layer may be a detached mount, about 6.15 */
        bool lowerdir_plus;   /* "lowerdir-plus": overlay takes its layers one by one, about 6.7 */
        bool beneath;         /* "beneath": a mount can be put beneath another one, 6.5 */
        bool layer_fd;        /* "layer-fd": …as fds, about 6.13 */
        bool proc_pidns;      /* "proc-pidns": proc takes its pid namespace as an fd, about 6.17 */
        bool namespace_ids;   /* "namespace-ids": mount namespaces are found by their ids, about 6.12; needs statmount */
};

/* Tries each. `without`: names of features to leave out, separated by commas, or NULL. Needs the privilege to mount;
 * without it nothing but the ids is found. Attaches nothing anywhere. -EINVAL for an unknown name, logged. */
int features_probe(const char *without, struct features *ret);

/* The names of the features that are there, NULL-terminated, owned by the caller; -ENOMEM. */
int features_names(const struct features *features, char ***ret);
