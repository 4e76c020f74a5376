/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The arguments of every method of the contract, flat: what a method does not take stays empty. Filled by a transport's
 * decoder (decode.h for D-Bus); the texts belong to the message, which the request keeps.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/array.h"

struct arguments {
        const char *id;         /* of the pod, as given */
        char **ids;             /* GC */
        const char *text;       /* a spec, or mounts */
        const char *source, *target;
        const char *interface, *property; /* org.freedesktop.DBus.Properties */
        const char *layer, *parent; /* ids of layers */
        const char *reference;      /* of an image */

        char **fd_names;        /* NULL-terminated… */
        int *fds;               /* …and duplicates of the fds, O_CLOEXEC, in the same order */
        size_t n_fds;

        /* options */
        const char *uuid, *name, *lease, *visibility, *container, *namespace;
        char **options;
        const char *label, *uid_map, *gid_map, *holder, *platform, *progress;
        char **metadata;        /* pairs of key and value */
        uint64_t mount_id, namespace_id, after, timeout_us;
        uint32_t limit, pid, owner; /* owner: ARGUMENTS_NO_UID where it is not given */
        bool stack, lazy, wait, dry_run, missing_ok, read_write, connection_bound, all;
};

#define ARGUMENTS_NO_UID UINT32_MAX /* nobody's: (uid_t) -1 */

/* Releases what is owned and empties all. */
void arguments_done(struct arguments *arguments);
