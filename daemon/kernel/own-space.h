/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mount namespaces that pods have to themselves (mount_namespaces(7)): made, kept alive by a file that they are bound to, as
 * ip-netns(8) keeps its own, and found again by that. Errors are negative errnos, not logged.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "util/cleanup.h"

/* A new one, in which nothing is but a /proc and these directories (absolute; NULL-terminated), on a read-only tmpfs. `seed`: a namespace of few mounts to
 * begin with. An fd, the caller's; the namespace goes with the last of those. -ELOOP where none can be made that may be bound to a file of
 * this process's own. */
int own_space_make(int seed, const char *const *directories);

/* Makes the directory, on which nothing is mounted yet, a private mount of its own where it lies on a shared one: the kernel binds no
 * mount namespace's file where it would have to copy it to peers. Nothing to do where that is done, or there are files in use. */
int own_space_prepare(int directory);

/* Takes that mount off the directory `name` in `directory` again, unless something is bound there, or somebody is. */
void own_space_leave(int directory, const char *name);

/* What is bound to the file `name` in `directory` (space_pin(), kernel/space.h): an fd, the caller's. -ENOENT when there is no such file, or nothing
 * bound to it; -EINVAL for what is no mount namespace, -EPERM for this process's own. */
int own_space_open(int directory, const char *name);

/* The number of a process of which a thread lives in it, for a caller with CAP_SYS_PTRACE: 1 when there is one, 0 when not; -ENOENT without
 * /proc. Those that end meanwhile are none, and those that not even that capability lets see. */
int own_space_find_process(int namespace, pid_t *ret);

/* The text of its mount table (proc_pid_mountinfo(5)), to read and to poll, whoever has the fd; it keeps the namespace alive. */
int own_space_mountinfo(int namespace);
struct own_space_text {
        char name[37]; /* of the file that the namespace is bound to: a UUID */
        int fd;        /* -1 once it was taken */
};

/* The directory at this absolute path in it, without symlinks; `bare`: on the namespace's own tmpfs, whatever is mounted on it. */
int own_space_directory(int namespace, const char *path, bool bare);
