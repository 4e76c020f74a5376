/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The registry: chains, children, who sees what, and what is found again by the next daemon. */

#include "layer/layers.h"

#include <fcntl.h>

#include "layer/asked.h"
#include "layer/holders.h"
#include "tests/unit/store/store-dir.h"
#include "tests/unit/unit.h"

static const struct caller root = {.host_user_namespace = true, .host_mount_namespace = true, .host_root_directory = true};
static const struct caller alice = {.uid = 1000, .host_user_namespace = true, .host_mount_namespace = true, .host_root_directory = true};
static const struct caller inner_root = {.host_mount_namespace = true, .host_root_directory = true};
static int directory = -1;

static void open_all(const char *path, struct layers *ret) {
        if (directory < 0)
                directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(directory, 0);
        ck_assert_int_eq(layers_open(&(struct layers_setup) {.records_fd = directory, .path = path}, ret), 0);
}
#define _cleanup_layers_ _cleanup_(layers_done)

static struct layer *add(struct layers *layers, const char *id, struct layer *parent, uid_t owner, bool read_write) {
        const struct layer_asked asked = {.id = id, .parent = "", .read_write = read_write};
        struct record_layer *record;
        struct layer *layer;

        ck_assert_int_eq(layer_asked_record(&asked, id, &record), 0);
        record->owner = owner;
        ck_assert_int_eq(layers_add(layers, record, parent, &layer), 0);
        ck_assert_ptr_null(layers_find(layers, id, &root)); /* it is being made */
        ck_assert_int_eq(layers_ready(layers, layer), 0);
        ck_assert_ptr_eq(layers_find(layers, id, &root), layer);
        return layer;
}

static void retire(struct layers *layers, struct layer *layer) {
        ck_assert_int_eq(layers_retire(layers, layer), 0);
        ck_assert_int_eq(layers_detach(layers, layer), 0);
}

START_TEST(test_chain) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_layers_ struct layers layers;
        struct layer *base, *top, *other;

        open_all(path, &layers);
        base = add(&layers, "base", NULL, 0, false);
        top = add(&layers, "top", base, 0, false);
        other = add(&layers, "other", base, 0, true);
        ck_assert_uint_eq(base->depth, 1);
        ck_assert_uint_eq(top->depth, 2);
        ck_assert_uint_eq(base->n_children, 2);
        ck_assert_int_eq(layers_check_unused(&layers, base, &f), FAILURE_LAYER_IN_USE);
        ck_assert_ptr_nonnull(strstr(f.text, "top"));
        ck_assert_ptr_nonnull(strstr(f.text, "other"));
        retire(&layers, other);
        retire(&layers, top);
        failure_clear(&f);
        ck_assert_int_eq(layers_check_unused(&layers, base, &f), 0);
        ck_assert_ptr_null(layers_find(&layers, "top", &root));
        ck_assert_uint_eq(layers.n_removing, 2);
        ck_assert_int_eq(layers_forget(&layers, top), 0);
        ck_assert_uint_eq(layers.n_removing, 1);
}
END_TEST

START_TEST(test_sight) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_layers_ struct layers layers;
        struct layer *parent;

        open_all(path, &layers);
        add(&layers, "of-root", NULL, 0, false);
        add(&layers, "of-alice", NULL, 1000, false);
        ck_assert_ptr_nonnull(layers_find(&layers, "of-alice", &root));
        ck_assert_ptr_nonnull(layers_find(&layers, "of-alice", &alice));
        ck_assert_ptr_null(layers_find(&layers, "of-root", &alice));
        ck_assert_ptr_null(layers_find(&layers, "of-root", &inner_root)); /* uid 0, and a stranger */
        ck_assert_int_eq(layers_find_parent(&layers, "of-root", &alice, false, &parent, &f), FAILURE_NO_SUCH_LAYER);
        ck_assert_int_eq(layers_find_parent(&layers, "of-alice", &alice, false, &parent, &f), 0);
}
END_TEST

START_TEST(test_depth) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_layers_ struct layers layers;
        struct layer *layer = NULL, *parent;
        char id[16] = "";

        open_all(path, &layers);
        for (unsigned i = 1; i <= LAYERS_CHAIN_MAX; i++) {
                (void) snprintf(id, sizeof(id), "l%u", i);
                layer = add(&layers, id, layer, 0, false);
        }
        ck_assert_int_eq(layers_find_parent(&layers, id, &root, true, &parent, &f), 0);
        ck_assert_int_eq(layers_find_parent(&layers, id, &root, false, &parent, &f), FAILURE_NOT_SUPPORTED);
        add(&layers, "rw", layer, 0, true);
        failure_clear(&f);
        ck_assert_int_eq(layers_find_parent(&layers, "rw", &root, true, &parent, &f), FAILURE_INVALID_ARGS);
}
END_TEST

