/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shuts a process in that works on what strangers wrote: its root directory is one directory and nothing else, in a mount
 * namespace of its own; it sees no other process, no network and no System V object; it has no capability but those that it is
 * left, and gains none. Errors are negative errnos, not logged.
 */

#include <linux/sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

/* What the process is made with, by clone(2), as its flags: it is the first in its own namespaces. */
#define CONFINE_NAMESPACES (CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)

/* A mount namespace whose root directory is empty and read-only, and a network namespace that nothing is in. Whoever is shut in
 * can change neither (confine_powers()), so that one is enough for all: to copy the host's mounts and to take them away
 * again takes a multiple of what else such a process costs, and grows with them. */
struct confine_room {
        int mounts, network; /* fds of the namespaces, which live as long; -1: not made */
};

#define CONFINE_ROOM_INIT ((struct confine_room){.mounts = -1, .network = -1})

/* Makes one, by a child that the caller is not to wait for. */
int confine_room_make(struct confine_room *ret);
void confine_room_done(struct confine_room *room);
/* Whether one is enough: not on a machine that the filter of system calls is not written for. */
bool confine_room_lasts(void);

/* Enters the room; with a detached mount, not -1, a copy of it that has this as its root directory. Everything else is unreachable
 * after that. Open fds, which stay the caller's, go on working. */
int confine_enter(const struct confine_room *room, int mount);

/* The root directory becomes that of a detached mount, or an empty one for -1, in a mount namespace that is the process's own.
 * Everything else is unreachable after that. The fd of the mount is closed in either case. Open fds go on working. */
int confine_root(int mount);

/* A directory below the root directory, reached without symlinks, becomes the root; the working directory stays where it is, which
 * is outside: it may be left upwards as far as the root that confine_root() has set. */
int confine_within(const char *directory);

/* Gives up, for good, all capabilities but these (bits 1 << CAP_…), the supplementary groups, and whatever executing a program
 * could give back; and the system calls that only who has something in mind makes: programs, processes, namespaces, mounts,
 * sockets, tracing. */
int confine_powers(uint64_t capabilities);
/* Refuses sockets of every kind but AF_UNIX from now on, for who has given up what it could: PR_SET_NO_NEW_PRIVS is set. */
int confine_sockets(void);
/* The same for a process that is to be somebody, with all of its groups, and no capability at all. */
int confine_as(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups);
/* The same for one that is about to execute a program, which may make processes and threads, and sockets if `sockets`, but no namespaces. `userns`: the
 * user namespace that it enters before, of all ids as they are, so that RLIMIT_NPROC counts its own processes alone; or -1. */
int confine_program(int userns, bool sockets, uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups);
