/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* User namespaces that map ids, and whose ids subuid(5) says they are. */

#include "kernel/userns.h"

#include <errno.h>

#include "kernel/subids.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"

START_TEST(test_make) {
        static const char uids[] = "0 1000 10\n10 5000 1\n", gids[] = "7 8 9\n";
        _cleanup_free_ char *uid_map = NULL, *gid_map = NULL;
        _cleanup_close_ int fd = -1;
        unsigned a, b, c;
        uid_t owner = 1;

        if (!namespace_enter())
                return;
        fd = userns_make(uids, gids);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(userns_owner(fd, &owner), 0);
        ck_assert_uint_eq(owner, 0);
        ck_assert_int_eq(userns_read(fd, &uid_map, &gid_map), 0);
        ck_assert_int_eq(sscanf(uid_map, "%u %u %u", &a, &b, &c), 3);
        ck_assert(a == 0 && b == 1000 && c == 10);
        ck_assert_int_eq(sscanf(strchr(uid_map, '\n'), "%u %u %u", &a, &b, &c), 3);
        ck_assert(a == 10 && b == 5000 && c == 1);
        ck_assert_int_eq(sscanf(gid_map, "%u %u %u", &a, &b, &c), 3);
        ck_assert(a == 7 && b == 8 && c == 9);
        ck_assert_int_lt(userns_make("0 0 10\n5 20 1\n", gids), 0);
        ck_assert_int_lt(userns_make("nonsense\n", gids), 0);
}
END_TEST

START_TEST(test_others) {
        static const char *const paths[] = {"/proc/self/ns/user", "/proc/self/ns/mnt", "/etc/passwd", "/proc/self"};

        if (!namespace_enter())
                return;
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_close_ int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
                char *uid_map = NULL, *gid_map = NULL;
                uid_t owner;

                ck_assert_int_ge(fd, 0);
                ck_assert_msg(userns_owner(fd, &owner) == -EINVAL, "%s", paths[i]);
                ck_assert_msg(userns_read(fd, &uid_map, &gid_map) < 0, "%s", paths[i]);
                ck_assert_ptr_null(uid_map);
                ck_assert_ptr_null(gid_map);
        }
}
END_TEST

/* Linux can since 6.2, and on a tmpfs since 6.3: one with unique ids (6.8) does. */
START_TEST(test_acls) {
        int r;

        if (!namespace_enter())
                return;
        r = userns_maps_acls();
        ck_assert_msg(r == 0 || r == 1, "%s", strerror(-r));
        ck_assert(r == 1 || !unit_features().unique_id);
}
END_TEST

START_TEST(test_subids) {
        static const char text[] = "# nothing\n"
                                   "1:100:10\n"
                                   "daemon:200:20\n"
                                   "2:300:30\n"
                                   "01:400:1\n"
                                   "1:500\n"
                                   "1:-1:5\n"
                                   "1:600:0\n"
                                   "1:4294967290:10\n"
                                   "1:99999999999:1\n"
                                   "1:700:7:7\n"
                                   "1: 800:8\n"
                                   "1:900:9";
        static const struct id_range right[] = {{1, 1}, {100, 10}, {200, 20}, {900, 9}};
        _cleanup_free_ struct id_range *ranges = NULL, *none = NULL;
        size_t n;

        if (!namespace_enter())
                return;
        make_file("/tmp/passwd", "root:x:0:0::/:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n");
        ck_assert_int_eq(mount("/tmp/passwd", "/etc/passwd", NULL, MS_BIND, NULL), 0);
        make_file("/tmp/subuid", text);
        ck_assert_int_eq(subids_read("/tmp/subuid", 1, 1, &ranges, &n), 0);
        ck_assert_uint_eq(n, ELEMENTSOF(right));
        for (size_t i = 0; i < n; i++) {
                ck_assert_uint_eq(ranges[i].first, right[i].first);
                ck_assert_uint_eq(ranges[i].size, right[i].size);
        }
        ck_assert_int_eq(subids_read("/tmp/none", 1, 77, &none, &n), 0);
        ck_assert_uint_eq(n, 1);
        ck_assert_uint_eq(none[0].first, 77);
}
END_TEST

UNIT_MAIN("userns", test_make, test_others, test_acls, test_subids)
