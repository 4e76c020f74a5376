/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A layer as a client asks for it: checked word by word, and compared with one that is there. Pure. */

#include <stdbool.h>

#include "store/layers.h"
#include "util/failure.h"

enum {
        LAYER_METADATA_MAX = 64,            /* keys of one layer… */
        LAYER_METADATA_BYTES = 16 * 1024,   /* …and bytes of all its keys and values */
};

struct layer_asked {
        const char *id, *parent; /* "": a new one; none */
        bool read_write;
        const char *label, *uid_map, *gid_map; /* NULL: none */
        char *const *metadata;   /* pairs; NULL: none */
};

/* FAILURE_INVALID_ARGS or FAILURE_INVALID_OPTION, with what ought to be there. Everything but whether the parent is there. */
int layer_asked_check(const struct layer_asked *asked, struct failure *f);
/* A record of it, without number, parent and owner. -ENOMEM. */
int layer_asked_record(const struct layer_asked *asked, const char *id, struct record_layer **ret);
/* Whether it is what the record says, so that asking for it once more is a retry. `parent`: the id of the record's parent,
 * "" for none. */
bool layer_asked_is(const struct layer_asked *asked, const struct record_layer *record, const char *parent);
