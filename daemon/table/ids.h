/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Entries by one of their ids: nine bytes a place, the key is read from the entry. An entry's id must not change
 * while it is in the set. The kernel gives the ids out one after the other, so nobody can choose them to collide.
 */

#include "table/entry.h"

enum ids_kind { IDS_RECYCLED, IDS_UNIQUE };

struct ids {
        enum ids_kind kind;
        struct entry **places; /* a power of two, at most three quarters in use */
        uint8_t *marks;        /* 0 for a free place, else a few bits of the id's hash; in the memory of `places` */
        size_t n_places, n;
};

void ids_done(struct ids *ids);
/* Makes room for so many more, so that as many ids_add() cannot fail. -ENOMEM. */
int ids_reserve(struct ids *ids, size_t more);
/* Gives back room for what is gone, if that is most of it. Short of memory, nothing happens. */
void ids_trim(struct ids *ids);
/* Takes the entry in; room must have been made, and the id must not be there. */
void ids_add(struct ids *ids, struct entry *entry);
/* Takes it out, if it is there. */
void ids_remove(struct ids *ids, const struct entry *entry);
/* NULL when there is none. */
struct entry *ids_get(const struct ids *ids, uint64_t id);
/* The entries one by one, in no order: `*position` is 0 at first; NULL at the end. */
struct entry *ids_next(const struct ids *ids, size_t *position);
/* What it has allocated, in bytes. */
size_t ids_bytes(const struct ids *ids);
