/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A file system in the making (fsopen(2), fsconfig(2), fsmount(2)): options one by one, the kernel's own words about
 * what it did not like, and at the end a detached mount. Errors are negative errnos, not logged.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

struct fscontext {
        int fd;
        char *words; /* what the kernel said, messages joined by "; "; NULL while it said nothing */
};

#define FSCONTEXT_INIT ((struct fscontext){.fd = -1})

enum { FSCONTEXT_VALUE_MAX = 255 }; /* bytes of a string, fsconfig(2) */

/* Whether the kernel has file systems of this type; selinuxfs, where it has SELinux. */
bool fscontext_has(const char *type);
/* -ENODEV for a type that the kernel does not have. */
int fscontext_open(struct fscontext *context, const char *type);
void fscontext_done(struct fscontext *context);
#define _cleanup_fscontext_ _cleanup_(fscontext_done)

/* The context of a file system that is there, by the root of a mount of it, to change its options: fspick(2). */
int fscontext_pick(struct fscontext *context, int mount);
/* Applies the options that were set since. */
int fscontext_reconfigure(struct fscontext *context);

/* One option; without value a flag. -E2BIG past FSCONTEXT_VALUE_MAX. On failure `words` holds the kernel's reason. */
int fscontext_set(struct fscontext *context, const char *name, const char *value);
int fscontext_set_fd(struct fscontext *context, const char *name, int fd);

/* Creates the superblock and returns the detached mount with these MOUNT_ATTR_* bits. */
int fscontext_mount(struct fscontext *context, uint64_t attributes);

/* The overlay's lower layers, topmost first. `by_fd`: FSCONFIG_SET_FD; else `one_by_one`: lowerdir+ with the layer's
 * /proc/self/fd path; else one lowerdir string, which holds about 80 layers (-E2BIG beyond). The layers' fds must stay
 * open, and the string is resolved in /proc/self/fd, where the process's working directory is set, until
 * fscontext_mount() is through. */
int fscontext_set_layers(struct fscontext *context, const int *layers, size_t n, bool by_fd, bool one_by_one);
/* upperdir or workdir. */
int fscontext_set_directory(struct fscontext *context, const char *name, int fd, bool by_fd);

/* A detached tmpfs of at most `size` bytes and `inodes` files (0: the kernel's default). */
int fscontext_tmpfs(uint64_t size, uint64_t inodes, mode_t mode, uid_t uid, gid_t gid, uint64_t attributes);
