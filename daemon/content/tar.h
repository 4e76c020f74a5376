/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A tar archive as the OCI image specification has it (layer.md), written entry by entry: pax headers where ustar's are too small, with times
 * to the nanosecond, extended attributes as SCHILY.xattr, holes of files as GNU tar's sparse format 1.0. Users and groups by number alone. The same
 * entries give the same bytes.
 *
 * What fails leaves an archive that no reader takes for a whole one.
 */

#include "content/changes.h"

struct tar;

/* Takes all of it, or a negative errno that ends the archive. */
typedef int (*tar_put_fn)(void *userdata, const void *data, size_t size);

/* Hands `size` bytes of a file from `at` on to whoever put() does, without copying them: how many those were, fewer where the file ends. -EOPNOTSUPP
 * where it cannot: nothing was handed on, and they are read and put. Another negative errno ends the archive. */
typedef ssize_t (*tar_pass_fn)(void *userdata, int fd, off_t at, size_t size);

/* Forgets what put() and the other have been given and have held back: a negative errno. */
typedef int (*tar_drop_fn)(void *userdata);

/* The character set of names: once in a process, before it may lose sight of the system's files. Names that are no UTF-8 are written as
 * they are. */
void tar_prepare(void);

/* NULL when memory is short. */
struct tar *tar_new(tar_put_fn put, void *userdata);
/* Takes and returns NULL. */
struct tar *tar_free(struct tar *tar);
DEFINE_CLEANUP(struct tar *, tar_free)
#define _cleanup_tar_ _cleanup_(tar_freep)

/* `fn` is called each time before bytes are put, or let go where they are held back; a negative errno of it is one of put()'s. NULL: nothing is. */
void tar_before(struct tar *tar, int (*fn)(void *userdata), void *userdata);
/* What is large enough in a file is handed on by `fn`; its userdata is put()'s. */
void tar_pass(struct tar *tar, tar_pass_fn fn);
/* Whoever takes the bytes holds them back for a while, and calls tar_release() before the first of them goes on; `fn` forgets them, and its userdata is
 * put()'s. */
void tar_hold(struct tar *tar, tar_drop_fn fn);
/* 0, or what is to be returned by put(), or by what passes on: then nothing goes on. */
int tar_release(struct tar *tar);
/* Begins anew where no byte has been put, or let go. A negative errno. */
int tar_again(struct tar *tar);

/* An entry with its contents, a whiteout for what was deleted. FAILURE_NOT_SUPPORTED for a name that would be a whiteout,
 * FAILURE_MOUNT_FAILED for a file that cannot be read or that became shorter meanwhile. Sockets are left out: no tar has them. */
int tar_change(struct tar *tar, const struct change *change, struct failure *f);

/* The end of a whole archive: 0, or what `put` returned. */
int tar_end(struct tar *tar);
/* The end of one that failed: something is written, if possible, that makes it an incomplete one, wherever it stopped. */
void tar_spoil(struct tar *tar);
