/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A directory of a layer as it is seen: its own one on top of what lies below it, composed as overlayfs composes them
 * (Documentation/filesystems/overlayfs.rst): whiteouts and opaque directories hide, directories of one name become one. Redirects are
 * followed, and metacopy files have their contents, within what lies below and nowhere else: without symlinks, mount points and "..".
 */

#include "content/node.h"

/* One directory. The fds are open for reading. */
struct place {
        int top;  /* in the layer's own directory, or -1 */
        int base; /* in what lies below it, merged, or -1 */
};
#define PLACE_INIT ((struct place) {.top = -1, .base = -1})
void place_done(struct place *place);
#define _cleanup_place_ _cleanup_(place_done)

/* A whole tree. */
struct view {
        struct place root;       /* the caller's */
        const struct idmap *map; /* of the ids in the layer's own directory, or NULL */
        bool trusted;            /* as node_read() has it */
};

/* A directory's names, sorted by their bytes, each once. */
struct names {
        const char **list;
        size_t n;
        char *text; /* that they lie in… */
        size_t size, room;
};
#define NAMES_INIT ((struct names) {})
void names_done(struct names *names);
#define _cleanup_names_ _cleanup_(names_done)

enum { NAMES_MAX = 4 * 1024 * 1024 /* in one directory */ };

/* Adds the names in a directory of which nobody has read. -E2BIG past NAMES_MAX. */
int names_add(struct names *names, int directory);
/* The same, but only of directories, and of what the file system does not say the type of. */
int names_add_directories(struct names *names, int directory);
/* After the last of them. -ENOMEM. */
int names_sort(struct names *names);

/* Where an entry lies. */
enum place_part { PLACE_NOWHERE, PLACE_TOP, PLACE_BASE };

/* Reads what is seen by that name ("": the directory itself); *ret_part says where it lies; PLACE_NOWHERE, and the node is empty, where
 * nothing is. -ERANGE, with the id, for one that the container has no name for. */
int place_read(const struct view *view, const struct place *place, const char *name, struct node *ret, enum place_part *ret_part, uint32_t *ret_foreign);

/* Enters a directory that place_read() found. -ENOENT where a redirect leads to nothing, -ENOTDIR to what is no directory. */
int place_enter(const struct view *view, const struct place *place, const char *name, const struct node *node, enum place_part part, struct place *ret);
/* Opens a regular file that place_read() found, for reading; of a metacopy what it is the copy of, -ENOENT if that is not there. */
int place_open(const struct view *view, const struct place *place, const char *name, const struct node *node, enum place_part part, int *ret_fd);
