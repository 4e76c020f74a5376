/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Operations on layers. They go through the stations like those on pods (pod/operation.h) and have no pod. */

#include "layer/asked.h"
#include "pod/operation.h"

/* A new layer, or, as a retry, the one that is there and the same. What the arguments point to is copied. */
int operation_new_layer_create(struct pods *pods, const struct caller *caller, const struct layer_asked *asked,
                               struct operation **ret, struct failure *f);
/* The end of a layer that nothing stands on; one that is not there is gone already. It is over when nobody sees the layer
 * any more; what it had on the disk is removed after that. */
int operation_new_layer_remove(struct pods *pods, const struct caller *caller, const char *id, struct operation **ret,
                               struct failure *f);

/* A layer is mounted, if it is not, and held by the caller under this name: until it is put back, or, with a connection
 * (not 0), until layers_disconnect(). operation_layer_path() says where. */
int operation_new_layer_get(struct pods *pods, const struct caller *caller, const char *id, const char *holder, uint64_t connection,
                            struct operation **ret, struct failure *f);
/* Where it is mounted; the operation's. */
const char *operation_layer_path(const struct operation *operation);
/* The end of that, once or for `all` times that it was got, of a holder of the user `owner`; the last one unmounts it. What is not held is put back
 * already. */
int operation_new_layer_put(struct pods *pods, const struct caller *caller, const char *id, const char *holder, uid_t owner, uint64_t connection, bool all,
                            struct operation **ret, struct failure *f);
/* A layer that nobody holds is unmounted, if it is mounted; operation_layer_unmounted() says whether it was. */
int operation_new_layer_let_go(struct pods *pods, const struct caller *caller, const char *id, struct operation **ret, struct failure *f);
/* Of an operation_new_layer_put() or _let_go(). */
bool operation_layer_unmounted(const struct operation *operation);
/* A connection has ended, and what was held with it. */
void layers_disconnect(struct pods *pods, uint64_t connection);
/* What was half removed is removed, again if it could not be: how many. What could not take the place of a layer's content does, if it can now. */
uint32_t layers_purge_again(struct pods *pods, const struct caller *caller);

/* Adds what a tar has, the one fd, to what a layer has: all of it or nothing. operation_layer_bytes() says how much it was. */
int operation_new_layer_apply(struct pods *pods, const struct caller *caller, const char *id, const struct operation_fds *fds,
                              struct operation **ret, struct failure *f);
/* Bytes of the content of all files of the tar. */
uint64_t operation_layer_bytes(const struct operation *operation);

enum { IMPORT_REFERENCE_MAX = 1024 };
/* An image out of an OCI image layout, the one fd: a layer for each of its own, or the one that the caller has already.
 * `platform`: "" for this machine's. operation_layer_imported() says which layer is the top one. */
int operation_new_layer_import(struct pods *pods, const struct caller *caller, const char *reference, const char *platform,
                               const struct operation_fds *fds, struct operation **ret, struct failure *f);
/* Called a few times a second while it works, until its maker goes away: how many bytes of all blobs it is done with, and the layer
 * that it works on. */
typedef void (*import_progress_fn)(const char *id, uint64_t done, uint64_t total, void *userdata);
void operation_layer_import_follow(struct operation *operation, import_progress_fn progress, void *userdata);
/* The id; the operation's. */
const char *operation_layer_imported(const struct operation *operation);
/* What a layer has that another one, its parent or any, has not: all that there is for "". */
enum layer_reading {
        LAYER_READ_DIFF,    /* as a tar, into a pipe: the operation answers when that is begun, and goes on until its end */
        LAYER_READ_CHANGES, /* as a list… */
        LAYER_READ_SIZE,    /* …or in bytes */
        LAYER_READ_OPEN,    /* the layer's own directory, as the root of a detached mount that can be read */
};
int operation_new_layer_read(struct pods *pods, const struct caller *caller, enum layer_reading reading, const char *id, const char *parent,
                             struct operation **ret, struct failure *f);
/* The read end of the pipe, or the mount; from now on the caller's of this. */
int operation_layer_take_fd(struct operation *operation);
/* What LAYER_READ_CHANGES found: for each entry a kind, a path and a detail, with their NULs; the operation's. */
const char *operation_layer_changes(const struct operation *operation, size_t *ret_size);

/* What LAYER_READ_SIZE found. */
uint64_t operation_layer_size(const struct operation *operation);

/* The id of the layer; the operation's, NULL before an id was chosen. */
const char *operation_layer(const struct operation *operation);

/* Ends what a crash left half made or half removed. Asynchronous; whoever wants a layer of the same id waits. */
void layers_recover(struct pods *pods);
