/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A mount namespace of the test's own, for tests that mount: nothing of it is seen outside, and it is gone with the
 * test's process. Works for root, and for others where user namespaces are allowed.
 */

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "util/cleanup.h"

static inline void namespace_write(const char *path, const char *text) {
        FILE *file = fopen(path, "we");

        ck_assert_ptr_nonnull(file);
        ck_assert_int_ge(fputs(text, file), 0);
        ck_assert_int_eq(fclose(file), 0);
}

/* Enters a new mount namespace whose mounts propagate nowhere. */
static inline void namespace_enter(void) {
        char map[64];
        uid_t uid = geteuid();
        gid_t gid = getegid();

        if (uid == 0)
                ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
        else {
                ck_assert_int_eq(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
                (void) snprintf(map, sizeof(map), "0 %u 1", uid); /* fits: two numbers */
                namespace_write("/proc/self/uid_map", map);
                namespace_write("/proc/self/setgroups", "deny");
                (void) snprintf(map, sizeof(map), "0 %u 1", gid);
                namespace_write("/proc/self/gid_map", map);
        }
        ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
}

/* Enters one and hides /tmp below an empty tmpfs: room for a test's mount points, gone with it. */
static inline const char *namespace_enter_with_room(void) {
        namespace_enter();
        ck_assert_int_eq(mount("room", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700"), 0);
        return "/tmp";
}
