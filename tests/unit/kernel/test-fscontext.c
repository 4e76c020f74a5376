/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New file systems, the kernel's words, overlay layers in each of the three ways. */

#include <sys/vfs.h>

#include "kernel/fscontext.h"
#include "kernel/tree.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"

START_TEST(test_words) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        char long_value[FSCONTEXT_VALUE_MAX + 2];

        if (!namespace_enter())
                return;
        ck_assert_int_eq(fscontext_open(&context, "nosuchfs"), -ENODEV);
        ck_assert_int_eq(fscontext_open(&context, "tmpfs"), 0);
        ck_assert_int_eq(fscontext_set(&context, "size", "64k"), 0);
        ck_assert_ptr_null(context.words);
        ck_assert_int_eq(fscontext_set(&context, "size", "nonsense"), -EINVAL);
        ck_assert_msg(strstr(context.words, "Bad value for 'size'") != NULL, "%s", context.words);
        ck_assert_ptr_null(strchr(context.words, '\n'));
        memset(long_value, 'x', sizeof(long_value) - 1);
        long_value[sizeof(long_value) - 1] = 0;
        ck_assert_int_eq(fscontext_set(&context, "source", long_value), -E2BIG);
}
END_TEST

START_TEST(test_tmpfs) {
        _cleanup_close_ int fd = -1;
        struct statfs fs;
        struct stat status;

        if (!namespace_enter())
                return;
        fd = fscontext_tmpfs(1024 * 1024, 100, 0710, 12, 34, MOUNT_ATTR_NOSUID);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstatfs(fd, &fs) | fstat(fd, &status), 0);
        ck_assert_uint_eq((uint64_t) fs.f_blocks * (uint64_t) fs.f_bsize, 1024 * 1024);
        ck_assert_uint_eq(fs.f_files, 100);
        ck_assert_uint_eq(status.st_mode, S_IFDIR | 0710);
        ck_assert_uint_eq(status.st_uid, 12);
        ck_assert_uint_eq(status.st_gid, 34);
}
END_TEST

/* An overlay of `n` layers, each with one file, in the way that the two switches choose. */
static int overlay_of(size_t n, bool by_fd, bool one_by_one) {
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        _cleanup_free_ int *layers = calloc(n, sizeof(*layers));
        int r, fd;

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *path = NULL, *file = NULL;

                ck_assert_int_gt(asprintf(&path, "/tmp/layer:,%zu", i), 0);
                ck_assert_int_gt(asprintf(&file, "%s/%zu", path, i), 0);
                if (!exists(path)) {
                        make_directory(path);
                        make_file(file, "");
                }
                layers[i] = open(path, O_PATH | O_CLOEXEC);
        }
        ck_assert_int_eq(fscontext_open(&context, "overlay"), 0);
        r = fscontext_set_layers(&context, layers, n, by_fd, one_by_one);
        fd = r < 0 ? r : fscontext_mount(&context, 0);
        ck_assert_int_eq(chdir("/tmp"), 0);
        for (size_t i = 0; i < n; i++)
                (void) close_fd(layers[i]);
        return fd;
}

static void check_layers(int fd, size_t n) {
        _cleanup_close_ int mount_fd = fd;

        ck_assert_int_ge(fd, 0);
        for (size_t i = 0; i < n; i++) {
                char name[32];

                (void) snprintf(name, sizeof(name), "%zu", i);
                ck_assert_int_eq(faccessat(mount_fd, name, F_OK, 0), 0);
        }
}

START_TEST(test_layers) {
        struct features features;

        if (!namespace_enter())
                return;
        features = unit_features();
        check_layers(overlay_of(3, false, false), 3);
        check_layers(overlay_of(60, false, false), 60);
        ck_assert_int_eq(overlay_of(200, false, false), -E2BIG);
        if (features.lowerdir_plus)
                check_layers(overlay_of(200, false, true), 200);
        if (features.layer_fd)
                check_layers(overlay_of(200, true, true), 200);
}
END_TEST

UNIT_MAIN("fscontext", test_words, test_tmpfs, test_layers)
