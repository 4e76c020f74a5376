/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pod's names, spellings and look-ups; needs no kernel. */

#include "pod/pod.h"

#include <string.h>

#include "pod/intent-detail.h"
#include "pod/made.h"
#include "tests/unit/unit.h"
#include "util/array.h"

#define UUID "11111111-2222-3333-4444-5555555555aa"

START_TEST(test_uuid) {
        static const char *const bad[] = {"", "x", "11111111", "00000000-0000-0000-0000-000000000000", UUID "0",
                                          "11111111_2222_3333_4444_555555555555"};
        _cleanup_free_ char *uuid = NULL, *plain = NULL;

        ck_assert_int_eq(pod_uuid_canonical("11111111-2222-3333-4444-5555555555AA", &uuid), 0);
        ck_assert_str_eq(uuid, UUID);
        ck_assert_int_eq(pod_uuid_canonical("111111112222333344445555555555aa", &plain), 0);
        ck_assert_str_eq(plain, UUID);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char *none = NULL;

                ck_assert_msg(pod_uuid_canonical(bad[i], &none) == -EINVAL, "%s", bad[i]);
        }
}
END_TEST

START_TEST(test_looks_like_uuid) {
        ck_assert(pod_looks_like_uuid("deadbeef"));
        ck_assert(pod_looks_like_uuid("DEADBEEF00"));
        ck_assert(pod_looks_like_uuid("deadbeef-"));
        ck_assert(pod_looks_like_uuid(UUID));
        ck_assert(pod_looks_like_uuid("111111112222333344445555555555aa"));
        ck_assert(!pod_looks_like_uuid("deadbee"));
        ck_assert(!pod_looks_like_uuid("deadbeef-web"));
        ck_assert(!pod_looks_like_uuid("dead-beef"));
        ck_assert(!pod_looks_like_uuid("deadbeeg"));
        ck_assert(!pod_looks_like_uuid("111111112222333344445555555555aa0"));
        ck_assert(pod_uuid_has_prefix(UUID, "111111112"));
        ck_assert(pod_uuid_has_prefix(UUID, "11111111-2222-3333-4444-5555555555AA"));
        ck_assert(!pod_uuid_has_prefix(UUID, "11111112"));
        ck_assert(!pod_uuid_has_prefix(UUID, "111111112222333344445555555555aa1"));
}
END_TEST

static struct record_mount *add(struct record_pod *record, const char *container, const char *target, uint64_t id) {
        struct record_mount *mount = array_append(&record->mounts, &record->n_mounts);

        mount->container = strdup(container);
        mount->target = strdup(target);
        mount->source = strdup("none");
        mount->type = strdup("tmpfs");
        mount->id = id;
        return mount;
}

START_TEST(test_lookups) {
        _cleanup_(pod_freep) struct pod *pod = NULL;
        struct record_pod *record = calloc(1, sizeof(*record));

        record->uuid = strdup(UUID);
        record->name = strdup("web");
        record->owner = 1000;
        ck_assert_int_eq(strv_append(&record->containers, "main"), 0);
        (void) add(record, "", "", 5);
        (void) add(record, "main", "/", 6);
        (void) add(record, "main", "/data", 7);
        (void) add(record, "main", "/data", 8);
        add(record, "main", "/proc", 0)->deferred = true;
        ck_assert_int_eq(pod_new(record, &pod), 0);
        ck_assert_str_eq(pod->object_path, "/org/podmount1/pod/11111111_2222_3333_4444_5555555555aa");
        ck_assert_str_eq(pod->name_key, "1000:web");
        ck_assert_uint_eq(pod_tree_mount(pod)->id, 5);
        ck_assert_uint_eq(pod_find_mount(pod, "main", "/data")->id, 8);
        ck_assert_ptr_null(pod_find_mount(pod, "other", "/data"));
        ck_assert_uint_eq(pod_find_mount_id(pod, 7)->id, 7);
        ck_assert_ptr_null(pod_find_mount_id(pod, 0));
        ck_assert(pod_has_container(pod, "main"));
        ck_assert(!pod_has_container(pod, ""));
        ck_assert_int_eq(pod_get_state(pod), POD_CREATING);
        record->state = RECORD_READY;
        ck_assert_int_eq(pod_get_state(pod), POD_READY);
        pod->drifts = calloc(1, sizeof(*pod->drifts));
        pod->n_drifts = 1;
        ck_assert_int_eq(pod_get_state(pod), POD_DEGRADED);
        record->state = RECORD_STOPPING;
        ck_assert_str_eq(pod_state_name(pod_get_state(pod)), "stopping");
        record->state = RECORD_FAILED;
        ck_assert_str_eq(pod_state_name(pod_get_state(pod)), "failed");
        ck_assert_str_eq(drift_kind_name(DRIFT_EXTRA), "extra");
}
END_TEST

