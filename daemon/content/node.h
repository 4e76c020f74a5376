/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One entry of a tree with all that a tar says of it but a file's contents: what is to be told, and what is to be compared. Names are
 * relative to an fd of a directory and never followed; the process's working directory may be used for that and left somewhere
 * (kernel/attributes.h), so that whoever calls has one to lose.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "spec/idmap.h"
#include "util/cleanup.h"

/* An extended attribute. */
struct attribute {
        char *name;
        void *value;
        size_t size;
};

struct node {
        struct stat status;
        char *target; /* of a symlink, else NULL */
        struct attribute *attributes; /* sorted by name; overlayfs's own are not among them */
        size_t n_attributes;
        /* What overlayfs has written into the directory of a layer. */
        bool opaque;    /* a directory that hides what is below */
        bool metacopy;  /* a file whose contents are below… */
        char *redirect; /* …or a directory that goes on there, at another name than its own; NULL: at its own */
};
#define NODE_INIT ((struct node) {})
void node_done(struct node *node);
/* Hands all of it on. */
#define TAKE_NODE(node)                          \
        ({                                       \
                struct node *_node = &(node);    \
                struct node _taken = *_node;     \
                *_node = NODE_INIT;              \
                _taken;                          \
        })
#define _cleanup_node_ _cleanup_(node_done)

/* What is there, without its attributes. -ENOENT. */
int node_look(int directory, const char *name, struct stat *ret);
/* All of it; "" for the directory itself. `trusted`: also attributes that are root's ("trusted."), but for overlayfs's. -ENOENT, or another
 * negative errno, not logged. */
int node_read(int directory, const char *name, bool trusted, struct node *ret);

/* Whether a directory has been moved by overlayfs, by an fd of it. A negative errno. */
int node_is_moved(int directory, bool *ret);

/* Whether this is how overlayfs writes that a name is gone. */
bool node_is_whiteout(const struct stat *status);

/* Writes the ids that a container sees in place of those on the disk, in attributes, too. -ERANGE with the first that it cannot see. */
int node_map(struct node *node, const struct idmap *idmap, uint32_t *ret_foreign);

/* What two entries of the same name do not have in common. */
enum {
        NODE_TYPE = 1 << 0,
        NODE_MODE = 1 << 1,
        NODE_OWNER = 1 << 2,
        NODE_SIZE = 1 << 3,       /* of a file */
        NODE_TIME = 1 << 4,       /* of the last modification */
        NODE_TARGET = 1 << 5,     /* of a symlink */
        NODE_DEVICE = 1 << 6,
        NODE_ATTRIBUTES = 1 << 7,
        NODE_CONTENT = 1 << 8,    /* of files that are alike in all else */
        NODE_LINKS = 1 << 9,      /* which names a file has */
        _NODE_DIFFERENCES = 10,
};
/* All but the last two. */
uint32_t node_compare(const struct node *a, const struct node *b);
/* "mode,owner", in the order above; "" for 0. The caller's; NULL when memory is short. */
char *node_words(uint32_t differences);
