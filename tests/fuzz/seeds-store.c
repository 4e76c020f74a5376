/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stores with one record of each kind. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/layers.h"
#include "store/store.h"
#include "tests/fuzz/seeds.h"

#define UUID "0123abcd-4567-89ab-cdef-0123456789ab"

/* The outcome of all that cannot go wrong here. */
static void must(bool done, const char *what) {
        if (done)
                return;
        fprintf(stderr, "seeds: %s does not work\n", what);
        exit(EXIT_FAILURE);
}

static void fill_state(const char *directory) {
        char *words[] = {(char *) "main", (char *) "ro", NULL};
        const struct record_pod pod = {.uuid = (char *) UUID, .name = (char *) "name", .owner = 1000, .owner_group = 1000, .state = RECORD_READY, .created_us = 1,
                                       .spec = (char *) "{}", .lease = (char *) "ttl:9", .containers = words, .warnings = words};
        struct record_mount mount = {.id = 7, .mount_id = 8, .container = (char *) "main", .target = (char *) "/data", .source = (char *) "/srv",
                                     .type = (char *) "bind", .options = words, .request = (char *) "{}", .point = (char *) "main/rootfs/data", .made = 1};
        const struct record_intent intent = {.job = 3, .uuid = (char *) UUID, .verb = RECORD_VERB_CREATE, .detail = (char *) "{}"},
                                   noted = {.job = 4, .uuid = (char *) UUID, .verb = RECORD_VERB_MOUNT};
        struct store *store = NULL;
        int version;

        must(store_open(directory, &store, &version) == STORE_OPENED && store_begin(store) == 0 && store_put_pod(store, &pod) == 0 &&
                     store_put_mount(store, UUID, &mount) == 0 && store_put_intent(store, &intent) == 0 && store_commit(store) == 0 && store_note_intent(store, &noted),
             "state.db");
        store_free(store);
}

static void fill_layers(const char *path) {
        char *pairs[] = {(char *) "key", (char *) "value", NULL};
        struct record_layer layer = {.id = (char *) "base", .owner = 1000, .owner_group = 1000, .label = (char *) "l", .uid_map = (char *) "0-1000-1",
                                     .metadata = pairs, .state = RECORD_LAYER_READY, .created_us = 1, .chain = (char *) "sha256:x"},
                            child = {.id = (char *) "child", .state = RECORD_LAYER_READY, .created_us = 2};
        struct record_holder holder = {.owner = 1000, .name = (char *) "h", .count = 2};
        int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), version;
        struct layer_store *store = NULL;

        must(layer_store_open(directory, &store, &version) == STORE_OPENED && layer_store_add(store, &layer) == 0, "layers.db");
        child.parent = holder.layer = layer.number;
        must(layer_store_add(store, &child) == 0 && layer_store_put_holder(store, &holder) == 0, "layers.db");
        layer_store_free(store);
        (void) close(directory);
}

void seeds_of_store(void) {
        static const char *const names[] = {"state.db", "intents", "layers.db"};
        char directory[] = "/dev/shm/podmount-seeds-XXXXXX";

        must(mkdtemp(directory), directory);
        fill_state(directory);
        fill_layers(directory);
        for (int i = 0; i < 3; i++) {
                char path[sizeof(directory) + 16];

                (void) snprintf(path, sizeof(path), "%s/%s", directory, names[i]); /* cannot be cut: the names are shorter */
                seed_file("fuzz-store", names[i], i, path);
                if (i == 2)
                        seed_file("fuzz-store", "copy", 3, path);
                (void) unlink(path);
        }
        (void) rmdir(directory); /* whatever else lies there stays */
}
