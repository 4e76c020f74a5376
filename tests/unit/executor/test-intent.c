/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The intent file: what was noted is read back by another process, damage is told. */

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "executor/intent.h"
#include "plan/step.h"
#include "tests/unit/namespace.h"

static int new_file(void) {
        int fd = memfd_create("intent", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

START_TEST(test_empty) {
        _cleanup_(intent_freep) struct intent *intent = NULL;
        _cleanup_close_ int fd = new_file();
        struct intent_mount *mounts;
        uint64_t job;
        size_t n;

        ck_assert_int_eq(intent_read(fd, &job, &mounts, &n), 0);
        ck_assert_int_eq(intent_map(fd, &intent), 0);
        ck_assert_int_eq(intent_read(fd, &job, &mounts, &n), 0);
}
END_TEST

/* A process notes and is killed: all it noted is there. */
START_TEST(test_killed) {
        _cleanup_free_ struct intent_mount *mounts = NULL;
        _cleanup_close_ int fd = new_file();
        uint64_t job;
        size_t n;
        pid_t child = fork();

        if (child == 0) {
                struct intent *intent;

                if (intent_map(fd, &intent) < 0)
                        _exit(1);
                intent_begin(intent, 41);
                if (intent_add(intent, 0, 1, 2) < 0)
                        _exit(1);
                intent_begin(intent, 42);
                for (uint32_t i = 0; i < 1000; i++)
                        if (intent_add(intent, i, UINT64_MAX - i, i * 2) < 0)
                                _exit(1);
                (void) raise(SIGKILL);
        }
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        ck_assert_int_eq(intent_read(fd, &job, &mounts, &n), 1);
        ck_assert_uint_eq(job, 42);
        ck_assert_uint_eq(n, 1000);
        for (uint32_t i = 0; i < 1000; i++) {
                ck_assert_uint_eq(mounts[i].step, i);
                ck_assert_uint_eq(mounts[i].id, UINT64_MAX - i);
                ck_assert_uint_eq(mounts[i].mount_id, i * 2);
        }
}
END_TEST

/* Which step it is at is to be had from the outside, of the job that is meant alone. */
START_TEST(test_at) {
        _cleanup_(intent_freep) struct intent *intent = NULL;
        _cleanup_close_ int fd = new_file();
        uint32_t step = 7;

        ck_assert(!intent_read_at(fd, 5, &step));
        ck_assert_int_eq(intent_map(fd, &intent), 0);
        ck_assert(!intent_read_at(fd, 5, &step));
        intent_begin(intent, 5);
        ck_assert(intent_read_at(fd, 5, &step));
        ck_assert_uint_eq(step, 0);
        intent_at(intent, 3);
        ck_assert(intent_read_at(fd, 5, &step));
        ck_assert_uint_eq(step, 3);
        ck_assert(!intent_read_at(fd, 6, &step));
        intent_end(intent);
        ck_assert(!intent_read_at(fd, 5, &step));
}
END_TEST

START_TEST(test_full) {
        _cleanup_(intent_freep) struct intent *intent = NULL;
        _cleanup_close_ int fd = new_file();

        ck_assert_int_eq(intent_map(fd, &intent), 0);
        intent_begin(intent, 1);
        for (uint32_t i = 0; i < JOB_STEPS_MAX; i++)
                ck_assert_int_eq(intent_add(intent, i, 1, 1), 0);
        ck_assert_int_eq(intent_add(intent, 0, 1, 1), -E2BIG);
        intent_end(intent);
}
END_TEST

/* Which mount point a directory is about, in however many entries; those are no mounts and no directories. */
START_TEST(test_place) {
        static const char *const targets[] = {"/a", "/seven-chars", "/a/target/of/some/more/bytes/than/an/entry/has"};
        _cleanup_(intent_freep) struct intent *intent = NULL;
        _cleanup_free_ struct intent_mount *entries = NULL;
        _cleanup_close_ int fd = new_file();
        uint32_t made;
        uint64_t job;
        size_t n, found = 0, mounts = 0;
        char *place;

        ck_assert_int_eq(intent_map(fd, &intent), 0);
        intent_begin(intent, 5);
        for (uint32_t i = 0; i < ELEMENTSOF(targets); i++) {
                ck_assert_int_eq(intent_add_place(intent, "main", targets[i]), 0);
                ck_assert_int_eq(intent_add_directory(intent, i, INTENT_POINT, i + 1), 0);
                ck_assert_int_eq(intent_add(intent, i, UINT64_MAX - i, 7), 0);
        }
        ck_assert_int_eq(intent_add_directory(intent, 3, INTENT_POINT, 1), 0);
        ck_assert_int_eq(intent_read(fd, &job, &entries, &n), 1);
        for (size_t i = 0; i < n; i++) {
                mounts += intent_is_mount(&entries[i]);
                if (intent_is_directory(&entries[i], &made) == INTENT_NO_DIRECTORY)
                        continue;
                if (entries[i].step == 3) {
                        ck_assert_int_eq(intent_place_of(entries, i, &place), 0);
                        continue;
                }
                ck_assert_int_eq(intent_place_of(entries, i, &place), 1);
                ck_assert_uint_eq(made, found + 1);
                ck_assert_int_eq(strncmp(place, "main/", 5), 0);
                ck_assert_str_eq(place + 4, targets[found++]);
                free(place);
        }
        ck_assert_uint_eq(found, ELEMENTSOF(targets));
        ck_assert_uint_eq(mounts, ELEMENTSOF(targets));
        for (uint32_t i = 0; i < JOB_STEPS_MAX / 8; i++) /* text leaves room for what matters more */
                ck_assert_int_eq(intent_add_place(intent, "main", targets[2]), 0);
        ck_assert_int_eq(intent_add_directory(intent, 9, INTENT_POINT, 1), 0);
        free(entries);
        ck_assert_int_eq(intent_read(fd, &job, &entries, &n), 1);
        ck_assert_uint_le(n, JOB_STEPS_MAX / 8 + 1);
}
END_TEST

/* A full file system is an error code, and no signal. */
START_TEST(test_no_room) {
        _cleanup_(intent_freep) struct intent *intent = NULL, *second = NULL;
        _cleanup_close_ int fd = -1, other = -1, filler = -1;
        uint32_t n = 0;
        int r = 0;

        if (!namespace_enter())
                return;
        ck_assert_int_eq(mount("scratch", "/tmp", "tmpfs", 0, "size=64k"), 0);
        fd = open("/tmp/0", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        other = open("/tmp/1", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        filler = open("/tmp/filler", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(intent_map(fd, &intent), 0);
        intent_begin(intent, 1);
        while (r == 0 && n < JOB_STEPS_MAX)
                r = intent_add(intent, n++, 1, 1);
        ck_assert_int_eq(r, -ENOSPC);
        ck_assert_uint_gt(n, 1000);
        intent_end(intent);
        intent_begin(intent, 2); /* the next one works */
        ck_assert_int_eq(intent_add(intent, 0, 1, 1), 0);
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        ck_assert_int_eq(intent_map(fd, &second), 0);
        for (off_t end = 0; fallocate(filler, 0, end, 4096) == 0; end += 4096)
                ;
        for (uint32_t i = 0; i < 100; i++) /* in the page that it began with */
                ck_assert_int_eq(intent_add(second, i, 1, 1), 0);
        second = intent_free(second);
        ck_assert_int_eq(intent_map(other, &second), -ENOSPC);
}
END_TEST

START_TEST(test_damaged) {
        _cleanup_close_ int fd = new_file();
        struct intent_mount *mounts;
        uint64_t job, words[3] = {0};
        size_t n;

        ck_assert_int_eq(write(fd, "short", 5), 5);
        ck_assert_int_eq(intent_read(fd, &job, &mounts, &n), -EBADMSG);
        words[0] = 12345;
        ck_assert_int_eq(pwrite(fd, words, sizeof(words), 0), sizeof(words));
        ck_assert_int_eq(intent_read(fd, &job, &mounts, &n), -EBADMSG);
        /* A count that goes past the end of the file, or past any limit. */
        words[0] = UINT64_C(0x31746e65746e6970);
        words[2] = 5;
        ck_assert_int_eq(pwrite(fd, words, sizeof(words), 0), sizeof(words));
        ck_assert_int_eq(intent_read(fd, &job, &mounts, &n), -EBADMSG);
        words[2] = UINT32_MAX;
        ck_assert_int_eq(pwrite(fd, words, sizeof(words), 0), sizeof(words));
        ck_assert_int_eq(intent_read(fd, &job, &mounts, &n), -EBADMSG);
}
END_TEST

UNIT_MAIN("intent", test_empty, test_killed, test_at, test_full, test_place, test_no_room, test_damaged)