START_TEST(test_intent_detail) {
        static const struct intent_mount mounts[] = {{.id = UINT64_MAX, .mount_id = 3}, {.id = 0,
                                                                                         .mount_id = UINT32_MAX}};
        static const char *const bad[] = {NULL, "", "[]", "{}", "{\"rows\":1,\"mounts\":2}",
                                          "{\"rows\":[\"1\"],\"mounts\":[1]}",
                                          "{\"rows\":[-1],\"mounts\":[[1,2]]}",
                                          "{\"rows\":[1.5],\"mounts\":[[4294967296,0,0]]}"};
        static const int64_t rows[] = {3, 1, 999999999999999999};
        _cleanup_free_ char *text = NULL, *mount_text = NULL;
        _cleanup_free_ struct intent_mount *read_mounts = NULL;
        _cleanup_free_ int64_t *read_rows = NULL;
        size_t n;

        ck_assert_int_eq(intent_detail_write_rows(rows, 3, &text), 0);
        ck_assert_int_eq(intent_detail_read_rows(text, &read_rows, &n), 0);
        ck_assert_uint_eq(n, 3);
        ck_assert_mem_eq(read_rows, rows, sizeof(rows));
        ck_assert_int_eq(intent_detail_write_mounts(mounts, 2, &mount_text), 0);
        ck_assert_int_eq(intent_detail_read_mounts(mount_text, &read_mounts, &n), 0);
        ck_assert_uint_eq(n, 2);
        ck_assert_uint_eq(read_mounts[0].id, UINT64_MAX);
        ck_assert_uint_eq(read_mounts[1].mount_id, UINT32_MAX);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct intent_mount *no_mounts = NULL;
                int64_t *no_rows = NULL;

                ck_assert_int_eq(intent_detail_read_rows(bad[i], &no_rows, &n), -EBADMSG);
                ck_assert_int_eq(intent_detail_read_mounts(bad[i], &no_mounts, &n), -EBADMSG);
        }
}
END_TEST

START_TEST(test_made) {
        static const char *const bad[] = {"{\"mounts\":[],\"points\":[1]}", "{\"mounts\":[],\"points\":[[1,1,0]]}", "{\"mounts\":[],\"points\":[[\"main/a\",-1,0]]}",
                                          "{\"mounts\":[],\"points\":[[\"main/a\",1,2]]}"};
        struct intent_mount mount = {.id = 5, .mount_id = 6};
        struct made made = {.mounts = &mount, .n_mounts = 1}, read = {};
        _cleanup_free_ char *text = NULL;

        ck_assert_int_eq(made_add_point(&made, "main/a/\"b", 2, false), 0);
        ck_assert_int_eq(made_add_point(&made, "main/c", 1, true), 0);
        ck_assert_int_eq(intent_detail_write_made(&made, &text), 0);
        ck_assert_int_eq(intent_detail_read_made(text, &read), 0);
        ck_assert_uint_eq(read.n_mounts, 1);
        ck_assert_uint_eq(read.mounts[0].id, 5);
        ck_assert_uint_eq(read.n_points, 2);
        ck_assert_str_eq(read.points[0].place, "main/a/\"b");
        ck_assert_uint_eq(read.points[0].made, 2);
        ck_assert(!read.points[0].file && read.points[1].file);
        made_done(&read);
        ck_assert_int_eq(intent_detail_read_made("{\"mounts\":[]}", &read), 0); /* of a version before */
        made_done(&read);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ck_assert_int_eq(intent_detail_read_made(bad[i], &read), -EBADMSG);
                made_done(&read);
        }
        made.mounts = NULL;
        made_done(&made);
}
END_TEST

UNIT_MAIN("pod", test_uuid, test_looks_like_uuid, test_lookups, test_intent_detail, test_made)
