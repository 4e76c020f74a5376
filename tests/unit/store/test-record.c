/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records as values. */

#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "util/array.h"

START_TEST(test_state_names) {
        ck_assert_str_eq(record_state_name(RECORD_CREATING), "creating");
        ck_assert_str_eq(record_state_name(RECORD_READY), "ready");
        ck_assert_str_eq(record_state_name(RECORD_STOPPING), "stopping");
        ck_assert_str_eq(record_state_name(RECORD_FAILED), "failed");
}
END_TEST

START_TEST(test_copy_owns_its_own) {
        char container[] = "main", target[] = "/data", source[] = "/srv", type[] = "bind";
        char request[] = "{}", key[] = "1:2", root[] = "/sub", point[] = "main/rootfs/data", fs_options[] = "rw,size=4k", option[] = "ro", *options[] = {option, NULL};
        struct record_mount from = {.row = 3, .id = 4, .mount_id = 5, .container = container, .target = target,
                .source = source, .type = type, .options = options, .request = request, .source_key = key, .root = root, .point = point, .fs_options = fs_options, .device = 6,
                .attributes = 7, .propagation = 8, .made = 9, .made_file = true, .nested = true, .ground_free = true};
        struct record_mount copy = {};

        ck_assert_int_eq(record_mount_copy(&from, &copy), 0);
        memset(container, 'x', 4);
        memset(option, 'x', 2);
        memset(key, 'x', 3);
        memset(root, 'x', 4);
        memset(point, 'x', 4);
        memset(fs_options, 'x', 4);
        ck_assert_str_eq(copy.container, "main");
        ck_assert_str_eq(copy.target, "/data");
        ck_assert_str_eq(copy.source, "/srv");
        ck_assert_str_eq(copy.type, "bind");
        ck_assert_str_eq(copy.options[0], "ro");
        ck_assert_str_eq(copy.request, "{}");
        ck_assert_str_eq(copy.source_key, "1:2");
        ck_assert_str_eq(copy.root, "/sub");
        ck_assert_str_eq(copy.point, "main/rootfs/data");
        ck_assert_str_eq(copy.fs_options, "rw,size=4k");
        ck_assert_int_eq(copy.row, 3);
        ck_assert_uint_eq(copy.made, 9);
        ck_assert(copy.made_file && copy.nested && copy.ground_free && !copy.ground_caller);
        record_mount_done(&copy);
        ck_assert_ptr_null(copy.container);
        record_mount_done(&copy);
}
END_TEST

START_TEST(test_directories) {
        static char root[] = "/srv/a b", path[] = "/x\ny", none[] = "", short_of[] = "1 2", more[] = "1 2 3 4", word[] = "1 2 x",
                    large[] = "4294967296 0 0";
        static char name[] = "0main", numbers[] = "1 2 3", least[] = "";
        struct record_directory one = {.root = root, .path = path, .container = name, .made = UINT32_MAX, .step = 7, .which = 3};
        struct record_pod pod = {.directories = &one, .n_directories = 1};
        char *const bad[] = {short_of, more, word, large, none};
        _cleanup_strv_ char **strv = NULL, **nothing = NULL;
        struct record_pod *back = calloc(1, sizeof(*back));

        ck_assert_int_eq(record_directories_write(&pod, &strv), 0);
        ck_assert_int_eq(record_directories_read(strv, back), 0);
        ck_assert_uint_eq(back->n_directories, 1);
        ck_assert_str_eq(back->directories[0].root, root);
        ck_assert_str_eq(back->directories[0].path, path);
        ck_assert_str_eq(back->directories[0].container, name);
        ck_assert_uint_eq(back->directories[0].made, UINT32_MAX);
        ck_assert_uint_eq(back->directories[0].step, 7);
        ck_assert_uint_eq(back->directories[0].which, 3);
        record_pod_free(back);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char *const given[] = {root, path, bad[i], NULL};

                char *const with[] = {root, path, name, bad[i], NULL};

                back = calloc(1, sizeof(*back));
                ck_assert_int_eq(record_directories_read(given, back), -EBADMSG);
                record_pod_free(back);
                back = calloc(1, sizeof(*back));
                ck_assert_int_eq(record_directories_read(with, back), -EBADMSG);
                record_pod_free(back);
        }
        /* As before version 8, then as now. */
        back = calloc(1, sizeof(*back));
        ck_assert_int_eq(record_directories_read((char *const[]) {root, path, numbers, root, path, least, numbers, NULL}, back), 0);
        ck_assert_uint_eq(back->n_directories, 2);
        ck_assert_str_eq(back->directories[0].container, "");
        ck_assert_str_eq(back->directories[1].container, "");
        ck_assert_uint_eq(back->directories[1].which, 3);
        record_pod_free(back);
        back = calloc(1, sizeof(*back));
        ck_assert_int_eq(record_directories_read((char *const[]) {root, path, NULL}, back), -EBADMSG);
        pod.n_directories = 0;
        ck_assert_int_eq(record_directories_write(&pod, &nothing), 0);
        ck_assert_ptr_null(nothing);
        ck_assert_int_eq(record_directories_read(nothing, back), 0);
        record_pod_free(back);
}
END_TEST

