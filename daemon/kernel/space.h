/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Namespaces by fd (namespaces(7), ioctl_ns(2)): of which kind one is, whose it is, and file systems made in it. Errors
 * are negative errnos, not logged.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "kernel/fscontext.h"
#include "util/cleanup.h"

/* The kind of a namespace, CLONE_NEWPID, CLONE_NEWNET…; -EINVAL for an fd that is none. */
int space_kind(int fd);

/* Whether the user may do as it likes in the namespace, as the kernel has it: it made the user namespace that owns it,
 * or one above that (user_namespaces(7), "Capabilities"). Never for what the initial user namespace owns. 1, 0, or a
 * negative errno. */
int space_is_owned_by(int fd, uid_t uid);
/* The same of any kind: of a user namespace, whether the user made that one itself or one above it. */
int space_is_of(int fd, uid_t uid);

/* Whether it is one that the host's first process, this process or the kernel itself began with. 1, 0, or a negative errno. */
int space_is_host(int fd);

/* Binds the namespace of the fd to the file `name` in `directory`, made unless it is there, and to that alone: it lives as long
 * (namespaces(7), ip-netns(8)). -EEXIST when a namespace is bound there already. A mount namespace: -EINVAL where the place is shared with others,
 * -ELOOP where its number is not above that of this process's own. */
int space_pin(int namespace, int directory, const char *name);
/* What is bound there: an fd, the caller's. -ENOENT for no such file, or one that nothing is bound to. */
int space_pinned(int directory, const char *name);
/* Takes both away, the bind and the file; that they are gone already is success. */
int space_unpin(int directory, const char *name);

/* A process in another namespace for a while. There is no way on when the way back is barred: then it aborts. */
struct space_visit {
        int back; /* -1: nowhere */
        int kind;
};
#define SPACE_VISIT_INIT ((struct space_visit){.back = -1})
int space_enter(struct space_visit *visit, int fd, int kind);
void space_leave(struct space_visit *visit);
#define _cleanup_space_visit_ _cleanup_(space_leave)

/* A proc of the pid namespace: by its own option where the kernel has that (`pidns`), else opened by a child that lives
 * there. -ENOMEM when that namespace has ended. */
int space_open_proc(struct fscontext *context, int fd, bool pidns);
/* Whether proc has the option. */
bool space_probe_pidns(void);