START_TEST(test_quota) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        const struct settings settings = {.layers_per_user = 2, .layers_per_group = 2};
        const struct settings group = {.layers_per_user = 3, .layers_per_group = 2};
        _cleanup_layers_ struct layers layers;
        struct layer *layer;

        open_all(path, &layers);
        layer = add(&layers, "a", NULL, 1000, false);
        add(&layers, "r", NULL, 0, false);
        ck_assert_int_eq(layers_check_quota(&layers, &settings, &alice, 1, &f), 0);
        add(&layers, "b", NULL, 1000, false);
        ck_assert_int_eq(layers_check_quota(&layers, &settings, &alice, 1, &f), FAILURE_QUOTA_EXCEEDED);
        ck_assert_int_eq(layers_check_quota(&layers, &settings, &root, 1, &f), 0);
        failure_clear(&f);
        ck_assert_int_eq(layers_check_quota(&layers, &group, &alice, 1, &f), FAILURE_QUOTA_EXCEEDED);
        ck_assert_ptr_nonnull(strstr(f.text, "layers per group (LayersPerGroup=): 2 of 2 in use, 1 more asked for"));
        retire(&layers, layer);
        failure_clear(&f);
        ck_assert_int_eq(layers_check_quota(&layers, &settings, &alice, 1, &f), FAILURE_QUOTA_EXCEEDED); /* it still takes its room */
        ck_assert_int_eq(layers_forget(&layers, layer), 0);
        failure_clear(&f);
        ck_assert_int_eq(layers_check_quota(&layers, &settings, &alice, 1, &f), 0);
}
END_TEST

/* After a crash: what was being removed under an id is in the way of that id as long as its directory may have the name. */
START_TEST(test_again) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_layers_ struct layers layers;
        struct layer *base, *layer;

        open_all(path, &layers);
        base = add(&layers, "base", NULL, 0, false);
        retire(&layers, add(&layers, "twice", base, 0, false));
        ck_assert_int_eq(layers_retire(&layers, add(&layers, "twice", base, 0, false)), 0);
        retire(&layers, add(&layers, "again", NULL, 0, false));
        add(&layers, "again", NULL, 0, false);
        add(&layers, "kept", base, 0, false);
        layers_done(&layers);
        open_all(path, &layers);
        base = layers_find(&layers, "base", &root);
        ck_assert_ptr_nonnull(base);
        ck_assert_uint_eq(base->n_children, 1);
        ck_assert_ptr_eq(layers_find(&layers, "kept", &root)->parent, base);
        ck_assert_uint_eq(layers_find(&layers, "kept", &root)->depth, 2);
        ck_assert_uint_eq(layers.n_removing, 2);
        layer = map_get(layers.by_id, "twice");
        ck_assert_ptr_nonnull(layer);
        ck_assert_int_eq(layer->record->state, RECORD_LAYER_REMOVING);
        ck_assert_ptr_null(layers_find(&layers, "twice", &root));
        ck_assert_ptr_nonnull(layers_find(&layers, "again", &root));
}
END_TEST

START_TEST(test_holders) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_layers_ struct layers layers;
        struct layer *layer;

        open_all(path, &layers);
        layer = add(&layers, "a", NULL, 1000, false);
        ck_assert_int_eq(holder_add(&layers, layer, 1000, "x", 0, 1), 0);
        ck_assert_int_eq(holder_add(&layers, layer, 1000, "x", 0, 1), 0);
        ck_assert_int_eq(holder_add(&layers, layer, 0, "x", 0, 1), 0);
        ck_assert_int_eq(holder_add(&layers, layer, 1000, "x", 5, 1), 0);
        ck_assert_uint_eq(layer->n_holders, 3);
        ck_assert_uint_eq(holder_find(layer, 1000, "x", 0)->count, 2);
        ck_assert_ptr_null(holder_find(layer, 1001, "x", 0));
        ck_assert_int_eq(layers_check_unused(&layers, layer, &f), FAILURE_LAYER_IN_USE);
        layers_done(&layers);
        open_all(path, &layers); /* what went with a connection is gone */
        layer = layers_find(&layers, "a", &root);
        ck_assert_uint_eq(layer->n_holders, 2);
        ck_assert_uint_eq(holder_find(layer, 1000, "x", 0)->count, 2);
        ck_assert_int_eq(holder_drop(&layers, layer, 1000, "x", 0, 1), 0);
        ck_assert_int_eq(holder_drop(&layers, layer, 1000, "y", 0, 1), 0);
        ck_assert_int_eq(holder_drop(&layers, layer, 0, "x", 0, UINT32_MAX), 0);
        ck_assert_uint_eq(holder_find(layer, 1000, "x", 0)->count, 1);
        ck_assert_int_eq(holder_add(&layers, layer, 1, "c", 9, 1), 0);
        ck_assert_int_eq(holder_add(&layers, layer, 1, "d", 9, 1), 0);
        holder_drop_connection(layer, 9);
        ck_assert_uint_eq(layer->n_holders, 1);
        ck_assert_int_eq(holder_drop(&layers, layer, 1000, "x", 0, 1), 0);
        failure_clear(&f);
        ck_assert_int_eq(layers_check_unused(&layers, layer, &f), 0);
        layers_done(&layers);
        open_all(path, &layers);
        ck_assert_uint_eq(layers_find(&layers, "a", &root)->n_holders, 0);
}
END_TEST

