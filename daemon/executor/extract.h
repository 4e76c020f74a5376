/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writes the entries of a tar into a directory, for a worker. Each name is walked component by component from that directory on,
 * through directories alone, never through a link, so that no name leads out of it, whatever is made in between; links that it leads through in
 * the layers below are worked out before that, and change the name. What overlayfs
 * means by a whiteout is made of what a tar means by one (OCI image-spec, layer.md).
 *
 * 0; a negative errno (memory); or a positive enum failure_kind of a worker_fail().
 */

#include <archive.h>
#include <archive_entry.h>

#include "executor/worker.h"
#include "spec/idmap.h"

enum {
        EXTRACT_NAME_MAX = 64 * 1024 - 1, /* bytes of one name… */
        EXTRACT_DEPTH_MAX = 4096,         /* …and its components */
};

struct extract_setup {
        int root;                  /* the caller's */
        int opaque;                /* where the names of opaque directories go, a NUL behind each; the caller's */
        int below;                 /* what the layer shows without this tar, read-only, whose directories those are as that the tar leads through; the
                                    * caller's, or -1 */
        int own;                   /* what the layer itself has of that, whose links no name leads through; the caller's, or -1 */
        int stash;                 /* an empty directory in the mount of `root`, for copies of what hard links are to that is below alone; with `below`; the caller's */
        int under;                 /* with `notes`: what it stands on, without what it has itself; the caller's, or -1 if that is nothing */
        bool root_below;           /* …so is the root directory, if the tar does not have it */
        int notes;                 /* where is written down what is to be done when this is put over what the layer has (executor/merge.h); the
                                    * caller's, or -1 if it has nothing */
        bool base;                 /* nothing lies below: whiteouts hide nothing and are left out */
        bool devices;              /* there may be device nodes */
        bool acls_unmapped;        /* …through id mappings that do not hold for its ACLs (kernel/userns.h): one that names somebody is refused */
        const struct idmap *idmap; /* what ids are on the disk: host ids; NULL: what they are in the tar */
        uint64_t bytes_max, inodes_max;
        size_t bytes_figure, inodes_figure; /* which of the worker's figures count them */
};

struct extract;

/* Nothing is written yet. */
int extract_new(struct worker *worker, const struct extract_setup *setup, struct extract **ret);
/* Looks at the next entry. *ret_name: what it is to be called in the directory, until the next call, if it is a regular file with a
 * content of its own, else NULL. */
int extract_look(struct extract *extract, struct archive_entry *entry, const char **ret_name);
/* Writes it, with its content from the archive. */
int extract_write(struct extract *extract, struct archive *archive, struct archive_entry *entry);
/* Sets what changes while a directory is filled. */
int extract_finish(struct extract *extract);
/* Whether nothing that was written was replaced later, or written with holes: each file has the bytes that the tar had for it. */
bool extract_is_plain(const struct extract *extract);
struct extract *extract_free(struct extract *extract);
DEFINE_CLEANUP(struct extract *, extract_free)
