/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Linear probing. What is removed leaves no mark: those behind it that would be found no longer move up. */

#include "table/ids.h"

enum { PLACES_MIN = 64 };

static uint64_t id_of(const struct ids *ids, const struct entry *entry) {
        return ids->kind == IDS_UNIQUE ? entry->unique_id : entry->id;
}

/* Where the search for an id begins. Ids in a row are spread evenly (Knuth's multiplicative hashing). */
static size_t home(const struct ids *ids, uint64_t id) {
        return (size_t) ((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (ids->n_places - 1);
}

void ids_done(struct ids *ids) {
        free(ids->places);
        *ids = (struct ids){.kind = ids->kind};
}

static void place(struct ids *ids, struct entry *entry) {
        size_t i = home(ids, id_of(ids, entry));

        while (ids->places[i])
                i = (i + 1) & (ids->n_places - 1);
        ids->places[i] = entry;
}

int ids_reserve(struct ids *ids) {
        struct ids larger = {.kind = ids->kind, .n = ids->n};

        if (ids->n < ids->n_places / 4 * 3)
                return 0;
        if (__builtin_mul_overflow(ids->n_places, 2, &larger.n_places))
                return -ENOMEM;
        if (larger.n_places == 0)
                larger.n_places = PLACES_MIN;
        larger.places = calloc(larger.n_places, sizeof(*larger.places));
        if (!larger.places)
                return -ENOMEM;
        for (size_t i = 0; i < ids->n_places; i++)
                if (ids->places[i])
                        place(&larger, ids->places[i]);
        free(ids->places);
        *ids = larger;
        return 0;
}

void ids_add(struct ids *ids, struct entry *entry) {
        place(ids, entry);
        ids->n++;
}

static size_t find(const struct ids *ids, uint64_t id) {
        size_t i;

        if (ids->n == 0)
                return SIZE_MAX;
        for (i = home(ids, id); ids->places[i]; i = (i + 1) & (ids->n_places - 1))
                if (id_of(ids, ids->places[i]) == id)
                        return i;
        return SIZE_MAX;
}

void ids_remove(struct ids *ids, const struct entry *entry) {
        size_t mask = ids->n_places - 1, hole = find(ids, id_of(ids, entry));

        if (hole == SIZE_MAX || ids->places[hole] != entry)
                return;
        ids->n--;
        for (size_t i = (hole + 1) & mask; ids->places[i]; i = (i + 1) & mask) {
                size_t start = home(ids, id_of(ids, ids->places[i]));

                if (((i - start) & mask) < ((i - hole) & mask))
                        continue; /* its search begins behind the hole */
                ids->places[hole] = ids->places[i];
                hole = i;
        }
        ids->places[hole] = NULL;
}

struct entry *ids_get(const struct ids *ids, uint64_t id) {
        size_t i = find(ids, id);

        return i == SIZE_MAX ? NULL : ids->places[i];
}

struct entry *ids_next(const struct ids *ids, size_t *position) {
        while (*position < ids->n_places) {
                struct entry *entry = ids->places[(*position)++];

                if (entry)
                        return entry;
        }
        return NULL;
}

size_t ids_bytes(const struct ids *ids) {
        return ids->n_places * sizeof(*ids->places);
}
