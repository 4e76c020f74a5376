/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Layers as executors know them: an id, which is the name of the layer's directory, and a number, which is in the names of
 * directories that are no layer yet or none any more. Pure.
 *
 *     layers/<id>/                       0700 root
 *       diff/                            what the layer has
 *       work/                            overlayfs's own, for a layer that is written to
 *       meta                             "number=<number>\n": whose directory this is
 *       tar-split                        what the tar had, of which diff/ was made, beside the files' content (executor/layer-split.h)
 *       .apply/                          being made of a tar, and then what it takes the place of
 *         diff/                          …what the layer is to have, and had
 *         split                          …the new tar-split, empty for none; split-<inode> once diff/ of that inode is to be adopted
 *         opaque                         …the names of directories that are opaque, which an executor makes them
 *         notes                          …what is to be done when it is put over what the layer has (executor/merge.h)
 *     layers/.new-<number>/              being made
 *     layers/.<id>-removing-<number>/    being removed
 *
 * No id begins with a dot, so that no leftover is in the way of a layer.
 */

#include "plan/plan.h"
#include "util/path.h"

#define LAYER_APPLY ".apply"

/* The names above; NULL when memory is short. */
char *layer_new_name(uint64_t number);
char *layer_removing_name(const char *id, uint64_t number);

/* What the overlay of a layer is called as its source, so that it is known for one. Numbers in a store are another daemon's. NULL
 * when memory is short. */
char *layer_source(bool in_store, uint64_t number);

/*
 * How a step names a layer: "<id>" of our own, "<store>:<number>:<id>" of one in an additional store, of which the store is the
 * how manieth of the executors' list it is, from 1, and the number the layer's there. No id has a colon.
 */
struct layer_reference {
        uint32_t store;  /* 0: our own */
        uint64_t number; /* in a store; 0 else */
        const char *id;  /* a part of the text */
};
/* Whether it is the name of a layer, for which it has to be the one text of that. */
bool layer_reference_parse(const char *text, struct layer_reference *ret);
/* The text of one in a store. NULL when memory is short. */
char *layer_reference_text(uint32_t store, uint64_t number, const char *id);

/* A layer that is to be mounted. */
struct plan_layer {
        const char *id; /* here and below references, as above */
        uint64_t number;
        const char *const *below; /* the ids of what it stands on, topmost first… */
        size_t n_below;           /* …and how many */
        bool writable;
        const char *label;        /* or NULL */
        const struct idmap *idmap; /* or NULL */
        bool shared;              /* in a peer group of its own */
};
/* A job of one STEP_LAYER_MOUNT. */
int plan_layer_mount(uint64_t job, const struct job_caller *caller, const struct plan_layer *layer, struct job **ret);
/* A job of one STEP_LAYER_UNMOUNT, by the mount's ids and the device of its root. */
int plan_layer_unmount(uint64_t job, const char *id, uint64_t number, uint64_t unique, uint32_t mount_id, uint64_t device, struct job **ret);

/* A copy of who calls, for a job. -ENOMEM. */
int plan_copy_caller(const struct job_caller *from, struct job_caller *ret);

/* A job of one STEP_IMAGE_READ, whose one fd is the image layout. `platform`: "" for this machine's. -ENOMEM. */
int plan_image_read(uint64_t job, const struct job_caller *caller, const char *reference, const char *platform, struct job **ret);
/* A job of one STEP_IMAGE_BLOB, likewise. -ENOMEM. */
int plan_image_blob(uint64_t job, const struct job_caller *caller, const char *digest, uint64_t size, struct job **ret);

/* A job of one of STEP_LAYER_MAKE, _RETIRE and _PURGE. -ENOMEM. */
int plan_layer(uint64_t job, enum step_kind kind, const char *id, uint64_t number, struct job **ret);

/* What a worker is to tell of a layer. */
struct plan_read {
        const char *id;
        uint64_t number;
        const char *const *below;  /* the ids of what it stands on, topmost first… */
        size_t n_below;
        bool own;                  /* beside that; else */
        const char *const *beside; /* …beside another one, with what that stands on, topmost first; or beside nothing */
        size_t n_beside;
        const struct idmap *idmap; /* of what is in its own directory, or NULL… */
        const struct idmap *beside_idmap; /* …and in that of the one beside it */
};
/* The option of the step that has the second of them, as text: idmap_to_text(). */
#define PLAN_READ_IDMAP "idmap"
/* What the figures of its worker's reports are. */
enum read_figure {
        READ_DONE, /* bytes that were written, or entries that were looked at */
        READ_SIZE, /* STEP_LAYER_SIZE: the answer */
};
/* A job of one STEP_LAYER_DIFF, whose one fd is the write end of a pipe, STEP_LAYER_CHANGES or STEP_LAYER_SIZE. -ENOMEM. */
int plan_layer_read(uint64_t job, const struct job_caller *caller, enum step_kind kind, const struct plan_read *read, struct job **ret);
/* A job of one STEP_LAYER_OPEN. -ENOMEM. */
int plan_layer_open(uint64_t job, const struct job_caller *caller, const char *id, uint64_t number, struct job **ret);

/* What of a tar a worker is to make. */
struct plan_apply {
        const char *id;
        uint64_t number;
        const char *const *below;  /* the ids of what it stands on, topmost first… */
        size_t n_below;
        bool writable, base;       /* it is read-write; it stands on none */
        const struct idmap *idmap; /* of one that is writable, or NULL */
        uint64_t bytes_max, inodes_max;
        const char *digest, *diff_id; /* what the bytes that come, and the tar in them, must have (image/digest.h), or NULL: anything */
};
/* What the figures of its worker's reports are. */
enum apply_figure {
        APPLY_READ,    /* bytes of the tar, as it came */
        APPLY_CONTENT, /* bytes that its files have, not compressed */
        APPLY_WRITTEN, /* bytes that were written into the layer… */
        APPLY_INODES,  /* …and files and directories that were made */
};
/* A job of one STEP_LAYER_MERGE: at most so many bytes and inodes of what the layer has. -ENOMEM. */
int plan_layer_merge(uint64_t job, const char *id, uint64_t number, bool base, uint64_t bytes_max, uint64_t inodes_max, struct job **ret);
/* A job of one STEP_LAYER_APPLY, whose one fd is the tar. */
int plan_layer_apply(uint64_t job, const struct job_caller *caller, const struct plan_apply *apply, struct job **ret);
