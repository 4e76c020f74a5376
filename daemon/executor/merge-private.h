/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of merge share: merge.c walks the trees, merge-file.c has what becomes of one file,
 * merge-notes.c what is done at the end. */

#include <sys/stat.h>
#include <sys/xattr.h>

#include "executor/merge.h"
#include "util/map.h"

#define MERGE_OPAQUE "trusted.overlay.opaque"

enum { MERGE_DEPTH_MAX = 4096 /* directories within each other, as many as a tar's names may lead through */ };

struct merge {
        struct worker *worker;
        const struct merge_setup *setup;
        struct map *charged; /* inodes with several names whose bytes are counted, or NULL */
        struct map *linked;  /* names that notes have made, or NULL */
        ino_t copied;        /* the last file that had too many names for one more… */
        int copy;            /* …and what the others are names of, O_PATH; or -1 */
};

/* A system call failed on something that the layer has: "NAME, which the layer has: …". */
int merge_failed(struct merge *merge, const char *name, int error, const char *what);
/* FAILURE_QUOTA_EXCEEDED. */
int merge_charge(struct merge *merge, const char *name, uint64_t inodes, uint64_t bytes);

/* What a file of the old tree counts: its bytes and those of the attributes that tars have, once, whatever names it has. `directory` is what it is in. */
int merge_charge_file(struct merge *merge, int directory, const char *name, uint64_t inodes, const struct stat *is);
/* Gives a file of the old tree its name in the new one. */
int merge_link(struct merge *merge, int old, int new, const char *name, const struct stat *is);
/* Extended attributes and ACLs: all of them for what is made like the other, else those that no tar has, as far as they are missing. */
int merge_attributes(struct merge *merge, int from, int to, bool made);
/* What the extraction has left to be done, of one kind (merge-notes.c): links before the old tree comes, which they hide, whiteouts after that: those go that
 * have nothing to hide. */
int merge_notes(struct merge *merge, char kind);
/* Whether a directory says that nothing below shows through: 1, 0, or a negative errno. */
int merge_is_opaque(int directory);
void merge_notes_done(struct merge *merge);