/* Several at once, for pods: they need no mount, and a read-write layer has one of them alone. */
START_TEST(test_holders_of_pods) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct layers layers;
        struct layer *base, *own;

        open_all(path, &layers);
        base = add(&layers, "base", NULL, 0, false);
        own = add(&layers, "own", base, 0, true);
        ck_assert_int_eq(holder_add(&layers, base, 0, "x", 0, 1), 0);
        ck_assert_int_eq(holder_check_free(own, &f), 0);
        ck_assert_int_eq(holders_set(&layers, (struct holder_change[]) {{base, 5, HOLDER_POD "p", 2}, {own, 5, HOLDER_POD "p", 1}}, 2), 0);
        ck_assert_uint_eq(base->n_holders, 2);
        ck_assert_uint_eq(holders_of_mount(base), 1);
        ck_assert_uint_eq(holders_of_mount(own), 0);
        ck_assert_int_eq(holder_check_free(base, &f), 0);
        ck_assert_int_eq(holder_check_free(own, &f), FAILURE_LAYER_IN_USE);
        ck_assert_ptr_nonnull(strstr(f.text, HOLDER_POD "p"));
        layers_done(&layers);
        open_all(path, &layers);
        base = layers_find(&layers, "base", &root);
        own = layers_find(&layers, "own", &root);
        ck_assert_uint_eq(holder_find(base, 5, HOLDER_POD "p", 0)->count, 2);
        ck_assert_int_eq(holders_set(&layers, (struct holder_change[]) {{base, 5, HOLDER_POD "p", 1}, {own, 5, HOLDER_POD "p", 0}}, 2), 0);
        ck_assert_uint_eq(own->n_holders, 0);
        layers_done(&layers);
        open_all(path, &layers);
        ck_assert_uint_eq(holder_find(layers_find(&layers, "base", &root), 5, HOLDER_POD "p", 0)->count, 1);
        ck_assert_uint_eq(layers_find(&layers, "own", &root)->n_holders, 0);
        layers_done(&layers);
}
END_TEST

START_TEST(test_holder_limits) {
        _cleanup_store_dir_ char *path = store_dir_new();
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_layers_ struct layers layers;
        struct layer *layer;
        char name[16];

        ck_assert_int_eq(holder_check_name("a.b:c@d/e-f_G", &f), 0);
        ck_assert_int_eq(holder_check_name("", &f), FAILURE_INVALID_ARGS);
        failure_clear(&f);
        ck_assert_int_eq(holder_check_name("a b", &f), FAILURE_INVALID_ARGS);
        failure_clear(&f);
        ck_assert_int_eq(holder_check_name("pod:1", &f), FAILURE_INVALID_ARGS);
        open_all(path, &layers);
        layer = add(&layers, "a", NULL, 0, false);
        for (unsigned i = 0; i < HOLDERS_MAX; i++) {
                (void) snprintf(name, sizeof(name), "h%u", i);
                ck_assert_int_eq(holder_add(&layers, layer, 0, name, 1, 1), 0);
        }
        failure_clear(&f);
        ck_assert_int_eq(holder_check_room(layer, 0, "h0", 1, &f), 0);
        ck_assert_int_eq(holder_check_room(layer, 0, "more", 1, &f), FAILURE_QUOTA_EXCEEDED);
        holder_find(layer, 0, "h0", 1)->count = UINT32_MAX;
        failure_clear(&f);
        ck_assert_int_eq(holder_check_room(layer, 0, "h0", 1, &f), FAILURE_QUOTA_EXCEEDED);
}
END_TEST

START_TEST(test_none) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_layers_ struct layers layers;

        ck_assert_int_eq(layers_open(&(struct layers_setup) {.records_fd = -1, .path = "/x", .reason = "of a reason"}, &layers), 0);
        ck_assert_int_eq(layers_check(&layers, &f), FAILURE_NOT_SUPPORTED);
        ck_assert_ptr_nonnull(strstr(f.text, "of a reason"));
        ck_assert_ptr_null(layers_find(&layers, "a", &root));
}
END_TEST

UNIT_MAIN("layers", test_chain, test_sight, test_depth, test_quota, test_again, test_holders, test_holders_of_pods, test_holder_limits, test_none)
