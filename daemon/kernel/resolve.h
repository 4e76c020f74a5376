/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Paths to fds, each resolved once, by openat2(2). Everything returned is O_PATH and O_CLOEXEC; errors are negative
 * errnos, not logged: most of them are the client's to hear.
 */

#include <stddef.h>
#include <stdbool.h>

#include "util/cleanup.h"

/* Opens an absolute path of the host; symlinks are followed, magic links never (-ELOOP). */
int resolve_source(const char *path);

/* Opens what the O_PATH fd `file` is for reading, or for writing, too: with the rights of whoever calls. Only a regular
 * file or a block device, whose opening waits for nobody: -EINVAL for anything else. */
int resolve_reopen(int file, bool write);
/* The same, but a symlink at the end of the path is opened itself. */
int resolve_source_link(const char *path);

/* Opens `path` as a process whose root directory is `root` would: ".." and symlinks stay inside, a final symlink is
 * followed. -ELOOP for a magic link or too many symlinks, -EXDEV for a way out. */
int resolve_in_root(int root, const char *path);

/* The same, but a symlink at the end of the path is opened itself. */
int resolve_link_in_root(int root, const char *path);

/* Opens an entry of the directory, whatever it is, without following it. -EXDEV for one that is a mount point. */
int resolve_child(int directory, const char *name);

/* Opens a path below `directory` that has no symlink, no magic link and no way out; "" is the directory itself.
 * `same_mount`: it crosses no mount point either. */
int resolve_beneath(int directory, const char *path, bool same_mount);

/* The same way, but for reading, with the rights of whoever calls: what is there may be no regular file, which the caller looks at
 * before it reads; opening waits for nobody. A path may be longer than PATH_MAX. */
int resolve_open_beneath(int directory, const char *path);

/* Like resolve_beneath() within one mount, but opened for reading with more flags, as O_DIRECTORY: by who has no /proc to reopen an O_PATH fd
 * in. A symlink at the end is -ELOOP. */
int resolve_read_beneath(int directory, const char *path, int flags);

/* Like resolve_in_root() for the directory that the last component of `path` is in; *ret_name is that component, a part
 * of `path`. -EINVAL where the path does not end in a name. */
int resolve_parent(int root, const char *path, const char **ret_name);

/* Like resolve_in_root() for a path of which the end need not exist: opens the deepest directory that does, and says in
 * *ret_rest which components are to be made there, "" when none: then the fd is the whole path's. *ret_where (may be
 * NULL) is that directory's own path in the root, "" for the root itself. Both strings are the caller's.
 * A dangling symlink counts as the place it points to. -ENOTDIR when something on the way is no directory, -ELOOP,
 * -ENOENT for a ".." behind a missing directory. */
int resolve_deepest(int root, const char *path, int *ret_fd, char **ret_where, char **ret_rest);

/* Makes the components of `rest` below `directory`: directories with mode 0755, the last one an empty file with mode
 * 0644 if `file`. Returns an O_PATH fd of the last one; nothing stays behind on failure. */
int resolve_make(int directory, const char *rest, bool file);

/* Removes what resolve_make() made, the deepest first, as far as it is still empty and still of that kind. The first
 * component that has to stay ends it, without error; one that is gone, or never was, does not. -EBUSY: something is mounted
 * on the one that stays; -ENOMEM, -EMFILE, -EIO and their like: another try may remove more. */
int resolve_unmake(int directory, const char *rest, bool file);

/* The same for the `made` last components of a path in a root directory, the last one a file if `file`, as resolve_in_root()
 * resolves the part before them. -EBUSY as above; -EINVAL where the path has no more components than that. */
int resolve_unmake_in_root(int root, const char *path, size_t made, bool file);

/* The absolute path of an fd as the kernel writes it now, with " (deleted)" behind that of what has no name any more; the
 * caller's. A negative errno, logged. */
int resolve_where(int fd, char **ret);

/* How many components a normalised relative path has; "" has none. */
size_t resolve_count(const char *path);