START_TEST(test_copy_of_little) {
        struct record_mount from = {.id = 1}, copy = {};

        ck_assert_int_eq(record_mount_copy(&from, &copy), 0);
        ck_assert_ptr_null(copy.container);
        ck_assert_ptr_null(copy.options);
        record_mount_done(&copy);
        ck_assert_ptr_null(record_pod_free(NULL));
        record_intents_free(NULL, 0);
}
END_TEST

START_TEST(test_links) {
        static char container[] = "main", name[] = "eth0", kind[] = "veth", peer[] = "h0", none[] = "", good[] = "1 1 2 7", place[] = "0 0 3 0", large[] = "0 0 0 4294967296",
                    more[] = "0 0 0 0 ", few[] = "0 0 0", flag[] = "2 0 0 0", word[] = "0 x 0 0";
        struct record_link links[] = {{.container = container, .name = name, .kind = kind, .peer = peer, .in_root = true, .made = true, .place = RECORD_LINK_INSIDE, .index = 7},
                {.container = container, .name = peer}};
        const struct record_pod pod = {.links = links, .n_links = 2};
        char *const bad[][6] = {{container, name, kind, peer, place, NULL}, {container, name, kind, peer, large, NULL}, {container, name, kind, peer, more, NULL},
                {container, name, kind, peer, few, NULL}, {container, name, kind, peer, flag, NULL}, {container, name, kind, peer, word, NULL}, {container, name, none, good, NULL, NULL}};
        _cleanup_strv_ char **strv = NULL;
        struct record_pod back = {};

        ck_assert_int_eq(record_links_write(&pod, &strv), 0);
        ck_assert_str_eq(strv[4], good);
        ck_assert_int_eq(record_links_read(strv, &back), 0);
        ck_assert_uint_eq(back.n_links, 2);
        ck_assert_str_eq(back.links[0].peer, "h0");
        ck_assert(back.links[0].in_root && back.links[0].made && back.links[0].place == RECORD_LINK_INSIDE && back.links[0].index == 7);
        ck_assert(!back.links[1].kind && !back.links[1].peer && !back.links[1].in_root && back.links[1].place == RECORD_LINK_OUTSIDE);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(record_links_read(bad[i], &back) == -EBADMSG, "list %zu", i);
        for (size_t i = 0; i < back.n_links; i++)
                record_link_done(&back.links[i]);
        free(back.links);
}
END_TEST

START_TEST(test_gc) {
        static char path[] = "/gc", container[] = "main", word[] = "x", yes[] = "1", no[] = "0", large[] = "4294967296", group[] = "4294967295";
        gid_t groups[] = {5, UINT32_MAX};
        const struct record_gc gc = {.path = path, .container = container, .root = true, .groups = groups, .n_groups = 2}, none = {};
        char *const *const bad[] = {(char *const[]) {path, container, NULL}, (char *const[]) {path, container, word, NULL},
                                    (char *const[]) {path, container, no, word, NULL}, (char *const[]) {path, container, yes, group, large, NULL}};
        _cleanup_strv_ char **strv = NULL, **nothing = NULL;
        struct record_gc back = {};

        ck_assert_int_eq(record_gc_write(&gc, &strv), 0);
        ck_assert_int_eq(record_gc_read(strv, &back), 0);
        ck_assert_str_eq(back.path, path);
        ck_assert_str_eq(back.container, container);
        ck_assert(back.root && back.n_groups == 2 && back.groups[0] == 5 && back.groups[1] == UINT32_MAX);
        record_gc_done(&back);
        ck_assert_ptr_null(back.path);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                ck_assert_msg(record_gc_read(bad[i], &back) == -EBADMSG, "list %zu", i);
                ck_assert_ptr_null(back.path);
        }
        ck_assert_int_eq(record_gc_write(&none, &nothing), 0);
        ck_assert_ptr_null(nothing);
        ck_assert_int_eq(record_gc_read(nothing, &back), 0);
        ck_assert_ptr_null(back.path);
}
END_TEST

UNIT_MAIN("record", test_links, test_gc, test_directories, test_state_names, test_copy_owns_its_own, test_copy_of_little)
