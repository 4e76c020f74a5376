/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The history of pods in the store: the newest rows, over a restart, and of pods that are gone as many as are kept. */

#include "store/history.h"

#include <errno.h>

#include "store-dir.h"

static const uid_t alice = 1000, bob = 1001;

static void uuid_of(unsigned number, char ret[static 37]) {
        ck_assert_int_eq(snprintf(ret, 37, "%08x-4567-89ab-cdef-0123456789ab", number), 36);
}

/* Rows whose times are from..to. */
static void put(struct store *store, const char *uuid, const uid_t *owner, const char *name, uint64_t from, uint64_t to) {
        char word[] = "Bind", target[] = "/gr\xc3\xbc\xc3\x9f e\n\xff", outcome[] = "done";

        ck_assert_int_eq(store_begin(store), 0);
        for (uint64_t i = from; i <= to; i++) {
                const struct record_event event = {
                        .time_us = i, .event = word, .uid = 7, .mount_id = UINT64_MAX - i, .target = target, .outcome = outcome};

                ck_assert_int_eq(store_put_event(store, uuid, owner, name, &event), 0);
        }
        ck_assert_int_eq(store_commit(store), 0);
}

static void end(struct store *store, const char *uuid, uint64_t time_us) {
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_end_history(store, uuid, time_us), 0);
        ck_assert_int_eq(store_commit(store), 0);
}

/* The rows are those of these times, the newest first. */
static void check(struct store *store, const char *uuid, uint32_t limit, size_t n, uint64_t newest) {
        struct record_event *events = NULL;
        size_t n_events = 99;

        ck_assert_int_eq(store_load_history(store, uuid, limit, &events, &n_events), 0);
        ck_assert_uint_eq(n_events, n);
        for (size_t i = 0; i < n_events; i++) {
                ck_assert_uint_eq(events[i].time_us, newest - i);
                ck_assert_str_eq(events[i].event, "Bind");
                ck_assert_uint_eq(events[i].uid, 7);
                ck_assert_uint_eq(events[i].mount_id, UINT64_MAX - events[i].time_us);
                ck_assert_str_eq(events[i].target, "/gr\xc3\xbc\xc3\x9f e\n\xff");
                ck_assert_str_eq(events[i].outcome, "done");
                ck_assert_ptr_null(events[i].unit);
                ck_assert_ptr_null(events[i].action);
                ck_assert_ptr_null(events[i].detail);
                record_event_done(&events[i]);
        }
        free(events);
}

static bool is_gone(struct store *store, const char *id, const uid_t *owner, const char *uuid) {
        _cleanup_free_ char *found = NULL;
        int r = store_find_gone(store, id, owner, &found);

        ck_assert_int_ge(r, 0);
        if (r > 0 && uuid)
                ck_assert_str_eq(found, uuid);
        return r > 0;
}

START_TEST(test_newest_rows_stay) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);
        char one[37], two[37];

        uuid_of(1, one);
        uuid_of(2, two);
        check(store, one, 10, 0, 0);
        put(store, one, &alice, "web", 1, 3);
        check(store, one, 10, 3, 3);
        check(store, one, 2, 2, 3);
        put(store, one, &alice, NULL, 4, 4 + HISTORY_ROWS_MAX);
        put(store, two, &alice, NULL, 5, 5);
        check(store, one, 1000, HISTORY_ROWS_MAX, 4 + HISTORY_ROWS_MAX);

        store = store_free(store);
        store = store_dir_open(directory);
        check(store, one, 1000, HISTORY_ROWS_MAX, 4 + HISTORY_ROWS_MAX);
        check(store, two, 1000, 1, 5);
        put(store, one, &alice, NULL, 5 + HISTORY_ROWS_MAX, 5 + HISTORY_ROWS_MAX);
        check(store, one, 1000, HISTORY_ROWS_MAX, 5 + HISTORY_ROWS_MAX);
}
END_TEST

START_TEST(test_only_in_transactions) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);
        const struct record_event event = {};
        char one[37];

        uuid_of(1, one);
        ck_assert_int_eq(store_put_event(store, one, &alice, NULL, &event), -EINVAL);
        ck_assert_int_eq(store_end_history(store, one, 1), -EINVAL);
        put(store, one, &alice, NULL, 1, 2);
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_end_history(store, one, 1), 0);
        store_rollback(store);
        ck_assert(!is_gone(store, one, NULL, NULL));
}
END_TEST

START_TEST(test_gone) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);
        char one[37], two[37], three[37];

        uuid_of(1, one);
        uuid_of(2, two);
        uuid_of(3, three);
        put(store, one, &alice, "web", 1, 2);
        ck_assert(!is_gone(store, one, NULL, NULL)); /* it lives */
        put(store, two, NULL, NULL, 1, 2);           /* nobody knows it */
        check(store, two, 10, 0, 0);

        end(store, one, 100);
        ck_assert(is_gone(store, one, &alice, one));
        ck_assert(is_gone(store, "web", &alice, one));
        ck_assert(is_gone(store, "web", NULL, one));
        ck_assert(!is_gone(store, one, &bob, NULL));
        ck_assert(!is_gone(store, "web", &bob, NULL));
        put(store, one, NULL, NULL, 3, 3); /* what came after its end */
        check(store, one, 10, 3, 3);

        put(store, three, &alice, "web", 1, 1);
        end(store, three, 200);
        ck_assert(is_gone(store, "web", &alice, three)); /* the newer one */
        put(store, three, &bob, "web", 9, 9);            /* the UUID is another's now, who learns nothing of before */
        check(store, three, 10, 1, 9);
}
END_TEST

START_TEST(test_so_many_of_an_owner) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(store_freep) struct store *store = store_dir_open(directory);
        char uuid[37], his[37], alive[37];

        uuid_of(9999, his);
        put(store, his, &bob, NULL, 1, 1);
        end(store, his, 1); /* older than all of hers, and not hers */
        uuid_of(8888, alive);
        put(store, alive, &alice, NULL, 1, 1);
        for (unsigned i = 0; i < HISTORY_GONE_MAX + 5; i++) {
                uuid_of(i, uuid);
                put(store, uuid, &alice, NULL, 1, 2);
                end(store, uuid, 10 + i);
        }
        for (unsigned i = 0; i < HISTORY_GONE_MAX + 5; i++) {
                uuid_of(i, uuid);
                ck_assert_int_eq(is_gone(store, uuid, &alice, NULL), i >= 5);
                check(store, uuid, 10, i >= 5 ? 2 : 0, 2); /* their rows went with them */
        }
        ck_assert(is_gone(store, his, &bob, his));
        check(store, alive, 10, 1, 1);
}
END_TEST

UNIT_MAIN("history", test_newest_rows_stay, test_only_in_transactions, test_gone, test_so_many_of_an_owner)
