/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layers of additional stores in the registry: which are offered, which comes first, and what our records keep of them. */

#include <fcntl.h>

#include "layer/holders.h"
#include "layer/layers.h"
#include "layer/uses.h"
#include "tests/unit/store/store-dir.h"
#include "tests/unit/unit.h"
#include "util/array.h"

enum { STORES = 2 };

static const struct caller root = {.host_user_namespace = true, .host_mount_namespace = true, .host_root_directory = true};
static const struct caller alice = {.uid = 1000, .host_user_namespace = true, .host_mount_namespace = true, .host_root_directory = true};

/* Our own records, and those of two stores: directories of this test's. */
static char *own, *paths[STORES];
static int own_fd = -1;

/* Records of another daemon, by its own code; the state of each is what it would be there. */
static void write_store(const char *path, struct record_layer *records, size_t n) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), version;
        struct layer_store *store = NULL;

        ck_assert_int_eq(layer_store_open(fd, &store, &version), STORE_OPENED);
        for (size_t i = 0; i < n; i++) {
                enum record_layer_work work = records[i].work;

                ck_assert_int_eq(layer_store_add(store, &records[i]), 0);
                if (work != RECORD_LAYER_IDLE)
                        ck_assert_int_eq(layer_store_set_work(store, records[i].number, work, 1, 1), 0);
                for (size_t j = i + 1; j < n; j++) /* a parent is given by its place, from 1 */
                        if (records[j].parent == i + 1)
                                records[j].parent = records[i].number;
        }
        (void) layer_store_free(store);
        (void) close_fd(fd);
}

