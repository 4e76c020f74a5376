/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who asks, as the transport and an executor established it; never as the message says. */

#include <stdbool.h>
#include <sys/types.h>

#include "util/cleanup.h"

enum caller_transport { CALLER_BUS, CALLER_SOCKET, CALLER_VARLINK };

struct caller {
        enum caller_transport transport;
        uid_t uid;
        gid_t gid;
        gid_t *groups; /* supplementary */
        size_t n_groups;
        pid_t pid;
        char *bus_name; /* CALLER_BUS: the unique name; NULL else */
        char *unit;     /* of systemd, that its process runs in; NULL where that is not known */
        bool host_mount_namespace, host_user_namespace, host_pid_namespace, host_root_directory;
};

/* root as the design has it: uid 0 in the initial user namespace, the host's mount namespace and the host's root. */
bool caller_is_root(const struct caller *caller);
/* A path that this caller names means what it means to the host. */
bool caller_sees_host_paths(const struct caller *caller);
int caller_copy(const struct caller *from, struct caller *ret);
void caller_done(struct caller *caller);
