/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * User namespaces that say how the ids of a mount are mapped, user_namespaces(7) and mount_setattr(2): made for it, and
 * looked at. Maps are the lines of /proc/PID/uid_map. Errors are negative errnos, not logged.
 */

#include <sys/types.h>

/* A new user namespace with these maps that no process is in. The fd is the caller's. */
int userns_make(const char *uid_map, const char *gid_map);

/* Who made the user namespace, as the initial one knows it. -EINVAL for an fd of anything else, and for the initial
 * user namespace itself. */
int userns_owner(int fd, uid_t *ret);

/* Its maps as this process's user namespace sees them, "" for one that has none yet. The caller frees both. -EINVAL for
 * the initial user namespace. */
int userns_read(int fd, char **ret_uid_map, char **ret_gid_map);

/* Whether the ids of a POSIX ACL that is read through a mapped mount are mapped: Linux before 6.2 hands out what is stored. 1, 0, or
 * a negative errno. Tried on a tmpfs; where that knows no mapping (Linux 6.3), the answer is no. */
int userns_maps_acls(void);
