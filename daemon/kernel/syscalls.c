/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A unique id is one mount's on the whole machine, so that what is not here can be nothing else away. */

#include "kernel/syscalls.h"

#include <errno.h>

#include "kernel/visit.h"

int sys_statmount(uint64_t id, uint64_t mask, struct mount_status *buffer, size_t size) {
        struct mount_id_request request = {.size = sizeof(request), .mount_id = id, .parameter = mask};
        struct mount_id_request_in elsewhere = {.size = sizeof(elsewhere), .mount_id = id, .parameter = mask, .namespace = away_id()};
        long r = syscall(SYS_statmount, &request, buffer, size, 0);

        return (int) (r < 0 && errno == ENOENT && elsewhere.namespace != 0 ? syscall(SYS_statmount, &elsewhere, buffer, size, 0) : r);
}

ssize_t sys_listmount(uint64_t below, uint64_t after, uint64_t *ids, size_t n) {
        struct mount_id_request request = {.size = sizeof(request), .mount_id = below, .parameter = after};
        struct mount_id_request_in elsewhere = {.size = sizeof(elsewhere), .mount_id = below, .parameter = after, .namespace = away_id()};
        ssize_t r = syscall(SYS_listmount, &request, ids, n, 0);

        return r < 0 && errno == ENOENT && elsewhere.namespace != 0 ? syscall(SYS_listmount, &elsewhere, ids, n, 0) : r;
}