static void sql(const char *path, const char *text) {
        _cleanup_free_ char *file = path_join(path, "layers.db");
        char *error = NULL;
        sqlite3 *db = NULL;

        ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
        ck_assert_msg(sqlite3_exec(db, text, NULL, NULL, &error) == SQLITE_OK, "%s: %s", text, error);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static struct record_layer ready(const char *id, uint64_t parent) {
        static uint64_t created = 1000;

        return (struct record_layer) {.id = (char *) (uintptr_t) id, .parent = parent, .state = RECORD_LAYER_READY, .created_us = created++};
}

static void begin(void) {
        own = store_dir_new();
        for (size_t i = 0; i < STORES; i++)
                paths[i] = store_dir_new();
        own_fd = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(own_fd, 0);
}

static void end(void) {
        own_fd = close_fd(own_fd);
        store_dir_done(&own);
        for (size_t i = 0; i < STORES; i++)
                store_dir_done(&paths[i]);
}

/* The registry with these of the stores, in this order; -1: that is all. A reason, if there is one, is the first store's. */
static void open_with(int first, int second, const char *reason, struct layers *ret) {
        struct layers_store stores[STORES] = {};
        const int wanted[STORES] = {first, second};
        size_t n = 0;

        for (; n < STORES && wanted[n] >= 0; n++) {
                _cleanup_free_ char *file = path_join(paths[wanted[n]], "layers.db");

                stores[n] = (struct layers_store) {.path = paths[wanted[n]], .records_fd = open(file, O_RDONLY | O_CLOEXEC), .reason = n == 0 ? reason : NULL};
        }
        ck_assert_int_eq(layers_open(&(struct layers_setup) {.records_fd = own_fd, .path = own, .stores = stores, .n_stores = n}, ret), 0);
        for (size_t i = 0; i < n; i++)
                (void) close_fd(stores[i].records_fd);
}
#define _cleanup_layers_ _cleanup_(layers_done)

static const char *store_of(const struct layers *layers, const char *id) {
        const struct layer *layer = layers_find(layers, id, &root);

        return !layer ? "none" : layer->store ? layer->store : "own";
}

/* What is half made, written to, elsewhere itself, or called what nothing of ours is, is left out, and what stands on it, too. */
START_TEST(test_offered) {
        struct record_layer records[] = {ready("base", 0), ready("top", 1), ready("work", 1), ready("on-work", 3), ready("half", 0), ready("on-half", 5),
                                         ready("made", 0), ready("far", 0), ready("../x", 0), ready("1:2:x", 0), ready("label", 0), ready("users", 0), ready("words", 0)};
        char *pairs[] = {(char *) "key", (char *) "\xff", NULL};
        _cleanup_layers_ struct layers layers = {};
        const struct layer *top;

        begin();
        records[2].read_write = true;
        records[4].work = RECORD_LAYER_APPLYING;
        records[6].state = RECORD_LAYER_CREATING;
        records[7].store = (char *) "/elsewhere";
        records[10].label = (char *) "\xff\xfe"; /* no message carries it */
        records[11].owner = 1000;
        records[12].metadata = pairs;
        write_store(paths[0], records, ELEMENTSOF(records));
        open_with(0, -1, NULL, &layers);
        ck_assert_uint_eq(layers.stores[0].n_layers, 3);
        ck_assert_ptr_null(layers.stores[0].reason);
        top = layers_find(&layers, "top", &alice);
        ck_assert_ptr_nonnull(top);
        ck_assert_str_eq(top->parent->record->id, "base");
        ck_assert_uint_eq(top->depth, 2);
        ck_assert_uint_eq(top->parent->n_children, 1);
        ck_assert_ptr_nonnull(layers_find(&layers, "users", &root));
        ck_assert_ptr_null(layers_find(&layers, "users", &alice)); /* that 1000 is another's */
        for (const char *const *id = (const char *const[]) {"work", "on-work", "half", "on-half", "made", "far", "../x", "1:2:x", "label", "words", NULL}; *id; id++)
                ck_assert_msg(!layers_find(&layers, *id, &root), "%s is offered", *id);
        end();
}
END_TEST

/* What steps call it says which store, and which number it has there; numbers of listings are after ours, in the order of search. */
START_TEST(test_references) {
        struct record_layer one = ready("one", 0), other = ready("other", 0);
        _cleanup_layers_ struct layers layers = {};
        _cleanup_free_ char *expected = NULL;
        const struct layer *first, *second;

        begin();
        write_store(paths[0], &one, 1);
        write_store(paths[1], &other, 1);
        sql(paths[1], "UPDATE layer SET number = 281474976710655"); /* 2⁴⁸ - 1 */
        open_with(1, 0, NULL, &layers);
        first = layers_find(&layers, "other", &root);
        second = layers_find(&layers, "one", &root);
        ck_assert_str_eq(layer_reference(first), "1:281474976710655:other");
        ck_assert_int_gt(asprintf(&expected, "2:%llu:one", (unsigned long long) one.number), 0);
        ck_assert_str_eq(layer_reference(second), expected);
        ck_assert_uint_lt(layer_list_number(first), layer_list_number(second));
        ck_assert_uint_gt(layer_list_number(first), UINT32_MAX);
        layers_done(&layers);
        sql(paths[1], "UPDATE layer SET number = 281474976710656");
        open_with(1, -1, NULL, &layers);
        ck_assert_uint_eq(layers.stores[0].n_layers, 0);
        end();
}
END_TEST

START_TEST(test_order) {
        struct record_layer of_first[] = {ready("both", 0), ready("first", 0)}, of_second[] = {ready("both", 0), ready("second", 1)};
        _cleanup_failure_ struct failure f = FAILURE_INIT, g = FAILURE_INIT;
        struct record_layer *record = calloc(1, sizeof(*record));
        _cleanup_layers_ struct layers layers = {};
        struct layer *layer;

        begin();
        write_store(paths[0], of_first, 2);
        write_store(paths[1], of_second, 2);
        open_with(0, 1, NULL, &layers);
        ck_assert_str_eq(store_of(&layers, "both"), paths[0]);
        ck_assert_str_eq(layers_find(&layers, "second", &root)->parent->store, paths[1]); /* on that of its own store */
        layers_done(&layers);
        open_with(1, 0, NULL, &layers);
        ck_assert_str_eq(store_of(&layers, "both"), paths[1]);

        /* One of our own hides it, if root makes it and nobody holds the other; when it is gone, the first is there again. */
        layer = layers_find(&layers, "both", &root);
        ck_assert_int_eq(layers_check_shadow(layer, &alice, &f), FAILURE_LAYER_EXISTS);
        ck_assert_ptr_nonnull(strstr(f.text, paths[1]));
        ck_assert_int_eq(layers_check_shadow(layer, &root, &f), 0);
        ck_assert_int_eq(layers_in_store_refuse(layer, &g), FAILURE_NOT_SUPPORTED);
        *record = ready("both", 0);
        record->id = strdup("both");
        record->state = RECORD_LAYER_CREATING;
        ck_assert_int_eq(layers_add(&layers, record, NULL, &layer), 0);
        ck_assert_int_eq(layers_ready(&layers, layer), 0);
        ck_assert_str_eq(store_of(&layers, "both"), "own");
        ck_assert_int_eq(layers_retire(&layers, layer), 0);
        ck_assert_int_eq(layers_detach(&layers, layer), 0);
        ck_assert_str_eq(store_of(&layers, "both"), paths[1]);
        end();
}
END_TEST

/* A holder is on our records with what it holds, whichever store comes first by now; without the store it is known as missing. */
START_TEST(test_kept) {
        struct record_layer of_first = ready("both", 0), of_second = ready("both", 0);
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_layers_ struct layers layers = {};
        struct layer *layer;
        uint64_t key;

        begin();
        write_store(paths[0], &of_first, 1);
        write_store(paths[1], &of_second, 1);
        open_with(0, 1, NULL, &layers);
        layer = layers_find(&layers, "both", &root);
        ck_assert_uint_eq(layer->key, 0);
        ck_assert_int_eq(layers_stand_in(&layers, layer), 0);
        key = layer->key;
        ck_assert_uint_ne(key, 0);
        ck_assert_int_eq(layers_stand_in(&layers, layer), 0);
        ck_assert_uint_eq(layer->key, key); /* once */
        ck_assert_int_eq(holder_add(&layers, layer, 0, "h", 0, 1), 0);
        ck_assert_int_eq(layers_check_shadow(layer, &root, &f), FAILURE_LAYER_EXISTS);
        ck_assert_ptr_nonnull(strstr(f.text, "held or mounted"));
        layers_done(&layers);

        open_with(1, 0, NULL, &layers);
        layer = layers_find(&layers, "both", &root);
        ck_assert_ptr_nonnull(layer);
        ck_assert_str_eq(layer->store, paths[0]); /* its holder's, not the first */
        ck_assert_uint_eq(layer->key, key);
        ck_assert_uint_eq(layer->n_holders, 1);
        layers_done(&layers);

        open_with(1, -1, NULL, &layers);
        layer = layers_find(&layers, "both", &root);
        ck_assert_ptr_nonnull(layer);
        ck_assert_ptr_nonnull(layer->missing);
        ck_assert_ptr_nonnull(strstr(layer->missing, "not on AdditionalStores= any more"));
        ck_assert_uint_eq(layer->n_holders, 1);
        layers_done(&layers);

        open_with(0, -1, "it is not there today", &layers); /* as the keeper says */
        ck_assert_str_eq(layers.stores[0].reason, "it is not there today");
        ck_assert_str_eq(layers_find(&layers, "both", &root)->missing, "it is not there today");
        end();
}
END_TEST

START_TEST(test_bad_stores) {
        static const struct {
                const char *sql, *words;
        } rows[] = {
                {"PRAGMA user_version = 1000", "written by a newer podmountd"},
                {"PRAGMA application_id = 1", "is damaged, or none of podmount's"},
                {"UPDATE layer SET state = 7", "is damaged, or none of podmount's"},
                {"DROP TABLE layer", "is damaged, or none of podmount's"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct record_layer one = ready("one", 0), other = ready("other", 0);
                _cleanup_layers_ struct layers layers = {};

                begin();
                write_store(paths[0], &one, 1);
                write_store(paths[1], &other, 1);
                sql(paths[0], rows[i].sql);
                open_with(0, 1, NULL, &layers);
                ck_assert_ptr_nonnull(layers.stores[0].reason);
                ck_assert_msg(strstr(layers.stores[0].reason, rows[i].words) != NULL, "%s: %s", rows[i].sql, layers.stores[0].reason);
                ck_assert_str_eq(store_of(&layers, "one"), "none");
                ck_assert_str_eq(store_of(&layers, "other"), paths[1]); /* the others work */
                end();
        }
}
END_TEST

UNIT_MAIN("stores", test_offered, test_references, test_order, test_kept, test_bad_stores)
