/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The id mapping that a mount asks for with idmap or ridmap. Without a value the mapping is the mount's uidMappings and
 * gidMappings; a value is crun's inline form, crun(1):
 *
 *     uids=[@]CONTAINER-HOST-SIZE[#…];gids=[@]CONTAINER-HOST-SIZE[#…]
 *
 * with the meaning of the OCI specification's containerID, hostID and size. An @ makes a mapping relative to the user
 * namespace of the container. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/ids.h"

enum {
        IDMAP_MAX = 340,       /* mappings of uids, and of gids: the kernel's UID_GID_MAP_MAX_EXTENTS… */
        IDMAP_TEXT_MAX = 4095, /* …and bytes of their lines: less than a page in one write, user_namespaces(7) */
};

struct id_mapping {
        uint32_t container_id; /* the id on the file system */
        uint32_t host_id;      /* the id that is seen through the mount */
        uint32_t size;         /* how many, from each of them on; never 0 */
        bool relative;         /* host_id is one of the container's user namespace */
};

struct idmap {
        bool given;     /* the mount is to be mapped */
        bool recursive; /* …and the mounts below it */
        struct id_mapping *uids, *gids; /* owned */
        size_t n_uids, n_gids;          /* 0: by uidMappings and gidMappings */
};
void idmap_done(struct idmap *idmap);
#define _cleanup_idmap_ _cleanup_(idmap_done)
/* A copy of all of it. -ENOMEM. */
int idmap_copy(const struct idmap *from, struct idmap *ret);

/* What is wrong with a list of mappings: a phrase that begins "made of…" or "at most…", what it ought to be. NULL for a
 * good one. */
const char *idmap_check(const struct id_mapping *list, size_t n);
/* The same for its last mapping, the others being good. */
const char *idmap_check_last(const struct id_mapping *list, size_t n);
/* The lines that the kernel takes and shows, user_namespaces(7): "CONTAINER HOST SIZE\n" each. NULL: memory. */
char *idmap_to_lines(const struct id_mapping *list, size_t n);
/* Reads such lines. -EINVAL for others, -ENOMEM. */
int idmap_from_lines(const char *lines, struct id_mapping **ret, size_t *ret_n);
/* The inline form. NULL: memory. */
char *idmap_to_text(const struct idmap *idmap);

/* Whether the mappings name nothing, on either side, but ids of these ranges. The first id that is in none of them goes
 * to *ret_foreign. */
bool idmap_is_within(const struct id_mapping *list, size_t n, const struct id_range *ranges, size_t n_ranges,
        uint32_t *ret_foreign);
/* Whether a file of this id has an owner behind the mapping. */
bool idmap_has(const struct id_mapping *list, size_t n, uint32_t container_id);

/* Parses the inline form into the mappings of `ret`; `given` and `recursive` are left alone. 1 with *ret_must, what the
 * text ought to be, for one that is malformed, overlaps, overflows or has too many mappings; -ENOMEM. */
int idmap_parse(const char *text, struct idmap *ret, const char **ret_must);
