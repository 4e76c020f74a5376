/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * This process in another mount namespace for a few system calls, and back (setns(2)). What the kernel allows only to who lives
 * where a mount is, is done so: by fds, for the paths of the host are not there, nor has the other one a /proc.
 *
 * Errors are negative errnos, not logged. There is no way on when the way back is barred: then the process aborts.
 */

#include <stdbool.h>

#include "util/cleanup.h"

struct visit {
        int back, root, process, directory; /* -1: not away; `process`: /proc/self of the host */
};
#define VISIT_INIT ((struct visit){.back = -1, .root = -1, .process = -1, .directory = -1})

/* This process's own mount namespace: an fd, the caller's. */
int visit_home(void);
/* Enters the namespace `fd`: its root directory is this process's root and working directory until visit_leave(), after which the
 * root and working directory are those of before. Nothing else may be visited meanwhile. */
int visit_enter(struct visit *visit, int fd);
/* Nothing to do unless one has entered. */
void visit_leave(struct visit *visit);
#define _cleanup_visit_ _cleanup_(visit_leave)

/* On a visit: detaches the very mount that the fd lies on, with all below it. The working directory is another after it. */
int visit_detach(const struct visit *visit, int mount);
/* On a visit: the text of the mount table there (proc_pid_mountinfo(5)), an fd to read and to poll for POLLPRI. It tells of that
 * namespace for as long as it is open, whoever reads it, and keeps the namespace alive. */
int visit_mountinfo(const struct visit *visit);
/* On a visit: makes the namespace another one, a copy that this process alone is in (unshare(2)): an fd of it, the caller's. */
int visit_copy(const struct visit *visit);

/* Makes a detached mount the root directory of the namespace that this process is in, and takes away all others there. That is to be its
 * own: a copy (visit_copy(), or one that it was made with). The fd stays the caller's. */
int visit_change_root(int place);

/* The one namespace in which this floor looks for the mounts that this process's own has not: that of the pod that a job is about. The
 * fd stays the caller's; -1: none any more. */
void away_set(int namespace);
/* Enters it; false when there is none, or with errno left in nobody's way: then what failed before has failed. */
bool away_enter(struct visit *visit);
/* Its id for statmount(2) and listmount(2); 0 when there is none, or the kernel tells no ids of namespaces. */
unsigned long long away_id(void);
/* As visit_mountinfo(); -ENOENT when there is none. */
int away_mountinfo(void);
