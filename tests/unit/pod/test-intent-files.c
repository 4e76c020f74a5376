/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the intent files of all executors say of one job. */

#include "pod/intent-files.h"

#include <sys/mman.h>

#include "tests/unit/unit.h"

enum { JOB = 7, OTHER_JOB = 8, FILES = 6 };

/* A file about this job, which notes a mount of step 0 and a mount point with its place at step 1. */
static int new_file(uint64_t job, uint32_t mount_id, const char *target) {
        _cleanup_(intent_freep) struct intent *intent = NULL;
        int fd = memfd_create("intent", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(intent_map(fd, &intent), 0);
        intent_begin(intent, job);
        ck_assert_int_eq(intent_add(intent, 0, mount_id, mount_id), 0);
        ck_assert_int_eq(intent_add_place(intent, "main", target), 0);
        ck_assert_int_eq(intent_add_directory(intent, 1, INTENT_POINT, 2), 0);
        return fd;
}

/* Its executor died when it had noted a place alone; or it noted a mount point alone. */
static int new_cut(bool place) {
        _cleanup_(intent_freep) struct intent *intent = NULL;
        int fd = memfd_create("intent", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(intent_map(fd, &intent), 0);
        intent_begin(intent, JOB);
        ck_assert_int_eq(place ? intent_add_place(intent, "main", "/never/made") : intent_add_directory(intent, 1, INTENT_POINT, 1), 0);
        return fd;
}

static void close_all(int *fds) {
        for (size_t i = 0; i < FILES; i++)
                (void) close_fd(fds[i]);
}

START_TEST(test_joined) {
        int damaged = memfd_create("intent", MFD_CLOEXEC);
        int fds[FILES] = {new_file(OTHER_JOB, 1, "/other"), new_file(JOB, 2, "/first/point"), -1, damaged, new_file(JOB, 3, "/second/point"),
                          memfd_create("empty", MFD_CLOEXEC)};
        _cleanup_free_ struct intent_mount *entries = NULL, *mounts = NULL;
        const char *const places[] = {"main/first/point", "main/second/point"};
        size_t n = 0, n_mounts = 0, n_places = 0;

        ck_assert_int_eq(write(damaged, "no intent file", 14), 14);
        ck_assert_int_eq(intent_files_read_mounts(fds, FILES, JOB, &mounts, &n_mounts), 0);
        ck_assert_uint_eq(n_mounts, 2);
        ck_assert_uint_eq(mounts[0].id, 2);
        ck_assert_uint_eq(mounts[1].id, 3);
        ck_assert_int_eq(intent_files_read(fds, FILES, JOB, &entries, &n), 0);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *place = NULL;
                uint32_t made = 0;

                if (intent_is_directory(&entries[i], &made) != INTENT_POINT)
                        continue;
                ck_assert_uint_lt(n_places, ELEMENTSOF(places));
                ck_assert_int_eq(intent_place_of(entries, i, &place), 1);
                ck_assert_str_eq(place, places[n_places++]);
                ck_assert_uint_eq(made, 2);
        }
        ck_assert_uint_eq(n_places, ELEMENTSOF(places));
        close_all(fds);
}
END_TEST

START_TEST(test_of_nobody) {
        int fds[FILES] = {new_file(OTHER_JOB, 1, "/other"), -1, -1, -1, -1, -1};
        struct intent_mount *entries = NULL;
        size_t n = 1;

        ck_assert_int_eq(intent_files_read(fds, FILES, JOB, &entries, &n), 0);
        ck_assert_uint_eq(n, 0);
        free(entries);
        close_all(fds);
}
END_TEST

/* The place that one file ends with is not that of the mount point that the next one begins with. */
START_TEST(test_cut) {
        int fds[FILES] = {new_cut(true), new_cut(false), new_cut(true), new_file(JOB, 2, "/point"), -1, -1};
        _cleanup_free_ struct intent_mount *entries = NULL;
        _cleanup_free_ char *place = NULL;
        uint32_t made = 0;
        size_t n = 0;

        ck_assert_int_eq(intent_files_read(fds, FILES, JOB, &entries, &n), 0);
        ck_assert_uint_gt(n, 2);
        ck_assert_int_eq(intent_is_directory(&entries[0], &made), INTENT_POINT);
        ck_assert_int_eq(intent_place_of(entries, 0, &place), 0);
        ck_assert_int_eq(intent_place_of(entries, n - 1, &place), 1);
        ck_assert_str_eq(place, "main/point");
        close_all(fds);
}
END_TEST

UNIT_MAIN("intent-files", test_joined, test_of_nobody, test_cut)
