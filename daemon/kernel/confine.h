/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shuts a process in that works on what strangers wrote: its root directory is one directory and nothing else, in a mount
 * namespace of its own; it sees no other process, no network and no System V object; it has no capability but those that it is
 * left, and gains none. Errors are negative errnos, not logged.
 */

#include <linux/sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

/* What the process is made with, by clone(2), as its flags: it is the first in its own namespaces. */
#define CONFINE_NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

/* Makes a detached mount the root directory, and everything else unreachable; -1: an empty directory that nothing is written to.
 * The fd of the mount is closed in either case. Open fds go on working. */
int confine_root(int mount);

/* Gives up, for good, all capabilities but these (bits 1 << CAP_…), the supplementary groups, and whatever executing a program
 * could give back; and the system calls that only who has something in mind makes: programs, processes, namespaces, mounts,
 * sockets, tracing. */
int confine_powers(uint64_t capabilities);
/* The same for a process that is to be somebody, with all of its groups, and no capability at all. */
int confine_as(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups);
