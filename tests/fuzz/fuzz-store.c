/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as the files of records: state.db with its journal of intents, our own layers.db, and one of an additional store, which is read from a copy. The
 * first byte says which. store/, and SQLite behind it. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/layers.h"
#include "store/store.h"
#include "tests/fuzz/fuzz.h"

static char directory[] = "/dev/shm/podmount-fuzz-store-XXXXXX";
static int directory_fd = -1;

static void clear(void) {
        DIR *listing = opendir(directory);

        for (struct dirent *entry; listing && (entry = readdir(listing));)
                (void) unlinkat(directory_fd, entry->d_name, 0); /* "." and ".." stay */
        if (listing)
                (void) closedir(listing);
}

static void finish(void) {
        clear();
        (void) rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_) {
        fuzz_quiet();
        fuzz_check(mkdtemp(directory));
        directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fuzz_check(directory_fd >= 0);
        (void) atexit(finish);
        return 0;
}

static void write_file(const char *name, const uint8_t *data, size_t size) {
        int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t) size);
        (void) close(fd);
}

/* Every text that is told to be there is, and states are known. */
static void check_pods(struct record_pod **pods, size_t n) {
        for (size_t i = 0; i < n; i++) {
                fuzz_check(pods[i]->uuid && pods[i]->state >= 0 && pods[i]->state < _RECORD_STATE_MAX && record_state_name(pods[i]->state));
                for (size_t j = 0; j < pods[i]->n_mounts; j++)
                        fuzz_check(pods[i]->mounts[j].container && pods[i]->mounts[j].target);
                record_pod_free(pods[i]);
        }
        free(pods);
}

static void check_state(void) {
        _cleanup_(store_freep) struct store *store = NULL;
        struct record_pod **pods = NULL;
        struct record_intent *intents = NULL;
        size_t n_pods = 0, n_intents = 0;
        int version = 0;

        if (store_open(directory, &store, &version) != STORE_OPENED || store_load(store, &pods, &n_pods, &intents, &n_intents) < 0)
                return;
        for (size_t i = 0; i < n_intents; i++)
                fuzz_check(intents[i].uuid && intents[i].verb >= 0 && intents[i].verb < _RECORD_VERB_MAX);
        check_pods(pods, n_pods);
        record_intents_free(intents, n_intents);
}

static void check_layers(struct layer_store *store) {
        struct record_holder *holders = NULL;
        struct record_layer **layers = NULL;
        size_t n = 0, n_holders = 0;

        if (layer_store_load(store, &layers, &n) == 0) {
                for (size_t i = 0; i < n; i++) {
                        fuzz_check(layers[i]->id && layers[i]->state >= 0 && layers[i]->state < _RECORD_LAYER_STATE_MAX);
                        fuzz_check(layers[i]->work >= 0 && layers[i]->work < _RECORD_LAYER_WORK_MAX);
                        fuzz_check(i == 0 || layers[i - 1]->number <= layers[i]->number);
                }
                for (size_t i = 0; i < n; i++)
                        record_layer_free(layers[i]);
                free(layers);
        }
        if (layer_store_load_holders(store, &holders, &n_holders) == 0) {
                for (size_t i = 0; i < n_holders; i++)
                        fuzz_check(holders[i].name);
                record_holders_free(holders, n_holders);
        }
}

static void check_own(void) {
        _cleanup_(layer_store_freep) struct layer_store *store = NULL;
        int version = 0;

        if (layer_store_open(directory_fd, &store, &version) == STORE_OPENED)
                check_layers(store);
}

static void check_copy(const uint8_t *data, size_t size) {
        int fd = memfd_create("layers.db", MFD_CLOEXEC), version = 0;
        _cleanup_(layer_store_freep) struct layer_store *store = NULL;

        fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t) size);
        if (layer_store_open_copy(fd, &store, &version) == STORE_OPENED)
                check_layers(store);
        (void) close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0)
                return 0;
        switch (data[0] % 4) {
        case 0:
                write_file("state.db", data + 1, size - 1);
                check_state();
                break;
        case 1:
                write_file("intents", data + 1, size - 1);
                check_state();
                break;
        case 2:
                write_file("layers.db", data + 1, size - 1);
                check_own();
                break;
        default:
                check_copy(data + 1, size - 1);
        }
        clear();
        return 0;
}
