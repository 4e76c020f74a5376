/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The records of layers, in <state-dir>/records/layers.db: SQLite, WAL, synchronous=FULL, because layers outlive a boot and
 * what a client was told of one must, too. The head of layers.c describes the file. It is a file of its own: state.db is
 * gone with the boot, and is written without waiting for a disk.
 *
 * Every change is a transaction of its own and on the disk when its function returns. Errors are logged here: -ENOSPC on a
 * full disk, -ENOMEM, -EIO else.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

enum record_layer_state {
        RECORD_LAYER_CREATING, /* its directory is about to be made, or was left half made by a crash */
        RECORD_LAYER_READY,
        RECORD_LAYER_REMOVING, /* gone for clients, its directory is about to be removed */
        _RECORD_LAYER_STATE_MAX,
};

/* Something lies beside what the layer has. */
enum record_layer_work {
        RECORD_LAYER_IDLE,
        RECORD_LAYER_APPLYING, /* half made: it is to be removed */
        RECORD_LAYER_ADOPTING, /* whole: it is to take the place of what the layer has, which is to be removed */
        _RECORD_LAYER_WORK_MAX,
};

struct record_layer {
        uint64_t number;   /* the store's key, never used twice; it is in the names of directories that come and go */
        char *id;          /* among those that are not being removed it is there once */
        uint64_t parent;   /* its number; 0: none */
        uid_t owner;
        gid_t owner_group;
        bool read_write;
        char *label;       /* of its mounts, or NULL */
        char *uid_map, *gid_map; /* as given (spec/idmap.h has the form), or NULL */
        char **metadata;   /* pairs of key and value; NULL for none */
        enum record_layer_state state;
        uint64_t created_us; /* CLOCK_REALTIME */
        char *store;       /* of one that is not ours: the state directory that it lies in; `number` is what our records call it. Or NULL */
        char *chain;       /* of an image's layer: its chain id (image/chain.h), or NULL */
        uint64_t bytes, inodes; /* that were written into it for its owner's account */
        enum record_layer_work work;
};
struct record_layer *record_layer_free(struct record_layer *layer);
DEFINE_CLEANUP(struct record_layer *, record_layer_free)

struct layer_store;

/* Opens or makes layers.db in the directory, whose fd has to stay open as long as the store: all access goes through it, so
 * that the directories above need not be open to the caller. An enum store_outcome (store/store.h), or a negative errno.
 * *ret_version as store_open() has it. */
int layer_store_open(int directory, struct layer_store **ret, int *ret_version);
/* The same for a copy, in memory, of another daemon's layers.db, which is read from the fd, of an older version or of ours. Nothing is logged of
 * what is in it: STORE_DAMAGED, -EFBIG past LAYERS_COPY_MAX bytes. */
enum { LAYERS_COPY_MAX = 64 * 1024 * 1024 };
int layer_store_open_copy(int fd, struct layer_store **ret, int *ret_version);
struct layer_store *layer_store_free(struct layer_store *store);
DEFINE_CLEANUP(struct layer_store *, layer_store_free)

/* All records in the order of their numbers, so that a parent comes before its children. -EBADMSG for a value that no
 * podmountd writes. */
int layer_store_load(struct layer_store *store, struct record_layer ***ret, size_t *ret_n);

/* Adds a layer, whose id must be free, and sets its number. */
int layer_store_add(struct layer_store *store, struct record_layer *layer);
/* A layer that is being removed has no parent any more: that one may go first. */
int layer_store_set_state(struct layer_store *store, uint64_t number, enum record_layer_state state);
/* What is known of it, anew. */
int layer_store_set_metadata(struct layer_store *store, uint64_t number, char *const *metadata);
/* Takes back that a layer is being removed. */
int layer_store_keep(struct layer_store *store, uint64_t number, uint64_t parent);
int layer_store_delete(struct layer_store *store, uint64_t number);
/* What is being made beside it, with what the layer has, or will have, been charged with. */
int layer_store_set_work(struct layer_store *store, uint64_t number, enum record_layer_work work, uint64_t bytes, uint64_t inodes);

/* Whoever holds a layer until it says otherwise. */
struct record_holder {
        uint64_t layer; /* its number */
        uid_t owner;
        char *name;
        uint32_t count; /* how often */
};
/* Frees the array and what it has. */
void record_holders_free(struct record_holder *holders, size_t n);
/* All of them, by layer. -EBADMSG as above. */
int layer_store_load_holders(struct layer_store *store, struct record_holder **ret, size_t *ret_n);
/* Adds, changes or, with a count of 0, deletes one. */
int layer_store_put_holder(struct layer_store *store, const struct record_holder *holder);
/* The same for all of these, in one transaction. */
int layer_store_put_holders(struct layer_store *store, const struct record_holder *holders, size_t n);
