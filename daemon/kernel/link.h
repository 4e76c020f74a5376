/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Network interfaces, "links" to rtnetlink(7), in whichever network namespace: found, made, marked, moved, deleted. A mark is an
 * alternative name (ip-link(8), "altname"), which the kernel keeps over a move and has once in a namespace at most. Whoever
 * calls compares what was found with what it means before it changes that: an index says which link is meant from then on.
 * Errors are negative errnos, not logged.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/link-name.h"

enum { LINK_MARK_SIZE = 128 /* ALTIFNAMSIZ, with the NUL */ };

/* A way to the links of one network namespace; it keeps that alive. */
struct link_space;

struct link_info {
        uint32_t index;
        char name[LINK_NAME_SIZE];
};

/* That of the fd, or, for -1, the process's own. */
int link_space_open(int fd, struct link_space **ret);
struct link_space *link_space_close(struct link_space *space);
DEFINE_CLEANUP(struct link_space *, link_space_close)

/* An fd of a network namespace that nobody else has, with nothing in it: what is made there goes with the last fd. */
int link_space_new(void);
/* An fd of the process's own. */
int link_space_own(void);

/* -ENODEV for what is not there. */
int link_find(struct link_space *space, const char *name, struct link_info *ret);
int link_find_marked(struct link_space *space, const char *mark, struct link_info *ret);

/* Makes a link, down, with the peer that a "veth" has (else NULL), as this space's own: in the network namespace of the fd `in`, or,
 * for -1, in this one. -EEXIST, -EOPNOTSUPP for a kind that this kernel does not have, -EINVAL for one that needs to be told more. */
int link_make(struct link_space *space, const char *name, const char *kind, const char *peer, int in);
/* -EEXIST when another one has the mark, or the link itself. */
int link_mark(struct link_space *space, uint32_t index, const char *mark);
int link_unmark(struct link_space *space, uint32_t index, const char *mark);
/* Gives it another name; it has to be down. */
int link_rename(struct link_space *space, uint32_t index, const char *name);
/* Moves it into the network namespace of the fd `to`, where it is down and has this name. -EEXIST: another one there has it, or the mark;
 * -EINVAL for a kind that cannot be moved. There it has the index `wanted`, unless that is 0 or taken; else the kernel's choice. */
int link_move(struct link_space *space, uint32_t index, int to, const char *name, uint32_t wanted);
int link_delete(struct link_space *space, uint32_t index);
