/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A reading: the kernel's mount table turned into entries, ready for table_replace(). The one part of this floor that
 * touches the kernel, through kernel/.
 */

#include "kernel/watch.h"
#include "table/entry.h"

/* Reads the whole mount table of the watch's mount namespace, in the kernel's order. The array and the entries are the
 * caller's. A negative errno, logged; bad lines are left out. */
int reading_take(struct watch *watch, struct entry ***ret, size_t *ret_n);
/* The same from an fd of any mountinfo text: another process's, or a recorded one. */
int reading_take_mountinfo(int fd, struct entry ***ret, size_t *ret_n);
void reading_free(struct entry **entries, size_t n);
