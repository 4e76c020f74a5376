/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * All layers of this host, those in additional stores among them, and what is known of the place that they lie in. Owned by the manager. What changes them are
 * the operations of pod/operation-layer*.c; here are the look-ups and the rules, and nothing but the records' store is asked.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admit/caller.h"
#include "kernel/backing.h"
#include "store/layers.h"
#include "util/failure.h"
#include "util/map.h"
#include "util/settings.h"

enum { LAYERS_CHAIN_MAX = 500 /* lower layers of one overlay: the kernel's OVL_MAX_STACK, and JOB_LAYERS_MAX */ };

/* Who holds a layer: it is mounted, and stays. */
struct holder {
        uid_t owner;
        char *name;
        uint32_t count;
        uint64_t connection; /* that it goes with, or 0: it lasts */
};

struct layer {
        struct record_layer *record; /* owned; of a layer in a store what is on record there */
        uint64_t key;                /* what our own records call it; 0: they do not, yet */
        const char *store;           /* the state directory of the additional store that it lies in; NULL: it is ours */
        uint32_t store_index;        /* …which is how manieth; 0: it is ours, or missing */
        char *reference;             /* what steps call it, if it lies in a store (plan/layer.h) */
        const char *missing;         /* why it is not to be had, though something stands on it or holds it: a phrase; or NULL */
        struct holder *holders;
        size_t n_holders;
        bool mounted, covered;       /* at <runtime>/layers/<id>, as far as known, with these ids; and something else over it: */
        uint64_t mount_unique;       /* 0 where the kernel has none */
        uint32_t mount_id;
        uint64_t device;             /* of its root */
        struct layer *parent;        /* NULL: none, or it is being removed */
        uint32_t depth;              /* how many layers its chain has, itself among them */
        uint32_t n_children;
        bool busy;                   /* an operation changes it: others wait */
        bool mounting;               /* that one mounts it: it counts as mounted */
        bool adopting;               /* what was made beside it may yet take the place of what it has, though nobody is at work on that */
        const char *writer, *reader; /* the methods that are at work on what it has (layer/uses.h), or NULL… */
        uint32_t n_readers;          /* …and how many of the latter */
        char *diff_error;            /* why the last Diff of this user broke off when somebody read it already; NULL: it did not, as far as known */
        uid_t diff_user;
};

/* An additional store. */
struct layers_store {
        const char *path;
        int records_fd;     /* its layers.db */
        const char *reason; /* why it cannot be used, a phrase; NULL: it can */
        uint32_t n_layers;  /* that it has for us */
};

struct layers {
        const char *path;              /* of the state directory… */
        const struct backing *backing; /* …and what its file system can do; both outlive this */
        char *reason;                  /* why there is no layer store; NULL: there is one */
        struct layer_store *store;
        struct layers_store *stores;   /* in the order of search… */
        size_t n_stores;
        struct layer **shadowed;       /* …and those of their layers whose id one of ours has, or one of a store before */
        size_t n_shadowed;
        struct map *by_id;             /* those that are there, or about to be, or whose directory may still have its name */
        struct layer **removing;       /* the others, of which something may be left */
        size_t n_removing;
};

struct layers_setup {
        int records_fd;                    /* the directory of our records, or -1… */
        const char *reason;                /* …and why there is none, or NULL */
        const char *path;                  /* of the state directory */
        const struct backing *backing;
        const struct layers_store *stores; /* what they point to outlives the registry; the fds are only read here */
        size_t n_stores;
};
/* Opens the records in the directory and loads them all, and what is in the stores. A store, ours or another, that cannot be used is no error:
 * nothing works but layers_check(), which says so. -ENOMEM. */
int layers_open(const struct layers_setup *setup, struct layers *ret);
void layers_done(struct layers *layers);

/* 0; FAILURE_NOT_SUPPORTED where there is no layer store, with the reason… */
int layers_check(const struct layers *layers, struct failure *f);
/* …or also where the file system cannot hold layers. */
int layers_check_backing(const struct layers *layers, struct failure *f);
/* …if this layer, which is there, lies on it and is to be part of an overlay; a file system without room when it was tried may do. */
int layers_check_overlay(const struct layers *layers, const struct layer *layer, struct failure *f);

