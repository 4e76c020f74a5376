/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Intents without a transaction: they outlive the process, end with the transaction that deletes them, and nothing that
 * stands in the file harms. */

#include "store/journal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "store-dir.h"

static char uuid[] = "01234567-89ab-cdef-0123-456789abcdef", other[] = "11234567-89ab-cdef-0123-456789abcdef";

static void put_pod(struct store *store) {
        const struct record_pod pod = {.uuid = uuid, .state = RECORD_READY};

        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_pod(store, &pod), 0);
        ck_assert_int_eq(store_commit(store), 0);
}

static void check_loaded(const char *directory, size_t n, const uint64_t *jobs) {
        struct store *store = store_dir_open(directory);
        _cleanup_loaded_ struct store_dir_loaded loaded = store_dir_load(store);

        ck_assert_uint_eq(loaded.n_intents, n);
        for (size_t i = 0; i < n; i++)
                ck_assert_uint_eq(loaded.intents[i].job, jobs[i]);
        store_free(store);
}

START_TEST(test_noted) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        const struct record_intent intents[] = {
                {.job = 3, .uuid = uuid, .verb = RECORD_VERB_MOUNT, .lazy = true},
                {.job = 7, .uuid = other, .verb = RECORD_VERB_UNMOUNT},
                {.job = 5, .uuid = other, .verb = RECORD_VERB_COLLECT, .detail = uuid},
        };
        struct store *store = store_dir_open(directory);
        _cleanup_loaded_ struct store_dir_loaded loaded = {};

        ck_assert(store_note_intent(store, &intents[0]));
        ck_assert(store_note_intent(store, &intents[1]));
        ck_assert(!store_note_intent(store, &intents[2])); /* no room for a detail */
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_intent(store, &intents[2]), 0);
        ck_assert_int_eq(store_commit(store), 0);
        store_free(store);
        store = store_dir_open(directory);
        loaded = store_dir_load(store);
        ck_assert_uint_eq(loaded.n_intents, 3); /* in the order of their jobs */
        ck_assert_uint_eq(loaded.intents[0].job, 3);
        ck_assert_str_eq(loaded.intents[0].uuid, uuid);
        ck_assert_int_eq(loaded.intents[0].verb, RECORD_VERB_MOUNT);
        ck_assert(loaded.intents[0].lazy);
        ck_assert_ptr_null(loaded.intents[0].detail);
        ck_assert_uint_eq(loaded.intents[1].job, 5);
        ck_assert_uint_eq(loaded.intents[2].job, 7);
        ck_assert(store_forget_noted(store, 7));
        ck_assert(!store_forget_noted(store, 7));
        ck_assert(!store_forget_noted(store, 5)); /* that one is in the database */
        store_free(store);
        check_loaded(directory, 2, (const uint64_t[]){3, 5});
}
END_TEST

START_TEST(test_ends_with_its_transaction) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        const struct record_intent intent = {.job = 3, .uuid = uuid, .verb = RECORD_VERB_MOUNT};
        struct record_intent detailed = {.job = 4, .uuid = uuid, .verb = RECORD_VERB_MOUNT};
        struct store *store = store_dir_open(directory);

        put_pod(store);
        ck_assert(store_note_intent(store, &intent));
        ck_assert(store_note_intent(store, &detailed));
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_delete_intent(store, 3), 0);
        store_rollback(store);
        store_free(store);
        check_loaded(directory, 2, (const uint64_t[]){3, 4});

        store = store_dir_open(directory);
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_commit(store), 0); /* what another one was about to delete is not its business */
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_delete_intent(store, 3), 0);
        ck_assert_int_eq(store_commit(store), 0);
        detailed.detail = other;
        ck_assert_int_eq(store_begin(store), 0);
        ck_assert_int_eq(store_put_intent(store, &detailed), 0); /* moves into the database */
        ck_assert_int_eq(store_commit(store), 0);
        ck_assert(!store_forget_noted(store, 4));
        store_free(store);
        check_loaded(directory, 1, (const uint64_t[]){4});
}
END_TEST

/* As many as there is room for, and each place again. */
START_TEST(test_full) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_(journal_freep) struct journal *journal = NULL;
        struct record_intent found;
        size_t cursor = 0, n = 0;

        ck_assert_int_eq(journal_open(directory, &journal), 0);
        for (uint64_t job = 1; job <= 255; job++)
                ck_assert(journal_put(journal, job, uuid, RECORD_VERB_MOUNT, false));
        ck_assert(!journal_put(journal, 256, uuid, RECORD_VERB_MOUNT, false));
        journal_drop(journal, 0);
        journal_drop(journal, 4711);
        ck_assert(!journal_put(journal, 256, uuid, RECORD_VERB_MOUNT, false));
        journal_drop(journal, 17);
        ck_assert(!journal_has(journal, 17));
        ck_assert(!journal_has(journal, 0));
        ck_assert(journal_put(journal, 256, other, RECORD_VERB_MOUNT, false));
        ck_assert(!journal_put(journal, 257, "longer than a uuid by quite some bytes", RECORD_VERB_MOUNT, false));
        for (; journal_next(journal, &cursor, &found) > 0; n++)
                free(found.uuid);
        ck_assert_uint_eq(n, 255);
}
END_TEST

/* Whatever stands in it. */
START_TEST(test_hostile_bytes) {
        _cleanup_store_dir_ char *directory = store_dir_new();
        _cleanup_free_ char *path = path_join(directory, "intents");
        _cleanup_(journal_freep) struct journal *journal = NULL;
        _cleanup_close_ int fd = -1;
        struct record_intent found;
        size_t cursor = 0;
        struct stat status;
        uint8_t *bytes;

        ck_assert_int_eq(journal_open(directory, &journal), 0);
        ck_assert(journal_put(journal, 9, uuid, RECORD_VERB_MOUNT, false));
        fd = open(path, O_RDWR | O_CLOEXEC);
        ck_assert_int_eq(fstat(fd, &status), 0);
        ck_assert_uint_eq(status.st_mode & 07777, 0600);
        ck_assert_int_eq(status.st_size, 16384);
        bytes = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        ck_assert_ptr_ne(bytes, MAP_FAILED);
        memset(bytes + 64 * 2, 0xff, 64); /* no NUL */
        memset(bytes + 64 * 3, 1, 8);
        bytes[64 * 3 + 45] = 200; /* no verb */
        memset(bytes + 64 * 4, 1, 8);
        bytes[64 * 4 + 46] = 2; /* neither lazy nor not */
        ck_assert_int_eq(journal_next(journal, &cursor, &found), 1);
        ck_assert_uint_eq(found.job, 9);
        free(found.uuid);
        ck_assert_int_eq(journal_next(journal, &cursor, &found), 0);
        for (unsigned i = 2; i <= 4; i++)
                ck_assert_int_eq(bytes[64 * i], 0); /* free again */
        bytes[0] ^= 1; /* another format */
        journal = journal_free(journal);
        ck_assert_int_eq(journal_open(directory, &journal), 0);
        cursor = 0;
        ck_assert_int_eq(journal_next(journal, &cursor, &found), 0);
        ck_assert_int_eq(munmap(bytes, 16384), 0);
}
END_TEST

UNIT_MAIN("journal", test_noted, test_ends_with_its_transaction, test_full, test_hostile_bytes)
