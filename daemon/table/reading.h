/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A reading: the kernel's mount table turned into entries, ready for table_replace(). The one part of this floor that
 * touches the kernel, through kernel/.
 */

#include "kernel/statmount.h"
#include "kernel/watch.h"
#include "table/entry.h"

/* Reads the whole mount table of the watch's mount namespace, from what its tracking says. The array and the entries
 * are the caller's. A negative errno, logged; bad lines are left out. */
int reading_take(struct watch *watch, struct entry ***ret, size_t *ret_n);
/* The same from an fd of any mountinfo text: another process's, or a recorded one. */
int reading_take_mountinfo(int fd, struct entry ***ret, size_t *ret_n);
/* The same from listmount(2) and statmount(2), in the order of the unique ids. */
int reading_take_statmount(struct statmount *statmount, struct entry ***ret, size_t *ret_n);
/* One mount as it is now. 1; 0 when it is not there, or not below this process's root directory; a negative errno,
 * logged. */
int reading_look(struct statmount *statmount, uint64_t id, struct entry **ret);
void reading_free(struct entry **entries, size_t n);