/* Whether this caller may know of the layer: its own, and those in a store that root made there; root all. */
bool layers_may_see(const struct layer *layer, const struct caller *caller);
/* A layer that this caller may see and that is not being made, or NULL. */
struct layer *layers_find(const struct layers *layers, const char *id, const struct caller *caller);
/* FAILURE_NO_SUCH_LAYER. */
int layers_no_such(const char *id, struct failure *f);
/* The layer that this user has of a chain id, whatever its state, unless its removal came to a halt; or NULL. */
struct layer *layers_find_chain(const struct layers *layers, const char *chain, uid_t owner);
/* How many layers a user has, those among them that are being removed. */
uint32_t layers_count_of(const struct layers *layers, uid_t owner);
/* The same of a group; root's own are not counted. */
uint32_t layers_count_of_group(const struct layers *layers, gid_t group);

/* How many of a user's layers are mounted, or are about to be. */
uint32_t layers_mounted_of(const struct layers *layers, uid_t owner);
/* The same of a group; root's own are not counted. */
uint32_t layers_mounted_of_group(const struct layers *layers, gid_t group);

/* A layer that may be put below another one. FAILURE_NO_SUCH_LAYER, FAILURE_INVALID_ARGS for one that is written to,
 * FAILURE_NOT_SUPPORTED for a chain that would be longer than the kernel takes. */
int layers_find_parent(const struct layers *layers, const char *id, const struct caller *caller, bool read_write,
                       struct layer **ret, struct failure *f);
/* FAILURE_QUOTA_EXCEEDED past LayersPerUser= or LayersPerGroup= with so many more; root is not charged. */
int layers_check_quota(const struct layers *layers, const struct settings *settings, const struct caller *caller, uint32_t more, struct failure *f);
/* Whether nothing stands on a layer and nobody holds it: else FAILURE_LAYER_IN_USE, naming what does. */
int layers_check_unused(const struct layers *layers, const struct layer *layer, struct failure *f);

/* Puts a layer of a store on our records, where it is not, for whoever is to stand on it or to hold it. */
int layers_stand_in(struct layers *layers, struct layer *layer);
/* What steps call a layer; the layer's. */
const char *layer_reference(const struct layer *layer);
/* A number of its own among all layers, in the order of their listing: ours first, parents before children. */
uint64_t layer_list_number(const struct layer *layer);
/* FAILURE_NOT_SUPPORTED: it lies in a store. */
int layers_in_store_refuse(const struct layer *layer, struct failure *f);
/* Whether a new layer may have the id of one in a store, which it hides: FAILURE_LAYER_EXISTS while somebody holds that, and for anyone but root. */
int layers_check_shadow(const struct layer *layer, const struct caller *caller, struct failure *f);

/* An id that no layer has: 32 hexadecimal digits. NULL when memory is short. */
char *layers_new_id(const struct layers *layers);

/* Records a layer and makes it known, as one that is being made. The record is taken over on success. */
int layers_add(struct layers *layers, struct record_layer *record, struct layer *parent, struct layer **ret);
/* What is known of it, anew: taken over on success. */
int layers_set_metadata(struct layers *layers, struct layer *layer, char **metadata);
/* It is made. */
int layers_ready(struct layers *layers, struct layer *layer);
/* It is gone for everybody from now on, and its id is free as soon as layers_detach() is called. */
int layers_retire(struct layers *layers, struct layer *layer);
/* Takes that back. */
int layers_keep(struct layers *layers, struct layer *layer);
/* Its directory has no more the layer's name: another one may have the id. -ENOMEM. */
int layers_detach(struct layers *layers, struct layer *layer);
/* What is being made beside it, and what it is charged with then. */
int layers_set_work(struct layers *layers, struct layer *layer, enum record_layer_work work, uint64_t bytes, uint64_t inodes);
/* Nothing is left of a layer: it is forgotten and freed, and off the record. */
int layers_forget(struct layers *layers, struct layer *layer);
