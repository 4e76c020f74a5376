/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of a size that nobody could read: what they cost is what they hold. */

#include "tests/unit/content/layers.h"

enum { SECONDS = 30 };

static const off_t huge = (off_t) 1 << 60;

/* A file with bytes here and there. */
static void make_holes(const char *path, off_t size, const off_t *at, size_t n) {
        const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, size), 0);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(pwrite(fd, "x", 1, at[i]), 1);
        ck_assert_int_eq(futimens(fd, times), 0);
}

static void allocate(const char *path, off_t from, off_t size) {
        const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
        _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
        _cleanup_free_ char *zeros = calloc(1, (size_t) size);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(pwrite(fd, zeros, (size_t) size, from), size);
        ck_assert_int_eq(futimens(fd, times), 0);
}

START_TEST(test_compared) {
        static const off_t middle[] = {5000, (off_t) 1 << 50}, late[] = {5000, ((off_t) 1 << 60) - 1}, early[] = {5000};
        _cleanup_free_ char *found = NULL;
        struct beside beside;

        if (!layers_begin())
                return;
        (void) alarm(SECONDS);
        make_holes("/tmp/low/empty", huge, NULL, 0);
        make_holes("/tmp/up/empty", huge, NULL, 0);
        make_holes("/tmp/low/same", huge, middle, ELEMENTSOF(middle));
        make_holes("/tmp/up/same", huge, middle, ELEMENTSOF(middle));
        make_holes("/tmp/low/zeros", huge, middle, ELEMENTSOF(middle));
        make_holes("/tmp/up/zeros", huge, middle, ELEMENTSOF(middle));
        allocate("/tmp/up/zeros", (off_t) 1 << 30, 300000);
        make_holes("/tmp/low/more", huge, early, ELEMENTSOF(early));
        make_holes("/tmp/up/more", huge, late, ELEMENTSOF(late));
        make_holes("/tmp/low/less", huge, late, ELEMENTSOF(late));
        make_holes("/tmp/up/less", huge, early, ELEMENTSOF(early));
        make_holes("/tmp/low/other", huge, middle, ELEMENTSOF(middle));
        make_holes("/tmp/up/other", huge, late, ELEMENTSOF(late));
        ck_assert_int_eq(system("touch -d @1000000000 /tmp/low /tmp/up"), 0);
        beside_tree(&beside, "/tmp/up", "/tmp/low");
        found = list_diff(&beside);
        beside_done(&beside);
        ck_assert_str_eq(found, "modified less content\nmodified more content\nmodified other content\n");
}
END_TEST

START_TEST(test_written) {
        static const off_t at[] = {5000, (off_t) 1 << 44};
        _cleanup_(sink_done) struct sink sink = {};
        struct beside beside;
        _cleanup_close_ int fd = -1;
        char byte[2] = "";
        struct stat status;

        if (!layers_begin())
                return;
        (void) alarm(SECONDS);
        make_holes("/tmp/up/empty", huge, NULL, 0);
        make_holes("/tmp/up/holes", (off_t) 1 << 50, at, ELEMENTSOF(at));
        make_file("/tmp/up/last", "last");
        beside_tree(&beside, "/tmp/up", NULL);
        write_diff(&beside, &sink);
        ck_assert_uint_eq(size_diff(&beside), ((uint64_t) 1 << 60) + ((uint64_t) 1 << 50) + 4);
        beside_done(&beside);
        make_directory("/tmp/copy");
        ck_assert_int_eq(chdir("/tmp/copy"), 0);
        applier_apply(&sink);
        ck_assert_int_eq(stat("empty", &status), 0);
        ck_assert_int_eq(status.st_size, huge);
        ck_assert_int_eq(status.st_blocks, 0);
        fd = open("holes", O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(fstat(fd, &status), 0);
        ck_assert_int_eq(status.st_size, (off_t) 1 << 50);
        for (size_t i = 0; i < ELEMENTSOF(at); i++) {
                ck_assert_int_eq(pread(fd, byte, 1, at[i]), 1);
                ck_assert_str_eq(byte, "x");
        }
        ck_assert_int_eq(access("last", F_OK), 0);
}
END_TEST

UNIT_MAIN("holes", test_compared, test_written)
