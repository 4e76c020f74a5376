/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A mount namespace of the test's own: everything private, a tmpfs on /tmp, so that nothing reaches the host and
 * nothing is left behind. Needs root; without it the test is skipped.
 */

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "util/cleanup.h"

/* Enters it. False without root: the test ends there, after saying so. */
static inline bool namespace_enter(void) {
        if (geteuid() != 0) {
                unit_skip("it needs root");
                return false;
        }
        ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
        ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
        ck_assert_int_eq(mount("scratch", "/tmp", "tmpfs", 0, "mode=1777"), 0);
        ck_assert_int_eq(chdir("/tmp"), 0);
        return true;
}

/* The mount table as text; the caller frees it. */
static inline char *namespace_snapshot(void) {
        _cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
        char *text = NULL;
        size_t size = 0;

        ck_assert_ptr_nonnull(file);
        ck_assert_int_gt(getdelim(&text, &size, '\0', file), 0);
        return text;
}

/* Takes an executor's own staging mount, <runtime>/staging/<slot>, which kernels that cannot mount onto a detached tree
 * need, out of a snapshot; what was left on it stays in. */
static inline void namespace_unstage(char *snapshot) {
        char *to = snapshot;

        for (char *line = snapshot; *line;) {
                size_t size = strcspn(line, "\n"), n = size + (line[size] == '\n');
                const char *found = memmem(line, size, "/run/staging/", strlen("/run/staging/"));
                bool own = false;

                if (found) {
                        found += strlen("/run/staging/");
                        own = found[strcspn(found, "/ ")] == ' ';
                }
                if (!own)
                        memmove(to, line, n);
                to += own ? 0 : n;
                line += n;
        }
        *to = '\0';
}

static inline void namespace_unchanged(const char *before) {
        _cleanup_free_ char *now = namespace_snapshot(), *then = strdup(before);

        ck_assert_ptr_nonnull(then);
        namespace_unstage(now);
        namespace_unstage(then);
        ck_assert_str_eq(now, then);
}

/* How many lines of the mount table mention this text. */
static inline unsigned namespace_count(const char *text) {
        _cleanup_free_ char *now = namespace_snapshot();
        unsigned n = 0;

        for (char *line = strtok(now, "\n"); line; line = strtok(NULL, "\n"))
                n += strstr(line, text) != NULL;
        return n;
}

/* The line of the mount whose mount point is `point`, topmost last; NULL when there is none. The caller frees it. */
static inline char *namespace_line(const char *point) {
        _cleanup_free_ char *now = namespace_snapshot(), *wanted = NULL;
        char *found = NULL;

        ck_assert_int_gt(asprintf(&wanted, " %s ", point), 0);
        for (char *line = strtok(now, "\n"); line; line = strtok(NULL, "\n"))
                if (strstr(line, wanted)) {
                        free(found);
                        found = strdup(line);
                }
        return found;
}

static inline void make_file(const char *path, const char *text) {
        _cleanup_fclose_ FILE *file = fopen(path, "we");

        ck_assert_ptr_nonnull(file);
        ck_assert_int_ge(fputs(text, file), 0);
}

static inline void make_directory(const char *path) {
        ck_assert_int_eq(mkdir(path, 0755), 0);
}

static inline bool exists(const char *path) {
        return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* namespace_enter() for tests that need no privilege outside: without root, in a user namespace whose root the
 * test is. */
static inline void namespace_enter_with_room(void) {
        char map[64];
        uid_t uid = geteuid();
        gid_t gid = getegid();

        if (uid != 0) {
                ck_assert_int_eq(unshare(CLONE_NEWUSER), 0);
                (void) snprintf(map, sizeof(map), "0 %u 1", uid); /* fits: two numbers */
                make_file("/proc/self/uid_map", map);
                make_file("/proc/self/setgroups", "deny");
                (void) snprintf(map, sizeof(map), "0 %u 1", gid);
                make_file("/proc/self/gid_map", map);
        }
        ck_assert(namespace_enter());
}
