/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The runtime directory: made, checked and locked by the keeper before anything else happens in it.
 *
 *     <runtime>/            0755 root
 *       lock                0600 root, fcntl(2) lock of the keeper
 *       pods/               0711 root, below it the pods
 *       layers/             0711 root, below it layers that are mounted
 *       ns/                 0755 root, in it files that namespaces are bound to
 *       intent/             0700 root, one file for each executor slot, flock(2)ed as long as one of the slot's executors lives
 *       state/              0700 of the front's user: state.db
 *       state.db            symbolic link to state/state.db
 *       socket              0666, D-Bus without a broker
 */

#include <sys/types.h>

#include "kernel/own-space.h"
#include "util/cleanup.h"

enum { RUNTIME_SLOTS_MAX = 16 /* executors, podmountd.conf(5) Executors= */ };

struct runtime {
        char *path;    /* canonical: as mountinfo shows it */
        int fd;        /* O_PATH on it */
        int lock_fd;
        int listen_fd; /* the private socket, listening, non-blocking */
        int varlink_fd; /* the varlink socket, likewise: the service manager's (LISTEN_FDNAMES=varlink, sd_listen_fds(3)), or our own */
        struct own_space_text *texts; /* of mount namespaces that pods have to themselves, bound below ns/; until the front has them */
        size_t n_texts;
        int intent_fds[RUNTIME_SLOTS_MAX]; /* by slot, for executors; -1 where there is no file */
        int read_intent_fds[RUNTIME_SLOTS_MAX]; /* of the same files, read-only: for the front, which must not cut one short that an executor has mapped */
};

#define RUNTIME_INIT                                                                                             \
        ((struct runtime) {.fd = -1, .lock_fd = -1, .listen_fd = -1, .varlink_fd = -1, .intent_fds = {[0 ... RUNTIME_SLOTS_MAX - 1] = -1}, \
                           .read_intent_fds = {[0 ... RUNTIME_SLOTS_MAX - 1] = -1}})

/* Prepares the directory for a front that runs as `uid` and `gid` and makes intent files for `n_slots` executors; files of
 * an earlier daemon's further slots are opened, too. Waits for executors of an earlier daemon that have not ended yet, at most
 * 10 s for all of them. A negative errno, logged with what to do about it; -EBUSY when another daemon holds the lock. */
int runtime_prepare(const char *path, uid_t uid, gid_t gid, unsigned n_slots, struct runtime *ret);
/* The front has the texts: an fd of one keeps its namespace alive. */
void runtime_close_texts(struct runtime *runtime);
void runtime_done(struct runtime *runtime);
#define _cleanup_runtime_ _cleanup_(runtime_done)
